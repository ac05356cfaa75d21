"""Runs a check's own function on observations of a test's making, and judges what it raises as the plug-in does."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cdcproof.environments import select
from cdcproof.pipeline.model import Pipeline
from cdcproof.remedies.checks import Remedies
from cdcproof.reporting.judge import EvidenceBook, judge
from cdcproof.reporting.record import StepRecord
from cdcproof.reporting.steps import Step


def judged(check: Callable[..., None], pipeline: Pipeline, **observed: Any) -> StepRecord:
    """The check's record. A value that is callable is called as a fixture is: what it raises is the check's."""
    mark = next(m for m in check.pytestmark if m.name == "runbook")  # type: ignore[attr-defined]
    step = Step(mark.args[0], (check.__doc__ or "").partition("\n")[0], "major", (), "")
    book = EvidenceBook()
    raised: BaseException | None = None
    try:
        values = {name: value() if callable(value) else value for name, value in observed.items()}
        if "remedies" in inspect.signature(check).parameters:
            values["remedies"] = remedies(pipeline)
        check(evidence=book, **values)
    except Exception as error:  # noqa: BLE001  the judge decides
        raised = error
    return judge(step, raised, book, None, started_at=0, duration_seconds=0)


def remedies(pipeline: Pipeline) -> Remedies:
    """Commands for a live pipeline."""
    return Remedies(select("live"), pipeline, str(Path("warehouse")))
