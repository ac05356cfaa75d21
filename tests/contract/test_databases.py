"""Every door has the contract's shape, and the ODBC code runs for real on the one server that can run here."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from cdcproof.databases import connect
from cdcproof.databases.base import Database, TableName
from cdcproof.databases.postgresql import PostgreSQL
from cdcproof.databases.sqlserver import SQLServer, told
from cdcproof.errors import RefusedError, UnexpectedAnswerError
from cdcproof.reconcile.canonical import Encoder, encoder, framed
from cdcproof.secrets import Secret
from tests.postgres_server import PASSWORD, USER, Servers

pytest_plugins = ["tests.postgres_server"]

CONTRACT = {
    name: method for name, method in vars(Database).items() if inspect.isfunction(method) and not name.startswith("_")
}


def test_the_contract_was_found() -> None:
    assert {"rows", "rows_by_key", "count_rows", "permissions_missing"} <= CONTRACT.keys()


@pytest.mark.parametrize("door", [PostgreSQL, SQLServer])
@pytest.mark.parametrize("name", CONTRACT)
def test_every_door_has_every_method_with_the_same_parameters(door: type, name: str) -> None:
    assert list(inspect.signature(getattr(door, name)).parameters) == list(inspect.signature(CONTRACT[name]).parameters)


@pytest.mark.parametrize(("engine", "door"), [("postgresql", PostgreSQL), ("sqlserver", SQLServer)])
def test_connect_chooses_the_door_by_type(postgres_servers: Servers, engine: str, door: type) -> None:
    assert isinstance(connect(postgres_servers.source.config(type=engine), Secret(PASSWORD)), door)


KINDS = """
    CREATE TABLE contract_kinds (
        id int PRIMARY KEY, yes boolean, small smallint, amount numeric(19, 4), share double precision, thin real,
        word text, fixed char(6), raw bytea, uid uuid, day date, tick time(6), at timestamp(6))"""
ROWS = """
    INSERT INTO contract_kinds VALUES
    (1, true, -32768, 1234567890.5, 0.1, 0.1, 'Grüße 🚀 ', 'ab', '\\x00ff', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
     '9999-12-31', '23:59:59.999999', '2025-01-02 03:04:05.000001'),
    (2, false, 0, 0, -0.0, 1e30, '', '', '', '00000000-0000-0000-0000-000000000000', '0001-01-01', '00:00', '2025-01-02'),
    (3, null, null, null, null, null, null, null, null, null, null, null, null)"""


@pytest.fixture(scope="module")
def by_odbc(postgres_servers: Servers) -> Iterator[tuple[SQLServer, Any]]:
    """The SQL Server door, whose connection leads to PostgreSQL by psqlODBC: its statements cannot run, the rest can."""
    pyodbc = pytest.importorskip(
        "pyodbc", reason="pyodbc cannot be loaded: unixODBC is not installed", exc_type=ImportError
    )
    if "PostgreSQL Unicode" not in pyodbc.drivers():
        pytest.skip("psqlODBC is not installed (Debian: odbc-postgresql)")
    server = postgres_servers.source
    server.execute(KINDS, ROWS, "CREATE ROLE contract_reader LOGIN PASSWORD 'reading'")
    server.execute("REVOKE ALL ON contract_kinds FROM PUBLIC")
    config = server.config(type="sqlserver")
    door = SQLServer(config, Secret(PASSWORD), 30)
    escaped = PASSWORD.replace("}", "}}")
    place = f"DRIVER={{PostgreSQL Unicode}};SERVER={server.host};PORT={server.port};DATABASE=postgres;BoolsAsChar=0;"
    door._connection = pyodbc.connect(f"{place}UID={USER};PWD={{{escaped}}}", autocommit=True)
    yield door, pyodbc.connect(f"{place}UID=contract_reader;PWD=reading", autocommit=True)
    door._connection.close()
    server.execute("DROP TABLE contract_kinds")


def test_values_by_odbc_have_the_canonical_forms_of_values_by_psycopg(
    postgres_servers: Servers, by_odbc: tuple[SQLServer, Any]
) -> None:
    table = TableName("public", "contract_kinds")
    with connect(postgres_servers.source.config(), Secret(PASSWORD)) as database:
        columns = database.columns(table)
        with database.rows(table, columns) as rows:
            by_psycopg = {row[0]: row for row in rows}
    encoders = [encoder("postgresql", column) for column in columns]
    by_pyodbc = {row[0]: row for row in by_odbc[0]._query("SELECT * FROM contract_kinds")}
    for key, row in by_psycopg.items():
        assert _forms(encoders, by_pyodbc[key]) == _forms(encoders, row)


def _forms(encoders: list[Encoder], row: tuple[Any, ...]) -> list[bytes]:
    return [framed([encode], [value]) for encode, value in zip(encoders, row, strict=True)]


def test_a_missing_table_by_odbc_is_our_error(by_odbc: tuple[SQLServer, Any]) -> None:
    door, _ = by_odbc
    with pytest.raises(UnexpectedAnswerError, match="does not exist"):
        door._query("SELECT * FROM contract_missing")


def test_a_denied_table_by_odbc_is_our_error(by_odbc: tuple[SQLServer, Any]) -> None:
    door, reader = by_odbc
    mine, door._connection = door._connection, reader
    try:
        with pytest.raises(RefusedError, match="permission denied"):
            door._query("SELECT * FROM contract_kinds")
    finally:
        door._connection = mine


def test_rows_by_odbc_are_fetched_part_by_part(by_odbc: tuple[SQLServer, Any]) -> None:
    from cdcproof.databases.sqlserver import _fetched

    door, _ = by_odbc
    rows = _fetched(door._connection.execute("SELECT i, 'row ' || i FROM generate_series(1, 12001) AS i"))
    assert next(rows) == (1, "row 1")
    assert sum(1 for _ in rows) == 12000


def test_a_real_odbc_error_is_taken_apart(by_odbc: tuple[SQLServer, Any]) -> None:
    import pyodbc

    with pytest.raises(pyodbc.Error) as raised:
        by_odbc[0]._connection.execute("SELECT 1 FROM contract_missing")
    state, _, text = told(raised.value)
    assert len(state) == 5
    assert text.startswith("ERROR: relation")
