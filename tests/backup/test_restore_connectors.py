"""What a restore orders of Kafka Connect: on a worker in memory that keeps to Connect's rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from cdcproof.backup.log import Log
from cdcproof.backup.manifest import Manifest
from cdcproof.backup.parts.connectors import SavedConnector
from cdcproof.backup.parts.offsets import Saved, SavedOffsets, SavedParts
from cdcproof.backup.parts.positions import Decision, SinkStep, SourceStep
from cdcproof.backup.restore import connectors as restore_connectors
from cdcproof.backup.restore.connectors import Connectors, kafka_version, others, seen
from cdcproof.backup.restore.plan import Plan
from cdcproof.clients.connect.client import Connect, Connector, ConnectorStates, Version
from cdcproof.connectors import commands
from cdcproof.connectors.control import Control
from cdcproof.connectors.retention import Retention
from cdcproof.core.errors import OperationError
from cdcproof.core.progress import Progress
from cdcproof.core.waiting import Deadline
from cdcproof.pipeline.model import Paths
from tests.connectors.worker import Worker
from tests.pipelines import pipeline_of

SOURCE = {"connector.class": "io.debezium.connector.sqlserver.SqlServerConnector", "kind": "source"}
SINK = {"connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "kind": "sink", "topics": "t.orders"}
MANIFEST = Manifest("test_20261129_020000", "test", "20261129_020000", "", "", "", "", (), {}, ())


def place(offset: int | None, partition: int = 0) -> dict[str, Any]:
    found = None if offset is None else {"kafka_offset": offset}
    return {"partition": {"kafka_topic": "t.orders", "kafka_partition": partition}, "offset": found}


LSN = {"partition": {"server": "w"}, "offset": {"commit_lsn": "00000025:00000d98:00a2"}}
PARTS = SavedParts(
    {
        "source": SavedConnector("source", "source", "RUNNING", SOURCE),
        "sink": SavedConnector("sink", "sink", "RUNNING", SINK),
    },
    Saved({"source": SavedOffsets("source", (LSN,)), "sink": SavedOffsets("sink", (place(5),), group="connect-sink")}),
)


class Versioned(Worker):
    """One that says its version."""

    number = "3.9.2"

    def version(self) -> Version:
        return Version(self.number, "cluster")


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Versioned:
    made = Versioned()
    made.add("source", "STOPPED", **SOURCE)
    made.add("sink", "STOPPED", **SINK)
    made.positions = {"source": [LSN], "sink": [place(9), place(4, 1)]}
    monkeypatch.setattr(Connectors, "connect", lambda self: cast(Connect, made))
    monkeypatch.setattr(
        Connectors, "control", lambda self: Control(cast(Connect, made), Deadline(3), lambda _: None, lambda _: None)
    )
    monkeypatch.setattr(commands.retention, "look", lambda *_: Retention())
    monkeypatch.setattr(restore_connectors, "_SETTLE_SECONDS", 0.0)
    return made


@pytest.fixture
def connectors(worker: Versioned, tmp_path: Path) -> Connectors:
    paths = Paths(reconciliation_reports=tmp_path / "reconciliation_reports")
    return Connectors(
        pipeline_of("orders", connectors=[{"name": "source", "kind": "source"}, {"name": "sink", "kind": "sink"}])
        .model_copy(update={"paths": paths}),
        Log(None, Progress()),
        3,
    )  # fmt: skip


def plan(source: SourceStep, sink: SinkStep, *lost: str, running: dict[str, str] | None = None) -> Plan:
    return Plan(Path("/b"), MANIFEST, (), PARTS, running or {}, lost, Decision(source, sink, "why"))


def test_running_connectors_are_stopped_the_source_first(worker: Versioned, connectors: Connectors) -> None:
    worker.target_states = {"source": "RUNNING", "sink": "RUNNING"}
    running, lost = seen(connectors, PARTS.connectors)
    assert (running, lost) == ({"source": "RUNNING", "sink": "RUNNING"}, ())

    connectors.stop(plan(SourceStep.KEEP, SinkStep.KEEP, running=running))

    assert worker.orders == ["stop source", "stop sink"]
    assert seen(connectors, PARTS.connectors) == ({}, ())


def test_a_sink_is_set_back_to_just_its_saved_positions(worker: Versioned, connectors: Connectors) -> None:
    connectors.position(plan(SourceStep.KEEP, SinkStep.REWIND))
    assert worker.positions == {"source": [LSN], "sink": [place(5)]}


@pytest.mark.parametrize(
    ("mode", "after"), [("schema_only", "initial"), ("no_data", "initial"), ("always", "always"), ("", None)]
)
def test_a_source_that_is_reset_reads_its_tables(
    worker: Versioned, connectors: Connectors, mode: str, after: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if mode:
        worker.configs["source"]["snapshot.mode"] = mode
    connectors.position(plan(SourceStep.RESET, SinkStep.KEEP))

    assert worker.positions["source"] == []
    assert worker.configs["source"].get("snapshot.mode") == after
    hint = f"cdcproof connectors update source --set snapshot.mode={mode}"
    assert (hint in capsys.readouterr().out) is (after == "initial")


def test_lost_connectors_are_made_stopped_and_positioned(worker: Versioned, connectors: Connectors) -> None:
    worker.configs.clear()
    worker.target_states.clear()
    worker.positions.clear()
    running, lost = seen(connectors, PARTS.connectors)
    assert (running, set(lost)) == ({}, {"source", "sink"})

    connectors.position(plan(SourceStep.SET, SinkStep.KEEP, *lost))

    assert worker.target_states == {"source": "STOPPED", "sink": "STOPPED"}
    assert worker.positions == {"source": [LSN], "sink": []}


def test_they_are_started_the_sink_first(worker: Versioned, connectors: Connectors) -> None:
    connectors.start(plan(SourceStep.KEEP, SinkStep.KEEP))
    assert worker.orders == ["resume sink", "resume source"]


def test_events_of_the_lost_future_are_passed_over_at_the_end_only(
    worker: Versioned, connectors: Connectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Kafka:
        def __init__(self, _: str) -> None:
            pass

        def kept_offsets(self, topics: list[str]) -> dict[tuple[str, int], range]:
            assert topics == ["t.orders"]
            return {("t.orders", 0): range(3, 70), ("t.orders", 1): range(0)}

    monkeypatch.setattr(restore_connectors, "Kafka", Kafka)
    both = plan(SourceStep.RESET, SinkStep.TO_ENDS)
    connectors.position(both)
    assert worker.positions["sink"] == [place(9), place(4, 1)]
    connectors.finish(both)
    assert worker.positions["sink"] == [place(70), place(0, 1)]


def test_a_position_that_connect_did_not_take_is_noticed(
    worker: Versioned, connectors: Connectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "alter_offsets", lambda *_: None)
    with pytest.raises(OperationError, match="took other positions of sink"):
        connectors.position(plan(SourceStep.KEEP, SinkStep.REWIND))


def test_what_this_connect_cannot_do_is_refused_before_anything_is_done(
    worker: Versioned, connectors: Connectors
) -> None:
    worker.changes_offsets, worker.number = False, "7.5.0-ccs"
    with pytest.raises(OperationError, match=r"takes 3\.6 or newer") as refused:
        connectors.demand_means(plan(SourceStep.RESET, SinkStep.KEEP))
    assert "--databases-only" in refused.value.remedy
    with pytest.raises(OperationError, match="cannot make a connector that is stopped"):
        connectors.demand_means(plan(SourceStep.SET, SinkStep.KEEP, "source"))
    connectors.demand_means(plan(SourceStep.KEEP, SinkStep.KEEP))
    assert worker.orders == []


@pytest.mark.parametrize(
    ("version", "expected"),
    [("3.9.2", (3, 9)), ("7.5.0-ccs", (3, 5)), ("7.7.1-ce", (3, 7)), ("8.0.0-ccs", (4, 0)), ("unknown", (0, 0))],
)
def test_confluents_versions_are_read_as_kafkas(version: str, expected: tuple[int, int]) -> None:
    assert kafka_version(version) == expected


def test_connectors_of_others_on_a_restored_database_are_named() -> None:
    jdbc = {"connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "topics": "t"}
    debezium = {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": "pg",
        "database.port": "5432",
    }

    def at(name: str, **config: str) -> Connector:
        return Connector(
            name, "sink", "RUNNING", "w", (), {key.replace("__", "."): value for key, value in config.items()}
        )

    now = ConnectorStates(
        (
            at("source", **debezium, database__dbname="a"),
            at("sink", **jdbc, connection__url="jdbc:postgresql://pg:5432/b"),
            at("reads-the-same", **debezium, database__dbname="A"),
            at("reads-another", **debezium, database__dbname="c"),
            at("writes-the-same", **jdbc, connection__url="jdbc:postgresql://pg:5432/b"),
            at("writes-elsewhere", **jdbc, connection__url="jdbc:postgresql://other:5432/b"),
            at("no-database", **{"connector.class": "x.FileSource"}),
        )
    )
    pipeline = pipeline_of(
        "orders", connectors=[{"name": "source", "kind": "source"}, {"name": "sink", "kind": "sink"}]
    )
    assert others(now, pipeline, {"source"}, {}) == {"reads-the-same": "RUNNING"}
    assert others(now, pipeline, {"target"}, {}) == {"writes-the-same": "RUNNING"}
    lost = ConnectorStates(now.connectors[2:])
    saved = {"sink": SavedConnector("sink", "sink", "RUNNING", now.connectors[1].config)}
    assert others(lost, pipeline, {"target"}, saved) == {"writes-the-same": "RUNNING"}
    assert others(now, pipeline, set(), {}) == {}
