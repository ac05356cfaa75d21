"""Kafka's client on a real broker, with the sink's group in every state it has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from cdcproof.clients.connect.client import Connect
from cdcproof.clients.kafka.client import Kafka
from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.environments.embedded.data import databases
from cdcproof.onboarding import access
from cdcproof.onboarding.access import Outcome
from cdcproof.pipeline.model import HttpService
from tests.canned import EXPANDED, connector, serving
from tests.integration.conftest import Pipelines, eventually

pytestmark = pytest.mark.integration


@pytest.fixture
def kafka(pipelines: Pipelines) -> Kafka:
    return Kafka(pipelines.located().kafka)


@pytest.fixture
def transactional(kafka: Kafka) -> Producer:
    """A producer whose transactions leave marks in the log, which no consumer is given."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": "cdcproof-test"})
    producer.init_transactions(20)
    return producer


@pytest.fixture
def paused_sink(healthy: Pipelines) -> Iterator[str]:
    """The sink paused, so that what is inserted waits in the topic."""
    pipeline = healthy.located()
    [sink] = pipeline.sinks
    connect = Connect(pipeline.connect)
    connect.pause(sink.name)
    eventually(lambda: set(connect.states().states.values()), lambda s: "PAUSED" in s, what="the sink to pause")
    yield sink.consumer_group
    connect.resume(sink.name)
    topics = {table.topic for table in pipeline.tables}  # the heartbeat's never rests
    eventually(
        lambda: [p for p in Kafka(pipeline.kafka).lag(sink.consumer_group) if p.topic in topics],
        lambda lags: not any(lag.lag_records for lag in lags),
        what="no lag",
    )


def test_the_cluster_is_told(kafka: Kafka, pipelines: Pipelines) -> None:
    pipeline = pipelines.located()
    assert kafka.brokers() == 1
    assert kafka.cluster_id() == Connect(pipeline.connect).version().kafka_cluster_id
    topics = kafka.topics()
    assert [table.topic for table in pipeline.tables if topics.get(table.topic, 0) < 1] == []


def test_another_cluster_than_that_of_kafka_connect_is_a_wrong_file(kafka: Kafka, pipelines: Pipelines) -> None:
    [sink] = pipelines.located().sinks
    states = {sink.name: connector("sink", {"name": sink.name})}
    another = {"version": "3.9.2", "kafka_cluster_id": "another"}
    with serving({"GET /": (200, another), EXPANDED: (200, states)}) as server:
        mixed = pipelines.located().model_copy(update={"connect": HttpService(url=server.url)})
        seen = {item.text: item for item in access._kafka(mixed)}
    item = seen[f"the cluster {kafka.cluster_id()}, and Kafka Connect works with the cluster another"]
    assert (item.outcome, item.remedy) == (Outcome.WRONG, "Correct kafka.bootstrap_servers or connect.url.")

    own = {sink.name: connector("sink", {"name": sink.name, "consumer.override.bootstrap.servers": kafka.bootstrap})}
    with serving({"GET /": (200, another), EXPANDED: (200, own)}) as server:
        elsewhere = pipelines.located().model_copy(update={"connect": HttpService(url=server.url)})
        assert [one for one in access._kafka(elsewhere) if one.outcome is Outcome.WRONG] == []


def test_a_running_sink_has_a_stable_group_and_a_stranger_none(kafka: Kafka, pipelines: Pipelines) -> None:
    group = kafka.group(pipelines.located().sinks[0].consumer_group)
    assert (group.state, group.exists, group.members > 0) == ("STABLE", True, True)
    assert not kafka.group("nobody").exists
    assert kafka.lag("nobody") == ()


def test_the_positions_of_the_sink_are_those_of_its_topics(kafka: Kafka, pipelines: Pipelines) -> None:
    topics = frozenset(table.topic for table in pipelines.located().tables)
    sink = pipelines.located().sinks[0].consumer_group
    ends = kafka.end_offsets(topics)
    assert {topic for topic, _ in ends} == topics
    prefix = next(iter(topics)).partition(".")[0]  # topics of earlier prefixes are still there
    assert kafka.positions(sink).assigned == topics | {f"{prefix}.public.{databases.HEARTBEAT}"}
    committed = eventually(
        # a group keeps its positions in topics that it reads no more
        lambda: {place: at for place, at in kafka.positions(sink).committed.items() if place in ends},
        lambda seen: seen == ends,
        what="all to be consumed",
    )
    assert kafka.unread(committed, ends) == frozenset()
    assert kafka.unread({place: end - 1 for place, end in ends.items()}, ends) == ends.keys()
    nobody = kafka.positions("nobody")
    assert (nobody.committed, nobody.topics) == ({}, frozenset())


def test_marks_of_transactions_are_not_unread_and_open_transactions_are(kafka: Kafka, transactional: Producer) -> None:
    topic, place = "cdcproof-marks", ("cdcproof-marks", 0)

    def ends_at(end: int) -> dict[tuple[str, int], int]:
        return eventually(lambda: kafka.end_offsets([topic]), lambda seen: seen == {place: end}, what=f"the end {end}")

    transactional.begin_transaction()
    transactional.produce(topic, b"committed")
    transactional.commit_transaction(20)
    ends = ends_at(2)
    assert kafka.unread({place: 1}, ends) == frozenset()
    assert kafka.only_tombstones({place: 1}, ends) == frozenset()
    assert kafka.unread({place: 0}, ends) == {place}

    transactional.begin_transaction()
    transactional.produce(topic, b"aborted")
    transactional.flush(20)
    ends = ends_at(3)
    assert kafka.unread({place: 1}, ends) == {place}
    transactional.abort_transaction(20)
    ends = ends_at(4)
    eventually(lambda: kafka.unread({place: 1}, ends), lambda unread: not unread, what="the abort to be known")


def test_tombstones_are_known_from_rows(kafka: Kafka, transactional: Producer) -> None:
    place = ("cdcproof-tombstones", 0)
    transactional.begin_transaction()
    transactional.produce(place[0], b"a row", b"key")
    transactional.produce(place[0], None, b"key")
    transactional.commit_transaction(20)
    ends = eventually(lambda: kafka.end_offsets([place[0]]), lambda seen: seen == {place: 3}, what="the end")
    assert kafka.only_tombstones({place: 1}, ends) == {place}
    assert kafka.only_tombstones({place: 0}, ends) == frozenset()
    assert kafka.only_tombstones({place: 3}, ends) == frozenset()

    transactional.begin_transaction()
    transactional.produce(place[0], b"a row that may come", b"key")
    transactional.flush(20)
    longer = eventually(lambda: kafka.end_offsets([place[0]]), lambda seen: seen == {place: 4}, what="the end")
    assert kafka.only_tombstones({place: 1}, longer) == frozenset()
    transactional.abort_transaction(20)


def test_a_group_without_commits_lags_from_the_logs_start(kafka: Kafka, pipelines: Pipelines) -> None:
    topics = [table.topic for table in pipelines.located().tables]
    lags = kafka.lag("nobody", topics)
    assert {lag.topic for lag in lags} == set(topics)
    for lag in lags:
        assert lag.committed is None
        assert lag.lag_records == lag.log_end - lag.log_start > 0
        assert lag.lag_seconds is not None
        assert lag.lag_seconds > 0


def test_a_topic_that_is_not_there_is_named(kafka: Kafka) -> None:
    with pytest.raises(UnexpectedAnswerError, match="has no topic no-such-topic"):
        kafka.lag("nobody", ["no-such-topic"])
    with pytest.raises(UnexpectedAnswerError, match="has no topic no-such-topic"):
        kafka.end_offsets(["no-such-topic"])


def test_a_row_that_waits_is_one_record_behind_and_grows_old(
    kafka: Kafka, paused_sink: str, pipelines: Pipelines
) -> None:
    topic = next(t.topic for t in pipelines.located().tables if t.name == "customers")
    before = {lag.topic: lag for lag in kafka.lag(paused_sink)}[topic]
    assert (before.lag_records, before.lag_seconds) == (0, 0.0)
    databases.source(
        pipelines.instance,
        "INSERT INTO customers (customer_id, name, email) VALUES (99999, 'Test', 'test@example.com')",
    )
    try:
        seen = eventually(
            lambda: {lag.topic: lag for lag in kafka.lag(paused_sink)},
            lambda lags: lags[topic].lag_records > 0,
            what="the row to wait in the topic",
        )
        assert seen[topic].lag_records == 1
        assert seen[topic].lag_seconds is not None
        assert 0 < seen[topic].lag_seconds < 60
        others = {t.topic for t in pipelines.located().tables} - {topic}
        assert all(seen[other].lag_records == 0 for other in others), "the heartbeat's goes on"
    finally:
        databases.source(pipelines.instance, "DELETE FROM customers WHERE customer_id = 99999")
