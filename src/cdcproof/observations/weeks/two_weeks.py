"""Numbers of the last 7 days beside those of the week before, from samples at a fixed step. What was not scraped is a gap, never a zero. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

DAY_SECONDS = 86_400
WEEK_SECONDS = 7 * DAY_SECONDS
STEP_SECONDS = 300
"""Prometheus finds a sample that is up to 5 minutes old: a step without one lies in a gap."""

Samples = Sequence[tuple[float, float]]
"""Unix time, a multiple of the step, and value; in the order of time."""


@dataclass(frozen=True)
class Gap:
    """A time without a sample, in Unix seconds."""

    start: float
    end: float

    @property
    def minutes(self) -> float:
        """How long it is."""
        return (self.end - self.start) / 60

    def __str__(self) -> str:
        return f"{_clock(self.start)} to {_clock(self.end)}"


@dataclass(frozen=True)
class Stretch:
    """A time in which samples were to be taken at every step: after `start`, up to `end`, both multiples of the step."""

    start: float
    end: float

    def of(self, samples: Samples) -> list[tuple[float, float]]:
        """The samples in it that are numbers."""
        return [(at, value) for at, value in samples if self.start < at <= self.end and math.isfinite(value)]

    def gaps(self, samples: Samples) -> tuple[Gap, ...]:
        """Where there is none, the longest first."""
        times = [self.start, *(at for at, _ in self.of(samples)), self.end + STEP_SECONDS]
        pairs = itertools.pairwise(times)
        found = [Gap(one, other - STEP_SECONDS) for one, other in pairs if other - one > STEP_SECONDS]
        return tuple(sorted(found, key=lambda gap: gap.start - gap.end))

    def average(self, samples: Samples) -> float | None:
        """Of the samples in it; None without any."""
        values = [value for _, value in self.of(samples)]
        return sum(values) / len(values) if values else None

    def increase(self, samples: Samples) -> Increase:
        """How far a counter rose, from its last sample before on."""
        before = [(at, value) for at, value in samples if at <= self.start and math.isfinite(value)][-1:]
        taken = [*before, *self.of(samples)]
        pairs = list(itertools.pairwise(taken))
        resets = {at: value for (_, earlier), (at, value) in pairs if value < earlier}
        return Increase(sum(max(0.0, later - earlier) for (_, earlier), (_, later) in pairs), resets)


@dataclass(frozen=True)
class Increase:
    """How far a counter rose for sure: a lower bound where there are gaps.

    `resets` is when it fell, and to what. It begins again at 0, or at what its exporter counts anew of older files: what it then
    has is not known to be new.
    """

    surely: float
    resets: Mapping[float, float]

    @property
    def at_most(self) -> float:
        """The same if all that it had after each reset was new."""
        return self.surely + sum(self.resets.values())

    def __str__(self) -> str:
        resets = "".join(f"; reset to {value:g} at {_clock(at)}" for at, value in self.resets.items())
        return f"{self.surely:g}{resets}"


def weeks(now: float) -> tuple[Stretch, Stretch]:
    """The last 7 days, and the 7 days before."""
    end = now // STEP_SECONDS * STEP_SECONDS
    return Stretch(end - WEEK_SECONDS, end), Stretch(end - 2 * WEEK_SECONDS, end - WEEK_SECONDS)


def gaps_in(series: Mapping[str, Samples], week: Stretch, gap_minutes: float, source: str) -> dict[str, str]:
    """A sentence that names each series with more than so many minutes without a sample, to what helps; nothing where all are whole."""
    wrong = {}
    for name, samples in series.items():
        gaps = week.gaps(samples)
        if not week.of(samples):
            wrong[name] = "no samples at all"
        elif sum(gap.minutes for gap in gaps) > gap_minutes:
            wrong[name] = f"no samples for {sum(gap.minutes for gap in gaps) / 60:.1f} h, the longest from {gaps[0]}"
    reasons = "; ".join(f"{name}: {why}" for name, why in list(wrong.items())[:3])
    more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    remedy = "See in Prometheus' targets whether the exporter is scraped (up), and since when; Prometheus' retention must be 14 days or more."
    return {f"{source} has gaps in the last 7 days: {reasons}{more}.": remedy} if wrong else {}


def is_whole(samples: Samples, week: Stretch, gap_minutes: float) -> bool:
    """Whether no more than so many minutes are without a sample."""
    return bool(week.of(samples)) and sum(gap.minutes for gap in week.gaps(samples)) <= gap_minutes


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
