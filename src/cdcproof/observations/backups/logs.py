"""The logs of backup runs: ``backup_YYYYMMDD_HHMMSS.log``, whose lines begin with ✓ or ✗ for what went well and what did not. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

NAME = re.compile(r"backup_(\d{8}_\d{6})\.log")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}|(?<!\d)\d{8}(?=_\d{6})")
_RUNBOOK_LINES = 20
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


def last_run(text: str) -> BackupLog:
    """The last run of a log to which every run is added: the lines with a mark that have the date of the last one.

    Lines without a date: the last 20, as the runbook looks at them.
    """
    marked = [line.strip() for line in text.splitlines() if "✓" in line or "✗" in line]
    if not marked:
        return BackupLog("", (), ())
    date = _DATE.search(marked[-1])
    lines = [line for line in marked if date[0] in line] if date else marked[-_RUNBOOK_LINES:]
    return read("", "\n".join(lines))


def stamp_of(name: str) -> str:
    """The time in the name of a backup or of its log; empty where there is none."""
    found = _STAMP.search(name)
    return found[1] if found else ""
