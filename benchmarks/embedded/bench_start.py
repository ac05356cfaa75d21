"""Measure the embedded pipeline: start, load, memory, heal, reset. Prints a Markdown table of medians.

    python benchmarks/embedded/bench_start.py --runs 3
    python benchmarks/embedded/bench_start.py --runs 1 --cold     # also the first fetch, into an empty cache

Run it while nothing else runs: there are only a few processes, but they want every core for these seconds.
Each run uses an instance of its own, below a temporary folder; all are removed at the end: a file system without a
journal makes new files slower for a minute after thousands were deleted, which nobody meets who starts a pipeline.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil

from cdcproof.core.progress import Progress
from cdcproof.environments.embedded import artifacts, lifecycle, services
from cdcproof.environments.embedded.data import databases, replication
from cdcproof.environments.embedded.services import java
from cdcproof.environments.embedded.state import Instance

Figures = dict[str, list[float]]


def quiet() -> Progress:
    """Progress that nobody sees."""
    return Progress(io.StringIO())


def seconds(act: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.monotonic()
    act()
    return time.monotonic() - started


def up(name: str) -> Instance:
    """Start or heal."""
    return lifecycle.up(name, quiet())


def load(instance: Instance) -> None:
    """`cdcproof load`."""
    databases.insert_rows(instance, databases.LOAD)
    replication.follow(instance, quiet(), what="rows", deadline_seconds=600)


def pss_mebibytes(instance: Instance) -> float:
    """Proportional set size of all services and their children."""
    total = 0
    for process in instance.processes.values():
        root = psutil.Process(process.pid)
        for one in (root, *root.children(recursive=True)):
            total += one.memory_full_info().pss
    return total / 1024 / 1024


def one_run(figures: Figures, name: str) -> None:
    """All figures once, on the new instance `name`, which is left stopped."""
    start = partial(up, name)
    figures["start of a new instance: both connectors run, snapshot in the target (s)"].append(seconds(start))
    instance = start()
    figures["memory of all services after the start (MiB PSS)"].append(pss_mebibytes(instance))
    figures["`up` when everything is up (s)"].append(seconds(start))
    for service in services.CORE:
        lifecycle.kill(name, service)
        figures[f"heal after {service} was killed (s)"].append(seconds(start))
    lifecycle.reset(name, quiet())  # the worker was just started: its first snapshot loads what every other one has
    for _ in range(3):
        figures["reset between tests (s)"].append(seconds(lambda: lifecycle.reset(name, quiet())))
    rows = sum((databases.LOAD.customers, databases.LOAD.products * 6, databases.LOAD.orders, databases.LOAD.shipments))
    figures[f"load of {rows:,} rows, until they are in the target (s)"].append(seconds(lambda: load(start())))
    figures["memory of all services after the load (MiB PSS)"].append(pss_mebibytes(start()))
    figures["reset after that load (s)"].append(seconds(lambda: lifecycle.reset(name, quiet())))
    figures["stop (s)"].append(seconds(lambda: lifecycle.down(name, quiet())))
    figures["start of an instance that has its data (s)"].append(seconds(start))
    lifecycle.down(name, quiet())


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="how many runs the medians are of (default: 3)")
    parser.add_argument("--cold", action="store_true", help="also fetch everything anew, into an empty cache")
    arguments = parser.parse_args()
    figures: Figures = defaultdict(list)
    names = [f"bench-{number}" for number in range(arguments.runs + 1)]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder
        try:
            if arguments.cold:
                cache = Path(folder) / "cache"
                figures["first fetch (s)"].append(seconds(lambda: artifacts.ready(cache, quiet())))
            up(names[0])
            lifecycle.down(names[0], quiet())  # stopping writes the class archives, which every later start has
            for name in names[1:]:
                one_run(figures, name)
        finally:
            for name in names:
                lifecycle.remove(name, quiet())
    print(f"{psutil.cpu_count()} cores, {platform.system()} {platform.machine()}, Java {java.find().version}; ", end="")
    print(f"{arguments.runs} runs; load average at the end {os.getloadavg()[0]:.1f}\n")
    print("| what | median | lowest | highest |\n|---|---:|---:|---:|")
    for what, values in figures.items():
        digits = 0 if "MiB" in what else 1
        told = (statistics.median(values), min(values), max(values))
        print(f"| {what} | {' | '.join(f'{value:,.{digits}f}' for value in told)} |")


if __name__ == "__main__":
    main()
