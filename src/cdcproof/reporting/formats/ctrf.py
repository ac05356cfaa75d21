"""A run in the Common Test Report Format (https://ctrf.io, schema 0.0): one JSON file that chats, pull requests and dashboards of CI read.

What was not checked is *failed*, as in pytest and JUnit: readers gate on that count, and *other* would let them call the run green. Its
own word is in `rawStatus`. Blocked is *skipped*: its cause is failed beside it. Waived is *other*: known and accepted, and not right. A check
that was to run and did not is *pending*.
"""

from __future__ import annotations

import json
from typing import Any

from cdcproof import __version__
from cdcproof.findings import Verdict
from cdcproof.reporting.formats import text
from cdcproof.reporting.record import Run, StepRecord

_STATUS = {
    Verdict.PASSED: "passed",
    Verdict.WARNED: "passed",
    Verdict.FAILED: "failed",
    Verdict.NOT_CHECKED: "failed",
    Verdict.BLOCKED: "skipped",
    Verdict.WAIVED: "other",
}
_STATUSES = ("passed", "failed", "skipped", "pending", "other")


def of_run(run: Run) -> str:
    """The file's text."""
    tests = [*map(_of_step, run.steps), *map(_not_run, run.missing)]
    counts = {status: sum(test["status"] == status for test in tests) for status in _STATUSES}
    start = _milliseconds(run.started_at)
    report = {
        "reportFormat": "CTRF",
        "specVersion": "0.0.0",
        "generatedBy": f"cdcproof {__version__}",
        "results": {
            "tool": {"name": "cdcproof", "version": __version__},
            "summary": {
                "tests": len(tests),
                **counts,
                "suites": len(run.suites),
                "start": start,
                "stop": start + _milliseconds(run.duration_seconds),
                "extra": {"verdict": run.word, **({"replay": run.replay} if run.replay else {})},
            },
            "tests": tests,
            "environment": {
                "appName": run.pipeline,
                "testEnvironment": f"{run.environment}{', REPLAY' if run.replay else ''}",
            },
        },
    }
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def _of_step(record: StepRecord) -> dict[str, Any]:
    start, duration = _milliseconds(record.started_at), _milliseconds(record.duration_seconds)
    needs_words = record.verdict is not Verdict.PASSED or record.reason
    return {
        "name": record.title,
        "testId": record.step,
        "status": _STATUS[record.verdict],
        "rawStatus": str(record.verdict),
        "duration": duration,
        "start": start,
        "stop": start + duration,
        "suite": [record.suite],
        "tags": [record.severity],
        "extra": {"runbook": record.runbook, "action": list(record.action)},
        **({"message": text.block(record)} if needs_words else {}),
    }


def _not_run(step: str) -> dict[str, Any]:
    suite = step.partition(".")[0]
    return {"name": step, "testId": step, "status": "pending", "rawStatus": "not run", "duration": 0, "suite": [suite]}


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
