"""Consumer groups of the sink connectors and how far they are behind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from cdcproof.clients.kafka.consumer_groups import ABSENT_STATE, Group, PartitionLag
from cdcproof.findings import Observation, at_most
from cdcproof.pipeline.model import Thresholds

_NOT_CONSUMING = (ABSENT_STATE, "EMPTY")
"""A group that has members is in any other state while it reads, or gets its partitions: of those of KIP-848 (ASSIGNING, RECONCILING) the client knows none."""

_TWO_CLUSTERS = "the pipeline file names another Kafka than that of Kafka Connect"
_CORRECT = "# correct kafka.bootstrap_servers or connect.url in the pipeline file: they lead to two clusters"


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
    clock_skew_seconds: float = 60.0
    """How much the clocks may differ."""
    cluster: str = ""
    """The id of the Kafka cluster that was looked at; empty where its brokers do not return it."""
    clusters: Mapping[str, str] = field(default_factory=dict)
    """Group to the id of the cluster that its sink reads from, where that is known."""

    def observation(self, limits: Thresholds) -> Observation:
        """Every sink reads from the cluster that was looked at; if it runs it consumes; nothing was lost to it, and its lag is within the limits."""
        if elsewhere := self.elsewhere():
            seen = dict.fromkeys(elsewhere, f"looked at in the cluster {self.cluster}")
            return Observation(seen, elsewhere, dict.fromkeys(elsewhere, _TWO_CLUSTERS), action=(_CORRECT,))
        details = self.details()
        return Observation(
            self.groups(),
            self.expected_groups(),
            then=(
                Observation(self.lost_records(), self.no_lost_records()),
                Observation(self.records(), at_most(limits.lag_records, "records behind"), details),
                Observation(self.seconds(), at_most(limits.lag_seconds, "s behind"), details),
            ),
        )

    def elsewhere(self) -> dict[str, str]:
        """Group to where its sink reads, if that is another cluster: one of the same names is there in staging and in production."""
        return {
            group: f"read by its sink in the cluster {cluster}"
            for group, cluster in self.clusters.items()
            if self.cluster not in ("", cluster)
        }

    def expected_groups(self) -> dict[str, str]:
        """Every group whose connector runs must be there and have members."""
        return {group.name: _word(group) if group.name in self.idle else "consuming" for group in self.seen}

    def groups(self) -> dict[str, str]:
        """Group to ``consuming``, or to what it is instead."""
        return {group.name: _word(group) for group in self.seen}

    def no_lost_records(self) -> dict[str, str]:
        """No partition may have dropped records before the sink read them, or end before where the sink is."""
        return dict.fromkeys(self.partitions, "nothing lost")

    def lost_records(self) -> dict[str, str]:
        """Group to how many records its topics' retention deleted before they were read, and where a topic ends before the sink."""
        return {group: _lost(partitions) for group, partitions in self.partitions.items()}

    def records(self) -> dict[str, float]:
        """Group to its lag in records, all partitions together."""
        return {group: float(sum(p.lag_records for p in parts)) for group, parts in self.partitions.items() if parts}

    def seconds(self) -> dict[str, float]:
        """Group to the age of the oldest record it has not consumed.

        NaN when one could not be read, or is dated into the future: a clock is wrong, so its age is not known.
        """
        return {
            group: max((self._age_seconds(p) for p in parts), key=lambda age: math.inf if math.isnan(age) else age)
            for group, parts in self.partitions.items()
            if parts
        }

    def details(self) -> dict[str, str]:
        """Group to what was put aside, and to partitions whose next record is dated into the future."""
        ahead = {
            group: ", ".join(
                f"the next record of {p.topic}/{p.partition} is dated {-p.lag_seconds:,.0f} s into the future: "
                "compare `date` on the hosts of Connect, Kafka and this one"
                for p in parts
                if p.lag_seconds is not None and self._is_ahead(p.lag_seconds)
            )
            for group, parts in self.partitions.items()
        }
        reasons = {
            group: "; ".join(filter(None, (self.aside.get(group), ahead.get(group)))) for group in self.partitions
        }
        return dict(self.aside) | {group: text for group, text in reasons.items() if text}

    def _age_seconds(self, partition: PartitionLag) -> float:
        age_seconds = partition.lag_seconds
        return math.nan if age_seconds is None or self._is_ahead(age_seconds) else age_seconds

    def _is_ahead(self, age_seconds: float) -> bool:
        return age_seconds < -self.clock_skew_seconds

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
    deleted = [f"{count:,} records deleted unread"] if count else []
    cut = [
        f"{p.topic}/{p.partition} ends at {p.log_end:,}, before {p.committed:,}, to which it was read"
        for p in partitions
        if p.beyond_end
    ]
    return "; ".join([*deleted, *cut]) or "nothing lost"


def _word(group: Group) -> str:
    if not group.exists:
        return "absent"
    return (
        "consuming"
        if group.members and group.state not in _NOT_CONSUMING
        else f"{group.state.lower()}, {group.members} members"
    )
