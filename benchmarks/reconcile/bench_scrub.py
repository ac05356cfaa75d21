"""Measure a scrub: what it costs to prove 1,000 changes on tables of several sizes.

    python -m benchmarks.reconcile.bench_scrub --rows 1000000 10000000 --runs 5

Run it from the project's folder while nothing else runs. Starts two PostgreSQL servers of its own and removes them.
For each size all rows are proven first; then, each time, 1,000 rows at random are changed at both sides and
`reconcile --budget` proves them and one slice. Prints a Markdown table of medians.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import statistics
import tempfile
from pathlib import Path

from benchmarks.reconcile import peers
from benchmarks.reconcile.tables import TABLE, buffers_mebibytes, fill
from tests.postgres_server import Servers, running_servers

CHANGES = 1_000
_DEADLINE_SECONDS = 3600.0
_SLOT = "bench_scrub"


def measured(servers: Servers, rows: int, runs: int) -> tuple[peers.Run, list[peers.Run]]:
    """The proof of everything, and each scrub after it."""
    fill(servers, rows)
    servers.source.execute(
        f"DROP PUBLICATION IF EXISTS {_SLOT}",
        f"CREATE PUBLICATION {_SLOT} FOR TABLE {TABLE}",
        f"SELECT pg_create_logical_replication_slot('{_SLOT}', 'pgoutput')",
    )
    try:
        with tempfile.TemporaryDirectory() as folder:
            whole = peers.our_scrub(servers, Path(folder), _SLOT, budget="1h").run(_DEADLINE_SECONDS)
            scrub = peers.our_scrub(servers, Path(folder), _SLOT, budget="0.1s")
            found = []
            for _ in range(runs):
                change(servers, rows)
                found.append(scrub.run(_DEADLINE_SECONDS))
                assert found[-1].found == CHANGES
            return whole, found
    finally:
        servers.source.execute(f"SELECT pg_drop_replication_slot('{_SLOT}')")


def change(servers: Servers, rows: int) -> None:
    """The same rows at both sides, in one statement each."""
    keys = random.sample(range(1, rows + 1), CHANGES)
    for server in (servers.source, servers.target):
        server.execute(f"UPDATE {TABLE} SET quantity = quantity + 1 WHERE id = ANY (ARRAY{keys})")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    lines = []
    for rows in arguments.rows:
        with running_servers(buffers_mebibytes(rows)) as servers:
            whole, scrubs = measured(servers, rows, arguments.runs)
        seconds = statistics.median(run.seconds for run in scrubs)
        memory = max(run.memory_mib for run in (whole, *scrubs))
        lines.append(f"| {rows:,} | {whole.seconds:.1f} | {seconds:.2f} | {memory:.0f} |")
        print(lines[-1], flush=True)
    print(f"\n{CHANGES:,} changes, {platform.machine()}, {os.cpu_count()} cores, median of {arguments.runs}, seconds\n")
    print("| rows | all proven | a scrub after the changes | memory, MiB |\n|---:|---:|---:|---:|")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
