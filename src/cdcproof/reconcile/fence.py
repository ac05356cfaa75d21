"""The fence: waiting until all that the source had written when it was asked has been applied at the target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

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

    def cross(self, tell: Callable[[str], None]) -> Crossing:
        """Return when every change that was visible at the source at the time of the call is at the target.

        `tell` is given what is waited for. Raises `CouldNotLookError` saying what is stuck when that does not come
        before the deadline, or cannot be seen.
        """
        ...
