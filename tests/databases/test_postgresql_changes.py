"""The keys of changed rows, from the WAL of a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cdcproof.databases.base import TableName
from cdcproof.databases.pgoutput import KeyCollector
from cdcproof.databases.postgresql_changes import PostgreSQLChanges
from cdcproof.errors import UnexpectedAnswerError, UsageError
from cdcproof.secrets import Secret
from tests.postgres_server import PASSWORD, Server, Servers

pytest_plugins = ["tests.postgres_server"]

SLOT = "changes_test"
ORDERS = TableName("public", 'changed "orders"')
LINES = TableName("public", "changed_lines")
KEYS = {ORDERS: ("id",), LINES: ("order_id", "line")}
_LIMIT_SECONDS = 30.0


@pytest.fixture
def server(postgres_servers: Servers) -> Iterator[Server]:
    server = postgres_servers.source
    server.execute(
        'CREATE TABLE "changed ""orders""" (id bigint PRIMARY KEY, note text)',
        "CREATE TABLE changed_lines (line text, order_id bigint, amount numeric, PRIMARY KEY (order_id, line))",
        "CREATE TABLE changed_others (id int PRIMARY KEY)",
        "CREATE PUBLICATION changes_test FOR ALL TABLES",
        f"SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')",
    )
    yield server
    server.execute(
        f"SELECT pg_drop_replication_slot('{SLOT}')",
        "DROP PUBLICATION changes_test",
        'DROP TABLE "changed ""orders""", changed_lines, changed_others',
    )


def feed_of(server: Server, slot: str = SLOT, **changes: object) -> PostgreSQLChanges:
    return PostgreSQLChanges(
        server.config(publication="changes_test", **changes), Secret(PASSWORD), _LIMIT_SECONDS, slot
    )


def test_inserts_updates_deletes_and_both_keys_of_a_key_change(server: Server) -> None:
    server.execute(
        'INSERT INTO "changed ""orders""" VALUES (1, \'a\'), (2, NULL), (-3, \'😀\')',
        "INSERT INTO changed_lines VALUES ('x|y', 7, 1.5), ('z', 7, NULL)",
        "INSERT INTO changed_others VALUES (1)",
        'UPDATE "changed ""orders""" SET id = 20 WHERE id = 2',
        "DELETE FROM changed_lines WHERE line = 'z'",
    )
    with feed_of(server) as feed:
        changes = feed.read(KEYS, 1000)

    assert changes.keys == {ORDERS: {("1",), ("2",), ("20",), ("-3",)}, LINES: {("7", "x|y"), ("7", "z")}}
    assert changes.unknown == frozenset()
    assert changes.is_last


def test_what_is_not_confirmed_comes_again_and_what_is_does_not(server: Server) -> None:
    with feed_of(server) as feed:
        server.execute('INSERT INTO "changed ""orders""" VALUES (1)')
        first = feed.read(KEYS, 1000)
        again = feed.read(KEYS, 1000)
        server.execute('INSERT INTO "changed ""orders""" VALUES (2)')
        feed.confirm(again)
        after = feed.read(KEYS, 1000)

    assert first.keys == again.keys == {ORDERS: {("1",)}}
    assert after.keys == {ORDERS: {("2",)}}


def test_many_changes_come_in_several_readings(server: Server) -> None:
    for key in range(10):
        server.execute(f'INSERT INTO "changed ""orders""" VALUES ({key})')
    found: set[tuple[str | None, ...]] = set()
    readings = 0
    with feed_of(server) as feed:
        while True:
            changes = feed.read(KEYS, 8)
            found |= changes.keys.get(ORDERS, frozenset())
            feed.confirm(changes)
            readings += 1
            if changes.is_last:
                break

    assert found == {(str(key),) for key in range(10)}
    assert readings > 2


def test_a_truncated_table_is_changed_as_a_whole(server: Server) -> None:
    server.execute("INSERT INTO changed_lines VALUES ('x', 1, 1)", "TRUNCATE changed_lines, changed_others")
    with feed_of(server) as feed:
        assert feed.read(KEYS, 1000).unknown == {LINES}


def test_a_key_that_old_rows_do_not_tell_makes_the_table_changed_as_a_whole(server: Server) -> None:
    server.execute(
        "INSERT INTO changed_lines VALUES ('x', 1, 1)",
        "DELETE FROM changed_lines",
    )
    with feed_of(server) as feed:
        assert feed.read({LINES: ("amount",)}, 1000).unknown == {LINES}


def test_a_slot_that_is_not_there_says_how_to_make_it(server: Server) -> None:
    with (
        feed_of(server, "not_there") as feed,
        pytest.raises(UnexpectedAnswerError, match="no replication slot not_there") as raised,
    ):
        feed.read(KEYS, 10)

    assert "pg_create_logical_replication_slot('not_there', 'pgoutput')" in str(raised.value)


def test_a_publication_is_needed(server: Server) -> None:
    with pytest.raises(UsageError, match="publication"):
        PostgreSQLChanges(server.config(), Secret(PASSWORD), _LIMIT_SECONDS, SLOT)


@pytest.mark.parametrize("message", [b"", b"I\0\0\0\1N", b"R\0\0", b"U\0\0\0\1X"])
def test_bytes_that_are_no_message(message: bytes) -> None:
    with pytest.raises(UnexpectedAnswerError, match="cannot be read"):
        KeyCollector(KEYS).read(message)
