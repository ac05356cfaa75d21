"""Kafka's client where no broker answers; tests/integration/test_kafka_client.py holds it to a real one."""

from __future__ import annotations

import socket
import threading
import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest
from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, KafkaError, KafkaException
from confluent_kafka.admin import ClusterMetadata, ConsumerGroupListing, ListConsumerGroupsResult

from cdcproof.clients.kafka import session as kafka_session
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.kafka.consumer_groups import Group, PartitionLag
from cdcproof.core.errors import UnexpectedAnswerError, UnreachableError
from cdcproof.pipeline.model import Kafka as Cluster
from tests.canned import serving


def kafka_at(bootstrap: str) -> Kafka:
    return Kafka(Cluster(bootstrap_servers=bootstrap))


def test_a_closed_port_is_unreachable_at_once_and_for_every_question() -> None:
    kafka = kafka_at("127.0.0.1:1,no-such-host.invalid:9092")
    for question in (kafka.brokers, kafka.topics, kafka.cluster_id, lambda: kafka.group("g"), lambda: kafka.lag("g")):
        with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1: Connection refused; no-such-host"):
            question()


@pytest.mark.parametrize("address", ["kafka", "kafka:", ":9092", "kafka:port", ","])
def test_what_is_no_address_is_named(address: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match="is not the address of a Kafka broker"):
        kafka_at(address).brokers()


@pytest.mark.parametrize("address", ["127.0.0.1:99999", f"{'x' * 64}.invalid:9092"])
def test_an_address_that_no_broker_can_have_is_unreachable(address: str) -> None:
    with pytest.raises(UnreachableError, match="does not answer"):
        kafka_at(address).brokers()


def test_a_port_that_accepts_and_stays_silent_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_session, "DEADLINE_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        kafka = kafka_at(f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(UnreachableError, match=r"accepts connections but does not answer within 0\.5 s"):
            kafka.brokers()
        with pytest.raises(UnreachableError):
            kafka.group("g")


def test_a_client_that_got_no_answer_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """librdkafka may wait for a coordinator of before a restart for good: a new client gets the answer."""
    made: list[Client] = []

    def client(_: object) -> Client:
        made.append(Client(answers=len(made) > 0))
        return made[-1]

    monkeypatch.setattr(kafka_session, "AdminClient", client)
    with socket.create_server(("127.0.0.1", 0), backlog=10) as server:
        kafka = kafka_at(f"127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(UnreachableError, match="accepts connections but does not answer"):
            kafka.topics()
        assert kafka.topics() == kafka.topics() == {}
        assert len(made) == 2, "one that answers is kept"
    with pytest.raises(UnreachableError, match="Connection refused"):
        kafka.topics()
    with socket.create_server(("127.0.0.1", int(kafka.bootstrap.rpartition(":")[2])), backlog=10):
        assert kafka.topics() == {}
    assert len(made) == 3, "one of before the restart is not"


class Client:
    """librdkafka's, on a cluster without topics."""

    def __init__(self, answers: bool) -> None:
        self._answers = answers

    def list_topics(self, timeout: float) -> ClusterMetadata:
        if not self._answers:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return ClusterMetadata()


@dataclass
class Coordinator:
    """A broker that coordinates every group, and may restart without anybody noticing; `busy`: what it answers before it can."""

    starts: int = 1
    busy: list[int] = field(default_factory=list)


class ClientOfGroups:
    """librdkafka's, as it was seen: it keeps the coordinator that it once found, and waits for that one for good."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._found = 0

    def describe_consumer_groups(self, groups: list[str], request_timeout: float) -> dict[str, Future[object]]:
        return {group: self._answer(SimpleNamespace(state=ConsumerGroupState.STABLE, members=[])) for group in groups}

    def list_consumer_group_offsets(
        self, groups: list[ConsumerGroupTopicPartitions], request_timeout: float
    ) -> dict[str, Future[object]]:
        return {group.group_id: self._answer(SimpleNamespace(topic_partitions=[])) for group in groups}

    def list_consumer_groups(self, request_timeout: float) -> Future[object]:
        """What one broker says; of another, which is busy, there is an error beside it."""
        errors = [KafkaException(KafkaError(self._coordinator.busy.pop()))] if self._coordinator.busy else []
        listed = ConsumerGroupListing("g", is_simple_consumer_group=False, state=ConsumerGroupState.STABLE)
        future: Future[object] = Future()
        future.set_result(ListConsumerGroupsResult([listed], errors))
        return future

    def list_topics(self, timeout: float) -> ClusterMetadata:
        return ClusterMetadata()

    def _answer(self, value: object) -> Future[object]:
        self._found = self._found or self._coordinator.starts
        future: Future[object] = Future()
        if self._coordinator.busy:
            future.set_exception(KafkaException(KafkaError(self._coordinator.busy.pop())))
        elif self._found == self._coordinator.starts:
            future.set_result(value)
        else:
            future.set_exception(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
        return future


def test_a_question_about_a_group_is_answered_after_a_restart_that_nobody_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    coordinator = Coordinator()
    monkeypatch.setattr(kafka_session, "AdminClient", lambda _: ClientOfGroups(coordinator))
    with socket.create_server(("127.0.0.1", 0), backlog=20) as server:
        kafka = kafka_at(f"127.0.0.1:{server.getsockname()[1]}")
        for question in (lambda: kafka.group("g"), lambda: kafka.positions("g"), lambda: kafka.lag("g")):
            before = question()
            coordinator.starts += 1
            assert question() == before


@pytest.mark.parametrize(
    "answer",
    [KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR],
)
def test_a_coordinator_that_is_busy_after_a_start_is_asked_again_until_the_deadline(
    monkeypatch: pytest.MonkeyPatch, answer: int
) -> None:
    coordinator = Coordinator()
    monkeypatch.setattr(kafka_session, "AdminClient", lambda _: ClientOfGroups(coordinator))
    with socket.create_server(("127.0.0.1", 0), backlog=20) as server:
        kafka = kafka_at(f"127.0.0.1:{server.getsockname()[1]}")
        for question in (lambda: kafka.group("g"), kafka.groups, lambda: kafka.positions("g"), lambda: kafka.lag("g")):
            before = question()
            coordinator.busy = [answer] * 2
            assert question() == before
            assert coordinator.busy == []

        monkeypatch.setattr(kafka_session, "DEADLINE_SECONDS", 0.2)
        coordinator.busy = [answer] * 100
        with pytest.raises(UnexpectedAnswerError, match="oordinator"):
            kafka.groups()


def test_a_port_of_another_service_is_no_broker_and_the_clients_own_log_goes_nowhere(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kafka_session, "DEADLINE_SECONDS", 1.0)
    with serving({}) as server, pytest.raises(UnreachableError, match="accepts connections but does not answer"):
        kafka_at(server.url.removeprefix("http://")).brokers()
    assert "%" not in capfd.readouterr().err  # its lines begin so: %3|time|FAIL|…


LAG = PartitionLag("t", 0, committed=7, log_start=5, log_end=10)


@pytest.mark.parametrize(
    ("lag", "records", "lost", "next_offset"),
    [
        (LAG, 3, 0, 7),
        (replace(LAG, committed=10), 0, 0, 10),
        (replace(LAG, committed=None), 5, 0, 5),
        (replace(LAG, committed=2), 8, 3, 5),
        (replace(LAG, committed=12), 0, 0, 12),
    ],
)
def test_lag_in_records_is_counted_from_what_is_committed(
    lag: PartitionLag, records: int, lost: int, next_offset: int
) -> None:
    assert (lag.lag_records, lag.lost_records, lag.next_offset) == (records, lost, next_offset)


def test_a_group_that_is_dead_does_not_exist() -> None:
    assert not Group("g", "DEAD", 0).exists
    assert Group("g", "EMPTY", 0).exists


class SlowClient:
    """librdkafka's: with the client go the answers that it still owes."""

    def __len__(self) -> int:
        return 0

    def list_consumer_groups(self, request_timeout: float) -> Future[object]:
        future: Future[object] = Future()
        asked = weakref.ref(self)
        threading.Timer(
            0.1, lambda: asked() is not None and future.set_result(ListConsumerGroupsResult([], []))
        ).start()
        return future


def test_threads_that_ask_at_once_are_all_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    all_begin = threading.Barrier(6)

    def client(_: object) -> SlowClient:
        all_begin.wait(5)
        return SlowClient()

    monkeypatch.setattr(kafka_session, "DEADLINE_SECONDS", 1.0)
    monkeypatch.setattr(kafka_session, "AdminClient", client)
    with socket.create_server(("127.0.0.1", 0), backlog=20) as server, ThreadPoolExecutor(6) as threads:
        kafka = kafka_at(f"127.0.0.1:{server.getsockname()[1]}")
        assert [one.result(10) for one in [threads.submit(kafka.groups) for _ in range(6)]] == [{}] * 6


def test_a_client_is_kept_for_the_next_question(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[SlowClient] = []
    monkeypatch.setattr(kafka_session, "AdminClient", lambda _: made.append(SlowClient()) or made[-1])
    with socket.create_server(("127.0.0.1", 0), backlog=20) as server:
        kafka = kafka_at(f"127.0.0.1:{server.getsockname()[1]}")
        assert kafka.groups() == kafka.groups() == {}
    assert len(made) == 1
