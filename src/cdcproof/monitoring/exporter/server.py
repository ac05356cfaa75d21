"""Serves the pages of an exporter: prometheus_client renders the metrics, and each request has a thread."""

from __future__ import annotations

import errno
import socketserver
import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from cdcproof.core.errors import UsageError
from cdcproof.core.secrets import scrub
from cdcproof.monitoring.exporter.series import Collector, registry_of

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_CLIENT_SECONDS = 10
"""For a client to send its request, and to take each part of the answer."""


class Server(ThreadingWSGIServer):
    """Serves metrics at one path, and a page for people at every other one."""

    def __init__(self, address: tuple[str, int], path: str) -> None:
        self.path = path
        super().__init__(address, _Handler)
        self.set_app(self._answer)

    def serve(self, collector: Collector, others: Application) -> None:
        """Ask this collector at each scrape; `others` answers every other path."""
        self._metrics: Application = make_wsgi_app(registry_of(collector))
        self._others = others

    def server_bind(self) -> None:
        """As the base class, which would look the host's name up: that may take long."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002  the base class says so
        """One line: a traceback helps nobody."""
        error = sys.exception()
        if not isinstance(error, OSError):  # a client that went away is not worth a line
            self._print(error)

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        try:
            application = self._metrics if environ["PATH_INFO"] == self.path else self._others
            return application(environ, start)
        except Exception as error:  # noqa: BLE001  a page is whole or not there, and its reader learns that
            self._print(error)
            start("500 Internal Server Error", [("Content-Type", "text/plain; charset=utf-8")])
            return [b"Internal error: see the log of cdcproof exporter.\n"]

    @staticmethod
    def _print(error: BaseException | None) -> None:
        print(scrub(f"cdcproof exporter: {type(error).__name__}: {error}"), file=sys.stderr, flush=True)


class _Handler(WSGIRequestHandler):
    timeout = _CLIENT_SECONDS

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        """Say nothing: a line per scrape would fill the log."""


def bind(host: str, key: str, url: str) -> Server:
    """Take the port of `url`, which `key` of the pipeline file names. Raises `UsageError` where it cannot be had."""
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise UsageError(f"{key}: {url} has no valid port.", "Write it as http://host:9103/metrics.") from None
    try:
        return Server((host, port), parts.path or "/")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"Port {port} at {host}, needed for {key}, is in use.",
                f"Stop what uses it (another exporter?), or change {key} in the pipeline file.",
            ) from None
        raise UsageError(f"Cannot listen at {host}:{port} for {key}: {error.strerror}.", "See --host.") from None
