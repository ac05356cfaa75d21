"""`cdcproof connectors snapshot NAME`: follow an initial snapshot, then compare the numbers of rows."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from contextlib import ExitStack

from cdcproof.cli import reconcile
from cdcproof.cli.connectors.options import add_common, named, opened
from cdcproof.cli.options import seconds
from cdcproof.cli.reconcile.screen import Screen
from cdcproof.connectors import snapshot
from cdcproof.connectors.snapshot import Report, Seen
from cdcproof.core.progress import Progress
from cdcproof.core.secrets import scrub
from cdcproof.pipeline.model import Pipeline


def add_snapshot(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `snapshot`."""
    parser.description = (
        "Follow the initial snapshot of a source connector, table by table (rows at the\n"
        "target of rows at the source), until streaming has begun. Then compare the\n"
        "numbers of rows as `cdcproof reconcile` does. Nothing is changed.\n"
        "Exit status: 0 the numbers are equal, 1 they are not, or the connector failed,\n"
        "3 it could not be known. With --json the reconciliation's report is printed."
    )
    parser.set_defaults(limit_seconds=604_800.0)  # --deadline says when it is given up
    parser.add_argument("name", metavar="NAME", help="the source connector")
    add_common(parser, "cdcproof connectors snapshot sqlserver-source-connector")
    parser.add_argument(
        "--deadline",
        type=seconds,
        default=600.0,
        metavar="TIME",
        help="after how long without any progress it is given up: 90s, 30m (600s)",
    )


def run_snapshot(arguments: argparse.Namespace) -> int:
    """Follow, then compare."""
    here = opened(arguments)
    connector = named(here.connect.states([arguments.name]), arguments.name)
    tables = snapshot.tables_of(connector, here.pipeline)
    here.connect.offsets(connector.name)  # a Connect that cannot return them is found out now
    following = snapshot.Following(here.connect, connector.name, here.pipeline, tables, arguments.deadline)
    with ExitStack() as stack:
        progress = stack.enter_context(Progress())
        progress.waiting("counting the rows at the source")
        expected = snapshot.expected_rows(here.pipeline, tables)
        progress.clear()
        seen = following.to_streaming(_screen(stack, progress, expected))
    progress.done(
        f"{connector.name} streams: {sum(seen.rows.values()):,} of {sum(expected.values()):,} rows are at the target"
    )
    return _compared(arguments, here.pipeline, [table.name for table in tables])


def _screen(stack: ExitStack, progress: Progress, expected: Mapping[str, int]) -> Report:
    """On a terminal a bar for each table, elsewhere a line for all every few seconds."""
    total = sum(expected.values())
    screen = stack.enter_context(Screen(sys.stderr)) if sys.stderr.isatty() else None

    def show(seen: Seen) -> None:
        if seen.trouble or screen is None:
            if screen:
                screen.clear()
            done = sum(min(rows, expected[table]) for table, rows in seen.rows.items())
            progress.count(scrub(seen.trouble) or _words(seen), done, total, "rows")
            return
        progress.clear()
        for table, rows in seen.rows.items():
            screen.doing(table, _words(seen), rows, expected[table])

    return show


def _words(seen: Seen) -> str:
    return seen.phase + (f", begun anew {seen.beginnings} times" if seen.beginnings else "")


def _compared(arguments: argparse.Namespace, pipeline: Pipeline, tables: list[str]) -> int:
    """Compare by the command that everybody uses, its report apart from the hourly ones: it is of some tables only."""
    asked = ["--tables", ",".join(tables), "--output-dir", str(pipeline.paths.reports / "snapshots")]
    for option, value in (("--pipeline", arguments.pipeline), ("--env", arguments.env)):
        asked += [option, value] if value else []
    return reconcile.main([*asked, *(["--json"] if arguments.json else [])])
