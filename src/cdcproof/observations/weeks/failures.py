"""Failed reconciliations and mismatches of the last 7 days, beside the week before. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from cdcproof.findings import Observation, at_most
from cdcproof.observations.weeks.two_weeks import Increase, Samples, gaps_in, is_whole, weeks


@dataclass(frozen=True)
class WeeklyFailures:
    """Counters by what they count, two weeks of samples each; one that Prometheus does not have is empty."""

    series: Mapping[str, Samples]
    now: float
    limit: float
    """So many failures of a kind may be in a week."""
    gap_minutes: float

    @cached_property
    def _of_both_weeks(self) -> dict[str, tuple[Increase, Increase | None]]:
        """What is known of this week, and of the week before where its samples are whole."""
        this, last = weeks(self.now)
        return {
            name: (
                this.increase(samples),
                last.increase(samples) if is_whole(samples, last, self.gap_minutes) else None,
            )
            for name, samples in self.series.items()
        }

    def observation(self) -> Observation:
        """Nothing failed more often than it may, which is known for sure, nor more often than in the week before."""
        return Observation(
            self.counts(),
            at_most(self.limit, "in 7 days"),
            self.details(),
            concerns=self.more_than_before(),
            no_concern="no more than the week before",
            unknown=self.unknown(),
        )

    def counts(self) -> dict[str, float]:
        """What surely failed in the last 7 days."""
        return {name: this.surely for name, (this, _) in self._of_both_weeks.items()}

    def details(self) -> dict[str, str]:
        """The week before, and resets of the counter."""
        return {
            name: f"the week before: {'not known' if last is None else last}; this week: {this}"
            for name, (this, last) in self._of_both_weeks.items()
        }

    def unknown(self) -> dict[str, str]:
        """Why there may have been more failures than are known: gaps, or a counter that was reset."""
        if gaps := gaps_in(self.series, weeks(self.now)[0], self.gap_minutes, "Prometheus"):
            return gaps
        unsure = {
            name: this for name, (this, _) in self._of_both_weeks.items() if this.surely <= self.limit < this.at_most
        }
        counts = "; ".join(f"{name}: {this}" for name, this in unsure.items())
        remedy = "The exporter lost its state (--state), and counted reports anew. The reports themselves say which runs failed."
        return {f"It is not known how often it failed: {counts}.": remedy} if unsure else {}

    def more_than_before(self) -> dict[str, str]:
        """What failed more often than in the week before, as far as both are known."""
        return {
            name: f"{this.surely:g}, the week before {last.surely:g}"
            for name, (this, last) in self._of_both_weeks.items()
            if last is not None and this.surely > last.at_most
        }

    def rows(self) -> list[dict[str, object]]:
        """One row per counter, for the report."""
        this_week, _ = weeks(self.now)
        return [
            {
                "counter": name,
                "last 7 days": str(this),
                "the week before": "not known" if last is None else str(last),
                "minutes without a sample": f"{sum(gap.minutes for gap in this_week.gaps(self.series[name])):,.0f}",
            }
            for name, (this, last) in self._of_both_weeks.items()
        ]
