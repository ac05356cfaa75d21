"""`cdcproof connectors apply | update | undo`: deploy connectors, and take it back."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cdcproof.cli.connectors.options import Opened, acting, add_acting, add_common, opened
from cdcproof.cli.connectors.show import print_plan, warn
from cdcproof.cli.tables import as_json, print_hanging
from cdcproof.connectors.control import Control
from cdcproof.connectors.deployment import definition, deploy
from cdcproof.connectors.deployment.definition import Definition
from cdcproof.connectors.deployment.deploy import Result, exit_status
from cdcproof.connectors.deployment.plan import plan
from cdcproof.connectors.journal import Journal
from cdcproof.connectors.undo import undo
from cdcproof.core.errors import UsageError
from cdcproof.core.locking import only_one
from cdcproof.core.progress import Progress

_STATUS = """Exit status: 0 each connector has its configuration and every task runs,
1 something does not, or Connect refuses a configuration, 2 a file cannot be
used, 3 it could not be known."""


def add_apply(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `apply`."""
    parser.description = (
        "Make what runs equal to the connectors' files. Connect validates all of them\n"
        "before the first is changed; what is equal already is left alone; connectors\n"
        "without a file are left alone. How each was is kept, for `undo`.\n" + _STATUS
    )
    parser.add_argument(
        "path", type=Path, nargs="?", metavar="DIR", help="directory of the files, or one file (paths.connectors)"
    )
    add_common(parser, "cdcproof connectors apply connectors/")
    add_acting(parser, settles=True)


def run_apply(arguments: argparse.Namespace) -> int:
    """Apply."""
    here = opened(arguments)
    path = definition.place(arguments.path, here.pipeline.paths.connectors)
    return _deploy(arguments, here, definition.read_all(path))


def add_update(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `update`."""
    parser.description = (
        "Give one connector the configuration of a file, as `get --json` prints it: a\n"
        "value that is [redacted] stays as it runs. Or change single settings of what\n"
        "runs, with --set.\n" + _STATUS
    )
    parser.add_argument("name", metavar="NAME", help="the connector")
    parser.add_argument("file", type=Path, metavar="FILE", nargs="?", help="its JSON file")
    parser.add_argument(
        "--set",
        type=_setting,
        action="append",
        default=[],
        dest="settings",
        metavar="KEY=VALUE",
        help="without a file: a setting to change; may be given several times",
    )
    add_common(parser, "cdcproof connectors update postgres-sink-connector sink.json")
    add_acting(parser, settles=True)


def run_update(arguments: argparse.Namespace) -> int:
    """Update."""
    if bool(arguments.file) is bool(arguments.settings):
        raise UsageError("`connectors update` needs either a file or --set.", "For example: --set insert.mode=upsert")
    asked = definition.read(arguments.file, arguments.name) if arguments.file else None
    here = opened(arguments)
    running = here.connect.states([arguments.name]).get(arguments.name)
    if running is None:
        raise UsageError(
            f"Kafka Connect has no connector {arguments.name} to be updated.",
            f"Create it with: cdcproof connectors apply {shlex.quote(str(arguments.file or 'FILE'))}",
        )
    return _deploy(arguments, here, (asked or definition.changed(running, dict(arguments.settings)),))


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key.strip() or not equals:
        raise argparse.ArgumentTypeError("must be KEY=VALUE")
    return key.strip(), value


def add_undo(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `undo`."""
    parser.description = (
        "Take back the last deployment that `apply` or `update` made and that was not\n"
        "undone. Each connector gets the configuration and state that it had. It gets its\n"
        "position too, where the worker (Connect 3.6 or newer) and what is kept allow it.\n"
        "A connector that somebody changed since is left alone.\n"
        "Exit status: 0 each connector is as it was, 1 one is not, or was changed since,\n"
        "2 there is nothing to undo, 3 it could not be known."
    )
    add_common(parser, "cdcproof connectors undo")
    add_acting(parser, settles=True)


def run_undo(arguments: argparse.Namespace) -> int:
    """Undo."""
    here = opened(arguments)
    with _deploying(arguments, here) as (control, journal):
        deployment = journal.to_undo()
        results = undo(deployment, control, journal, here.pipeline, arguments.settle_seconds)
    return _print_results(arguments, results, undone=deployment.id)


def _deploy(arguments: argparse.Namespace, here: Opened, definitions: Sequence[Definition]) -> int:
    with _deploying(arguments, here) as (control, journal):
        steps = plan(definitions, control.states(*(one.name for one in definitions)))
        warn([warning for one in definitions for warning in one.warnings])
        if not arguments.json:
            print_plan([step for step in steps if step.changes])
        validated = deploy.validate([step for step in steps if step.changes], control)
        warn([f"{name}: {warning}" for name, warnings in validated.warnings().items() for warning in warnings])
        if validated.errors:
            errors = [(name, e.field, e.text) for name, found in validated.errors.items() for e in found]
            return _refused(arguments, errors)
        results = deploy.apply(
            steps,
            control,
            journal,
            here.pipeline,
            settle_seconds=arguments.settle_seconds,
            command=arguments.verb,
        )
    return _print_results(arguments, results)


@contextmanager
def _deploying(arguments: argparse.Namespace, here: Opened) -> Iterator[tuple[Control, Journal]]:
    """One deployment of a pipeline at a time."""
    journal = Journal.of(here.pipeline)
    with acting(arguments, here) as control:
        lock = only_one(
            journal.directory / "lock", "deploying connectors", Progress(), deadline_seconds=arguments.deadline
        )
        with lock:
            yield control, journal.at(control.connect)


def _refused(arguments: argparse.Namespace, errors: Sequence[tuple[str, str, str]]) -> int:
    if arguments.json:
        refused = [{"name": name, "field": field, "error": text} for name, field, text in errors]
        print(as_json({"errors": refused, "connectors": [], "exit_status": 1}))
        return 1
    for name, field, text in errors:
        print_hanging(f"{name}: {field}: ", text)
    print("Kafka Connect refuses this, so nothing was changed.")
    return 1


def _print_results(arguments: argparse.Namespace, results: Sequence[Result], undone: str = "") -> int:
    status = exit_status(results)
    if arguments.json:
        rows = [
            {"name": r.name, "action": r.action, "status": r.status, "text": r.text, "notes": list(r.notes)}
            for r in results
        ]
        print(as_json({"connectors": rows, **({"undone": undone} if undone else {}), "exit_status": status}))
        return status
    for result in results:
        print_hanging(f"{result.name}: {result.action}: {result.status}: ", result.text)
        for note in result.notes:
            print_hanging("  ", note)
    if status == 1 and not undone and any(r.action in ("create", "update") for r in results):
        print("cdcproof connectors undo   # puts back what was there before", file=sys.stderr)
    return status
