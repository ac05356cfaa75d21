"""Count false alarms: mornings and reconciliations of a healthy pipeline that is written to all the time.

    python -m benchmarks.morning.bench_false_alarms --mornings 200 --reconciliations 50

Run it from the project's folder. Uses an instance of its own, with about 5,000 rows, and removes it. Before the writes begin a quiet
reconciliation and morning show which checks are green; a check that is not green later, and one that warns only then, is an alarm,
as is a reconciliation whose exit status is not 0. Prints what was counted, and each alarm. The exit status is 1 where there was one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.embedded.instance import own_instance
from cdcproof.environments.embedded import state
from cdcproof.environments.embedded.data import databases
from cdcproof.environments.embedded.data.databases import Amount
from cdcproof.findings import Verdict
from cdcproof.reporting.record import Run, StepRecord
from tests.integration.forking import Forking
from tests.integration.load import Load

ROOT = Path(__file__).parents[2]
NAME = "bench-false-alarms"
ROWS = Amount(customers=1_000, products=200, orders=2_000, shipments=1_500)


@dataclass
class Watch:
    """Runs of our commands, and the alarms that they raised."""

    folder: Path
    environment: dict[str, str]
    commands: Forking
    usual: dict[str, Verdict] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)

    def morning(self, number: int) -> Run:
        """One morning. What it finds beside what is usual is an alarm."""
        reports = self.folder / f"morning-{number}"
        command = ("pytest", "-m", "morning", f"--reports-dir={reports}", "-p", "no:cacheprovider", "-q")
        done = self.commands.run(command, ROOT, self.environment)
        files = [*reports.glob("latest.json"), *reports.glob("*/latest.json")]  # of another pipeline's, in a folder
        if not files:
            self.alarms.append(f"morning {number}: no report, exit status {done.returncode}: {done.stderr[-500:]}")
            return Run("", "", (), 0, 0, (), ())
        run = Run.from_dict(json.loads(files[-1].read_text(encoding="utf-8")))
        self.alarms += [f"morning {number}: {text}" for text in self._alarms_of(run)]
        return run

    def _alarms_of(self, run: Run) -> Iterator[str]:
        for step in run.steps:
            if not step.verdict.is_green or step.verdict is not self.usual.get(step.step, step.verdict):
                yield said(step)

    def reconciliation(self, number: int) -> None:
        """One reconciliation of every table, with checksums."""
        command = ("cdcproof", "reconcile", "--pipeline", "embedded", "--validate-checksums")
        done = self.commands.run(command, ROOT, self.environment)
        if done.returncode:
            self.alarms.append(f"reconciliation {number}: exit status {done.returncode}\n{done.stdout}{done.stderr}")


def said(step: StepRecord) -> str:
    """A step that is not green, with what it found."""
    found = "; ".join(f"{one.subject}: expected {one.expected}, found {one.found}" for one in step.differences)
    return f"{step.step} {step.verdict}: {step.reason or found}"


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mornings", type=int, default=200)
    parser.add_argument("--reconciliations", type=int, default=50)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, own_instance(NAME):
        databases.insert_rows(state.running(NAME), ROWS)
        watch = Watch(
            Path(folder),
            {**os.environ, "PYTEST_ADDOPTS": "-p no:hypothesispytest"},
            Forking(ROOT, Path(folder, "forking")),
        )
        watch.reconciliation(0)
        quiet = watch.morning(0)
        if watch.alarms:
            print("The quiet pipeline is not green:", *watch.alarms, sep="\n")
            return 1
        watch.usual = {step.step: step.verdict for step in quiet.steps}
        every = max(1, arguments.mornings // max(1, arguments.reconciliations))
        reconciled, started = 0, time.monotonic()
        with Load(state.running(NAME)) as load:
            for number in range(1, arguments.mornings + 1):
                if reconciled < arguments.reconciliations and number % every == 0:
                    reconciled += 1
                    watch.reconciliation(reconciled)
                watch.morning(number)
            changes = load.changes_per_second
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print("| mornings | checks in each | reconciliations | changes per second | minutes | false alarms |")
    print("|---|---|---|---|---|---|")
    minutes = (time.monotonic() - started) / 60
    print(
        f"| {arguments.mornings} | {len(watch.usual)} | {reconciled} | {changes:.0f} | {minutes:.0f} | {len(watch.alarms)} |"
    )
    for alarm in watch.alarms:
        print(f"\n{alarm}")
    return int(bool(watch.alarms))


if __name__ == "__main__":
    sys.exit(main())
