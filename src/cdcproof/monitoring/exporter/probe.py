"""Questions to services that may hang: asked side by side, each by at most one thread at a time.

A thread cannot be ended in Python. A question that hangs keeps its thread, and is not asked again before that thread has
ended: an exporter that runs for days beside a service that is down has one thread waiting, not one for each scrape.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from cdcproof.core.errors import CdcproofError, DeadlineError, UnexpectedAnswerError
from cdcproof.core.secrets import scrub
from cdcproof.core.waiting import Deadline

T = TypeVar("T")

SCRAPE_SECONDS = 4.0
"""For all questions of a page together: with what else it takes, a scrape ends within 5 s, whatever is down."""


@dataclass(frozen=True)
class Line:
    """One service, or one question to it; `problem` says why there is no answer, and is empty where there is one."""

    what: str
    problem: str = ""
    remedy: str = ""


class Probe(Generic[T]):
    """One question to one service.

    Whoever asks while it is being asked gets the same answer, unless it was first asked more than `seconds` ago: an answer
    that comes that late is of no use.
    """

    def __init__(self, what: str, seconds: float) -> None:
        self._what = what
        self._seconds = seconds
        self._lock = threading.Lock()
        self._running: tuple[Future[T], Deadline, datetime] | None = None

    def begin(self, ask: Callable[[], T]) -> Future[T]:
        """Ask, and return where the answer will be. Whatever goes wrong is there as one of our errors."""
        with self._lock:
            if self._running and not self._running[0].done():
                future, clock, since = self._running
                return future if not clock.passed else _failed(self._silence(since))
            future = Future()
            self._running = (future, Deadline(self._seconds), datetime.now().astimezone())
        thread = threading.Thread(target=_answer, args=(future, ask), name=f"probe of {self._what}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the machine has no more: the next scrape tries again
            future.set_exception(UnexpectedAnswerError(f"{self._what} was not asked: {error}."))
        return future

    def result(self, future: Future[T], deadline: Deadline) -> T:
        """The answer. Raises `CdcproofError`: a `DeadlineError` where it has not come when the time is up."""
        try:
            return future.result(deadline.remaining_seconds)
        except TimeoutError:
            raise DeadlineError(f"{self._what} did not answer within {deadline.seconds:g} s.") from None

    def _silence(self, since: datetime) -> DeadlineError:
        return DeadlineError(f"{self._what} has not answered since {since:%Y-%m-%d %H:%M:%S %z}.")


def _answer(future: Future[T], ask: Callable[[], T]) -> None:
    try:
        future.set_result(ask())
    except CdcproofError as error:
        future.set_exception(error)
    except Exception as error:  # noqa: BLE001  a fault of one question must not take the page with it
        future.set_exception(UnexpectedAnswerError(f"Internal error: {scrub(f'{type(error).__name__}: {error}')}"))


def _failed(error: CdcproofError) -> Future[T]:
    future: Future[T] = Future()
    future.set_exception(error)
    return future
