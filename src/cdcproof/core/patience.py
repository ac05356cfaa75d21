"""How long to wait on this machine now: a limit that is right on a quiet machine is too short on one that is busy."""

from __future__ import annotations

import os

_MOST = 8.0


def stretched(seconds: float) -> float:
    """The limit times the number of programs that want a core, for each core there is; at most eight times the limit."""
    return seconds * min(_MOST, max(1.0, _load() / (os.cpu_count() or 1)))


def busy() -> str:
    """What to say beside a limit that was stretched, empty where it was not: `` on a machine with a load of 21 on 2 cores``."""
    cores = os.cpu_count() or 1
    return f" on a machine with a load of {_load():.0f} on {cores} cores" if _load() > cores else ""


def _load() -> float:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # not every system knows its load
        return 0.0
