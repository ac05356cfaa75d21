"""What a check declares: its step id by its mark, the rest in the catalogue or, for a check of a user's own, in the mark too."""

from __future__ import annotations

import pytest

from cdcproof.core.errors import UsageError
from cdcproof.monitoring.catalogue import BY_STEP, CHECKS, Check
from cdcproof.pipeline.model import Pipeline
from cdcproof.reporting.steps import Need, Step

LISTED_SUITES = {check.step: check.also for check in CHECKS}
"""Step id to the further suites by the catalogue."""


def applies(item: pytest.Item, pipeline: Pipeline) -> bool:
    """Whether the pipeline has the part that this check looks at."""
    mark = item.get_closest_marker("runbook")
    if mark is None:
        return True
    listed = _listed(mark)
    return listed.only_where.holds(pipeline) if listed else bool(mark.kwargs.get("applies", lambda _: True)(pipeline))


def step_of(item: pytest.Item) -> Step:
    """The step that a check stands for. Raises `UsageError` for a mark that says less, or more, than it may."""
    mark = item.get_closest_marker("runbook")
    if mark is None:
        raise UsageError(
            f"{item.nodeid}: a check without a runbook mark.",
            '@pytest.mark.runbook("morning.2-connectors"), or with severity="critical", needs=[…] for one of your own.',
        )
    if item.get_closest_marker("xfail"):
        raise UsageError(f"{item.nodeid}: a check cannot be xfail.", "A known failure is waived in the pipeline file.")
    if len(mark.args) != 1 or not set(mark.kwargs) <= {"severity", "needs", "applies"}:
        raise UsageError(f"{item.nodeid}: the runbook mark takes one step id, severity=…, needs=[…] and applies=….")
    docstring = (getattr(getattr(item, "obj", None), "__doc__", None) or "").strip()
    listed = _listed(mark)
    return Step(
        id=str(mark.args[0]),
        title=docstring.partition("\n")[0].strip().replace("`", ""),
        severity=listed.severity if listed else str(mark.kwargs.get("severity", "")),
        needs=tuple(Need.parse(need) for need in (listed.needs if listed else mark.kwargs.get("needs", ()))),
        place=item.nodeid,
    )


def suites_of(item: pytest.Item) -> tuple[str, ...]:
    """Every suite that the check belongs to, its own first; a mark of another suite beside it adds that one as well."""
    mark = item.get_closest_marker("runbook")
    if mark is None:
        return ()
    listed = _listed(mark)
    return listed.suites if listed else (str(mark.args[0]).partition(".")[0],)


def _listed(mark: pytest.Mark) -> Check | None:
    """The catalogue's entry for a mark that holds its step id alone."""
    return BY_STEP.get(str(mark.args[0])) if mark.args and not mark.kwargs else None
