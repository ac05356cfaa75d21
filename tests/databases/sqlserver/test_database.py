"""The SQL Server session. No SQL Server runs here: its SQL is run by `tests.tsql_engine`, its errors are a driver's own words."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cdcproof.core.errors import CouldNotLookError, RefusedError, UnexpectedAnswerError, UnreachableError, UsageError
from cdcproof.core.secrets import Secret
from cdcproof.databases.connections import connect, password_of
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.sqlserver import odbc, session
from cdcproof.databases.sqlserver.catalogue import UNSEEN_POLICIES
from cdcproof.databases.sqlserver.checksums import divided
from cdcproof.databases.sqlserver.database import SQLServer
from cdcproof.databases.sqlserver.errors import Errors, of_pyodbc
from cdcproof.databases.sqlserver.queries import catalogue
from cdcproof.databases.sqlserver.sessions.test_rows import SQLServerWriter
from cdcproof.databases.table_read import (
    WHOLE,
    Chunking,
    ColumnRead,
    LiteralForm,
    Row,
    Segment,
    Since,
    Slice,
    TableRead,
)
from cdcproof.databases.values import canonical
from cdcproof.databases.values.types import Fidelity, Form, Kind, entry_of
from cdcproof.pipeline import model as pipeline
from tests import tsql_values
from tests.tsql_engine import run

PASSWORD = "s3cret;UID=other}{x"
TABLE = TableName("dbo", "odd]name")


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


@pytest.mark.parametrize(
    ("type_name", "words"),
    [
        ("timestamp", "CONVERT(varchar(18), CAST(MAX([at]) AS binary(8)), 1)"),
        ("datetime2", "CONVERT(varchar(40), MAX([at]), 126)"),
        ("bigint", "CONVERT(varchar(41), MAX([at]))"),
    ],
)
def test_the_latest_value_is_told_without_loss(type_name: str, words: str) -> None:
    column = Column("at", type_name, nullable=False)
    assert (
        catalogue.latest_statement(TABLE, column)
        == f"SELECT {words} FROM [dbo].[odd]]name] OPTION (MAXDOP 1, RECOMPILE)"
    )


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
        ({"host_name_in_certificate": "sql.corp.example"}, False, {"HostNameInCertificate": "sql.corp.example"}),
        ({"multi_subnet_failover": True}, False, {"MultiSubnetFailover": "Yes", "SERVER": "tcp:127.0.0.1,1433"}),
        ({}, True, {"Encryption": "require", "PORT": "1433", "SERVER": "127.0.0.1"}),
        ({"encrypt": False}, True, {"Encryption": "off"}),
    ],
)
def test_encryption_is_what_the_pipeline_says(changes: dict[str, Any], freetds: bool, expected: dict[str, str]) -> None:
    driver = odbc.Driver("driver", is_freetds=freetds)
    parsed = _parsed(odbc.connection_string(driver, _config(**changes), Secret(PASSWORD)))
    assert expected.items() <= parsed.items()


@pytest.mark.parametrize(
    ("authentication", "login"),
    [
        ("Windows", {"Trusted_Connection": "yes"}),
        ("ActiveDirectoryIntegrated", {"Authentication": "ActiveDirectoryIntegrated"}),
        ("ActiveDirectoryMsi", {"Authentication": "ActiveDirectoryMsi", "UID": "reader"}),
        ("ActiveDirectoryPassword", {"Authentication": "ActiveDirectoryPassword", "UID": "reader", "PWD": PASSWORD}),
        (
            "ActiveDirectoryServicePrincipal",
            {"Authentication": "ActiveDirectoryServicePrincipal", "UID": "reader", "PWD": PASSWORD},
        ),
    ],
)
def test_who_logs_in_by_windows_or_entra_sends_what_that_takes_and_no_more(
    authentication: str, login: dict[str, str]
) -> None:
    """Keywords: Microsoft's "Use Microsoft Entra ID with the ODBC Driver", and "Integrated authentication on Linux". No server has seen them."""
    config = _config(authentication=authentication)
    for string in (
        odbc.connection_string(odbc.Driver("driver"), config, Secret(PASSWORD)),
        odbc.driverless_connection_string(config, Secret(PASSWORD)),
    ):
        parsed = _parsed(string)
        assert {k: v for k, v in parsed.items() if k in ("Trusted_Connection", "Authentication", "UID", "PWD")} == login
    with pytest.raises(CouldNotLookError, match="takes Microsoft's ODBC driver"):
        odbc.connection_string(odbc.Driver("FreeTDS", is_freetds=True), config, Secret(PASSWORD))


def test_a_login_of_the_machine_wants_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SQLSERVER_PASSWORD", raising=False)
    assert password_of(_config(authentication="Windows")) == Secret("")
    with pytest.raises(UsageError):
        password_of(_config(authentication="ActiveDirectoryPassword"))


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


def test_microsofts_driver_for_python_gets_the_same_but_the_driver() -> None:
    parsed = _parsed(odbc.driverless_connection_string(_config(trust_server_certificate=True), Secret(PASSWORD)))
    assert parsed == {
        "SERVER": "tcp:127.0.0.1,1433",
        "Encrypt": "yes",
        "TrustServerCertificate": "yes",
        "DATABASE": "warehouse",
        "UID": "reader",
        "PWD": PASSWORD,
        "ApplicationIntent": "ReadOnly",
    }


def test_without_the_extra_the_remedy_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyodbc", None)
    with pytest.raises(CouldNotLookError, match="not installed") as raised, connect(_config(), Secret(PASSWORD)):
        pass
    assert "pip install 'cdcproof[sqlserver]'" in raised.value.remedy


def test_without_the_driver_manager_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pyodbc.py").write_text("raise ImportError('libodbc.so.2: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pyodbc", raising=False)
    with pytest.raises(CouldNotLookError, match="driver manager") as raised, connect(_config(), Secret(PASSWORD)):
        pass
    assert "unixodbc" in raised.value.remedy


def test_a_closed_port_is_unreachable_and_the_password_is_not_told() -> None:
    pytest.importorskip("pyodbc", reason="pyodbc cannot be loaded: unixODBC is not installed", exc_type=ImportError)
    with pytest.raises(UnreachableError) as raised, connect(_config(port=1), Secret(PASSWORD)):
        pass
    assert "127.0.0.1:1" in str(raised.value)
    assert PASSWORD not in str(raised.value)


ERRORS = Errors(_config(), 30)
MAKER = "[Microsoft][ODBC Driver 18 for SQL Server]"


@pytest.mark.parametrize(
    ("state", "message", "error", "words"),
    [
        ("28000", "[SQL Server]Login failed for user 'reader'. (18456) (SQLDriverConnect)", RefusedError, "SQLSERVER_PASSWORD"),
        ("42000", '[SQL Server]Cannot open database "w" requested by the login. (4060) (SQLDriverConnect)', RefusedError, "database's name"),
        ("08001", "SSL Provider: [error:0A000086:SSL routines::certificate verify failed:self-signed certificate] (-1) (SQLDriverConnect)", RefusedError, "trust_server_certificate"),
        ("HYT00", "Login timeout expired (0) (SQLDriverConnect)", UnreachableError, "host and port"),
        ("08001", "TCP Provider: Error code 0x2749 (10061) (SQLDriverConnect)", UnreachableError, "host and port"),
        ("08001", "Encryption not supported on SQL Server. (-1) (SQLDriverConnect)", RefusedError, "encrypt = false"),
        ("01000", "[unixODBC][Driver Manager]Can't open lib '/x.so' : file not found (0) (SQLDriverConnect)", CouldNotLookError, "Reinstall"),
    ],
)  # fmt: skip
def test_a_failed_login_says_why(state: str, message: str, error: type[CouldNotLookError], words: str) -> None:
    told = ERRORS.not_connected(of_pyodbc(Exception(state, f"[{state}] {MAKER}{message}")))
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
        ("42S02", "[SQL Server]Invalid object name 'sys.dm_db_log_stats'. (208) (SQLExecDirectW)", UnexpectedAnswerError, "has no sys.dm_db_log_stats.\nSQL Server 2016 SP2"),
        ("42000", "[SQL Server]Memory optimized tables and natively compiled modules cannot be accessed or created when the session TRANSACTION ISOLATION LEVEL is set to SNAPSHOT. (41332) (SQLExecDirectW)", UnexpectedAnswerError, "dbo.odd]name is memory-optimised"),
        ("08S01", "Communication link failure (0) (SQLFetch)", UnreachableError, "closed the connection"),
        ("42000", "[SQL Server]Incorrect syntax near 'x'. (102) (SQLExecDirectW)", UnexpectedAnswerError, "Incorrect syntax near 'x'."),
    ],
)  # fmt: skip
def test_a_failed_statement_says_why(state: str, message: str, error: type[CouldNotLookError], words: str) -> None:
    told = ERRORS.translated(of_pyodbc(Exception(state, f"[{state}] {MAKER}{message}")), TABLE)
    assert type(told) is error
    assert words in str(told)
    assert "(SQL" not in str(told)


def test_a_right_is_granted_to_the_user_of_the_database_and_not_to_the_login(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what raised the error; where the server does not answer any more, the login's name has to do."""
    pyodbc = pytest.importorskip("pyodbc", reason="unixODBC is not installed", exc_type=ImportError)
    denied = pyodbc.ProgrammingError(
        "42000", f"[42000] {MAKER}[SQL Server]permission was denied (229) (SQLExecDirectW)"
    )
    for refused, user in (("SELECT 1", "shop reader"), ("SELECT", "reader")):

        class Connection:
            def execute(self, statement: str, *_: object) -> Any:
                if statement.startswith(refused):  # noqa: B023  called in this turn
                    raise denied
                return SimpleNamespace(fetchall=lambda: [("shop reader",)])

        database = SQLServerWriter(_config(), Secret(PASSWORD), 30)
        database._connection = Connection()
        select, cdc = f"GRANT SELECT ON [dbo].[odd]]name] TO [{user}];", f"GRANT SELECT ON SCHEMA::cdc TO [{user}];"
        with pytest.raises(RefusedError) as raised, database.our_errors(TABLE):
            database._connection.execute("SELECT 1")
        assert raised.value.remedy == select
        with pytest.raises(RefusedError) as raised:
            database.query("SELECT 1", grant=database.grant_of_cdc)
        assert raised.value.remedy == cdc
        assert database._needed(TABLE).endswith(f" TO [{user}];")
        assert database.errors.no_such_table(TABLE).remedy.endswith(select)


def test_a_datetimeoffset_is_read_with_its_offset_and_six_digits() -> None:
    raw = struct.pack("<6hI2h", 2025, 6, 30, 23, 59, 59, 999_999_900, -5, -30)
    assert session.datetimeoffset(raw) == datetime(
        2025, 6, 30, 23, 59, 59, 999_999, timezone(-timedelta(hours=5, minutes=30))
    )


def test_text_that_is_not_utf_16_is_no_error_of_ours() -> None:
    database = SQLServer(_config(), Secret(PASSWORD), 30)
    with pytest.raises(UnexpectedAnswerError, match="holds text that is not UTF-16"), database.our_errors(TABLE):
        b"\x3d\xd8".decode("utf-16-le")


class Answers:
    """In the place of a pyodbc connection: what each statement is answered with; the rest is run over tables in memory."""

    def __init__(self, known: Mapping[str, Sequence[tuple[Any, ...]]], tables: Mapping[str, Any] | None = None) -> None:
        self.known = dict(known)
        self.tables = tables or {}
        self.asked: list[str] = []

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Answers:
        self.asked.append(statement)
        if statement in self.known:
            self.rows = list(self.known[statement])
        else:
            self.rows = [tuple(map(_plain, row)) for row in run(statement, self.tables, [_bound(v) for v in values])]
        return self

    def cursor(self) -> Answers:
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.rows

    def fetchone(self) -> tuple[Any, ...]:
        return self.rows[0]

    def fetchval(self) -> Any:
        return self.rows[0][0]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.rows)

    def close(self) -> None:
        """A cursor's."""


def _plain(value: Any) -> Any:
    names = {tsql_values.Int: "value", tsql_values.Binary: "data", tsql_values.Text: "text"}
    return getattr(value, names[type(value)]) if type(value) in names else value


def _bound(value: Any) -> Any:
    if isinstance(value, int):
        return tsql_values.Int(value, 64)
    return tsql_values.Binary(value) if isinstance(value, bytes) else tsql_values.Text(value)


COLLATIONS = [("word", "SQL_Latin1_General_CP1_CI_AS")]


def _session(known: Mapping[str, Sequence[tuple[Any, ...]]], tables: Mapping[str, Any] | None = None) -> SQLServer:
    database = SQLServer(_config(), Secret(PASSWORD), 30)
    database._connection = Answers(
        {catalogue.HAS_UTF8: [(65001,)], catalogue.ROWVERSION_COLUMN: [], catalogue.COLLATIONS: COLLATIONS, **known},
        tables,
    )
    return database


@pytest.mark.parametrize(
    ("has_view", "forks", "history"),
    [(1, [("6F96",)], "6F96"), (1, [(None,)], ""), (1, [], ""), (0, None, "")],
)
def test_the_identity_says_when_the_account_may_not_see_the_recovery_fork(
    has_view: int, forks: list[tuple[Any, ...]] | None, history: str
) -> None:
    known = {catalogue.IDENTITY: [("SQL01", "shop", "2026-01-02T03:04:05.670", has_view)]}
    found = _session(known if forks is None else known | {catalogue.RECOVERY_FORK: forks}).identity()

    assert (found.server, found.database, found.made) == ("SQL01", "shop", "2026-01-02T03:04:05.670")
    assert found.history == history
    assert bool(found.unknown) is (not history)


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (("c", "nvarchar", False, 0, 0, False, 100, ""), Column("c", "nvarchar", nullable=False, scale=0, length=50)),
        (("c", "varchar", True, 0, 0, False, -1, ""), Column("c", "varchar", nullable=True, scale=0)),
        (("c", "binary", True, 0, 0, False, 8, ""), Column("c", "binary", nullable=True, scale=0, length=8)),
        (("c", "ntext", True, 0, 0, False, 16, ""), Column("c", "ntext", nullable=True, scale=0)),
        (("c", "sysname", True, 0, 0, False, 256, ""), Column("c", "sysname", nullable=True, scale=0, length=128)),
        (("c", "decimal", True, 2, 18, True, 9, ""), Column("c", "decimal", nullable=True, scale=2, precision=18, computed=True)),
    ],
)  # fmt: skip
def test_columns_are_told_with_their_lengths_in_characters(row: tuple[Any, ...], column: Column) -> None:
    assert _session({catalogue.COLUMNS: [row]}).catalogue.columns(TABLE) == (column,)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("masked", "masked for this account, which has no UNMASK"),
        ("encrypted", "Always Encrypted: the server itself cannot read it"),
    ],
)
def test_a_column_whose_values_are_withheld_says_why_and_proves_no_change(word: str, reason: str) -> None:
    database = _session({catalogue.COLUMNS: [("at", "datetime2", False, 7, 27, False, 8, word)]})
    (column,) = database.catalogue.columns(TABLE)
    assert column.withheld == reason
    with pytest.raises(UnexpectedAnswerError, match="no column at that this account reads as it is"):
        database.catalogue.latest(TABLE, "at")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, {}),
        (
            {catalogue.COLUMNS: [("c", "int", False, 0, 10, False, 4, "masked")]},
            {"masked columns": "GRANT UNMASK TO [shop reader];"},
        ),
        ({catalogue.COLUMNS: [("c", "int", False, 0, 10, False, 4, "encrypted")]}, {}),
        (
            {catalogue.MAY_VIEW_DEFINITION: [(0,)]},
            {"security policies, by which rows may be hidden": "GRANT VIEW DEFINITION TO [shop reader];"},
        ),
        (
            {catalogue.MAY_SELECT: [(None,)], catalogue.COLUMNS: []},
            {str(TABLE): "GRANT SELECT ON [dbo].[odd]]name] TO [shop reader];"},
        ),
        ({catalogue.MAY_READ_CDC: [(0,)]}, {"schema cdc": "GRANT SELECT ON SCHEMA::cdc TO [shop reader];"}),
        (
            {catalogue.MAY_VIEW_SERVER_STATE: [(0,)]},
            {"server state (capture job, log scan)": "USE master; GRANT VIEW SERVER STATE TO [reader];"},
        ),
    ],
)
def test_each_permission_that_is_missing_comes_with_its_grant(
    changed: dict[str, Any], expected: dict[str, str]
) -> None:
    """In the database to the user, who may be called otherwise than the login; of the server to the login."""
    given: dict[str, Any] = {
        catalogue.MAY_SELECT: [(1,)],
        catalogue.COLUMNS: [("c", "int", False, 0, 10, False, 4, "")],
        catalogue.MAY_VIEW_DEFINITION: [(1,)],
        catalogue.DATABASE_STATE: [(True, 1)],
        catalogue.MAY_READ_CDC: [(1,)],
        catalogue.MAY_VIEW_SERVER_STATE: [(1,)],
        catalogue.USER: [("shop reader",)],
    }
    assert _session(given | changed).permissions.missing([TABLE]) == expected


def test_policies_that_filter_a_table_are_named() -> None:
    given = {catalogue.ROW_POLICIES: [("dbo.by_tenant",)], catalogue.MAY_VIEW_DEFINITION: [(1,)]}
    assert _session(given).catalogue.row_policies(TABLE) == ("dbo.by_tenant",)


@pytest.mark.parametrize("answer", [0, None])
def test_policies_that_an_account_may_not_see_are_not_taken_for_none(answer: int | None) -> None:
    given = {catalogue.ROW_POLICIES: [], catalogue.MAY_VIEW_DEFINITION: [(answer,)]}
    assert _session(given).catalogue.row_policies(TABLE) == (UNSEEN_POLICIES,)


@pytest.mark.parametrize(
    ("type_name", "scale", "fidelity"),
    [
        ("datetime2", 7, Fidelity.LOSSY),
        ("datetime2", 6, Fidelity.LOSSLESS),
        ("time", 7, Fidelity.LOSSY),
        ("time", 0, Fidelity.LOSSLESS),
        ("datetimeoffset", 0, Fidelity.LOSSY),
        ("datetime", 3, Fidelity.LOSSY),
    ],
)
def test_only_a_seventh_digit_is_lost(type_name: str, scale: int, fidelity: Fidelity) -> None:
    assert entry_of("sqlserver", Column("c", type_name, nullable=True, scale=scale)).fidelity is fidelity


ID = ColumnRead(Column("id", "int", nullable=False, precision=10, scale=0), Form(Kind.INTEGER))
WORD = ColumnRead(Column("word", "varchar", nullable=True, length=10), Form(Kind.TEXT))


def _scan(*columns: ColumnRead, width: int = 0, key: int = 1) -> TableRead:
    return TableRead(TABLE, columns, key, Chunking(width=width, columns=key, buckets=3))


def _table(*rows: tuple[int, str | None]) -> dict[str, Any]:
    return {
        "dbo.odd]name": [
            {
                "id": tsql_values.Int(key),
                "word": word and tsql_values.Text(word, wide=False),
                "rv": tsql_values.Binary(bytes([*bytes(7), key])),
            }
            for key, word in rows
        ]
    }


def test_rows_come_with_their_version_where_the_table_has_one() -> None:
    scan = _scan(ID, WORD, width=10)
    expected = (canonical.encode(ID.form, 1), b"one")
    for version, told in (([("rv",)], bytes([*bytes(7), 1])), ([], b"")):
        database = _session({catalogue.ROWVERSION_COLUMN: version}, _table((1, "one"), (11, "eleven")))
        with database.rows.chunk_rows(scan, [0]) as rows:
            assert list(rows) == [Row(told, expected)]


def test_a_key_finds_its_own_row_only_though_the_server_takes_other_letters_for_equal() -> None:
    database = _session({}, _table((1, "Ab"), (2, "ab"), (3, "ab "), (4, None), (5, "x")))
    found = list(database.rows.rows_by_key(_scan(WORD, ID), [(b"ab",), (b"AB",), (None,), (b"ab",)]))
    assert [canonical.as_text(ID.form, row.forms[1] or b"") for row in found] == ["2", "4"]


def test_a_short_key_in_the_long_form_is_found_by_its_value() -> None:
    """The other side's column is long: a key there that is told by its hash is nobody's here."""
    database = _session({}, _table((1, "Ab"), (2, "ab"), (3, None)))
    key = ColumnRead(WORD.column, Form(Kind.TEXT, long=True))
    wanted = [(b"\x00ab",), (canonical.encode(key.form, "x" * 9_000),), (None,)]
    found = list(database.rows.rows_by_key(_scan(key, ID), wanted))
    assert [row.forms for row in found] == [
        (key_of, canonical.encode(ID.form, i)) for key_of, i in ((b"\x00ab", 2), (None, 3))
    ]
    assert not any("HASHBYTES" in statement for statement in database._connection.asked)


def test_keys_are_asked_for_in_parts_that_the_server_takes() -> None:
    database = _session({}, _table(*((i, "x") for i in range(250))))
    scan = _scan(ID, WORD)
    keys = [(canonical.encode(ID.form, i),) for i in range(240)]
    assert len(list(database.rows.rows_by_key(scan, keys))) == 240
    assert [
        statement.count("?") for statement in database._connection.asked if "?" in statement and "TRY_CAST" in statement
    ] == [100, 100, 40]


def test_whole_rows_are_asked_for_by_their_hash() -> None:
    database = _session({}, _table((1, "a"), (1, "a"), (2, None)))
    scan = _scan(ID, WORD, key=2)
    rows = list(
        database.rows.rows_by_key(scan, [(canonical.encode(ID.form, 1), b"a"), (canonical.encode(ID.form, 2), None)])
    )
    assert [row.forms[1] for row in rows] == [b"a", b"a", None]
    assert "HASHBYTES('MD5'" in database._connection.asked[-1]


def test_a_server_without_utf_8_encodes_short_text_here_and_refuses_what_it_would_have_to_hash() -> None:
    database = _session({catalogue.HAS_UTF8: [(None,)]}, _table((1, "é")))
    scan = _scan(ID, WORD, width=10)
    with database.rows.chunk_rows(scan, [0]) as rows:
        assert [row.forms[1] for row in rows] == ["é".encode()]
    assert [row.forms[1] for row in database.rows.rows_by_key(scan, [(canonical.encode(ID.form, 1),)])] == [
        "é".encode()
    ]
    assert database.checksums.literal_forms(WORD.column, WORD.form, ["ü", None]) == (
        LiteralForm("ü".encode(), b""),
        LiteralForm(None, b""),
    )
    assert database.checksums.stream_select(scan, WHOLE).types == ("BIGINT", "VARCHAR")
    in_long_form = ColumnRead(WORD.column, Form(Kind.TEXT, long=True))
    with database.rows.chunk_rows(_scan(ID, in_long_form, width=10), [0]) as rows:
        assert [row.forms[1] for row in rows] == ["\x00é".encode()]
    assert database.checksums.literal_forms(in_long_form.column, in_long_form.form, ["ü", None]) == (
        LiteralForm("\x00ü".encode(), b""),
        LiteralForm(None, b""),
    )
    long = ColumnRead(Column("long", "nvarchar", nullable=True), Form(Kind.TEXT, long=True))
    assert database.checksums.literal_forms(long.column, long.form, ["ü", None]) == (
        LiteralForm(None, b""),
        LiteralForm(None, b""),
    )
    asking: list[Callable[[], Any]] = [
        lambda: list(database.checksums.chunk_sums(scan, WHOLE)),
        lambda: list(database.checksums.sums_of_chunks(scan, [0], 5)),
        lambda: database.checksums.stream_select(_scan(WORD, ID), WHOLE),
        lambda: database.checksums.stream_select(_scan(ID, long, width=1), WHOLE),
        lambda: database.rows.chunk_rows(_scan(WORD, ID), [0]).__enter__(),
        lambda: database.rows.chunk_rows(_scan(ID, long, width=1), [0]).__enter__(),
        lambda: list(database.rows.rows_by_key(_scan(ID, long, width=1), [(b"",)])),
    ]
    for ask in asking:
        with pytest.raises(UnexpectedAnswerError, match=r"no collation in UTF-8.*: (word|long)"):
            ask()


@pytest.mark.parametrize(
    ("estimated", "clustered", "scan", "expected"),
    [
        (1000, [("id",)], _scan(ID, width=5), (Segment(None, 110), Segment(110, 210), Segment(210, None))),
        (1000, [("other",)], _scan(ID, width=5), (WHOLE,)),
        (1000, [], _scan(ID, width=5), (WHOLE,)),
        (1000, [("id",)], _scan(ID), (WHOLE,)),
        (300, [("id",)], _scan(ID, width=5), (WHOLE,)),
        (1000, [("id",)], TableRead(TABLE, (ID,), 1, Chunking(width=5), slice=Slice(1, 2)), (WHOLE,)),
        (1000, [("id",)], TableRead(TABLE, (ID,), 1, Chunking(width=5), since=Since("id", "1")), (WHOLE,)),
    ],
)
def test_segments_are_ranges_of_the_column_that_the_table_lies_by(
    estimated: int, clustered: list[tuple[str]], scan: TableRead, expected: tuple[Segment, ...]
) -> None:
    known = {catalogue.ESTIMATED_ROWS: [(estimated,)], catalogue.CLUSTERED_BY: clustered}
    known[catalogue.range_statement(TABLE, ID.column)] = [(10, 309)]  # type: ignore[assignment]
    assert _session(known).checksums.segments(scan, 400) == expected


@pytest.mark.parametrize(("low", "high", "parts"), [(0, 99, 7), (-5, -5, 3), (-(2**63), 2**63 - 1, 4), (1, 2, 9)])
def test_divided_ranges_leave_no_value_out_and_hold_none_twice(low: int, high: int, parts: int) -> None:
    found = divided(low, high, parts)
    assert found[0].low is None
    assert found[-1].high is None
    assert [one.high for one in found[:-1]] == [one.low for one in found[1:]]
    cuts = [one.low for one in found[1:]]
    assert cuts == sorted(cuts)  # type: ignore[type-var]
    assert all(low < cut <= high for cut in cuts if cut is not None)
    assert len(found) <= parts


class Connection(Answers):
    """One that has transactions."""

    autocommit = True

    def rollback(self) -> None:
        self.asked.append("rollback")


def test_a_session_beside_another_is_another_one_with_a_snapshot_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {catalogue.DATABASE_STATE: [(True, 1)], catalogue.SNAPSHOT: [], catalogue.READ_COMMITTED: []}
    monkeypatch.setattr(SQLServer, "_connect", lambda database: setattr(database, "_connection", Connection(known)))
    first = _session(known)
    with first.beside()() as other:
        assert other is not first
        assert other._connection.asked == [catalogue.DATABASE_STATE, catalogue.SNAPSHOT]
        assert not other._connection.autocommit
    assert first._connection.asked == []
    assert other._connection is None


def test_a_snapshot_is_taken_only_where_the_database_allows_it() -> None:
    for state, expected in (
        (1, [catalogue.SNAPSHOT, "inside False", "rollback", catalogue.READ_COMMITTED]),
        (0, ["inside True"]),
    ):
        database = SQLServer(_config(), Secret(PASSWORD), 30)
        connection = Connection(
            {catalogue.DATABASE_STATE: [(True, state)], catalogue.SNAPSHOT: [], catalogue.READ_COMMITTED: []}
        )
        database._connection = connection
        with database.snapshot():
            connection.asked.append(f"inside {connection.autocommit}")
        assert connection.asked == [catalogue.DATABASE_STATE, *expected]
        assert connection.autocommit


@pytest.mark.parametrize(
    ("state", "name", "words", "remedy"),
    [
        ((1, 0), "SNAPSHOT", "stay in tempdb", ""),
        (
            (0, 0),
            "READ COMMITTED",
            "a lock held for over 5 s makes the table an ERROR",
            "SET ALLOW_SNAPSHOT_ISOLATION ON;",
        ),
        ((3, 0), "READ COMMITTED", "rows of a table are of different moments", "ALTER DATABASE [warehouse]"),
        ((0, 1), "READ COMMITTED", "waits for nobody", "SET ALLOW_SNAPSHOT_ISOLATION ON;"),
    ],
)
def test_how_tables_are_read_is_told_with_its_cost(state: tuple[int, int], name: str, words: str, remedy: str) -> None:
    isolation = _session({catalogue.ISOLATION: [state]}).isolation()
    assert isolation.name == name
    assert words in isolation.cost
    assert "one core" in isolation.cost
    assert remedy in isolation.remedy
    assert bool(isolation.remedy) == bool(remedy)


def test_a_database_that_is_not_listed_is_our_error() -> None:
    database = _session({catalogue.DATABASE_STATE: [], catalogue.ISOLATION: [], catalogue.IDENTITY: []})
    for ask in (
        database.identity,
        database.log.captured_tables,
        database.log.position,
        database.isolation,
        lambda: database.snapshot().__enter__(),
    ):
        with pytest.raises(UnexpectedAnswerError, match=r"is not in sys\.databases as reader sees it"):
            ask()


def test_a_host_that_nobody_knows_is_told_as_that() -> None:
    with (
        pytest.raises(UnreachableError, match=r"knows no address of nobody\.invalid"),
        connect(_config(host="nobody.invalid"), Secret(PASSWORD)),
    ):
        pass


def test_the_own_row_of_sys_databases_is_found_by_name() -> None:
    """In Azure SQL Database DB_ID() is not the number that it stands there with."""
    asking = [text for text in vars(catalogue).values() if isinstance(text, str) and "FROM sys.databases" in text]
    assert len(asking) >= 4
    assert not [text for text in asking if "DB_ID()" in text]


@pytest.mark.parametrize(("answer", "found"), [(1, []), (0, ["dbo.f() is nondeterministic to SQL Server"])])
def test_a_function_in_a_filter_is_as_deterministic_as_the_server_says(answer: int, found: list[str]) -> None:
    database = _session({catalogue.IS_DETERMINISTIC: [(answer,)]})
    assert list(map(str, database.catalogue.unsteady(TABLE, "dbo.f(id) = 1 AND region = N'EU'"))) == found
    assert database._connection.asked == [catalogue.IS_DETERMINISTIC]


def test_a_filter_without_such_a_function_is_judged_without_the_server() -> None:
    database = _session({})
    assert [str(one) for one in database.catalogue.unsteady(TABLE, "at > GETDATE()")] == [
        "GETDATE() goes with the clock"
    ]
    assert database._connection.asked == []


VIEW = TableName("dbo", "v")
SHOWN = {catalogue.IS_VIEW: [("v",)], catalogue.MAY_VIEW_DEFINITION: [(1,)]}


@pytest.mark.parametrize(
    ("views", "found"),
    [
        ([("dbo", "v", "CREATE VIEW dbo.v AS SELECT id FROM dbo.t")], []),
        (
            [("dbo", "v", "CREATE VIEW dbo.v AS SELECT id FROM dbo.t WHERE at > GETDATE()")],
            ["GETDATE() in the view dbo.v goes with the clock"],
        ),
        (
            [
                ("dbo", "v", "CREATE VIEW dbo.v AS SELECT id FROM [sales].[Recent]"),
                ("sales", "recent", "CREATE VIEW sales.recent AS SELECT TOP (5) id FROM dbo.t"),
                ("sales", "other", "CREATE VIEW sales.other AS SELECT id FROM dbo.t WHERE RAND() < 0.5"),
            ],
            ["TOP in the view sales.recent shows some rows of many, and which ones may change"],
        ),
        (
            [("dbo", "v", None)],
            ["the definition of dbo.v is not shown to this account, so its rows may be others at each look"],
        ),
        (
            [("dbo", "v", "CREATE VIEW dbo.v AS SELECT id FROM dbo.elsewhere"), ("dbo", "elsewhere", None)],
            ["the definition of dbo.elsewhere is not shown to this account, so its rows may be others at each look"],
        ),
    ],
)
def test_a_view_is_judged_by_its_definition_and_by_those_of_the_views_that_it_reads(
    views: list[tuple[Any, ...]], found: list[str]
) -> None:
    database = _session({**SHOWN, catalogue.VIEWS: views})
    assert list(map(str, database.catalogue.unsteady_view(VIEW))) == found


@pytest.mark.parametrize("may", [0, None])
def test_a_view_of_which_no_definition_is_shown_is_not_taken_for_steady(may: int | None) -> None:
    """Nor would the views be shown that it reads."""
    database = _session({**SHOWN, catalogue.MAY_VIEW_DEFINITION: [(may,)]})
    [found] = database.catalogue.unsteady_view(VIEW)
    assert "the definition of dbo.v is not shown" in str(found)
    assert "GRANT VIEW DEFINITION" in found.instead


def test_a_table_is_no_view_and_nothing_else_is_asked() -> None:
    database = _session({catalogue.IS_VIEW: []})
    assert database.catalogue.unsteady_view(TABLE) == ()
    assert database._connection.asked == [catalogue.IS_VIEW]
