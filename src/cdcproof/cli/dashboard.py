"""`cdcproof dashboard`: the dashboards of a pipeline as one page, from any Prometheus, for teams without Grafana."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from pydantic import ValidationError

from cdcproof import shipped
from cdcproof.cli.options import add_pipeline, open_pipeline
from cdcproof.clients.prometheus_server import PrometheusServer
from cdcproof.core.errors import ConfigError, CouldNotLookError, OperationError, UsageError
from cdcproof.core.files import write_whole
from cdcproof.monitoring.dashboards import DASHBOARDS, answers, export, page
from cdcproof.pipeline.choice import VARIABLE, chosen
from cdcproof.pipeline.model import HttpService
from cdcproof.reporting.formats.html_pages import way_up

EXAMPLE = (
    "cdcproof dashboard --pipeline warehouse --output today.html\n"
    "  cdcproof dashboard --prometheus http://localhost:9090 --hours 24 --output today.html"
)
_MOST_HOURS = 24 * 400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = (
        "Write the three dashboards (CDC Pipeline Overview, Database Health, Reconciliation)\n"
        "as one page that needs no server, script or network, with what Prometheus has.\n"
        "A panel without data says so."
    )
    parser.set_defaults(limit_seconds=300.0)
    add_pipeline(parser)
    parser.add_argument(
        "--prometheus",
        metavar="URL",
        help="where to ask (default: prometheus.url of the pipeline file). Without --pipeline no file is read, and the "
        "page is of the only pipeline that this Prometheus knows",
    )
    parser.add_argument("--hours", type=_hours, default=6.0, help="how much of the past the page shows (default: 6)")
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="write the values of all panels there too, a line each"
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="the page, replaced where it is there"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the page; 0, or 3 when an expression was not answered."""
    service, name = _service(arguments)
    server = PrometheusServer(service)
    now = time.time()
    of = answers.scope(server, name, now - arguments.hours * 3600, now)
    found = answers.ask(server, DASHBOARDS, of)
    unanswered = [answered for answered in found.values() if answered.trouble]
    if len(unanswered) == len(found):
        raise CouldNotLookError(unanswered[0].trouble, "No panel was answered; no page is written.")
    runbook = f"{way_up(arguments.output.absolute(), shipped.ROOT)}/docs/RUNBOOK.md"
    _write(arguments.output, page.page(DASHBOARDS, found, of, service.url, runbook), "--output")
    if arguments.csv:
        _write(arguments.csv, export.csv_of(DASHBOARDS, found), "--csv")
        print(arguments.csv)
    print(arguments.output)
    if unanswered:
        raise CouldNotLookError(
            f"{len(unanswered)} of {len(found)} panels were not answered: {unanswered[0].trouble}",
            "The page names them; its other panels are whole.",
        )
    return 0


def _write(path: Path, text: str, flag: str) -> None:
    try:
        write_whole(path, text)
    except OSError as error:
        raise OperationError(f"{path} cannot be written: {error.strerror}.", f"See {flag}.") from None


def _service(arguments: argparse.Namespace) -> tuple[HttpService, str]:
    """Prometheus, and the pipeline's name; empty where none was named."""
    given = None
    if arguments.prometheus is not None:
        try:
            given = HttpService(url=arguments.prometheus)
        except ValidationError as error:
            reason = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
            raise UsageError(f"--prometheus {reason}.", "Write it as http://host:9090.") from None
        if not (arguments.pipeline or os.environ.get(VARIABLE)):
            return given, ""
    _, pipeline = open_pipeline(arguments)
    service = given or pipeline.prometheus
    if service is None:
        raise ConfigError(
            f"Pipeline {chosen(arguments.pipeline)} names no Prometheus.",
            "Add [prometheus] with its url to the file, or name it by --prometheus.",
        )
    return service, pipeline.name


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 0 < hours <= _MOST_HOURS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of hours from 0.1 to {_MOST_HOURS}")
    return hours
