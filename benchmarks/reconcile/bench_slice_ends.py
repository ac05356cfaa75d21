"""Measure what it costs that each slice proves its ends: the same slices read with that and without, by turns, by the same sessions.

    python -m benchmarks.reconcile.bench_slice_ends --rows 2000000 --runs 5

Run it from the project's folder. Starts two PostgreSQL servers of its own and removes them. What is compared lies less than a second
apart, so that a busy machine slows both. Prints, by strategy, the median seconds of a slice and the median ratio of a pair.
"""

from __future__ import annotations

import argparse
import statistics
import time
from unittest import mock

from benchmarks.reconcile.tables import TABLE, buffers_mebibytes, cases, fill, plant
from cdcproof.core.secrets import Secret
from cdcproof.databases.connections import connect
from cdcproof.databases.names import TableName
from cdcproof.databases.table_read import Slice
from cdcproof.reconcile.checksums.strategy import Strategy
from cdcproof.reconcile.comparison import Side
from cdcproof.reconcile.concurrency import Stop
from cdcproof.reconcile.plan.calibration import Calibration
from cdcproof.reconcile.plan.columns import TablePair
from cdcproof.reconcile.plan.plan import Plan
from cdcproof.reconcile.plan.planning import planned
from cdcproof.reconcile.plan.representation import Ends
from cdcproof.reconcile.slices import reading
from cdcproof.reconcile.slices.division import divided
from tests.postgres_server import PASSWORD, running_servers


def seconds(plan: Plan, part: Slice, strategy: Strategy, ends: Ends, *, proven: bool) -> float:
    """Of one slice. Raises RuntimeError where a difference is seen."""
    with mock.patch.object(reading, "demand_seen", reading.demand_seen if proven else lambda *_: None):
        began = time.perf_counter()
        sums = reading.sums_of(plan, part, strategy, ends)
    if sums.left:
        raise RuntimeError("differences were found in equal tables")
    return time.perf_counter() - began


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--slice-rows", type=int, default=250_000)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    name = TableName("public", TABLE)
    with running_servers(buffers_mebibytes(arguments.rows)) as servers:
        fill(servers, arguments.rows)
        plant(servers.target, cases(arguments.rows)[0])
        opened = (connect(one.config(), Secret(PASSWORD)) for one in (servers.source, servers.target))
        with next(opened) as source, next(opened) as target:
            sides = [Side("postgresql", one, Calibration("postgresql")) for one in (source, target)]
            plan, rows = planned(TablePair(TABLE, name, name), *sides, Stop())
            width = plan.source.chunking.width
            parts = divided(1, arguments.rows, -(-rows // arguments.slice_rows), width=width)
            ends = Ends("postgresql", source, "postgresql", target)
            print(f"{arguments.rows:,} rows in {len(parts)} slices, {arguments.runs} runs by turns\n")
            print("| | without, s a slice | ratio with |\n|---|---:|---:|")
            for strategy in Strategy:
                pairs = []
                for run in range(arguments.runs + 1):
                    for number, part in enumerate(parts):
                        turn = (True, False) if (run + number) % 2 else (False, True)
                        took = {proven: seconds(plan, part, strategy, ends, proven=proven) for proven in turn}
                        if run:  # the first fills caches
                            pairs.append((took[True], took[False]))
                bare = statistics.median(other for _, other in pairs)
                print(
                    f"| {strategy} | {bare:.3f} | {statistics.median(one / other for one, other in pairs):.3f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
