"""Working on both sides of a table at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

_PATIENCE_SECONDS = 5
S = TypeVar("S")
T = TypeVar("T")


class StoppedError(Exception):
    """Work was given up because other work failed, or the run was interrupted; that is what there is to tell."""


class Stop:
    """Whether work is to end: because part of it failed, or because the whole that it belongs to is to end."""

    def __init__(self, whole: Stop | None = None) -> None:
        self._event = threading.Event()
        self._whole = whole

    def set(self) -> None:
        """Let it end."""
        self._event.set()

    def is_set(self) -> bool:
        """Whether it is to end."""
        return self._event.is_set() or (self._whole is not None and self._whole.is_set())

    def go_on(self) -> None:
        """Raise `StoppedError` when it is to end."""
        if self.is_set():
            raise StoppedError


def both(stop: Stop, first: Callable[[], S], second: Callable[[], T]) -> tuple[S, T]:
    """Do two things at once, the second in a thread. When one fails, `stop` is set, and that failure is raised.

    Long work looks at it and raises `StoppedError`. What cannot look (a server that is counting) is waited for
    a few seconds only, and does not keep the process alive after Ctrl-C.
    """
    outcome: Future[T] = Future()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            outcome.set_result(second())
        except BaseException as error:  # noqa: BLE001  handed over to the caller's thread
            failures.append(error)
            stop.set()
            outcome.set_exception(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        return first(), outcome.result()
    except BaseException as error:  # noqa: BLE001  one of the two is raised
        failures.append(error)
        stop.set()
        thread.join(_PATIENCE_SECONDS)
        raise _cause(failures) from None


def _cause(failures: Sequence[BaseException]) -> BaseException:
    """The failure that came first; what ended because of it, or of another's, is not what there is to tell."""
    return next((failure for failure in failures if not isinstance(failure, StoppedError)), failures[0])
