"""The only door to SQL Server.

SQL Server has no read-only session. What is done: ApplicationIntent=ReadOnly (an availability group with read-only routing then gives
a readable replica, which refuses writes), no statement here writes, and tables are read under SNAPSHOT isolation where
the database allows it, else READ COMMITTED. An account that may only read is the real protection.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

from cdcproof import pipeline
from cdcproof.databases import odbc, tsql
from cdcproof.databases.base import Column, Slot, TableName
from cdcproof.errors import CouldNotLookError, RefusedError, UnexpectedAnswerError, UnreachableError
from cdcproof.secrets import Secret, scrub

LOGIN_TIMEOUT_SECONDS = 5
LOCK_TIMEOUT_SECONDS = 5
_ROWS_PER_FETCH = 5_000
_KEYS_PER_QUERY = 100  # at most 2,100 parameters a statement, 32 columns a key
_DATETIMEOFFSET = -155  # SQL_SS_TIMESTAMPOFFSET, which pyodbc does not know

_NO_TABLE = "42S02"
_TIMED_OUT = "HYT00"
_CONNECTION_LOST = ("08S01", "08003", "08007")
_LOCKED = 1222
_DENIED = (229, 230, 262, 297, 300, 916)
_LOGIN_REFUSED = (4060, 18452, 18456, 18470, 18486, 18487, 18488)


class SQLServer:
    """A session that only reads; connects when entered. Every statement is its own transaction."""

    def __init__(self, database: pipeline.Database, password: Secret, statement_timeout_seconds: float) -> None:
        self._database = database
        self._password = password
        self._statement_timeout_seconds = statement_timeout_seconds
        self._place = f"SQL Server database {database.database} at {database.host}:{database.port}"
        self._connection: Any = None

    def __enter__(self) -> SQLServer:
        pyodbc = _pyodbc()
        driver = odbc.find_driver(pyodbc.drivers(), odbc.wheel_libraries())
        try:
            self._connection = self._open(pyodbc, odbc.connection_string(driver, self._database, self._password))
        except pyodbc.Error as error:
            raise self._not_connected(error) from None
        return self

    def __exit__(self, *exc: object) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def version(self) -> str:
        """One line: product, version and edition."""
        version, edition = self._query(tsql.VERSION)[0]
        return f"Microsoft SQL Server {version} {edition}"

    def tables(self, schema: str) -> frozenset[TableName]:
        """User tables of a schema."""
        return frozenset(TableName(*row) for row in self._query(tsql.TABLES, schema))

    def columns(self, table: TableName) -> tuple[Column, ...]:
        """Columns in order; a column the account may not see is not among them."""
        columns = tuple(
            Column(name, type_name, bool(nullable), scale, precision, bool(computed))
            for name, type_name, nullable, scale, precision, computed in self._query(
                tsql.COLUMNS, table.schema, table.table
            )
        )
        if not columns:
            raise self._no_such_table(table)
        return columns

    def primary_key(self, table: TableName) -> tuple[str, ...]:
        """Key columns in key order, empty when there is no primary key."""
        return tuple(row[0] for row in self._query(tsql.PRIMARY_KEY, table.schema, table.table))

    def count_rows(self, table: TableName, predicate: str = "") -> int:
        """Exact number of rows, of those that the condition holds for when there is one."""
        with self._our_errors(table):
            return int(self._session.execute(tsql.count_statement(table, predicate)).fetchval())

    @contextmanager
    def rows(self, table: TableName, columns: Sequence[Column]) -> Iterator[Iterator[tuple[Any, ...]]]:
        """All rows, unordered, streamed by the driver; of one snapshot where the database allows SNAPSHOT isolation."""
        with self._our_errors(table):
            snapshot = self._session.execute(tsql.DATABASE_STATE).fetchone()[1] == 1
            self._session.execute(f"SET TRANSACTION ISOLATION LEVEL {'SNAPSHOT' if snapshot else 'READ COMMITTED'}")
            cursor = self._session.execute(tsql.select_statement(table, columns))
            try:
                yield _fetched(cursor)
            finally:
                cursor.close()
                self._session.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")

    def rows_by_key(
        self, table: TableName, columns: Sequence[Column], key: Sequence[Column], keys: Sequence[tuple[Any, ...]]
    ) -> Iterator[tuple[Any, ...]]:
        """The rows that have one of these keys."""
        per_query = min(_KEYS_PER_QUERY, 2_000 // len(key))
        for start in range(0, len(keys), per_query):
            batch = keys[start : start + per_query]
            bound = [_parameter(c, v) for values in batch for c, v in zip(key, values, strict=True) if v is not None]
            with self._our_errors(table):
                cursor = self._session.execute(tsql.select_by_key_statement(table, columns, key, batch), bound)
                yield from map(tuple, cursor.fetchall())

    def captured_tables(self) -> frozenset[TableName]:
        """Tables with a CDC capture instance; empty when CDC is off."""
        if not self._query(tsql.DATABASE_STATE)[0][0]:
            return frozenset()
        return frozenset(TableName(*row) for row in self._query(tsql.CAPTURED))

    def slots(self) -> tuple[Slot, ...]:
        """None: SQL Server has no replication slots."""
        return ()

    def permissions_missing(self, tables: Sequence[TableName]) -> dict[str, str]:
        """What the checks need and this account may not do, each with its GRANT; a table it cannot even see included."""
        user = tsql.quoted(self._database.user)
        missing = {
            str(table): f"GRANT SELECT ON {tsql.name(table)} TO {user};"
            for table in tables
            if self._query(tsql.MAY_SELECT, table.schema, table.table)[0][0] != 1
        }
        if self._query(tsql.DATABASE_STATE)[0][0] and self._query(tsql.MAY_READ_CDC)[0][0] != 1:
            missing["schema cdc"] = f"GRANT SELECT ON SCHEMA::cdc TO {user};"
        if self._query(tsql.MAY_VIEW_SERVER_STATE)[0][0] != 1:
            missing["server state (capture job, log scan)"] = f"USE master; GRANT VIEW SERVER STATE TO {user};"
        return missing

    def _open(self, pyodbc: Any, connection_string: str) -> Any:
        connection = pyodbc.connect(connection_string, timeout=LOGIN_TIMEOUT_SECONDS, autocommit=True)
        connection.timeout = round(self._statement_timeout_seconds)
        connection.add_output_converter(_DATETIMEOFFSET, datetimeoffset)
        connection.execute(f"SET LOCK_TIMEOUT {LOCK_TIMEOUT_SECONDS * 1000}")
        return connection

    @property
    def _session(self) -> Any:
        if self._connection is None:
            raise RuntimeError("use the database as a context manager")
        return self._connection

    def _query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._our_errors():
            return [tuple(row) for row in self._session.execute(statement, values).fetchall()]

    @contextmanager
    def _our_errors(self, table: TableName | None = None) -> Iterator[None]:
        pyodbc = _pyodbc()
        try:
            yield
        except pyodbc.Error as error:
            raise self._translated(error, table) from None
        except UnicodeDecodeError as error:
            raise UnexpectedAnswerError(
                f"{self._place}: {table or 'a name'} holds text that is not UTF-16: {error.reason}.",
                "Find the value: half of a surrogate pair stands alone in an nvarchar or nchar column.",
            ) from None

    def _not_connected(self, error: Exception) -> CouldNotLookError:
        state, number, text = told(error)
        if "certificate" in text.lower() or "SSL" in text:
            return RefusedError(
                f"{self._place}: TLS was refused: {text}",
                "Install the authority that signed the server's certificate, or accept it unseen with trust_server_certificate = true "
                "in the pipeline file (--trust-server-certificate on the command line).",
            )
        if state.startswith("28") or number in _LOGIN_REFUSED:
            return RefusedError(
                f"{self._place} refused user {self._database.user}: {text}",
                f"Check the account, its password ({self._database.password_env}) and the database's name.",
            )
        if state in ("01000", "IM002", "IM003", "IM004"):
            return CouldNotLookError(
                f"The ODBC driver for SQL Server cannot be loaded: {text}",
                "Reinstall it: pip install --force-reinstall mssql-python-odbc   (it needs libkrb5: apt-get install libgssapi-krb5-2)",
            )
        return UnreachableError(
            f"{self._place} does not answer: {text}", "Check that it runs, and host and port in what you gave."
        )

    def _translated(self, error: Exception, table: TableName | None) -> CouldNotLookError:
        state, number, text = told(error)
        if state == _NO_TABLE and table:
            return self._no_such_table(table)
        if number in _DENIED or state == "42501":
            grant = f"GRANT SELECT ON {tsql.name(table)} TO {tsql.quoted(self._database.user)};" if table else ""
            return RefusedError(
                f"{self._place} refused user {self._database.user}: {text}", grant or "Grant it to this account."
            )
        if state == _TIMED_OUT:
            limit = f"{self._statement_timeout_seconds:g} s"
            return UnexpectedAnswerError(
                f"{self._place}: a statement{f' on {table}' if table else ''} took over {limit}."
            )
        if number == _LOCKED:
            return UnexpectedAnswerError(
                f"{self._place}: {table or 'an object'} was locked for more than {LOCK_TIMEOUT_SECONDS} s.",
                "See who holds it: SELECT * FROM sys.dm_tran_locks;",
            )
        if state in _CONNECTION_LOST:
            return UnreachableError(f"{self._place} closed the connection: {text}", "Read the server's log.")
        return UnexpectedAnswerError(f"{self._place}: {text}")

    def _no_such_table(self, table: TableName) -> UnexpectedAnswerError:
        return UnexpectedAnswerError(
            f"{self._place} has no table {table} that user {self._database.user} can see.",
            f"Check its name and schema, or GRANT SELECT ON {tsql.name(table)} TO {tsql.quoted(self._database.user)};",
        )


def datetimeoffset(value: bytes) -> datetime:
    """Read SQL_SS_TIMESTAMPOFFSET_STRUCT. The 100 ns digit, which Python cannot hold, is cut off."""
    year, month, day, hour, minute, second, nanoseconds, offset_hours, offset_minutes = struct.unpack("<6hI2h", value)
    offset = timezone(timedelta(hours=offset_hours, minutes=offset_minutes))
    return datetime(year, month, day, hour, minute, second, nanoseconds // 1000, offset)


def told(error: Exception) -> tuple[str, int, str]:
    """SQLSTATE, SQL Server's error number (0 when there is none) and the message of a pyodbc error.

    pyodbc gives ``args = (state, "[state] [maker][driver][server]text (number) (function)…")``.
    """
    state = str(error.args[0]) if error.args else ""
    raw = str(error.args[1]) if len(error.args) > 1 else str(error)
    number = re.search(r"\((-?\d+)\) \(SQL\w+\)", raw)
    text = re.sub(r"^(\s*\[[^\]]*\])+", "", raw.partition("\n")[0])
    text = re.sub(r"\s*\(-?\d+\) \(SQL\w+\).*$", "", text)
    return state, int(number[1]) if number else 0, scrub(text.strip() or type(error).__name__)


def _fetched(cursor: Any) -> Iterator[tuple[Any, ...]]:
    while batch := cursor.fetchmany(_ROWS_PER_FETCH):
        yield from map(tuple, batch)


def _parameter(column: Column, value: Any) -> Any:
    """A key's value as pyodbc binds it without loss: times as ISO text, which it would else shorten."""
    if isinstance(value, datetime) and column.type in ("datetime", "smalldatetime"):
        return value.isoformat(timespec="milliseconds")  # these refuse text with more digits
    if isinstance(value, date | time):
        return value.isoformat()
    if type(value).__name__ == "UUID":
        return str(value)
    return value


def _pyodbc() -> Any:
    """The driver manager's module; it cannot be loaded where unixODBC is missing."""
    try:
        import pyodbc  # noqa: PLC0415  a PostgreSQL pipeline must run without unixODBC
    except ImportError as error:
        raise CouldNotLookError(
            f"SQL Server cannot be read because the ODBC driver manager is missing: {error}",
            "apt-get install unixodbc   (macOS: brew install unixodbc)",
        ) from None
    pyodbc.pooling = False
    return pyodbc
