"""`cdcproof emergency data-loss | security-incident`: preserve, halt, and say whom to call."""

from __future__ import annotations

import argparse
import shlex
import sys

from cdcproof.cli.options import add_pipeline, demand_permission, seconds
from cdcproof.core.errors import CdcproofError, ConfigError, UsageError
from cdcproof.core.progress import Progress
from cdcproof.core.secrets import scrub
from cdcproof.emergency.incident import Incident, Result
from cdcproof.environments import select
from cdcproof.environments.base import Environment
from cdcproof.maintenance.journal import Actor
from cdcproof.pipeline.choice import chosen, resolve
from cdcproof.pipeline.contacts import NONE_NAMED
from cdcproof.pipeline.model import Pipeline, load

EXAMPLE = """cdcproof emergency data-loss --pipeline warehouse --allow-acts
  cdcproof emergency security-incident --pipeline warehouse --dry-run"""
_KINDS = {
    "data-loss": (
        "pause both connectors, prove it, keep evidence, say whom to call",
        "Data loss is suspected: pause every connector of the pipeline and prove it, keep\n"
        "configurations, positions and diagnostics, and say whom to call. Nothing else is\n"
        "done: no restart, no repair, until the senior team has approved it.",
    ),
    "security-incident": (
        "preserve evidence, then freeze the services, say whom to call",
        "Preserve first, the most volatile first: processes, connections, settings and\n"
        "logs of all containers (or processes), diagnostics, with a hash of each file.\n"
        "Isolate then: connectors and containers are paused, the files of each container\n"
        "are kept as an image, and it is taken off its networks. Nothing is stopped or\n"
        "removed: `docker-compose down` would take the logs with it.",
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare both kinds with their options."""
    parser.description = "Answer an emergency: preserve, halt, and say whom to call."
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    for kind, (summary, description) in _KINDS.items():
        one = kinds.add_parser(
            kind, help=summary, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        add_pipeline(one)
        one.set_defaults(keeps_result=True, limit_seconds=None)  # each part has its own; a log may be large
        one.add_argument("--dry-run", action="store_true", help="say what would be done; touch nothing")
        one.add_argument("--yes", action="store_true", help="do not ask")
        one.add_argument("--allow-acts", action="store_true", help="needed to change a live pipeline")
        one.add_argument(
            "--deadline", type=seconds, default=60.0, metavar="TIME", help="what halting the connectors may take (60s)"
        )


def run(arguments: argparse.Namespace) -> int:
    """Say what will be done, ask once, do it, and say whom to call. Status 1 when a part failed."""
    environment, pipeline = _opened(arguments)
    incident = _incident(arguments, environment, pipeline)
    if arguments.dry_run:
        print(f"{arguments.kind} of {pipeline.name}: this would be done, in this order. Nothing was touched.")
        for number, part in enumerate(incident.plan(), start=1):
            print(f"  {number}. {part.what}")
        print("  then make the evidence read-only, and say whom to call:")
        _print_contacts(arguments.kind, pipeline)
        return 0
    again = shlex.join(["cdcproof", "emergency", arguments.kind, *_chosen(arguments), "--allow-acts"])
    demand_permission(arguments, environment, pipeline, f"`emergency {arguments.kind}` halts", f": {again}")
    if not arguments.yes and not _is_confirmed(arguments.kind, pipeline):
        print("Nothing was done.")
        return 1
    result = incident.answer()
    _print_result(result)
    _print_contacts(arguments.kind, pipeline)
    return 1 if result.parts.failed else 0


def _opened(arguments: argparse.Namespace) -> tuple[Environment, Pipeline]:
    """The pipeline, as its file has it where its environment does not answer: what is down must not keep the rest from being kept."""
    pipeline = load(resolve(chosen(arguments.pipeline)))
    environment = select(arguments.env or pipeline.environment)
    try:
        return environment, environment.locate(pipeline)
    except ConfigError:
        raise
    except CdcproofError as error:
        if environment.name == "embedded":
            raise
        print(f"note: {error.message}", file=sys.stderr)
        return environment, pipeline


def _incident(arguments: argparse.Namespace, environment: Environment, pipeline: Pipeline) -> Incident:
    progress = Progress()
    return Incident(
        arguments.kind,
        environment,
        pipeline,
        Actor.here(),
        arguments.deadline,
        lambda text: progress.done(scrub(text)),
        lambda text: progress.waiting(scrub(text)),
    )


def _is_confirmed(kind: str, pipeline: Pipeline) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("This asks once, and needs a terminal.", "Add --yes to go on without a question.")
    what = "pauses both connectors" if kind == "data-loss" else "preserves evidence, then freezes the services"
    try:
        return input(f"{kind} of {pipeline.name}: this {what}. Go on? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:  # Ctrl-D
        return False


def _print_result(result: Result) -> None:
    print(f"Evidence: {result.folder}")
    if result.archive:
        print(f"  {result.archive}")
        print(f"  SHA-256 {result.archive_sha256}")
        print("  Write that number down elsewhere, by hand: it proves that nothing was changed since.")
    if result.thaw:
        print("What was frozen goes on, once the security team agrees, by:")
        for line in result.thaw:
            print(f"  {line}")
    for outcome in result.parts.failed:
        print(f"FAILED  {outcome.part.name}: {outcome.text}")


def _print_contacts(kind: str, pipeline: Pipeline) -> None:
    contacts = pipeline.contacts
    lines = []
    if kind == "security-incident" and contacts.security:
        lines.append(f"security team, at once: {contacts.security}")
    lines += [*contacts.escalation_lines(), *contacts.team_lines()]
    print("Call now:" if lines else NONE_NAMED)
    for line in lines:
        print(f"  {line}")
    if kind == "data-loss":
        print("Do not change anything until the senior team has approved it.")


def _chosen(arguments: argparse.Namespace) -> list[str]:
    return [f"--pipeline={arguments.pipeline}"] if arguments.pipeline else []
