"""How long to wait on this machine now: a limit that is right on a quiet machine is too short on one that is busy."""

from __future__ import annotations

import os

_MOST = 8.0


def stretched(seconds: float) -> float:
    """The limit times the number of programs that want a core, for each core there is; at most eight times the limit."""
    try:
        wanted = os.getloadavg()[0]
    except (AttributeError, OSError):  # not every system knows its load
        return seconds
    return seconds * min(_MOST, max(1.0, wanted / (os.cpu_count() or 1)))
