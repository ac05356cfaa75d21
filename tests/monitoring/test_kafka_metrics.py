"""What Kafka says of sinks, topics and dead letters, over a broker that a test fills."""

from __future__ import annotations

from typing import Any

import pytest

from cdcproof.clients.connect.client import Connector, ConnectorStates, Task
from cdcproof.clients.kafka.dead_letters import TOPIC_KEY
from cdcproof.monitoring.exporter import kafka_metrics
from cdcproof.monitoring.exporter.kafka_metrics import KafkaReading
from cdcproof.pipeline.model import Pipeline
from tests.monitoring.brokers import Broker
from tests.pipelines import pipeline_of

ORDERS, MORE, CUSTOMERS, ASIDE = ("t.orders", 0), ("t.orders", 1), ("t.customers", 0), ("dlq", 0)
SINK = "connect-sink"
DAY = 86_400.0
DEBEZIUM = "io.debezium.connector.sqlserver.SqlServerConnector"


@pytest.fixture
def pipeline() -> Pipeline:
    return pipeline_of("customers", "orders")


def states(**configs: dict[str, str]) -> ConnectorStates:
    made = (
        Connector(name, "sink", "RUNNING", "w", (Task(0, "RUNNING", "w"),), config) for name, config in configs.items()
    )
    return ConnectorStates(tuple(made))


def broker(**changes: Any) -> Broker:
    """Of orders 13 of 20 records are committed, in two partitions, and all of customers."""
    logs = {ORDERS: range(10), MORE: range(4, 10), CUSTOMERS: range(7)}
    committed = {SINK: {ORDERS: 8, MORE: 5, CUSTOMERS: 7}}
    return Broker(**{"logs": logs, "committed": committed, "ages_seconds": {ORDERS: 30.0, MORE: 90.0}, **changes})


def read(kafka: Broker, pipeline: Pipeline, known: ConnectorStates | None = None) -> KafkaReading:
    return kafka_metrics.read(kafka, pipeline, known)  # type: ignore[arg-type]  a fake of it


def headroom(kafka: Broker, pipeline: Pipeline) -> dict[str, float]:
    kept = kafka_metrics.read_retention(kafka, pipeline)  # type: ignore[arg-type]  a fake of it
    return kafka_metrics.headroom_seconds(read(kafka, pipeline), kept, pipeline)


def test_lag_and_throughput_of_each_table(pipeline: Pipeline) -> None:
    reading = read(broker(), pipeline)
    assert kafka_metrics.lag_records(reading, pipeline) == {("sink", "customers"): 0, ("sink", "orders"): 7}
    assert kafka_metrics.lag_seconds(reading, pipeline) == {("sink", "customers"): 0, ("sink", "orders"): 90}
    assert kafka_metrics.committed(reading, pipeline) == {("sink", "customers"): 7, ("sink", "orders"): 13}
    assert kafka_metrics.written(reading, pipeline, None) == {("source", "customers"): 7, ("source", "orders"): 20}


def test_a_group_that_has_committed_nothing_lags_by_all_and_has_written_nothing_known(pipeline: Pipeline) -> None:
    reading = read(broker(committed={}), pipeline)
    assert kafka_metrics.lag_records(reading, pipeline) == {("sink", "customers"): 7, ("sink", "orders"): 16}
    assert set(kafka_metrics.committed(reading, pipeline).values()) == {None}


def test_a_topic_that_is_not_there_has_no_series_and_hides_no_other(pipeline: Pipeline) -> None:
    reading = read(broker(logs={ORDERS: range(10)}, committed={SINK: {ORDERS: 8}}), pipeline)
    assert kafka_metrics.lag_records(reading, pipeline) == {("sink", "orders"): 2}
    assert kafka_metrics.written(reading, pipeline, None) == {("source", "orders"): 10}


@pytest.mark.parametrize(("age", "shown"), [(None, None), (-30.0, 90.0), (-61.0, None)])
def test_an_age_that_is_not_known_or_of_a_wrong_clock_is_absent(
    pipeline: Pipeline, age: float | None, shown: float | None
) -> None:
    reading = read(broker(ages_seconds={ORDERS: age, MORE: 90.0}), pipeline)
    assert kafka_metrics.lag_seconds(reading, pipeline)["sink", "orders"] == shown
    assert kafka_metrics.lag_records(reading, pipeline)["sink", "orders"] == 7


def test_what_was_put_aside_is_no_lag_and_counts_as_dead_letters(pipeline: Pipeline) -> None:
    logs = {ORDERS: range(10), CUSTOMERS: range(7), ASIDE: range(3, 5)}
    kafka = broker(logs=logs, committed={SINK: {ORDERS: 8, CUSTOMERS: 7}}, copied={ORDERS})
    reading = read(kafka, pipeline, states(sink={TOPIC_KEY: "dlq"}))
    assert kafka_metrics.lag_records(reading, pipeline)["sink", "orders"] == 0
    assert kafka_metrics.lag_seconds(reading, pipeline)["sink", "orders"] == 0
    assert reading.dead_letters == {("sink", "dlq"): (2, 5)}
    assert read(kafka, pipeline).dead_letters == {}, "while nobody says where the sink puts them"


def test_of_several_source_connectors_the_one_that_captures_a_table_writes_it() -> None:
    connectors = [{"name": name, "kind": "source"} for name in ("a", "b")]
    pipeline = pipeline_of("customers", "orders", connectors=[*connectors, {"name": "sink", "kind": "sink"}])
    config = {"connector.class": DEBEZIUM, "database.names": "warehouse_source"}
    known = states(
        a={**config, "table.include.list": "dbo.orders"}, b={**config, "table.include.list": "dbo.customers"}
    )
    reading = read(broker(), pipeline)
    assert kafka_metrics.written(reading, pipeline, known) == {("b", "customers"): 7, ("a", "orders"): 20}
    assert kafka_metrics.written(reading, pipeline, None) == {}


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({}, {"sink": 7 * DAY - 90}),
        ({"t.orders": {"retention.ms": "86400000"}}, {"sink": DAY - 90}),
        ({"t.customers": {"retention.ms": "3600000"}}, {"sink": 3600.0}),
        ({"t.orders": {"retention.ms": "60000"}}, {"sink": 0.0}),
        ({"t.orders": {"retention.ms": "-1"}, "t.customers": {"cleanup.policy": "compact"}}, {}),
    ],
)
def test_headroom_is_the_least_that_time_bounds(
    pipeline: Pipeline, settings: dict[str, dict[str, str]], shown: dict[str, float]
) -> None:
    assert headroom(broker(settings=settings), pipeline) == shown


def test_headroom_is_nothing_once_records_are_lost_and_unknown_with_an_unknown_age(pipeline: Pipeline) -> None:
    lost = broker(logs={ORDERS: range(9, 10), CUSTOMERS: range(7)}, committed={SINK: {ORDERS: 8, CUSTOMERS: 7}})
    assert headroom(lost, pipeline) == {"sink": 0.0}
    unknown = broker(ages_seconds={ORDERS: None})
    assert headroom(unknown, pipeline) == {}
