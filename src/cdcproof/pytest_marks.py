"""What a check declares by its mark: ``runbook("suite.id", severity=…, needs=[…], applies=…)``."""

from __future__ import annotations

import pytest

from cdcproof.errors import UsageError
from cdcproof.pipeline import Pipeline
from cdcproof.reporting.steps import Need, Step


def applies(item: pytest.Item, pipeline: Pipeline) -> bool:
    """Whether the pipeline has the part that this check looks at."""
    mark = item.get_closest_marker("runbook")
    return mark is None or bool(mark.kwargs.get("applies", lambda _: True)(pipeline))


def step_of(item: pytest.Item) -> Step:
    """The step that a check stands for. Raises `UsageError` for a mark that says less, or more, than it may."""
    mark = item.get_closest_marker("runbook")
    if mark is None:
        raise UsageError(
            f"{item.nodeid}: a check without a runbook mark.",
            '@pytest.mark.runbook("morning.2-connectors", severity="critical", needs=[…])',
        )
    if item.get_closest_marker("xfail"):
        raise UsageError(f"{item.nodeid}: a check cannot be xfail.", "A known failure is waived in the pipeline file.")
    if len(mark.args) != 1 or not set(mark.kwargs) <= {"severity", "needs", "applies"}:
        raise UsageError(f"{item.nodeid}: the runbook mark takes one step id, severity=…, needs=[…] and applies=….")
    docstring = (getattr(getattr(item, "obj", None), "__doc__", None) or "").strip()
    return Step(
        id=str(mark.args[0]),
        title=docstring.partition("\n")[0].strip(),
        severity=str(mark.kwargs.get("severity", "")),
        needs=tuple(Need.parse(need) for need in mark.kwargs.get("needs", ())),
        place=item.nodeid,
    )
