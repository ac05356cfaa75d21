from __future__ import annotations

import pytest

from cdcproof.databases.base import TableName
from cdcproof.operations.connector_config import (
    DEBEZIUM_SINK,
    Address,
    captures,
    consumer_group,
    literal_tables,
    message_key,
    reads,
    routed,
    sink_address,
    source_address,
    table_of,
    target_of,
    topic_of,
)

SQLSERVER = {
    "connector.class": "io.debezium.connector.sqlserver.SqlServerConnector",
    "database.hostname": "sqlserver",
    "database.port": "1433",
    "database.user": "cdc",
    "database.password": "secret",
    "database.names": "warehouse",
    "topic.prefix": "w",
}
POSTGRES = {
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    "database.hostname": "pg",
    "database.user": "cdc",
    "database.dbname": "warehouse",
    "topic.prefix": "w",
}
ORDERS = TableName("dbo", "Orders")
ROUTER = {
    "transforms": "unwrap,route",
    "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
    "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
    "transforms.route.regex": r"([^.]+)\.([^.]+)\.([^.]+)",
    "transforms.route.replacement": "$3",
}


def test_the_source_of_sql_server() -> None:
    assert source_address(SQLSERVER) == Address("sqlserver", "sqlserver", 1433, "warehouse", "cdc", "dbo")
    lax = {**SQLSERVER, "database.encrypt": "false", "database.trustServerCertificate": "true"}
    address = source_address(lax)
    assert address
    assert (address.encrypt, address.trust_server_certificate) == (False, True)


def test_the_source_of_postgresql_has_debeziums_defaults() -> None:
    assert source_address(POSTGRES) == Address(
        "postgresql", "pg", 5432, "warehouse", "cdc", "public", publication="dbz_publication", slot="debezium"
    )


def test_another_class_is_no_source_and_a_reference_is_not_known() -> None:
    assert source_address({"connector.class": "org.apache.kafka.connect.mirror.MirrorSourceConnector"}) is None
    address = source_address({**POSTGRES, "database.user": "${file:/secrets:user}"})
    assert address
    assert address.user is None


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("jdbc:postgresql://pg:5433/wh?currentSchema=app,public&user=a&password=b", ("pg", 5433, "wh", "a", "app")),
        ("jdbc:postgresql://pg/wh", ("pg", 5432, "wh", None, "public")),
        ("jdbc:postgresql://u:p@pg,pg2:5433/wh", ("pg", 5432, "wh", None, "public")),
        ("jdbc:sqlserver://ms:1444;databaseName=wh;user=a;password=b", ("ms", 1444, "wh", "a", "dbo")),
        ("jdbc:sqlserver://ms\\inst:1444;database=wh", ("ms", 1444, "wh", None, "dbo")),
        ("jdbc:sqlserver://;serverName=ms;portNumber=1445;databaseName=wh", ("ms", 1445, "wh", None, "dbo")),
    ],
)
def test_the_targets_address_is_read_from_jdbc(url: str, address: tuple[object, ...]) -> None:
    found = sink_address({"connector.class": DEBEZIUM_SINK, "connection.url": url})
    assert found
    assert (found.host, found.port, found.database, found.user, found.schema) == address


@pytest.mark.parametrize(
    "config",
    [
        {"connector.class": DEBEZIUM_SINK, "connection.url": "jdbc:mysql://h/d"},
        {"connector.class": DEBEZIUM_SINK, "connection.url": "${file:/secrets:url}"},
        {"connector.class": "com.example.Other", "connection.url": "jdbc:postgresql://h/d"},
    ],
)
def test_another_sink_has_no_address(config: dict[str, str]) -> None:
    assert sink_address(config) is None


def test_both_makers_keys_for_the_user_are_known() -> None:
    url = {"connection.url": "jdbc:postgresql://h/d"}
    debezium = sink_address({"connector.class": DEBEZIUM_SINK, "connection.username": "a", **url})
    confluent = sink_address(
        {"connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector", "connection.user": "b", **url}
    )
    assert debezium
    assert confluent
    assert (debezium.user, confluent.user) == ("a", "b")


def test_topics_are_named_as_debezium_names_them() -> None:
    assert topic_of(SQLSERVER, "warehouse", ORDERS) == "w.warehouse.dbo.Orders"
    assert topic_of(POSTGRES, "warehouse", TableName("public", "orders")) == "w.public.orders"
    old = {"database.server.name": "s", "database.dbname": "warehouse"}
    assert topic_of(old, "warehouse", ORDERS) == "s.dbo.Orders"


def test_topics_go_through_the_routing_transforms() -> None:
    assert topic_of({**POSTGRES, **ROUTER}, "warehouse", TableName("public", "orders")) == "orders"
    assert routed(ROUTER, "too.short") == "too.short"
    braces = {**ROUTER, "transforms.route.replacement": "all_${2}_${3}"}
    assert routed(braces, "w.public.orders") == "all_public_orders"


def test_a_table_is_read_from_its_topic() -> None:
    assert table_of(POSTGRES, "w.public.orders") == TableName("public", "orders")
    assert table_of(SQLSERVER, "w.warehouse.dbo.Orders") == ORDERS
    for topic in ("w", "w.transaction", "__debezium-heartbeat.w", "other.public.orders", "w.a.b.c"):
        assert table_of(POSTGRES, topic) is None
    assert table_of({**POSTGRES, **ROUTER}, "w.public.orders") is None


@pytest.mark.parametrize(
    ("listed", "tables"),
    [
        ("dbo.a, dbo.b", (TableName("dbo", "a"), TableName("dbo", "b"))),
        (r"dbo\.a", (TableName("dbo", "a"),)),
        ("warehouse.dbo.a", (TableName("dbo", "a"),)),
        ("dbo.a,dbo.signals", (TableName("dbo", "a"),)),
        ("dbo.(a|b)", None),
        ("dbo.*", None),
        ("", None),
    ],
)
def test_an_include_list_of_plain_names_is_taken_as_it_is(listed: str, tables: object) -> None:
    config = {"table.include.list": listed, "signal.data.collection": "warehouse.dbo.signals"}
    assert literal_tables(config) == tables


@pytest.mark.parametrize(
    ("config", "is_captured"),
    [
        ({}, True),
        ({"table.include.list": "dbo.o.*"}, True),
        ({"table.include.list": "dbo.ord"}, False),
        ({"table.include.list": "warehouse.dbo.orders"}, True),
        ({"table.exclude.list": "dbo.Orders"}, False),
        ({"schema.include.list": "sales"}, False),
        ({"schema.exclude.list": "d.o"}, False),
        ({"table.include.list": "dbo.(orders"}, False),
        ({"signal.data.collection": "dbo.Orders"}, False),
    ],
)
def test_lists_match_the_whole_name_whatever_its_case(config: dict[str, str], is_captured: bool) -> None:
    assert captures(config, "warehouse", ORDERS) is is_captured


def test_a_message_key_names_columns_by_table() -> None:
    config = {"message.key.columns": "dbo.inventory:product_id,warehouse;(.*).orders:order_id"}
    assert message_key(config, TableName("dbo", "inventory")) == ("product_id", "warehouse")
    assert message_key(config, ORDERS) == ("order_id",)
    assert message_key(config, TableName("dbo", "other")) == ()
    assert message_key({}, ORDERS) == ()


def test_a_sink_reads_by_list_or_by_expression() -> None:
    assert reads({"topics": "a, b"}, "b")
    assert not reads({"topics": "ab"}, "b")
    assert reads({"topics.regex": r"w\..*"}, "w.public.orders")
    assert not reads({"topics.regex": r"w\."}, "w.public.orders")


CONFLUENT = {"connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector"}
DEBEZIUM = {"connector.class": DEBEZIUM_SINK}


@pytest.mark.parametrize(
    ("config", "target"),
    [
        ({**DEBEZIUM, "collection.name.format": "${source.table}"}, "public.orders"),
        ({**DEBEZIUM, "collection.name.format": "${source.table}", "quote.identifiers": "true"}, "public.Orders"),
        ({**DEBEZIUM, "table.name.format": "app.${source.schema}_${source.table}"}, "app.dbo_orders"),
        (DEBEZIUM, "public.w_warehouse_dbo_orders"),
        ({**DEBEZIUM, **ROUTER, "transforms.route.regex": r".*\.(\w+)", "transforms.route.replacement": "$1"}, "public.orders"),
        ({**CONFLUENT, "table.name.format": "app.${topic}"}, "dbo.Orders"),
        (CONFLUENT, "dbo.Orders"),
    ],
)  # fmt: skip
def test_the_target_table_is_named_as_the_sink_names_it(config: dict[str, str], target: str) -> None:
    found = target_of(
        config, "w.warehouse.dbo.Orders", ORDERS, "warehouse", engine="postgresql", default_schema="public"
    )
    assert str(found) == target


def test_a_sink_consumes_with_a_group_of_its_name_unless_it_names_another() -> None:
    assert consumer_group("c", {}) == "connect-c"
    assert consumer_group("c", {"consumer.override.group.id": "mine"}) == "mine"
