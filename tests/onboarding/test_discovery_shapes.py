"""What `init` makes of the shapes of configuration that people run, each with its literal tables and notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import pytest

from cdcproof.core.errors import UnexpectedAnswerError, UsageError
from cdcproof.databases.names import Column, TableName
from cdcproof.onboarding import capture_discovery, target_discovery
from cdcproof.onboarding.discovery import Asked, Discovery, discover
from cdcproof.onboarding.pairing import Choice
from cdcproof.pipeline.model import PLACEHOLDER
from tests.canned import EXPANDED, connector, serving

SOURCE = {
    "name": "src",
    "connector.class": "io.debezium.connector.sqlserver.SqlServerConnector",
    "database.hostname": "sqlserver.invalid",
    "database.port": "1433",
    "database.user": "sa",
    "database.names": "shop",
    "topic.prefix": "mssql",
    "table.include.list": "dbo.customers,dbo.orders",
}
SINK = {
    "name": "snk",
    "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector",
    "connection.url": "jdbc:postgresql://postgres.invalid:5432/shop_target",
    "connection.user": "postgres",
    "topics.regex": r"mssql\.shop\.dbo\.(.*)",
    "pk.mode": "record_key",
    "delete.enabled": "true",
    "transforms": "unwrap,route",
    "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
    "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
    "transforms.route.regex": r"mssql\.shop\.dbo\.(.*)",
    "transforms.route.replacement": "$1",
}
ROUTER = "transforms.route (org.apache.kafka.connect.transforms.RegexRouter)"


@pytest.fixture(autouse=True)
def no_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SQLSERVER_PASSWORD", "POSTGRES_PASSWORD", "POSTGRES_SOURCE_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def found(
    *configs: Mapping[str, str], topics: Mapping[str, Sequence[str]] | None = None, choice: Choice | None = None
) -> Discovery:
    reported: dict[str, Any] = {}
    answers: dict[str, Any] = {
        "GET /": (200, {"version": "3.9.2", "kafka_cluster_id": "id"}),
        EXPANDED: (200, reported),
    }
    for config in configs:
        name, kind = config["name"], "sink" if "Sink" in config["connector.class"] else "source"
        reported[name] = connector(kind, dict(config))
        answers[f"GET /connectors/{name}/topics"] = (200, {name: {"topics": list((topics or {}).get(name, ()))}})
    with serving(answers) as server:
        return discover(Asked(connect_url=server.url, kafka="k.invalid:9092", choice=choice or Choice()))


def tables(discovery: Discovery) -> list[tuple[str, str, str]]:
    return [(t.source, t.target, t.topic) for t in discovery.pipeline.tables]


def notes(discovery: Discovery, *sections: str) -> str:
    return "\n".join(note.text for note in discovery.notes if note.section in sections or not sections)


USUAL = [
    ("dbo.customers", "public.customers", "mssql.shop.dbo.customers"),
    ("dbo.orders", "public.orders", "mssql.shop.dbo.orders"),
]
NO_TARGET = [(source, PLACEHOLDER, topic) for source, _, topic in USUAL]


@pytest.mark.parametrize(
    ("source", "sink", "topics", "expected", "note"),
    [
        ({}, {}, [], USUAL, ""),
        # names of topics
        ({"table.include.list": "dbo.Customers,dbo.Order Details"}, {}, ["mssql.shop.dbo.Customers", "mssql.shop.dbo.Order_Details"],
         [("dbo.Customers", "public.Customers", "mssql.shop.dbo.Customers"),
          ("dbo.Order Details", "public.Order_Details", "mssql.shop.dbo.Order_Details")], ""),
        ({"table.include.list": "DBO.CUSTOMERS,dbo.ORDER DETAILS"}, {}, ["mssql.shop.dbo.Customers", "mssql.shop.dbo.Order_Details"],
         [("dbo.Customers", "public.Customers", "mssql.shop.dbo.Customers"),
          ("dbo.Order Details", "public.Order_Details", "mssql.shop.dbo.Order_Details")], ""),
        ({"table.include.list": "dbo.[cC].*"}, {}, ["mssql.shop.dbo.Cust_Info", "mssql.shop.dbo.orders", "mssql"],
         [("dbo.Cust_Info", "public.Cust_Info", "mssql.shop.dbo.Cust_Info")],
         "A _ in a topic's name may be another character in the table's: check the tables' names."),
        ({}, {}, ["mssql.shop.dbo.customers"], USUAL, "dbo.orders has no topic yet: mssql.shop.dbo.orders, as the connector would name it"),
        ({"topic.prefix": "${env:P}"}, {"topics.regex": ".*"}, ["mssql.shop.dbo.customers", "mssql.shop.dbo.orders", "mssql"], USUAL, ""),
        ({"topic.prefix": "${env:P}"}, {"topics.regex": "", "topics": "mssql.shop.dbo.customers,mssql.shop.dbo.orders"}, [], USUAL, ""),
        ({"topic.prefix": "${env:P}"}, {}, [],
         [("dbo.customers", PLACEHOLDER, PLACEHOLDER), ("dbo.orders", PLACEHOLDER, PLACEHOLDER)], "src: topic.prefix is not in clear."),
        ({"transforms": "own", "transforms.own.type": "com.acme.Route"}, {}, [],
         [("dbo.customers", PLACEHOLDER, PLACEHOLDER), ("dbo.orders", PLACEHOLDER, PLACEHOLDER)],
         "src: transforms.own (com.acme.Route) is not understood: it may change names, columns, values or rows."),
        ({"transforms": "own", "transforms.own.type": "com.acme.Route"}, {}, ["mssql.shop.dbo.customers", "mssql.shop.dbo.orders"], USUAL,
         "src: transforms.own (com.acme.Route) is not understood"),
        # names of target tables
        ({}, {"transforms.route.regex": r"mssql\.shop\.dbo\.(?<table>.*)", "transforms.route.replacement": "${table}"}, [], USUAL, ""),
        ({}, {"topics.regex": r"mssql\.shop\.dbo\.\p{Alpha}+"}, [], USUAL, ""),
        ({}, {"transforms.route.replacement": "stage_$2"}, [], NO_TARGET, f"snk: {ROUTER}: the replacement 'stage_$2' names a group"),
        ({}, {"topics.regex": "mssql.[a-z&&[^x]]+.*"}, [], USUAL, "snk: topics.regex: the expression 'mssql.[a-z&&[^x]]+.*' joins classes"),
        ({}, {"transforms": "unwrap,day,route", "transforms.day.type": "org.apache.kafka.connect.transforms.TimestampRouter"}, [],
         NO_TARGET, "snk: transforms.day (org.apache.kafka.connect.transforms.TimestampRouter) is not understood"),
        ({}, {"transforms.route.replacement": "hist_$1", "transforms.route.predicate": "p",
              "predicates.p.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches", "predicates.p.pattern": ".*orders",
              "table.name.format": "dbo.${topic}", "transforms": "unwrap,route,all",
              "transforms.all.type": "org.apache.kafka.connect.transforms.RegexRouter",
              "transforms.all.regex": r".*\.(.*)", "transforms.all.replacement": "$1"}, [],
         [("dbo.customers", "dbo.customers", "mssql.shop.dbo.customers"), ("dbo.orders", "dbo.hist_orders", "mssql.shop.dbo.orders")], ""),
        ({}, {"collection.naming.strategy": "com.acme.Names"}, [], NO_TARGET, "snk: collection.naming.strategy (com.acme.Names) is not understood"),
        ({}, {"transforms": "unwrap,route,drop", "transforms.drop.type": "org.apache.kafka.connect.transforms.Filter",
              "transforms.drop.predicate": "p", "predicates.p.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
              "predicates.p.pattern": "orders"}, [], USUAL[:1], "No JDBC sink reads mssql.shop.dbo.orders: dbo.orders is captured, but left out here."),
        # two tables to one
        ({}, {"transforms.route.replacement": "all"}, [], [(source, "public.all", topic) for source, _, topic in USUAL],
         "dbo.customers and dbo.orders are written to the same table, public.all: give each a target_filter."),
        ({"transforms": "m", "transforms.m.type": "org.apache.kafka.connect.transforms.RegexRouter", "transforms.m.regex": ".*",
          "transforms.m.replacement": "mssql.shop.dbo.all"}, {}, [], [("dbo.customers", "public.all", "mssql.shop.dbo.all")],
         "dbo.orders goes to mssql.shop.dbo.all, as a table before it does: a file has one table for a topic. Left out here."),
    ],
)  # fmt: skip
def test_tables_topics_and_targets(
    source: dict[str, str], sink: dict[str, str], topics: list[str], expected: list[tuple[str, str, str]], note: str
) -> None:
    seen = found({**SOURCE, **source}, {**SINK, **sink}, topics={"src": topics})
    assert tables(seen) == expected
    assert note in notes(seen, "tables")
    unknown = [source for source, target, _ in expected if target == PLACEHOLDER]
    assert (f"Write the target that could not be learned: of {', '.join(unknown)}." in notes(seen)) is bool(unknown)


OPERATOR_SINK = {
    **SINK,
    "connection.url": "jdbc:postgresql://${vault:secret/database:postgres_host}:5432/shop_target",
    "connection.user": "${vault:secret/database:user}",
    "pk.mode": "record_value",
    "pk.fields": "id",
    "delete.enabled": "false",
    "transforms": "unwrap,route",
    "transforms.unwrap.delete.handling.mode": "rewrite",
    "transforms.unwrap.drop.tombstones": "true",
    "transforms.unwrap.add.fields": "op,deleted",
    "errors.tolerance": "all",
    "errors.deadletterqueue.topic.name": "dlq-postgresql-sink",
}


def test_the_operators_own_pipeline_wants_hosts_and_users_only() -> None:
    vault = {f"database.{key}": f"${{vault:secret/database:{key}}}" for key in ("hostname", "user", "password")}
    seen = found({**SOURCE, **vault}, OPERATOR_SINK)
    pipeline = seen.pipeline
    assert tables(seen) == USUAL
    assert (pipeline.source.host, pipeline.source.port, pipeline.source.database) == (PLACEHOLDER, 1433, "shop")
    assert (pipeline.target.host, pipeline.target.port, pipeline.target.database) == (PLACEHOLDER, 5432, "shop_target")
    assert {(t.key, t.target_filter) for t in pipeline.tables} == {(("id",), "__deleted IS DISTINCT FROM 'true'")}
    assert (
        "Deletes are soft, by the transforms of snk or of src: a deleted row stays at the target with __deleted"
        in notes(seen)
    )


def test_a_url_of_which_nothing_is_in_clear_still_gives_a_file() -> None:
    target = found(SOURCE, {**SINK, "connection.url": "${file:/run/secrets:url}"}).pipeline.target
    assert (target.type, target.host, target.database) == ("postgresql", PLACEHOLDER, PLACEHOLDER)
    dialect = {"connection.url": "${file:/run/secrets:url}", "dialect.name": "SqlServerDatabaseDialect"}
    assert found(SOURCE, {**SINK, **dialect}).pipeline.target.type == "sqlserver"


def test_an_ipv6_address_is_written_as_an_address_has_it() -> None:
    url = "jdbc:postgresql://[2001:db8::5]:5433/shop_target"
    pipeline = found(SOURCE, {**SINK, "connection.url": url}).pipeline
    assert (pipeline.target.host, pipeline.target.port) == ("2001:db8::5", 5433)
    assert [s.endpoint for s in pipeline.services if s.role == "target"] == ["tcp://[2001:db8::5]:5433"]


def test_further_hosts_of_the_url_are_said() -> None:
    seen = found(SOURCE, {**SINK, "connection.url": "jdbc:postgresql://pg1.invalid,pg2.invalid/my%20target"})
    assert (seen.pipeline.target.host, seen.pipeline.target.database) == ("pg1.invalid", "my target")
    assert "further hosts, pg2.invalid:5432: only pg1.invalid is looked at" in notes(seen, "target")


def test_another_database_of_the_same_connector_is_said_and_can_be_chosen() -> None:
    both = {
        **SINK,
        "topics.regex": r"mssql\..*",
        "transforms.route.regex": r"mssql\.(.*)\.dbo\.(.*)",
        "transforms.route.replacement": "$1_$2",
    }
    source = {**SOURCE, "database.names": "shop_eu, shop_us", "table.include.list": "dbo.customers"}
    topics = {"src": ["mssql", "mssql.shop_eu.dbo.customers", "mssql.shop_us.dbo.customers"]}
    eu, us = found(source, both, topics=topics), found(source, both, topics=topics, choice=Choice(database="shop_us"))
    assert tables(eu) == [("dbo.customers", "public.shop_eu_customers", "mssql.shop_eu.dbo.customers")]
    assert "src captures the database shop_us as well, which is not in this file" in notes(eu, "source")
    assert tables(us) == [("dbo.customers", "public.shop_us_customers", "mssql.shop_us.dbo.customers")]
    assert (us.pipeline.name, us.pipeline.source.database) == ("shop_us", "shop_us")
    with pytest.raises(UsageError, match="src does not capture shop_de; it captures shop_eu, shop_us"):
        found(source, both, topics=topics, choice=Choice(database="shop_de"))


def test_a_database_that_only_the_topics_name_is_taken_from_them() -> None:
    seen = found({**SOURCE, "database.names": "${env:DATABASES}"}, SINK, topics={"src": ["mssql.shop.dbo.customers"]})
    assert seen.pipeline.source.database == "shop"
    unknown = found({**SOURCE, "database.names": "${env:DATABASES}"}, SINK)
    assert unknown.pipeline.source.database == PLACEHOLDER
    assert tables(unknown)[0] == ("dbo.customers", PLACEHOLDER, PLACEHOLDER)
    assert "src: database.names is not in clear." in notes(unknown, "tables")


CRM, ERP = (
    {**SOURCE, "name": name, "database.names": database, "topic.prefix": database}
    for name, database in (("a-source-crm", "crm"), ("b-source-erp", "erp"))
)
A_SINK_ERP, B_SINK_CRM = (
    {
        **SINK,
        "name": name,
        "connection.url": f"jdbc:postgresql://postgres.invalid:5432/{database}_target",
        "topics.regex": rf"{database}\..*",
        "transforms.route.regex": rf"{database}\.{database}\.dbo\.(.*)",
    }
    for name, database in (("a-sink-erp", "erp"), ("b-sink-crm", "crm"))
)


@pytest.mark.parametrize("listed", ["dbo.customers,dbo.orders", ""])
@pytest.mark.parametrize(
    ("choice", "database", "connectors", "note"),
    [
        (Choice(), "crm", ["a-source-crm", "b-sink-crm"],
         "b-source-erp reads or writes no topic of a-source-crm and is left out, by other_connectors: a file of its own for it comes from "
         "--source-connector b-source-erp."),
        (Choice(source="b-source-erp"), "erp", ["a-sink-erp", "b-source-erp"], "b-sink-crm reads or writes no topic of b-source-erp"),
        (Choice(sink="a-sink-erp"), "erp", ["a-sink-erp", "b-source-erp"], "a-source-crm reads or writes no topic of b-source-erp"),
    ],
)  # fmt: skip
def test_of_two_pipelines_on_one_connect_the_sink_is_that_which_reads_the_source(
    choice: Choice, database: str, connectors: list[str], note: str, listed: str
) -> None:
    topics = {} if listed else {"a-source-crm": ["crm.crm.dbo.customers"], "b-source-erp": ["erp.erp.dbo.customers"]}
    sources = [{**source, "table.include.list": listed} for source in (CRM, ERP)]
    seen = found(*sources, A_SINK_ERP, B_SINK_CRM, choice=choice, topics=topics)
    assert (seen.pipeline.source.database, seen.pipeline.target.database) == (database, f"{database}_target")
    assert [c.name for c in seen.pipeline.connectors] == connectors
    assert note in notes(seen, "connectors")
    others = {"a-source-crm", "b-sink-crm", "b-source-erp", "a-sink-erp"} - set(connectors)
    assert set(seen.pipeline.connect.other_connectors) == others
    assert tables(seen)[0] == ("dbo.customers", "public.customers", f"{database}.{database}.dbo.customers")


def test_a_choice_that_there_is_not_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="--source-connector: Kafka Connect has no such connector, x; it has src"):
        found(SOURCE, SINK, choice=Choice(source="x"))
    with pytest.raises(UsageError, match="--sink-connector: Kafka Connect has no such connector, x; it has snk"):
        found(SOURCE, SINK, choice=Choice(sink="x"))


def test_a_source_that_no_sink_reads_is_said() -> None:
    with pytest.raises(UnexpectedAnswerError, match="No JDBC sink reads the topics of b-source-erp"):
        found(CRM, ERP, B_SINK_CRM, choice=Choice(source="b-source-erp"))


def test_every_further_copy_of_a_topic_is_said_and_can_be_chosen() -> None:
    raw, mart = ({**SINK, "name": f"snk-{name}", "table.name.format": f"{name}.${{topic}}"} for name in ("raw", "mart"))
    other = {**SINK, "name": "other", "connection.url": "jdbc:postgresql://elsewhere.invalid/x"}
    search = {"name": "find", "connector.class": "com.acme.SearchSinkConnector", "topics": "mssql.shop.dbo.orders"}
    seen = found(SOURCE, raw, mart, other, search, choice=Choice(sink="snk-raw"))
    assert [target for _, target, _ in tables(seen)] == ["raw.customers", "raw.orders"]
    assert (
        "mssql.shop.dbo.orders is written to mart.orders by snk-mart too, and that copy is not compared: a file of its own for it "
        "comes from --sink-connector snk-mart."
    ) in notes(seen, "tables")
    assert "mssql.shop.dbo.orders is written to public.orders by other too, and that copy is not compared" in notes(
        seen
    )
    assert (
        "mssql.shop.dbo.orders is read by find too (com.acme.SearchSinkConnector): that copy is not compared."
        in notes(seen)
    )
    assert "other writes to another database, elsewhere.invalid:5432" in notes(seen, "target")
    assert [c.name for c in seen.pipeline.connectors] == ["find", "other", "snk-mart", "snk-raw", "src"]
    chosen = found(SOURCE, raw, mart, choice=Choice(sink="snk-mart"))
    assert [target for _, target, _ in tables(chosen)] == ["mart.customers", "mart.orders"]
    assert "is written to raw.orders by snk-raw too, and that copy is not compared" in notes(chosen, "tables")
    orders_only = {**mart, "topics": "mssql.shop.dbo.orders", "topics.regex": ""}
    narrow = found(SOURCE, raw, orders_only, choice=Choice(sink="snk-mart"))
    assert [target for _, target, _ in tables(narrow)] == ["mart.orders"]
    assert "Only snk-raw reads mssql.shop.dbo.customers: dbo.customers is captured, but left out here." in notes(narrow)


def test_two_sinks_that_write_one_table_are_said() -> None:
    seen = found(SOURCE, SINK, {**SINK, "name": "snk2"})
    assert "mssql.shop.dbo.orders is written to public.orders by snk2 too: two sinks write one table." in notes(seen)


def test_a_connector_that_does_not_say_its_kind_is_known_by_its_class() -> None:
    reported = {c["name"]: connector("", c) for c in (SOURCE, SINK)}
    answers = {"GET /": (200, {"version": "3.9.2", "kafka_cluster_id": "id"}), EXPANDED: (200, reported)}
    with serving(answers) as server:
        seen = discover(Asked(connect_url=server.url, kafka="k.invalid:9092"))
    assert [(c.name, c.kind) for c in seen.pipeline.connectors] == [("snk", "sink"), ("src", "source")]


def test_a_group_that_is_not_in_clear_is_asked_for() -> None:
    seen = found(SOURCE, {**SINK, "consumer.override.group.id": "${env:GROUP}"})
    assert "consumer.override.group.id of snk is not in clear: write it as group." in notes(seen, "connectors")


def test_one_host_that_is_several_services_has_a_name_for_each() -> None:
    seen = found(
        {**SOURCE, "database.hostname": "kafka"},
        {**SINK, "connection.url": "jdbc:postgresql://kafka-connect/shop_target"},
    )
    assert [s.name for s in seen.pipeline.services] == [
        "kafka",
        "kafka-connect",
        "kafka-kafka",
        "kafka-connect-connect",
    ]


@dataclass
class Catalogue:
    """A database that only has a catalogue: tables to columns, of which the first is the key."""

    tables_there: dict[str, tuple[str, ...]]
    asked: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    @property
    def catalogue(self) -> Self:
        return self

    @property
    def log(self) -> Self:
        return self

    def captured_tables(self) -> frozenset[TableName]:
        return frozenset(TableName.parse(name) for name in self.tables_there if not name.endswith("_uncaptured"))

    def tables(self, schema: str) -> frozenset[TableName]:
        return frozenset(t for name in self.tables_there if (t := TableName.parse(name)).schema == schema)

    def primary_key(self, table: TableName) -> tuple[str, ...]:
        return self.tables_there[str(table)][:1]

    def columns(self, table: TableName) -> tuple[Column, ...]:
        return tuple(Column(name, "text", nullable=True) for name in self.tables_there[str(table)])


def test_the_catalogues_go_before_what_the_configurations_make_likely(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Catalogue(
        {
            "dbo.Customers": ("id", "name", "ssn", "cust_no"),
            "dbo.Order Details": ("order_id", "Line"),
            "dbo.late_uncaptured": ("id",),
            "dbo.other": ("id",),
        }
    )
    target = Catalogue({"public.Customers": ("id", "name", "__deleted"), "public.order_details": ("order_id", "line")})
    monkeypatch.setattr(capture_discovery, "open_database", lambda _: source)
    monkeypatch.setattr(target_discovery, "open_database", lambda _: target)
    seen = found(
        {
            **SOURCE,
            "table.include.list": "DBO.CUSTOMERS,dbo.order details,dbo.late_uncaptured",
            "column.exclude.list": r"dbo\.customers\.s.*",
        },
        {
            **SINK,
            "transforms": "unwrap,own,route,ren",
            "transforms.unwrap.delete.handling.mode": "rewrite",
            "transforms.own.type": "com.acme.AddField",
            "transforms.ren.type": "org.apache.kafka.connect.transforms.ReplaceField$Value",
            "transforms.ren.renames": "cust_no:customer_number",
        },
    )
    assert [t.model_dump(exclude_defaults=True) for t in seen.pipeline.tables] == [
        {
            "name": "Customers",
            "source": "dbo.Customers",
            "target": "public.Customers",  # there: what the transform of their own might do does not matter
            "topic": "mssql.shop.dbo.Customers",
            "key": ("id",),
            "exclude": ("ssn",),
            "rename": {"cust_no": "customer_number"},
            "target_filter": "__deleted IS DISTINCT FROM 'true'",
        },
        {
            "name": "Order Details",
            "source": "dbo.Order Details",
            "target": "public.order_details",
            "topic": "mssql.shop.dbo.Order_Details",
            "key": ("order_id",),
        },
        {
            "name": "late_uncaptured",
            "source": "dbo.late_uncaptured",
            "target": PLACEHOLDER,
            "topic": "mssql.shop.dbo.late_uncaptured",
            "key": ("id",),
            "target_filter": "__deleted IS DISTINCT FROM 'true'",
        },
    ]
    assert "public.order_details has no column __deleted, although deletes are rewritten" in notes(seen)
    assert "dbo.late_uncaptured is in table.include.list, but its changes are not captured at the source." in notes(
        seen
    )
    assert "snk: transforms.own (com.acme.AddField) is not understood" in notes(seen)
    assert "Write the columns of the keys" not in notes(seen)
