"""The daily summary: one page, what changed first, then the runbook's five steps, then the rest in one line each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cdcproof.reporting.formats import text
from cdcproof.reporting.formats.chart import NOTHING, Chart, Recalled
from cdcproof.reporting.record import Run, StepRecord

_RUNBOOK_STEPS = ("1", "2", "3", "4", "5")
_MOST_CHARTS = 6
_MOST_LINES = 8
"""Lines of evidence shown per step: the page is to be read in a chat window."""


@dataclass(frozen=True)
class Section:
    """One step on the page: sentences about what is not as expected, and lines of what was seen."""

    record: StepRecord
    found: tuple[str, ...]
    seen: tuple[str, ...]


@dataclass(frozen=True)
class Summary:
    """What the page says, before it is text, Markdown or HTML. `more` says where the whole story is."""

    run: Run
    changes: tuple[str, ...]
    sections: tuple[Section, ...]
    others: tuple[str, ...]
    more: tuple[str, ...]
    recalled: Recalled = NOTHING

    @property
    def title(self) -> str:
        """``Daily health check of warehouse (live), 2026-11-23 06:00 +0100``; of a replay behind ``REPLAY:``."""
        return f"{'REPLAY: ' if self.run.replay else ''}Daily health check of {self.run.pipeline} ({self.run.environment}), {local_time(self.run.started_at)}"

    @property
    def _changes_of(self) -> str:
        return "Against the recorded verdicts" if self.run.replay else "Changed since the last run"

    def as_text(self) -> str:
        """At most 80 columns."""
        lines = [
            self.title,
            text.totals(self.run),
            *(line for header in self.run.header for line in text.wrapped(header)),
        ]
        lines += ["", self._changes_of]
        lines += [line for change in self.changes for line in text.wrapped(change, 2)]
        for section in self.sections:
            lines += ["", *text.wrapped(text.heading(section.record))]
            lines += [line for sentence in section.found for line in text.wrapped(sentence, 2)]
            lines += [line for shown in section.seen for line in text.indented(shown)]
        if self.others:
            lines += ["", "Further checks", *(line for other in self.others for line in text.indented(other))]
        lines += [line for part in self._trends() for line in ("", *part)]
        return "\n".join([*lines, "", *self.more]) + "\n"

    def as_markdown(self) -> str:
        """Headings and lists; what was seen is set in as code, so that nothing in it can be taken for markup."""
        lines = [f"# {self.title}", "", f"**{text.totals(self.run)}**", "", *(f"- {line}" for line in self.run.header)]
        lines += ["", f"## {self._changes_of}", ""]
        lines += [f"- {change}" for change in self.changes]
        for section in self.sections:
            lines += [
                "",
                f"## {text.heading(section.record)}",
                "",
                *(f"    {line}" for line in (*section.found, *section.seen)),
            ]
        if self.others:
            lines += ["", "## Further checks", "", *(f"- {other}" for other in self.others)]
        for head, *trends in self._trends():
            lines += ["", f"## {head}", "", *(f"    {line.strip()}" for line in trends)]
        return "\n".join([*lines, "", *(f"- {line}" for line in self.more)]) + "\n"

    def _trends(self) -> list[list[str]]:
        """Heading and lines, set in, of what the history knows."""
        notes = [line for note in self.recalled.notes for line in text.wrapped(note, 2)]
        lines = [
            line
            for chart in self.charts
            for line in text.folded(f"{chart.blocks():<20} {chart.words}", first="  ", rest=" " * 23)
        ]
        return [["Trends", *notes, *lines]] if notes or lines else []

    @property
    def charts(self) -> tuple[Chart, ...]:
        """Those that are shown here."""
        return self.recalled.charts[:_MOST_CHARTS]


def summarize(run: Run, changes: Sequence[str], report: str, recalled: Recalled = NOTHING) -> Summary:
    """The summary of a run; `report` is the path of its HTML report, `recalled` what the history knows."""
    runbook = [r for r in run.steps if _number(r) in _RUNBOOK_STEPS]
    others = [r for r in run.steps if r not in runbook]
    return Summary(
        run,
        tuple(changes),
        tuple(Section(record, tuple(_found(record)), tuple(_seen(record))) for record in runbook),
        tuple(line for record in others for line in [_in_columns(record, others), *(f"  {f}" for f in _found(record))]),
        (f"The whole report: {report}", "What to do about a finding: cdcproof remedy STEP"),
        recalled,
    )


def local_time(unix_seconds: float) -> str:
    """Local time with its offset, as an operator's clock shows it."""
    return datetime.fromtimestamp(unix_seconds).astimezone().strftime("%Y-%m-%d %H:%M %z")


def _in_columns(record: StepRecord, among: Sequence[StepRecord]) -> str:
    verdict, step = (max(len(getattr(other, name)) for other in among) for name in ("verdict", "step"))
    return f"{str(record.verdict).upper():<{verdict}}  {record.step:<{step}}  {record.title}"


def _number(record: StepRecord) -> str:
    return record.step.partition(".")[2].partition("-")[0]


def _seen(record: StepRecord) -> list[str]:
    lines = []
    for page in record.evidence[:1]:
        content = page.text.splitlines()
        lines += [f"{page.title}:", *(f"  {line}" for line in content[:_MOST_LINES])]
        if len(content) > _MOST_LINES:
            lines.append(f"  … and {len(content) - _MOST_LINES} more lines, in the report")
    return lines


def _found(record: StepRecord) -> list[str]:
    lines = [
        f"{d.subject}: expected {d.expected}, found {d.found}".removeprefix(": ").replace("\n", " ")
        for d in record.differences[:_MOST_LINES]
    ]
    left = len(record.differences) - len(lines)
    return [
        *lines,
        *([f"… and {left} more, in the report"] if left else []),
        *([record.reason] if record.reason else []),
    ]
