"""The keys of changed rows, from the change tables: those are in memory, and the statements are run over them."""

from __future__ import annotations

from typing import Any

import pytest

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.core.secrets import Secret
from cdcproof.databases.contracts.change_feed import Changes, Followed
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.sqlserver.log import change_feed, lsn
from cdcproof.databases.sqlserver.log.change_feed import SQLServerChanges
from cdcproof.databases.sqlserver.queries import catalogue
from tests import tsql_values
from tests.databases.sqlserver.test_database import PASSWORD, Answers, _config

ORDERS = TableName("dbo", "orders")
COLUMN_ROWS = [("id", "int", False, 0, 10, False, 4, ""), ("kind", "nvarchar", False, 0, 0, False, 20, "")]
INSTANCE = ("dbo", "Orders", "cdc", "dbo_orders_CT")


class Server:
    """What the capture job has written so far: (position, id, kind) of each changed row; the orders are proven up to 100."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, str]] = []
        self.captured_to = 100
        self.instances: list[tuple[Any, ...]] = [(*INSTANCE, lsn.binary(1))]

    def feed(self) -> SQLServerChanges:
        feed = SQLServerChanges(_config(), Secret(PASSWORD), 30)
        changes = [
            {
                "__$start_lsn": tsql_values.Binary(lsn.binary(at)),
                "id": tsql_values.Int(number),
                "kind": tsql_values.Text(kind),
            }
            for at, number, kind in self.rows
        ]
        times = [{"start_lsn": tsql_values.Binary(lsn.binary(at))} for at in sorted({row[0] for row in self.rows})]
        feed._connection = Answers(
            {
                catalogue.CAPTURED_TO: [(self.captured_to and lsn.binary(self.captured_to),)],
                catalogue.CHANGE_TABLES: self.instances,
                catalogue.COLUMNS: COLUMN_ROWS,
            },
            {"cdc.dbo_orders_CT": changes, "cdc.lsn_time_mapping": times},
        )
        return feed

    def read(self, behind: int | None = 100, most: int = 1000, key: tuple[str, ...] = ("ID", "kind")) -> Changes:
        return self.feed().read({ORDERS: Followed(key, behind)}, most)


@pytest.fixture
def server() -> Server:
    return Server()


def test_at_first_the_end_is_told_and_nothing_is_missing(server: Server) -> None:
    server.rows = [(50, 1, "old")]
    assert server.read(behind=None) == Changes(100, {}, {}, is_last=True)


def test_then_the_keys_of_what_was_committed_since_each_once(server: Server) -> None:
    server.rows = [(100, 1, "old"), (101, 2, "😀"), (102, -3, ""), (103, 2, "😀"), (150, 4, "x"), (151, 5, "not yet")]
    server.captured_to = 150
    changes = server.read()
    assert changes.keys == {ORDERS: {("2", "😀"), ("-3", ""), ("4", "x")}}
    assert (changes.unknown, changes.until, changes.is_last) == ({}, 150, True)


def test_reading_takes_nothing_and_there_is_nothing_to_release(server: Server) -> None:
    server.rows, server.captured_to = [(101, 1, "a")], 101
    assert server.read() == server.read()
    assert server.feed().release(101) is None


def test_many_transactions_come_in_several_readings_and_none_is_divided(server: Server) -> None:
    server.rows, server.captured_to = [(101, 1, ""), (101, 2, ""), (102, 3, ""), (103, 4, "")], 110
    first = server.read(most=2)
    assert (first.keys, first.until, first.is_last) == ({ORDERS: {("1", ""), ("2", ""), ("3", "")}}, 102, False)
    second = server.read(behind=102, most=2)
    assert (second.keys, second.until, second.is_last) == ({ORDERS: {("4", "")}}, 110, True)


def test_each_table_is_read_from_where_its_own_changes_were_proven(server: Server) -> None:
    server.rows, server.captured_to = [(101, 1, ""), (105, 2, "")], 110
    server.instances.append(("dbo", "other", "cdc", "dbo_orders_CT", lsn.binary(1)))
    other = TableName("dbo", "other")
    asked = {ORDERS: Followed(("id",), 103), other: Followed(("id",), 100)}
    assert server.feed().read(asked, 1000).keys == {ORDERS: {("2",)}, other: {("1",), ("2",)}}
    assert server.feed().read(asked, 1).keys == {other: {("1",)}}, (
        "the first transaction is before what the orders need"
    )


def test_a_table_without_a_key_tells_that_something_changed(server: Server) -> None:
    server.rows, server.captured_to = [(101, 1, "a"), (102, 2, "b")], 110
    assert server.read(key=()).keys == {ORDERS: {()}}


@pytest.mark.parametrize(
    ("instances", "why"),
    [
        ([(*INSTANCE, lsn.binary(101))], "cleaned up, or capture was enabled anew"),
        ([("dbo", "orders", "cdc", "without_kind_CT", lsn.binary(1))], "does not hold the columns of its key"),
    ],
)
def test_what_no_change_table_holds_makes_every_row_count(
    server: Server, instances: list[tuple[Any, ...]], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.rows, server.captured_to, server.instances = [(105, 1, "a")], 110, instances
    if "without" in instances[0][3]:
        monkeypatch.setattr(__name__ + ".COLUMN_ROWS", COLUMN_ROWS[:1])
    changes = server.read()
    assert changes.keys == {}
    assert why in changes.unknown[ORDERS]


def test_of_two_change_tables_the_one_that_reaches_back_is_read(server: Server) -> None:
    server.rows, server.captured_to = [(105, 1, "a")], 110
    server.instances.insert(0, ("dbo", "orders", "cdc", "newer_CT", lsn.binary(104)))
    assert server.read().keys == {ORDERS: {("1", "a")}}


def test_what_is_cleaned_up_while_it_is_read_makes_every_row_count(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.rows, server.captured_to = [(105, 1, "a")], 110
    feed = server.feed()
    between = feed._between

    def cleaned(statement: str, begun: int, until: int) -> list[tuple[Any, ...]]:
        feed._connection.known[catalogue.CHANGE_TABLES] = [(*INSTANCE, lsn.binary(110))]
        return between(statement, begun, until)

    monkeypatch.setattr(feed, "_between", cleaned)
    assert "cleaned up" in feed.read({ORDERS: Followed(("ID", "kind"), 100)}, 1000).unknown[ORDERS]


def test_too_many_keys_make_every_row_count(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_feed, "MOST_KEYS", 2)
    server.rows, server.captured_to = [(101, 1, ""), (102, 2, "")], 110
    assert not server.read().unknown
    server.rows.append((103, 3, ""))
    assert "keys were written" in server.read().unknown[ORDERS]


def test_a_position_that_the_log_has_not_come_to_proves_nothing(server: Server) -> None:
    changes = server.read(behind=101)
    assert "the source was set back" in changes.unknown[ORDERS]
    assert (changes.until, changes.is_last) == (100, True)


def test_a_table_that_is_not_captured_and_a_job_that_never_ran_are_said(server: Server) -> None:
    lines = TableName("dbo", "o'lines")
    following = server.feed().following({ORDERS: ("id",), lines: ("id",)})
    assert following[ORDERS].why_not == ""
    assert "Changes of dbo.o'lines are not captured." in following[lines].why_not
    assert "sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'o''lines'" in following[lines].why_not
    server.captured_to = 0
    with pytest.raises(UnexpectedAnswerError, match="has captured nothing yet") as raised:
        server.read()
    assert "sp_cdc_start_job" in raised.value.remedy


@pytest.mark.parametrize(
    ("type_name", "words"),
    [
        ("int", "CONVERT(varchar(41), [c])"),
        ("decimal", "CONVERT(varchar(41), [c])"),
        ("uniqueidentifier", "CONVERT(varchar(41), [c])"),
        ("money", "CONVERT(varchar(41), [c], 2)"),
        ("float", "CONVERT(varchar(41), [c], 3)"),
        ("datetimeoffset", "CONVERT(varchar(41), [c], 126)"),
        ("time", "CONVERT(varchar(41), [c], 126)"),
        ("nchar", "CAST(CAST([c] AS nvarchar(max)) AS varbinary(max))"),
        ("varbinary", "CONVERT(varchar(max), CAST([c] AS varbinary(max)), 2)"),
    ],
)
def test_keys_are_told_without_loss(type_name: str, words: str) -> None:
    statement = catalogue.changed_keys_statement(ORDERS, [Column("c", type_name, nullable=False)], 5)
    assert f"SELECT DISTINCT TOP (5) {words} FROM [dbo].[orders]" in statement


def test_keys_that_differ_only_in_case_or_blanks_are_told_each(server: Server) -> None:
    """A server's DISTINCT takes them for one, by the database's collation."""
    server.rows = [(101, 1, "abc"), (102, 1, "ABC"), (103, 1, "abc "), (104, 1, "abc")]
    server.captured_to = 110
    assert server.read().keys == {ORDERS: {("1", "abc"), ("1", "ABC"), ("1", "abc ")}}
    sized = catalogue.changed_keys_statement(ORDERS, [Column("c", "varchar", nullable=False, length=20)], 5)
    assert "CAST(CAST([c] AS nvarchar(20)) AS varbinary(40))" in sized, "a (max) spills"
