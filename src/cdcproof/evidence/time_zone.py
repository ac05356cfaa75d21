"""The time zone of a recording: findings name local times, which must read the same wherever they are judged again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from cdcproof.core import bounded

_VARIABLE = "TZ"
_LOCAL = Path("/etc/localtime")
_NAMED = Path("/usr/share/zoneinfo")


def here() -> str:
    """The rule of this machine's time zone as POSIX writes it, ``CET-1CEST,M3.5.0,M10.5.0/3``: no other machine need know its name."""
    named = os.environ.get(_VARIABLE, "").removeprefix(":")
    for file in [_NAMED / named] if named else [_LOCAL]:
        try:
            rule = bounded.read_bytes(file).rstrip(b"\n").rpartition(b"\n")[2].decode("ascii")
        except (OSError, ValueError):
            continue
        if rule and rule.isprintable():
            return rule
    offset = time.localtime().tm_gmtoff
    sign, minutes = ("-" if offset >= 0 else "+"), abs(offset) // 60
    return f"<{time.strftime('%z')}>{sign}{minutes // 60:02}:{minutes % 60:02}"


def live_in(rule: str) -> Callable[[], None]:
    """Set the time zone of this process by a rule. Returns a function that restores its own."""
    before = os.environ.get(_VARIABLE)
    _set(rule)
    return lambda: _set(before)


def _set(value: str | None) -> None:
    if value is None:
        os.environ.pop(_VARIABLE, None)
    else:
        os.environ[_VARIABLE] = value
    time.tzset()
