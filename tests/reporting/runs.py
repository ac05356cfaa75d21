"""Runs for the tests of the reporters."""

from __future__ import annotations

from cdcproof.findings import Difference, Verdict
from cdcproof.reporting.record import Evidence, Run, StepRecord


def record_of(step: str, verdict: Verdict = Verdict.PASSED, *subjects: str, **more: object) -> StepRecord:
    """A record with a difference per subject."""
    values: dict[str, object] = {
        "step": step,
        "title": f"The title of {step}",
        "suite": step.partition(".")[0],
        "severity": "critical",
        "verdict": verdict,
        "started_at": 1_795_000_000.0,
        "duration_seconds": 0.5,
        "differences": tuple(Difference(s, "RUNNING", "FAILED", "first line of the trace") for s in subjects),
        "evidence": (Evidence("States", "name  state\nsource  RUNNING"),),
        **more,
    }
    return StepRecord(**values)  # type: ignore[arg-type]


def run_of(*steps: StepRecord, started_at: float = 1_795_000_000.0, pipeline: str = "example") -> Run:
    """A morning run."""
    suites = tuple(sorted({s.suite for s in steps}))
    return Run(pipeline, "live", suites, started_at, 4.2, ("Nothing special runs here.",), steps)
