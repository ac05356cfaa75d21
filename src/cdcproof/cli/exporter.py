"""`cdcproof exporter`: serve the runbook's metrics until it is stopped."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

from cdcproof.cli.options import add_pipeline, open_pipeline
from cdcproof.core.errors import CdcproofError
from cdcproof.monitoring.exporter.connectors import ConnectorCollector
from cdcproof.monitoring.exporter.landing import Landing
from cdcproof.monitoring.exporter.pipeline_file import PipelineFile
from cdcproof.monitoring.exporter.reconciliation import ReconciliationCollector
from cdcproof.monitoring.exporter.server import bind
from cdcproof.pipeline.choice import chosen, resolve
from cdcproof.pipeline.model import Pipeline

EXAMPLE = "cdcproof exporter --pipeline warehouse --env live &"
_SCAN_INTERVAL_SECONDS = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = (
        "Serve the runbook's metrics until stopped by Ctrl-C or SIGTERM. Port 9103 has\n"
        "reconciliation_… from the report files, port 9104 states, lags and throughput\n"
        "from Connect, Kafka and both databases. The ports are those of\n"
        "exporters.reconciliation_url and exporters.connect_url in the pipeline file.\n"
        "The first page of each, /, is for people: it links the newest reports, and says\n"
        "what did not answer, and why."
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
    file = PipelineFile(resolve(chosen(arguments.pipeline)))
    environment, pipeline = open_pipeline(arguments)
    if pipeline.environment == "embedded":  # elsewhere a directory that is not there is a fault, and is shown as one
        pipeline.paths.reconciliation_reports.mkdir(parents=True, exist_ok=True)
    urls = {
        "exporters.reconciliation_url": pipeline.exporters.reconciliation_url,
        "exporters.connect_url": pipeline.exporters.connect_url,
    }
    with ExitStack() as stack:
        # The ports first: whoever has them is the exporter that the state file belongs to.
        servers = [stack.enter_context(bind(arguments.host, key, url)) for key, url in urls.items()]
        reconciliation = ReconciliationCollector(pipeline, arguments.state or default_state(pipeline), file)
        connectors = ConnectorCollector(pipeline, environment, file)
        page = Landing(pipeline, arguments.host, lambda: (*reconciliation.lines(), *connectors.lines()))
        for server, collector in zip(servers, (reconciliation, connectors), strict=True):
            server.serve(collector, page.answer)
        for server in servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
        stopped = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        for url in urls.values():
            print(f"serving {url} (listening at {arguments.host})", file=sys.stderr, flush=True)
        while not stopped.wait(_SCAN_INTERVAL_SECONDS):
            with suppress(CdcproofError):  # who asks for the metrics learns of it
                reconciliation.look()
    return 0


def default_state(pipeline: Pipeline) -> Path:
    """The state file when none is named."""
    return pipeline.paths.reports / "exporter-state.json"
