"""A Prometheus that answers what a test says, by its HTTP API."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

Found = Mapping[tuple[tuple[str, str], ...], float]
Answer = Callable[[str], Found | int]
"""An expression to its series, or to the status of an error."""


@dataclass
class FakePrometheus:
    """Each series has the same value all the time that is asked for, but for the step in the middle, which is a gap."""

    url: str
    asked: list[str] = field(default_factory=list)


@contextmanager
def answering(answer: Answer) -> Iterator[FakePrometheus]:
    """Serve on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            values = {name: texts[0] for name, texts in parse_qs(parts.query).items()}
            fake.asked.append(values["query"])
            found = answer(values["query"])
            if isinstance(found, int):
                self._send(found, {"status": "error", "errorType": "execution", "error": "query timed out"})
            elif parts.path == "/api/v1/query_range":
                start, end, step = (float(values[name]) for name in ("start", "end", "step"))
                times = [start + number * step for number in range(int((end - start) / step) + 1)]
                del times[len(times) // 2]
                self._series([{"metric": dict(k), "values": [[t, str(v)] for t in times]} for k, v in found.items()])
            else:
                self._series([{"metric": dict(k), "value": [0, str(v)]} for k, v in found.items()])

        def _series(self, result: list[object]) -> None:
            self._send(200, {"status": "success", "data": {"resultType": "any", "result": result}})

        def _send(self, status: int, body: object) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake = FakePrometheus(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
