"""How checks keep their order under xdist: workers leave a plan, the controller schedules by it.

xdist's own loadgroup does not group under pytest 9.2 (pytest-xdist issue 1386), and says nothing about it;
so groups go by a file, which every worker writes with the same content before it reports what it collected.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from cdcproof.pytest_plugin import plan as pytest_plan
from cdcproof.reporting.steps import groups

PLAN = "cdcproof_plan"
"""Key under which the controller passes the plan's path to workers."""


class PlanScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives checks that need one another, however indirectly, to one worker in their order.

    Other tests go to any worker, or file by file with ``--dist loadfile``.
    """

    def __init__(self, config: pytest.Config, log: Any, plan: Path) -> None:
        super().__init__(config, log)
        self._plan = plan
        self._group_of: dict[str, str] | None = None

    def _split_scope(self, nodeid: str) -> str:
        if self._group_of is None:
            steps = pytest_plan.read(self._plan).steps
            group = groups(list(steps.values()))
            self._group_of = {test: group[step.id] for test, step in steps.items()}
        if nodeid in self._group_of:
            return self._group_of[nodeid]
        return nodeid.partition("::")[0] if self.config.getoption("dist") == "loadfile" else nodeid

    def remove_node(self, node: Any) -> str | None:
        """Forget a worker that died. The test it died in counts as done: xdist would run it again, and die again."""
        units = self.assigned_work.get(node, {}).values()
        fatal = next(((unit, test) for unit in units for test, done in unit.items() if not done), None)
        if fatal:
            unit, test = fatal
            unit[test] = True
        super().remove_node(node)
        return fatal[1] if fatal else None
