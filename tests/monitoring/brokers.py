"""Kafka as the exporter asks it: a fake that keeps topics with their offsets, and what groups have committed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from cdcproof.clients.kafka.consumer_groups import PartitionLag, Place
from cdcproof.clients.kafka.topic_states import PartitionState, TopicState
from cdcproof.core.errors import UnexpectedAnswerError, UnreachableError


@dataclass
class Broker:
    """`logs`: partition to its offsets. `committed`: group to its position in partitions. Its topics are what it has committed to."""

    logs: dict[Place, range]
    committed: Mapping[str, Mapping[Place, int]] = field(default_factory=dict)
    ages_seconds: Mapping[Place, float | None] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    copied: Collection[Place] = ()
    tombstones: Collection[Place] = ()
    """Partitions of which all that is unread is in the dead letter topic as well."""
    is_up: bool = True
    shows_settings: bool = True
    """False while ZooKeeper hangs: brokers that use it then answer everything else."""

    def topics(self) -> dict[str, int]:
        self._demand_up()
        names = sorted({topic for topic, _ in self.logs})
        return {name: sum(topic == name for topic, _ in self.logs) for name in names}

    def lag(self, group: str, topics: Collection[str] = ()) -> tuple[PartitionLag, ...]:
        self._demand_up()
        missing = set(topics) - self.topics().keys()
        if missing:
            raise UnexpectedAnswerError(f"Kafka has no topic {missing}.")
        known = self.committed.get(group, {})
        used = {topic for topic, _ in known} | set(topics)
        return tuple(
            PartitionLag(*place, known.get(place), log.start, log.stop, self._age(place, known.get(place), log))
            for place, log in sorted(self.logs.items())
            if place[0] in used
        )

    def _age(self, place: Place, committed: int | None, log: range) -> float | None:
        return self.ages_seconds.get(place, 0.0) if max(committed or 0, log.start) < log.stop else 0.0

    def kept_records(self, topics: Collection[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for (topic, _), kept in self.kept_offsets(topics).items():
            found[topic] = found.get(topic, 0) + len(kept)
        return found

    def kept_offsets(self, topics: Collection[str]) -> dict[Place, range]:
        self._demand_up()
        return {place: log for place, log in self.logs.items() if place[0] in topics}

    def put_aside(
        self, positions: Mapping[Place, int], ends: Mapping[Place, int], dead_letters: str
    ) -> frozenset[Place]:
        self._demand_up()
        assert positions.keys() == ends.keys()
        return frozenset(place for place in positions if place in self.copied and self.kept_records([dead_letters]))

    def only_tombstones(self, positions: Mapping[Place, int], ends: Mapping[Place, int]) -> frozenset[Place]:
        self._demand_up()
        assert positions.keys() == ends.keys()
        return frozenset(place for place in positions if place in self.tombstones)

    def topic_states(self, topics: Collection[str]) -> tuple[TopicState, ...]:
        self._demand_up()
        if not self.shows_settings:
            raise UnreachableError("Kafka does not answer within 5 s.")
        return tuple(
            TopicState(
                name,
                tuple(PartitionState(number, True, 1, 1) for topic, number in sorted(self.logs) if topic == name),
                {"cleanup.policy": "delete", "retention.ms": "604800000", **self.settings.get(name, {})},
            )
            for name in self.topics()
            if name in topics
        )

    def _demand_up(self) -> None:
        if not self.is_up:
            raise UnreachableError("Kafka does not answer.")
