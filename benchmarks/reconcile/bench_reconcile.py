"""Measure reconciliation beside its peers: same data, same run, cases a to d.

    python -m venv build/reladiff && build/reladiff/bin/pip install reladiff psycopg2-binary
    RELADIFF=build/reladiff python -m benchmarks.reconcile.bench_reconcile --rows 1000000 --runs 5

Run it from the project's folder while nothing else runs. Starts two PostgreSQL servers of its own and removes them.
Prints a Markdown table: medians of seconds for each case, peak memory of the client, differing keys found.
`--only-ours` leaves the peers out, for sizes at which they take hours.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
from pathlib import Path

from benchmarks.reconcile import peers
from benchmarks.reconcile.peers import Peer, Run
from benchmarks.reconcile.tables import Case, buffers_mebibytes, cases, fill, plant
from tests.postgres_server import Servers, running_servers

_DEADLINE_SECONDS = 1800.0
_TUNED = ("-j", "2", "--bisection-factor", "64", "--bisection-threshold", "20000", "--assume-unique-key",
          "--skip-sort-results")  # fmt: skip


def contestants(servers: Servers, folder: Path, only_ours: bool) -> list[Peer]:
    """Everyone who looks for differences."""
    found = [peers.ours(servers, strategy, folder) for strategy in ("stream", "push-down")]
    if not only_ours:
        found.append(peers.script(servers, "DuckDB, full join", "duckdb_join.py"))
        if "RELADIFF" in os.environ:
            found += [
                peers.reladiff(servers, "reladiff 0.6, tuned", *_TUNED),
                peers.reladiff(servers, "reladiff 0.6, defaults"),
            ]
    return found


def limits(servers: Servers, folder: Path) -> list[Peer]:
    """What no tool on these servers can beat, and row counts beside theirs: of each case, for the machine is not equally fast all day."""
    return [
        peers.script(servers, "limit: both tables drained by binary COPY", "drain.py"),
        peers.script(servers, "limit: one scan with the same hash", "bare_scan.py"),
        peers.our_counts(servers, folder),
        peers.script(servers, "limit: count(*)", "count.py"),
    ]


def rounds(contestant_list: list[Peer], runs: int) -> dict[str, list[Run]]:
    """Everyone in turn, so that what the machine does meanwhile is shared."""
    results: dict[str, list[Run]] = {peer.name: [] for peer in contestant_list}
    for _ in range(runs):
        for peer in contestant_list:
            results[peer.name].append(peer.run(_DEADLINE_SECONDS))
            print(f"  {peer.name}: {results[peer.name][-1]}", flush=True)
    return results


def cell(runs: list[Run], case: Case) -> str:
    """The median, and whether everything that differs was found by who looks for it."""
    wrong = {run.found for run in runs} - {case.keys, peers.LOOKS_FOR_NONE}
    return f"{statistics.median(run.seconds for run in runs):.2f}" + (f" (found {sorted(wrong)})" if wrong else "")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only-ours", action="store_true")
    parser.add_argument("--cases", default="abcd", help="default: abcd")
    arguments = parser.parse_args()
    wanted = [case for case in cases(arguments.rows) if case.name[0] in arguments.cases]
    with running_servers(buffers_mebibytes(arguments.rows)) as servers, tempfile.TemporaryDirectory() as folder:
        everyone = [*contestants(servers, Path(folder), arguments.only_ours), *limits(servers, Path(folder))]
        by_case: dict[str, dict[str, list[Run]]] = {}
        for case in wanted:
            print(case.name, flush=True)
            fill(servers, arguments.rows)
            plant(servers.target, case)
            by_case[case.name] = rounds(everyone, arguments.runs)
    print(f"\n{arguments.rows:,} rows, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
          f"median of {arguments.runs}, seconds\n")  # fmt: skip
    print(f"| | {' | '.join(case.name for case in wanted)} | memory, MiB |\n|---|{'---|' * (len(wanted) + 1)}")
    for peer in everyone:
        seconds = [cell(by_case[case.name][peer.name], case) for case in wanted]
        memory = max(run.memory_mib for case in wanted for run in by_case[case.name][peer.name])
        print(f"| {peer.name} | {' | '.join(seconds)} | {memory:.0f} |")


if __name__ == "__main__":
    main()
