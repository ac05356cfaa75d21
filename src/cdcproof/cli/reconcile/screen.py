"""Progress of a reconciliation: on a terminal a line for each table at work, renewed in place; nothing in a pipe or in cron."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import dataclass
from typing import TextIO

_INTERVAL_SECONDS = 0.1
_BAR = 20


@dataclass(frozen=True)
class _Doing:
    what: str
    rows: int
    of: int
    since: float
    """When this began, by the monotonic clock."""


class Screen:
    """Draws the progress that several threads report. Use as a context manager, so that nothing half-drawn stays."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._lock = threading.Lock()
        self._tables: dict[str, _Doing] = {}
        self._drawn = 0
        self._last = 0.0

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *exc: object) -> None:
        self.clear()
        self._terminal = False  # what threads that are being stopped still report is not drawn

    def doing(self, table: str, what: str, rows: int = 0, of: int = 0) -> None:
        """What is done with a table, and how many rows of about how many are through (0: not known)."""
        with self._lock:
            before = self._tables.get(table)
            since = before.since if before and before.what == what else time.monotonic()
            self._tables[table] = _Doing(what, rows, of, since)
            if self._terminal and time.monotonic() - self._last >= _INTERVAL_SECONDS:
                self._erase()
                self._draw()

    def finished(self, table: str) -> None:
        """Nothing more is done with it."""
        with self._lock:
            self._tables.pop(table, None)

    def clear(self) -> None:
        """Take the lines off, before something else is printed."""
        with self._lock:
            self._erase()

    def _erase(self) -> None:
        if self._drawn:
            self._stream.write(f"\x1b[{self._drawn}A\x1b[J")
            self._stream.flush()
            self._drawn = 0

    def _draw(self) -> None:
        now = time.monotonic()
        width = shutil.get_terminal_size().columns - 1
        for table, doing in self._tables.items():
            self._stream.write(
                f"  {table:<16} {progress_text(doing.what, doing.rows, doing.of, now - doing.since)}"[:width] + "\n"
            )
        self._stream.flush()
        self._drawn = len(self._tables)
        self._last = now


def progress_text(what: str, rows: int, of: int, seconds: float) -> str:
    """``[#####     ] 1,000 of 4,000 rows, 500/s, 6 s left``, as far as that is known."""
    if not rows:
        return what
    speed = rows / seconds if seconds > 0 else 0.0
    at_speed = f", {speed:,.0f}/s" if speed else ""
    if rows > of:  # the catalogue's statistics were too low, or there are none
        return f"{what} {rows:,} rows{at_speed}"
    left = f", {(of - rows) / speed:,.0f} s left" if speed else ""
    return f"[{'#' * (_BAR * rows // of):<{_BAR}}] {rows:,} of {of:,} rows{at_speed}{left}"
