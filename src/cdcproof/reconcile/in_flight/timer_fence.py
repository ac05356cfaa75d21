"""A fence where positions cannot be read: a time in which replication is believed to catch up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cdcproof.core.waiting import Deadline, pause
from cdcproof.reconcile.in_flight.fence import Crossing, Method


@dataclass(frozen=True)
class TimerFence:
    """Waits, and proves nothing: a change that takes longer is taken for a difference."""

    seconds: float
    method: Method = "timer"

    @property
    def takes_time(self) -> bool:
        """Not where the data is at rest."""
        return self.seconds > 0

    def cross(self, progress: Callable[[str], None], asked: Deadline | None = None) -> Crossing:
        """Return when the time is up."""
        passed = asked.elapsed_seconds if asked else 0.0
        pause(
            max(0.0, self.seconds - passed),
            lambda left: progress(f"waiting {left:.0f} s more for what may be in flight"),
        )
        return Crossing(self.method, "", self.seconds)
