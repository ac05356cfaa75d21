"""A container engine's HTTP API on loopback, with the answers a test gives it."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

VERSION = {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"}
NO_SUCH = {"message": "no such thing"}


def container(name: str, **changes: Any) -> dict[str, Any]:
    """The engine's answer to "inspect" for a running, healthy container; `changes` replaces keys of its State."""
    return {
        "Id": name,
        "Name": f"/{name}",
        "Created": "2026-11-01T08:00:00.123456789Z",
        "RestartCount": 0,
        "State": {
            "Status": "running",
            "ExitCode": 0,
            "StartedAt": "2026-11-02T08:00:00.5Z",
            "FinishedAt": "0001-01-01T00:00:00Z",
            "Health": {"Status": "healthy"},
            **changes,
        },
        "Config": {
            "Tty": False,
            "Labels": {
                "com.docker.compose.service": name,
                "com.docker.compose.project.working_dir": "/srv/pipeline",
            },
        },
        "HostConfig": {"PortBindings": {"1433/tcp": [{"HostIp": "127.0.0.1", "HostPort": "21433"}]}},
        "NetworkSettings": {"Ports": {}},
        "Mounts": [
            {"Type": "volume", "Destination": "/data", "Source": "/nowhere/volumes/data", "RW": True},
            {"Type": "bind", "Destination": "/etc/settings", "Source": "/etc/settings", "RW": False},
        ],
    }


def made_by_compose(service: str, project: str, number: int = 1, **labels: str) -> dict[str, Any]:
    """A container of a compose service, under the name that Compose gives it."""
    made = container(f"{project}-{service}-{number}")
    made["Config"]["Labels"] |= {
        "com.docker.compose.service": service,
        "com.docker.compose.project": project,
        "com.docker.compose.oneoff": "False",
        **labels,
    }
    return made


@contextmanager
def engine_with(*containers: dict[str, Any], answers: dict[str, Any] | None = None) -> Iterator[str]:
    """Serve these containers; yields the value for DOCKER_HOST. `answers` replaces answers by path without the version.

    An answer that is an int is an HTTP status, one that is bytes is a stream; one that can be called is made from the query.
    """
    known: dict[str, Any] = {
        "/version": VERSION,
        "/containers/json": [{"Names": [c["Name"]], "Labels": c["Config"]["Labels"]} for c in containers],
        "/events": b"",
        **{f"/containers{c['Name']}/json": c for c in containers},
        **(answers or {}),
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            answer = known.get(parts.path.removeprefix("/v1.41"), 404)
            answer = answer(parts.query) if callable(answer) else answer
            status = answer if isinstance(answer, int) else 200
            body = answer if isinstance(answer, bytes) else json.dumps(answer if status == 200 else NO_SUCH).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            if isinstance(answer, bytes):
                self.send_header("Transfer-Encoding", "chunked")
                body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
            else:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            output = known.get(urlsplit(self.path).path.removeprefix("/v1.41"))
            if not isinstance(output, bytes):
                self.do_GET()
                return
            # what a command prints comes after an upgrade of the connection, and ends with it
            self.send_response(101)
            for name, value in (("Connection", "Upgrade"), ("Upgrade", "tcp")):
                self.send_header(name, value)
            self.end_headers()
            time.sleep(
                0.3
            )  # a command prints once it has started; the client loses what comes in one piece with the answer's head
            self.wfile.write(output)
            self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"tcp://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
