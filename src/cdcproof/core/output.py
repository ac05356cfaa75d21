"""The screen must not decide about a report or an act: standard output that breaks is written to no more, and nothing is raised.

`cdcproof … | head -1` breaks it because the reader has enough; a log file on a full disk breaks it because there is no room.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TextIO, cast

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What steers a terminal, or turns the order of a line round; not the line's end and the tab."""


def harmless(text: str) -> str:
    """The text without anything that a terminal obeys, and with its code in place of each such character."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text.replace("\r\n", "\n"))


class Sturdy(io.TextIOBase):
    """A text stream that drops what cannot be written; `problem` is then why. `stream` is None where there is none."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.problem: OSError | None = None

    def write(self, text: str) -> int:
        """Write, or drop."""
        self._attempt(lambda stream: stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush, or drop."""
        self._attempt(lambda stream: stream.flush())

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        """The file descriptor below. Raises `OSError` where there is none."""
        if self._stream is None:
            raise OSError("there is no stream")
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # io has it as an attribute
        """The encoding of what is written."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def let_go(self) -> None:
        """Flush for the last time. What is left of a broken stream goes nowhere: the interpreter flushes it at its end."""
        self.flush()
        if self.problem:
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())

    def _attempt(self, act: Callable[[TextIO], object]) -> None:
        if self._stream is None or self.problem:
            return
        try:
            act(self._stream)
        except OSError as error:
            self.problem = error


@dataclass(frozen=True)
class Screen:
    """Standard output and standard error of a command."""

    out: Sturdy
    err: Sturdy

    @property
    def lost(self) -> str:
        """Why standard output is incomplete; empty when it is whole, or when its reader had enough."""
        problem = self.out.problem
        return "" if problem is None or isinstance(problem, BrokenPipeError) else str(problem.strerror or problem)


@contextmanager
def sturdy() -> Iterator[Screen]:
    """Within it `sys.stdout` and `sys.stderr` never raise."""
    before = sys.stdout, sys.stderr
    screen = Screen(Sturdy(sys.stdout), Sturdy(sys.stderr))
    sys.stdout, sys.stderr = cast("TextIO", screen.out), cast("TextIO", screen.err)
    try:
        yield screen
    finally:
        screen.out.let_go()
        screen.err.let_go()
        sys.stdout, sys.stderr = before
