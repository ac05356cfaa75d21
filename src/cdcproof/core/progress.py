"""Progress of long work: one line that renews itself on a terminal, plain lines in a pipe or in cron."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

_PLAIN_INTERVAL_SECONDS = 5.0


class Progress:
    """Say what is being waited for. Use as a context manager, so that the last line is ended."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._started = time.monotonic()
        self._last_plain = -_PLAIN_INTERVAL_SECONDS
        self._transient = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        self.clear()

    def waiting(self, text: str) -> None:
        """A state that will pass: renewed in place on a terminal, a line every few seconds elsewhere."""
        now = time.monotonic()
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write("\r\x1b[K" + f"  {now - self._started:4.0f} s  {text}"[:width])
            self._stream.flush()
            self._transient = True
        elif now - self._last_plain >= _PLAIN_INTERVAL_SECONDS:
            self._last_plain = now
            self.done(text)

    def count(self, what: str, done: int, total: int, unit: str) -> None:
        """A bar: `done` of `total` units of `what`."""
        share = min(1.0, done / total) if total else 1.0
        bar = f"[{'#' * int(20 * share):<20}] " if self._terminal else ""
        self.waiting(f"{what}  {bar}{done:,} of {total:,} {unit} ({share:.0%})")

    def done(self, text: str) -> None:
        """Something that is finished; stays on the screen."""
        self.clear()
        self._stream.write(f"  {time.monotonic() - self._started:4.0f} s  {text}\n")
        self._stream.flush()

    def clear(self) -> None:
        """Take the renewed line off the terminal, before something else is printed."""
        if self._transient:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._transient = False
