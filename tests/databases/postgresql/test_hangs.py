"""A PostgreSQL server that is stopped in the midst of a session costs one answer's time, and says which server it is."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cdcproof.core.errors import UnreachableError
from cdcproof.core.secrets import Secret
from cdcproof.core.waiting import Deadline, within
from cdcproof.databases.connections import connect
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.contracts.test_rows import SingleRow
from cdcproof.databases.duckdb.stream import Columnar
from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.connection import stuck
from cdcproof.databases.postgresql.database import PostgreSQL
from cdcproof.databases.table_read import WHOLE, Chunking, ColumnRead, TableRead
from cdcproof.databases.test_rows import connect_to_write
from cdcproof.databases.values.types import form_of
from tests.postgres_server import PASSWORD, Server, Servers

pytest_plugins = ["tests.postgres_server"]

TABLE = TableName("public", "hung")
SECONDS = 0.5


@pytest.fixture(scope="module")
def server(postgres_servers: Servers) -> Iterator[Server]:
    server = postgres_servers.source
    server.execute(f"CREATE TABLE {TABLE} (id int PRIMARY KEY, word text)")
    yield server
    server.execute(f"DROP TABLE {TABLE}")


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdcproof.databases.postgresql.connection.GRACE_SECONDS", SECONDS)


@contextmanager
def stopped(server: Server, *, whole: bool = False) -> Iterator[list[int]]:
    """Every process of the server that serves a session of ours stands still; the whole server takes no other either."""
    with server.connect() as other:
        found = other.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'cdcproof'").fetchall()
        assert found
        if whole:
            [(folder,)] = other.execute("SHOW data_directory").fetchall()
            found.append((int((Path(folder) / "postmaster.pid").read_text().split()[0]),))
    standing = [process for (process,) in found if sent(process, signal.SIGSTOP)]
    assert standing
    try:
        yield standing
    finally:
        for process in standing:
            os.kill(process, signal.SIGCONT)


def sent(process: int, what: signal.Signals) -> bool:
    """False: it has ended meanwhile, as the process of a session that was closed just before does."""
    try:
        os.kill(process, what)
    except ProcessLookupError:
        return False
    return True


def in_a_snapshot(database: Database) -> None:
    with database.snapshot():
        database.catalogue.columns(TABLE)


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(lambda database: database.catalogue.columns(TABLE), id="a statement"),
        pytest.param(lambda database: database.catalogue.count_rows(TABLE), id="a scan"),
        pytest.param(in_a_snapshot, id="a snapshot"),
    ],
)
def test_a_server_that_is_stopped_is_waited_for_no_longer_than_a_statement(
    server: Server, look: Callable[[Database], object]
) -> None:
    with connect(server.config(), Secret(PASSWORD), statement_timeout_seconds=SECONDS) as database:
        database.catalogue.columns(TABLE)
        began = Deadline(0)
        with stopped(server), pytest.raises(UnreachableError) as raised:
            look(database)
        assert began.elapsed_seconds < 10
        assert raised.value.message.startswith(f"PostgreSQL database postgres at {server.host}:{server.port}")
        assert raised.value.message.endswith("stopped answering: no answer within 1 s.")
        with pytest.raises(
            UnreachableError
        ):  # the session is over: its next answer would be that of an earlier question
            database.catalogue.columns(TABLE)


def test_a_server_that_takes_no_session_any_more_is_not_waited_for_as_long_as_a_comparison_may_take(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdcproof.databases.postgresql.connection.SILENCE_SECONDS", 0.2)
    monkeypatch.setattr(
        "cdcproof.databases.postgresql.session.CONNECT_TIMEOUT_SECONDS", 2
    )  # the least that libpq knows
    with connect(server.config(), Secret(PASSWORD), statement_timeout_seconds=3600) as database:
        database.catalogue.columns(TABLE)
        with (
            stopped(server, whole=True),
            pytest.raises(UnreachableError, match="stopped answering: no answer, and no new session either, 3 times"),
        ):
            within(60, lambda: database.catalogue.columns(TABLE), what="the columns")


def test_one_session_that_is_stopped_while_its_server_works_is_not_waited_for_as_long_as_a_comparison_may_take(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdcproof.databases.postgresql.connection.SILENCE_SECONDS", 0.2)
    with connect(server.config(), Secret(PASSWORD), statement_timeout_seconds=3600) as database:
        database.catalogue.columns(TABLE)
        with (
            stopped(server) as [process],
            pytest.raises(UnreachableError, match=f"its session {process} at the server is stopped, 3 times in a row"),
        ):
            within(60, lambda: database.catalogue.columns(TABLE), what="the columns")


def test_a_session_that_does_not_begin_a_statement_is_seen_by_any_account(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdcproof.databases.postgresql.connection.SILENCE_SECONDS", 0.2)
    server.execute("CREATE ROLE plain LOGIN PASSWORD 'only reading'", f"GRANT SELECT ON {TABLE} TO plain")
    try:
        with connect(server.config(user="plain"), Secret("only reading"), statement_timeout_seconds=3600) as database:
            database.catalogue.columns(TABLE)
            why = "has not begun the statement, 3 times in a row"
            with (
                stopped(server) as [process],
                pytest.raises(UnreachableError, match=f"no answer, and its session {process} at the server {why}"),
            ):
                within(60, lambda: database.catalogue.columns(TABLE), what="the columns")
    finally:
        server.execute(f"REVOKE ALL ON {TABLE} FROM plain", "DROP ROLE plain")


@pytest.mark.parametrize(
    ("state", "event", "why"),
    [
        ("idle", "ClientRead", "has not begun the statement"),
        ("idle in transaction", "ClientRead", "has not begun the statement"),
        ("idle in transaction (aborted)", "", "has not begun the statement"),
        ("active", "ClientWrite", "does not send what it has"),
        ("active", "", ""),
        ("active", "DataFileRead", ""),
        ("active", "ClientRead", ""),
        ("disabled", "", ""),
        ("", "", ""),
    ],
)
def test_what_of_a_session_shows_that_nothing_will_come(state: str, event: str, why: str) -> None:
    assert stuck(state, event) == why


def test_a_statement_that_takes_long_is_waited_for_while_its_server_takes_sessions(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdcproof.databases.postgresql.connection.SILENCE_SECONDS", 0.1)
    with PostgreSQL(server.config(), Secret(PASSWORD), 60) as database:
        assert database.query("SELECT pg_sleep(1.5) IS NULL") == [(False,)]


def test_a_connection_of_which_one_end_is_left_ends_by_itself(server: Server) -> None:
    with PostgreSQL(server.config(), Secret(PASSWORD), 30) as database:
        descriptor = database.driver.fileno()
        with socket.socket(fileno=os.dup(descriptor)) as link:
            told = [
                link.getsockopt(socket.IPPROTO_TCP, o)
                for o in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            ]
            assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert told == [60, 10, 3]


def test_a_writer_whose_server_was_stopped_opens_a_new_session(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD)
    monkeypatch.setattr("cdcproof.databases.test_rows.STATEMENT_TIMEOUT_SECONDS", SECONDS)
    row = SingleRow(TABLE, {"id": 1}, ("id", "word"))
    with connect_to_write(server.config(), None) as writer:
        assert writer.insert(row, lambda values: values == (1, "x"), {"id": 1, "word": "x"})
        with stopped(server), pytest.raises(UnreachableError, match="stopped answering"):
            writer.delete(row, lambda _: True)
        assert writer.find(row) == ((1, "x"),)
        assert writer.delete(row, lambda values: values == (1, "x"))


@pytest.fixture
def large(server: Server) -> Iterator[TableName]:
    """A table that fills more than what lies between the server and its client."""
    table = TableName("public", "hung_large")
    server.execute(
        f"CREATE TABLE {table} (id int PRIMARY KEY, word text)",
        f"INSERT INTO {table} SELECT g, repeat('x', 1000) FROM generate_series(1, 50000) g",
    )
    yield table
    server.execute(f"DROP TABLE {table}")


@contextmanager
def streaming(server: Server, table: TableName, seconds: float) -> Iterator[Callable[[], object]]:
    """A stream of the table, ready to be read."""
    with (
        Columnar() as columnar,
        PostgreSQL(server.config(), Secret(PASSWORD), seconds) as database,
        columnar.side(database) as side,
        side.snapshot(),
    ):
        forms = [
            (column, form_of("postgresql", column, "postgresql", column))
            for column in database.catalogue.columns(table)
        ]
        columns = tuple(ColumnRead(column, form) for column, form in forms if form)
        scan = TableRead(table, columns, 1, Chunking(width=1_000_000))
        yield lambda: list(side.chunk_sums(scan, WHOLE))


@pytest.mark.parametrize(
    ("whole", "seconds", "words"),
    [
        (True, 3600.0, "no answer, and no new session either, 3 times in a row"),
        (False, 3600.0, r"no answer, and its session \d+ at the server is stopped, 3 times in a row"),
        (False, 2.0, "no answer within 2.5 s"),
    ],
)
def test_a_stream_of_a_server_that_is_stopped_ends(
    server: Server, large: TableName, monkeypatch: pytest.MonkeyPatch, *, whole: bool, seconds: float, words: str
) -> None:
    monkeypatch.setattr("cdcproof.databases.postgresql.connection.SILENCE_SECONDS", 0.2)
    monkeypatch.setattr("cdcproof.databases.postgresql.session.CONNECT_TIMEOUT_SECONDS", 2)
    if seconds < 60:  # as for an account that may not read the server's files
        monkeypatch.setattr("cdcproof.databases.postgresql.connection._STOPPED", re.compile("$^"))
    with streaming(server, large, seconds) as read:
        assert len(read()) == 1
        with (
            stopped(server, whole=whole),
            pytest.raises(UnreachableError, match=f"^PostgreSQL database postgres at .* stopped answering: {words}"),
        ):
            within(60, read, what="the stream")


def test_a_stream_that_says_nothing_for_long_goes_on_while_its_server_takes_sessions(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdcproof.databases.postgresql.connection.SILENCE_SECONDS", 0.1)
    server.execute("CREATE VIEW slow AS SELECT 1 AS id, pg_sleep(1.5)::text AS word")
    try:
        with streaming(server, TableName("public", "slow"), 60) as read:
            assert len(read()) == 1
    finally:
        server.execute("DROP VIEW slow")
