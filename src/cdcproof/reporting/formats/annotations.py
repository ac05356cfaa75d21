"""A run as continuous integration shows it beside a change: GitHub's workflow commands, GitLab's Code Quality report.

Formats as in GitHub's "Workflow commands for GitHub Actions" and in GitLab's "Code Quality report format" (Code Climate's, in part).
"""

from __future__ import annotations

import hashlib
import json

from cdcproof.core.secrets import scrub
from cdcproof.findings import Verdict
from cdcproof.reporting.formats import text
from cdcproof.reporting.record import Run, StepRecord

_LEVELS = {
    Verdict.FAILED: "error",
    Verdict.NOT_CHECKED: "error",
    Verdict.BLOCKED: "error",
    Verdict.WARNED: "warning",
    Verdict.WAIVED: "notice",
}
_SEVERITIES = {"critical": "blocker", "major": "major", "minor": "minor"}


def github(run: Run, file: str) -> str:
    """A workflow command for each check that is not plainly passed, shown at the first line of `file`; whole on one line each."""
    return "".join(
        f"::{level} file={_property(file)},line=1,title={_property(text.heading(record))}::{_message(_message_of(record))}\n"
        for record in run.steps
        if (level := _LEVELS.get(record.verdict))
    )


def codequality(run: Run, file: str) -> str:
    """A Code Quality report: an issue for each check that is not plainly passed, at the first line of `file`."""
    issues = [
        {
            "description": scrub(f"{text.heading(record)}: {' '.join(_message_of(record).split())}"),
            "check_name": record.step,
            "fingerprint": hashlib.sha256(f"{run.pipeline} {record.step} {record.verdict}".encode()).hexdigest(),
            "severity": _SEVERITIES.get(record.severity, "info") if _LEVELS[record.verdict] == "error" else "info",
            "location": {"path": file, "lines": {"begin": 1}},
        }
        for record in run.steps
        if record.verdict in _LEVELS
    ]
    return json.dumps(issues, indent=1, ensure_ascii=False) + "\n"


def markdown(run: Run) -> str:
    """The page for a job's summary: totals, a table of all checks, then a block for each that needs attention."""
    lines = [
        f"## {'+'.join(run.suites)} of {run.pipeline} ({run.environment}): {text.totals(run)}",
        "",
        *(f"- {scrub(line)}" for line in run.header),
        "",
        "| verdict | step | severity | seconds | |",
        "|---|---|---|---:|---|",
        *(
            f"| {str(r.verdict).upper()} | `{r.step}` | {r.severity} | {r.duration_seconds:.1f} | {_cell(r.title)} |"
            for r in run.steps
        ),
    ]
    for record in text.needing_attention(run):
        # four backticks: what was seen may hold three
        lines += ["", "````text", scrub(text.block(record)), "````"]
    return "\n".join([*lines, *(["", *text.blocked_lines(run)] if text.blocked_lines(run) else [])]) + "\n"


def _message_of(record: StepRecord) -> str:
    return scrub(text.block(record).partition("\n")[2].strip() or record.title)


def _message(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _message(value).replace(":", "%3A").replace(",", "%2C")


def _cell(value: str) -> str:
    return value.replace("|", "\\|")
