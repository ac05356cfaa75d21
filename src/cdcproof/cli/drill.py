"""`cdcproof drill disaster-recovery --scenario NAME`: destroy the embedded pipeline for real, and recover it."""

from __future__ import annotations

import argparse
import sys
import time

from cdcproof.cli.instance import add_instance
from cdcproof.core.errors import UsageError
from cdcproof.core.progress import Progress
from cdcproof.core.secrets import scrub
from cdcproof.emergency.drill import SCENARIOS, Drill
from cdcproof.environments.embedded import folders, state
from cdcproof.environments.embedded.environment import Embedded
from cdcproof.history import database, entries
from cdcproof.history.keep import keep
from cdcproof.maintenance import drill_reports
from cdcproof.pipeline.choice import DEFAULT, resolve
from cdcproof.pipeline.model import load

EXAMPLE = "cdcproof drill disaster-recovery --scenario target-lost"
_NAMES = ("complete-data-loss", "target-lost", "source-restored", "kafka-lost", "connect-lost")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the drill with its options."""
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    one = kinds.add_parser(
        "disaster-recovery",
        help="lose something of the embedded pipeline, and recover it by the documented commands",
        description=(
            "Take a backup of the embedded pipeline, write some rows more, destroy for real\n"
            "what the scenario says, and recover by the commands of docs/DISASTER-RECOVERY.md.\n"
            "The actual recovery time and loss go into reports/drills/, beside the targets of\n"
            "[recovery]. Only the embedded pipeline is ever destroyed.\n"
            "Exit status: 0 proven and within the targets, 1 not, 2 usage."
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_instance(one)
    one.add_argument("--scenario", required=True, choices=_NAMES, help="what is lost")
    one.add_argument("--pipeline", metavar="NAME_OR_PATH", help="the embedded pipeline's file; no other is accepted")
    one.add_argument("--env", choices=("live", "compose", "embedded"), help="embedded; no other is accepted")
    one.set_defaults(keeps_result=True, limit_seconds=3600.0)


def run(arguments: argparse.Namespace) -> int:
    """Refuse what is not embedded, then do it."""
    pipeline = load(resolve(arguments.pipeline or DEFAULT))
    environment = arguments.env or pipeline.environment
    if environment != "embedded":
        raise UsageError(
            f"A drill destroys what it is given, and {pipeline.name} is {environment}: nothing was done.",
            "Drill on the embedded pipeline (cdcproof up), or restore a backup in staging by docs/DISASTER-RECOVERY.md.",
        )
    name = folders.instance_name(arguments.instance)
    located = Embedded(name).locate(pipeline)
    began = time.time()
    with Progress() as progress:
        drill = Drill(
            SCENARIOS[arguments.scenario],
            located,
            state.running(name),
            folders.checkout(),
            lambda text: progress.done(scrub(text)),
        )
        report = drill.run()
    path = drill_reports.write(report, located.paths.reports)
    entry = entries.of_drill(report, began, time.time() - began)
    if problem := keep(located.paths.reports / database.FILE, entry, located.thresholds.history_keep_days):
        print(problem, file=sys.stderr)
    for note in report.notes:
        print(scrub(f"✗ {note}"), file=sys.stderr)
    word = "proven" if report.proven else "NOT PROVEN"
    print(f"{report.scenario}: {word}. RTO {report.rto_seconds:.0f} s of {report.rto_target_seconds:.0f} s, ", end="")
    print(
        f"RPO {report.rpo_seconds:.0f} s of {report.rpo_target_seconds:.0f} s; {sum(report.lost_rows.values())} rows lost"
    )
    print(path)
    return 0 if report.within_targets else 1
