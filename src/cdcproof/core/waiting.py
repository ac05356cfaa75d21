"""Waiting under a deadline. The only place in the project that sleeps."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Thread
from typing import TypeVar

from cdcproof.core.errors import CouldNotLookError, DeadlineError

T = TypeVar("T")


@dataclass(frozen=True)
class Deadline:
    """A point in time by which something must have happened."""

    seconds: float
    started: float = field(default_factory=lambda: time.monotonic())  # noqa: PLW0108  looked up when called: tests turn the clock

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the wait began."""
        return time.monotonic() - self.started

    @property
    def remaining_seconds(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self.seconds - self.elapsed_seconds)

    @property
    def passed(self) -> bool:
        """Whether the time is up."""
        return self.remaining_seconds <= 0


def wait_until(
    look: Callable[[], T],
    holds: Callable[[T], bool],
    *,
    what: str,
    deadline_seconds: float,
    interval_seconds: float = 0.1,
    report: Callable[[T | CouldNotLookError], None] | None = None,
    patience: Callable[[float], float] = float,
) -> T:
    """Look again and again until `holds(look())`; return what was seen.

    A look that raises `CouldNotLookError` counts as "not yet": services that are starting refuse connections.
    `report` is called with every look that did not hold, for progress. `patience` makes of the deadline how long to wait
    now: `cdcproof.core.patience.stretched` waits longer while the machine is busy.

    Raises `DeadlineError`, which names `what` and the last thing seen, when the time is up.
    """
    deadline = Deadline(deadline_seconds)
    while True:
        seen: T | CouldNotLookError
        try:
            seen = look()
        except CouldNotLookError as error:
            seen = error
        else:
            if holds(seen):
                return seen
        remaining_seconds = patience(deadline_seconds) - deadline.elapsed_seconds
        if remaining_seconds <= 0:
            raise DeadlineError(f"Waited {patience(deadline_seconds):g} s for {what}; last seen: {seen}")
        if report:
            report(seen)
        time.sleep(min(interval_seconds, remaining_seconds))


def last_look(
    look: Callable[[], T], holds: Callable[[T], bool], *, deadline_seconds: float, interval_seconds: float = 0.5
) -> T:
    """Look again and again until `holds(look())`, or the time is up; return what was seen last. Raises what `look` raises."""
    deadline = Deadline(deadline_seconds)
    while True:
        seen = look()
        if holds(seen) or deadline.passed:
            return seen
        pause(interval_seconds)


def pause(seconds: float, report: Callable[[float], None] | None = None) -> None:
    """Let the time pass. `report` is called about every second with the seconds left."""
    deadline = Deadline(seconds)
    while not deadline.passed:
        if report:
            report(deadline.remaining_seconds)
        time.sleep(min(1.0, deadline.remaining_seconds))


def within(seconds: float, work: Callable[[], T], *, what: str) -> T:
    """Return what `work()` returns, or raise what it raises. Raises `DeadlineError` when it takes longer than `seconds`.

    Work that is late goes on in its thread, which does not keep the program from ending, and nobody learns how it ends.
    """
    ended: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            ended.put((work(), None))
        except BaseException as error:  # noqa: BLE001  raised again where it is waited for
            ended.put((None, error))

    Thread(target=run, daemon=True).start()
    try:
        result, error = ended.get(timeout=seconds)
    except queue.Empty:
        raise DeadlineError(f"{what[0].upper()}{what[1:]} did not come within {seconds:g} s.") from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]  # None only where T has it


def side_by_side(jobs: Mapping[str, Callable[[], T]], seconds: float | None = None) -> dict[str, T]:
    """Run all jobs at once and wait for them; a job that has no result within `seconds` is left out. A job's error is raised here.

    Daemon threads, because looking up a name cannot be interrupted and must not hold up the end of the program.
    """
    results: dict[str, T] = {}
    errors: list[BaseException] = []

    def run(name: str, job: Callable[[], T]) -> None:
        try:
            results[name] = job()
        except Exception as error:  # noqa: BLE001  handed to the caller's thread
            errors.append(error)

    deadline = None if seconds is None else Deadline(seconds)
    threads = [Thread(target=run, args=item, daemon=True) for item in jobs.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(deadline.remaining_seconds if deadline else None)
    if errors:
        raise errors[0]
    return dict(results)
