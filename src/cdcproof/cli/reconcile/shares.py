"""`cdcproof reconcile --slice I/N`: one process's share of the tables, read into a folder for `--merge`."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from cdcproof.cli.reconcile.inputs import Inputs
from cdcproof.cli.reconcile.screen import Screen
from cdcproof.cli.reconcile.workers import demand_contents
from cdcproof.core.errors import UsageError
from cdcproof.core.time_limit import time_limit
from cdcproof.databases.duckdb.engine import Loading
from cdcproof.databases.duckdb.stream import Columnar
from cdcproof.reconcile import engine
from cdcproof.reconcile.slices.distribution import Addresses
from cdcproof.reconcile.slices.folder import SliceFolder
from cdcproof.reconcile.slices.job import Read, read_share

MOST_SHARES = 10_000
_COULD_NOT_LOOK = 3


def wanted(arguments: argparse.Namespace) -> tuple[int, int] | None:
    """Which share of how many; None where none is asked for. Raises `UsageError` for what is no share, and for flags beside it."""
    if not arguments.slice:
        return None
    found = re.fullmatch(r"(\d{1,5})/(\d{1,5})", arguments.slice)
    index, total = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= index <= total <= MOST_SHARES:
        raise UsageError(
            f"--slice {arguments.slice}: give I/N, with I from 1 to N, and N up to {MOST_SHARES:,}.",
            "In a Kubernetes Job, whose indexes begin with 0: --slice $((JOB_COMPLETION_INDEX + 1))/64",
        )
    demand_contents(arguments, "--slice")
    if not arguments.output_dir:
        raise UsageError(
            "--slice needs --output-dir.", "Name a folder that all processes share, a new one for each run."
        )
    return index, total


def run(
    inputs: Inputs,
    options: engine.Options,
    share: tuple[int, int],
    directory: Path,
    loading: Loading | None,
    *,
    limit_seconds: float,
) -> int:
    """Read the share, print a line for each table, return the exit status: 3 where a slice could not be read, else 0."""
    source, target = inputs.source.address, inputs.target.address
    if source is None or target is None:
        raise TypeError("both sides have addresses")
    engine.recognise(inputs.source, inputs.target)
    ends = (("the source", inputs.source), ("the target", inputs.target))
    folder = SliceFolder(directory, {f"{side}'s database": repr(end.recognised.identity) for side, end in ends})
    status = 0
    over = f"The time limit of {limit_seconds:g} s was over before the share was read: see --time-limit."
    with Columnar(loading) as columnar, Screen(sys.stderr) as watch, time_limit(limit_seconds, over):
        asked = engine.Run(inputs.source, inputs.target, inputs.fence, options, watch, columnar)
        addresses = Addresses(source, target, inputs.statement_timeout_seconds)
        for read in read_share(asked, inputs.tables, addresses, folder, folder.share(*share)):
            watch.clear()
            print(_line(read), flush=True)
            status = _COULD_NOT_LOOK if read.error else status
    return status


def _line(read: Read) -> str:
    if read.error:
        return f"ERROR     {read.table}: {read.error}"
    return f"READ      {read.table}: {read.slices} of {read.of} slices, all of this share"
