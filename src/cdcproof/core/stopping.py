"""Being stopped by SIGTERM (`kill`, `timeout`, systemd, a cancelled job) or SIGHUP (a lost terminal) cleans up as Ctrl-C does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


def install() -> Callable[[], None]:
    """Let these signals raise `KeyboardInterrupt` in the main thread; returns what takes that back.

    The first one counts: another, while things are cleaned up, is ignored. What is ignored already (`nohup`) stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    ours = [number for number, handler in before.items() if handler is not signal.SIG_IGN]

    def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  a handler is given both
        for each in ours:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    def take_back() -> None:
        for each in ours:
            signal.signal(each, before[each])

    for number in ours:
        signal.signal(number, interrupt)
    return take_back


@contextmanager
def like_interrupt() -> Iterator[None]:
    """Within it the signals interrupt."""
    take_back = install()
    try:
        yield
    finally:
        take_back()
