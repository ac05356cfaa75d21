"""`cdcproof exporter`: serve the runbook's metrics until it is stopped."""

from __future__ import annotations

import argparse
import errno
import signal
import socketserver
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cdcproof.cli.options import add_pipeline, open_pipeline
from cdcproof.errors import DeadlineError, UsageError
from cdcproof.secrets import scrub
from cdcproof.waiting import within

if TYPE_CHECKING:
    from cdcproof.pipeline import Pipeline

EXAMPLE = "cdcproof exporter --pipeline warehouse --env live &"
_SCAN_INTERVAL_SECONDS = 10.0
_SCRAPE_SECONDS = 8.0
"""When a scrape is answered by 503: Prometheus gives up after 10 s by default, and then does not learn why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = (
        "Serve the runbook's metrics until stopped by Ctrl-C or SIGTERM: reconciliation_…\n"
        "from the report files (port 9103), connector_state and\n"
        "connector_deployments_total from Kafka Connect (port 9104). The ports are those\n"
        "of exporters.reconciliation_url and exporters.connect_url in the pipeline file."
    )
    parser.set_defaults(limit_seconds=None)
    add_pipeline(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="where the counters survive a restart (default: reports/exporter-state.json beside the "
        "directory of the reconciliation reports)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped; 0 after a stop that was asked for."""
    from cdcproof.clients.prometheus import CONTENT_TYPE
    from cdcproof.operations.exporter import ConnectMetrics, ReconciliationMetrics

    _, pipeline = open_pipeline(arguments)
    urls = {
        "exporters.reconciliation_url": pipeline.exporters.reconciliation_url,
        "exporters.connect_url": pipeline.exporters.connect_url,
    }
    with ExitStack() as stack:
        # The ports first: whoever has them is the exporter that the state file belongs to.
        servers = [stack.enter_context(_bind(arguments.host, key, url, CONTENT_TYPE)) for key, url in urls.items()]
        reconciliation = ReconciliationMetrics(pipeline, arguments.state or default_state(pipeline))
        servers[0].text = reconciliation.text
        servers[1].text = ConnectMetrics(pipeline).text
        for server in servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
        stopped = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        for url in urls.values():
            print(f"serving {url} (listening at {arguments.host})", file=sys.stderr, flush=True)
        while not stopped.wait(_SCAN_INTERVAL_SECONDS):
            with suppress(DeadlineError):  # who asks for the metrics hears of it
                within(_SCRAPE_SECONDS, reconciliation.scan, what="a look at the reports")
    return 0


def default_state(pipeline: Pipeline) -> Path:
    """The state file when none is named."""
    return pipeline.paths.reports / "exporter-state.json"


class _Server(ThreadingHTTPServer):
    """Serves one text at one path."""

    daemon_threads = True
    text: Callable[[], str]

    def __init__(self, address: tuple[str, int], path: str, content_type: str) -> None:
        self.path = path
        self.content_type = content_type
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer would look the host's name up, which may take long
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002  the base class says so
        error = sys.exception()
        if not isinstance(error, OSError):  # a client that went away is not worth a line
            print(scrub(f"cdcproof exporter: {type(error).__name__}: {error}"), file=sys.stderr, flush=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10  # seconds for a client to send its request

    def do_GET(self) -> None:
        if urlsplit(self.path).path != self.server.path:
            self.send_error(HTTPStatus.NOT_FOUND, explain=f"The metrics are at {self.server.path}.")
            return
        try:
            body = within(_SCRAPE_SECONDS, self.server.text, what="what the metrics are made of").encode()
        except DeadlineError as error:
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, explain=error.message)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", self.server.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        """Say nothing: a line per scrape would fill the log."""


def _bind(host: str, key: str, url: str, content_type: str) -> _Server:
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise UsageError(f"{key}: {url} has no valid port.", "Write it as http://host:9103/metrics.") from None
    try:
        return _Server((host, port), parts.path or "/", content_type)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"Port {port} at {host}, needed for {key}, is in use.",
                f"Stop what uses it (another exporter?), or change {key} in the pipeline file.",
            ) from None
        raise UsageError(f"Cannot listen at {host}:{port} for {key}: {error.strerror}.", "See --host.") from None
