"""Which connector reads the source how, and what is shown of what it has not read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from cdcproof.clients.connect.client import Connector, ConnectorStates
from cdcproof.core.errors import UnreachableError
from cdcproof.databases.contracts.health import Reader, SlotRoom, Unread
from cdcproof.databases.names import TableName
from cdcproof.monitoring.exporter import source_metrics
from cdcproof.monitoring.exporter.series import Metric
from cdcproof.monitoring.exporter.source_metrics import Rests
from cdcproof.pipeline.model import Pipeline
from tests.monitoring.databases import FakeDatabase
from tests.pipelines import pipeline_of

POSTGRES = {
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    "database.dbname": "warehouse_source",
    "slot.name": "own_slot",
    "publication.name": "own_publication",
    "table.include.list": "dbo.orders,dbo.cdcproof_heartbeat",
}
SQLSERVER = {
    "connector.class": "io.debezium.connector.sqlserver.SqlServerConnector",
    "database.names": "other,Warehouse_Source",
    "table.include.list": "dbo.orders",
}
ORDERS, BEAT = TableName("dbo", "orders"), TableName("dbo", "cdcproof_heartbeat")
FRESHNESS = {"source": str(BEAT), "target": "public.cdcproof_heartbeat"}


def pipeline(source_type: str = "postgresql", sources: tuple[str, ...] = ("source",), **changes: Any) -> Pipeline:
    connectors = [{"name": name, "kind": "source"} for name in sources]
    made = pipeline_of("orders", source_type=source_type, connectors=connectors, freshness=FRESHNESS)
    return made.model_copy(update={"source": made.source.model_copy(update=changes)})


def states(**configs: Mapping[str, str]) -> ConnectorStates:
    return ConnectorStates(tuple(Connector(n, "source", "RUNNING", "w", (), config) for n, config in configs.items()))


def no_offsets(name: str, database: str | None, config: object) -> dict[str, Any]:
    raise AssertionError(f"PostgreSQL has its position in the slot: {name}, {database}")


def readers(of: Pipeline, known: ConnectorStates | None, offsets: Any = no_offsets) -> dict[str, Reader]:
    return {name: reader() for name, reader in source_metrics.readers(of, known, offsets).items()}


def test_a_connector_reads_by_its_own_slot_and_publication_and_the_beat_is_no_lag() -> None:
    [reader] = readers(pipeline(slot="of_the_file"), states(source=POSTGRES)).values()
    assert (reader.slot, reader.publication) == ("own_slot", "own_publication")
    assert reader.is_captured(ORDERS)
    assert not reader.is_captured(BEAT)
    assert not reader.is_captured(TableName("dbo", "not_listed"))


def test_a_connector_of_sql_server_reads_from_its_offset_in_the_pipelines_database() -> None:
    def offsets(name: str, database: str | None, config: object) -> dict[str, Any]:
        return {"of": (name, database)}

    [reader] = readers(pipeline("sqlserver"), states(source=SQLSERVER), offsets).values()
    assert reader.offset == {"of": ("source", "Warehouse_Source")}
    assert reader.is_captured(ORDERS)


@pytest.mark.parametrize(
    ("source_type", "config"),
    [
        ("postgresql", {**POSTGRES, "database.dbname": "another"}),
        ("sqlserver", POSTGRES),
        ("postgresql", {"connector.class": "io.debezium.connector.mysql.MySqlConnector"}),
    ],
)
def test_a_connector_of_another_database_or_of_an_unknown_class_is_not_counted(
    source_type: str, config: dict[str, str]
) -> None:
    assert readers(pipeline(source_type), states(source=config)) == {}


def test_while_no_configuration_is_known_the_files_slot_is_that_of_the_only_source_connector() -> None:
    [reader] = readers(pipeline(slot="of_the_file", publication="p"), None).values()
    assert (reader.slot, reader.publication) == ("of_the_file", "p")
    assert reader.is_captured(ORDERS)
    assert not reader.is_captured(BEAT)
    for unknown in (
        pipeline(slot="s"),
        pipeline(publication="p"),
        pipeline(sources=("a", "b"), slot="s", publication="p"),
    ):
        assert readers(unknown, None) == {}
    assert readers(pipeline(slot="s", publication="p"), states()) == {}, "Connect says that it is not there"


def values(metrics: tuple[Metric, ...], name: str) -> dict[str, float]:
    family = next(metric for metric in metrics if metric.name == name)
    return {next(iter(sample.labels.values())): sample.value for sample in family.samples}


def test_what_cannot_be_counted_is_absent_and_hides_nothing_else() -> None:
    of = pipeline(sources=("a", "b", "c"), other_slots=("standby_*",))
    configs = {name: {**POSTGRES, "slot.name": f"slot_{name}"} for name in "abc"}
    lag = {
        "slot_a": Unread(50_010, True, 33.0, 4096, 7.0),
        "slot_b": Unread(bytes=512, why="It may not be copied."),
        "slot_c": UnreachableError("gone"),
    }
    rooms = (SlotRoom("slot_a", 4096, None), SlotRoom("slot_b", 512, 1000), SlotRoom("standby_1", 1, 1))
    source = FakeDatabase(lag=lag, rooms=rooms)
    reading = source_metrics.read(source, source_metrics.readers(of, states(**configs), no_offsets), Rests())  # type: ignore[arg-type]
    shown = source_metrics.metrics(reading, of)
    assert values(shown, "kafka_connect_source_connector_lag") == {"a": 50_010.0}
    assert values(shown, "cdcproof_source_lag_bounded") == {"a": 1.0}
    assert values(shown, "cdcproof_source_lag_bytes") == {"a": 4096.0, "b": 512.0}
    assert values(shown, "cdcproof_source_lag_seconds") == {"a": 33.0}
    assert values(shown, "cdcproof_slot_retained_bytes") == {"slot_a": 4096.0, "slot_b": 512.0}
    assert values(shown, "cdcproof_slot_headroom_bytes") == {"slot_b": 1000.0}
    assert source_metrics.headroom_seconds(reading) == {"a": 7.0, "b": None, "c": None}
    assert (reading.unread["b"].why, reading.unread["c"].why) == ("It may not be copied.", "gone")


@pytest.mark.parametrize(
    ("found", "seconds", "rests"),
    [
        (Unread(why="cancelled", bytes=9), 2.0, True),
        (Unread(why="cancelled", bytes=9), 0.5, False),
        (Unread(5, False, 1.0, 9), 9.0, False),
    ],
)
def test_a_count_that_took_long_and_came_to_nothing_is_not_tried_at_each_scrape(
    monkeypatch: pytest.MonkeyPatch, found: Unread, seconds: float, rests: bool
) -> None:
    now = 1000.0
    monkeypatch.setattr("cdcproof.core.waiting.time.monotonic", lambda: now)
    kept = Rests()
    kept.counted("a", found, seconds)
    assert bool(kept.of("a")) is rests
    assert not kept.of("b")
    now += 20 * seconds + 1
    assert not kept.of("a")


def test_a_machine_that_hung_for_an_hour_does_not_hide_the_lag_for_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("cdcproof.core.waiting.time.monotonic", lambda: now)
    rests = Rests()
    rests.counted("source", Unread(why="no answer"), 3600.0)
    assert rests.of("source")
    now += 81
    assert not rests.of("source")


def test_a_connector_that_rests_is_not_counted() -> None:
    rests = Rests()
    rests.counted("source", Unread(why="cancelled"), 2.0)
    source = FakeDatabase(lag={"own_slot": Unread(1)})
    source_metrics.read(source, source_metrics.readers(pipeline(), states(source=POSTGRES), no_offsets), rests)  # type: ignore[arg-type]
    [asked] = source.asked
    assert asked.rests.startswith("It could not be counted in time; it is tried again in ")
