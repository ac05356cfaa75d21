"""Waiting under a deadline. The only place in the project that sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from cdcproof.errors import CouldNotLookError, DeadlineError

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
    tell: Callable[[T | CouldNotLookError], None] | None = None,
) -> T:
    """Look again and again until `holds(look())`; return what was seen.

    A look that raises `CouldNotLookError` counts as "not yet": services that are starting refuse connections.
    `tell` is called with every look that did not hold, for progress.

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
        if deadline.passed:
            raise DeadlineError(f"Waited {deadline_seconds:g} s for {what}; last seen: {seen}")
        if tell:
            tell(seen)
        time.sleep(min(interval_seconds, deadline.remaining_seconds))


def pause(seconds: float, tell: Callable[[float], None] | None = None) -> None:
    """Let the time pass. `tell` is called about every second with the seconds left."""
    deadline = Deadline(seconds)
    while not deadline.passed:
        if tell:
            tell(deadline.remaining_seconds)
        time.sleep(min(1.0, deadline.remaining_seconds))
