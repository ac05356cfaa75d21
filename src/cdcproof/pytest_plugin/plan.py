"""What pytest collected, as the half of the plug-in that reports needs it: also in xdist's controller, which collects nothing."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cdcproof.core.files import write_whole
from cdcproof.reporting.steps import Need, Step
from cdcproof.reporting.suites import Suites


@dataclass(frozen=True)
class Plan:
    """Node id to the step that each collected check stands for; and every suite with all of its steps, collected or not."""

    steps: Mapping[str, Step] = field(default_factory=dict)
    suites: Suites = field(default_factory=dict)

    def selected(self, nodeids: Collection[str]) -> frozenset[str]:
        """The ids of the steps that these tests stand for; other tests stand for none."""
        return frozenset(self.steps[nodeid].id for nodeid in nodeids if nodeid in self.steps)

    def write(self, path: Path) -> None:
        """Leave it for the controller."""
        steps = {nodeid: asdict(step) for nodeid, step in self.steps.items()}
        suites = {suite: sorted(ids) for suite, ids in self.suites.items()}
        write_whole(path, json.dumps({"steps": steps, "suites": suites}))


def read(path: Path) -> Plan:
    """The plan that a worker left; an empty one when no worker has collected a check."""
    if not path.exists():
        return Plan()
    stored = json.loads(path.read_text(encoding="utf-8"))
    steps = {
        nodeid: Step(**{**step, "needs": tuple(Need(**need) for need in step["needs"])})
        for nodeid, step in stored["steps"].items()
    }
    return Plan(steps, {suite: frozenset(ids) for suite, ids in stored["suites"].items()})
