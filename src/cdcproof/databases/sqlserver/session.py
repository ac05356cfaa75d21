"""A session with SQL Server by pyodbc.

SQL Server has no read-only session. What is done: ApplicationIntent=ReadOnly (an availability group with read-only routing then gives
a readable replica, which refuses writes), no statement here writes, and tables are read under SNAPSHOT isolation where
the database allows it, else READ COMMITTED. An account that may only read is the real protection.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Any

from cdcproof.core.errors import CouldNotLookError, UnexpectedAnswerError
from cdcproof.core.secrets import Secret
from cdcproof.databases.contracts.database import Isolation
from cdcproof.databases.names import TableName
from cdcproof.databases.sqlserver import odbc
from cdcproof.databases.sqlserver.errors import LOCK_TIMEOUT_SECONDS, Errors, of_pyodbc
from cdcproof.databases.sqlserver.queries import catalogue, rights
from cdcproof.pipeline.engines import DatabaseAddress

LOGIN_TIMEOUT_SECONDS = 5
_DATETIMEOFFSET = -155  # SQL_SS_TIMESTAMPOFFSET, which pyodbc does not know


class Session:
    """Connects when entered. Outside `snapshot` every statement is its own transaction."""

    def __init__(self, database: DatabaseAddress, password: Secret, statement_timeout_seconds: float) -> None:
        self.database = database
        self._password = password
        self._statement_timeout_seconds = statement_timeout_seconds
        self.errors = Errors(database, statement_timeout_seconds, lambda: self.user)
        self.place = self.errors.place
        self._connection: Any = None
        self._running: Any = None
        self._ended = False
        self._ending = threading.Lock()
        """A cursor that is being cancelled must not be closed: the driver would use what is freed."""

    def __exit__(self, *exc: object) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def interrupt(self) -> None:
        """End the comparison's statement that runs, at the server too; it raises. For another thread."""
        with self._ending:
            if self._running is not None:
                self._ended = True
                with suppress(_pyodbc().Error):  # it has ended by itself
                    self._running.cancel()

    def reads_chunks_of_a_moment(self) -> bool:
        """Not: statement after statement, each when its first row is asked for."""
        return False

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """One SNAPSHOT transaction, where the database allows it; nothing elsewhere."""
        _, allows_snapshots = self.database_state()
        if not allows_snapshots:
            yield
            return
        with self.our_errors():
            self.driver.execute(catalogue.SNAPSHOT)  # before the transaction: it cannot be switched to within one
            self.driver.autocommit = False
        try:
            yield
        finally:
            with suppress(_pyodbc().Error):  # the connection is gone, and the error that says so is on its way
                self.driver.rollback()
                self.driver.autocommit = True
                self.driver.execute(catalogue.READ_COMMITTED)

    def isolation(self) -> Isolation:
        """What `snapshot` gives in this database."""
        found = self.query(catalogue.ISOLATION)
        if not found:
            raise self.errors.no_such_database()
        (snapshots, versions), one_core = found[0], "a scan takes one core"
        if snapshots == 1:
            return Isolation(
                "SNAPSHOT",
                f"{one_core}; while a table is read, the earlier versions of rows that are changed stay in tempdb",
            )
        cost = (
            "a statement reads one moment and waits for nobody, but the statements for one table are of different moments"
            if versions
            else f"rows of a table are of different moments, and a lock held for over {LOCK_TIMEOUT_SECONDS} s makes the table an ERROR"
        )
        return Isolation(
            "READ COMMITTED",
            f"{one_core}; {cost}",
            f"ALTER DATABASE {catalogue.quoted(self.database.database)} SET ALLOW_SNAPSHOT_ISOLATION ON;   "
            "-- tempdb then needs room for what is changed while a table is read",
        )

    def database_state(self) -> tuple[bool, bool]:
        """Whether CDC is on, and whether snapshots are allowed."""
        found = self.query(catalogue.DATABASE_STATE)
        if not found:
            raise self.errors.no_such_database()
        return bool(found[0][0]), found[0][1] == 1

    def _connect(self) -> None:
        pyodbc = _pyodbc()
        driver = odbc.find_driver(pyodbc.drivers(), odbc.wheel_libraries())
        demand_port(self.errors)
        try:
            self._connection = self._open(pyodbc, odbc.connection_string(driver, self.database, self._password))
        except pyodbc.Error as error:
            raise self.errors.not_connected(of_pyodbc(error)) from None

    def _open(self, pyodbc: Any, connection_string: str) -> Any:
        connection = pyodbc.connect(connection_string, timeout=LOGIN_TIMEOUT_SECONDS, autocommit=True)
        connection.timeout = round(self._statement_timeout_seconds)
        connection.add_output_converter(_DATETIMEOFFSET, datetimeoffset)
        connection.execute(catalogue.SESSION.format(milliseconds=LOCK_TIMEOUT_SECONDS * 1000))
        return connection

    @property
    def driver(self) -> Any:
        """Pyodbc's connection, open. For this room alone."""
        if self._connection is None:
            raise RuntimeError("use the database as a context manager")
        return self._connection

    def grant_of_state(self) -> str:
        """What shows this account the server's state."""
        return rights.grant_of_state(self.database.user)

    def grant_of_cdc(self) -> str:
        """What lets this account read the change tables."""
        return rights.grant_of_cdc(self.user)

    @cached_property
    def user(self) -> str:
        """The database's user of this account, to which rights in the database are granted; the login's name where it cannot be asked for."""
        with suppress(CouldNotLookError):
            return str(self.query(catalogue.USER)[0][0])
        return self.database.user

    def query(self, statement: str, *values: Any, grant: Callable[[], str] = str) -> list[tuple[Any, ...]]:
        """All rows of a statement; `grant` is what the account needs for it."""
        with self.our_errors(grant=grant):
            return [tuple(row) for row in self.driver.execute(statement, values).fetchall()]

    def streamed(self, table: TableName, statement: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Rows as the driver gives them, one by one; to be read to the end or closed before the next statement."""
        with self.our_errors(table):
            cursor = self.driver.cursor()
            self._ended, self._running = False, cursor
            try:
                yield from map(tuple, cursor.execute(statement, values))
                if self._ended:  # a driver may take it for the end of the rows
                    raise self.errors.ended(table)
            except _pyodbc().Error:
                if self._ended:
                    raise self.errors.ended(table) from None
                raise
            finally:
                with self._ending:
                    self._running = None
                    cursor.close()

    @contextmanager
    def our_errors(self, table: TableName | None = None, grant: Callable[[], str] = str) -> Iterator[None]:
        """What pyodbc raises inside leaves as our error, which names the table and what the account needs."""
        pyodbc = _pyodbc()
        try:
            yield
        except pyodbc.Error as error:
            raise self.errors.translated(of_pyodbc(error), table, grant) from None
        except UnicodeDecodeError as error:
            raise UnexpectedAnswerError(
                f"{self.place}: {table or 'a name'} holds text that is not UTF-16: {error.reason}.",
                "Find the value: half of a surrogate pair stands alone in an nvarchar or nchar column.",
            ) from None


def demand_port(errors: Errors) -> None:
    """Raise `UnreachableError` where nobody listens, saying which it is: the driver calls all of it a login timeout, after five seconds.

    Not of a listener with several addresses, of which the first may be the one that is away: the driver tries them at once.
    """
    database = errors.database
    if database.multi_subnet_failover:
        return
    try:
        socket.create_connection((database.host, database.port), LOGIN_TIMEOUT_SECONDS).close()
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that cannot be one
        raise errors.no_port(error, LOGIN_TIMEOUT_SECONDS) from None


def datetimeoffset(value: bytes) -> datetime:
    """Read SQL_SS_TIMESTAMPOFFSET_STRUCT. The 100 ns digit, which Python cannot hold, is cut off."""
    year, month, day, hour, minute, second, nanoseconds, offset_hours, offset_minutes = struct.unpack("<6hI2h", value)
    offset = timezone(timedelta(hours=offset_hours, minutes=offset_minutes))
    return datetime(year, month, day, hour, minute, second, nanoseconds // 1000, offset)


def _pyodbc() -> Any:
    """The driver manager's module; it cannot be loaded where unixODBC is missing."""
    try:
        import pyodbc  # noqa: PLC0415  a PostgreSQL pipeline must run without unixODBC
    except ModuleNotFoundError:
        raise CouldNotLookError(
            "The drivers of SQL Server are not installed.", "Install them with: pip install 'cdcproof[sqlserver]'"
        ) from None
    except ImportError as error:
        raise CouldNotLookError(
            f"SQL Server cannot be read because the ODBC driver manager is missing: {error}",
            "apt-get install unixodbc   (macOS: brew install unixodbc)",
        ) from None
    pyodbc.pooling = False
    return pyodbc
