"""Working on both sides of a table at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Protocol, TypeVar

from cdcproof.core.errors import CouldNotLookError

_PATIENCE_SECONDS = 5
_NOTICED_SECONDS = 0.1
_LOOKED_EVERY = 100
S = TypeVar("S")
T = TypeVar("T")


class StoppedError(Exception):
    """Work was given up because other work failed, or the run was interrupted: report that instead."""


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

    def until_set(self, items: Iterable[T]) -> Iterator[T]:
        """The items as they come; raises `StoppedError` among them once it is to end. A look at each would take longer than many items."""
        for number, item in enumerate(items):
            if number % _LOOKED_EVERY == 0:
                self.go_on()
            yield item


def both(stop: Stop, first: Callable[[], S], second: Callable[[], T]) -> tuple[S, T]:
    """Do two things at once, the second in a thread. When one fails, `stop` is set, and that failure is raised.

    Long work looks at it and raises `StoppedError`; a statement that a server works on is ended by `ended_by`. What
    does not end all the same is waited for a few seconds only, and does not keep the process alive after Ctrl-C.
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
    """The failure that came first, not one that it caused."""
    return next((failure for failure in failures if not isinstance(failure, StoppedError)), failures[0])


def both_scans(stop: Stop, first: Callable[[], S], second: Callable[[], T]) -> tuple[S, T]:
    """`both` of statements that `ended_by` ends. An error that a statement raises after `stop` was set is not reported."""
    return both(stop, lambda: _unless(stop, first), lambda: _unless(stop, second))


def _unless(stop: Stop, work: Callable[[], T]) -> T:
    try:
        return work()
    except CouldNotLookError:
        if stop.is_set():
            raise StoppedError from None
        raise


class Interruptible(Protocol):
    """A session whose statement can be ended from another thread."""

    def interrupt(self) -> None:
        """End the statement that runs, at the server too: it raises."""
        ...


@contextmanager
def ended_by(stop: Stop, *sessions: Interruptible) -> Iterator[None]:
    """Let `stop` end the statements that run: a server would go on with a long one for nobody."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_NOTICED_SECONDS):
            if stop.is_set():
                for session in sessions:  # again and again: a statement may just have begun
                    session.interrupt()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()  # the sessions are about to be closed
