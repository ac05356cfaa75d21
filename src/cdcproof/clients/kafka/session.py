"""A session with Kafka: the requests of its client and its consumers, each within a deadline, failing with our errors.

Every call ends within `DEADLINE_SECONDS`, or later where this machine is busy. The client's own log lines go nowhere: what it knows of a failure is in
the error.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, ClusterMetadata, OffsetSpec

from cdcproof.clients.kafka.consumer_groups import Place
from cdcproof.clients.kafka.dead_letters import Record
from cdcproof.clients.kafka.login import Login
from cdcproof.core.errors import CouldNotLookError, RefusedError, UnexpectedAnswerError, UnreachableError
from cdcproof.core.patience import stretched
from cdcproof.core.waiting import Deadline, pause
from cdcproof.pipeline.model import Kafka as Cluster

T = TypeVar("T")

DEADLINE_SECONDS = 5.0
_PROBE_SECONDS = 1.5
_SHARE_OF_KEPT_CLIENT = 0.4
_BETWEEN_QUESTIONS_SECONDS = 0.1
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

_MOST_RECORDS_BYTES = 256 * 2**20
"""Of keys and values that are read at once: a topic that holds more is no schema history, and its records are no dead letters to look at."""
_READ_RECORDS = {**_READ_ONE_RECORD, "max.partition.fetch.bytes": 1_048_576, "queued.min.messages": 1_000}

_silent = logging.getLogger("cdcproof.kafka")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


class NoSuchGroupError(UnexpectedAnswerError):
    """The brokers know no consumer group of this name."""


class CoordinatorBusyError(UnexpectedAnswerError):
    """The group's coordinator is being elected, or reads what its groups have committed: seconds after a broker has started."""


class Session:
    """A Kafka cluster, as `[kafka]` of the pipeline file has it.

    Every method raises `UnreachableError`, `RefusedError` or `UnexpectedAnswerError`, never the client's exception. It cannot be made
    where a file or a secret of the login is missing: `UsageError`.

    No client is kept that got no answer: librdkafka remembers which broker coordinates a group. When that broker has
    restarted, every question about the group may wait for its old connection for good. So such a question is asked anew, by a
    new client, before its time is up. Each thread has a client of its own: one that another thread drops takes with it the
    answers that are still to come.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.login = Login.of(cluster)
        self.bootstrap = bootstrap = cluster.bootstrap_servers
        self._config: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            "client.id": "cdcproof",
            **self.login.settings(),
            "socket.connection.setup.timeout.ms": 3000,
            "logger": _silent,
        }
        self._kept = threading.local()

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
                request_timeout=left(deadline),
            )
        )
        return {(p.topic, p.partition): self._result(future, deadline).offset for p, future in futures.items()}

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
        size_bytes = 0
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
                message = consumer.poll(min(0.5, left(deadline)))
                if message is None:
                    continue
                place = (str(message.topic()), int(message.partition() or 0))
                fault = message.error()
                if fault is not None and fault.code() != KafkaError._PARTITION_EOF:
                    raise self._ours(KafkaException(fault))
                offset = int(message.offset() or 0)
                if fault is None and offset < ends[place]:
                    size_bytes += len(message.key() or b"") + len(message.value() or b"")
                    if size_bytes > _MOST_RECORDS_BYTES:
                        raise UnexpectedAnswerError(
                            f"The records of {place[0]} at {self.bootstrap} have more than {_MOST_RECORDS_BYTES >> 20} MiB.",
                            "Look at the newest by a consumer of Kafka's own, and at what writes such records.",
                        )
                    found.append(Record(place, offset, message.key(), message.value(), _headers(message)))
                if fault is not None or offset >= ends[place] - 1:
                    waiting.discard(place)
        except KafkaException as error:
            raise self._ours(error) from None
        finally:
            consumer.close()
        return tuple(sorted(found, key=lambda record: (record.place, record.offset)))

    def _deadline(self) -> Deadline:
        return Deadline(stretched(DEADLINE_SECONDS))

    def _metadata_with(self, topics: Collection[str], deadline: Deadline) -> ClusterMetadata:
        metadata = self._metadata(deadline)
        missing = sorted(set(topics) - set(metadata.topics))
        if missing:
            raise UnexpectedAnswerError(f"Kafka at {self.bootstrap} has no topic {', '.join(missing)}.")
        return metadata

    def _metadata(self, deadline: Deadline) -> ClusterMetadata:
        self._probe(deadline)
        return self._call(lambda: self._client().list_topics(timeout=left(deadline)))

    def _client(self) -> AdminClient:
        """The client that is kept for this thread."""
        client: AdminClient | None = getattr(self._kept, "client", None)
        if client is None:  # one that has nothing to say is false
            client = self._kept.client = AdminClient(self._config)
        return client

    def _of_group(self, question: Callable[[Deadline], T], deadline: Deadline) -> T:
        """The answer to a question about groups; a coordinator that is busy is asked again."""
        while True:
            try:
                return self._of_kept_client(question, deadline)
            except CoordinatorBusyError:
                if deadline.remaining_seconds < _BETWEEN_QUESTIONS_SECONDS:
                    raise
            pause(_BETWEEN_QUESTIONS_SECONDS)

    def _of_kept_client(self, question: Callable[[Deadline], T], deadline: Deadline) -> T:
        """The answer, of a new client where the one that is kept has none."""
        try:
            return question(Deadline(deadline.remaining_seconds * _SHARE_OF_KEPT_CLIENT))
        except UnreachableError:
            return question(deadline)

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
                self._reach(host.strip("[]"), int(port), deadline)
            except (OSError, OverflowError, UnicodeError) as error:  # the latter two: no address can be so
                reasons.append(f"{server.strip()}: {getattr(error, 'strerror', None) or error}")
            else:
                return
        self._kept.client = None
        raise UnreachableError(
            f"Kafka does not answer at {self.bootstrap}: {'; '.join(reasons)}.",
            "Check that the broker is running and that kafka.bootstrap_servers is right.",
        )

    def _reach(self, host: str, port: int, deadline: Deadline) -> None:
        """See that a broker accepts; before a client is made, that it takes our login as well."""
        if self.login.is_plain or getattr(self._kept, "client", None) is not None:
            socket.create_connection((host, port), min(stretched(_PROBE_SECONDS), left(deadline))).close()
            return
        with self.login.connected(host, port, deadline):
            pass

    def _call(self, request: Callable[[], T]) -> T:
        try:
            return request()
        except KafkaException as error:
            raise self._ours(error) from None

    def _result(self, future: Future[Any], deadline: Deadline) -> Any:
        try:
            return future.result(left(deadline))
        except KafkaException as error:
            raise self._ours(error) from None
        except FutureTimeoutError:
            raise self._no_answer() from None

    def _ours(self, error: KafkaException) -> CouldNotLookError:
        cause = error.args[0]
        message = f"Kafka at {self.bootstrap}: {cause.str()}."
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
                    message,
                    "Grant the account Describe on the cluster and its groups; Describe, DescribeConfigs and Read on its topics.",
                )
            case KafkaError.GROUP_ID_NOT_FOUND:
                return NoSuchGroupError(message)
            case (
                KafkaError.COORDINATOR_LOAD_IN_PROGRESS
                | KafkaError.COORDINATOR_NOT_AVAILABLE
                | KafkaError.NOT_COORDINATOR
            ):
                return CoordinatorBusyError(message, "Wait until the broker has started, then look again.")
        return UnexpectedAnswerError(message)

    def _no_answer(self) -> UnreachableError:
        self._kept.client = None
        return UnreachableError(
            f"Kafka at {self.bootstrap} accepts connections but does not answer within {DEADLINE_SECONDS:g} s.",
            "Check the broker's log, that kafka.security_protocol is that of this listener, "
            "and that the address it advertises (advertised.listeners) can be reached from here.",
        )


def partitions_of(metadata: ClusterMetadata, topics: Collection[str]) -> list[TopicPartition]:
    """The partitions of these topics, in their order."""
    return [
        TopicPartition(topic, partition)
        for topic in sorted(topics)
        for partition in sorted(metadata.topics[topic].partitions)
    ]


def _headers(record: Message) -> dict[str, str]:
    pairs = record.headers() or []
    return {name: value.decode(errors="replace") if isinstance(value, bytes) else str(value) for name, value in pairs}


def left(deadline: Deadline) -> float:
    """Seconds left, but enough for one exchange: zero would mean "for ever" to the client."""
    return max(0.1, deadline.remaining_seconds)
