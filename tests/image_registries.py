"""Registries of images on loopback: Debian's docker-registry, and one that answers what a test says."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import requests

from cdcproof.core.waiting import wait_until
from tests.programs import program

MANIFEST = "application/vnd.oci.image.index.v1+json"


@contextmanager
def registry(folder: Path, *tags: str, auth: str = "") -> Iterator[str]:
    """Debian's docker-registry with these tags of `pipeline/kafka`; yields its ``127.0.0.1:PORT``. `auth` is of its configuration."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        host = f"127.0.0.1:{held.getsockname()[1]}"
    configuration = folder / "registry.yml"
    text = f'version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: "{folder}/images"}}}}\nhttp: {{addr: "{host}"}}\n'
    configuration.write_text(text)
    with _serving(configuration, host):
        for tag in tags:
            push(host, tag)
    configuration.write_text(text + auth)
    with _serving(configuration, host):
        yield host


@contextmanager
def _serving(configuration: Path, host: str) -> Iterator[None]:
    with configuration.with_suffix(".log").open("a") as log:
        process = subprocess.Popen([program("docker-registry"), "serve", str(configuration)], stdout=log, stderr=log)
    try:
        wait_until(
            lambda: _answers(host), bool, what="docker-registry to answer", deadline_seconds=20, interval_seconds=0.05
        )
        yield
    finally:
        process.terminate()
        process.wait(10)


def _answers(host: str) -> bool:
    try:
        return requests.get(f"http://{host}/v2/", timeout=5).status_code in (200, 401)
    except requests.ConnectionError:
        return False


def push(host: str, tag: str) -> None:
    """An image of nothing."""
    index = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "manifests": []})
    place = f"http://{host}/v2/pipeline/kafka/manifests/{tag}"
    answer = requests.put(place, data=index, headers={"Content-Type": MANIFEST}, timeout=5)
    assert answer.status_code == 201, answer.text


@dataclass(frozen=True)
class Asked:
    """A request: its path, its query, and the token that came with it."""

    path: str
    query: Mapping[str, str]
    token: str


@dataclass(frozen=True)
class Said:
    """An answer; text is sent as it is, all else as JSON."""

    status: int
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def answering(answer: Callable[[Asked], Said]) -> Iterator[str]:
    """A registry of answers; yields its ``127.0.0.1:PORT``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: texts[0] for name, texts in parse_qs(parts.query).items()}
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            said = answer(Asked(parts.path, query, token))
            text = said.body.encode() if isinstance(said.body, str) else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in {**said.headers, "Content-Length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
