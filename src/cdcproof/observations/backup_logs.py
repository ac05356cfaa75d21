"""The logs of backup runs: ``backup_YYYYMMDD_HHMMSS.log``, whose lines begin with ✓ or ✗ for what went well and what did not. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

NAME = re.compile(r"backup_(\d{8}_\d{6})\.log")
_STAMP = re.compile(r"(?<!\d)(\d{8}_\d{6})(?!\d)")


@dataclass(frozen=True)
class BackupLog:
    """One run. `good` and `bad` are its lines with ✓ and with ✗; `stamp` is that of its name."""

    stamp: str
    good: tuple[str, ...]
    bad: tuple[str, ...]


def read(stamp: str, text: str) -> BackupLog:
    """The lines that say how it went. A line with both marks is a bad one."""
    lines = [line.strip() for line in text.splitlines()]
    bad = tuple(line for line in lines if "✗" in line)
    return BackupLog(stamp, tuple(line for line in lines if "✓" in line and line not in bad), bad)


def stamp_of(name: str) -> str:
    """The time in the name of a backup or of its log; empty where there is none."""
    found = _STAMP.search(name)
    return found[1] if found else ""
