"""Averages of the last 15 days beside the 15 days before, and whether the month's data could be exported whole. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cdcproof.findings import Observation
from cdcproof.observations.weeks.two_weeks import DAY_SECONDS, STEP_SECONDS, Samples, Stretch, is_whole

HALF_DAYS = 15
_MUCH = 2.0
_WORTH_A_WARNING = 0.1


@dataclass(frozen=True)
class Average:
    """A number over the month. `limit` is what it may be on average, None where there is none; `less_is_worse` of a rate."""

    name: str
    unit: str
    samples: Samples
    limit: float | None = None
    less_is_worse: bool = False


@dataclass(frozen=True)
class Export:
    """A file that was written, and what is in it."""

    path: str
    holds: str


@dataclass(frozen=True)
class Performance:
    """The month. `unanswered` are panels that Prometheus did not answer, each with why; a gap is counted in minutes of 15 days."""

    averages: Sequence[Average]
    files: tuple[Export, ...]
    unanswered: tuple[str, ...]
    now: float
    gap_minutes: float

    def observation(self) -> Observation:
        """Averages are within their limits, the export is whole, and nothing is much worse than in the 15 days before."""
        return Observation(
            self.found(),
            self.expected(),
            self.details(),
            concerns=self.much_worse(),
            no_concern="about the same as before",
            unknown=self.unknown(),
        )

    def expected(self) -> dict[str, str]:
        """What holds for each average that has a limit."""
        return {one.name: _limit(one) for one in self._measured if one.limit is not None}

    def found(self) -> dict[str, str]:
        """That, or how high it was."""
        return {
            one.name: _limit(one) if average <= one.limit else f"{average:,.1f} {one.unit} on average"
            for one, average in self._measured.items()
            if one.limit is not None
        }

    def details(self) -> dict[str, str]:
        """The 15 days before."""
        return {str(row["of"]): f"the 15 days before: {row['15 days before']}" for row in self.rows()}

    def unknown(self) -> dict[str, str]:
        """Panels that were not answered, or numbers with gaps in the last 15 days, or that there is no lag."""
        if self.unanswered:
            sentence = (
                f"{len(self.unanswered)} panels were not answered, so the export is not whole: {self.unanswered[0]}"
            )
            return {sentence: "Ask for less at a time: cdcproof dashboard --hours 24"}
        this, _ = self._halves
        lacking = [one.name for one in self.averages if not is_whole(one.samples, this, self.gap_minutes)]
        if lacking:
            names = f"{', '.join(lacking[:4])}{' …' if len(lacking) > 4 else ''}"
            remedy = "See in Prometheus' targets whether the exporter is scraped (up), and since when; its retention must be 30 days."
            return {f"Prometheus has gaps in the last 15 days: {names}.": remedy}
        no_lag = {"Prometheus has no lag of the last 15 days.": "Check that the exporter is scraped."}
        return {} if self.expected() else no_lag

    def much_worse(self) -> dict[str, str]:
        """What is more than twice as bad as in the 15 days before, where those are known."""
        found = {}
        for one, average in self._measured.items():
            before = self._before(one)
            if before is None:
                continue
            high, low = (before, average) if one.less_is_worse else (average, before)
            matters = one.limit is None or average >= _WORTH_A_WARNING * one.limit
            if matters and high > _MUCH * low:
                found[one.name] = f"{average:,.1f} {one.unit} on average, before {before:,.1f}"
        return found

    def exports(self) -> list[dict[str, object]]:
        """One row per file, for the report."""
        return [{"file": one.path, "holds": one.holds} for one in self.files]

    def rows(self) -> list[dict[str, object]]:
        """One row per number, for the report."""
        measured = self._measured
        return [
            {
                "of": one.name,
                "last 15 days": f"{measured[one]:,.1f}" if one in measured else "not known",
                "15 days before": "not known" if (before := self._before(one)) is None else f"{before:,.1f}",
                "unit": one.unit,
            }
            for one in self.averages
        ]

    @property
    def _halves(self) -> tuple[Stretch, Stretch]:
        end = self.now // STEP_SECONDS * STEP_SECONDS
        middle = end - HALF_DAYS * DAY_SECONDS
        return Stretch(middle, end), Stretch(middle - HALF_DAYS * DAY_SECONDS, middle)

    @property
    def _measured(self) -> dict[Average, float]:
        this, _ = self._halves
        return {one: found for one in self.averages if (found := this.average(one.samples)) is not None}

    def _before(self, one: Average) -> float | None:
        _, before = self._halves
        return before.average(one.samples) if is_whole(one.samples, before, self.gap_minutes) else None


def _limit(one: Average) -> str:
    return f"at most {one.limit:,g} {one.unit} on average"
