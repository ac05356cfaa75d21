"""The SQL Server door. No SQL Server runs here: its SQL is parsed, its errors are real where a driver gives them."""

from __future__ import annotations

import struct
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlglot
from sqlglot import exp

from cdcproof import pipeline
from cdcproof.databases import connect, odbc, sqlserver, tsql
from cdcproof.databases.base import Column, TableName
from cdcproof.errors import CouldNotLookError, RefusedError, UnexpectedAnswerError, UnreachableError
from cdcproof.secrets import Secret

PASSWORD = "s3cret;UID=other}{x"
TABLE = TableName("dbo", "odd]name")
COLUMNS = (Column("id", "int", nullable=False), Column("odd] column", "nvarchar", nullable=True))


def _config(**changes: Any) -> pipeline.Database:
    return pipeline.Database.model_validate(
        {
            "type": "sqlserver",
            "host": "127.0.0.1",
            "port": 1433,
            "database": "warehouse",
            "user": "reader",
            "password_env": "SQLSERVER_PASSWORD",
            "schema": "dbo",
            **changes,
        }
    )


STATEMENTS = {
    name: value
    for name, value in vars(tsql).items()
    if name.isupper() and isinstance(value, str) and value.strip().startswith("SELECT")
} | {
    "count": tsql.count_statement(TABLE),
    "count some": tsql.count_statement(TABLE, "region = N'EU' -- a comment"),
    "select": tsql.select_statement(TABLE, COLUMNS),
    "by key": tsql.select_by_key_statement(TABLE, COLUMNS, COLUMNS, [(1, "x"), (None, "y")]),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_is_one_t_sql_select_and_nothing_else(name: str) -> None:
    (parsed,) = sqlglot.parse(STATEMENTS[name], dialect="tsql", error_level=sqlglot.ErrorLevel.RAISE)
    assert isinstance(parsed, exp.Select)
    assert not list(parsed.find_all(exp.Into, exp.Insert, exp.Update, exp.Delete, exp.Command))


def test_all_statements_were_seen() -> None:
    assert len(STATEMENTS) == 13


def test_names_are_quoted_so_that_they_cannot_end() -> None:
    parsed = sqlglot.parse_one(tsql.select_statement(TABLE, COLUMNS), dialect="tsql")
    assert parsed.find(exp.Table).name == "odd]name"  # type: ignore[union-attr]
    assert [column.name for column in parsed.find_all(exp.Column)] == ["id", "odd] column"]


def test_a_null_in_a_key_is_asked_for_as_such() -> None:
    statement = tsql.select_by_key_statement(TABLE, COLUMNS, COLUMNS, [(1, "x"), (None, "y")])
    assert statement.endswith("WHERE ([id] = ? AND [odd]] column] = ?) OR ([id] IS NULL AND [odd]] column] = ?)")


@pytest.mark.parametrize(
    ("type_name", "value", "bound"),
    [
        ("datetime2", datetime.fromisoformat("2025-01-02T03:04:05.123456"), "2025-01-02T03:04:05.123456"),
        ("datetime", datetime.fromisoformat("2025-01-02T03:04:05.123"), "2025-01-02T03:04:05.123"),
        ("date", date(2025, 1, 2), "2025-01-02"),
        ("uniqueidentifier", UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("int", 5, 5),
    ],
)
def test_a_keys_value_is_bound_without_loss(type_name: str, value: Any, bound: Any) -> None:
    assert sqlserver._parameter(Column("k", type_name, nullable=False), value) == bound


def _parsed(connection_string: str) -> dict[str, str]:
    """Read a connection string by ODBC's rules: values in braces, a closing brace doubled."""
    found, rest = {}, connection_string
    while rest:
        name, _, rest = rest.partition("={")
        value = ""
        while True:
            part, _, rest = rest.partition("}")
            value += part
            if not rest.startswith("}"):
                break
            value, rest = value + "}", rest[1:]
        assert rest.startswith(";")
        found[name], rest = value, rest[1:]
    return found


def test_the_connection_string_survives_every_character_of_a_password() -> None:
    string = odbc.connection_string(odbc.Driver("ODBC Driver 18 for SQL Server"), _config(), Secret(PASSWORD))
    assert _parsed(string) == {
        "DRIVER": "ODBC Driver 18 for SQL Server",
        "SERVER": "tcp:127.0.0.1,1433",
        "Encrypt": "yes",
        "TrustServerCertificate": "no",
        "DATABASE": "warehouse",
        "UID": "reader",
        "PWD": PASSWORD,
        "APP": "cdcproof",
        "ApplicationIntent": "ReadOnly",
    }


@pytest.mark.parametrize(
    ("changes", "freetds", "expected"),
    [
        ({"trust_server_certificate": True}, False, {"Encrypt": "yes", "TrustServerCertificate": "yes"}),
        ({"encrypt": False}, False, {"Encrypt": "no"}),
        ({}, True, {"Encryption": "require", "PORT": "1433", "SERVER": "127.0.0.1"}),
        ({"encrypt": False}, True, {"Encryption": "off"}),
    ],
)
def test_encryption_is_what_the_pipeline_says(changes: dict[str, Any], freetds: bool, expected: dict[str, str]) -> None:
    driver = odbc.Driver("driver", is_freetds=freetds)
    parsed = _parsed(odbc.connection_string(driver, _config(**changes), Secret(PASSWORD)))
    assert expected.items() <= parsed.items()


@pytest.mark.parametrize(
    ("registered", "expected"),
    [
        (
            ["FreeTDS", "ODBC Driver 17 for SQL Server", "ODBC Driver 18 for SQL Server"],
            "ODBC Driver 18 for SQL Server",
        ),
        (["FreeTDS", "ODBC Driver 17 for SQL Server"], "ODBC Driver 17 for SQL Server"),
    ],
)
def test_a_registered_driver_of_microsoft_comes_first(registered: list[str], expected: str) -> None:
    assert odbc.find_driver(registered, odbc.wheel_libraries()) == odbc.Driver(expected)


def test_the_wheels_driver_is_found_for_this_system() -> None:
    driver = odbc.find_driver(["FreeTDS"], odbc.wheel_libraries())
    assert "msodbcsql" in driver.name
    assert Path(driver.name).is_file()


def test_freetds_is_the_last_resort(tmp_path: Path) -> None:
    assert odbc.find_driver(["FreeTDS"], tmp_path) == odbc.Driver("FreeTDS", is_freetds=True)


def test_without_any_driver_the_remedy_is_told() -> None:
    with pytest.raises(CouldNotLookError, match="no ODBC driver") as raised:
        odbc.find_driver(["SQLite3"], None)
    assert "mssql-python-odbc" in raised.value.remedy


def test_without_the_driver_manager_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyodbc", None)
    with pytest.raises(CouldNotLookError, match="driver manager") as raised, connect(_config(), Secret(PASSWORD)):
        pass
    assert "unixodbc" in raised.value.remedy


def test_a_closed_port_is_unreachable_and_the_password_is_not_told() -> None:
    pytest.importorskip("pyodbc", reason="pyodbc cannot be loaded: unixODBC is not installed", exc_type=ImportError)
    with pytest.raises(UnreachableError) as raised, connect(_config(port=1), Secret(PASSWORD)):
        pass
    assert "127.0.0.1:1" in str(raised.value)
    assert PASSWORD not in str(raised.value)


MAKER = "[Microsoft][ODBC Driver 18 for SQL Server]"


@pytest.mark.parametrize(
    ("state", "message", "error", "words"),
    [
        ("28000", "[SQL Server]Login failed for user 'reader'. (18456) (SQLDriverConnect)", RefusedError, "SQLSERVER_PASSWORD"),
        ("42000", '[SQL Server]Cannot open database "w" requested by the login. (4060) (SQLDriverConnect)', RefusedError, "database's name"),
        ("08001", "SSL Provider: [error:0A000086:SSL routines::certificate verify failed:self-signed certificate] (-1) (SQLDriverConnect)", RefusedError, "trust_server_certificate"),
        ("HYT00", "Login timeout expired (0) (SQLDriverConnect)", UnreachableError, "host and port"),
        ("08001", "TCP Provider: Error code 0x2749 (10061) (SQLDriverConnect)", UnreachableError, "host and port"),
        ("01000", "[unixODBC][Driver Manager]Can't open lib '/x.so' : file not found (0) (SQLDriverConnect)", CouldNotLookError, "Reinstall"),
    ],
)  # fmt: skip
def test_a_failed_login_says_why(state: str, message: str, error: type[CouldNotLookError], words: str) -> None:
    door = sqlserver.SQLServer(_config(), Secret(PASSWORD), 30)
    told = door._not_connected(Exception(state, f"[{state}] {MAKER}{message}"))
    assert type(told) is error
    assert words in told.remedy
    assert "[Microsoft]" not in str(told)


@pytest.mark.parametrize(
    ("state", "message", "error", "words"),
    [
        ("42S02", "[SQL Server]Invalid object name 'dbo.gone'. (208) (SQLExecDirectW)", UnexpectedAnswerError, "no table dbo.odd]name"),
        ("42000", "[SQL Server]The SELECT permission was denied on the object 'x', database 'w', schema 'dbo'. (229) (SQLExecDirectW)", RefusedError, "GRANT SELECT ON [dbo].[odd]]name] TO [reader];"),
        ("42000", "[SQL Server]VIEW SERVER STATE permission was denied (300) (SQLExecDirectW)", RefusedError, "VIEW SERVER STATE"),
        ("HYT00", "Query timeout expired (0) (SQLExecDirectW)", UnexpectedAnswerError, "took over 30 s"),
        ("42000", "[SQL Server]Lock request time out period exceeded. (1222) (SQLExecDirectW)", UnexpectedAnswerError, "was locked"),
        ("08S01", "Communication link failure (0) (SQLFetch)", UnreachableError, "closed the connection"),
        ("42000", "[SQL Server]Incorrect syntax near 'x'. (102) (SQLExecDirectW)", UnexpectedAnswerError, "Incorrect syntax near 'x'."),
    ],
)  # fmt: skip
def test_a_failed_statement_says_why(state: str, message: str, error: type[CouldNotLookError], words: str) -> None:
    door = sqlserver.SQLServer(_config(), Secret(PASSWORD), 30)
    told = door._translated(Exception(state, f"[{state}] {MAKER}{message}"), TABLE)
    assert type(told) is error
    assert words in str(told)
    assert "(SQL" not in str(told)


def test_a_datetimeoffset_is_read_with_its_offset_and_six_digits() -> None:
    raw = struct.pack("<6hI2h", 2025, 6, 30, 23, 59, 59, 999_999_900, -5, -30)
    assert sqlserver.datetimeoffset(raw) == datetime(
        2025, 6, 30, 23, 59, 59, 999_999, timezone(-timedelta(hours=5, minutes=30))
    )


def test_text_that_is_not_utf_16_is_no_error_of_ours() -> None:
    door = sqlserver.SQLServer(_config(), Secret(PASSWORD), 30)
    with pytest.raises(UnexpectedAnswerError, match="holds text that is not UTF-16"), door._our_errors(TABLE):
        b"\x3d\xd8".decode("utf-16-le")
