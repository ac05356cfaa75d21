"""Whether everything is captured and let through, both ways; the sessions that read it have tests of their own."""

from __future__ import annotations

from typing import Any

import pytest

from cdcproof.connectors.settings import capture, travelling
from cdcproof.connectors.settings.accounts import accounts
from cdcproof.core.errors import CdcproofError, CouldNotLookError, UnreachableError, UsageError
from cdcproof.databases.contracts.deployment import CapturedTable, CaptureState
from cdcproof.databases.names import TableName
from cdcproof.findings import Observation
from tests.connectors.test_accounts import SINK, SOURCE
from tests.pipelines import pipeline_of

POSTGRES = {
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    "database.dbname": "warehouse_source",
    "database.user": "cdc",
    "table.include.list": "dbo.orders",
    "publication.name": "p",
    "publication.autocreate.mode": "disabled",
    "slot.name": "s",
    "plugin.name": "pgoutput",
}
ORDERS = TableName("dbo", "orders")
EVERYTHING = frozenset({"insert", "update", "delete", "truncate"})


def whole(*names: TableName, **faults: Any) -> dict[TableName, CapturedTable]:
    return {name: CapturedTable(frozenset({name}), **faults) for name in names}


def postgres(*tables: TableName, operations: frozenset[str] = EVERYTHING, **settings: str) -> CaptureState:
    reported = {"wal_level": "logical", "publication p": "present", "slot s": "pgoutput"}
    reported |= {key.replace("_", " ", 1): value for key, value in settings.items()}
    return CaptureState(reported, whole(*tables), operations)


def looked(state: CaptureState, *configs: dict[str, str], **table: Any) -> Observation:
    engine = "postgresql" if "postgresql" in configs[0]["connector.class"] else "sqlserver"
    pipeline = pipeline_of("orders", source_type=engine)
    tables = [pipeline.tables[0].model_copy(update=table)]
    of = accounts({f"c{number}": config for number, config in enumerate(configs)}, pipeline)
    return capture.look(of, tables, lambda *_: state, lambda changes: [f"change {changes}"])


def differences(look: Observation) -> dict[str, str]:
    assert look.found.keys() == look.expected.keys()
    return {subject: word for subject, word in look.found.items() if word != look.expected[subject]}


def test_a_postgresql_source_that_captures_all_is_in_order() -> None:
    look = looked(postgres(ORDERS), POSTGRES)
    assert look.found == look.expected
    assert set(look.expected) == {"wal_level", "publication p", "slot s", "dbo.orders"}
    assert look.action == ()


def test_what_a_postgresql_source_lacks_is_named_with_what_to_do() -> None:
    state = CaptureState({"wal_level": "replica", "publication p": "absent", "slot s": "absent, 0 free"}, {})
    look = looked(state, POSTGRES)
    assert differences(look) == {
        "wal_level": "replica",
        "publication p": "absent",
        "slot s": "absent, 0 free",
        "dbo.orders": "not captured",
    }
    reported = "\n".join(look.action)
    for words in (
        "SET wal_level",
        'CREATE PUBLICATION "p" FOR TABLE "dbo"."orders"',
        "pg_replication_slots",
        'ADD TABLE "dbo"."orders"',
    ):
        assert words in reported


def test_a_slot_that_the_connector_will_make_is_in_order_and_one_of_another_plugin_is_not() -> None:
    assert differences(looked(postgres(ORDERS, slot_s="absent, 3 free"), POSTGRES)) == {}
    other = looked(postgres(ORDERS, slot_s="test_decoding"), POSTGRES)
    assert differences(other) == {"slot s": "test_decoding"}
    assert "drop" not in str(other.action)  # it is the connector's own
    default = {key: value for key, value in POSTGRES.items() if key != "plugin.name"}
    assert differences(looked(postgres(ORDERS), default)) == {"slot s": "pgoutput"}  # Debezium's is decoderbufs


def test_a_publication_that_the_connector_will_make_is_in_order() -> None:
    making = {**POSTGRES, "publication.autocreate.mode": "filtered"}
    absent = postgres(operations=frozenset(), publication_p="absent")
    assert differences(looked(absent, making)) == {}
    assert differences(looked(postgres(), making)) == {"dbo.orders": "not captured"}  # it is there, without the table


def test_a_publication_that_leaves_an_operation_out_is_named() -> None:
    look = looked(postgres(ORDERS, operations=frozenset({"insert"})), POSTGRES)
    assert differences(look) == {"publication p": "present, without update, delete"}
    assert "SET (publish = " in look.action[0]


def test_rows_and_columns_that_are_left_out_and_rows_without_identity_are_named_with_what_mends_them() -> None:
    faults: dict[str, Any] = {
        "condition": "(id > 9)", "left_out": ("note",), "unidentified": "REPLICA IDENTITY NOTHING (dbo.orders)",
        "whole": "ALTER PUBLICATION …;", "identified": "ALTER TABLE …;",
    }  # fmt: skip
    state = CaptureState(postgres().settings, whole(ORDERS, **faults), EVERYTHING)
    look = looked(state, POSTGRES)
    assert differences(look) == {
        "dbo.orders": "captured, only rows where (id > 9), without note, "
        "updates and deletes refused: REPLICA IDENTITY NOTHING (dbo.orders)"
    }
    assert [line.partition(" -c ")[2].partition("'")[2].partition("'")[0] for line in look.action] == [
        "ALTER PUBLICATION …;",
        "ALTER TABLE …;",
    ]


def test_what_the_pipeline_file_says_of_rows_and_columns_is_accepted() -> None:
    state = CaptureState(postgres().settings, whole(ORDERS, condition="(id > 9)", left_out=("Note",)), EVERYTHING)
    assert differences(looked(state, POSTGRES, exclude=("note",), source_filter="id > 9")) == {}
    assert differences(looked(state, POSTGRES, exclude=("note",))) == {
        "dbo.orders": "captured, only rows where (id > 9)"
    }
    assert differences(looked(state, POSTGRES, source_filter="id > 9")) == {"dbo.orders": "captured, without Note"}


def test_the_connector_that_carries_the_table_counts() -> None:
    other = {**POSTGRES, "table.include.list": "dbo.other", "publication.name": "q"}
    state = {"p": postgres(ORDERS), "q": postgres()}
    pipeline = pipeline_of("orders", source_type="postgresql")

    def look(*configs: dict[str, str]) -> Observation:
        of = accounts({f"c{number}": config for number, config in enumerate(configs)}, pipeline)
        return capture.look(of, pipeline.tables, lambda publication, _: state[publication], lambda _: [])

    assert look(other, POSTGRES).found["dbo.orders"] == "captured"
    assert (
        look({**POSTGRES, "publication.name": "q"}, {**other, "publication.name": "p"}).found["dbo.orders"]
        == "not captured"
    )


def test_a_partitioned_table_is_captured_by_the_names_of_its_parts() -> None:
    parts = [TableName("dbo", f"orders_{number}") for number in (1, 2)]
    captured = whole(*parts) | {ORDERS: CapturedTable(frozenset(parts))}
    state = CaptureState(postgres().settings, captured, EVERYTHING)
    assert differences(looked(state, {**POSTGRES, "table.include.list": "dbo.orders_.*"})) == {}


def test_a_partitioned_table_that_is_not_published_yet_will_travel_as_the_connector_publishes_it() -> None:
    parts = frozenset(TableName("dbo", f"orders_{number}") for number in (1, 2))
    state = CaptureState({}, {}, partitions={ORDERS: parts})
    assert travelling.travelling_names({}, state) == {ORDERS: parts}
    assert travelling.travelling_names({"publish.via.partition.root": "true"}, state) == {ORDERS: {ORDERS}}
    published = CaptureState({}, whole(ORDERS), partitions={ORDERS: parts})
    assert travelling.travelling_names({}, published) == {ORDERS: {ORDERS}}


@pytest.mark.parametrize("error", [UnreachableError("down"), UsageError("no password")])
def test_partitions_are_not_known_where_the_source_cannot_be_asked(
    error: CdcproofError, monkeypatch: pytest.MonkeyPatch
) -> None:
    def state_of(*_: object) -> CaptureState:
        raise error

    monkeypatch.setattr(capture, "state_of", state_of)
    configs = {"source": POSTGRES, "sink": SINK}
    assert capture.partitions(configs, pipeline_of("orders", source_type="postgresql")) == {"source": None}
    assert capture.partitions({"source": SOURCE, "sink": SINK}, pipeline_of("orders")) == {}


def test_a_truncate_must_travel_where_a_sink_would_apply_it() -> None:
    sink = {**SINK, "truncate.enabled": "true"}
    subject = "TRUNCATE, for truncate.enabled of c1"
    by_default = looked(postgres(ORDERS), POSTGRES, sink)
    assert differences(by_default) == {subject: "left out by skipped.operations of c0"}
    sending = {**POSTGRES, "skipped.operations": "none"}
    unpublished = looked(postgres(ORDERS, operations=EVERYTHING - {"truncate"}), sending, sink)
    assert differences(unpublished) == {subject: "not in publication p"}
    assert "SET (publish = " in unpublished.action[0]
    assert differences(looked(postgres(ORDERS), sending, sink)) == {}
    assert differences(looked(postgres(ORDERS), POSTGRES, SINK)) == {}


def test_sql_server_tells_no_names_apart_by_case() -> None:
    state = CaptureState({"CDC of the database": "on"}, whole(TableName("DBO", "Orders")))
    assert differences(looked(state, SOURCE)) == {}


def test_a_sql_server_source_needs_cdc_of_database_and_table() -> None:
    on = {"CDC of the database": "on"}
    assert differences(looked(CaptureState(on, whole(ORDERS)), SOURCE)) == {}
    look = looked(CaptureState({"CDC of the database": "off"}, {}), SOURCE)
    assert differences(look) == {"CDC of the database": "off", "dbo.orders": "not captured"}
    assert "sys.sp_cdc_enable_db" in look.action[0]
    assert "@source_schema = N" in look.action[1]


def test_a_table_that_may_be_hidden_is_not_called_absent() -> None:
    state = CaptureState({"CDC of the database": "on"}, {}, hidden="GRANT VIEW DEFINITION TO [u];")
    with pytest.raises(CouldNotLookError, match="orders is captured cannot be seen") as raised:
        looked(state, SOURCE)
    assert raised.value.remedy == "GRANT VIEW DEFINITION TO [u];"


def test_without_a_source_there_is_nothing_to_compare_with() -> None:
    assert looked(CaptureState({}, {}), SINK).expected == {}
