"""Plain text for people, 80 columns wide: the block of one finding, the table of a run, what changed."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from cdcproof.findings import Difference, Verdict
from cdcproof.reporting.record import Run, StepRecord

COLUMNS = 80
_LABEL_COLUMNS = 10
_MOST_DIFFERENCES = 10

NO_CHANGE = "Nothing has changed since the last run."

BY_URGENCY = (
    Verdict.FAILED,
    Verdict.NOT_CHECKED,
    Verdict.BLOCKED,
    Verdict.WARNED,
    Verdict.WAIVED,
    Verdict.PASSED,
)
"""What an operator should read first comes first."""


def heading(record: StepRecord) -> str:
    """``FAILED  morning.2-connectors  Every connector …``; the step id is given whole, as it is searched for."""
    return f"{str(record.verdict).upper()}  {record.step}  {record.title}"


def block(record: StepRecord) -> str:
    """What an operator needs to know of a check that is not plainly passed: heading, Expected, Found, Action, Runbook.

    Prose is wrapped; commands are not, so that they can be pasted.
    """
    shown = record.differences[:_MOST_DIFFERENCES]
    left = len(record.differences) - len(shown)
    width = max((len(d.subject) for d in shown), default=0)
    width = width if width <= COLUMNS // 2 else 0
    lines = [
        *_labelled("Expected", [_of_subject(d.subject, d.expected, width) for d in shown]),
        *_labelled("Found", [line for d in shown for line in _found(d, width)]),
        *_labelled("", [f"… and {left} more, in the report"] if left else []),
        *_labelled("Reason", [record.reason] if record.reason else []),
        *[f"{'Action' if n == 0 else '':<{_LABEL_COLUMNS}}{command}" for n, command in enumerate(record.action)],
        *_labelled("Runbook", [record.runbook] if record.runbook else []),
    ]
    return "\n".join([*wrapped(heading(record)), "", *lines])


def needing_attention(run: Run) -> list[StepRecord]:
    """The steps that get a block of their own, most urgent first: all but the plainly passed and the blocked."""
    return [
        record
        for verdict in BY_URGENCY
        for record in run.steps
        if record.verdict is verdict
        and verdict is not Verdict.BLOCKED
        and (verdict is not Verdict.PASSED or record.reason)
    ]


def blocked_lines(run: Run) -> list[str]:
    """One line per cause with the steps it blocks: one red, not forty."""
    causes: dict[str, list[str]] = {}
    for record in run.steps:
        if record.verdict is Verdict.BLOCKED:
            causes.setdefault(record.blocked_by, []).append(record.step)
    return [
        line
        for cause, steps in causes.items()
        for line in folded(f"BLOCKED  by {cause}: {', '.join(steps)}", rest=" " * len("BLOCKED  "))
    ]


def overview(run: Run, columns: int = COLUMNS) -> list[str]:
    """One line per check: verdict, step, title (cut to fit into so many columns), seconds."""
    verdict_width = max((len(r.verdict) for r in run.steps), default=0)
    step_width = max((len(r.step) for r in run.steps), default=0)
    title_width = max(20, columns - verdict_width - step_width - 13)
    return [
        f"{str(r.verdict).upper():<{verdict_width}}  {r.step:<{step_width}}  "
        f"{_cut(r.title, title_width):<{title_width}}  {r.duration_seconds:5.1f} s"
        for r in run.steps
    ]


def totals(run: Run) -> str:
    """``GREEN: 9 passed, 1 warned in 4.2 s``, ``PARTIAL: 2 passed, 11 did not run in …``, or ``NOT GREEN: …``; of a replay behind ``REPLAY``."""
    counts = [f"{count} {verdict}" for verdict, count in run.counts().items()] or ["no check ran"]
    left_out = [f"{len(run.missing)} did not run"] if run.missing else []
    return f"{'REPLAY, ' if run.replay else ''}{run.word}: {', '.join([*counts, *left_out])} in {run.duration_seconds:.1f} s"


def changes(before: Run | None, now: Run) -> list[str]:
    """What is different from the whole run before, as lines; the same subjects failing again are not a change."""
    left_out = [f"Not run this time: {', '.join(now.missing)}"] if now.missing else []
    if before is None:
        return ["This is the first run kept here; there is nothing to compare with.", *left_out]
    earlier = {record.step: record for record in before.steps}
    lines = []
    for record in now.steps:
        old = earlier.pop(record.step, None)
        if old is None:
            lines.append(f"{record.step}: not run → {record.verdict}")
        elif old.verdict is not record.verdict:
            lines.append(f"{record.step}: {old.verdict} → {record.verdict}")
        else:
            lines += _new_and_gone(old, record)
    if left_out:
        lines += left_out
    elif earlier:
        lines.append(f"Not run this time: {', '.join(earlier)}")
    return lines or [NO_CHANGE]


def indented(text: str, columns: int = 2) -> list[str]:
    """The lines of a text, set in and cut to the page's width."""
    return [" " * columns + _cut(line, COLUMNS - columns) for line in text.splitlines()]


def wrapped(line: str, indent: int = 0) -> list[str]:
    """Prose broken into lines of the page's width, set in, with its continuation set in further."""
    return folded(line, first=" " * indent, rest=" " * (indent + 2))


def folded(line: str, *, first: str = "", rest: str = "", columns: int = COLUMNS) -> list[str]:
    """A line broken into several, between words only, so that a name can still be searched for."""
    return textwrap.wrap(
        line, columns, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def _new_and_gone(old: StepRecord, record: StepRecord) -> list[str]:
    was = {d.subject for d in old.differences}
    is_now = {d.subject for d in record.differences}
    new = [s for s in dict.fromkeys(d.subject for d in record.differences) if s and s not in was]
    gone = [s for s in dict.fromkeys(d.subject for d in old.differences) if s and s not in is_now]
    return [
        *([f"{record.step}: also {', '.join(new)}"] if new else []),
        *([f"{record.step}: no longer {', '.join(gone)}"] if gone else []),
    ]


def _of_subject(subject: str, value: str, width: int) -> str:
    return f"{subject:<{width}}  {value}" if subject else value


def _found(difference: Difference, width: int) -> list[str]:
    lines = [_of_subject(difference.subject, difference.found, width)]
    return [*lines, *(f"  {line}" for line in difference.detail.splitlines() if line.strip())]


def _labelled(label: str, values: Iterable[str]) -> list[str]:
    lines: list[str] = []
    for value in values:
        for text in value.splitlines() or [""]:
            indent = " " * (len(text) - len(text.lstrip()))
            lines += folded(text.strip(), first=indent, rest=indent + "  ", columns=COLUMNS - _LABEL_COLUMNS)
    return [f"{label if n == 0 else '':<{_LABEL_COLUMNS}}{line}" for n, line in enumerate(lines)]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
