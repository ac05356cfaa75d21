"""What the kept runs know of the check behind an alert, and what to do in which order. Pure: the records are given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cdcproof.findings import Verdict
from cdcproof.monitoring.catalogue import BY_STEP, Check
from cdcproof.reporting.record import StepRecord
from cdcproof.reporting.steps import Need

_MOST_DIFFERENCES = 10
_MOST_LINES = 12


@dataclass(frozen=True)
class Orders:
    """What to do about one check: the lines that its report offers, commands and advice."""

    step: str
    title: str
    verdict: Verdict
    lines: tuple[str, ...]


def steps_of(check: Check) -> tuple[str, ...]:
    """The steps that the check needs, directly or not, the most basic first, then its own."""
    found: dict[str, None] = {}

    def visit(step: str) -> None:
        for need in BY_STEP[step].needs:
            visit(Need.parse(need).step)
        found.setdefault(step)

    visit(check.step)
    return tuple(found)


def orders(check: Check, records: Mapping[str, StepRecord]) -> list[Orders]:
    """What is to be done, causes first: of each step that was not green, what its newest record offers."""
    found = [records[step] for step in steps_of(check) if step in records]
    return [
        Orders(record.step, record.title, record.verdict, record.action)
        for record in found
        if not record.verdict.is_green and record.action
    ]


def findings(record: StepRecord) -> list[str]:
    """What a record found, in lines."""
    shown = record.differences[:_MOST_DIFFERENCES]
    lines = [
        f"{d.subject}: expected {d.expected}, found {d.found}{f' ({d.detail})' if d.detail else ''}".removeprefix(": ")
        for d in shown
    ]
    left = len(record.differences) - len(shown)
    return [
        *(" ".join(line.split()) for line in lines),
        *([f"… and {left} more"] if left else []),
        *([record.reason] if record.reason else []),
    ]


def evidence(record: StepRecord) -> Iterator[str]:
    """What it looked at first, in lines."""
    for page in record.evidence[:1]:
        content = page.text.splitlines()
        yield f"{page.title}:"
        yield from (f"  {line}" for line in content[:_MOST_LINES])
        if len(content) > _MOST_LINES:
            yield f"  … and {len(content) - _MOST_LINES} more lines, in the report"
