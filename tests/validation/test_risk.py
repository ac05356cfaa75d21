from __future__ import annotations

import pytest

from cdcproof.findings import ABSENT
from cdcproof.validation.baseline.comparison import Change
from cdcproof.validation.change.risk import Risk, classify, of_downtime

EVOLVES = {"connectors/sink/schema.evolution": "basic"}


def judged(*changes: tuple[str, str, str], wanted: dict[str, str] | None = None):
    return classify([Change(*change) for change in changes], EVOLVES if wanted is None else wanted, 0).judged


@pytest.mark.parametrize(
    ("subject", "before", "after", "risk"),
    [
        # the runbook's low
        ("connectors/source/table.include.list", "dbo.a", "dbo.a,dbo.b", Risk.LOW),
        ("connectors/sink/topics", "w.a", "w.b, w.a", Risk.LOW),
        ("connectors/sink/tasks.max", "1", "4", Risk.LOW),
        ("connectors/sink/batch.size", "2000", "5000", Risk.LOW),
        ("connectors/source/poll.interval.ms", "50", "100", Risk.LOW),
        ("connectors/sink/consumer.override.max.poll.records", "4000", ABSENT, Risk.LOW),
        ("connectors/source/errors.log.enable", ABSENT, "true", Risk.LOW),
        # medium
        ("connectors/sink/insert.mode", "upsert", "insert", Risk.MEDIUM),
        ("connectors/sink/delete.enabled", "true", "false", Risk.MEDIUM),
        ("connectors/source/table.include.list", "dbo.a,dbo.b", "dbo.a", Risk.MEDIUM),
        ("connectors/sink/connection.password", "[redacted] (fingerprint a)", "[redacted] (fingerprint b)", Risk.MEDIUM),
        ("connectors/new/connector.class", ABSENT, "io.debezium.X", Risk.MEDIUM),
        ("schema/source/customers/nickname", ABSENT, "text", Risk.MEDIUM),
        ("deployment/kafka-connect/memory", "no limit", "1073741824", Risk.MEDIUM),
        ("deployment/kafka-connect/image", "debezium/connect:3.4.0.Final", "debezium/connect:3.4.1.Final", Risk.MEDIUM),
        ("deployment/kafka-connect/image id", "sha256:a", "sha256:b", Risk.MEDIUM),
        ("deployment/kafka-connect/environment/OFFSET_FLUSH_INTERVAL_MS", "1000", "60000", Risk.MEDIUM),
        ("versions/connect", "3.9.1", "3.9.2", Risk.MEDIUM),
        # high
        ("deployment/kafka-connect/image", "debezium/connect:2.7.0.Final", "debezium/connect:3.4.0.Final", Risk.HIGH),
        ("deployment/kafka-connect/image", "debezium/connect:3.4", "confluentinc/cp-kafka-connect:7.9", Risk.HIGH),
        ("deployment/postgres/image", "postgres:17.6-bookworm", "postgres:18.0-bookworm", Risk.HIGH),
        ("deployment/postgres/image", "postgres:17", "postgres:latest", Risk.HIGH),
        ("deployment/kafka/ports", "9092 at 127.0.0.1:9092", "9092 at 0.0.0.0:9092", Risk.HIGH),
        ("deployment/kafka/networks", "default", "default, other", Risk.HIGH),
        ("deployment/kafka/environment/KAFKA_ADVERTISED_LISTENERS", "a", "b", Risk.HIGH),
        ("connectors/source/database.hostname", "sqlserver", "sqlserver-2", Risk.HIGH),
        ("connectors/sink/connection.url", "jdbc:postgresql://a/x", "jdbc:postgresql://b/x", Risk.HIGH),
        ("connectors/source/schema.history.internal.kafka.bootstrap.servers", "a:9092", "b:9092", Risk.HIGH),
        ("connectors/source/topic.prefix", "warehouse", "store", Risk.HIGH),
        ("connectors/sink/connector.class", "io.debezium.X", "io.confluent.Y", Risk.HIGH),
        ("connectors/sink/connector.class", "io.debezium.X", ABSENT, Risk.HIGH),
        ("schema/source/customers/name", "text", "varchar(10)", Risk.HIGH),
        ("schema/source/customers/name", "text", ABSENT, Risk.HIGH),
        ("schema/source/customers/(key)", "id", "id, region", Risk.HIGH),
        ("versions/target", "PostgreSQL 17.6", "PostgreSQL 18.1", Risk.HIGH),
        ("versions/source", "Microsoft SQL Server 15.0.4 Developer", "Microsoft SQL Server 16.0.1 Developer", Risk.HIGH),
    ],
)  # fmt: skip
def test_each_change_falls_into_the_runbooks_category(subject: str, before: str, after: str, risk: Risk) -> None:
    (one,) = judged((subject, before, after))

    assert (one.risk, bool(one.category)) == (risk, True)


def test_a_column_is_a_high_risk_where_the_sink_does_not_follow() -> None:
    (one,) = judged(("schema/source/customers/nickname", ABSENT, "text"), wanted={})

    assert one.risk is Risk.HIGH


def test_a_new_connector_or_table_is_one_change() -> None:
    found = judged(
        ("connectors/new/connector.class", ABSENT, "X"),
        ("connectors/new/database.hostname", ABSENT, "h"),
        ("schema/target/extra/(key)", ABSENT, "id"),
        ("schema/target/extra/id", ABSENT, "bigint"),
    )

    assert [(one.change.subject, one.risk) for one in found] == [
        ("connectors/new", Risk.MEDIUM),
        ("schema/target/extra", Risk.LOW),
    ]


def test_rows_are_no_change() -> None:
    assert judged(("rows/source/customers", "1", "2")) == ()


def test_the_highest_part_and_the_downtime_make_the_class() -> None:
    low = Change("connectors/sink/tasks.max", "1", "2")
    medium = Change("connectors/sink/insert.mode", "upsert", "insert")

    assert classify([], {}, 0).risk is Risk.LOW
    assert classify([low], {}, 4).risk is Risk.LOW
    assert classify([low, medium], {}, 0).risk is Risk.MEDIUM
    assert classify([low], {}, 45).risk is Risk.HIGH
    assert [one.risk for one in classify([low, medium], {}, 0).judged] == [Risk.MEDIUM, Risk.LOW]


@pytest.mark.parametrize(
    ("minutes", "risk"),
    [(0, Risk.LOW), (4.9, Risk.LOW), (5, Risk.MEDIUM), (30, Risk.MEDIUM), (30.1, Risk.HIGH), (600, Risk.HIGH)],
)
def test_the_runbooks_downtimes(minutes: float, risk: Risk) -> None:
    assert of_downtime(minutes) is risk
