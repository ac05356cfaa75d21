"""Average lag of the last 7 days, beside the week before. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from cdcproof.findings import Observation
from cdcproof.observations.weeks.two_weeks import Samples, gaps_in, is_whole, weeks

_WORTH_A_WARNING = 0.1
"""Of the limit: below, twice as much as before is still nothing."""
_MUCH_MORE = 2.0


@dataclass(frozen=True)
class Measure:
    """A connector's lag in one unit, two weeks of samples; `bounded` where its count stopped at a bound: it is at least that."""

    connector: str
    unit: str
    samples: Samples
    limit: float
    bounded: bool = False

    @property
    def name(self) -> str:
        """As reports have it."""
        return f"{self.connector}, {self.unit}"


@dataclass(frozen=True)
class WeeklyLag:
    """Every measure of every connector; of those that cannot be counted in records, the one in seconds is enough."""

    measures: tuple[Measure, ...]
    now: float
    gap_minutes: float

    def observation(self) -> Observation:
        """Each average that is known is within its limit, one of each connector is, and none is much above the week before."""
        return Observation(
            self.found(),
            self.expected(),
            self.details(),
            concerns=self.much_more_than_before(),
            no_concern="about the same as the week before",
            unknown=self.unknown(),
        )

    def expected(self) -> dict[str, str]:
        """What holds for each measure of this week."""
        return {m.name: _limit(m) for m in self._averages}

    def found(self) -> dict[str, str]:
        """That, or how high the average was."""
        return {m.name: _word(m, average) for m, average in self._averages.items()}

    @property
    def _averages(self) -> dict[Measure, float]:
        this, _ = weeks(self.now)
        return {m: average for m in self.measures if (average := this.average(m.samples)) is not None}

    def details(self) -> dict[str, str]:
        """The average of the week before."""
        return {str(row["lag"]): f"the week before: {row['the week before']}" for row in self.rows()}

    def unknown(self) -> dict[str, str]:
        """Why of a connector none of its measures is whole, and exact."""
        this, _ = weeks(self.now)
        if not self.measures:
            return {"The pipeline has no connector whose lag could be looked at.": ""}
        whole = [m for m in self.measures if is_whole(m.samples, this, self.gap_minutes)]
        known = {m.connector for m in whole if not m.bounded}
        too_high = sorted({m.connector for m in whole if m.bounded} - known)
        if too_high:
            sentence = (
                f"The lag of {', '.join(too_high)} was too high to be counted whole, so its average is not known."
            )
            return {
                sentence: "Its freshness and its lag in seconds are in the dashboards and at the connector exporter."
            }
        lacking = [m for m in self.measures if m.connector not in known]
        measured = {m.connector for m in lacking if this.of(m.samples)}
        shown = {m.name: m.samples for m in lacking if this.of(m.samples) or m.connector not in measured}
        return gaps_in(shown, this, self.gap_minutes, "Prometheus")

    def much_more_than_before(self) -> dict[str, str]:
        """What is twice as high as in the week before, where that is known, and a tenth of the limit or more."""
        found = {}
        for measure in self.measures:
            this, last = (week.average(measure.samples) for week in weeks(self.now))
            known = is_whole(measure.samples, weeks(self.now)[1], self.gap_minutes)
            if this is None or last is None or not known or this < _WORTH_A_WARNING * measure.limit:
                continue
            if this > _MUCH_MORE * last:
                found[measure.name] = f"{this:,.1f} on average, the week before {last:,.1f}"
        return found

    def rows(self) -> list[dict[str, object]]:
        """One row per measure, for the report."""
        this, last = weeks(self.now)
        return [
            {
                "lag": m.name,
                "last 7 days": _average(this.average(m.samples), bounded=m.bounded),
                "the week before": _average(last.average(m.samples), bounded=m.bounded)
                if is_whole(m.samples, last, self.gap_minutes)
                else "not known",
                "minutes without a sample": f"{sum(gap.minutes for gap in this.gaps(m.samples)):,.0f}",
            }
            for m in self.measures
        ]


def _limit(measure: Measure) -> str:
    return f"at most {measure.limit:,g} {measure.unit} on average"


def _word(measure: Measure, average: float) -> str:
    if average <= measure.limit:
        return _limit(measure)
    return f"{_average(average, bounded=measure.bounded)} {measure.unit} on average"


def _average(value: float | None, *, bounded: bool) -> str:
    return "none" if value is None else f"{'at least ' if bounded else ''}{value:,.1f}"
