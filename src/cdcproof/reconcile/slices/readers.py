"""The one loop that reads slices: those that are pending go to a `concurrent.futures.Executor`, a few at a time, and come back as they are read.

What is pending, and what is done with a slice that is read, is the caller's matter. What an executor gives up, since its worker is
dead, is given to it again.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from cdcproof.core.errors import CouldNotLookError, DeadlineError, UnreachableError
from cdcproof.core.secrets import scrub
from cdcproof.core.waiting import Deadline
from cdcproof.reconcile.concurrency import Stop
from cdcproof.reconcile.slices.store import SliceSums

TRIES = 3
SILENT_SECONDS = 7_500.0
"""No slice takes longer: each of its statements is ended after an hour."""
_NOTICED_SECONDS = 0.1
_PATIENCE_SECONDS = 5.0


class Named(Protocol):
    """A slice to be read."""

    @property
    def name(self) -> str:
        """As messages name it: ``Slice 4 of 6 of dbo.orders``."""
        ...

    @property
    def table(self) -> str:
        """As messages name it."""
        ...


T = TypeVar("T", bound=Named)
_Found = tuple[T, Future[SliceSums]]


class Here(Executor):
    """This process: it has done what is submitted before `submit` returns."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do it."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  whoever waits for it gets it
            future.set_exception(error)
        return future


class Readers(Generic[T]):
    """Who reads slices: at most `at_once` at a time of all that share these readers, whatever the number of workers.

    `executor` makes an executor, and another one when that one is broken. To be closed. Safe to use from several threads.
    """

    def __init__(
        self,
        executor: Callable[[], Executor],
        at_once: int,
        read: Callable[[T], SliceSums],
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        self._make = executor
        self._free = threading.Semaphore(at_once)
        self._read = read
        self._silent_seconds = silent_seconds
        self._lock = threading.Lock()
        self._executor: Executor | None = None
        self._lost: CouldNotLookError | None = None

    def start(self) -> None:
        """Make the executor, if there is none yet. Raises what making it raises."""
        self._current()

    def close(self) -> None:
        """Let go of what has not begun. A slice that is being read is read to its end, which takes seconds."""
        with self._lock:
            if self._executor:
                self._executor.shutdown(wait=False)
                self._executor = None

    def read(self, pending: Iterator[T], stop: Stop) -> Generator[_Found[T]]:
        """Each pending slice with its result, which is there, or raises `CouldNotLookError`. To be closed.

        The next one is asked of `pending` when it can be begun, and after what is read was received. Raises `StoppedError` when
        `stop` is set, `DeadlineError` when no slice comes back.
        """
        work = _Work(pending)
        silent = Deadline(self._silent_seconds)
        try:
            while work.is_left or work.running:
                stop.go_on()
                begins = work.is_left and self._free.acquire(timeout=0 if work.running else _NOTICED_SECONDS)
                if begins:
                    yield from self._begun(work)
                done, _ = wait(work.running, 0 if begins or not work.running else _NOTICED_SECONDS, FIRST_COMPLETED)
                for future in done:
                    yield from self._ended(work, future)
                if done or not work.running:
                    silent = Deadline(self._silent_seconds)
                elif silent.passed:
                    (table, *_) = (slice_.slice.table for slice_ in work.running.values())
                    raise DeadlineError(
                        f"No slice of {table} has come back for {self._silent_seconds:g} s.",
                        "See whether the cluster has workers, and what they do.",
                    )
        finally:
            wait([future for future in work.running if not future.cancel()], _PATIENCE_SECONDS)

    def _begun(self, work: _Work[T]) -> Iterator[_Found[T]]:
        """Begin with the next slice, by a place that is taken; it may be given up at once."""
        with ExitStack() as place:
            place.callback(self._free.release)
            trial = work.next()
            if trial is None:
                return
            try:
                trial.executor = self._current()
                future = trial.executor.submit(self._read, trial.slice)
            except CouldNotLookError:
                raise
            except Exception as error:  # noqa: BLE001  of any executor
                self._renew(trial.executor)
                yield from work.failed(trial, error)
                return
            place.pop_all()
        work.running[future] = trial
        future.add_done_callback(lambda _: self._free.release())

    def _ended(self, work: _Work[T], future: Future[SliceSums]) -> Iterator[_Found[T]]:
        trial = work.running.pop(future)
        try:
            future.result()
        except CouldNotLookError:
            pass
        except Exception as error:  # noqa: BLE001  of any executor
            if isinstance(error, BrokenExecutor):
                self._renew(trial.executor)
            yield from work.failed(trial, error)
            return
        yield trial.slice, future

    def _current(self) -> Executor:
        with self._lock:
            if self._lost:
                raise self._lost
            try:
                self._executor = self._executor or self._make()
            except CouldNotLookError as error:
                self._lost = error  # else each of many tables would wait for it again
                raise
            return self._executor

    def _renew(self, broken: Executor | None) -> None:
        with self._lock:
            if broken is not None and self._executor is broken:
                with suppress(Exception):
                    broken.shutdown(wait=False)
                self._executor = None


@dataclass
class _Trial(Generic[T]):
    """A slice that is being read, how often that was tried before, and by whom it is read."""

    slice: T
    failures: int = 0
    executor: Executor | None = None


@dataclass
class _Work(Generic[T]):
    """What is pending, what is being read, and what has to be read again."""

    pending: Iterator[T]
    is_more: bool = True
    running: dict[Future[SliceSums], _Trial[T]] = field(default_factory=dict)
    again: deque[_Trial[T]] = field(default_factory=deque)

    @property
    def is_left(self) -> bool:
        """Whether something may have to be begun."""
        return self.is_more or bool(self.again)

    def next(self) -> _Trial[T] | None:
        """What is begun next; None when there is nothing."""
        for pending in self.pending:
            return _Trial(pending)
        self.is_more = False
        return self.again.popleft() if self.again else None

    def failed(self, trial: _Trial[T], error: Exception) -> Iterator[_Found[T]]:
        """Put the slice back; one that has been tried often enough is what was found."""
        trial.failures += 1
        if trial.failures < TRIES:
            self.again.append(trial)
            return
        words = scrub(" ".join(f"{type(error).__name__}: {error}".split()))
        found: Future[SliceSums] = Future()
        found.set_exception(
            UnreachableError(
                f"{trial.slice.name} was given to a worker {TRIES} times, and did not come back: {words}",
                "Read the logs of the workers and of the scheduler.",
            )
        )
        yield trial.slice, found
