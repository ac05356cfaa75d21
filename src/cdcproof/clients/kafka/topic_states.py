"""A topic as the brokers describe it: who has its partitions, and its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class PartitionState:
    """A partition: whether it has a leader, how many replicas it has, how many of them are in sync, and where its log starts."""

    id: int
    has_leader: bool
    replicas: int
    in_sync: int
    log_start: int = 0


@dataclass(frozen=True)
class TopicState:
    """A topic, its partitions, and its settings, defaults of the brokers included."""

    name: str
    partitions: tuple[PartitionState, ...]
    settings: Mapping[str, str]

    @property
    def least_in_sync(self) -> int:
        """The replicas of a partition that must be in sync for a record to be taken."""
        least = self.settings.get("min.insync.replicas", "1")
        return int(least) if least.isdigit() else 1

    def takes_records(self, partition: PartitionState) -> bool:
        """Whether a partition of this topic takes what a producer sends."""
        return partition.has_leader and partition.in_sync >= self.least_in_sync

    def why_records_wait(self) -> list[str]:
        """For what reasons partitions take no records; empty when all take them."""
        why = []
        if leaderless := [p for p in self.partitions if not p.has_leader]:
            why.append(f"{partition_ids(leaderless)} without a leader")
        least = self.least_in_sync
        if starved := [p for p in self.partitions if p.has_leader and p.in_sync < least]:
            why.append(f"{partition_ids(starved)}: {starved[0].in_sync} in sync, min.insync.replicas is {least}")
        return why


def partition_ids(partitions: Sequence[PartitionState]) -> str:
    """``partitions 0, 3, 5``: the first five, and how many more."""
    ids = ", ".join(str(p.id) for p in partitions[:5])
    more = f" and {len(partitions) - 5} more" if len(partitions) > 5 else ""
    return f"partition{'s' if len(partitions) > 1 else ''} {ids}{more}"
