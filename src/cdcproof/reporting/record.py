"""What a run saw, as data: written once, rendered many times (console, HTML, Allure, metrics, summary)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cdcproof.core.output import harmless
from cdcproof.core.stored import matched
from cdcproof.findings import Difference, Verdict


@dataclass(frozen=True)
class Evidence:
    """Something that was looked at. `text` is redacted, may have many lines, and is never a picture."""

    title: str
    text: str


@dataclass(frozen=True)
class StepRecord:
    """The outcome of one check in one run. Times are seconds and Unix seconds."""

    step: str
    title: str
    suite: str
    severity: str
    verdict: Verdict
    started_at: float
    duration_seconds: float
    differences: tuple[Difference, ...] = ()
    action: tuple[str, ...] = ()
    reason: str = ""
    """Why it was not checked, is blocked (with the step that blocks it) or is waived."""
    blocked_by: str = ""
    evidence: tuple[Evidence, ...] = ()

    @property
    def runbook(self) -> str:
        """The place in the runbook document; empty for a check of a project's own, ``morning.own-…``, which our runbook does not have."""
        return "" if ".own-" in self.step else f"docs/RUNBOOK.md#{self.step.replace('.', '-')}"

    def as_dict(self) -> dict[str, Any]:
        """JSON form; `from_dict` reads it back equal."""
        return {**asdict(self), "verdict": str(self.verdict)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> StepRecord:
        """Read what `as_dict` wrote. Raises `ValueError` for something else."""
        return matched(cls, data)


@dataclass(frozen=True)
class Run:
    """One run: `suites` are those of its steps, `header` says where it ran and on what.

    `missing` are the steps that were left out of the suites that were asked for: the run is then of a part only.
    `parts` are the suites of which not every step ran, also where nobody asked for all of them.
    """

    pipeline: str
    environment: str
    suites: tuple[str, ...]
    started_at: float
    duration_seconds: float
    header: tuple[str, ...]
    steps: tuple[StepRecord, ...]
    missing: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    replay: str = ""
    """Of a run that judged a recorded one again: which one that was. Empty of a run that looked."""

    @property
    def is_right(self) -> bool:
        """Every check that ran was looked at and is right; a run without checks is not right."""
        return bool(self.steps) and all(step.verdict.is_green for step in self.steps)

    @property
    def is_green(self) -> bool:
        """Every check of the suites that were asked for ran, and is right."""
        return self.is_right and not self.missing

    @property
    def word(self) -> str:
        """``GREEN``, ``PARTIAL`` (right as far as it went) or ``NOT GREEN``."""
        return "GREEN" if self.is_green else "PARTIAL" if self.is_right else "NOT GREEN"

    def counts(self) -> dict[Verdict, int]:
        """Number of steps per verdict, in the order of `Verdict`, zeros left out."""
        return {v: n for v in Verdict if (n := sum(step.verdict is v for step in self.steps))}

    def as_dict(self) -> dict[str, Any]:
        """JSON form; `from_dict` reads it back equal."""
        return {**asdict(self), "steps": [step.as_dict() for step in self.steps]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Run:
        """Read what `as_dict` wrote. Raises `ValueError` for something else."""
        return matched(cls, data)


def table(rows: Iterable[Mapping[str, object]]) -> str:
    """Rows as aligned text for evidence: the first row's keys are the columns, None is shown as ``-``."""
    rows = list(rows)
    if not rows:
        return ""
    columns = list(rows[0])
    cells = [columns, *[["-" if row.get(c) is None else harmless(str(row.get(c))) for c in columns] for row in rows]]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )
