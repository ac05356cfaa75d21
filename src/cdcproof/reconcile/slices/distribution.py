"""The seam to other machines: slices go to a `concurrent.futures.Executor`, a few at a time, and their sums come back into one balance.

What an executor gives up, since its worker is dead, is given to it again. What a worker could not read is that table's error.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace

from cdcproof.core.errors import CouldNotLookError, DeadlineError, UnreachableError
from cdcproof.core.secrets import scrub
from cdcproof.core.waiting import Deadline
from cdcproof.pipeline.engines import DatabaseAddress
from cdcproof.reconcile.checksums.strategy import SlicedTable
from cdcproof.reconcile.concurrency import StoppedError
from cdcproof.reconcile.slices.beginning import identities
from cdcproof.reconcile.slices.reading import Place, SliceRead, SliceSums, program, read_slice

ROWS_A_SLICE = 1_000_000
TRIES = 3
SILENT_SECONDS = 7_500.0
"""No slice takes longer: each of its statements is ended after an hour."""
_NOTICED_SECONDS = 0.1
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Addresses:
    """Both sides, as a worker opens them."""

    source: DatabaseAddress
    target: DatabaseAddress
    statement_timeout_seconds: float = 3_600.0

    def slice_read(self, table: SlicedTable) -> SliceRead:
        """What a worker is given, with the first slice; both databases, open here, say which they are."""
        ours, theirs = identities(table.plan, table.source, table.target)
        return SliceRead(
            table.plan,
            table.slices[0],
            table.strategy,
            Place(self.source, table.source.identity(), ours),
            Place(self.target, table.target.identity(), theirs),
            self.statement_timeout_seconds,
            program(table.strategy),
        )


class Distribution:
    """Slices of all tables of a run, at most `at_once` of them at a time, whatever the number of workers. Implements `strategy.Sliced`.

    `executor` makes an executor, and another one when that one is broken. To be closed. Safe to use from several threads.
    """

    def __init__(
        self,
        executor: Callable[[], Executor],
        addresses: Addresses,
        at_once: int,
        *,
        rows_a_slice: int = ROWS_A_SLICE,
        read: Callable[[SliceRead], SliceSums] = read_slice,
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        self.rows_a_slice = rows_a_slice
        self._make = executor
        self._addresses = addresses
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

    def sum_up(self, table: SlicedTable) -> None:
        """Read the slices that `scanned` does not have; each is in it whole, and once.

        Raises `CouldNotLookError` when one cannot be read, `StoppedError` when `stop` is set.
        """
        todo = deque(number for number in range(len(table.slices)) if number not in table.scanned.done)
        work = _Work(table, self._addresses.slice_read(table), todo)
        silent = Deadline(self._silent_seconds)
        try:
            while todo or work.running:
                table.stop.go_on()
                while todo and self._free.acquire(timeout=0 if work.running else _NOTICED_SECONDS):
                    self._begin(work)
                done, _ = wait(work.running, _NOTICED_SECONDS if work.running else 0, FIRST_COMPLETED)
                for future in done:
                    self._end(work, future)
                if done or not work.running:
                    silent = Deadline(self._silent_seconds)
                elif silent.passed:
                    raise DeadlineError(
                        f"No slice of {table.plan.source.table} has come back for {self._silent_seconds:g} s.",
                        "See whether the cluster has workers, and what they do.",
                    )
        finally:
            wait([future for future in work.running if not future.cancel()], _PATIENCE_SECONDS)

    def _begin(self, work: _Work) -> None:
        executor: Executor | None = None
        number = work.todo.popleft()
        try:
            work.hold()
            executor = self._current()
            future = executor.submit(self._read, work.slice_read(number))
        except (CouldNotLookError, StoppedError):
            self._free.release()
            raise
        except Exception as error:  # noqa: BLE001  of any executor
            self._free.release()
            self._renew(executor)
            work.try_again(number, error)
            return
        work.running[future] = number, executor
        future.add_done_callback(lambda _: self._free.release())

    def _end(self, work: _Work, future: Future[SliceSums]) -> None:
        number, executor = work.running.pop(future)
        try:
            sums = future.result()
        except CouldNotLookError:
            raise
        except Exception as error:  # noqa: BLE001  of any executor
            if isinstance(error, BrokenExecutor):
                self._renew(executor)
            work.try_again(number, error)
        else:
            work.take(number, sums)

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
class _Work:
    """A table whose slices are read. `whole` is what a worker is given, but for the slice."""

    table: SlicedTable
    whole: SliceRead
    todo: deque[int]
    running: dict[Future[SliceSums], tuple[int, Executor]] = field(default_factory=dict)
    tries: Counter[int] = field(default_factory=Counter)
    is_begun: bool = False

    def hold(self) -> None:
        if self.is_begun:
            self.table.hold()
        self.is_begun = True

    def slice_read(self, number: int) -> SliceRead:
        return replace(self.whole, part=self.table.slices[number])

    def take(self, number: int, sums: SliceSums) -> None:
        scanned = self.table.scanned
        scanned.balance.merge(sums.left, sums.source_rows, sums.target_rows)
        scanned.done.add(number)
        self.table.keep(scanned)
        self.table.progress(scanned.balance.source_rows)

    def try_again(self, number: int, error: Exception) -> None:
        """Put the slice back. Raises `UnreachableError` when it has been tried often enough."""
        self.tries[number] += 1
        if self.tries[number] == TRIES:
            words = scrub(" ".join(f"{type(error).__name__}: {error}".split()))
            raise UnreachableError(
                f"Slice {number + 1} of {len(self.table.slices)} of {self.table.plan.source.table} was given to a worker "
                f"{TRIES} times, and did not come back: {words}",
                "Read the logs of the workers and of the scheduler.",
            ) from None
        self.todo.append(number)
