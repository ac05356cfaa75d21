"""The keys of changed rows, from the change tables: those are in memory, and the statements are run over them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cdcproof.databases import lsn, sqlserver_changes, tsql
from cdcproof.databases.base import Column, TableName
from cdcproof.databases.sqlserver_changes import SQLServerChanges
from cdcproof.errors import CouldNotLookError, UnexpectedAnswerError
from cdcproof.secrets import Secret
from tests import tsql_values
from tests.databases.test_sqlserver import PASSWORD, Answers, _config

ORDERS = TableName("dbo", "orders")
KEYS = {ORDERS: ("ID", "kind")}
COLUMN_ROWS = [("id", "int", False, 0, 10, False, 4, ""), ("kind", "nvarchar", False, 0, 0, False, 20, "")]
INSTANCE = ("dbo", "Orders", "cdc", "dbo_orders_CT")


class Server:
    """What the capture job has written so far: (position, id, kind) of each changed row."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "proofs" / "position"
        self.rows: list[tuple[int, int, str]] = []
        self.captured_to = 100
        self.instances: list[tuple[Any, ...]] = [(*INSTANCE, lsn.binary(1))]

    def feed(self) -> SQLServerChanges:
        feed = SQLServerChanges(_config(), Secret(PASSWORD), 30, self.file)
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
                tsql.CAPTURED_TO: [(self.captured_to and lsn.binary(self.captured_to),)],
                tsql.CHANGE_TABLES: self.instances,
                tsql.COLUMNS: COLUMN_ROWS,
            },
            {"cdc.dbo_orders_CT": changes, "cdc.lsn_time_mapping": times},
        )
        return feed

    def prove(self, most: int = 1000) -> None:
        feed = self.feed()
        feed.confirm(feed.read(KEYS, most))


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def test_at_first_every_row_counts_as_changed(server: Server) -> None:
    changes = server.feed().read(KEYS, 1000)
    assert (changes.unknown, changes.is_last) == ({ORDERS}, True)
    assert changes.until == lsn.text(100)


def test_then_the_keys_of_what_was_committed_since_each_once(server: Server) -> None:
    server.prove()
    server.rows = [(100, 1, "old"), (101, 2, "😀"), (102, -3, ""), (103, 2, "😀"), (150, 4, "x"), (151, 5, "not yet")]
    server.captured_to = 150
    changes = server.feed().read(KEYS, 1000)
    assert changes.keys == {ORDERS: {("2", "😀"), ("-3", ""), ("4", "x")}}
    assert (changes.unknown, changes.until, changes.is_last) == (frozenset(), lsn.text(150), True)


def test_what_is_not_confirmed_comes_again_and_what_is_does_not(server: Server) -> None:
    server.prove()
    server.rows, server.captured_to = [(101, 1, "a")], 101
    assert server.feed().read(KEYS, 1000) == server.feed().read(KEYS, 1000)
    server.prove()
    assert server.feed().read(KEYS, 1000).keys == {ORDERS: frozenset()}


def test_many_transactions_come_in_several_readings_and_none_is_divided(server: Server) -> None:
    server.prove()
    server.rows, server.captured_to = [(101, 1, ""), (101, 2, ""), (102, 3, ""), (103, 4, "")], 110
    first = server.feed().read(KEYS, 2)
    assert (first.keys, first.until, first.is_last) == (
        {ORDERS: {("1", ""), ("2", ""), ("3", "")}}, lsn.text(102), False
    )  # fmt: skip
    server.feed().confirm(first)
    second = server.feed().read(KEYS, 2)
    assert (second.keys, second.until, second.is_last) == ({ORDERS: {("4", "")}}, lsn.text(110), True)


def test_a_table_without_a_key_tells_that_something_changed(server: Server) -> None:
    server.prove()
    server.rows, server.captured_to = [(101, 1, "a"), (102, 2, "b")], 110
    assert server.feed().read({ORDERS: ()}, 1000).keys == {ORDERS: {()}}


@pytest.mark.parametrize(
    "instances",
    [
        [(*INSTANCE, lsn.binary(101))],  # cleaned up, or captured anew
        [("dbo", "orders", "cdc", "without_kind_CT", lsn.binary(1))],
    ],
)
def test_what_no_change_table_holds_makes_every_row_count(
    server: Server, instances: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.prove()
    server.rows, server.captured_to, server.instances = [(105, 1, "a")], 110, instances
    if "without" in instances[0][3]:
        monkeypatch.setattr(__name__ + ".COLUMN_ROWS", COLUMN_ROWS[:1])
    changes = server.feed().read(KEYS, 1000)
    assert (changes.keys, changes.unknown) == ({}, {ORDERS})


def test_of_two_change_tables_the_one_that_reaches_back_is_read(server: Server) -> None:
    server.prove()
    server.rows, server.captured_to = [(105, 1, "a")], 110
    server.instances.insert(0, ("dbo", "orders", "cdc", "newer_CT", lsn.binary(104)))
    assert server.feed().read(KEYS, 1000).keys == {ORDERS: {("1", "a")}}


def test_what_is_cleaned_up_while_it_is_read_makes_every_row_count(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.prove()
    server.rows, server.captured_to = [(105, 1, "a")], 110
    feed = server.feed()
    between = feed._between

    def cleaned(statement: str, begun: int, until: int) -> list[tuple[Any, ...]]:
        feed._connection.known[tsql.CHANGE_TABLES] = [(*INSTANCE, lsn.binary(110))]
        return between(statement, begun, until)

    monkeypatch.setattr(feed, "_between", cleaned)
    assert feed.read(KEYS, 1000).unknown == {ORDERS}


def test_too_many_keys_make_every_row_count(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlserver_changes, "MOST_KEYS", 2)
    server.prove()
    server.rows, server.captured_to = [(101, 1, ""), (102, 2, "")], 110
    assert not server.feed().read(KEYS, 1000).unknown
    server.rows.append((103, 3, ""))
    assert server.feed().read(KEYS, 1000).unknown == {ORDERS}


def test_a_position_of_another_database_or_of_a_later_life_is_none(server: Server) -> None:
    server.prove()
    told = json.loads(server.file.read_text())
    for other in ({**told, "of": "another"}, {**told, "until": lsn.text(101)}):
        server.file.write_text(json.dumps(other))
        assert server.feed().read(KEYS, 1000).unknown == {ORDERS}


@pytest.mark.parametrize("text", ["", "[]", '{"of": "x"}', '{"of": "x", "until": "odd"}'])
def test_a_file_that_cannot_be_read_is_named(server: Server, text: str) -> None:
    server.prove()
    of = json.loads(server.file.read_text())["of"]
    server.file.write_text(text.replace('"x"', json.dumps(of)))
    with pytest.raises(CouldNotLookError, match="does not tell how far the changes are proven") as raised:
        server.feed().read(KEYS, 1000)
    assert raised.value.remedy.startswith(f"rm '{server.file}'")


def test_a_place_that_cannot_be_written_is_named(server: Server, tmp_path: Path) -> None:
    changes = server.feed().read(KEYS, 1000)
    (tmp_path / "proofs").touch()
    with pytest.raises(CouldNotLookError, match="cannot be kept in"):
        server.feed().confirm(changes)


def test_a_table_that_is_not_captured_and_a_job_that_never_ran_are_said(server: Server) -> None:
    server.prove()
    with pytest.raises(UnexpectedAnswerError, match=r"dbo\.lines are not captured") as raised:
        server.feed().read({TableName("dbo", "lines"): ("id",)}, 1000)
    assert "sp_cdc_enable_table" in raised.value.remedy
    server.captured_to = 0
    with pytest.raises(UnexpectedAnswerError, match="has captured nothing yet") as raised:
        server.feed().read(KEYS, 1000)
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
        ("nchar", "CAST([c] AS nvarchar(max))"),
        ("varbinary", "CONVERT(varchar(max), CAST([c] AS varbinary(max)), 2)"),
    ],
)
def test_keys_are_told_without_loss(type_name: str, words: str) -> None:
    statement = tsql.changed_keys_statement(ORDERS, [Column("c", type_name, nullable=False)], 5)
    assert f"SELECT DISTINCT TOP (5) {words} FROM [dbo].[orders]" in statement
