"""`cdcproof oncall ALERTNAME [label=value …]`: what the alert's annotation offers to whoever is on call."""

from __future__ import annotations

import argparse
import getpass
import shlex
import socket
from datetime import UTC, datetime
from pathlib import Path

from cdcproof import shipped
from cdcproof.cli.options import add_pipeline, open_even_if_down
from cdcproof.clients import alert_rules
from cdcproof.clients.alert_rules import AlertRule
from cdcproof.core.errors import CdcproofError, OperationError, UsageError
from cdcproof.core.progress import Progress
from cdcproof.core.secrets import scrub
from cdcproof.diagnostics.collect import collect
from cdcproof.diagnostics.parts import unlocated
from cdcproof.environments.base import Environment
from cdcproof.oncall import alert as alerts
from cdcproof.oncall import knowledge, watchers
from cdcproof.oncall.alert import Alert
from cdcproof.oncall.briefing import Briefing
from cdcproof.oncall.incident import FOLDER, Incident, Records
from cdcproof.pipeline.choice import chosen, resolve
from cdcproof.pipeline.model import Pipeline
from cdcproof.reporting import journal, places

EXAMPLE = """cdcproof oncall ConnectorDown connector=postgres-sink-connector
  cdcproof oncall ConnectorDown connector=postgres-sink-connector \\
      --resolve --note 'the relation was missing'"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.set_defaults(keeps_result=True)
    parser.add_argument("alert", metavar="ALERTNAME", help="as Prometheus names it; docs/MONITORING.md has all")
    parser.add_argument(
        "labels", metavar="label=value", nargs="*", help="the alert's labels, as its annotation has them"
    )
    add_pipeline(parser)
    parser.add_argument("--reports-dir", type=Path, metavar="DIR", help="where the runs of checks are kept (reports)")
    parser.add_argument("--no-diagnostics", action="store_true", help="collect no archive")
    parser.add_argument("--output-dir", type=Path, metavar="DIR", help="where the archive is written (default: /tmp)")
    parser.add_argument("--done", metavar="TEXT", help="only add to the record what was done")
    parser.add_argument("--resolve", action="store_true", help="only end the incident")
    parser.add_argument("--note", metavar="TEXT", default="", help="with --resolve: what it was")


def run(arguments: argparse.Namespace) -> int:
    """Show, collect and write down; or add to the record and end it."""
    if arguments.note and not arguments.resolve:
        raise UsageError("--note goes with --resolve.", "Say what was done with --done TEXT.")
    labels = alerts.labels_of(arguments.labels)
    alert = alerts.find(arguments.alert, labels, _rules())
    _choose_pipeline(arguments, labels)
    environment, pipeline, problem = open_even_if_down(arguments)
    if labels.get("pipeline", pipeline.name) != pipeline.name:
        raise UsageError(
            f"The alert is of pipeline {labels['pipeline']}, and this file is of {pipeline.name}.",
            "Name the file that belongs to it: --pipeline PATH",
        )
    root = arguments.reports_dir or pipeline.paths.reports
    reports = places.folder_of(pipeline.name, root)
    records = Records(reports / FOLDER, root / "acts.log", _who())
    if arguments.done or arguments.resolve:
        return _add_to_record(arguments, alert, records)
    option = f"--pipeline {shlex.quote(chosen(arguments.pipeline))}"
    if arguments.reports_dir:
        option += f" --reports-dir {shlex.quote(str(arguments.reports_dir))}"
    incident = _brief(alert, pipeline, reports, records, option)
    if not arguments.no_diagnostics:
        lines = _collect(arguments, environment, pipeline, problem)
        if isinstance(incident, Incident):
            incident = _observed(records, incident, lines)
    if isinstance(incident, OperationError):
        raise incident  # last: a disk that is full must not keep anybody from what is known
    print(f"\nThe incident's record: {incident.path}")
    words = " ".join(shlex.quote(word) for word in (alert.name, *(f"{n}={v}" for n, v in labels.items())))
    print(scrub(f"  when it is over: cdcproof oncall {words} {option} --resolve --note '…'"))
    return 0


def _brief(alert: Alert, pipeline: Pipeline, reports: Path, records: Records, option: str) -> Incident | OperationError:
    """Print what is known, and write down what was seen."""
    now = datetime.now(UTC)
    steps = knowledge.steps_of(alert.check) if alert.check else ()
    newest = {step: record for step in steps if (record := journal.newest_of(step, reports))}
    found = records.current(alert, pipeline.name, now)
    said = watchers.states(alert, pipeline)
    briefing = Briefing(alert, said, newest, pipeline.contacts, option, found.minutes(now), now)
    print(scrub("\n".join(briefing.lines())), flush=True)
    return _observed(records, found, briefing.observed())


def _observed(records: Records, incident: Incident, lines: list[str]) -> Incident | OperationError:
    """The incident with what was seen written down; else why that could not be."""
    try:
        return records.observe(incident, datetime.now(UTC), lines)
    except OperationError as error:
        return error


def _collect(
    arguments: argparse.Namespace, environment: Environment, pipeline: Pipeline, problem: CdcproofError | None
) -> list[str]:
    """Diagnostics; that they failed keeps nobody from the rest."""
    print("\nDiagnostics", flush=True)
    try:
        with Progress() as progress:
            archive = collect(
                pipeline,
                environment,
                output_dir=arguments.output_dir,
                missing=unlocated(problem),
                report=lambda name: progress.waiting(f"collected {name}"),
            )
    except OperationError as error:
        lines = [error.message]
    else:
        lines = [f"stands out: {remark}" for remark in archive.remarks]
        lines += [f"not collected: {missing.what}: {missing.why}" for missing in archive.missing]
        lines.append(f"archive: {archive.path} (index.html first)")
    print("\n".join(f"  {line}" for line in lines))
    return [f"- {line}" for line in lines]


def _add_to_record(arguments: argparse.Namespace, alert: Alert, records: Records) -> int:
    now = datetime.now(UTC)
    found = records.add(alert, now, done=arguments.done or "", resolve=arguments.resolve, note=arguments.note)
    if arguments.resolve:
        print(f"Resolved after {found.minutes(now):.0f} min.")
    print(f"The incident's record: {found.path}")
    return 0


def _choose_pipeline(arguments: argparse.Namespace, labels: dict[str, str]) -> None:
    """The file of the pipeline that the alert names, where there is one of that name and none was named."""
    name = labels.get("pipeline", "")
    if not arguments.pipeline and name and resolve(name).is_file():
        arguments.pipeline = name


def _rules() -> dict[str, AlertRule]:
    """Those of the working directory, else ours."""
    return alert_rules.read(Path.cwd()) or alert_rules.read(shipped.ROOT)


def _who() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):  # an account without a name
        return "somebody"
