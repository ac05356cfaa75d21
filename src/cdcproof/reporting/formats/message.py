"""What is sent of a run to a chat or by mail: whether anything, and in which words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cdcproof.core.secrets import scrub
from cdcproof.pipeline.notification import Notify
from cdcproof.reporting.formats import text
from cdcproof.reporting.formats.summary import local_time, summarize
from cdcproof.reporting.record import Run, StepRecord

MOST_CHARACTERS = 3_000
"""What the narrowest chats take in one piece, with room for what they add."""
_MOST_STEPS = 12
_MOST_DIFFERENCES = 3
_MOST_CHANGES = 8
_LONGEST_LINE = 240


@dataclass(frozen=True)
class Message:
    """A title of one line and a text, both without secrets."""

    title: str
    body: str


def is_wanted(rules: Notify, run: Run) -> bool:
    """Whether a run is sent. A part of a suite is sent only when it is red: it says nothing about the rest."""
    if any(suite in rules.every_run_of and suite not in run.parts for suite in run.suites) and not run.missing:
        return True
    return any(step.suite in rules.red_runs_of and step.verdict in rules.verdicts for step in run.steps)


def message(run: Run, changes: Sequence[str], page: str) -> Message:
    """The totals, what has changed, what needs attention, the runbook's other steps in a line each, and where the report is."""
    part = "part of " if run.missing else ""
    title = (
        f"{run.word}: {part}{', '.join(run.suites)} of {run.pipeline} ({run.environment}), {local_time(run.started_at)}"
    )
    lines = [text.totals(run), ""]
    lines += [f"- {_line(change)}" for change in changes[:_MOST_CHANGES]]
    if len(changes) > _MOST_CHANGES:
        lines.append(f"- … and {len(changes) - _MOST_CHANGES} more changes")
    attention = text.needing_attention(run)
    for record in attention[:_MOST_STEPS]:
        lines += ["", *_about(record)]
    if len(attention) > _MOST_STEPS:
        lines += ["", f"… and {len(attention) - _MOST_STEPS} more checks that need attention"]
    lines += ["", *map(_line, text.blocked_lines(run))] if text.blocked_lines(run) else []
    steps = [s.record for s in summarize(run, changes, page).sections if s.record not in attention]
    lines += ["", *(text.heading(record) for record in steps)]
    end = f"\n\nThe whole report: {page}\nWhat to do about a finding: cdcproof remedy STEP --pipeline {run.pipeline}"
    body = scrub("\n".join(lines))
    room = MOST_CHARACTERS - len(end)
    if len(body) > room:
        body = body[:room].rpartition("\n")[0] + "\n…"
    return Message(scrub(title), body + scrub(end))


def _about(record: StepRecord) -> list[str]:
    lines = [text.heading(record)]
    lines += [
        _line(f"  {difference.subject}: expected {difference.expected}, found {difference.found}".replace("  : ", "  "))
        for difference in record.differences[:_MOST_DIFFERENCES]
    ]
    if len(record.differences) > _MOST_DIFFERENCES:
        lines.append(f"  … and {len(record.differences) - _MOST_DIFFERENCES} more")
    return [*lines, *([_line(f"  {record.reason}")] if record.reason else [])]


def _line(value: str) -> str:
    indent = " " * (len(value) - len(value.lstrip()))
    one = indent + " ".join(value.split())
    return one if len(one) <= _LONGEST_LINE else f"{one[: _LONGEST_LINE - 1]}…"
