"""How long something took, or how old it is, in words."""

from __future__ import annotations

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def exact(seconds: float) -> str:
    """``3 min 20 s``, ``26 h 5 min``: to the second."""
    whole = round(seconds)
    hours, minutes, rest = whole // _HOUR, whole % _HOUR // _MINUTE, whole % _MINUTE
    parts = [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes) + [f"{rest} s"] * bool(rest or not whole)
    return " ".join(parts)


def rough(seconds: float) -> str:
    """``4 min``, ``3 h``, ``2 days``."""
    if seconds < 1.5 * _HOUR:
        return f"{max(0, seconds) / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.0f} h" if seconds < 2 * _DAY else f"{seconds / _DAY:.0f} days"


def in_hours(seconds: float) -> str:
    """``1,234.5 h``: to be compared with a limit in hours."""
    return f"{seconds / _HOUR:,.1f} h"


def clock(seconds: float) -> str:
    """``3 d 04:05`` or ``00:05:17``: for columns."""
    days, rest = divmod(int(seconds), _DAY)
    hours, minutes, rest = rest // _HOUR, rest % _HOUR // _MINUTE, rest % _MINUTE
    return f"{days} d {hours:02}:{minutes:02}" if days else f"{hours:02}:{minutes:02}:{rest:02}"
