"""Consumer groups of the sink connectors and how far they are behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cdcproof.clients.consumer_groups import Group, PartitionLag

_CONSUMING = ("STABLE", "PREPARING_REBALANCING", "COMPLETING_REBALANCING")


@dataclass(frozen=True)
class SinkLag:
    """Every expected group and its lag in every partition of the topics it must read."""

    seen: tuple[Group, ...]
    partitions: Mapping[str, tuple[PartitionLag, ...]]
    """Group to its partitions."""
    idle: Mapping[str, str] = field(default_factory=dict)
    """Group to why its connector does not run. That is another check's finding; how far it is behind is this one's."""

    aside: Mapping[str, str] = field(default_factory=dict)
    """Group to what its sink put aside: ``10 records are in dlq``."""

    def expected_groups(self) -> dict[str, str]:
        """Every group whose connector runs must be there and have members."""
        return {group.name: _word(group) if group.name in self.idle else "consuming" for group in self.seen}

    def groups(self) -> dict[str, str]:
        """Group to ``consuming``, or to what it is instead."""
        return {group.name: _word(group) for group in self.seen}

    def no_lost_records(self) -> dict[str, str]:
        """No partition may have dropped records before the sink read them."""
        return dict.fromkeys(self.partitions, "nothing lost")

    def lost_records(self) -> dict[str, str]:
        """Group to how many records its topics' retention deleted before they were read."""
        return {group: _lost(partitions) for group, partitions in self.partitions.items()}

    def records(self) -> dict[str, float]:
        """Group to its lag in records, all partitions together."""
        return {group: float(sum(p.lag_records for p in parts)) for group, parts in self.partitions.items() if parts}

    def seconds(self) -> dict[str, float]:
        """Group to the age of the oldest record it has not consumed; NaN when one could not be read."""
        return {
            group: max(
                float("nan") if p.lag_seconds is None else p.lag_seconds for p in sorted(parts, key=_unread_first)
            )
            for group, parts in self.partitions.items()
            if parts
        }

    def rows(self) -> list[dict[str, object]]:
        """One row per group and topic partition, for the report."""
        rows: list[dict[str, object]] = [
            {
                "group": group.name,
                "state": _word(group),
                "topic": f"{p.topic}/{p.partition}",
                "records behind": p.lag_records,
                "s behind": None if p.lag_seconds is None else f"{p.lag_seconds:.1f}",
                "put aside": self.aside.get(group.name),
            }
            for group in self.seen
            for p in self.partitions.get(group.name, ())
        ]
        return rows or [{"group": g.name, "state": _word(g)} for g in self.seen]


def _lost(partitions: tuple[PartitionLag, ...]) -> str:
    if not partitions:
        return "no topic to read"
    count = sum(p.lost_records for p in partitions)
    return f"{count:,} records deleted unread" if count else "nothing lost"


def _word(group: Group) -> str:
    if not group.exists:
        return "absent"
    return (
        "consuming"
        if group.members and group.state in _CONSUMING
        else f"{group.state.lower()}, {group.members} members"
    )


def _unread_first(partition: PartitionLag) -> bool:
    """`max` keeps a NaN only when it meets it first."""
    return partition.lag_seconds is not None
