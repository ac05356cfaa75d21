from __future__ import annotations

import pytest

from cdcproof.clients.connect.transforms import Route
from cdcproof.connectors.settings.config import (
    DEBEZIUM_SINK,
    captures,
    consumer_group,
    literal_tables,
    message_key,
    reads,
    sink_address,
    source_address,
    subscribes,
    table_of,
    target_of,
    topic_of,
    unreadable,
    written_key,
)
from cdcproof.connectors.settings.jdbc_url import Address
from cdcproof.databases.names import TableName

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


def test_a_port_that_is_not_in_clear_is_the_usual_one_and_said() -> None:
    address = source_address({**SQLSERVER, "database.port": "${env:PORT}"})
    assert address
    assert address.port == 1433
    assert address.doubts == (
        "database.port is not in clear: write the port here; 1433 stands here because it is the usual one.",
    )


@pytest.mark.parametrize(
    ("config", "table", "topic"),
    [
        (SQLSERVER, ORDERS, "w.warehouse.dbo.Orders"),
        (SQLSERVER, TableName("dbo", "Order Details"), "w.warehouse.dbo.Order_Details"),
        (POSTGRES, TableName("public", "orders"), "w.public.orders"),
        (POSTGRES, TableName("public", "acme$item"), "w.public.acme_item"),
        ({**POSTGRES, "topic.delimiter": "-"}, TableName("public", "orders"), "w-public-orders"),
        ({"database.server.name": "s", "database.dbname": "warehouse"}, ORDERS, "s.dbo.Orders"),
        ({**POSTGRES, **ROUTER}, TableName("public", "orders"), "orders"),
    ],
)
def test_topics_are_named_as_debezium_names_them(config: dict[str, str], table: TableName, topic: str) -> None:
    assert topic_of(config, "warehouse", table) == Route(topic)


def test_a_topic_is_not_guessed_from_what_is_not_understood() -> None:
    hidden = topic_of({**SQLSERVER, "topic.prefix": "${env:PREFIX}"}, "warehouse", ORDERS)
    assert hidden == Route(None, ("topic.prefix is not in clear.",))
    strategy = topic_of({**POSTGRES, "topic.naming.strategy": "com.acme.Topics"}, None, TableName("public", "orders"))
    assert strategy == Route("w.public.orders", ("topic.naming.strategy (com.acme.Topics) is not understood.",))


def test_a_table_is_read_from_its_topic() -> None:
    assert table_of(POSTGRES, "w.public.orders") == (None, TableName("public", "orders"))
    assert table_of(SQLSERVER, "w.warehouse.dbo.Orders") == ("warehouse", ORDERS)
    for topic in ("w", "w.transaction", "__debezium-heartbeat.w", "other.public.orders", "w.a.b.c"):
        assert table_of(POSTGRES, topic) is None
    assert table_of({**POSTGRES, **ROUTER}, "w.public.orders") is None


def test_a_table_is_read_from_the_end_of_its_topic_where_the_prefix_is_not_in_clear() -> None:
    config = {**SQLSERVER, "topic.prefix": "${env:PREFIX}"}
    assert table_of(config, "prod.eu.warehouse.dbo.Orders") == ("warehouse", ORDERS)
    assert table_of(config, "prod") is None


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


def test_a_sink_whose_topics_cannot_be_read_is_not_said_to_read_none() -> None:
    assert subscribes({"topics.regex": r"w\.\p{Alpha}+"}, "w.orders") is True
    assert subscribes({"topics.regex": r"w\.[a-z&&[^x]]+"}, "w.orders") is None
    assert subscribes({"topics": "${env:TOPICS}"}, "w.orders") is None
    assert unreadable({"topics.regex": "w.[a-z&&[^x]]+", "table.include.list": "dbo.(orders"}) == (
        "table.include.list: the expression 'dbo.(orders' cannot be read here (missing ), unterminated subpattern at position 4).",
        "topics.regex: the expression 'w.[a-z&&[^x]]+' joins classes in a way that is not read here.",
    )


def test_the_key_that_a_sink_names_is_known_where_it_is_of_columns() -> None:
    assert written_key({"pk.mode": "record_value", "pk.fields": "id, line"}) == ("id", "line")
    assert written_key({"primary.key.mode": "record_key", "primary.key.fields": "id"}) == ("id",)
    assert written_key({"pk.mode": "kafka", "pk.fields": "topic,partition,offset"}) == ()
    assert written_key({"pk.mode": "record_key"}) == ()


CONFLUENT = {"connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector"}
DEBEZIUM = {"connector.class": DEBEZIUM_SINK}


@pytest.mark.parametrize(
    ("config", "target", "doubts"),
    [
        ({**DEBEZIUM, "collection.name.format": "${source.table}"}, "public.orders", ()),
        ({**DEBEZIUM, "collection.name.format": "${source.table}", "quote.identifiers": "true"}, "public.Orders", ()),
        ({**DEBEZIUM, "table.name.format": "app.${source.schema}_${source.table}"}, "app.dbo_orders", ()),
        (DEBEZIUM, "public.w_warehouse_dbo_orders", ()),
        ({**DEBEZIUM, **ROUTER, "transforms.route.regex": r".*\.(\w+)", "transforms.route.replacement": "$1"}, "public.orders", ()),
        ({**CONFLUENT, **ROUTER, "transforms.route.regex": r".*\.(\w+)", "transforms.route.replacement": "$1",
          "table.name.format": "app.${topic}"}, "app.Orders", ()),
        (CONFLUENT, "dbo.Orders", ("w.warehouse.dbo.Orders has too many parts for a table's name.",)),
        ({**CONFLUENT, "table.name.format": "${topic}_${when}"}, "None",
         ("The format of the tables' names, w.warehouse.dbo.Orders_${when}, has a variable that is not understood.",)),
        ({**DEBEZIUM, "collection.name.format": "${source.table}", "collection.naming.strategy": "com.acme.Names"}, "public.orders",
         ("collection.naming.strategy (com.acme.Names) is not understood: it may change the names of tables.",)),
    ],
)  # fmt: skip
def test_the_target_table_is_named_as_the_sink_names_it(
    config: dict[str, str], target: str, doubts: tuple[str, ...]
) -> None:
    found = target_of(
        config, "w.warehouse.dbo.Orders", ORDERS, "warehouse", engine="postgresql", default_schema="public"
    )
    assert (str(found.table), found.doubts) == (target, doubts)


def test_a_sink_consumes_with_a_group_of_its_name_unless_it_names_another() -> None:
    assert consumer_group("c", {}) == "connect-c"
    assert consumer_group("c", {"consumer.override.group.id": "mine"}) == "mine"
