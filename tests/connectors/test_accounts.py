from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from cdcproof.clients.connect.client import Connect, Connector, ConnectorStates
from cdcproof.connectors.settings.accounts import (
    Account,
    accounts,
    left_out,
    password_of,
    running,
    understood,
    wanted,
)
from cdcproof.core.errors import ConfigError, CouldNotLookError
from cdcproof.databases.contracts.deployment import Needs
from cdcproof.databases.names import TableName
from cdcproof.pipeline.model import HttpService, Pipeline
from tests.canned import EXPANDED, connector, serving
from tests.pipelines import pipeline_of

SOURCE = {
    "connector.class": "io.debezium.connector.sqlserver.SqlServerConnector",
    "database.hostname": "as-the-worker-sees-it",
    "database.names": "warehouse_source",
    "database.user": "cdc",
    "database.password": "accounts-source-pw",
    "topic.prefix": "t",
    "table.include.list": "dbo.orders",
}
SINK = {
    "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
    "connection.url": "jdbc:postgresql://as-the-worker-sees-it:5432/warehouse_target",
    "connection.username": "sink",
    "connection.password": "${file:/nowhere:key}",
    "topics": "t.customers",
    "insert.mode": "upsert",
}


def one(config: dict[str, str], pipeline: Pipeline | None = None) -> Account:
    [account] = accounts({"c": config}, pipeline or pipeline_of("orders", "customers"))
    return account


def test_an_account_is_the_connectors_own_at_the_pipelines_address() -> None:
    source, sink = one(SOURCE), one(SINK)
    assert (source.side, source.user, source.database.host) == ("source", "cdc", "h")
    assert (sink.side, sink.user, sink.database.database) == ("target", "sink", "warehouse_target")
    assert source.password
    assert source.password.reveal() == "accounts-source-pw"
    assert sink.password is None
    assert [table.name for table in (*source.tables, *sink.tables)] == ["orders", "customers"]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({**SINK, "connection.url": "jdbc:oracle:x"}, "does not say which account"),
        ({**SOURCE, "database.user": "${file:/s:user}"}, "does not say which account"),
        ({"connector.class": "x.Other"}, "does not say which account"),
    ],
)
def test_an_account_that_cannot_be_told_is_not_looked_at(config: dict[str, str], words: str) -> None:
    with pytest.raises(CouldNotLookError, match=words):
        one(config)


OTHERS = {
    "other-source": {**SOURCE, "database.names": "other"},
    "other-sink": {**SINK, "connection.url": "jdbc:postgresql://h/other"},
    "search": {"connector.class": "x.ElasticsearchSink"},
}


def test_connectors_of_other_databases_and_kinds_are_left_out_and_named() -> None:
    pipeline = pipeline_of("orders", connect={"url": "http://c", "other_connectors": ["erp-*"]})
    found = left_out({"source": SOURCE, "sink": SINK, "erp-sink": SINK, **OTHERS}, pipeline)
    assert found.keys() == {"erp-sink", *OTHERS}
    assert "other-source uses sqlserver database other" in found["other-source"]
    assert "other-sink uses postgresql database other" in found["other-sink"]
    assert found["erp-sink"] == "erp-sink is another pipeline's, by connect.other_connectors."


def test_a_connector_of_the_pipeline_file_is_never_left_out_for_being_unreadable() -> None:
    unreadable = {"source": {**SOURCE, "database.user": "${file:/s:user}"}, "sink": SINK}
    assert left_out(unreadable, pipeline_of("orders")) == {}


def test_nothing_of_this_pipeline_is_nothing_to_look_at() -> None:
    with pytest.raises(CouldNotLookError, match=r"No connector is of this pipeline's databases.*database other"):
        left_out(OTHERS, pipeline_of("orders"))


def test_a_password_is_taken_from_where_it_refers_to_when_that_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secrets.properties"
    file.write_text("# comment\nkey=accounts-in-file=1\n")
    monkeypatch.setenv("ACCOUNTS_PW", "accounts-in-env")
    found = {
        value: (secret.reveal() if secret else None)
        for value in ("${env:ACCOUNTS_PW}", "${env:ACCOUNTS_NONE}", f"${{file:{file}:key}}", f"${{file:{file}:other}}",
                      "${file:/nowhere:key}", "${vault:x:y}", "", "plain-accounts-pw")
        for secret in [password_of(value)]
    }  # fmt: skip
    assert list(found.values()) == [
        "accounts-in-env",
        None,
        "accounts-in-file=1",
        None,
        None,
        None,
        None,
        "plain-accounts-pw",
    ]


def test_a_source_reads_its_tables_and_the_log() -> None:
    assert one(SOURCE).needs() == Needs(read=(TableName("dbo", "orders"),), reads_log=True)


CUSTOMERS = TableName("public", "customers")


@pytest.mark.parametrize(
    ("settings", "privileges"),
    [
        ({}, ("INSERT", "UPDATE")),
        ({"insert.mode": "insert"}, ("INSERT",)),
        ({"insert.mode": "UPDATE"}, ("UPDATE",)),
        ({"delete.enabled": "true", "truncate.enabled": "true"}, ("INSERT", "UPDATE", "DELETE", "TRUNCATE")),
    ],
)
def test_a_sink_does_what_its_settings_say(settings: dict[str, str], privileges: tuple[str, ...]) -> None:
    needs = one({**SINK, **settings}).needs({CUSTOMERS})
    assert (needs.read, needs.write, needs.privileges, needs.create_in) == ((CUSTOMERS,), (CUSTOMERS,), privileges, ())


def test_a_sink_makes_tables_only_where_one_is_absent_and_it_may() -> None:
    assert one(SINK).needs() == Needs((), (), ("INSERT", "UPDATE"), ())
    for settings in ({"schema.evolution": "basic"}, {"auto.create": "true"}):
        assert one({**SINK, **settings}).needs().create_in == ("public",)
        assert one({**SINK, **settings}).needs({CUSTOMERS}).create_in == ()


def look(pipeline: Pipeline, reported: dict[str, Any]) -> Any:
    with serving({EXPANDED: (200, reported)}) as server:
        return wanted(Connect(HttpService(url=server.url)), pipeline)


def test_the_files_are_looked_at_where_there_is_a_directory_else_what_runs(tmp_path: Path) -> None:
    running = {"c": connector("source", {"name": "c", "database.password": "runs-accounts-pw"})}
    assert look(pipeline_of("orders"), running) == {"c": {"database.password": "runs-accounts-pw"}}

    file = {"connector.class": "x", "database.password": "[redacted]"}
    (tmp_path / "c.json").write_text(json.dumps({"name": "c", "config": file}))
    pipeline = pipeline_of("orders", paths={"connectors": str(tmp_path)})
    assert look(pipeline, running) == {"c": {"connector.class": "x", "database.password": "runs-accounts-pw"}}
    with pytest.raises(ConfigError):
        look(pipeline, {})


def test_no_connector_at_all_is_nothing_to_look_at() -> None:
    with pytest.raises(CouldNotLookError, match="no connector to look at"):
        look(pipeline_of("orders"), {})


def test_of_the_pipelines_own_connectors_those_that_are_understood_are_looked_at_and_the_others_named() -> None:
    class Worker:
        def states(self) -> ConnectorStates:
            reported = {"source": SOURCE, "sink": {**SINK, "connection.username": "${vault:a:b}"}, "neighbour": SINK}
            return ConnectorStates(
                tuple(Connector(n, "sink", "RUNNING", "", (), {**c, "name": n}) for n, c in reported.items())
            )

    pipeline = pipeline_of("orders", "customers")
    configs = running(cast(Connect, Worker()), pipeline)
    assert configs == {"source": SOURCE, "sink": {**SINK, "connection.username": "${vault:a:b}"}}
    found, why = understood(configs, pipeline)
    assert [account.connector for account in found] == ["source"]
    assert "sink does not say which account" in why["sink"]


BEATING = {"freshness": {"source": "dbo.beat", "target": "public.beat"}}
BEAT = (TableName("dbo", "beat"),)
MERGED = "MERGE dbo.beat AS b USING (SELECT 1) AS one (id) ON b.id = one.id WHEN MATCHED THEN UPDATE SET at = 1 WHEN NOT MATCHED THEN INSERT (at) VALUES (1);"


@pytest.mark.parametrize(
    ("query", "privileges"),
    [
        (None, ()),
        ("EXEC dbo.write_it", ()),
        ("INSERT INTO dbo.other VALUES (1)", ()),
        ("update dbo.beat set at = 1", ("UPDATE",)),
        ("INSERT INTO dbo.beat (inserted, updated) VALUES (1, 2)", ("INSERT",)),
        (MERGED, ("INSERT", "UPDATE")),
    ],
)
def test_a_source_needs_to_read_the_heartbeat_that_it_captures_and_to_write_it_as_its_query_does(
    query: str | None, privileges: tuple[str, ...]
) -> None:
    config = {**SOURCE, "table.include.list": "dbo.orders,dbo.beat"}
    config |= {"heartbeat.action.query": query} if query else {}
    assert one(config, pipeline_of("orders", **BEATING)).heartbeat_needs() == Needs(BEAT, BEAT, privileges)


def test_a_heartbeat_that_a_source_does_not_capture_needs_nothing() -> None:
    assert one(SOURCE, pipeline_of("orders", **BEATING)).heartbeat_needs() is None
    assert one({**SOURCE, "table.include.list": "dbo.orders,dbo.beat"}).heartbeat_needs() is None


def test_a_sink_writes_the_heartbeat_as_it_writes_tables() -> None:
    pipeline = pipeline_of("orders", **BEATING)
    [table] = pipeline.tables
    topics = {"t.dbo.orders": "t.dbo.beat", "wh.warehouse_source.dbo.orders": "wh.warehouse_source.dbo.beat"}
    for topic, beat in topics.items():
        renamed = pipeline.model_copy(update={"tables": (table.model_copy(update={"topic": topic}),)})
        account = one({**SINK, "topics": f"{topic},{beat}", "delete.enabled": "true"}, renamed)
        there = (TableName("public", "beat"),)
        assert account.heartbeat_needs() == Needs(there, there, ("INSERT", "UPDATE", "DELETE"))
        assert one({**SINK, "topics": topic}, renamed).heartbeat_needs() is None
    of_another_name = pipeline.model_copy(update={"tables": (table.model_copy(update={"topic": "orders"}),)})
    assert one({**SINK, "topics": "orders,beat"}, of_another_name).heartbeat_needs() is None
