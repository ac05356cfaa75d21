from __future__ import annotations

from typing import Any, Self, cast

import pytest

from cdcproof.clients.connect.client import Connect, ConnectorStates
from cdcproof.clients.http import NotFoundError
from cdcproof.connectors import snapshot
from cdcproof.connectors.snapshot import Following, Phase, Seen, phase, tables_of
from cdcproof.core.errors import CdcproofError, DeadlineError, OperationError, UnreachableError, UsageError
from cdcproof.databases.names import TableName
from tests.connectors.looks import connector
from tests.pipelines import pipeline_of

SQLSERVER = {
    "connector__class": "io.debezium.connector.sqlserver.SqlServerConnector",
    "database__names": "warehouse_source",
    "table__include__list": "dbo.orders,dbo.customers",
}
SNAPSHOT = [{"partition": {}, "offset": {"lsn": 1, "snapshot": "INITIAL", "snapshot_completed": False}}]
STREAMING = [{"partition": {}, "offset": {"lsn": 1}}]
RUNS = connector("RUNNING", "RUNNING", kind="source", **SQLSERVER)


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        ([], Phase.WAITING),
        ([{"snapshot": "INITIAL", "snapshot_completed": False, "last_snapshot_record": False}], Phase.SNAPSHOT),
        ([{"snapshot": True}], Phase.SNAPSHOT),
        ([{"snapshot": "INITIAL", "snapshot_completed": True}], Phase.STREAMING),
        ([{"snapshot": True, "snapshot_completed": "true"}], Phase.STREAMING),
        ([{"snapshot": "INITIAL", "last_snapshot_record": True}], Phase.STREAMING),
        ([{"snapshot": False}], Phase.STREAMING),
        ([{"lsn": 1}], Phase.STREAMING),
        ([{"lsn": 1}, {"snapshot": "INITIAL", "snapshot_completed": False}], Phase.SNAPSHOT),
    ],
)
def test_the_position_tells_the_phase(positions: list[dict[str, Any]], expected: Phase) -> None:
    assert phase([{"partition": {}, "offset": position} for position in positions]) is expected


def test_only_the_tables_that_it_captures_are_followed() -> None:
    pipeline = pipeline_of("orders", "customers", "products")
    assert [table.name for table in tables_of(RUNS, pipeline)] == ["orders", "customers"]
    with pytest.raises(UsageError, match="not a Debezium source"):
        tables_of(connector("RUNNING"), pipeline)
    with pytest.raises(UsageError, match="none of the tables"):
        tables_of(RUNS, pipeline_of("products"))


class Target:
    """A target database: each look at it is the next of `counts`, the last one for ever; an error is raised."""

    def __init__(self, *counts: dict[str, int] | CdcproofError) -> None:
        self.counts = list(counts)
        self.now: dict[str, int] = {}

    def __enter__(self) -> Target:
        told = self.counts.pop(0) if len(self.counts) > 1 else self.counts[0]
        if isinstance(told, CdcproofError):
            raise told
        self.now = told
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def catalogue(self) -> Self:
        return self

    def tables(self, schema: str) -> frozenset[TableName]:
        return frozenset(TableName(schema, name) for name in self.now)

    def count_rows(self, table: TableName) -> int:
        return self.now[table.table]


class Source:
    """A Connect whose connector is looked at: each look is the next of `looks`, the last one for ever."""

    def __init__(self, *looks: tuple[Any, Any]) -> None:
        self.looks = list(looks)
        self.positions: Any = []

    def states(self, sure_of: object = ()) -> ConnectorStates:
        seen, self.positions = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(seen, CdcproofError):
            raise seen
        return ConnectorStates((seen,) if seen else ())

    def offsets(self, _: str) -> Any:
        if isinstance(self.positions, CdcproofError):
            raise self.positions
        return self.positions


def follow(
    monkeypatch: pytest.MonkeyPatch, source: Source, target: Target, stalled_seconds: float = 60
) -> tuple[Seen, list[Seen]]:
    """What was seen at the end, and what was told on the way."""
    monkeypatch.setattr(snapshot, "open_database", lambda *_, **__: target)
    monkeypatch.setattr(snapshot, "_INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(snapshot, "_COUNTING_SHARE", float("inf"))  # at each look, however busy the machine is
    pipeline = pipeline_of("orders", "customers")
    following = Following(cast(Connect, source), "c", pipeline, tables_of(RUNS, pipeline), stalled_seconds)
    told: list[Seen] = []
    return following.to_streaming(told.append), told


def test_it_is_followed_from_the_first_row_to_streaming(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source((RUNS, []), (RUNS, SNAPSHOT), (RUNS, STREAMING))
    target = Target({}, {"orders": 5}, {"orders": 9, "customers": 3})
    end, told = follow(monkeypatch, source, target)
    assert [seen.phase for seen in told] == [Phase.WAITING, Phase.SNAPSHOT]
    assert told[0].rows == {"orders": 0, "customers": 0}  # tables that are not there yet have no rows
    assert (end.phase, end.rows) == (Phase.STREAMING, {"orders": 9, "customers": 3})


def test_a_worker_that_is_gone_for_a_while_is_told_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = UnreachableError("connection refused")
    source = Source((RUNS, SNAPSHOT), (gone, None), (RUNS, gone), (RUNS, STREAMING))
    end, told = follow(monkeypatch, source, Target({"orders": 5}))
    assert [seen.trouble for seen in told] == ["", "connection refused", "connection refused"]
    assert end.phase is Phase.STREAMING


def test_a_target_that_does_not_answer_is_told_and_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source((RUNS, SNAPSHOT), (RUNS, STREAMING))
    end, told = follow(monkeypatch, source, Target(UnreachableError("target is gone"), {"orders": 5, "customers": 0}))
    assert told[0].trouble == "target is gone"
    assert end.rows["orders"] == 5


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (connector("RUNNING", "FAILED", kind="source", **SQLSERVER), "task 0 FAILED: E: the cause"),
        (connector("FAILED", kind="source", **SQLSERVER), "the connector FAILED"),
        (connector("PAUSED", "PAUSED", kind="source", **SQLSERVER), "it takes no snapshot"),
        (connector("STOPPED", kind="source", **SQLSERVER), "it takes no snapshot"),
        (None, "somebody has deleted it"),
    ],
)
def test_what_ends_a_snapshot_is_told_at_once(seen: Any, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OperationError, match=words) as raised:
        follow(monkeypatch, Source((RUNS, SNAPSHOT), (seen, SNAPSHOT)), Target({"orders": 5}))
    assert raised.value.exit_status == 1


def test_a_connector_that_is_deleted_between_two_questions_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OperationError, match="c is gone"):
        follow(monkeypatch, Source((RUNS, NotFoundError("no such connector"))), Target({}))


def test_when_nothing_moves_any_more_it_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeadlineError, match=r"has moved for 0\.2 s\. It is snapshot") as raised:
        follow(monkeypatch, Source((RUNS, SNAPSHOT)), Target({"orders": 5}), stalled_seconds=0.2)
    assert raised.value.exit_status == 3
    with pytest.raises(DeadlineError, match=r"0\.2 s\. connection refused"):
        follow(monkeypatch, Source((UnreachableError("connection refused"), None)), Target({}), stalled_seconds=0.2)


def test_rows_that_still_come_are_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [(RUNS, SNAPSHOT)] * 30
    target = Target(*({"orders": rows} for rows in range(40)))
    end, told = follow(monkeypatch, Source(*looks, (RUNS, STREAMING)), target, stalled_seconds=0.15)
    assert len(told) == 30  # longer in all than nothing may move for
    assert end.phase is Phase.STREAMING


def beginning(lsn: int) -> Any:
    return [{"partition": {}, "offset": {"lsn": lsn, "snapshot": "INITIAL", "snapshot_completed": False}}]


def test_a_snapshot_that_begins_again_and_again_is_a_failure_though_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [(RUNS, beginning(lsn // 2)) for lsn in range(40)]
    with pytest.raises(OperationError, match="again and again"):
        follow(monkeypatch, Source(*looks), Target({"orders": 5, "customers": 0}))


def test_a_snapshot_that_begins_anew_and_gets_further_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [(RUNS, beginning(lsn)) for lsn in range(20)]
    target = Target(*({"orders": rows, "customers": 0} for rows in range(40)))
    end, told = follow(monkeypatch, Source(*looks, (RUNS, STREAMING)), target)
    assert end.phase is Phase.STREAMING
    assert told[-1].beginnings == 19


def test_the_source_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "open_database", lambda *_, **__: Target({"orders": 7}))
    pipeline = pipeline_of("orders")
    assert snapshot.expected_rows(pipeline, pipeline.tables) == {"orders": 7}
