"""Measure what distribution costs: one machine, an executor of processes and a Dask cluster, on the same tables and cores.

    python -m benchmarks.reconcile.bench_distribution --rows 10000000 --runs 5

Run it from the project's folder while nothing else runs. Starts two PostgreSQL servers and a Dask cluster of two workers, and removes them.
All read by two sessions to each side. Nobody has more processors than another: what is slower is the cost of the seam.
Prints medians of seconds and, as the ratio to one machine, the median over rounds in which each has its turn.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.reconcile import peers
from benchmarks.reconcile.tables import buffers_mebibytes, cases, fill, plant
from tests.dask_processes import Cluster
from tests.postgres_server import Servers, running_servers

_DEADLINE_SECONDS = 1800.0
_AT_ONCE = "--max-parallel=2"
_SEAMS = {
    "one machine": (),
    "an executor of processes": ("--executor=cdcproof.reconcile.slices.processes:processes",),
}


def contestants(servers: Servers, folder: Path, strategy: str, cluster: Cluster) -> list[peers.Peer]:
    """The same command by each."""
    command = peers.ours(servers, strategy, folder)
    seams = {**_SEAMS, "a Dask cluster": (f"--cluster={cluster.address}",)}
    return [
        replace(command, name=f"{strategy}, {name}", command=(*command.command, _AT_ONCE, *flags))
        for name, flags in seams.items()
    ]


def measured(contestant_list: list[peers.Peer], runs: int) -> dict[str, list[float]]:
    """Seconds of each, a round at a time; the first round fills caches. Raises RuntimeError where a difference is seen."""
    seconds: dict[str, list[float]] = {peer.name: [] for peer in contestant_list}
    for number in range(runs + 1):
        for peer in contestant_list:
            run = peer.run(_DEADLINE_SECONDS)
            if run.found:
                raise RuntimeError(f"{peer.name} found {run.found} differences in equal tables")
            if number:
                seconds[peer.name].append(run.seconds)
                print(f"  {peer.name}: {run.seconds:.2f} s", flush=True)
    return seconds


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--strategy", choices=("stream", "push-down"), action="append")
    arguments = parser.parse_args()
    with running_servers(buffers_mebibytes(arguments.rows)) as servers, tempfile.TemporaryDirectory() as folder:
        fill(servers, arguments.rows)
        plant(servers.target, cases(arguments.rows)[0])
        cluster = Cluster(Path(folder))
        try:
            cluster.start()
            rounds = [
                measured(contestants(servers, Path(folder), strategy, cluster), arguments.runs)
                for strategy in arguments.strategy or ("stream", "push-down")
            ]
        finally:
            cluster.kill()
    print(
        f"\n{arguments.rows:,} rows, {os.cpu_count()} cores, {arguments.runs} rounds\n\n| | s | ratio |\n|---|---:|---:|"
    )
    for seconds in rounds:
        alone = next(iter(seconds.values()))
        for name, took in seconds.items():
            ratio = statistics.median(one / other for one, other in zip(took, alone, strict=True))
            print(f"| {name} | {statistics.median(took):.2f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
