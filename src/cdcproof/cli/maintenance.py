"""`cdcproof maintenance VERB`: a maintenance window from its plan to its report."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from cdcproof.backup.restore import run as restore
from cdcproof.backup.run import directory_of
from cdcproof.cli.backup import BUCKET, DIRECTORY
from cdcproof.cli.options import add_pipeline, demand_permission, open_pipeline, seconds
from cdcproof.cli.tables import as_json
from cdcproof.core.errors import CdcproofError, OperationError, UsageError
from cdcproof.core.progress import Progress
from cdcproof.core.secrets import scrub
from cdcproof.environments import select
from cdcproof.environments.base import Environment
from cdcproof.maintenance import confirmations, proof, standing
from cdcproof.maintenance.journal import Actor, holding
from cdcproof.maintenance.rollback.run import rollback
from cdcproof.maintenance.site import RunningSite
from cdcproof.maintenance.steps.finish import finish
from cdcproof.maintenance.steps.start import start
from cdcproof.maintenance.steps.steps import StepResult, Steps
from cdcproof.maintenance.window import Window, Windows
from cdcproof.pipeline.choice import chosen, resolve
from cdcproof.pipeline.model import Pipeline, load

EXAMPLE = """cdcproof maintenance plan --change change.toml --begins 2026-12-06T02:00Z --compose docker-compose.yml
  cdcproof maintenance confirm announced --by "Ann, to all on 28 November"
  pytest -m premaintenance
  cdcproof maintenance start --services-down --allow-acts
  cdcproof maintenance status
  cdcproof maintenance finish --soak 30m --allow-acts
  cdcproof maintenance rollback --backup 20261206_014500 --allow-acts"""
_VERBS = {
    "plan": "plan a window for a change; the files it will replace are kept",
    "confirm": "record that the window was announced or approved, or a backup restored, and by whom",
    "prove-restore": "restore the newest backup beside the databases, compare it with its manifest, drop it",
    "start": "save everything, pause the connectors where nothing is in flight, prove it",
    "status": "print where the window stands, and what comes next",
    "finish": "services up, connectors resumed, validated; writes the report",
    "rollback": "everything back as it was before the window, validated; writes the report",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare every verb with its options."""
    parser.description = (
        "Run a maintenance window. Each step is journalled before and after it is taken:\n"
        "a command that was killed goes on where it stopped when it is given again."
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, summary in _VERBS.items():
        one = verbs.add_parser(verb, help=summary, description=summary[0].upper() + summary[1:] + ".")
        add_pipeline(one)
        {"plan": _add_plan, "confirm": _add_confirm, "status": _add_status, "prove-restore": _add_proof}.get(
            verb, _add_acting
        )(one)
        if verb == "start":
            _add_start(one)
        elif verb == "rollback":
            one.add_argument(
                "--backup", metavar="TIMESTAMP", help="also restore both databases from this backup (YYYYMMDD_HHMMSS)"
            )


def run(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    verbs = {"plan": _plan, "confirm": _confirm, "status": _status, "prove-restore": _prove}
    status: int = verbs.get(arguments.verb, _act)(arguments)
    return status


def _add_plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--change", type=Path, required=True, metavar="FILE", help="the change, a TOML file")
    parser.add_argument(
        "--begins", type=_moment, required=True, metavar="TIME", help="when it was announced for: 2026-12-06T02:00Z"
    )
    parser.add_argument(
        "--length", type=seconds, default=4 * 3600.0, metavar="TIME", help="how long it may take: 90m, 4h (4h)"
    )
    parser.add_argument(
        "--compose",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a compose file that the change will edit, as it is now; several by several --compose. "
        "An .env beside it is kept as well",
    )


def _add_confirm(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", choices=("announced", "approved", "restored"), help="what was done; restored: a backup, elsewhere"
    )
    parser.add_argument("--by", required=True, metavar="WHO", help="who did it, and where it can be read")
    parser.add_argument("--on", type=_moment, metavar="TIME", help="when (now)")


def _add_status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_proof(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(keeps_result=True, limit_seconds=86_400.0)
    parser.add_argument("--allow-acts", action="store_true", help="needed to make databases on live servers")


def _add_acting(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(keeps_result=True, limit_seconds=None)  # each step has a deadline, the soak its own length
    parser.add_argument("--allow-acts", action="store_true", help="needed to change a live pipeline")
    parser.add_argument(
        "--deadline", type=seconds, default=300.0, metavar="TIME", help="what one step may take: 90s, 5m (5m)"
    )
    parser.add_argument(
        "--soak", type=seconds, default=1800.0, metavar="TIME", help="how long the validation watches (30m)"
    )


def _add_start(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--services-down", action="store_true", help="then stop the pipeline's services")
    parser.add_argument("--force", action="store_true", help="start without a go; needs --reason")
    parser.add_argument("--reason", metavar="TEXT", help="why; it is journalled, and stands in the report")


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write it like 2026-12-06T02:00Z") from None
    return found.astimezone() if found.tzinfo is None else found


def _windows(pipeline: Pipeline) -> Windows:
    return Windows.of(pipeline, Actor.here())


def _read_pipeline(arguments: argparse.Namespace) -> Pipeline:
    """The pipeline by its file alone where it does not run: what is kept of a window must be read all the same."""
    pipeline = load(resolve(chosen(arguments.pipeline)))
    environment = select(arguments.env or pipeline.environment)
    try:
        return environment.locate(pipeline)
    except CdcproofError:
        if environment.name == "embedded":  # its files are where the instance is
            raise
        return pipeline


def _plan(arguments: argparse.Namespace) -> int:
    pipeline = _read_pipeline(arguments)
    windows = _windows(pipeline)
    beside = {file.parent / ".env" for file in arguments.compose if (file.parent / ".env").is_file()}
    with holding(windows.folder, windows.actor, "maintenance plan"):
        window = windows.make(
            pipeline,
            arguments.change,
            begins=arguments.begins,
            length=timedelta(seconds=arguments.length),
            compose=(*arguments.compose, *sorted(beside)),
        )
    print(f"Planned: {window.plan.summary}, {window.plan.begins_at} to {window.plan.ends_at}")
    print(f"Kept in {window.folder}")
    for line in (
        'cdcproof maintenance confirm announced --by "…"',
        'cdcproof maintenance confirm approved --by "…"',
        "pytest -m premaintenance   # at most an hour before, writes the go or no-go",
        "cdcproof maintenance start",
    ):
        print(f"  {line}")
    return 0


def _confirm(arguments: argparse.Namespace) -> int:
    pipeline = _read_pipeline(arguments)
    windows = _windows(pipeline)
    with holding(windows.folder, windows.actor, "maintenance confirm"):
        window = windows.demand()
        found = confirmations.record(window, arguments.what, arguments.by, arguments.on)
    print(f"Recorded: {arguments.what} by {found.by}, {found.on}")
    return 0


def _prove(arguments: argparse.Namespace) -> int:
    environment, pipeline = open_pipeline(arguments)
    demand_permission(
        arguments,
        environment,
        pipeline,
        "`maintenance prove-restore` makes a database, and drops it again, on each server of",
        "; it needs room for a second copy. Or restore elsewhere, and record it: maintenance confirm restored",
    )
    windows = _windows(pipeline)
    with holding(windows.folder, windows.actor, "maintenance prove-restore"), Progress() as progress:
        window = windows.demand()
        found = proof.prove(pipeline, directory_of(pipeline, os.environ.get(DIRECTORY, "")), progress)
        confirmations.record(window, "restored", f"cdcproof: {found}", None)
    print(found)
    return 0


def _status(arguments: argparse.Namespace) -> int:
    pipeline = _read_pipeline(arguments)
    found = standing.look(_windows(pipeline), pipeline)
    if arguments.json:
        print(as_json(found.as_dict()))
    else:
        print("\n".join(found.lines()))
    return found.exit_status


def _act(arguments: argparse.Namespace) -> int:
    if arguments.verb == "start" and arguments.force is not bool(arguments.reason):
        raise UsageError("--force and --reason belong together.", 'For example: --force --reason "the sink is broken"')
    environment, pipeline = open_pipeline(arguments)
    demand_permission(
        arguments,
        environment,
        pipeline,
        f"`maintenance {arguments.verb}` changes",
        ". Each step is then journalled and printed before it is taken.",
    )
    windows = _windows(pipeline)
    with holding(windows.folder, windows.actor, f"maintenance {arguments.verb}"), Progress() as progress:
        window = windows.demand()
        site = _site(arguments, environment, pipeline, progress)
        steps = _steps(window, arguments.verb, lambda text: progress.done(scrub(text)))
        return _verb(arguments, window, site, steps, progress)


def _verb(arguments: argparse.Namespace, window: Window, site: RunningSite, steps: Steps, progress: Progress) -> int:
    if arguments.verb == "start":
        start(window, site, steps, forced=arguments.reason or "", services_down=arguments.services_down)
        print(f"The window {window.plan.id} is open: the pipeline is halted, and nothing is in flight.")
        print("  cdcproof maintenance finish     # when the maintenance is done")
        print("  cdcproof maintenance rollback   # when it has to be taken back")
        return 0
    if arguments.verb == "finish":
        is_green = finish(window, site, steps)
    else:
        put_back = _restore(arguments, site.pipeline, progress) if arguments.backup else None
        is_green = rollback(window, site, steps, put_back)
    print(f"The report is {window.folder / 'report.html'}, and report.md beside it.")
    if is_green:
        print(f"The window {window.plan.id} is over: {window.phase()}, and the validation is green.")
        return 0
    _print_not_green(window)
    print(
        f"The validation is NOT GREEN, so the window {window.plan.id} stays open. Mend it and give the command again,"
    )
    print("or go back: cdcproof maintenance rollback")
    return 1


def _print_not_green(window: Window) -> None:
    """The checks that keep the window open."""
    validated = [e for e in window.journal.entries() if e.step == "validate" and e.event == "done"]
    for row in validated[-1].facts["rows"]:
        if row["verdict"] not in ("passed", "warned", "waived"):
            print(f"  {row['verdict'].upper()}  {row['check']}  {row['found']}".rstrip())


def _restore(arguments: argparse.Namespace, pipeline: Pipeline, progress: Progress) -> Callable[[], StepResult]:
    """Both databases of the named backup, the connectors' positions as that demands, and their start."""
    bucket = pipeline.backup.s3_bucket or os.environ.get(BUCKET, "")
    request = restore.Request(
        pipeline,
        directory_of(pipeline, os.environ.get(DIRECTORY, "")),
        arguments.backup,
        bucket=bucket,
        stop_connectors=True,
        deadline_seconds=arguments.deadline,
    )

    def act() -> StepResult:
        outcome = restore.run(request, progress)
        if outcome.failures:
            raise OperationError(f"The databases were not restored: {'; '.join(outcome.failures)}")
        decision = outcome.plan.decision if outcome.plan else None
        why = decision.why if decision else ""
        waits = why if decision and not decision.start else ""
        return StepResult(f"restored from {arguments.backup}. {why}".strip(), {"waits": waits})

    return act


def _site(
    arguments: argparse.Namespace, environment: Environment, pipeline: Pipeline, progress: Progress
) -> RunningSite:
    return RunningSite(
        environment,
        pipeline,
        str(resolve(chosen(arguments.pipeline)).resolve()),
        arguments.deadline,
        arguments.soak,
        lambda text: progress.waiting(scrub(text)),
        allowed=arguments.allow_acts,
    )


def _steps(window: Window, command: str, report: Callable[[str], None]) -> Steps:
    return Steps(window.journal, command, report)
