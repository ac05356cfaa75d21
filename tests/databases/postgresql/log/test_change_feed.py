"""The keys of changed rows, from the WAL of a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cdcproof.core.errors import UnexpectedAnswerError, UsageError
from cdcproof.core.secrets import Secret
from cdcproof.databases.contracts.change_feed import Followed
from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.log import change_feed
from cdcproof.databases.postgresql.log.change_feed import PostgreSQLChanges
from cdcproof.databases.postgresql.log.pgoutput import KeyCollector
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


@pytest.fixture
def start(server: Server) -> int:
    """Where the slot begins."""
    with feed_of(server) as feed:
        return feed.release(0) or 0


def behind(position: int) -> dict[TableName, Followed]:
    """All tables, with their changes proven up to a position."""
    return {table: Followed(key, position) for table, key in KEYS.items()}


def feed_of(server: Server, slot: str = SLOT, **changes: object) -> PostgreSQLChanges:
    return PostgreSQLChanges(
        server.config(publication="changes_test", **changes), Secret(PASSWORD), _LIMIT_SECONDS, slot
    )


def test_inserts_updates_deletes_and_both_keys_of_a_key_change(server: Server, start: int) -> None:
    server.execute(
        'INSERT INTO "changed ""orders""" VALUES (1, \'a\'), (2, NULL), (-3, \'😀\')',
        "INSERT INTO changed_lines VALUES ('x|y', 7, 1.5), ('z', 7, NULL)",
        "INSERT INTO changed_others VALUES (1)",
        'UPDATE "changed ""orders""" SET id = 20 WHERE id = 2',
        "DELETE FROM changed_lines WHERE line = 'z'",
    )
    with feed_of(server) as feed:
        changes = feed.read(behind(start), 1000)

    assert changes.keys == {ORDERS: {("1",), ("2",), ("20",), ("-3",)}, LINES: {("7", "x|y"), ("7", "z")}}
    assert changes.unknown == {}
    assert changes.is_last


def test_what_is_not_released_comes_again_and_what_is_does_not(server: Server, start: int) -> None:
    with feed_of(server) as feed:
        server.execute('INSERT INTO "changed ""orders""" VALUES (1)')
        first = feed.read(behind(start), 1000)
        again = feed.read(behind(start), 1000)
        server.execute('INSERT INTO "changed ""orders""" VALUES (2)')
        assert feed.release(again.until) == again.until
        assert feed.release(again.until - 1) == again.until, "it never goes back"
        after = feed.read(behind(again.until), 1000)

    assert first.keys == again.keys == {ORDERS: {("1",)}}
    assert after.keys == {ORDERS: {("2",)}}
    assert after.unknown == {}


@pytest.mark.parametrize("held_back", [False, True])
def test_many_changes_come_in_several_readings_also_while_the_slot_has_to_stand_still(
    server: Server, start: int, held_back: bool
) -> None:
    for key in range(10):
        server.execute(f'INSERT INTO "changed ""orders""" VALUES ({key})')
    found: set[tuple[str | None, ...]] = set()
    readings, position = 0, start
    with feed_of(server) as feed:
        while True:
            changes = feed.read(behind(position), 8)
            assert changes.until > position
            found |= changes.keys.get(ORDERS, frozenset())
            position = changes.until
            if not held_back:
                feed.release(position)
            readings += 1
            if changes.is_last:
                break

    assert found == {(str(key),) for key in range(10)}
    assert readings > 2


def test_what_the_slot_dropped_is_not_taken_for_no_change(server: Server, start: int) -> None:
    with feed_of(server) as feed:
        first = feed.read(behind(start), 1000).until
        server.execute('INSERT INTO "changed ""orders""" VALUES (1)')
        feed.release(feed.read(behind(first), 1000).until)  # by a scrub of another table
        changes = feed.read({ORDERS: Followed(("id",), first), LINES: Followed(KEYS[LINES])}, 1000)

    assert list(changes.unknown) == [ORDERS], "the other one has nothing to lose"
    assert "it has dropped changes behind" in changes.unknown[ORDERS]


def test_a_slot_made_anew_or_a_log_that_was_set_back_proves_nothing(server: Server, start: int) -> None:
    with feed_of(server) as feed:
        here = feed.read(behind(start), 1000).until
        server.execute(
            f"SELECT pg_drop_replication_slot('{SLOT}')",
            'INSERT INTO "changed ""orders""" VALUES (1)',
            f"SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')",
        )
        anew = feed.read(behind(here), 1000)
        now = anew.until
        back = feed.read({ORDERS: Followed(("id",), now + 10_000_000)}, 1000)
        moved_back = feed.read({ORDERS: Followed(("id",), now, now + 1)}, 1000)

    assert "it has dropped changes" in anew.unknown[ORDERS]
    assert "the source was set back" in back.unknown[ORDERS]
    assert "where it had been moved to" in moved_back.unknown[ORDERS]


def test_only_what_is_published_whole_is_followed(server: Server) -> None:
    with feed_of(server) as feed:
        before = feed.following(KEYS)
        assert [one.why_not for one in before.values()] == ["", ""]
        assert feed.following({TableName("public", "nowhere"): ()})[TableName("public", "nowhere")].why_not
        server.execute(
            "DROP PUBLICATION changes_test",
            "CREATE PUBLICATION changes_test FOR TABLE changed_lines (line, amount, order_id) WHERE (amount > 5)",
        )
        filtered = feed.following(KEYS)
        server.execute("ALTER PUBLICATION changes_test SET TABLE changed_lines (amount)")
        narrow = feed.following({LINES: ("line",)})
        server.execute("ALTER PUBLICATION changes_test SET TABLE changed_lines (line, order_id)")
        enough = feed.following(KEYS)
        server.execute("ALTER PUBLICATION changes_test SET TABLE changed_lines")
        again = feed.following(KEYS)
        server.execute("ALTER PUBLICATION changes_test SET (publish = 'insert')")
        inserts = feed.following(KEYS)

    assert "is not in the publication" in filtered[ORDERS].why_not
    assert 'ALTER PUBLICATION "changes_test" ADD TABLE "public"."changed ""orders""";' in filtered[ORDERS].why_not
    assert "leaves out rows" in filtered[LINES].why_not
    assert "leaves out rows" in narrow[LINES].why_not
    assert (enough[LINES].why_not, again[LINES].why_not) == ("", "")
    assert len({before[LINES].by, enough[LINES].by, again[LINES].by}) == 3, "changes may have been left out between"
    assert "does not publish every kind of write" in inserts[LINES].why_not


def test_a_change_that_is_too_large_is_not_read_and_its_table_is_changed_as_a_whole(
    server: Server, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_feed, "MOST_MESSAGE_BYTES", 1_000)
    server.execute(
        "INSERT INTO \"changed \"\"orders\"\"\" VALUES (1, 'a'), (2, repeat('x', 2000)), (3, 'c')",
        "INSERT INTO changed_lines VALUES ('x', 1, 1)",
    )
    with feed_of(server) as feed:
        changes = feed.read(behind(start), 1000)
    assert changes.keys == {LINES: {("1", "x")}}
    (why,) = changes.unknown.values()
    assert why.startswith("a change of a row of it has 2,0")
    assert why.endswith(" bytes, which is not read")
    assert ORDERS in changes.unknown


def test_a_truncated_table_is_changed_as_a_whole(server: Server, start: int) -> None:
    server.execute("INSERT INTO changed_lines VALUES ('x', 1, 1)", "TRUNCATE changed_lines, changed_others")
    with feed_of(server) as feed:
        changes = feed.read(behind(start), 1000)
    assert (changes.unknown, changes.keys) == ({LINES: "it was truncated"}, {})


@pytest.mark.parametrize("write", ["DELETE FROM changed_lines", "UPDATE changed_lines SET amount = 2"])
def test_a_key_that_old_rows_do_not_tell_makes_the_table_changed_as_a_whole(
    server: Server, start: int, write: str
) -> None:
    server.execute("INSERT INTO changed_lines VALUES ('x', 1, 1)")
    with feed_of(server) as feed:
        position = feed.read(behind(start), 1000).until
        feed.release(position)
        server.execute(write)
        changes = feed.read({LINES: Followed(("amount",), position)}, 1000)
    assert "REPLICA IDENTITY" in changes.unknown[LINES]


def test_a_slot_that_is_not_there_says_how_to_make_it(server: Server, start: int) -> None:
    with (
        feed_of(server, "not_there") as feed,
        pytest.raises(UnexpectedAnswerError, match="no replication slot not_there") as raised,
    ):
        feed.read(behind(start), 10)

    assert "pg_create_logical_replication_slot('not_there', 'pgoutput')" in str(raised.value)


def test_a_publication_is_needed(server: Server) -> None:
    with pytest.raises(UsageError, match="publication"):
        PostgreSQLChanges(server.config(), Secret(PASSWORD), _LIMIT_SECONDS, SLOT)


@pytest.mark.parametrize("message", [b"", b"I\0\0\0\1N", b"R\0\0", b"U\0\0\0\1X"])
def test_bytes_that_are_no_message(message: bytes) -> None:
    with pytest.raises(UnexpectedAnswerError, match="cannot be read"):
        KeyCollector(KEYS).read(message)
    with pytest.raises(UnexpectedAnswerError, match="cannot be read"):
        KeyCollector(KEYS).pass_over(message, "it is too large")
