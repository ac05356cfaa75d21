"""How SQL Server does, and what its change tables hold behind a connector: the views' answers are the test's, the change tables are run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cdcproof.core.errors import RefusedError, UnexpectedAnswerError
from cdcproof.core.secrets import Secret
from cdcproof.databases.connections import connect_for_health
from cdcproof.databases.contracts.health import Health, Reader, Unread
from cdcproof.databases.names import TableName
from cdcproof.databases.sqlserver.queries import catalogue, deployment, health
from cdcproof.databases.sqlserver.sessions.health import SQLServerHealth
from tests import tsql_values
from tests.databases.sqlserver.log.test_position import at, offset
from tests.databases.sqlserver.test_database import Answers, _config

ORDERS = TableName("dbo", "orders")
DAYS_3 = ("cleanup", "c", 1, 0, 0, 4320, None)
INSERT, BEFORE, AFTER, DELETE = 2, 3, 4, 1

Row = tuple[int, int, int]
"""Commit, place and operation of a row in a change table."""


def sql_server(
    orders: Sequence[Row] = (),
    other: Sequence[Row] = (),
    new_orders: Sequence[Row] = (),
    age: int | None = 40,
    jobs: Sequence[tuple[Any, ...]] = (DAYS_3,),
    **known: Any,
) -> SQLServerHealth:
    tables = {
        f"cdc.dbo_{name}_CT": [
            {
                "__$start_lsn": tsql_values.Binary(at(commit)),
                "__$seqval": tsql_values.Binary(at(place)),
                "__$operation": tsql_values.Int(operation),
            }
            for commit, place, operation in rows
        ]
        for name, rows in (("orders", orders), ("other", other), ("orders_new", new_orders))
    }
    made = SQLServerHealth(_config(), Secret("a password"), 30)
    made._connection = Answers(
        {
            catalogue.CHANGE_TABLES: [
                ("dbo", "orders", "cdc", "dbo_orders_CT", at(0)),
                ("dbo", "orders", "cdc", "dbo_orders_new_CT", at(0)),
                ("dbo", "other", "cdc", "dbo_other_CT", at(0)),
            ],
            deployment.AGE: [(age,)],
            deployment.JOBS: jobs,
            **known,
        },
        tables,
    )
    return made


def unread(
    found: SQLServerHealth,
    position: dict[str, Any],
    bound: int = 200,
    is_captured: Callable[[TableName], bool] = lambda _: True,
) -> Unread:
    return found.unread(Reader(is_captured, offset=position), bound)


@pytest.mark.parametrize(
    ("rows", "position", "records"),
    [
        ([], offset(8, 7), 0),
        ([(8, 7, INSERT)], offset(8, 7), 0),
        ([(8, 7, INSERT), (9, 1, INSERT), (9, 2, DELETE)], offset(8, 7), 2),
        # later in the same transaction
        ([(8, 6, INSERT), (8, 7, INSERT)], offset(8, 6), 1),
        # an update is one change in two rows
        ([(9, 1, BEFORE), (9, 1, AFTER)], offset(8, 7), 1),
        ([(8, 7, BEFORE), (8, 7, AFTER)], offset(8, 7, events=2), 0),
        # a key's update is two changes at one place, of which one was read
        ([(8, 7, DELETE), (8, 7, INSERT)], offset(8, 7, events=1), 1),
        # earlier ones were read
        ([(4, 3, INSERT), (8, 3, INSERT), (8, 7, INSERT)], offset(8, 7), 0),
    ],
)
def test_changes_behind_the_committed_position_are_counted(
    rows: list[Row], position: dict[str, Any], records: int
) -> None:
    found = unread(sql_server(rows), position)
    assert (found.records, found.bounded) == (records, False)


def test_with_nothing_left_the_age_is_0_and_all_of_the_retention_is_left() -> None:
    assert unread(sql_server(age=None), offset(8, 7)) == Unread(0, False, 0.0, headroom_seconds=3 * 86_400.0)


def test_the_age_is_that_of_the_oldest_and_takes_from_the_retention() -> None:
    found = unread(sql_server([(9, 1, INSERT)], age=40), offset(8, 7))
    assert (found.seconds, found.headroom_seconds) == (40.0, 3 * 86_400.0 - 40)
    late = unread(sql_server([(9, 1, INSERT)], age=4 * 86_400), offset(8, 7))
    assert late.headroom_seconds == 0.0
    cleaned = unread(sql_server([(9, 1, INSERT)], age=None), offset(8, 7))
    assert (cleaned.records, cleaned.seconds, cleaned.headroom_seconds) == (1, None, None)


def test_a_change_that_is_dated_into_the_future_has_no_age() -> None:
    """Daylight saving has ended since: the server keeps local time, so the age is not known, and it is not 0."""
    found = unread(sql_server([(9, 1, INSERT)], age=-2400), offset(8, 7))
    assert (found.records, found.seconds, found.headroom_seconds) == (1, None, None)


def test_tables_that_the_connector_does_not_capture_do_not_count() -> None:
    found = sql_server([(9, 1, INSERT)], other=[(9, 2, INSERT), (9, 3, INSERT)])
    assert unread(found, offset(8, 7)).records == 3
    assert unread(found, offset(8, 7), is_captured=lambda table: table == ORDERS).records == 1


def test_two_capture_instances_of_a_table_have_the_same_changes() -> None:
    rows: list[Row] = [(9, n, INSERT) for n in range(1, 4)]
    assert unread(sql_server(rows, new_orders=rows[1:]), offset(8, 7)).records == 3


def test_a_count_stops_at_its_bound_over_all_tables_and_says_so() -> None:
    rows: list[Row] = [(9, n, INSERT) for n in range(1, 9)]
    found = unread(sql_server(rows, other=rows), offset(8, 7), bound=12)
    assert (found.records, found.bounded) == (12, True)


def test_before_and_during_a_snapshot_nothing_is_counted() -> None:
    for position in ({}, {"snapshot": "INITIAL", "snapshot_completed": False}):
        found = unread(sql_server(), position)
        assert (found.records, found.seconds) == (None, None)
        assert "has not begun to stream" in found.why


def test_one_that_rests_is_not_counted() -> None:
    found = sql_server([(9, 1, INSERT)]).unread(Reader(lambda _: True, offset=offset(8, 7), rests="It rests."), 200)
    assert found == Unread(why="It rests.")


def test_jobs_that_may_not_be_read_leave_the_headroom_out_with_the_grant(monkeypatch: pytest.MonkeyPatch) -> None:
    found = sql_server([(9, 1, INSERT)])
    query = found.query

    def refusing(statement: str, *values: Any, grant: Callable[[], str] = str) -> list[tuple[Any, ...]]:
        if statement == deployment.JOBS:
            raise RefusedError("msdb may not be read.", grant())
        return query(statement, *values, grant=grant)

    monkeypatch.setattr(found, "query", refusing)
    seen = unread(found, offset(8, 7))
    assert (seen.records, seen.headroom_seconds) == (1, None)
    assert "GRANT SELECT ON dbo.cdc_jobs" in seen.remedy
    assert unread(sql_server([(9, 1, INSERT)], jobs=()), offset(8, 7)).headroom_seconds is None, "no job cleans up"


STATE = {
    health.LIMIT: [(32767,)],
    health.SIZE: [(8192 * 1000,)],
    catalogue.MAY_VIEW_SERVER_STATE: [(1,)],
    health.SESSIONS: [(3, 20, 1)],
    health.LONGEST_TRANSACTION: [(95,)],
    health.REQUESTS: [(12, 2)],
    health.COUNTERS: [("Number of Deadlocks/sec", 4), ("Buffer cache hit ratio", 990), ("Buffer cache hit ratio base", 1000)],
}  # fmt: skip


def test_the_server_shows_how_it_does() -> None:
    assert sql_server(**STATE).health() == Health(
        connections={"active": 3, "idle": 20, "idle in transaction": 1},
        connections_limit=32767,
        longest_transaction_seconds=95.0,
        longest_query_seconds=12.0,
        blocked_sessions=2,
        deadlocks=4,
        cache_hit_ratio=0.99,
        size_bytes=8_192_000,
    )


def test_without_the_right_to_see_its_state_nothing_of_it_is_taken_for_all() -> None:
    """The views show the own session alone then, and no error."""
    hidden = sql_server(**STATE | {catalogue.MAY_VIEW_SERVER_STATE: [(0,)]}).health()
    assert hidden == Health(
        connections_limit=32767, size_bytes=8_192_000, grant="USE master; GRANT VIEW SERVER STATE TO [reader];"
    )


@pytest.mark.parametrize(
    ("reserved", "count"), [("568 KB", 581_632), ("1.50 MB", 1_572_864), ("12345678 KB", 12_641_974_272)]
)
def test_the_space_that_tables_take_is_read_with_its_unit(reserved: str, count: int) -> None:
    row = ("warehouse_source", "200.00 MB", "3.21 MB", reserved, "400 KB", "100 KB", "68 KB")
    assert sql_server(**{health.SPACE_USED: [row]}).space_used_bytes() == count


def test_another_form_of_the_space_is_not_guessed() -> None:
    with pytest.raises(UnexpectedAnswerError, match="sp_spaceused"):
        sql_server(**{health.SPACE_USED: [("warehouse_source", "200 MB", "3 MB", "much")]}).space_used_bytes()


def test_counters_that_are_not_there_are_absent() -> None:
    seen = sql_server(**STATE | {health.COUNTERS: [("Buffer cache hit ratio base", 0)]}).health()
    assert (seen.deadlocks, seen.cache_hit_ratio) == (None, None)


def test_the_clock_is_in_seconds_and_the_session_is_chosen_by_type(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sql_server(**{health.CLOCK: [(1_795_973_696_789,)]}).clock_seconds() == 1_795_973_696.789
    assert sql_server().slot_rooms() == ()
    monkeypatch.setenv(_config().password_env, "x")
    assert isinstance(connect_for_health(_config()), SQLServerHealth)
