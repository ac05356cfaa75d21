"""Leaving a slow source alone: between two parts of a scan it is asked something trivial, and waited for while it answers slowly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

from cdcproof.core.errors import CouldNotLookError, DeadlineError
from cdcproof.core.waiting import wait_until
from cdcproof.databases.contracts.database import Database
from cdcproof.reconcile.concurrency import Stop

SLOW_SECONDS = 0.5
"""A server that takes longer for a statement that reads nothing is busy: the way there and back takes less around the world."""
PATIENCE_SECONDS = 600.0
_TRIES = 3
_INTERVAL_SECONDS = 1.0


class Throttle:
    """Asks by a session of its own, which it opens when it is first needed and keeps until `close`. For several threads."""

    def __init__(
        self,
        session: Callable[[], AbstractContextManager[Database]],
        slow_seconds: float = SLOW_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._session = session
        self._slow_seconds = slow_seconds
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._open = ExitStack()
        self._database: Database | None = None

    def close(self) -> None:
        """End the session, unless a thread still waits for the server by it."""
        if self._lock.acquire(timeout=_INTERVAL_SECONDS):
            self._open.close()
            self._lock.release()

    def hold(self, stop: Stop, progress: Callable[[str], None]) -> None:
        """Return when the source answers fast, at once if it does now.

        Raises `DeadlineError` when it has not for `patience_seconds`, `StoppedError` when `stop` is set meanwhile.
        """
        with self._lock:
            try:
                wait_until(
                    self._seconds,
                    lambda seconds: seconds <= self._slow_seconds or stop.is_set(),
                    what=f"the source to answer within {self._slow_seconds:g} s",
                    deadline_seconds=self._patience_seconds,
                    interval_seconds=_INTERVAL_SECONDS,
                    report=lambda seen: progress(f"paused, the source is slow to answer: {_shown(seen)}"),
                )
            except DeadlineError as error:
                raise DeadlineError(
                    f"{error.message} s.", "The run was paused so as not to burden it. Run again when it is less busy."
                ) from None
        stop.go_on()

    def _seconds(self) -> float:
        """How long the source takes for nothing: the best of a few tries, the first that is fast."""
        best = float("inf")
        try:
            if self._database is None:
                self._database = self._open.enter_context(self._session())
            for _ in range(_TRIES):
                started = time.monotonic()
                self._database.version()
                best = min(best, time.monotonic() - started)
                if best <= self._slow_seconds:
                    break
        except CouldNotLookError:
            self._database = None  # the next look is by a session that may be better
            self._open.close()
            raise
        return best


def _shown(seen: float | Exception) -> str:
    return f"{seen:.1f} s" if isinstance(seen, float) else str(seen)
