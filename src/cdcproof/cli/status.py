"""`cdcproof status`."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import asdict

from cdcproof.cli.instance import add_instance
from cdcproof.core.durations import clock
from cdcproof.environments.base import ServiceState
from cdcproof.environments.embedded.environment import Embedded

EXAMPLE = "cdcproof status --json | jq '.[] | select(.up | not)'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_instance(parser)
    parser.add_argument("--json", action="store_true", help="print JSON: a list of services")
    parser.epilog = f"{parser.epilog}\n\nexit status: 0 everything is up, 1 something is down"


def run(arguments: argparse.Namespace) -> int:
    """Print every service of the instance."""
    environment = Embedded(arguments.instance)
    states = environment.states(environment.every_service())
    if arguments.json:
        print(json.dumps([{**asdict(state), "verdict": state.verdict} for state in states], indent=2))
    else:
        print(table(states, shutil.get_terminal_size().columns if sys.stdout.isatty() else None))
    return 0 if all(state.verdict == "up" for state in states) else 1


def table(states: tuple[ServiceState, ...], width: int | None) -> str:
    """An aligned table; what is wider than `width` is cut, and says so."""
    rows = [("service", "state", "up for", "restarts 24 h", "")]
    rows += [
        (
            s.name,
            s.verdict,
            "-" if s.uptime_seconds is None else clock(s.uptime_seconds),
            "-" if s.restarts_24h is None else str(s.restarts_24h),
            s.detail,
        )
        for s in states
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = (
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)), row[4]]).rstrip()
        for row in rows
    )
    return "\n".join(line if width is None or len(line) <= width else f"{line[: width - 1]}…" for line in lines)
