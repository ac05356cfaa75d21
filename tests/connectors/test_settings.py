"""What settings lose: each fault alone on settings that lose nothing, named with the setting that would be right."""

from __future__ import annotations

import pytest

from cdcproof.connectors.settings.rules import Settings, judge
from cdcproof.databases.names import TableName
from cdcproof.pipeline.model import Pipeline
from tests.pipelines import pipeline_of

SOURCE = {
    "connector.class": "io.debezium.connector.sqlserver.SqlServerConnector",
    "database.names": "warehouse_source",
    "topic.prefix": "t",
    "table.include.list": "dbo.customers,dbo.orders",
}
SINK = {
    "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
    "connection.url": "jdbc:postgresql://h:5432/warehouse_target",
    "connection.username": "sink",
    "topics": "t.customers,t.orders",
    "collection.name.format": "${source.table}",
    "insert.mode": "upsert",
    "delete.enabled": "true",
    "primary.key.mode": "record_key",
}
REWRITTEN = {"connection.url": f"{SINK['connection.url']}?reWriteBatchedInserts=true"}
FLAT = {"transforms": "flat", "transforms.flat.type": "io.debezium.transforms.ExtractNewRecordState"}
CONFLUENT = {
    **{k: v for k, v in SINK.items() if k not in ("primary.key.mode", "collection.name.format")},
    "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector",
    "pk.mode": "record_key",
    "table.name.format": "x_${topic}",
    **FLAT,
}
MODE = "transforms.flat.delete.tombstone.handling.mode"
DROP = {"transforms": "drop", "transforms.drop.type": "org.apache.kafka.connect.transforms.Filter"}
ON = {**DROP, "transforms.drop.predicate": "p"}
PREDICATE = "org.apache.kafka.connect.transforms.predicates."
TOMBSTONES = {**ON, "predicates.p.type": f"{PREDICATE}RecordIsTombstone"}
HANDLER = {"transforms.handle.type": "io.confluent.connect.transforms.TombstoneHandler"}
TOPICS = {**ON, "predicates.p.type": f"{PREDICATE}TopicNameMatches"}
SCRIPT = {
    "transforms": "drop",
    "transforms.drop.type": "io.debezium.transforms.Filter",
    "transforms.drop.condition": "x",
}
PIPELINE = pipeline_of("customers", "orders")


def of(
    source: dict[str, str] | None = None,
    sink: dict[str, str] | None = None,
    pipeline: Pipeline = PIPELINE,
    **others: dict[str, str],
) -> Settings:
    configs = {"source": SOURCE if source is None else source, "sink": SINK if sink is None else sink, **others}
    return judge(configs, pipeline, {"source", "sink"})


def wrong(found: Settings) -> dict[str, str]:
    expected = found.expected()
    return {subject: text for subject, text in found.found().items() if expected[subject] != text}


@pytest.mark.parametrize(
    ("source", "sink"),
    [
        (SOURCE, SINK),
        (SOURCE, CONFLUENT),
        ({k: v for k, v in SOURCE.items() if k != "table.include.list"}, SINK),
        ({**SOURCE, "skipped.operations": "t", "tombstones.on.delete": "false"}, SINK),
        (SOURCE, {k: v for k, v in SINK.items() if k != "topics"} | {"topics.regex": r"t\..*"}),
        (SOURCE, {**SINK, "primary.key.mode": "record_value", "primary.key.fields": "id,more"}),
        (SOURCE, {**SINK, "errors.tolerance": "all", "errors.deadletterqueue.topic.name": "dlq"}),
        (SOURCE, {**SINK, **REWRITTEN, "use.reduction.buffer": "true"}),
        (SOURCE, {**SINK, **TOMBSTONES}),
        (SOURCE, {**SINK, **HANDLER, "transforms": "handle"}),
        (SOURCE, {**SINK, **TOPICS, "predicates.p.pattern": "heartbeat.*"}),
        (SOURCE, {**SINK, **TOPICS, "predicates.p.pattern": r"t\..*", "transforms.drop.negate": "true"}),
        (SOURCE, {**SINK, **SCRIPT, "transforms.drop.topic.regex": "heartbeat.*"}),
        *(
            (SOURCE, {**sink, **FLAT, "transforms.flat.delete.handling.mode": "rewrite", "delete.enabled": "false"})
            for sink in (SINK, CONFLUENT)
        ),
        *(
            (SOURCE, {**CONFLUENT, MODE: mode})
            for mode in ("tombstone", "delete-to-tombstone", "rewrite-with-tombstone")
        ),
        *((SOURCE, {**sink, **FLAT, MODE: "rewrite", "delete.enabled": "false"}) for sink in (SINK, CONFLUENT)),
        ({**SOURCE, **FLAT, MODE: "rewrite"}, {**SINK, "delete.enabled": "false"}),
        ({**SOURCE, "tombstones.on.delete": "false"}, {**CONFLUENT, MODE: "delete-to-tombstone"}),
    ],
)
def test_settings_that_lose_nothing(source: dict[str, str], sink: dict[str, str]) -> None:
    found = of(source, sink)
    assert (wrong(found), found.risks(), found.changes()) == ({}, {}, {})
    assert found.found() == {"source": "judged", "sink": "judged"}


@pytest.mark.parametrize(
    ("change", "subject", "found", "right"),
    [
        ({"event.processing.failure.handling.mode": "warn"}, "source event.processing.failure.handling.mode", "warn", "fail"),
        ({"event.processing.failure.handling.mode": "skip"}, "source event.processing.failure.handling.mode", "skip", "fail"),
        ({"skipped.operations": "t,d"}, "source skipped.operations", "t,d", "t"),
        ({"skipped.operations": "u"}, "source skipped.operations", "u", "t"),
    ],
)  # fmt: skip
def test_a_source_that_leaves_changes_out(change: dict[str, str], subject: str, found: str, right: str) -> None:
    seen = of({**SOURCE, **change})
    assert wrong(seen) == {subject: found}
    assert seen.expected()[subject] == right
    assert seen.changes() == {"source": {subject.split()[1]: right}}
    assert wrong(of({**SOURCE, **change, **seen.changes()["source"]})) == {}


@pytest.mark.parametrize(
    ("change", "key", "found", "right"),
    [
        ({"insert.mode": "update"}, "insert.mode", "update", "upsert"),
        ({"insert.mode": "INSERT"}, "insert.mode", "insert", "upsert"),
        ({"insert.mode": ""}, "insert.mode", "", "upsert"),
        ({"delete.enabled": "false"}, "delete.enabled", "false", "true"),
        ({"primary.key.mode": "none"}, "primary.key.mode", "none", "record_key"),
        ({"primary.key.mode": "kafka"}, "primary.key.mode", "kafka", "record_key"),
    ],
)
def test_a_sink_that_writes_less(change: dict[str, str], key: str, found: str, right: str) -> None:
    sink = {**SINK, **change}
    if not change.get(key):
        del sink[key]  # by default
        found = "insert"
    seen = of(sink=sink)
    assert wrong(seen) == {f"sink {key}": found}
    assert seen.changes() == {"sink": {key: right}}


def test_the_key_of_confluents_sink_has_another_name() -> None:
    seen = of(sink={**CONFLUENT, "pk.mode": "none"})
    assert wrong(seen) == {"sink pk.mode": "none"}
    assert seen.changes() == {"sink": {"pk.mode": "record_key"}}


def test_a_part_of_the_key_makes_one_row_of_several() -> None:
    pipeline = pipeline_of(
        "orders", tables=[{"name": "o", "source": "dbo.orders", "target": "public.orders", "topic": "t.orders", "key": ["a", "b"]}]
    )  # fmt: skip
    seen = of(sink={**SINK, "primary.key.fields": "A"}, pipeline=pipeline)
    assert wrong(seen) == {"sink primary.key.fields": "A"}
    assert seen.changes() == {"sink": {"primary.key.fields": "a,b"}}


def test_tables_without_a_key_are_only_inserted() -> None:
    tables = [{"name": "o", "source": "dbo.orders", "target": "public.orders", "topic": "t.orders", "key": []}]
    sink = {**SINK, "insert.mode": "insert", "delete.enabled": "false", "primary.key.mode": "none"}
    assert wrong(of(sink=sink, pipeline=pipeline_of("o", tables=tables))) == {}


@pytest.mark.parametrize(
    ("source", "sink", "subject", "sure"),
    [
        (SOURCE, {**SINK, **FLAT, MODE: "drop"}, f"sink {MODE}", True),
        ({**SOURCE, **FLAT, MODE: "drop"}, SINK, f"source {MODE}", True),
        (SOURCE, {**CONFLUENT, "transforms.flat.drop.tombstones": "true"}, "sink transforms.flat.drop.tombstones", False),
        (SOURCE, {**CONFLUENT, "transforms.flat.delete.handling.mode": "drop"}, "sink transforms.flat.delete.handling.mode", False),
        ({**SOURCE, "tombstones.on.delete": "false"}, CONFLUENT, f"sink {MODE}", True),
        ({**SOURCE, "tombstones.on.delete": "false"}, {**CONFLUENT, "transforms": ""}, "source tombstones.on.delete", True),
        ({**SOURCE, **TOMBSTONES}, CONFLUENT, f"sink {MODE}", True),
        (SOURCE, {**CONFLUENT, **HANDLER, "transforms": "flat,handle"}, "sink transforms.handle.behavior", True),
        (SOURCE, {**CONFLUENT, **TOMBSTONES, "transforms": "flat,drop"}, "sink transforms.drop.predicate", True),
    ],
)  # fmt: skip
def test_transforms_that_drop_deletes(source: dict[str, str], sink: dict[str, str], subject: str, sure: bool) -> None:
    found = of(source, sink)
    assert wrong(found) == ({subject: "deletes dropped"} if sure else {})
    assert (subject in found.risks()) is not sure
    changes, advice = found.changes(), found.advice()
    assert bool(changes) is not bool(advice)
    if changes:
        mended = of({**source, **changes.get("source", {})}, {**sink, **changes.get("sink", {})})
        assert (wrong(mended), mended.risks()) == ({}, {})


@pytest.mark.parametrize(
    ("filters", "text"),
    [
        (DROP, "drops every record of customers, orders"),
        ({**TOPICS, "predicates.p.pattern": r".*orders"}, "drops every record of orders"),
        ({**TOPICS, "predicates.p.pattern": r"t\.orders", "transforms.drop.negate": "true"}, "drops every record of customers"),
        ({**TOMBSTONES, "transforms.drop.negate": "true"}, "drops every record but tombstones of customers, orders"),
    ],
)  # fmt: skip
def test_filters_that_drop_whole_tables(filters: dict[str, str], text: str) -> None:
    assert wrong(of({**SOURCE, **filters})) == {"source transforms.drop": text}
    seen = of(sink={**SINK, **filters})
    assert wrong(seen) == {"sink transforms.drop": text}
    assert seen.changes() == {"sink": {"transforms": ""}}


@pytest.mark.parametrize("filters", [SCRIPT, {**ON, "predicates.p.type": f"{PREDICATE}HasHeaderKey"}])
def test_a_filter_with_a_condition_is_a_risk_for_tables_of_which_every_row_is_expected(filters: dict[str, str]) -> None:
    found = of(sink={**SINK, **filters})
    assert wrong(found) == {}
    assert found.risks() == {
        "sink transforms.drop": "drops records by a condition of customers, orders: "
        "declare source_filter where these rows are not meant to be replicated"
    }
    table = {"name": "o", "source": "dbo.orders", "target": "public.orders", "topic": "t.orders", "key": ["id"]}
    declared = pipeline_of("o", tables=[{**table, "source_filter": "region = 'EU'"}])
    assert of(sink={**SINK, **filters}, pipeline=declared).risks() == {}


@pytest.mark.parametrize(
    ("source", "sink", "subject"),
    [
        ({**SOURCE, "errors.tolerance": "all"}, SINK, "source errors.tolerance"),
        ({**SOURCE, "producer.override.acks": "0"}, SINK, "source producer.override.acks"),
        (SOURCE, {**SINK, "errors.tolerance": "all"}, "sink errors.tolerance"),
        (SOURCE, {**SINK, "consumer.override.auto.offset.reset": "latest"}, "sink consumer.override.auto.offset.reset"),
        (SOURCE, {**SINK, **REWRITTEN}, "sink use.reduction.buffer"),
    ],
)
def test_what_loses_only_when_something_else_breaks_is_a_risk(
    source: dict[str, str], sink: dict[str, str], subject: str
) -> None:
    found = of(source, sink)
    assert (wrong(found), list(found.risks())) == ({}, [subject])
    assert list(found.changes()) == [subject.split(maxsplit=1)[0]]


@pytest.mark.parametrize(
    ("lists", "key", "value"),
    [
        ({"table.include.list": "dbo.customers"}, "table.include.list", "dbo.customers,dbo.orders"),
        ({"table.include.list": "", "table.exclude.list": "dbo.ord.*"}, "table.exclude.list", ""),
        ({"schema.exclude.list": "dbo"}, "schema.exclude.list", ""),
        ({"signal.data.collection": "warehouse_source.dbo.orders"}, "signal.data.collection", ""),
    ],
)
def test_a_table_that_no_source_captures(lists: dict[str, str], key: str, value: str) -> None:
    seen = of({**SOURCE, **lists})
    assert wrong(seen)["orders: captured by"] == f"none: {key} of source leaves it out"
    assert seen.changes().get("source") == ({key: value} if value else None)
    if value:
        assert wrong(of({**SOURCE, **lists, key: value})) == {}


@pytest.mark.parametrize(
    ("lists", "key", "value"),
    [
        ({"topics": "t.customers"}, "topics", "t.customers,t.orders"),
        ({"topics": "", "topics.regex": r"t\.cust.*"}, "topics.regex", r"t\.cust.*|t\.orders"),
    ],
)
def test_a_table_that_no_sink_reads(lists: dict[str, str], key: str, value: str) -> None:
    seen = of(sink={**SINK, **lists})
    assert wrong(seen) == {"orders: read by": f"none: {key} of sink leaves t.orders out"}
    assert seen.changes() == {"sink": {key: value}}
    assert wrong(of(sink={**SINK, **lists, key: value})) == {}


PARTITIONED = {TableName("dbo", "orders"): {TableName("dbo", f"orders_{number}") for number in (1, 2)}}


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        ("dbo.customers,dbo.orders_1,dbo.orders_2", ""),
        (r"dbo.customers,dbo\.orders_\d", ""),
        ("dbo.customers,dbo.orders_1", "dbo.orders_2"),
        ("dbo.customers,dbo.orders", "dbo.orders_1, dbo.orders_2"),
    ],
)
def test_a_partitioned_table_is_captured_by_the_names_of_its_partitions(listed: str, found: str) -> None:
    key = "table.include.list"
    configs = {"source": {**SOURCE, key: listed}, "sink": SINK}
    seen = judge(configs, PIPELINE, configs, {"source": PARTITIONED})
    if not found:
        assert wrong(seen) == {}
        return
    assert wrong(seen) == {"orders: captured by": f"none: {key} of source leaves it out: {found}"}
    assert seen.changes() == {"source": {key: f"{listed},{found.replace(' ', '')}"}}
    mended = {**configs, "source": {**SOURCE, **seen.changes()["source"]}}
    assert wrong(judge(mended, PIPELINE, configs, {"source": PARTITIONED})) == {}


def test_a_source_that_does_not_answer_leaves_open_whether_partitions_are_captured() -> None:
    configs = {"source": {**SOURCE, "table.include.list": "dbo.customers"}, "sink": SINK}
    seen = judge(configs, PIPELINE, configs, {"source": None})
    assert wrong(seen) == {}
    assert list(seen.risks()) == ["orders: captured by"]


def test_tables_may_be_shared_out_among_connectors() -> None:
    more = {"source-2": {**SOURCE, "table.include.list": "dbo.orders"}, "sink-2": {**SINK, "topics": "t.orders"}}
    connectors = [{"name": n, "kind": n.split("-")[0]} for n in ("source", "sink", *more)]
    pipeline = pipeline_of("customers", "orders", connectors=connectors)
    configs = {"source": {**SOURCE, "table.include.list": "dbo.customers"}, "sink": {**SINK, "topics": "t.customers"}}
    assert wrong(judge({**configs, **more}, pipeline, {*configs, *more})) == {}
    seen = wrong(judge({**configs, **more, "sink-2": {**SINK, "topics": "x"}}, pipeline, {*configs, *more}))
    assert seen == {"orders: read by": "none: topics of sink, sink-2 leaves t.orders out"}


def test_a_connector_that_is_not_there_or_not_understood_misses_no_table() -> None:
    assert wrong(judge({"source": SOURCE}, PIPELINE, {"source"})) == {}
    seen = of(sink={"connector.class": "x.Sink", "topics": "a"})
    assert (wrong(seen), seen.found()) == ({}, {"source": "judged"})
    assert seen.risks() == {"sink": "x.Sink: its settings are not understood, and not judged"}
    seen = of({**SOURCE, "table.include.list": "${file:/x:tables}"})
    assert wrong(seen) == {}
    assert seen.risks() == {"source": "table.include.list is filled in by the worker, and not judged"}


@pytest.mark.parametrize(
    "neighbour",
    [
        SINK,
        {**SINK, "topics": "elsewhere.dbo.orders"},
        {**SINK, "topics": "t.orders", "collection.name.format": "public.orders"},
    ],
)
def test_two_sinks_that_write_one_table(neighbour: dict[str, str]) -> None:
    seen = of(neighbour=neighbour)
    assert wrong(seen)["orders: written by"] == "neighbour, sink"
    assert "orders: let one of neighbour, sink write it, or declare target_filter" in seen.advice()


@pytest.mark.parametrize(
    "neighbour",
    [
        {**SINK, "connection.url": "jdbc:postgresql://h:5432/other"},
        {**SINK, "collection.name.format": "copy_${source.table}"},
        {**SINK, "topics": "t.returns"},
    ],
)
def test_a_neighbour_that_writes_elsewhere_is_none_of_our_business(neighbour: dict[str, str]) -> None:
    assert wrong(of(neighbour=neighbour)) == {}


def test_a_table_that_is_declared_to_be_shared_may_have_several_writers() -> None:
    table = {"name": "o", "source": "dbo.orders", "target": "public.orders", "topic": "t.orders", "key": ["id"]}
    shared = pipeline_of("o", tables=[{**table, "target_filter": "region = 'EU'"}])
    assert wrong(of(pipeline=shared, neighbour=SINK)) == {}
