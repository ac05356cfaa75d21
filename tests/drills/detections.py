"""How long a fault of the running pipeline takes to be seen: from the start of its drill, on a green pipeline, to the end of the run that is red.

That holds the injection and the wait until it has taken effect. `make drills` records it in detections.json; docs/DRILLS.md shows it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cdcproof.findings import Verdict
from cdcproof.reporting.record import Run, StepRecord

VARIABLE = "CDCPROOF_DETECTIONS"
"""Names the file to which a line is added for each drill that passed; without it nothing is recorded."""
RECORD = Path(__file__).with_name("detections.json")
_SEEN = {Verdict.FAILED, Verdict.NOT_CHECKED, Verdict.WARNED}


@dataclass(frozen=True)
class Detected:
    """Seconds until the run had ended that saw the fault, and what the check itself took of them."""

    seconds: float
    check_seconds: float


@dataclass
class Watch:
    """One test, from its start."""

    node: str
    began: float
    seen: dict[str, Detected] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    def saw(self, run: Run, now: float) -> None:
        """Note the steps that this run is the first of the test to see; what could not be looked at before counts only where it stays so."""
        seconds = round(now - self.began, 1)
        for step in run.steps:
            if step.verdict in _SEEN and (step.step not in self.seen or self._is_first_failure(step)):
                self.seen[step.step] = Detected(seconds, round(step.duration_seconds, 2))
                self.failed |= {step.step} if step.verdict is Verdict.FAILED else set()

    def _is_first_failure(self, step: StepRecord) -> bool:
        return step.verdict is Verdict.FAILED and step.step not in self.failed


class Detections:
    """What the tests of this process see."""

    watch: Watch | None = None

    def begin(self, node: str) -> None:
        """A test begins."""
        self.watch = Watch(node, time.monotonic()) if os.environ.get(VARIABLE) else None

    def saw(self, run: Run) -> None:
        """A run of checks has ended."""
        if self.watch:
            self.watch.saw(run, time.monotonic())

    def keep(self) -> None:
        """The test has passed."""
        if self.watch and self.watch.seen:
            seen = {step: [found.seconds, found.check_seconds] for step, found in self.watch.seen.items()}
            with Path(os.environ[VARIABLE]).open("a") as lines:
                lines.write(json.dumps({"node": self.watch.node, "seen": seen}) + "\n")


DETECTIONS = Detections()


def slowest(lines: Iterable[str]) -> dict[str, dict[str, list[float]]]:
    """Test, below tests/ and without its parameters, to step to the slowest detection of its instances."""
    found: dict[str, dict[str, list[float]]] = {}
    for line in lines:
        entry = json.loads(line)
        steps = found.setdefault(entry["node"].partition("[")[0].removeprefix("tests/"), {})
        for step, seconds in entry["seen"].items():
            steps[step] = max(steps.get(step, seconds), seconds)
    return found


def recorded(path: Path = RECORD) -> tuple[Mapping[str, str], dict[tuple[str, str], Detected]]:
    """When and on what it was measured; test and step to what was."""
    record = json.loads(path.read_text())
    seconds = {
        (test, step): Detected(*found) for test, steps in record["seconds"].items() for step, found in steps.items()
    }
    return record["measured"], seconds
