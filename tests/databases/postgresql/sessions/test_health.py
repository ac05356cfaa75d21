"""How PostgreSQL does, and what is left to read after a slot, of a real server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest

from cdcproof.core.errors import RefusedError, UnexpectedAnswerError
from cdcproof.core.waiting import wait_until
from cdcproof.databases.connections import connect_for_health
from cdcproof.databases.contracts.health import Reader, Unread
from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.sessions.health import PostgreSQLHealth
from tests.postgres_server import PASSWORD, Server, Servers

pytest_plugins = ["tests.postgres_server"]

SLOT, PUBLICATION, ODD = "health_slot", 'Health "publication', 'Health "table'


@pytest.fixture
def source(postgres_servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A slot at the end of the log, and a publication of two tables."""
    server = postgres_servers.source
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD)
    quoted = [psycopg.sql.Identifier(name).as_string() for name in (PUBLICATION, ODD)]
    server.execute(
        "CREATE TABLE health_a (id int PRIMARY KEY, note text)",
        f"CREATE TABLE {quoted[1]} (id int PRIMARY KEY)",
        "CREATE TABLE health_apart (id int)",
        f"CREATE PUBLICATION {quoted[0]} FOR TABLE health_a, {quoted[1]}",
        f"SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')",
    )
    yield server
    server.execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots",
        f"DROP PUBLICATION {quoted[0]}",
        f"DROP TABLE health_a, {quoted[1]}, health_apart",
    )


def unread(
    server: Server, is_captured: Callable[[TableName], bool] = lambda _: True, bound: int = 1000, slot: str = SLOT
) -> Unread:
    with connect_for_health(server.config()) as database:
        return database.unread(Reader(is_captured, slot, PUBLICATION), bound)


def slots(server: Server) -> list[tuple[str, str]]:
    with server.connect() as session:
        return session.execute("SELECT slot_name, confirmed_flush_lsn::text FROM pg_replication_slots").fetchall()


def test_changes_of_rows_are_counted_and_nothing_is_consumed(source: Server) -> None:
    before = slots(source)
    with source.connect() as session, session.transaction():
        session.execute("INSERT INTO health_a SELECT generate_series(1, 10)")
        session.execute("UPDATE health_a SET note = 'x' WHERE id <= 4")
        session.execute("DELETE FROM health_a WHERE id <= 2")
        session.execute("INSERT INTO health_apart VALUES (1)")
    source.execute("TRUNCATE health_a", """INSERT INTO "Health ""table" VALUES (1)""")
    for _ in range(2):
        found = unread(source)
        assert (found.records, found.bounded, found.why) == (17, False, "")
        assert found.bytes
        assert found.seconds is not None
    assert slots(source) == before, "neither moved on nor with a copy left behind"


def test_an_idle_source_has_nothing_left_whatever_else_is_in_its_log(source: Server) -> None:
    assert unread(source).records == 0
    source.execute(
        "INSERT INTO health_apart SELECT generate_series(1, 100)", "SELECT pg_logical_emit_message(true, 'a', 'b')"
    )
    found = unread(source)
    assert (found.records, found.seconds, found.bounded) == (0, 0.0, False)
    assert found.bytes


def test_tables_that_the_connector_does_not_capture_do_not_count(source: Server) -> None:
    source.execute("INSERT INTO health_a VALUES (1)", """INSERT INTO "Health ""table" VALUES (1), (2)""")
    assert unread(source, lambda table: table == TableName("public", ODD)).records == 2


def test_a_count_stops_at_its_bound_and_says_so(source: Server) -> None:
    source.execute(*(f"INSERT INTO health_a SELECT generate_series({n}, {n + 9})" for n in range(1, 100, 10)))
    found = unread(source, bound=25)
    assert found.bounded
    assert found.records is not None
    assert 20 <= found.records < 100, "transactions are not divided"
    exact = unread(source)
    assert (exact.records, exact.bounded) == (100, False)


def test_the_age_is_that_of_the_oldest_change_that_counts(source: Server) -> None:
    source.execute("INSERT INTO health_apart VALUES (1)")
    with source.connect() as session:
        [(before,)] = session.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchall()
        session.execute("INSERT INTO health_a VALUES (1)")
        session.execute("SELECT pg_sleep(0.2)")
        session.execute("INSERT INTO health_a VALUES (2)")
        found = unread(source)
        [(after,)] = session.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchall()
    assert found.seconds is not None
    assert 0.2 <= found.seconds <= after - before


@contextmanager
def reading(server: Server) -> Iterator[None]:
    """A session that reads the slot, as a connector's does."""
    where = {"host": server.host, "port": server.port, "user": "postgres", "password": PASSWORD, "dbname": "postgres"}
    with closing(psycopg.connect(**where, replication="database", autocommit=True)) as session:  # type: ignore[arg-type]
        start = f"START_REPLICATION SLOT {SLOT} LOGICAL 0/0 (proto_version '1', publication_names 'p')"
        session.pgconn.send_query(start.encode())
        session.pgconn.flush()
        active = "SELECT active FROM pg_replication_slots"
        with server.connect() as other:
            wait_until(
                lambda: other.execute(active).fetchall(), lambda rows: rows == [(True,)], what="it", deadline_seconds=10
            )
            yield
            session.close()
            wait_until(
                lambda: other.execute(active).fetchall(),
                lambda rows: rows == [(False,)],
                what="its end",
                deadline_seconds=10,
            )


def test_one_that_rests_is_not_counted_and_its_bytes_are_known(source: Server) -> None:
    source.execute("INSERT INTO health_a VALUES (1)")
    with connect_for_health(source.config()) as database:
        found = database.unread(Reader(lambda _: True, SLOT, PUBLICATION, rests="It rests."), 1000)
    assert (found.records, found.seconds, found.why) == (None, None, "It rests.")
    assert found.bytes


def test_a_slot_that_is_being_read_is_counted_too(source: Server) -> None:
    with reading(source):
        source.execute("INSERT INTO health_a VALUES (1)")
        assert unread(source).records == 1


def test_without_the_right_to_copy_a_slot_the_bytes_are_left_and_the_grant_is_said(
    source: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.execute("CREATE ROLE health_reader LOGIN PASSWORD 'only reading'", "INSERT INTO health_a VALUES (1)")
    monkeypatch.setenv("POSTGRES_PASSWORD", "only reading")
    try:
        with connect_for_health(source.config(user="health_reader")) as database:
            found = database.unread(Reader(lambda _: True, SLOT, PUBLICATION), 1000)
            health = database.health()
        source.execute(found.remedy.partition("--")[0])
        with connect_for_health(source.config(user="health_reader")) as database:
            assert database.unread(Reader(lambda _: True, SLOT, PUBLICATION), 1000).records == 1
    finally:
        source.execute("DROP ROLE health_reader")
    assert (found.records, found.seconds) == (None, None)
    assert found.bytes
    assert "health_reader" in found.why
    assert health.connections == {}
    assert (health.longest_transaction_seconds, health.blocked_sessions) == (None, None)
    assert health.grant == 'GRANT pg_monitor TO "health_reader";'
    assert health.transactions["commit"] > 0


def test_a_slot_that_is_gone_or_a_publication_that_is_not_there_leaves_no_number(source: Server) -> None:
    gone = unread(source, slot="health_gone")
    assert (gone.records, gone.bytes) == (None, None)
    assert "no replication slot health_gone" in gone.why
    source.execute("INSERT INTO health_a VALUES (1)")
    with connect_for_health(source.config()) as database:
        found = database.unread(Reader(lambda _: True, SLOT, "health_no_publication"), 1000)
    assert found.records is None
    assert found.bytes
    assert "health_no_publication" in found.why
    assert [name for name, _ in slots(source)] == [SLOT]


def test_sessions_transactions_and_waits_are_seen(source: Server) -> None:
    with connect_for_health(source.config()) as database:
        quiet = database.health()
        with source.connect() as holder, closing(source.connect()) as waiter, holder.transaction():
            holder.execute("LOCK TABLE health_a")
            waiter.execute("SET lock_timeout = '30s'")
            waiter.pgconn.send_query(b"SELECT count(*) FROM health_a")
            busy = wait_until(
                database.health, lambda seen: seen.blocked_sessions == 1, what="the wait", deadline_seconds=10
            )
            held = busy.longest_transaction_seconds
    assert quiet.blocked_sessions == 0
    assert busy.connections["idle in transaction"] == quiet.connections["idle in transaction"] + 1
    assert busy.connections["active"] == quiet.connections["active"] + 1
    assert held is not None
    assert busy.longest_query_seconds is not None
    assert held >= busy.longest_query_seconds > 0
    assert busy.connections_limit == 100
    assert busy.size_bytes
    assert busy.cache_hit_ratio is not None
    assert 0 < busy.cache_hit_ratio <= 1


def test_slots_show_what_they_hold_back_and_their_room_only_where_it_is_bounded(source: Server) -> None:
    with connect_for_health(source.config()) as database:
        [unbounded] = database.slot_rooms()
        source.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '64MB'", "SELECT pg_reload_conf()")
        try:
            bounded = wait_until(
                lambda: database.slot_rooms()[0],
                lambda slot: slot.headroom_bytes is not None,
                what="it",
                deadline_seconds=10,
            )
        finally:
            source.execute("ALTER SYSTEM RESET max_slot_wal_keep_size", "SELECT pg_reload_conf()")
    assert (unbounded.name, unbounded.headroom_bytes) == (SLOT, None)
    assert unbounded.retained_bytes >= 0
    assert bounded.headroom_bytes
    assert bounded.headroom_bytes > 0


def test_the_newest_value_and_the_clock(source: Server) -> None:
    with connect_for_health(source.config()) as database:
        assert isinstance(database, PostgreSQLHealth)
        assert abs(database.clock_seconds() - time.time()) < 60
        table = TableName("public", ODD)
        assert database.newest(table, "id") is None
        source.execute("""INSERT INTO "Health ""table" VALUES (7), (5)""")
        assert database.newest(table, "id") == 7
        with pytest.raises(UnexpectedAnswerError, match=r"no table public\.gone"):
            database.newest(TableName("public", "gone"), "id")


def test_a_server_behind_a_wrong_password_is_an_error_of_ours(source: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", "wrong")
    with pytest.raises(RefusedError, match="refused user postgres"), connect_for_health(source.config()):
        pass
