"""The one loop that reads slices: those that are pending go to a `concurrent.futures.Executor`, a few at a time, and come back as they are read.

What is pending, and what is done with a slice that is read, is the caller's matter. What an executor gives up, since its worker is
dead, is given to it again.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass
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

    def read(self, pending: Iterable[T], stop: Stop) -> Generator[_Found[T]]:
        """Each pending slice with its result, which is there, or raises `CouldNotLookError`. To be closed.

        The next one is asked of `pending` when it can be begun, and after what is read was received. Raises `StoppedError` when
        `stop` is set, `DeadlineError` when no slice comes back, and what making an executor raises.
        """
        new, again = map(_Trial[T], pending), deque[_Trial[T]]()
        running: dict[Future[SliceSums], _Trial[T]] = {}
        silent = Deadline(self._silent_seconds)
        try:
            while True:
                stop.go_on()
                is_free = self._free.acquire(timeout=0 if running else _NOTICED_SECONDS)
                begun = self._begun(new, again) if is_free else {}
                running |= begun
                if is_free and not running:
                    return
                done, _ = wait(running, 0 if begun or not running else _NOTICED_SECONDS, FIRST_COMPLETED)
                for future in done:
                    yield from self._ended(running.pop(future), future, again)
                if done or not running:
                    silent = Deadline(self._silent_seconds)
                elif silent.passed:
                    raise DeadlineError(
                        f"No slice of {next(iter(running.values())).slice.table} has come back for {self._silent_seconds:g} s.",
                        "See whether the cluster has workers, and what they do.",
                    )
        finally:
            wait([future for future in running if not future.cancel()], _PATIENCE_SECONDS)

    def _begun(self, new: Iterator[_Trial[T]], again: deque[_Trial[T]]) -> dict[Future[SliceSums], _Trial[T]]:
        """Begin with the next slice, by a place that is taken; nothing where none is left."""
        with ExitStack() as place:
            place.callback(self._free.release)
            trial = next(new, None) or (again.popleft() if again else None)
            if trial is None:
                return {}
            future = self._submitted(trial)
            place.pop_all()
        future.add_done_callback(lambda _: self._free.release())
        return {future: trial}

    def _submitted(self, trial: _Trial[T]) -> Future[SliceSums]:
        try:
            trial.executor = self._current()
            return trial.executor.submit(self._read, trial.slice)
        except CouldNotLookError:
            raise
        except Exception as error:  # noqa: BLE001  of any executor
            self._renew(trial.executor)
            return _failed(error)

    def _ended(self, trial: _Trial[T], future: Future[SliceSums], again: deque[_Trial[T]]) -> Iterator[_Found[T]]:
        """The slice and its result; nothing where it has to be read again."""
        try:
            future.result()
        except CouldNotLookError:
            pass
        except Exception as error:  # noqa: BLE001  of any executor
            if isinstance(error, BrokenExecutor):
                self._renew(trial.executor)
            trial.failures += 1
            if trial.failures < TRIES:
                again.append(trial)
                return
            words = scrub(" ".join(f"{type(error).__name__}: {error}".split()))
            future = _failed(
                UnreachableError(
                    f"{trial.slice.name} was given to a worker {TRIES} times, and did not come back: {words}",
                    "Read the logs of the workers and of the scheduler.",
                )
            )
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
    """A slice that is being read, how often that was tried in vain, and by whom it is read."""

    slice: T
    failures: int = 0
    executor: Executor | None = None


def _failed(error: Exception) -> Future[SliceSums]:
    future: Future[SliceSums] = Future()
    future.set_exception(error)
    return future
