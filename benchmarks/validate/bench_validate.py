"""Measure validation: the round trip of the runbook's test customer, that of all five tables, and the whole `pytest -m validate`.

    python -m benchmarks.validate.bench_validate --trips 30 --runs 5

The runbook inserts the customer, sleeps 30 seconds, looks, and deletes it. Here it is inserted, changed and deleted, and each is seen at
the target. Run it from the project's folder while nothing else runs. Uses an instance of its own, with the 106,000 rows of `cdcproof load`, and removes
it. Prints Markdown tables of medians.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.embedded.instance import own_instance
from cdcproof.databases.test_rows import connect_to_write
from cdcproof.environments.embedded.environment import Embedded
from cdcproof.pipeline.model import Pipeline, load
from cdcproof.validation.round_trip.journey import ACTS, Journey, Traveller, travellers
from cdcproof.validation.round_trip.run import Ends, travel

NAME = "bench-validate"
FILE = Path("fixtures/pipelines/embedded.toml")


def silently(_: str) -> None:
    """Acts that nobody reads."""


def trip(pipeline: Pipeline, rows: Sequence[Traveller]) -> tuple[float, Journey]:
    """Seconds of a whole round trip, sessions included, and what was seen."""
    limits = pipeline.round_trip
    started = time.monotonic()
    with (
        connect_to_write(pipeline.source, limits.source) as source,
        connect_to_write(pipeline.target, limits.target) as target,
    ):
        journey = travel(rows, Ends(source, target, limits, silently, silently))
    seconds = time.monotonic() - started
    assert journey.found() == journey.expected(), journey.found()
    return seconds, journey


def validate(reports: Path, *options: str) -> float:
    """Seconds of a whole run, as an operator waits for it: from the command to the prompt."""
    command = [sys.executable, "-m", "pytest", "-m", "validate", f"--reports-dir={reports}", "-p", "no:cacheprovider"]
    started = time.monotonic()
    subprocess.run([*command, *options], stdout=subprocess.DEVNULL, check=True, timeout=600)
    return time.monotonic() - started


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trips", type=int, default=30)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, own_instance(NAME):
        for command in (("load",), ("baseline", "save")):
            subprocess.run([sys.executable, "-m", "cdcproof", *command], check=True, capture_output=True)
        pipeline = Embedded(NAME).locate(load(FILE))
        every = travellers(pipeline)
        one = [trip(pipeline, every[:1]) for _ in range(arguments.trips)]
        all_tables = [trip(pipeline, every) for _ in range(arguments.trips)]
        whole = [validate(Path(folder)) for _ in range(arguments.runs)]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print(
        f"| round trip, median of {arguments.trips} | {' | '.join(ACTS)} | whole | slowest |\n|---|---|---|---|---|---|"
    )
    for what, trips in (("the runbook's customer", one), ("a row of each of the five tables", all_tables)):
        hops = (statistics.median(h.seconds or 0 for _, j in trips for h in j.hops if h.act == act) for act in ACTS)
        times = [seconds for seconds, _ in trips]
        print(
            f"| {what} | {' | '.join(f'{seconds:.2f} s' for seconds in hops)} "
            f"| {statistics.median(times):.2f} s | {max(times):.2f} s |"
        )
    print(f"\n`pytest -m validate` with its soak of 5 s, median of {arguments.runs}: {statistics.median(whole):.1f} s")


if __name__ == "__main__":
    main()
