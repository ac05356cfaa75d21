"""One limit on the time of all that a program does: whatever no call's own limit ends is ended here, by name."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cdcproof.core.errors import DeadlineError

_AGAIN_SECONDS = 5.0
"""What catches the first error and waits again, for a thread of its own perhaps, is interrupted again."""


class _TimeIsOver(BaseException):
    """Nobody who goes on after a service's error may take this for one."""


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise _TimeIsOver


@contextmanager
def time_limit(seconds: float, message: str, remedy: str = "") -> Iterator[None]:
    """Raise `DeadlineError(message, remedy)` within the block when it takes longer than `seconds`.

    Interrupts what waits in Python or in a system call, in the main thread alone: elsewhere, and on a system without
    SIGALRM, there is no limit. One limit cannot be set within another.
    """
    if seconds <= 0:
        raise DeadlineError(message, remedy)
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    before = signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_SECONDS)
    try:
        yield
    except _TimeIsOver:
        raise DeadlineError(message, remedy) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def time_to_clean_up(seconds: float) -> Iterator[None]:
    """Leave the block so many seconds before a limit that is over, or almost, interrupts it again."""
    is_main = threading.current_thread() is threading.main_thread()
    left, again = signal.getitimer(signal.ITIMER_REAL) if is_main and hasattr(signal, "getitimer") else (0.0, 0.0)
    if left:
        signal.setitimer(signal.ITIMER_REAL, max(left, seconds), again)
    yield


def end_at_once_if_stuck(status: int) -> None:
    """End the program with this status when a thread would keep it from ending: call it last, with all written.

    A thread is stuck in a client that waits for a service without a limit. Python waits for such threads for ever.
    """
    stuck = [t for t in threading.enumerate() if t is not threading.current_thread() and not t.daemon]
    if stuck:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)
