"""The writing sessions: PostgreSQL on a real server, SQL Server by its statements and by psqlODBC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlglot

from cdcproof.core.errors import RefusedError, UnexpectedAnswerError, UnreachableError
from cdcproof.core.secrets import Secret
from cdcproof.databases.contracts.test_rows import SingleRow, Writer
from cdcproof.databases.names import TableName
from cdcproof.databases.sqlserver import odbc
from cdcproof.databases.sqlserver.sessions import test_rows
from cdcproof.databases.sqlserver.sessions.test_rows import SQLServerWriter
from cdcproof.databases.test_rows import connect_to_write
from cdcproof.pipeline import model as pipeline
from cdcproof.pipeline.model import Account
from tests.postgres_server import PASSWORD, USER, Servers

pytest_plugins = ["tests.postgres_server"]

TABLE = TableName("public", 'writing "odd')
KEY = {"id": 1, "part": "a"}
ROW = {**KEY, "word": "Grüße", "amount": "12.50", "at": datetime(2024, 2, 29, 12, tzinfo=UTC), "day": date(2024, 2, 29)}
SINGLE = SingleRow(TABLE, KEY, ("word", "amount"))


def ANY(_: tuple[Any, ...]) -> bool:  # noqa: N802
    return True


@pytest.fixture
def tables(postgres_servers: Servers) -> Iterator[Servers]:
    server = postgres_servers.source
    server.execute(
        'CREATE TABLE "writing ""odd" (id int, part text, word text, amount numeric(9, 4), at timestamptz, day date)',
    )
    yield postgres_servers
    server.execute('DROP TABLE "writing ""odd"')


def by_psycopg(servers: Servers, monkeypatch: pytest.MonkeyPatch, account: Account | None = None) -> Writer:
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD)
    return connect_to_write(servers.source.config(), account)


@contextmanager
def by_odbc(servers: Servers) -> Iterator[Writer]:
    """The SQL Server writer, whose session leads to PostgreSQL: brackets and hints are put into PostgreSQL's words."""
    pyodbc = pytest.importorskip(
        "pyodbc", reason="pyodbc cannot be loaded: unixODBC is not installed", exc_type=ImportError
    )
    if "PostgreSQL Unicode" not in pyodbc.drivers():
        pytest.skip("psqlODBC is not installed (Debian: odbc-postgresql)")
    server = servers.source
    writer = SQLServerWriter(server.config(type="sqlserver"), Secret(PASSWORD), 30)
    place = f"DRIVER={{PostgreSQL Unicode}};SERVER={server.host};PORT={server.port};DATABASE=postgres;"
    session = pyodbc.connect(f"{place}UID={USER};PWD={{{PASSWORD.replace('}', '}}')}}}", autocommit=True)
    writer._connection = Translated(session)
    try:
        yield writer
    finally:
        session.close()


class Translated:
    """A pyodbc connection that is told T-SQL and asks PostgreSQL."""

    def __init__(self, session: Any) -> None:
        object.__setattr__(self, "_session", session)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._session, name, value)

    def execute(self, statement: str, *values: Any) -> Any:
        hint = " WITH (UPDLOCK, HOLDLOCK)"
        translated = sqlglot.transpile(statement.replace(hint, ""), "tsql", "postgres")[0].replace("%s", "?")
        return self._session.execute(translated + (" FOR UPDATE" if hint in statement else ""), *values)


@pytest.fixture(params=["psycopg", "odbc"])
def writer(request: pytest.FixtureRequest, tables: Servers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Writer]:
    with by_psycopg(tables, monkeypatch) if request.param == "psycopg" else by_odbc(tables) as opened:
        yield opened


def content(servers: Servers) -> list[tuple[Any, ...]]:
    with servers.source.connect() as connection:
        return connection.execute('SELECT id, word, amount, day FROM "writing ""odd" ORDER BY 1').fetchall()


def test_a_row_is_inserted_found_changed_and_deleted(writer: Writer, tables: Servers) -> None:
    assert writer.insert(SINGLE, ANY, ROW)
    assert writer.find(SINGLE) == (("Grüße", Decimal("12.5000")),)

    assert writer.update(SINGLE, lambda row: row[0] in ("Grüße", "O'Brien"), {"word": "O'Brien"})
    assert content(tables) == [(1, "O'Brien", Decimal("12.5000"), date(2024, 2, 29))]

    assert writer.delete(SINGLE, lambda row: row[0] == "O'Brien")
    assert content(tables) == []
    assert writer.find(SINGLE) == ()


@pytest.mark.parametrize("condition", ["word NOT LIKE 'G%' -- marked", "word = 'x' OR word = 'y'"])
def test_a_row_is_found_only_where_the_condition_holds_and_written_by_its_key(
    writer: Writer, tables: Servers, condition: str
) -> None:
    assert writer.insert(SINGLE, ANY, ROW)
    looking = replace(SINGLE, condition=condition)
    assert writer.find(looking) == ()
    assert writer.update(looking, ANY, {"word": "x"})
    assert writer.find(looking) == (("x", Decimal("12.5000")),)
    assert writer.update(looking, ANY, {"word": "Grüße"})
    assert writer.delete(looking, ANY)
    assert content(tables) == []


def test_a_row_that_is_not_ours_stays_as_it_is(writer: Writer, tables: Servers) -> None:
    assert writer.insert(SINGLE, ANY, ROW)
    before = content(tables)

    assert not writer.update(SINGLE, lambda row: row[0] == "mine", {"word": "x"})
    assert not writer.delete(SINGLE, lambda row: row[0] == "mine")

    assert content(tables) == before


def test_what_could_not_be_known_again_is_not_written(writer: Writer, tables: Servers) -> None:
    assert not writer.insert(SINGLE, lambda row: row[1] == 12.55, ROW)
    assert content(tables) == []
    assert writer.insert(SINGLE, ANY, ROW)
    before = content(tables)

    assert not writer.update(SINGLE, lambda row: row[0] == "Grüße", {"word": "x"})

    assert content(tables) == before


def test_two_rows_with_the_key_are_not_ours(writer: Writer, tables: Servers) -> None:
    tables.source.execute("INSERT INTO \"writing \"\"odd\" (id, part) VALUES (1, 'a'), (1, 'a')")

    assert not writer.update(SINGLE, ANY, {"word": "x"})
    assert not writer.delete(SINGLE, ANY)

    assert len(content(tables)) == 2


def test_other_rows_are_not_touched(writer: Writer, tables: Servers) -> None:
    assert writer.insert(SINGLE, ANY, ROW)
    assert writer.insert(replace(SINGLE, key={**KEY, "id": 2}), ANY, {**ROW, "id": 2})

    assert writer.update(SINGLE, ANY, {"word": "changed"})
    assert [row[:2] for row in content(tables)] == [(1, "changed"), (2, "Grüße")]
    assert writer.delete(SINGLE, ANY)
    assert [row[:2] for row in content(tables)] == [(2, "Grüße")]


def test_an_error_while_it_is_looked_at_changes_nothing_and_leaves_a_session_that_works(
    writer: Writer, tables: Servers
) -> None:
    assert writer.insert(SINGLE, ANY, ROW)

    def broken(_: tuple[Any, ...]) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writer.delete(SINGLE, broken)

    assert len(writer.find(SINGLE)) == 1


def test_what_the_table_refuses_is_our_error(writer: Writer) -> None:
    with pytest.raises(UnexpectedAnswerError):
        writer.insert(SINGLE, ANY, {**ROW, "amount": "much"})


def test_a_missing_right_is_named_with_its_grant(tables: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    server = tables.source
    server.execute("DROP ROLE IF EXISTS writing_reader", "CREATE ROLE writing_reader LOGIN PASSWORD 'reading'")
    server.execute('GRANT SELECT ON "writing ""odd" TO writing_reader')
    monkeypatch.setenv("WRITING_PASSWORD", "reading")
    account = Account(user="writing_reader", password_env="WRITING_PASSWORD")
    try:
        with by_psycopg(tables, monkeypatch, account) as writer, pytest.raises(RefusedError) as raised:
            writer.insert(SINGLE, ANY, ROW)
    finally:
        server.execute('REVOKE ALL ON "writing ""odd" FROM writing_reader', "DROP ROLE writing_reader")

    assert (
        'GRANT SELECT, INSERT, UPDATE, DELETE ON "public"."writing ""odd" TO "writing_reader";' in raised.value.remedy
    )


def test_an_account_that_may_only_delete_can_take_away_what_was_left(
    tables: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = tables.source
    server.execute("DROP ROLE IF EXISTS writing_cleaner", "CREATE ROLE writing_cleaner LOGIN PASSWORD 'cleaning'")
    server.execute('GRANT SELECT, DELETE ON "writing ""odd" TO writing_cleaner')
    server.execute("INSERT INTO \"writing \"\"odd\" VALUES (1, 'a', 'mine')")
    monkeypatch.setenv("WRITING_PASSWORD", "cleaning")
    account = Account(user="writing_cleaner", password_env="WRITING_PASSWORD")
    try:
        with by_psycopg(tables, monkeypatch, account) as writer:
            assert writer.delete(SINGLE, lambda row: row[0] == "mine")
    finally:
        server.execute('REVOKE ALL ON "writing ""odd" FROM writing_cleaner', "DROP ROLE writing_cleaner")


def test_a_session_that_was_lost_is_opened_anew_by_the_call_after(
    tables: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    with by_psycopg(tables, monkeypatch) as writer:
        assert writer.insert(SINGLE, ANY, ROW)
        tables.source.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cdcproof'"
        )

        with pytest.raises(UnreachableError):
            writer.find(SINGLE)

        assert writer.delete(SINGLE, ANY)
    assert content(tables) == []


def test_every_t_sql_statement_has_its_names_quoted_and_every_value_bound() -> None:
    odd = SingleRow(TableName("odd]x", 'writing "odd'), {"id": 1, "part]": "a"}, ("word", "amount"))
    table, key = '[odd]]x].[writing "odd]', "[id] = ? AND [part]]] = ?"
    read = f"SELECT [word], [amount] FROM {table}"
    assert test_rows.select_statement(odd) == f"{read} WHERE {key}"
    marked = replace(odd, condition="a = 1 -- x")
    assert test_rows.select_statement(marked) == f"{read} WHERE {key} AND (a = 1 -- x\n)"
    assert test_rows.select_statement(odd, locked=True) == f"{read} WITH (UPDLOCK, HOLDLOCK) WHERE {key}"
    assert test_rows.insert_statement(odd.table, odd.key) == f"INSERT INTO {table} ([id], [part]]]) VALUES (?, ?)"
    assert test_rows.update_statement(odd, {"word": "x"}) == f"UPDATE {table} SET [word] = ? WHERE {key}"
    assert test_rows.delete_statement(odd) == f"DELETE FROM {table} WHERE {key}"


def test_the_session_of_a_writer_may_not_be_led_to_a_replica() -> None:
    opened = []

    class Pyodbc:
        @staticmethod
        def connect(connection_string: str, **options: Any) -> Any:
            opened.append(connection_string)
            raise RuntimeError("enough seen")

    database = pipeline.Database.model_validate(
        {
            "type": "sqlserver",
            "host": "h",
            "port": 1,
            "database": "w",
            "user": "u",
            "password_env": "P",
            "schema": "dbo",
        }
    )
    writer = SQLServerWriter(database, Secret("pw"), 30)
    string = odbc.connection_string(odbc.Driver("ODBC Driver 18 for SQL Server"), database, Secret("pw"))
    with pytest.raises(RuntimeError):
        writer._open(Pyodbc, string)

    assert "ApplicationIntent={ReadWrite};" in opened[0]


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        (
            datetime.fromisoformat("2024-02-29T12:00:01.120000"),
            "2024-02-29T12:00:01.120",
        ),  # `datetime` takes three digits
        (datetime.fromisoformat("2024-02-29T12:00:01.123456"), "2024-02-29T12:00:01.123456"),
        (datetime(2024, 2, 29, 12, tzinfo=UTC), "2024-02-29T12:00:00+00:00"),
        (date(2024, 2, 29), "2024-02-29"),
        (True, True),
        ("x", "x"),
    ],
)
def test_a_value_is_bound_without_loss(value: Any, bound: Any) -> None:
    assert test_rows._bound([value]) == [bound]
