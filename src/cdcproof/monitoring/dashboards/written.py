"""Values as people read them."""

from __future__ import annotations

import math

from cdcproof.monitoring.dashboards.model import Appearance, Unit

_TIMES = ((86400 * 2, 86400, "days"), (3600 * 2, 3600, "h"), (120, 60, "min"), (1, 1, "s"), (0, 0.001, "ms"))
_THOUSANDS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_PER = {Unit.NUMBER: "", Unit.RECORDS_PER_SECOND: " rec/s", Unit.PER_SECOND: " /s"}
_BYTES = ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))


def written(value: float, appearance: Appearance) -> str:
    """A value with its unit, or the word that it stands for: ``2.5 min``, ``1.2 GiB``, ``RUNNING``."""
    word = next((state.text for state in appearance.states if state.value == value), "")
    if word:
        return word
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "∞" if value > 0 else "-∞"
    return f"-{_positive(-value, appearance)}" if value < 0 else _positive(value, appearance)


def _positive(value: float, appearance: Appearance) -> str:
    if appearance.unit is Unit.SECONDS:
        return _seconds(value)
    if appearance.unit is Unit.BYTES:
        size, name = next(((size, name) for size, name in _BYTES if value >= size), _BYTES[-1])
        return f"{_short(value / size)} {name}"
    if appearance.unit is Unit.RATIO:
        return f"{_short(value * 100)} %"
    return f"{_number(value, appearance.decimals)}{_PER[appearance.unit]}"


def _seconds(value: float) -> str:
    if value == 0:
        return "0 s"
    size, name = next((size, name) for least, size, name in _TIMES if value >= least)
    return f"{_short(value / size)} {name}"


def _number(value: float, decimals: int | None) -> str:
    size, name = next(((size, name) for size, name in _THOUSANDS if value >= size), (1.0, ""))
    if name:
        return f"{_short(value / size)} {name}"
    return f"{value:.{decimals}f}" if decimals is not None else _short(value)


def _short(value: float) -> str:
    """Three digits, and no zeros at the end: 0.123, 1.23, 12.3, 123, 1234; what is smaller is not made zero."""
    if 0 < value < 0.001:
        return f"{value:.2g}"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 or value == 0 else 3
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
