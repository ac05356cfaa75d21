"""A tiny HTTP server on loopback with canned answers, for the clients' error paths."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Canned:
    """Answers by "METHOD path?query". A list of answers is given one after the other, its last one for ever."""

    def __init__(self, url: str, answers: dict[str, Any]) -> None:
        self.url = url
        self.answers = {request: list(a) if isinstance(a, list) else a for request, a in answers.items()}
        self.requests: list[str] = []
        self.bodies: list[Any] = []
        self.authorizations: list[str | None] = []
        self.headers: dict[str, str] = {}
        """Sent with every answer."""
        self.received: list[dict[str, str]] = []
        """The headers of each request."""

    def next(self, request: str) -> tuple[int, bytes] | None:
        """Status and body; None closes the connection without an answer."""
        answer = self.answers.get(request, (404, {"error_code": 404, "message": "HTTP 404 Not Found"}))
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if answer is None:
            return None
        status, body = answer
        return status, body if isinstance(body, bytes) else json.dumps(body).encode()


@contextmanager
def serving(answers: dict[str, Any]) -> Iterator[Canned]:
    """Serve `answers`: request to (status, JSON value or bytes)."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            request = f"{self.command} {self.path}"
            canned.requests.append(request)
            canned.authorizations.append(self.headers.get("Authorization"))
            canned.received.append(dict(self.headers.items()))
            length = int(self.headers.get("Content-Length") or 0)
            canned.bodies.append(json.loads(self.rfile.read(length)) if length else None)
            answer = canned.next(request)
            if answer is None:
                return
            self.send_response(answer[0])
            self.send_header("Content-Length", str(len(answer[1])))
            for header in canned.headers.items():
                self.send_header(*header)
            self.end_headers()
            self.wfile.write(answer[1])

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815  the base class looks for these names

        def do_OPTIONS(self) -> None:
            allowed = [a.split(" ")[0] for a in canned.answers if a.partition(" ")[2] == self.path]
            body = b"" if allowed else b'{"error_code":404,"message":"HTTP 404 Not Found"}'
            self.send_response(200 if allowed else 404)
            self.send_header("Allow", ",".join([*allowed, "OPTIONS"]))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    canned = Canned(f"http://127.0.0.1:{server.server_port}", answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield canned
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def connector(kind: str, config: dict[str, str], state: str = "RUNNING", tasks: tuple[str, ...] = ("RUNNING",)) -> Any:
    """One connector as `GET /connectors?expand=status&expand=info` tells it; a FAILED task has a trace."""
    return {
        "status": {
            "name": config["name"],
            "connector": {"state": state, "worker_id": "connect-1:8083"},
            "tasks": [
                {
                    "id": number,
                    "state": task,
                    "worker_id": "connect-1:8083",
                    **({"trace": TRACE} if task == "FAILED" else {}),
                }
                for number, task in enumerate(tasks)
            ],
            "type": kind,
        },
        "info": {"name": config["name"], "config": config, "tasks": [], "type": kind},
    }


EXPANDED = "GET /connectors?expand=status&expand=info"

TRACE = """org.apache.kafka.connect.errors.ConnectException: Exiting WorkerSinkTask due to unrecoverable exception.
\tat org.apache.kafka.connect.runtime.WorkerSinkTask.deliverMessages(WorkerSinkTask.java:632)
Caused by: org.apache.kafka.connect.errors.ConnectException: JDBC sink connector failure
\tat io.debezium.connector.jdbc.JdbcSinkConnectorTask.put(JdbcSinkConnectorTask.java:140)
Caused by: org.postgresql.util.PSQLException: ERROR: relation "orders" does not exist
\tat org.postgresql.core.v3.QueryExecutorImpl.receiveErrorResponse(QueryExecutorImpl.java:2733)
"""
