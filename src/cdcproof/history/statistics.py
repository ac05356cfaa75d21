"""What the runs of a pipeline say of each check, and of each number that was measured. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, median

from cdcproof.findings import Verdict
from cdcproof.history.entries import Entry, Look
from cdcproof.reporting.formats.chart import Chart

_LATELY = 20
_FLAKY_SWITCHES = 4
"""Twice red and green again within the last 20 looks."""


@dataclass(frozen=True)
class CheckHistory:
    """A check over its looks, the oldest first: the times of its runs, and what was seen. A blocked check did not look."""

    step: str
    looks: tuple[tuple[float, Look], ...]

    @property
    def first_seen(self) -> float:
        """When it ran first, in Unix time."""
        return self.looks[0][0]

    @property
    def now(self) -> Verdict:
        """Its newest verdict."""
        return self.looks[-1][1].verdict

    @property
    def since(self) -> float:
        """Since when it is green, or is not, without an interruption that was seen."""
        at = self.looks[-1][0]
        for time, look in reversed(self.looks):
            if look.verdict.is_green is not self.now.is_green:
                break
            at = time
        return at

    @property
    def times_red(self) -> int:
        """How often it ceased to be green, or was not from its first look on."""
        return sum(
            not look.verdict.is_green and (not n or self._is_green(n - 1)) for n, (_, look) in enumerate(self.looks)
        )

    @property
    def switches_lately(self) -> int:
        """How often it became green or red within its last looks."""
        start = max(1, len(self.looks) - _LATELY + 1)
        return sum(self._is_green(n) is not self._is_green(n - 1) for n in range(start, len(self.looks)))

    @property
    def is_flaky(self) -> bool:
        """Whether it went back and forth lately."""
        return self.switches_lately >= _FLAKY_SWITCHES

    @property
    def detected_within_seconds(self) -> float | None:
        """The mean time from the last green look to the one that found it failed: what broke was detected within it. None where none did."""
        return _mean(
            at - self.looks[n - 1][0]
            for n, (at, look) in enumerate(self.looks)
            if n and look.verdict is Verdict.FAILED and self._is_green(n - 1)
        )

    @property
    def red_seconds(self) -> float | None:
        """The mean time from the look that was not green to the next one that was. None where none was."""
        spans: list[float] = []
        began: float | None = None
        for at, look in self.looks:
            if not look.verdict.is_green:
                began = at if began is None else began
            elif began is not None:
                spans.append(at - began)
                began = None
        return _mean(spans)

    @property
    def median_seconds(self) -> float:
        """How long it usually takes."""
        return median(look.duration_seconds for _, look in self.looks)

    def _is_green(self, number: int) -> bool:
        return self.looks[number][1].verdict.is_green


def checks(entries: Iterable[Entry]) -> list[CheckHistory]:
    """The history of each check, by its name."""
    looks: dict[str, list[tuple[float, Look]]] = {}
    for entry in entries:
        for look in entry.looks:
            if look.verdict is not Verdict.BLOCKED:
                looks.setdefault(look.step, []).append((entry.started_at, look))
    return [CheckHistory(step, tuple(seen)) for step, seen in sorted(looks.items())]


def trends(entries: Sequence[Entry]) -> list[Chart]:
    """Each number that was measured, over time; of runs themselves how long they took."""
    values: dict[tuple[str, str], list[float]] = {}
    for entry in entries:
        for one in entry.measures:
            values.setdefault((one.name, one.subject), []).append(one.value)
        if entry.looks:
            values.setdefault(("duration_seconds", entry.what), []).append(entry.duration_seconds)
    return [Chart(name, subject, tuple(seen)) for (name, subject), seen in sorted(values.items())]


def _mean(seconds: Iterable[float]) -> float | None:
    found = list(seconds)
    return mean(found) if found else None
