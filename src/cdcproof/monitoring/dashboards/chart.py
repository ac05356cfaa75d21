"""Where the lines of a chart are: geometry alone, which the page's template draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from cdcproof.monitoring.dashboards.answers import Points, Series
from cdcproof.monitoring.dashboards.model import Appearance, Colour
from cdcproof.monitoring.dashboards.written import written

HEIGHT = 170.0
RIGHT, TOP, BOTTOM = 14.0, 8.0, 22.0
_LETTER, _LETTER_OF_BROAD = 5.8, 9.5
"""The width of a letter on an axis; that of a broad chart is larger, since a narrow screen makes it smaller."""
MOST_LINES = 10
"""More cannot be distinguished; the page says how many are left out."""
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_OF_TIME = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)


@dataclass(frozen=True)
class Mark:
    """A place on an axis and what is written there."""

    at: float
    text: str


@dataclass(frozen=True)
class Limit:
    """A level of the panel within the chart."""

    at: float
    colour: Colour


@dataclass(frozen=True)
class Line:
    """One series: pieces of a line between gaps, and single points that stand alone."""

    name: str
    last: str
    pieces: tuple[str, ...]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Chart:
    """All that is drawn."""

    lines: tuple[Line, ...]
    width: float
    left: float
    """Where the axis of values is; what is written there ends before it."""
    left_out: int
    values: tuple[Mark, ...]
    times: tuple[Mark, ...]
    limits: tuple[Limit, ...]


def chart(
    series: Sequence[Series],
    appearance: Appearance,
    *,
    start: float,
    end: float,
    step_seconds: float,
    width: float = 420.0,
) -> Chart:
    """Place the series, those with the largest newest values first where there are too many."""
    drawn = series
    if len(series) > MOST_LINES:
        kept = sorted(series, key=lambda one: -one.last)[:MOST_LINES]
        drawn = [one for one in series if one in kept]
    low, high, ticks = _scale([value for one in drawn for _, value in one.points], appearance)

    left = round(
        12 + (_LETTER if width < 600 else _LETTER_OF_BROAD) * max(len(written(tick, appearance)) for tick in ticks)
    )

    def across(at: float) -> float:
        return round(left + (at - start) / (end - start) * (width - left - RIGHT), 1)

    def down(value: float) -> float:
        return round(TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    lines = []
    for one in drawn:
        pieces = [[(across(at), down(value)) for at, value in piece] for piece in _pieces(one.points, step_seconds)]
        lines.append(
            Line(
                one.name,
                written(one.last, appearance) if end - one.points[-1][0] <= 1.5 * step_seconds else "no value now",
                tuple(" ".join(f"{x:g},{y:g}" for x, y in piece) for piece in pieces if len(piece) > 1),
                tuple(piece[0] for piece in pieces if len(piece) == 1),
            )
        )
    limits = () if appearance.states else appearance.levels
    return Chart(
        tuple(lines),
        width,
        left,
        len(series) - len(drawn),
        tuple(Mark(down(tick), written(tick, appearance)) for tick in ticks),
        tuple(Mark(across(at), text) for at, text in _times(start, end)),
        tuple(Limit(down(level.value), level.colour) for level in limits if low <= level.value <= high),
    )


def _pieces(points: Points, step_seconds: float) -> list[Points]:
    """A series between its gaps: a step without a value is drawn as a gap."""
    cuts = [
        place
        for place, (before, after) in enumerate(pairwise(points), start=1)
        if after[0] - before[0] > 1.5 * step_seconds
    ]
    return [points[a:b] for a, b in zip([0, *cuts], [*cuts, len(points)], strict=True)]


def _scale(values: Sequence[float], appearance: Appearance) -> tuple[float, float, list[float]]:
    """The least and the greatest value of the axis, and its ticks: zero is in it."""
    if appearance.states:
        states = sorted({state.value for state in appearance.states} | set(values))
        return states[0] - 0.15, states[-1] + 0.15, states
    low, high = min(0.0, *values), max(0.0, *values)
    if low == high:
        high = 1.0
    whole = appearance.decimals == 0
    base = (
        60.0
        if appearance.unit == "s" and high >= 120
        else 1024.0
        if appearance.unit == "bytes" and high >= 1024
        else 10.0
    )
    step = _step((high - low) / 4, base)
    step = max(step, 1.0) if whole else step
    bottom, top = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return bottom, top, [bottom + number * step for number in range(round((top - bottom) / step) + 1)]


def _step(rough: float, base: float) -> float:
    """The next round step above `rough`: of thousands, of 1024 for bytes, of 60 for long times."""
    if base == 60.0:
        return float(next((step for step in _OF_TIME if step >= rough), math.ceil(rough / 604800) * 604800))
    size = 1024.0 ** math.floor(math.log(rough, 1024)) if base == 1024.0 and rough >= 1 else 1.0
    rest = rough / size
    power = 10.0 ** math.floor(math.log10(rest))
    return float(next(step for step in _STEPS if step * power >= rest * 0.999) * power * size)


def _times(start: float, end: float) -> list[tuple[float, str]]:
    """At most six round local times."""
    step = next((step for step in _OF_TIME if step >= (end - start) / 6), 604800)
    offset = datetime.fromtimestamp(end).astimezone().utcoffset()
    shift = offset.total_seconds() if offset else 0.0
    first = math.ceil((start + shift) / step) * step - shift
    style = "%d %b" if step >= 86400 else "%d %b %H:%M" if end - start > 86400 * 1.5 else "%H:%M"
    marks = [first + number * step for number in range(int((end - first) / step) + 1)] if first <= end else []
    return [(at, datetime.fromtimestamp(at).astimezone().strftime(style)) for at in marks]
