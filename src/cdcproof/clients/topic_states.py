"""A topic as the brokers describe it: who has its partitions, and its settings."""

from __future__ import annotations

from collections.abc import Mapping
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
