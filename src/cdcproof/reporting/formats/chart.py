"""A small line of earlier values, as it is drawn in pages and typed in texts."""

from __future__ import annotations

from dataclasses import dataclass

MOST_POINTS = 60
_WIDTH, _HEIGHT, _EDGE = 160, 28, 2
_BLOCKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Chart:
    """What was measured, of what, and its values, the oldest first: at least one. Only the newest ones are drawn."""

    name: str
    subject: str
    values: tuple[float, ...]

    @property
    def words(self) -> str:
        """What the line shows, in a sentence: for those who do not see it."""
        low, high = min(self.values), max(self.values)
        return (
            f"{self.name} of {self.subject}: {number(self.values[-1])} now, "
            f"{number(low)} to {number(high)} in {len(self.values)} runs"
        )

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return _WIDTH, _HEIGHT

    @property
    def points(self) -> str:
        """The line, as SVG's polyline has it."""
        heights = self._heights()
        step = (_WIDTH - 2 * _EDGE) / max(1, len(heights) - 1)
        room = _HEIGHT - 2 * _EDGE
        return " ".join(
            f"{_EDGE + place * step:.1f},{_HEIGHT - _EDGE - height * room:.1f}" for place, height in enumerate(heights)
        )

    def blocks(self, most: int = 20) -> str:
        """The newest values as characters of eight heights."""
        return "".join(_BLOCKS[round(height * (len(_BLOCKS) - 1))] for height in self._heights()[-most:])

    def _heights(self) -> list[float]:
        """Each drawn value between 0 and 1; the line of what never changes lies at the bottom."""
        drawn = self.values[-MOST_POINTS:]
        low, high = min(drawn), max(drawn)
        return [(value - low) / (high - low) if high > low else 0.0 for value in drawn]


@dataclass(frozen=True)
class Recalled:
    """What the history says beside a run: charts, sentences, and why it says nothing, empty where it does."""

    charts: tuple[Chart, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str = ""


NOTHING = Recalled()


def number(value: float) -> str:
    """A value as a person reads it: three digits that matter, thousands set apart."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"
