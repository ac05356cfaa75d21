"""A consumer group and how far it is behind, as Kafka reported it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ABSENT_STATE = "DEAD"

Place = tuple[str, int]
"""A topic and a partition of it."""


@dataclass(frozen=True)
class Group:
    """A consumer group. A group that was never there, or is forgotten, has the state DEAD and no members."""

    name: str
    state: str
    members: int

    @property
    def exists(self) -> bool:
        """Whether the brokers know the group."""
        return self.state != ABSENT_STATE


@dataclass(frozen=True)
class Positions:
    """What a group has committed, as the offset of the record it reads next, and the topics its members are assigned."""

    committed: Mapping[Place, int]
    assigned: frozenset[str]
    is_settled: bool = False
    """Whether every member has its assignment: none is under way."""

    @property
    def topics(self) -> frozenset[str]:
        """Every topic that the group reads, or has read."""
        return self.assigned | {topic for topic, _ in self.committed}

    def has_given_up(self, topic: str) -> bool:
        """Whether the group reads other topics now: what it has committed here lingers for days."""
        return self.is_settled and bool(self.assigned) and topic not in self.assigned


@dataclass(frozen=True)
class PartitionLag:
    """How far a group is behind in one partition.

    `committed` is None when the group has committed nothing there: the lag is then counted from the log's start.
    `lag_seconds` is the age of the first record not yet consumed: 0 when there is none, None when it could not
    be read in time, below zero when a clock is wrong.
    """

    topic: str
    partition: int
    committed: int | None
    log_start: int
    log_end: int
    lag_seconds: float | None = None
    passed_over: bool = False
    """The sink writes nothing of what is not committed: it is in the dead letter topic, or tombstones that its transforms drop."""
    given_up: bool = False
    """The group reads other topics now: `Positions.has_given_up`."""

    @property
    def lag_records(self) -> int:
        """Offsets between what is committed and the log's end."""
        if self.passed_over:
            return 0
        return max(0, self.log_end - (self.log_start if self.committed is None else self.committed))

    @property
    def lost_records(self) -> int:
        """Offsets that were deleted by retention before the group consumed them."""
        return 0 if self.committed is None else max(0, self.log_start - self.committed)

    @property
    def beyond_end(self) -> int:
        """Offsets that the group has read and that the log no longer has: the topic was made anew, or has lost its end.

        A group that goes on there passes over as many records that come.
        """
        return 0 if self.committed is None else max(0, self.committed - self.log_end)

    @property
    def next_offset(self) -> int:
        """Where the group goes on reading."""
        return self.log_start if self.committed is None else max(self.committed, self.log_start)
