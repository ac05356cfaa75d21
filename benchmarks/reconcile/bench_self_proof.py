"""Measure what the self-proof costs: the whole command with it and without, by turns, on the same two servers.

    python -m benchmarks.reconcile.bench_self_proof --rows 1000000 --runs 15

Run it from the project's folder while nothing else runs. Starts two PostgreSQL servers of its own and removes them.
Prints both medians, the median of what each pair of runs differs by, and the ratio.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.reconcile import peers
from benchmarks.reconcile.tables import buffers_mebibytes, cases, fill, plant
from tests.postgres_server import running_servers

_DEADLINE_SECONDS = 300.0


def without(peer: peers.Peer) -> peers.Peer:
    """The same command, planting nothing."""
    command = list(peer.command)
    at = command.index("-m")
    command[at : at + 2] = [str(peers.SCRIPTS / "without_self_proof.py")]
    return replace(peer, name=f"{peer.name}, without", command=tuple(command))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--strategy", choices=("push-down", "stream"), default="push-down")
    arguments = parser.parse_args()
    with running_servers(buffers_mebibytes(arguments.rows)) as servers, tempfile.TemporaryDirectory() as folder:
        fill(servers, arguments.rows)
        plant(servers.target, cases(arguments.rows)[0])
        proven = peers.ours(servers, arguments.strategy, Path(folder))
        bare = without(proven)
        pairs = []
        for run in range(arguments.runs + 1):
            turn = (proven, bare) if run % 2 else (bare, proven)
            took = {peer.name: peer.run(_DEADLINE_SECONDS).seconds for peer in turn}
            if run:  # the first fills caches
                pairs.append((took[proven.name], took[bare.name]))
        with_it, without_it = (statistics.median(one) for one in zip(*pairs, strict=True))
        cost = statistics.median(one - other for one, other in pairs)
        print(f"{arguments.rows:,} rows, {arguments.strategy}, {arguments.runs} runs each by turns")
        print(f"with the self-proof {with_it:.3f} s, without {without_it:.3f} s (medians)")
        print(f"median difference of a pair {1000 * cost:.0f} ms: {100 * cost / without_it:.1f} %")


if __name__ == "__main__":
    main()
