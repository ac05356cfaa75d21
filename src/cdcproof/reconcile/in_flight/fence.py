"""The fence: waiting until all that the source had written when it was asked has been applied at the target."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal, Protocol

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.core.waiting import Deadline
from cdcproof.databases.contracts.log import Log

Method = Literal["position", "timer"]


@dataclass(frozen=True)
class Crossing:
    """A fence that was passed: by which method, the source's log position (empty where none was read), how long it took.

    By `timer` with a position: what the source's log held was received by the connector, and that it has then gone on
    into the topics was not confirmed but believed, since nothing moved there for some seconds.
    """

    method: Method
    position: str
    seconds: float


class Fence(Protocol):
    """How a comparison learns that a change has had its turn."""

    @property
    def method(self) -> Method:
        """Which one it is."""
        ...

    @property
    def takes_time(self) -> bool:
        """Whether looking again first may be worth it."""
        ...

    def cross(self, progress: Callable[[str], None], asked: Deadline | None = None) -> Crossing:
        """Return when every change that was visible at the source when `asked` was started, else at the time of the call, is at the target.

        `progress` receives what the fence waits for. Raises `CouldNotLookError` saying what is stuck when that does not come
        before the deadline, or cannot be seen.
        """
        ...


@dataclass(frozen=True)
class SeenAtTarget:
    """A fence behind which `target`, the session that reads again, sees what was applied. A standby may not have it yet."""

    fence: Fence
    target: Log

    @property
    def method(self) -> Method:
        """That of the fence."""
        return self.fence.method

    @property
    def takes_time(self) -> bool:
        """As the fence."""
        return self.fence.takes_time

    def cross(self, progress: Callable[[str], None], asked: Deadline | None = None) -> Crossing:
        """As the fence. Raises `CouldNotLookError` for a fence by position where the target is read from a standby."""
        self.demand_seen("what differs is lost, or")
        return self.fence.cross(progress, asked)

    def demand_seen(self, what: str) -> None:
        """Raise `CouldNotLookError` where the target is read from a standby. `what` names what cannot be seen there."""
        copy = self.target.copy_of_another() if self.method == "position" else ""
        if copy:
            raise UnexpectedAnswerError(
                f"{copy}: whether {what} was not replayed there yet, cannot be seen.",
                "Name the primary under [target]: the sink writes to it.",
            )


def weakest(crossings: Sequence[Crossing]) -> str:
    """What separated lost from in flight: ``timer`` where one of the fences was a timer's, ``none needed`` without any."""
    methods = {crossing.method for crossing in crossings}
    return "timer" if "timer" in methods else "position" if methods else "none needed"


class SharedFence:
    """One fence for several threads: a crossing answers all who asked before it began, whether they wait for it or come later.

    All that was visible when they asked is visible when it begins.
    """

    def __init__(self, fence: Fence) -> None:
        self.method = fence.method
        self.takes_time = fence.takes_time
        self._fence = fence
        self._crossing = threading.Lock()
        self._last: tuple[Deadline, Future[Crossing]] | None = None

    def cross(self, progress: Callable[[str], None], asked: Deadline | None = None) -> Crossing:
        """As the fence; what it raises, everybody gets whom that crossing answers."""
        since = asked or Deadline(0)
        with self._crossing:
            if self._last is None or self._last[0].started <= since.started:
                self._last = Deadline(0), Future()
                self._answer(self._last[1], progress)
            return self._last[1].result()

    def _answer(self, crossing: Future[Crossing], progress: Callable[[str], None]) -> None:
        try:
            crossing.set_result(self._fence.cross(progress))
        except BaseException as error:
            crossing.set_exception(error)
            raise
