from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cdcproof.core.errors import UnexpectedAnswerError, UnreachableError, UsageError
from cdcproof.onboarding.discovery import Asked, Discovery, discover
from cdcproof.onboarding.pipeline_file import text_of, write
from cdcproof.pipeline.model import PLACEHOLDER
from tests.canned import EXPANDED, connector, serving

SECRETS = ("sqlserver-secret", "sink-secret", "registry-secret")
SOURCE = {
    "name": "sqlserver-source-connector",
    "connector.class": "io.debezium.connector.sqlserver.SqlServerConnector",
    "database.hostname": "sqlserver.invalid",
    "database.port": "1",
    "database.user": "cdc",
    "database.password": SECRETS[0],
    "database.names": "warehouse_source",
    "topic.prefix": "w",
    "table.include.list": "dbo.customers,dbo.inventory,dbo.audit",
    "message.key.columns": "dbo.inventory:product_id,warehouse",
    "schema.history.internal.kafka.bootstrap.servers": "kafka.invalid:9092",
    "value.converter.schema.registry.url": f"http://me:{SECRETS[2]}@registry.invalid:8081",
}
SINK = {
    "name": "postgres-sink-connector",
    "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
    "connection.url": f"jdbc:postgresql://postgres-host.invalid:2/warehouse_target?password={SECRETS[1]}",
    "connection.username": "writer",
    "connection.password": SECRETS[1],
    "topics.regex": r"w\.warehouse_source\.dbo\.(customers|inventory)",
    "collection.name.format": "${source.table}",
}


@contextmanager
def running(*connectors: Any, **answers: Any) -> Iterator[str]:
    reported = {c["info"]["name"]: c for c in connectors}
    with serving(
        {"GET /": (200, {"version": "3.9.2", "kafka_cluster_id": "id-1"}), EXPANDED: (200, reported), **answers}
    ) as server:
        yield server.url


@pytest.fixture(autouse=True)
def no_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SQLSERVER_PASSWORD", "POSTGRES_PASSWORD", "POSTGRES_SOURCE_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def found(source: dict[str, str] | None = None, sink: dict[str, str] | None = None, **asked: Any) -> Discovery:
    with running(connector("source", source or SOURCE), connector("sink", sink or SINK)) as url:
        return discover(Asked(connect_url=url, **asked))


def notes(discovery: Discovery, section: str) -> str:
    return "\n".join(note.text for note in discovery.notes if note.section == section)


def test_a_sql_server_pipeline_is_found() -> None:
    pipeline = found(kafka="broker:9092").pipeline
    source, target = pipeline.source, pipeline.target
    assert pipeline.name == "warehouse_source"
    assert pipeline.environment == "live"
    assert (source.type, source.host, source.port, source.database) == (
        "sqlserver",
        "sqlserver.invalid",
        1,
        "warehouse_source",
    )
    assert (source.user, source.password_env, source.schema_name) == ("cdc", "SQLSERVER_PASSWORD", "dbo")
    assert (target.type, target.host, target.port, target.database) == (
        "postgresql",
        "postgres-host.invalid",
        2,
        "warehouse_target",
    )
    assert (target.user, target.password_env) == ("writer", "POSTGRES_PASSWORD")
    assert [(c.name, c.kind, c.tasks) for c in pipeline.connectors] == [
        ("postgres-sink-connector", "sink", 1),
        ("sqlserver-source-connector", "source", 1),
    ]
    assert [(t.name, t.source, t.target, t.topic) for t in pipeline.tables] == [
        ("customers", "dbo.customers", "public.customers", "w.warehouse_source.dbo.customers"),
        ("inventory", "dbo.inventory", "public.inventory", "w.warehouse_source.dbo.inventory"),
    ]
    assert [(s.name, s.role, s.endpoint) for s in pipeline.services][:3] == [
        ("sqlserver", "source", "tcp://sqlserver.invalid:1"),
        ("postgres", "target", "tcp://postgres-host.invalid:2"),
        ("kafka", "kafka", "tcp://broker:9092"),
    ]


def test_what_could_not_be_learned_is_said_and_marked() -> None:
    seen = found()
    assert seen.pipeline.kafka.bootstrap_servers == PLACEHOLDER
    assert "run init with --kafka" in notes(seen, "kafka")
    assert [t.key for t in seen.pipeline.tables] == [(PLACEHOLDER,), ("product_id", "warehouse")]
    assert "keys that could not be learned: of dbo.customers." in notes(seen, "tables")
    assert "SQLSERVER_PASSWORD" in notes(seen, "tables")
    assert "No JDBC sink reads w.warehouse_source.dbo.audit" in notes(seen, "tables")
    assert "sqlserver.invalid:1, as the connector names it, does not accept" in notes(seen, "source")
    assert "may only read is better" in notes(seen, "source")
    assert "ZooKeeper" in notes(seen, "services")


def test_no_secret_is_written_or_said(tmp_path: Path) -> None:
    seen = found()
    text = text_of(seen.pipeline, [(note.section, note.text) for note in seen.notes])
    assert write(text, tmp_path / "p.toml", overwrite=False) == seen.pipeline
    assert not [secret for secret in SECRETS if secret in text]
    assert seen.pipeline.registry
    assert seen.pipeline.registry.url == "http://registry.invalid:8081"
    assert "holds a user" in notes(seen, "registry")


def test_a_registry_that_is_not_reached_by_http_is_said_and_left_out() -> None:
    seen = found(source={**SOURCE, "value.converter.schema.registry.url": "mock://inside"})
    assert "mock://inside, as a converter names the registry, is no http address" in notes(seen, "registry")


def test_an_apicurio_registry_is_named() -> None:
    source = {key: value for key, value in SOURCE.items() if "registry" not in key}
    seen = found(source={**source, "value.converter.apicurio.registry.url": "http://r.invalid:8080/apis/registry/v2"})
    assert "A converter names an Apicurio registry, http://r.invalid:8080/apis/registry/v2" in notes(seen, "registry")
    assert "No converter names a schema registry" in notes(found(source=source), "registry")


def test_what_the_operator_says_is_taken() -> None:
    pipeline = found(
        name="mine",
        kafka="k:1",
        registry_url="http://r.invalid/apis",
        reconciliation_reports="/data/reports",
        reconciliation_metrics_url="http://m:1/metrics",
        connect_metrics_url="http://m:2/metrics",
    ).pipeline
    assert pipeline.name == "mine"
    assert pipeline.kafka.bootstrap_servers == "k:1"
    assert pipeline.registry
    assert pipeline.registry.url == "http://r.invalid/apis"
    assert pipeline.paths.reconciliation_reports == Path("/data/reports")
    assert pipeline.exporters.reconciliation_url == "http://m:1/metrics"
    assert pipeline.exporters.connect_url == "http://m:2/metrics"


def test_a_host_that_only_connect_knows_is_replaced_by_one_that_accepts_from_here() -> None:
    with socket.create_server(("127.0.0.1", 0)) as database:
        port = database.getsockname()[1]
        seen = found({**SOURCE, "database.port": str(port)}, kafka="k:1")
    assert seen.pipeline.source.host == "127.0.0.1"
    assert f"but 127.0.0.1:{port} does, and is used" in notes(seen, "source")
    assert seen.pipeline.services[0].endpoint == f"tcp://127.0.0.1:{port}"


def test_two_hosts_are_not_both_replaced_by_the_same_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as database:
        port = str(database.getsockname()[1])
        sink = {**SINK, "connection.url": f"jdbc:postgresql://postgres-host.invalid:{port}/other"}
        seen = found({**SOURCE, "database.port": port}, sink, kafka="k:1")
    assert (seen.pipeline.source.host, seen.pipeline.target.host) == ("sqlserver.invalid", "postgres-host.invalid")
    assert "cannot both be" in notes(seen, "target")


def test_two_postgresql_databases_have_two_variables_and_two_services() -> None:
    source = {
        **SOURCE,
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.dbname": "warehouse_source",
        "publication.name": "pub",
        "slot.name": "slot",
    }
    del source["database.names"]
    sink = {**SINK, "topics.regex": "w.*"}
    pipeline = found(source, sink, kafka="k:1").pipeline
    assert (pipeline.source.password_env, pipeline.target.password_env) == (
        "POSTGRES_SOURCE_PASSWORD",
        "POSTGRES_PASSWORD",
    )
    assert (pipeline.source.publication, pipeline.source.slot) == ("pub", "slot")
    assert [s.name for s in pipeline.services][:2] == ["postgres-source", "postgres"]


def test_tables_come_from_the_topics_when_the_list_is_an_expression_and_the_source_is_closed() -> None:
    topics = ["w", "w.warehouse_source.dbo.customers", "w.warehouse_source.dbo.inventory"]
    name = SOURCE["name"]
    with running(
        connector("source", {**SOURCE, "table.include.list": "dbo.*"}),
        connector("sink", SINK),
        **{f"GET /connectors/{name}/topics": (200, {name: {"topics": topics}})},
    ) as url:
        seen = discover(Asked(connect_url=url, kafka="k:1"))
    assert [t.source for t in seen.pipeline.tables] == ["dbo.customers", "dbo.inventory"]
    assert "had a topic when this file was written" in notes(seen, "tables")


def test_no_table_at_all_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnexpectedAnswerError, match="No table could be found") as raised:
        found(sink={**SINK, "topics.regex": "other"})
    assert "Compare the topics of sqlserver-source-connector" in raised.value.remedy
    with pytest.raises(UnexpectedAnswerError, match="No table could be found") as raised:
        found({**SOURCE, "table.include.list": ""})
    assert "SQLSERVER_PASSWORD" in raised.value.remedy
    monkeypatch.setenv("SQLSERVER_PASSWORD", "x")  # it is set, and the server's name is not known
    with pytest.raises(UnexpectedAnswerError, match="No table could be found") as raised:
        found({**SOURCE, "table.include.list": ""})
    assert "this machine knows no address of sqlserver.invalid" in raised.value.remedy
    assert "SQLSERVER_PASSWORD" not in raised.value.remedy


def test_connectors_that_do_not_run_and_other_targets_are_said() -> None:
    other = {**SINK, "name": "other-sink", "connection.url": "jdbc:postgresql://elsewhere.invalid/x"}
    with running(
        connector("source", SOURCE, tasks=()),
        connector("sink", SINK, tasks=("RUNNING", "FAILED")),
        connector("sink", other),
    ) as url:
        seen = discover(Asked(connect_url=url, kafka="k:1"))
    assert [(c.name, c.tasks) for c in seen.pipeline.connectors] == [
        ("other-sink", 1),
        ("postgres-sink-connector", 2),
        ("sqlserver-source-connector", 1),
    ]
    assert "sqlserver-source-connector does not run now (RUNNING)" in notes(seen, "connectors")
    assert "task 1 FAILED" in notes(seen, "connectors")
    assert "writes to another database" in notes(seen, "target")


def test_a_sink_with_a_consumer_group_of_its_own_is_written_with_it() -> None:
    pipeline = found(sink={**SINK, "consumer.override.group.id": "mine"}).pipeline
    assert [c.group for c in pipeline.connectors] == ["mine", None]
    assert [sink.consumer_group for sink in pipeline.sinks] == ["mine"]
    assert [sink.consumer_group for sink in found().pipeline.sinks] == ["connect-postgres-sink-connector"]


@pytest.mark.parametrize("connectors", [[], [connector("sink", SINK)], [connector("source", SOURCE)]])
def test_a_connect_without_a_pipeline_is_told_apart(connectors: list[Any]) -> None:
    with running(*connectors) as url, pytest.raises(UnexpectedAnswerError, match="it has: ") as raised:
        discover(Asked(connect_url=url))
    assert "docs/PIPELINE.md" in raised.value.remedy


def test_a_closed_connect_is_unreachable() -> None:
    with pytest.raises(UnreachableError, match="Kafka Connect at"):
        discover(Asked(connect_url="http://127.0.0.1:1"))


def test_a_password_in_the_address_is_refused() -> None:
    with pytest.raises(UsageError, match="--connect-url must hold no user") as raised:
        discover(Asked(connect_url="http://me:secret@h:8083"))
    assert "secret" not in str(raised.value)
