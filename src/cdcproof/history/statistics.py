"""What the runs of a pipeline say of each check, and of each number that was measured. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, median

from cdcproof.findings import Verdict
from cdcproof.history.entries import CheckResult, Entry
from cdcproof.reporting.formats.chart import Chart

_LATELY = 20
_FLAKY_SWITCHES = 4
"""Twice red and green again within the last 20 runs."""


@dataclass(frozen=True)
class CheckHistory:
    """A check over its runs, the oldest first: when it ran, and its result. A run in which it was blocked does not count."""

    step: str
    results: tuple[tuple[float, CheckResult], ...]

    @property
    def first_seen(self) -> float:
        """When it ran first, in Unix time."""
        return self.results[0][0]

    @property
    def now(self) -> Verdict:
        """Its newest verdict."""
        return self.results[-1][1].verdict

    @property
    def since(self) -> float:
        """Since when it is green, or is not, without an interruption that was seen."""
        at = self.results[-1][0]
        for time, result in reversed(self.results):
            if result.verdict.is_green is not self.now.is_green:
                break
            at = time
        return at

    @property
    def times_red(self) -> int:
        """How often it ceased to be green, or was not from its first run on."""
        return sum(
            not result.verdict.is_green and (not n or self._is_green(n - 1))
            for n, (_, result) in enumerate(self.results)
        )

    @property
    def switches_lately(self) -> int:
        """How often it became green or red within its last runs."""
        start = max(1, len(self.results) - _LATELY + 1)
        return sum(self._is_green(n) is not self._is_green(n - 1) for n in range(start, len(self.results)))

    @property
    def is_flaky(self) -> bool:
        """Whether it went back and forth lately."""
        return self.switches_lately >= _FLAKY_SWITCHES

    @property
    def detected_within_seconds(self) -> float | None:
        """The mean time from the last green run to the one that found it failed: what broke was detected within it. None where none did."""
        return _mean(
            at - self.results[n - 1][0]
            for n, (at, result) in enumerate(self.results)
            if n and result.verdict is Verdict.FAILED and self._is_green(n - 1)
        )

    @property
    def red_seconds(self) -> float | None:
        """The mean time from the run that was not green to the next one that was. None where none was."""
        spans: list[float] = []
        began: float | None = None
        for at, result in self.results:
            if not result.verdict.is_green:
                began = at if began is None else began
            elif began is not None:
                spans.append(at - began)
                began = None
        return _mean(spans)

    @property
    def median_seconds(self) -> float:
        """How long it usually takes."""
        return median(result.duration_seconds for _, result in self.results)

    def _is_green(self, number: int) -> bool:
        return self.results[number][1].verdict.is_green


def checks(entries: Iterable[Entry]) -> list[CheckHistory]:
    """The history of each check, by its name."""
    results: dict[str, list[tuple[float, CheckResult]]] = {}
    for entry in entries:
        for result in entry.results:
            if result.verdict is not Verdict.BLOCKED:
                results.setdefault(result.step, []).append((entry.started_at, result))
    return [CheckHistory(step, tuple(seen)) for step, seen in sorted(results.items())]


def trends(entries: Sequence[Entry]) -> list[Chart]:
    """Each number that was measured, over time; of runs themselves how long they took."""
    values: dict[tuple[str, str], list[float]] = {}
    for entry in entries:
        for one in entry.measures:
            values.setdefault((one.name, one.subject), []).append(one.value)
        if entry.results:
            values.setdefault(("duration_seconds", entry.what), []).append(entry.duration_seconds)
    return [Chart(name, subject, tuple(seen)) for (name, subject), seen in sorted(values.items())]


def _mean(seconds: Iterable[float]) -> float | None:
    found = list(seconds)
    return mean(found) if found else None
