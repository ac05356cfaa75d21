"""How fast databases and topics grow, and when disks are full, from the sizes that the weekly runs kept. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdcproof.environments.base import FileSystem
from cdcproof.findings import Observation, at_least
from cdcproof.observations.disks import size

_DAY_SECONDS = 86_400.0
_LEAST_DAYS = 6.0
"""A growth is measured over so long at least: a run on Monday at 7 and one on the Monday before at 8 will do."""
_WORTH_BYTES = 256 << 20
"""What grows by less within 7 days is no matter, whatever the percentage."""
FIT_SAMPLES, FIT_DAYS, FIT_LONGEST_DAYS = 3, 13.0, 90.0

Series = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Growth:
    """Of each subject the sizes, the oldest first and the last one measured now."""

    sizes: Mapping[str, Series]
    limit_percent: float
    """By so much a subject may grow within 7 days."""

    def observation(self) -> Observation:
        """Nothing grew by more than it may, and a size of a week ago is known of everything."""
        return Observation(self.found(), self.expected(), self.details(), unknown=self.unknown())

    def expected(self) -> dict[str, str]:
        """What holds for every subject of which an earlier size is known."""
        return {name: self._right for name in self.sizes if self._bytes(name) is not None}

    def found(self) -> dict[str, str]:
        """That, or how much it grew."""
        return {name: self._word(name) for name in self.expected()}

    def details(self) -> dict[str, str]:
        """From how much to how much."""
        return {
            str(row["of"]): f"{row['before']} {row['days ago']} days ago, {row['now']} now"
            for row in self.rows()
            if row["of"] in self.expected()
        }

    def unknown(self) -> dict[str, str]:
        """The subjects of which no size is known that is a week old."""
        unknown = [name for name in self.sizes if self._bytes(name) is None]
        if self.sizes and not unknown:
            return {}
        names = f"{', '.join(unknown[:5]) or 'anything'}{f' and {len(unknown) - 5} more' if len(unknown) > 5 else ''}"
        sentence = f"Too short a history: no size of a week ago is known of {names}."
        return {sentence: "Each weekly run keeps the sizes; run it again in a week."}

    def rows(self) -> list[dict[str, object]]:
        """One row per subject, for the report."""
        rows: list[dict[str, object]] = []
        for name, series in self.sizes.items():
            before = self._before(name)
            grown = self._bytes(name)
            rows.append(
                {
                    "of": name,
                    "before": "not known" if before is None else size(before[1]),
                    "days ago": None if before is None else f"{(series[-1][0] - before[0]) / _DAY_SECONDS:.1f}",
                    "now": size(series[-1][1]),
                    "in 7 days": None if grown is None else f"{'-' if grown < 0 else '+'}{size(abs(grown))}",
                }
            )
        return rows

    @property
    def _right(self) -> str:
        return f"grew by at most {self.limit_percent:g}% in 7 days"

    def _word(self, name: str) -> str:
        grown, before = self._bytes(name), self._before(name)
        if grown is None or before is None or grown <= _WORTH_BYTES:
            return self._right
        if not before[1]:
            return f"grew from nothing in 7 days, {size(grown)}"
        percent = 100 * grown / before[1]
        return self._right if percent <= self.limit_percent else f"grew by {percent:,.0f}% in 7 days, {size(grown)}"

    def _before(self, name: str) -> tuple[float, float] | None:
        """The newest size that is a week old."""
        now = self.sizes[name][-1][0]
        return next((one for one in reversed(self.sizes[name]) if now - one[0] >= _LEAST_DAYS * _DAY_SECONDS), None)

    def _bytes(self, name: str) -> float | None:
        """How much it grew within 7 days, by the time since then."""
        before = self._before(name)
        if before is None:
            return None
        at, now = self.sizes[name][-1]
        return (now - before[1]) / (at - before[0]) * 7 * _DAY_SECONDS


@dataclass(frozen=True)
class DaysUntilFull:
    """Of each file system its use, the oldest first and the last one measured now.

    The days are what is free by the slope of a straight line through the bytes used, fitted by least squares over the last 90 days.
    """

    file_systems: tuple[FileSystem, ...]
    used: Mapping[str, Series]
    limit_days: float

    def observation(self) -> Observation:
        """Every file system lasts long enough."""
        lasts = at_least(self.limit_days, "days until full")
        return Observation(self.days(), lasts, self.details(), unknown=self.unknown())

    def days(self) -> dict[str, float]:
        """Path to days; without end for one that does not fill."""
        return {f.path: days for f in self.file_systems if (days := self._days(f)) is not None}

    def details(self) -> dict[str, str]:
        """Path to how fast it fills."""
        return {
            str(row["path"]): f"fills by {row['a day']} a day, {row['free']} are free"
            for row in self.rows()
            if row.get("a day")
        }

    def unknown(self) -> dict[str, str]:
        """The file systems of which too little is known."""
        unknown = [f.path for f in self.file_systems if self._days(f) is None]
        if self.file_systems and not unknown:
            return {}
        needed = f"{FIT_SAMPLES} measurements over two weeks are needed"
        sentence = f"Too short a history of {', '.join(unknown) or 'any file system'}: {needed}."
        volumes = "" if self.file_systems else "; name what holds data in paths.volumes"
        return {sentence: f"Each weekly run keeps one{volumes}."}

    def rows(self) -> list[dict[str, object]]:
        """One row per file system, for the report."""
        rows: list[dict[str, object]] = []
        for f in self.file_systems:
            slope, days = _slope(self.used.get(f.path, ())), self._days(f)
            rows.append(
                {
                    "path": f.path,
                    "used": f"{f.used_percent:.0f}%",
                    "free": size(f.free_bytes),
                    "a day": None if slope is None else f"{'-' if slope < 0 else '+'}{size(abs(slope))}",
                    "full in days": None if days is None else "does not fill" if math.isinf(days) else f"{days:,.0f}",
                    "measurements": len(self.used.get(f.path, ())),
                }
            )
        return rows or [{"path": "none"}]

    def _days(self, file_system: FileSystem) -> float | None:
        slope = _slope(self.used.get(file_system.path, ()))
        if slope is None:
            return None
        return file_system.free_bytes / slope if slope > 0 else math.inf


def _slope(series: Series) -> float | None:
    """Bytes a day; None for fewer than three measurements, or less than two weeks of them."""
    if not series:
        return None
    last = series[-1][0]
    points = [
        ((at - last) / _DAY_SECONDS, value) for at, value in series if last - at <= FIT_LONGEST_DAYS * _DAY_SECONDS
    ]
    if len(points) < FIT_SAMPLES or points[-1][0] - points[0][0] < FIT_DAYS:
        return None
    mean_day = sum(day for day, _ in points) / len(points)
    mean_value = sum(value for _, value in points) / len(points)
    spread = sum((day - mean_day) ** 2 for day, _ in points)
    return sum((day - mean_day) * (value - mean_value) for day, value in points) / spread
