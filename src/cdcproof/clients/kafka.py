"""The door to Kafka: the only module that imports confluent_kafka. It only reads, but for `Kafka.delete_records`.

Every call ends within `DEADLINE_SECONDS`, or later where this machine is busy. The client's own log lines go nowhere: what it knows of a failure is in
the error.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import replace
from typing import Any, TypeVar

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ClusterMetadata, ConfigResource, OffsetSpec

from cdcproof.clients.consumer_groups import ABSENT_STATE, Group, PartitionLag, Place, Positions
from cdcproof.clients.dead_letters import Record, all_put_aside
from cdcproof.clients.topic_states import PartitionState, TopicState
from cdcproof.errors import CouldNotLookError, RefusedError, UnexpectedAnswerError, UnreachableError
from cdcproof.patience import stretched
from cdcproof.waiting import Deadline

T = TypeVar("T")

DEADLINE_SECONDS = 5.0
_PROBE_SECONDS = 1.5
_MOST_PARTITIONS_TIMED = 200
_READ_ONE_RECORD = {
    "group.id": "cdcproof",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "allow.auto.create.topics": False,
    "auto.offset.reset": "earliest",
    "fetch.wait.max.ms": 50,
    "max.partition.fetch.bytes": 65536,
    "queued.min.messages": 1,
}

_READ_RECORDS = {**_READ_ONE_RECORD, "max.partition.fetch.bytes": 1_048_576, "queued.min.messages": 1_000}
_MOST_RECORDS = 1_000

_silent = logging.getLogger("cdcproof.kafka")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


class _NoSuchGroupError(UnexpectedAnswerError):
    """The brokers know no consumer group of this name."""


class Kafka:
    """A Kafka cluster, by ``host:port`` of one or several brokers separated by commas.

    Every method raises `UnreachableError`, `RefusedError` or `UnexpectedAnswerError`, never the client's exception.
    """

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._config: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            "client.id": "cdcproof",
            "socket.connection.setup.timeout.ms": 3000,
            "logger": _silent,
        }
        self._admin: AdminClient | None = None

    def brokers(self) -> int:
        """Number of brokers in the cluster that are up."""
        return len(self._metadata(Deadline(stretched(DEADLINE_SECONDS))).brokers)

    def cluster_id(self) -> str:
        """The cluster's own id, empty where the brokers do not tell it."""
        return str(self._metadata(Deadline(stretched(DEADLINE_SECONDS))).cluster_id or "")

    def topics(self) -> dict[str, int]:
        """Topic to number of partitions, internal topics included."""
        metadata = self._metadata(Deadline(stretched(DEADLINE_SECONDS)))
        return {name: len(metadata.topics[name].partitions) for name in sorted(metadata.topics)}

    def broker_setting(self, name: str) -> str:
        """A setting of the brokers, as one of them tells it. Raises `UnexpectedAnswerError` for one that it does not have."""
        deadline = Deadline(stretched(DEADLINE_SECONDS))
        resource = ConfigResource(ConfigResource.Type.BROKER, str(min(self._metadata(deadline).brokers)))
        futures = self._call(lambda: self._client().describe_configs([resource], request_timeout=_left(deadline)))
        found = self._result(futures[resource], deadline).get(name)
        if found is None:
            raise UnexpectedAnswerError(f"Kafka at {self.bootstrap} does not show its setting {name}.")
        return str(found.value)

    def group(self, name: str) -> Group:
        """The consumer group, whether it exists or not."""
        deadline = Deadline(stretched(DEADLINE_SECONDS))
        self._probe(deadline)
        described = self._describe(name, deadline)
        if described is None:
            return Group(name, ABSENT_STATE, 0)
        return Group(name, described.state.name, len(described.members))

    def end_offsets(self, topics: Collection[str]) -> dict[Place, int]:
        """The offset after the last record of each partition. Raises `UnexpectedAnswerError` naming a missing topic."""
        deadline = Deadline(stretched(DEADLINE_SECONDS))
        partitions = _partitions(self._metadata_with(topics, deadline), topics)
        return self._offsets(partitions, OffsetSpec.latest(), deadline) if partitions else {}

    def positions(self, group: str) -> Positions:
        """Where the group is; nothing is committed and assigned for a group that is not there."""
        deadline = Deadline(stretched(DEADLINE_SECONDS))
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
        deadline = Deadline(stretched(DEADLINE_SECONDS))
        partitions = [TopicPartition(*place) for place in positions]
        decided = self._offsets(partitions, OffsetSpec.latest(), deadline, IsolationLevel.READ_COMMITTED)
        first = dict(self._first_records(positions, "read_committed", deadline))
        return frozenset(p for p in positions if decided[p] < ends[p] or first.get(p, True) is not None)

    def topic_states(self, topics: Collection[str]) -> tuple[TopicState, ...]:
        """Those of these topics that are there, by name."""
        deadline = Deadline(stretched(DEADLINE_SECONDS))
        metadata = self._metadata(deadline)
        there = sorted(set(topics) & set(metadata.topics))
        if not there:
            return ()
        led = [p for p in _partitions(metadata, there) if metadata.topics[p.topic].partitions[p.partition].leader >= 0]
        starts = self._offsets(led, OffsetSpec.earliest(), deadline) if led else {}
        asked = {topic: ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in there}
        futures = self._call(
            lambda: self._client().describe_configs(list(asked.values()), request_timeout=_left(deadline))
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
        """Topic to the offsets that its log keeps, of those topics that are there."""
        deadline = Deadline(stretched(DEADLINE_SECONDS))
        partitions = _partitions(metadata := self._metadata(deadline), set(topics) & set(metadata.topics))
        if not partitions:
            return {}
        starts = self._offsets(partitions, OffsetSpec.earliest(), deadline)
        ends = self._offsets(partitions, OffsetSpec.latest(), deadline)
        found: dict[str, int] = {}
        for (topic, partition), start in starts.items():
            found[topic] = found.get(topic, 0) + ends[topic, partition] - start
        return found

    def newest_records(self, topic: str, limit: int = _MOST_RECORDS) -> tuple[Record, ...]:
        """The last records of each partition of a topic, at most `limit` of one, by partition and offset.

        Raises `UnexpectedAnswerError` for a topic that is not there, `UnreachableError` where it does not come in time.
        """
        deadline = Deadline(stretched(DEADLINE_SECONDS))
        partitions = _partitions(self._metadata_with({topic}, deadline), {topic})
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
        near = {place: at for place, at in positions.items() if 0 < ends[place] - at <= _MOST_RECORDS}
        if not near or not self.kept_records({dead_letters}).get(dead_letters):
            return frozenset()
        aside = self.newest_records(dead_letters)
        unread = self._records(near, ends, Deadline(stretched(DEADLINE_SECONDS)))
        return frozenset(p for p in near if all_put_aside((one for one in unread if one.place == p), aside))

    def delete_records(self, ends: Mapping[Place, int]) -> None:
        """Delete every record before these offsets. What comes later stays."""
        deadline = Deadline(stretched(DEADLINE_SECONDS))
        self._probe(deadline)
        before = [TopicPartition(*place, offset) for place, offset in ends.items()]
        futures = self._call(lambda: self._client().delete_records(before, request_timeout=_left(deadline)))
        for future in futures.values():
            self._result(future, deadline)

    def lag(self, group: str, topics: Collection[str] = ()) -> tuple[PartitionLag, ...]:
        """The group's lag in every partition of its topics, sorted.

        Its topics are those it has committed to, those its members are assigned, and `topics`; a group that was
        never there has the lag of `topics` from their start, or an empty one.
        """
        deadline = Deadline(stretched(DEADLINE_SECONDS))
        metadata = self._metadata_with(topics, deadline)
        reader = self._positions(group, deadline)
        used = reader.topics | set(topics)
        partitions = _partitions(metadata, used & set(metadata.topics))  # a deleted topic's commits linger
        if not partitions:
            return ()
        starts = self._offsets(partitions, OffsetSpec.earliest(), deadline)
        ends = self._offsets(partitions, OffsetSpec.latest(), deadline)
        found = [
            PartitionLag(topic, partition, reader.committed.get((topic, partition)), start, ends[topic, partition])
            for (topic, partition), start in starts.items()
        ]
        return tuple(self._with_ages(found, deadline))

    def _positions(self, group: str, deadline: Deadline) -> Positions:
        futures = self._call(
            lambda: self._client().list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group)], request_timeout=_left(deadline)
            )
        )
        answer = self._result(futures[group], deadline)
        committed = {(p.topic, p.partition): p.offset for p in answer.topic_partitions if p.offset >= 0}
        described = self._describe(group, deadline)
        assigned = [m.assignment.topic_partitions or () for m in described.members if m.assignment] if described else []
        return Positions(committed, frozenset(partition.topic for member in assigned for partition in member))

    def _describe(self, group: str, deadline: Deadline) -> Any:
        """The client's description of the group; None when there is no such group."""
        futures = self._call(lambda: self._client().describe_consumer_groups([group], request_timeout=_left(deadline)))
        try:
            return self._result(futures[group], deadline)
        except _NoSuchGroupError:
            return None

    def _offsets(
        self,
        partitions: Iterable[TopicPartition],
        which: OffsetSpec,
        deadline: Deadline,
        isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED,
    ) -> dict[Place, int]:
        futures = self._call(
            lambda: self._client().list_offsets(
                {TopicPartition(p.topic, p.partition): which for p in partitions},
                isolation_level=isolation,
                request_timeout=_left(deadline),
            )
        )
        return {(p.topic, p.partition): self._result(future, deadline).offset for p, future in futures.items()}

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

    def _first_records(
        self, positions: Mapping[Place, int], isolation: str, deadline: Deadline
    ) -> Iterator[tuple[Place, Message | None]]:
        """The first record from each position on, None where there is none, as they come until the time is up.

        The consumer belongs to nobody: partitions are assigned, nothing is ever committed.
        """
        try:
            consumer = Consumer({**self._config, **_READ_ONE_RECORD, "isolation.level": isolation})
        except KafkaException as error:
            raise self._ours(error) from None
        try:
            waiting = set(positions)
            consumer.assign([TopicPartition(*place, offset) for place, offset in positions.items()])
            while waiting and not deadline.passed:
                message = consumer.poll(min(0.5, deadline.remaining_seconds))
                if message is None:
                    continue
                place = (message.topic(), message.partition())
                fault = message.error()
                if fault is not None and fault.code() != KafkaError._PARTITION_EOF:
                    raise self._ours(KafkaException(fault))
                consumer.pause([TopicPartition(*place)])
                if place in waiting:
                    waiting.discard(place)
                    yield place, message if fault is None else None
        except KafkaException as error:
            raise self._ours(error) from None
        finally:
            consumer.close()

    def _records(
        self, positions: Mapping[Place, int], ends: Mapping[Place, int], deadline: Deadline
    ) -> tuple[Record, ...]:
        """Every record from these positions to `ends`. The consumer belongs to nobody, as in `_first_records`."""
        waiting = {place for place, at in positions.items() if at < ends[place]}
        found: list[Record] = []
        if not waiting:
            return ()
        try:
            consumer = Consumer({**self._config, **_READ_RECORDS, "isolation.level": "read_committed"})
        except KafkaException as error:
            raise self._ours(error) from None
        try:
            consumer.assign([TopicPartition(*place, positions[place]) for place in waiting])
            while waiting:
                if deadline.passed:
                    raise self._no_answer()
                message = consumer.poll(min(0.5, _left(deadline)))
                if message is None:
                    continue
                place = (str(message.topic()), int(message.partition() or 0))
                fault = message.error()
                if fault is not None and fault.code() != KafkaError._PARTITION_EOF:
                    raise self._ours(KafkaException(fault))
                offset = int(message.offset() or 0)
                if fault is None and offset < ends[place]:
                    found.append(Record(place, offset, message.key(), message.value(), _headers(message)))
                if fault is not None or offset >= ends[place] - 1:
                    waiting.discard(place)
        except KafkaException as error:
            raise self._ours(error) from None
        finally:
            consumer.close()
        return tuple(sorted(found, key=lambda record: (record.place, record.offset)))

    def _metadata_with(self, topics: Collection[str], deadline: Deadline) -> ClusterMetadata:
        metadata = self._metadata(deadline)
        missing = sorted(set(topics) - set(metadata.topics))
        if missing:
            raise UnexpectedAnswerError(f"Kafka at {self.bootstrap} has no topic {', '.join(missing)}.")
        return metadata

    def _metadata(self, deadline: Deadline) -> ClusterMetadata:
        self._probe(deadline)
        return self._call(lambda: self._client().list_topics(timeout=_left(deadline)))

    def _client(self) -> AdminClient:
        if self._admin is None:
            self._admin = AdminClient(self._config)
        return self._admin

    def _probe(self, deadline: Deadline) -> None:
        """Fail at once when no broker accepts a connection: the client itself would try until its time is up."""
        reasons = []
        for server in self.bootstrap.split(","):
            host, _, port = server.strip().rpartition(":")
            if not host or not port.isdigit():
                raise UnexpectedAnswerError(
                    f"{server.strip()!r} is not the address of a Kafka broker.",
                    "Write kafka.bootstrap_servers as host:port, several separated by commas.",
                )
            try:
                socket.create_connection(
                    (host.strip("[]"), int(port)), min(stretched(_PROBE_SECONDS), _left(deadline))
                ).close()
            except (OSError, OverflowError, UnicodeError) as error:  # the latter two: no address can be so
                reasons.append(f"{server.strip()}: {getattr(error, 'strerror', None) or error}")
            else:
                return
        raise UnreachableError(
            f"Kafka does not answer at {self.bootstrap}: {'; '.join(reasons)}.",
            "Check that the broker is running and that kafka.bootstrap_servers is right.",
        )

    def _call(self, request: Callable[[], T]) -> T:
        try:
            return request()
        except KafkaException as error:
            raise self._ours(error) from None

    def _result(self, future: Future[Any], deadline: Deadline) -> Any:
        try:
            return future.result(_left(deadline))
        except KafkaException as error:
            raise self._ours(error) from None
        except FutureTimeoutError:
            raise self._no_answer() from None

    def _ours(self, error: KafkaException) -> CouldNotLookError:
        cause = error.args[0]
        told = f"Kafka at {self.bootstrap}: {cause.str()}."
        match cause.code():
            case KafkaError._TIMED_OUT | KafkaError._TIMED_OUT_QUEUE | KafkaError.REQUEST_TIMED_OUT:
                return self._no_answer()
            case KafkaError._TRANSPORT | KafkaError._ALL_BROKERS_DOWN | KafkaError._RESOLVE:
                return self._no_answer()
            case (
                KafkaError._AUTHENTICATION
                | KafkaError.TOPIC_AUTHORIZATION_FAILED
                | KafkaError.GROUP_AUTHORIZATION_FAILED
                | KafkaError.CLUSTER_AUTHORIZATION_FAILED
                | KafkaError.SASL_AUTHENTICATION_FAILED
            ):
                return RefusedError(
                    told,
                    "Grant the account Describe on the cluster and its groups; Describe, DescribeConfigs and Read on its topics.",
                )
            case KafkaError.GROUP_ID_NOT_FOUND:
                return _NoSuchGroupError(told)
        return UnexpectedAnswerError(told)

    def _no_answer(self) -> UnreachableError:
        return UnreachableError(
            f"Kafka at {self.bootstrap} accepts connections but does not answer within {DEADLINE_SECONDS:g} s.",
            "Check the broker's log, and that the address it advertises (advertised.listeners) can be reached from here.",
        )


def _partitions(metadata: ClusterMetadata, topics: Collection[str]) -> list[TopicPartition]:
    return [
        TopicPartition(topic, partition)
        for topic in sorted(topics)
        for partition in sorted(metadata.topics[topic].partitions)
    ]


def _headers(record: Message) -> dict[str, str]:
    pairs = record.headers() or []
    return {name: value.decode(errors="replace") if isinstance(value, bytes) else str(value) for name, value in pairs}


def _age_seconds(record: Message) -> float | None:
    kind, milliseconds = record.timestamp()
    return None if kind == TIMESTAMP_NOT_AVAILABLE else time.time() - milliseconds / 1000


def _left(deadline: Deadline) -> float:
    """Seconds left, but enough for one exchange: zero would mean "for ever" to the client."""
    return max(0.1, deadline.remaining_seconds)
