"""What SQL Server and its drivers answer, as our errors. Pure: no driver is imported."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass

from cdcproof.core.errors import CouldNotLookError, RefusedError, UnexpectedAnswerError, UnreachableError
from cdcproof.core.secrets import scrub
from cdcproof.databases.names import TableName
from cdcproof.databases.sqlserver.queries import catalogue
from cdcproof.pipeline.engines import DatabaseAddress

LOCK_TIMEOUT_SECONDS = 5
TIMED_OUT = "HYT00"
_NO_TABLE = "42S02"
_CONNECTION_LOST = ("08S01", "08003", "08007")
_LOCKED = 1222
_DENIED = (229, 230, 262, 297, 300, 371, 916)
_LOGIN_REFUSED = (4060, 18452, 18456, 18470, 18486, 18487, 18488)
# mssql-python keeps SQL Server's number to itself: its words have to do (English, as Debezium too takes them to be)
_MEMORY_OPTIMISED = 41332
_MEMORY_OPTIMISED_WORDS = "Memory optimized tables"
_NO_TLS_WORDS = "Encryption not supported on"
_SYSTEM_VIEW = re.compile(r"Invalid object name '(sys\.\w+)'")
_LOCKED_WORDS = "Lock request time out period exceeded"
_LOGIN_WORDS = "login failed"
_DENIED_WORDS = re.compile(r"permission (was|were) denied|does not have permission")


@dataclass(frozen=True)
class DriverError:
    """A driver's error: SQLSTATE, SQL Server's own number (0 when there is none), and the message."""

    state: str
    number: int
    text: str


@dataclass(frozen=True)
class Errors:
    """The errors of one session. `user` asks for the database's user of the account, which may have another name than the login."""

    database: DatabaseAddress
    statement_timeout_seconds: float
    user: Callable[[], str] | None = None

    @property
    def place(self) -> str:
        """What our messages call the database."""
        return f"SQL Server database {self.database.database} at {self.database.host}:{self.database.port}"

    def not_connected(self, reported: DriverError) -> CouldNotLookError:
        """Of a login that failed."""
        if "certificate" in reported.text.lower() or "SSL" in reported.text:
            return RefusedError(
                f"{self.place}: TLS was refused: {reported.text}",
                "Install the authority that signed the server's certificate, or accept it unseen with trust_server_certificate = true "
                "in the pipeline file (--trust-server-certificate on the command line).",
            )
        if (
            reported.state.startswith("28")
            or reported.number in _LOGIN_REFUSED
            or _LOGIN_WORDS in reported.text.lower()
        ):
            return RefusedError(
                f"{self.place} refused user {self.database.user}: {reported.text}",
                f"Check the account, its password ({self.database.password_env}) and the database's name.",
            )
        if _NO_TLS_WORDS in reported.text:
            return RefusedError(
                f"{self.place} offers no TLS: {reported.text}",
                "Let it offer TLS, or do without: encrypt = false in the pipeline file (the flags of the command line have no such one).",
            )
        if reported.state in ("01000", "IM002", "IM003", "IM004"):
            return CouldNotLookError(
                f"The ODBC driver for SQL Server cannot be loaded: {reported.text}",
                "Reinstall it: pip install --force-reinstall mssql-python-odbc   (it needs libkrb5: apt-get install libgssapi-krb5-2)",
            )
        return UnreachableError(
            f"{self.place} does not answer: {reported.text}",
            "Check that the server runs, and that host and port are right.",
        )

    def translated(
        self, reported: DriverError, table: TableName | None, grant: Callable[[], str] = str
    ) -> CouldNotLookError:
        """Of a statement that failed. `grant` is what allows it, when that is not SELECT on the table."""
        if known := self._that_reading_meets(reported, table):
            return known
        if reported.state == _NO_TABLE and table:
            return self.no_such_table(table)
        if reported.number in _DENIED or reported.state == "42501" or _DENIED_WORDS.search(reported.text):
            select = self._grant_of_select(table) if table else ""
            return RefusedError(
                f"{self.place} refused user {self.database.user}: {reported.text}",
                grant() or select or "Grant it to this account.",
            )
        if reported.state in _CONNECTION_LOST:
            return UnreachableError(f"{self.place} closed the connection: {reported.text}", "Read the server's log.")
        return UnexpectedAnswerError(f"{self.place}: {reported.text}")

    def _that_reading_meets(self, reported: DriverError, table: TableName | None) -> UnexpectedAnswerError | None:
        if view := _SYSTEM_VIEW.search(reported.text):
            return UnexpectedAnswerError(
                f"{self.place} has no {view[1]}.",
                "SQL Server 2016 SP2 and newer have it: install the service pack, or upgrade.",
            )
        if reported.state == TIMED_OUT:
            limit = f"{self.statement_timeout_seconds:g} s"
            return UnexpectedAnswerError(
                f"{self.place}: a statement{f' on {table}' if table else ''} took over {limit}."
            )
        if reported.number == _LOCKED or _LOCKED_WORDS in reported.text:
            return UnexpectedAnswerError(
                f"{self.place}: {table or 'an object'} was locked for more than {LOCK_TIMEOUT_SECONDS} s.",
                "See who holds it: SELECT * FROM sys.dm_tran_locks;",
            )
        if reported.number == _MEMORY_OPTIMISED or _MEMORY_OPTIMISED_WORDS in reported.text:
            return UnexpectedAnswerError(
                f"{self.place}: {table or 'a table'} is memory-optimised and cannot be read under SNAPSHOT isolation.",
                "Leave it out of the comparison (tables in the pipeline file, or --tables): CDC captures no such table.",
            )
        return None

    def no_port(self, error: OSError | UnicodeError, seconds: float) -> UnreachableError:
        """Of a host and port that could not be reached at all."""
        host, port = self.database.host, self.database.port
        if isinstance(error, socket.gaierror | UnicodeError):
            return UnreachableError(
                f"{self.place} does not answer: this machine knows no address of {host}.",
                "Check the name of the host.",
            )
        if isinstance(error, TimeoutError):
            return UnreachableError(
                f"{self.place} does not answer: nothing came back within {seconds:g} s.",
                f"Check host and port, that the machine runs, and that no firewall keeps {host}:{port} from here.",
            )
        return UnreachableError(
            f"{self.place} does not answer: {error.strerror or error}.",
            "Check that the server runs, and that host and port are right.",
        )

    def no_such_database(self) -> UnexpectedAnswerError:
        """Of a database that the server does not list to its own account."""
        return UnexpectedAnswerError(
            f"{self.place} is not in sys.databases as {self.database.user} sees it.",
            "GRANT VIEW ANY DATABASE to this account.",
        )

    def ended(self, table: TableName | None) -> UnexpectedAnswerError:
        """Of a statement that we ended ourselves."""
        return UnexpectedAnswerError(f"{self.place}: a statement{f' on {table}' if table else ''} was ended.")

    def no_such_table(self, table: TableName) -> UnexpectedAnswerError:
        """Of a table that is not there, or that the account cannot see."""
        return UnexpectedAnswerError(
            f"{self.place} has no table {table} that user {self.database.user} can see.",
            f"Check its name and schema, or {self._grant_of_select(table)}",
        )

    def _grant_of_select(self, table: TableName) -> str:
        user = self.user() if self.user else self.database.user
        return f"GRANT SELECT ON {catalogue.name(table)} TO {catalogue.quoted(user)};"


def of_pyodbc(error: Exception) -> DriverError:
    """Take a pyodbc error apart: ``args = (state, "[state] [maker][driver][server]text (number) (function)…")``."""
    state = str(error.args[0]) if error.args else ""
    raw = str(error.args[1]) if len(error.args) > 1 else str(error)
    number = re.search(r"\((-?\d+)\) \(SQL\w+\)", raw)
    text = re.sub(r"\s*\(-?\d+\) \(SQL\w+\).*$", "", without_makers(raw.partition("\n")[0]))
    return DriverError(state, int(number[1]) if number else 0, scrub(text.strip() or type(error).__name__))


def without_makers(text: str) -> str:
    """An ODBC message without the names in brackets that it begins with."""
    return re.sub(r"^(\s*\[[^\]]*\])+", "", text)
