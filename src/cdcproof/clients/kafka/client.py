"""The client of Kafka. It only reads, but for `Kafka.delete_records`. `session` holds the connections."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import ConfigResource, OffsetSpec

from cdcproof.clients.kafka.consumer_groups import ABSENT_STATE, Group, PartitionLag, Place, Positions
from cdcproof.clients.kafka.dead_letters import Record, all_put_aside
from cdcproof.clients.kafka.session import NoSuchGroupError, Session, left, partitions_of
from cdcproof.clients.kafka.topic_states import PartitionState, TopicState
from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.core.patience import stretched
from cdcproof.core.waiting import Deadline

_MOST_PARTITIONS_TIMED = 200
_MOST_RECORDS = 1_000
_WHOLE_TOPIC_SECONDS = 60.0


class Kafka(Session):
    """What a Kafka cluster holds and how far its groups are."""

    def brokers(self) -> int:
        """Number of brokers in the cluster that are up."""
        return len(self._metadata(self._deadline()).brokers)

    def cluster_id(self) -> str:
        """The cluster's own id, empty where the brokers do not return it."""
        return str(self._metadata(self._deadline()).cluster_id or "")

    def addresses(self) -> dict[int, tuple[str, int]]:
        """Broker's number to the host and port that it advertises."""
        return {number: (one.host, one.port) for number, one in self._metadata(self._deadline()).brokers.items()}

    def topics(self) -> dict[str, int]:
        """Topic to number of partitions, internal topics included."""
        metadata = self._metadata(self._deadline())
        return {name: len(metadata.topics[name].partitions) for name in sorted(metadata.topics)}

    def broker_setting(self, name: str) -> str:
        """A setting of the brokers, as one of them returns it. Raises `UnexpectedAnswerError` for one that it does not have."""
        deadline = self._deadline()
        resource = ConfigResource(ConfigResource.Type.BROKER, str(min(self._metadata(deadline).brokers)))
        futures = self._call(lambda: self._client().describe_configs([resource], request_timeout=left(deadline)))
        found = self._result(futures[resource], deadline).get(name)
        if found is None:
            raise UnexpectedAnswerError(f"Kafka at {self.bootstrap} does not show its setting {name}.")
        return str(found.value)

    def group(self, name: str) -> Group:
        """The consumer group, whether it exists or not."""
        deadline = self._deadline()
        self._probe(deadline)
        described = self._of_group(lambda time: self._describe(name, time), deadline)
        if described is None:
            return Group(name, ABSENT_STATE, 0)
        return Group(name, described.state.name, len(described.members))

    def groups(self) -> dict[str, str]:
        """Every consumer group that the brokers know, by name, with its state."""
        deadline = self._deadline()
        self._probe(deadline)
        listed = self._of_group(self._listed, deadline)
        return {group.group_id: group.state.name for group in sorted(listed, key=lambda group: group.group_id)}

    def end_offsets(self, topics: Collection[str]) -> dict[Place, int]:
        """The offset after the last record of each partition. Raises `UnexpectedAnswerError` naming a missing topic."""
        deadline = self._deadline()
        partitions = partitions_of(self._metadata_with(topics, deadline), topics)
        return self._offsets(partitions, OffsetSpec.latest(), deadline) if partitions else {}

    def positions(self, group: str) -> Positions:
        """Where the group is; nothing is committed and assigned for a group that is not there."""
        deadline = self._deadline()
        self._probe(deadline)
        return self._positions(group, deadline)

    def unread(self, positions: Mapping[Place, int], ends: Mapping[Place, int]) -> frozenset[Place]:
        """Of these partitions, those in which a consumer at this position will still be given a record before `ends`.

        A log can end in offsets that no consumer is given: marks of transactions, aborted records, what compaction
        removed. A transaction that is open may still be committed; a partition that does not answer in time may hold
        anything: both count as unread.
        """
        if not positions:
            return frozenset()
        deadline = self._deadline()
        partitions = [TopicPartition(*place) for place in positions]
        decided = self._offsets(partitions, OffsetSpec.latest(), deadline, IsolationLevel.READ_COMMITTED)
        first = dict(self._first_records(positions, "read_committed", deadline))
        return frozenset(p for p in positions if decided[p] < ends[p] or first.get(p, True) is not None)

    def topic_states(self, topics: Collection[str]) -> tuple[TopicState, ...]:
        """Those of these topics that are there, by name."""
        deadline = self._deadline()
        metadata = self._metadata(deadline)
        there = sorted(set(topics) & set(metadata.topics))
        if not there:
            return ()
        led = [
            p for p in partitions_of(metadata, there) if metadata.topics[p.topic].partitions[p.partition].leader >= 0
        ]
        starts = self._offsets(led, OffsetSpec.earliest(), deadline) if led else {}
        asked = {topic: ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in there}
        futures = self._call(
            lambda: self._client().describe_configs(list(asked.values()), request_timeout=left(deadline))
        )
        return tuple(
            TopicState(
                topic,
                tuple(
                    PartitionState(number, p.leader >= 0, len(p.replicas), len(p.isrs), starts.get((topic, number), 0))
                    for number, p in sorted(metadata.topics[topic].partitions.items())
                ),
                {name: str(entry.value) for name, entry in self._result(futures[asked[topic]], deadline).items()},
            )
            for topic in there
        )

    def kept_records(self, topics: Collection[str]) -> dict[str, int]:
        """Topic to the number of offsets that its log keeps, of those topics that are there."""
        found: dict[str, int] = {}
        for (topic, _), offsets in self.kept_offsets(topics).items():
            found[topic] = found.get(topic, 0) + len(offsets)
        return found

    def kept_offsets(self, topics: Collection[str]) -> dict[Place, range]:
        """The offsets that the log of each partition keeps, of those topics that are there."""
        deadline = self._deadline()
        partitions = partitions_of(metadata := self._metadata(deadline), set(topics) & set(metadata.topics))
        if not partitions:
            return {}
        starts = self._offsets(partitions, OffsetSpec.earliest(), deadline)
        ends = self._offsets(partitions, OffsetSpec.latest(), deadline)
        return {place: range(start, ends[place]) for place, start in starts.items()}

    def every_record(self, topic: str) -> tuple[Record, ...]:
        """All records of a topic, by partition and offset; errors as `newest_records`, after a minute."""
        deadline = Deadline(stretched(_WHOLE_TOPIC_SECONDS))
        partitions = partitions_of(self._metadata_with({topic}, deadline), {topic})
        starts = self._offsets(partitions, OffsetSpec.earliest(), deadline)
        ends = self._offsets(partitions, OffsetSpec.latest(), deadline)
        return self._records(starts, ends, deadline)

    def newest_records(self, topic: str, limit: int = _MOST_RECORDS) -> tuple[Record, ...]:
        """The last records of each partition of a topic, at most `limit` of one, by partition and offset.

        Raises `UnexpectedAnswerError` for a topic that is not there, `UnreachableError` where it does not come in time.
        """
        deadline = self._deadline()
        partitions = partitions_of(self._metadata_with({topic}, deadline), {topic})
        starts = self._offsets(partitions, OffsetSpec.earliest(), deadline)
        ends = self._offsets(partitions, OffsetSpec.latest(), deadline)
        return self._records(
            {place: max(start, ends[place] - limit) for place, start in starts.items()}, ends, deadline
        )

    def put_aside(
        self, positions: Mapping[Place, int], ends: Mapping[Place, int], dead_letters: str
    ) -> frozenset[Place]:
        """Of these partitions, those in which each record from this position to `ends` is in the dead letter topic as well.

        Debezium's sink never commits what it skipped, until it writes a later record of that partition.
        """
        if not positions or not self.kept_records({dead_letters}).get(dead_letters):
            return frozenset()
        aside = self.newest_records(dead_letters)
        return frozenset(
            p for p, unread in self._unread_records(positions, ends).items() if all_put_aside(unread, aside)
        )

    def only_tombstones(self, positions: Mapping[Place, int], ends: Mapping[Place, int]) -> frozenset[Place]:
        """Of these partitions, those in which each record from this position to `ends` is a tombstone.

        Where its transforms drop them, Debezium's sink never commits them, until it writes a later record of that partition.
        """
        found = self._unread_records(positions, ends)
        return frozenset(p for p, unread in found.items() if all(record.value is None for record in unread))

    def _unread_records(
        self, positions: Mapping[Place, int], ends: Mapping[Place, int]
    ) -> dict[Place, tuple[Record, ...]]:
        """Every record from these positions to `ends`, of partitions in which there are any.

        A partition is left out where there are too many, or where an open transaction may still add some.
        """
        near = {place: at for place, at in positions.items() if 0 < ends[place] - at <= _MOST_RECORDS}
        if not near:
            return {}
        deadline = self._deadline()
        partitions = [TopicPartition(*place) for place in near]
        decided = self._offsets(partitions, OffsetSpec.latest(), deadline, IsolationLevel.READ_COMMITTED)
        near = {place: at for place, at in near.items() if decided[place] >= ends[place]}
        unread = self._records(near, ends, deadline)
        return {place: of for place in near if (of := tuple(one for one in unread if one.place == place))}

    def delete_records(self, ends: Mapping[Place, int]) -> None:
        """Delete every record before these offsets. What comes later stays."""
        deadline = self._deadline()
        self._probe(deadline)
        before = [TopicPartition(*place, offset) for place, offset in ends.items()]
        futures = self._call(lambda: self._client().delete_records(before, request_timeout=left(deadline)))
        for future in futures.values():
            self._result(future, deadline)

    def lag(self, group: str, topics: Collection[str] = ()) -> tuple[PartitionLag, ...]:
        """The group's lag in every partition of its topics, sorted.

        Its topics are those it has committed to, those its members are assigned, and `topics`; a group that was
        never there has the lag of `topics` from their start, or an empty one.
        """
        deadline = self._deadline()
        metadata = self._metadata_with(topics, deadline)
        reader = self._positions(group, deadline)
        used = reader.topics | set(topics)
        partitions = partitions_of(metadata, used & set(metadata.topics))  # a deleted topic's commits linger
        if not partitions:
            return ()
        starts = self._offsets(partitions, OffsetSpec.earliest(), deadline)
        ends = self._offsets(partitions, OffsetSpec.latest(), deadline)
        found = [
            PartitionLag(
                topic,
                partition,
                reader.committed.get((topic, partition)),
                start,
                ends[topic, partition],
                given_up=reader.has_given_up(topic),
            )
            for (topic, partition), start in starts.items()
        ]
        return tuple(self._with_ages(found, deadline))

    def _positions(self, group: str, deadline: Deadline) -> Positions:
        answer = self._of_group(lambda time: self._committed(group, time), deadline)
        committed = {(p.topic, p.partition): p.offset for p in answer.topic_partitions if p.offset >= 0}
        described = self._of_group(lambda time: self._describe(group, time), deadline)
        assigned = [m.assignment.topic_partitions or () for m in described.members if m.assignment] if described else []
        topics = frozenset(partition.topic for member in assigned for partition in member)
        return Positions(committed, topics, is_settled=bool(described and described.state.name == "STABLE"))

    def _committed(self, group: str, deadline: Deadline) -> Any:
        asked = [ConsumerGroupTopicPartitions(group)]
        futures = self._call(lambda: self._client().list_consumer_group_offsets(asked, request_timeout=left(deadline)))
        return self._result(futures[group], deadline)

    def _listed(self, deadline: Deadline) -> Any:
        """The groups of all brokers: those of a broker that did not answer would be missed."""
        future = self._call(lambda: self._client().list_consumer_groups(request_timeout=left(deadline)))
        listed = self._result(future, deadline)
        if listed.errors:
            raise self._ours(listed.errors[0])
        return listed.valid

    def _describe(self, group: str, deadline: Deadline) -> Any:
        """The client's description of the group; None when there is no such group."""
        futures = self._call(lambda: self._client().describe_consumer_groups([group], request_timeout=left(deadline)))
        try:
            return self._result(futures[group], deadline)
        except NoSuchGroupError:
            return None

    def _with_ages(self, lags: Iterable[PartitionLag], deadline: Deadline) -> list[PartitionLag]:
        """The same with `lag_seconds`, sorted by topic and partition."""
        lags = [lag if lag.next_offset < lag.log_end else replace(lag, lag_seconds=0.0) for lag in lags]
        behind = sorted((lag for lag in lags if lag.lag_seconds is None), key=lambda lag: -lag.lag_records)
        ages = self._ages_seconds(behind[:_MOST_PARTITIONS_TIMED], deadline) if behind else {}
        return sorted(
            (replace(lag, lag_seconds=ages.get((lag.topic, lag.partition), lag.lag_seconds)) for lag in lags),
            key=lambda lag: (lag.topic, lag.partition),
        )

    def _ages_seconds(self, lags: list[PartitionLag], deadline: Deadline) -> dict[Place, float | None]:
        """Age of the first record from `next_offset` on; partitions that were not read in time are left out.

        0 where only control records of a transaction are left; None for a record without a time stamp.
        """
        positions = {(lag.topic, lag.partition): lag.next_offset for lag in lags}
        return {
            place: 0.0 if record is None else _age_seconds(record)
            for place, record in self._first_records(positions, "read_uncommitted", deadline)
        }


def _age_seconds(record: Message) -> float | None:
    kind, milliseconds = record.timestamp()
    return None if kind == TIMESTAMP_NOT_AVAILABLE else time.time() - milliseconds / 1000
