"""`cdcproof remedy STEP`: the steps for one finding; run, one by one and confirmed, only with --allow-acts."""

from __future__ import annotations

import argparse
import subprocess
import sys
from functools import partial

from cdcproof.cli.options import add_reports, reports_of
from cdcproof.core.acts import write_down, written_down
from cdcproof.core.errors import OperationError, UsageError
from cdcproof.reporting import journal
from cdcproof.reporting.formats.text import wrapped

EXAMPLE = "cdcproof remedy morning.2-connectors\n  cdcproof remedy morning.2-connectors --allow-acts"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.set_defaults(limit_seconds=None)  # it waits for whoever answers its questions
    parser.add_argument("step", help="the check's step id, as the report shows it: morning.2-connectors")
    parser.add_argument("--allow-acts", action="store_true", help="run the commands, asking before each one")
    add_reports(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the steps; with --allow-acts, ask for each command and run what is confirmed."""
    reports = reports_of(arguments)
    latest = journal.latest(reports)
    step = journal.newest_of(
        arguments.step, reports
    )  # of an earlier run, where the latest was of a part or another suite
    if step is None:
        has = ", ".join(step.step for step in latest.steps)
        raise UsageError(f"No kept run has a check {arguments.step}.", f"The latest has: {has}")
    if not step.action:
        blocked = f" It is blocked by {step.blocked_by}: ask for that one's remedy." if step.blocked_by else ""
        print(f"{step.step} was {step.verdict}: there is nothing to do.{blocked}")
        return 0
    print("\n".join(wrapped(f"{step.step} was {step.verdict}: {step.title}")))
    for line in step.action:
        print(f"  {line}")
    if not arguments.allow_acts:
        print("Nothing was done. Paste the lines, or let them be run one by one with --allow-acts.")
        return 0
    if not sys.stdin.isatty():
        raise UsageError(
            "--allow-acts asks before each command and needs a terminal.", "Run it from one, or paste the commands."
        )
    commands = [line for line in step.action if not line.startswith("#")]
    for command in commands:
        if not _is_confirmed(command):
            print("  left out")
            continue
        sys.stdout.flush()
        with written_down(partial(write_down, arguments.reports_dir, "remedy"), command):
            # The command comes from our own report of this pipeline and was confirmed. It has no deadline: whoever
            # confirmed it sits before it, and a reconciliation may take hours.
            status = subprocess.run(["bash", "-c", command], check=False).returncode
            print()
            if status == 1 and command.startswith("cdcproof "):
                print("  It ended with status 1: something differs. That is an answer, so the next command is offered.")
            elif status:
                raise OperationError(f"The command ended with status {status}; the rest was not run.", command)
    return 0


def _is_confirmed(command: str) -> bool:
    try:
        return input(f"run: {command}\n  [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:  # Ctrl-D
        return False
