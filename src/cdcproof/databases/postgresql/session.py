"""A session with PostgreSQL by psycopg, opened read-only at the database; what goes wrong leaves as our error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from typing import Any, LiteralString, Self

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo

from cdcproof.core.errors import CouldNotLookError, RefusedError, UnexpectedAnswerError, UnreachableError
from cdcproof.core.secrets import Secret, scrub
from cdcproof.databases.contracts.deployment import Needs
from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql import settings, tls
from cdcproof.databases.postgresql.connection import Connection, NoAnswerError
from cdcproof.databases.postgresql.queries import rights
from cdcproof.databases.postgresql.queries.column_sql import Server
from cdcproof.databases.postgresql.queries.statements import table_name
from cdcproof.databases.postgresql.settings import LOCK_TIMEOUT_SECONDS
from cdcproof.pipeline.engines import DatabaseAddress

CONNECT_TIMEOUT_SECONDS = 5


class Session:
    """Connects when entered. Outside `snapshot` every statement is its own transaction. Times come in UTC.

    `statement_timeout_seconds` bounds each statement at the server, and here where the server says nothing any more.
    """

    def __init__(self, database: DatabaseAddress, password: Secret, statement_timeout_seconds: float) -> None:
        self.database = database
        self._password = password
        self._statement_timeout_seconds = statement_timeout_seconds
        self.place = f"PostgreSQL database {database.database} at {database.host}:{database.port}"
        self._connection: Connection | None = None
        self._is_pooled = False
        self._has_tls = True

    def __enter__(self) -> Self:
        try:
            self._connection = self._opened()
        except psycopg.Error as error:
            raise self._not_connected(error) from None
        self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        return self

    def __exit__(self, *exc: object) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def address(self) -> Secret:
        """Where and how a session is opened, the password included, as libpq reads it: the stream opens its own in the same way."""
        return Secret(
            make_conninfo(
                host=self.database.host,
                hostaddr="",  # else $PGHOSTADDR leads every session to one server, whatever its host is
                port=self.database.port,
                dbname=self.database.database,
                user=self.database.user,
                password=self._password.reveal(),
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                keepalives_idle=60,  # a connection of which only our end is left; Linux's own defaults take two hours
                keepalives_interval=10,
                keepalives_count=3,
                application_name="cdcproof",
                **tls.options(self.database, offered=self._has_tls),
                client_encoding="UTF8",
                **({} if self._is_pooled else {"options": settings.options(self._statement_timeout_seconds)}),
            )
        )

    def settings_of_a_transaction(self) -> str:
        """The query by which a session at `address` sets what its start did not, once its transaction runs."""
        if not self._is_pooled:
            return settings.completion(for_transaction=True).as_string()
        return settings.statement(self._statement_timeout_seconds, for_transaction=True).as_string()

    def _opened(self) -> Connection:
        """A session with our settings: sent with its start, else, behind a pooler, set after the login."""
        try:
            connection = self._open()
        except psycopg.Error as error:
            if not settings.refuses_options(error):
                raise
        else:
            if settings.are_set(connection):
                connection.execute(settings.completion())
                return connection
            connection.close()
        self._is_pooled = True
        connection = self._open()
        try:
            self._set_after_login(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _open(self) -> Connection:
        try:
            return Connection.to(self.address().reveal(), self._statement_timeout_seconds)
        except psycopg.Error as error:
            if not tls.has_none(str(error)) or tls.is_demanded(self.database):
                raise
        self._has_tls = False
        return Connection.to(self.address().reveal(), self._statement_timeout_seconds)

    def _set_after_login(self, connection: settings.Connection) -> None:
        with closing(self._open()) as other:
            shares = settings.shares_sessions(connection, other)
        if shares:
            raise RefusedError(
                f"{self.place} is a pooler that gives each transaction a session of its own, so that no setting holds.",
                "Name the server itself, or a pool in session mode (PgBouncer: pool_mode = session).",
            )
        connection.execute(settings.statement(self._statement_timeout_seconds))

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """One REPEATABLE READ transaction."""
        with self.our_errors(), self.driver.transaction(force_rollback=True):
            yield

    def beside(self) -> Callable[[], AbstractContextManager[Self]]:
        """What it returns opens a session with the snapshot of this one."""
        [(exported,)] = self.query("SELECT pg_export_snapshot()")

        @contextmanager
        def opened() -> Iterator[Self]:
            with type(self)(self.database, self._password, self._statement_timeout_seconds) as other, other.snapshot():
                with other.our_errors():
                    other.driver.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(exported)))
                yield other

        return opened

    def reads_chunks_of_a_moment(self) -> bool:
        """By the snapshot of the transaction that the cursor is declared in."""
        return True

    def interrupt(self) -> None:
        """End the statement that runs, at the server too."""
        if self._connection is not None:
            with suppress(psycopg.Error):  # it has ended, or there is no session left to end
                self._connection.cancel_safe(timeout=CONNECT_TIMEOUT_SECONDS)

    def interrupt_session(self, backend: int) -> None:
        """End the statement that another session of this account runs, by its backend's pid."""
        with suppress(CouldNotLookError):
            self.query("SELECT pg_cancel_backend(%s)", (backend,))

    @property
    def statement_timeout_seconds(self) -> float:
        """How long a statement may take."""
        return self._statement_timeout_seconds

    @property
    def peer(self) -> tuple[str, int]:
        """The server's address, as its connections have it."""
        return self.driver.info.hostaddr, self.driver.info.port

    def trouble(self, ports: Sequence[int]) -> str:
        """Why the server will not answer to these ports of this machine; empty where another session sees no reason. For any thread."""
        return self._connection.trouble(ports) if self._connection else "no session"

    def stopped_answering(self, how: str, table: TableName | None = None) -> UnreachableError:
        """The error of a server that says nothing more."""
        return UnreachableError(
            f"{self.place}{f', asked about {table},' if table else ''} stopped answering: {how}.",
            "Look at its machine: the server or its disk hangs, or the network drops packets.",
        )

    @property
    def driver(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Psycopg's connection, open. For this room alone."""
        if self._connection is None:
            raise RuntimeError("use the database as a context manager")
        return self._connection

    def dialect(self) -> Server:
        """What the SQL has to know of the server."""
        encoding = self.driver.info.parameter_status("server_encoding")
        return Server(self.driver.info.server_version, encoding or "")

    def query(self, statement: LiteralString, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a statement."""
        with self.our_errors():
            return self.driver.execute(statement, values).fetchall()

    @contextmanager
    def our_errors(self, table: TableName | None = None) -> Iterator[None]:
        """What psycopg raises inside leaves as our error, which names the table."""
        try:
            yield
        except psycopg.Error as error:
            raise self._translated(error, table) from None

    def _not_connected(self, error: psycopg.Error) -> CouldNotLookError:
        text = _first_line(error)
        # psycopg has no SQLSTATE for a failed connection. A server's own answer has the form "SEVERITY:  text".
        answer = re.search(r"\w+:  (.*)", text)
        if found := tls.problem(text, self.database):
            return RefusedError(f"{self.place}: {found[0]}.", found[1])
        if answer and settings.refuses_options(error):
            return RefusedError(
                f"{self.place} does not take what a session starts with: {answer[1]}",
                "This is a pooler. Name the server itself, or a pool in session mode that takes application_name and client_encoding.",
            )
        if answer and answer[1].startswith("permission denied for database"):
            name, user = self.database.database, self.database.user
            return RefusedError(
                f"{self.place} refused user {user}: {answer[1]}",
                rights.grants(name, user, Needs())[f"CONNECT on database {name}"],
            )
        if answer and not re.search(r"starting up|shutting down|recovery mode", answer[1]):
            return RefusedError(
                f"{self.place} refused user {self.database.user}: {answer[1]}",
                f"Check the account, its password ({self.database.password_env}), the database's name "
                "and the server's pg_hba.conf.",
            )
        return UnreachableError(
            f"{self.place} does not answer: {text}", "Check that the server runs, and that host and port are right."
        )

    def _translated(self, error: psycopg.Error, table: TableName | None) -> CouldNotLookError:
        text = _first_line(error)
        if isinstance(error, errors.InsufficientPrivilege) and "row-level security" in text:
            is_view = table is not None and f'"{table.table}"' not in text  # then its owner counts
            return RefusedError(
                f"{self.place} shows user {self.database.user} only some of the rows"
                f"{f' of {table}, which reads another table' if is_view else ''}: {text}",
                "Compare that table itself, or let the owner of the view see all rows: ALTER ROLE … BYPASSRLS;"
                if is_view
                else self.sees_all_rows(),
            )
        if isinstance(error, errors.InsufficientPrivilege):
            return RefusedError(
                f"{self.place} refused user {self.database.user}: {text}", self._grant(table) if table else ""
            )
        if isinstance(error, errors.UndefinedTable | errors.InvalidSchemaName) and table and _is_about(text, table):
            return self.no_such_table(table)
        if isinstance(error, errors.LockNotAvailable | errors.QueryCanceled):
            return self._too_long(error, table)
        if self.driver.closed:
            return self._lost(error, table)
        return UnexpectedAnswerError(f"{self.place}: {text}")

    def _lost(self, error: psycopg.Error, table: TableName | None) -> UnreachableError:
        text = _first_line(error)
        if isinstance(error, NoAnswerError):
            return self.stopped_answering(text, table)
        return UnreachableError(f"{self.place} closed the connection: {text}", "Read the server's log.")

    def _too_long(self, error: psycopg.Error, table: TableName | None) -> UnexpectedAnswerError:
        if isinstance(error, errors.LockNotAvailable):
            return UnexpectedAnswerError(
                f"{self.place}: {table or 'an object'} was locked for more than {LOCK_TIMEOUT_SECONDS} s.",
                "See who holds it: SELECT pid, query FROM pg_stat_activity WHERE pid IN (SELECT pid FROM pg_locks);",
            )
        return UnexpectedAnswerError(
            f"{self.place}: a statement{f' on {table}' if table else ''} was cancelled "
            f"(the limit is {self._statement_timeout_seconds:g} s).",
            "Try again when the server is less busy.",
        )

    def _grant(self, table: TableName) -> str:
        grant = sql.SQL("GRANT USAGE ON SCHEMA {schema} TO {user}; GRANT SELECT ON {table} TO {user};")
        names = {"schema": sql.Identifier(table.schema), "user": sql.Identifier(self.database.user)}
        return grant.format(table=table_name(table), **names).as_string()

    def sees_all_rows(self) -> str:
        """The statement by which no policy hides rows from this account."""
        return sql.SQL("ALTER ROLE {} BYPASSRLS;").format(sql.Identifier(self.database.user)).as_string()

    def no_such_table(self, table: TableName) -> UnexpectedAnswerError:
        """The error of a table that is not there."""
        return UnexpectedAnswerError(
            f"{self.place} has no table {table}.", "Check its name and schema; names are case-sensitive here."
        )


def _is_about(text: str, table: TableName) -> bool:
    """Whether it is the table that is not there, and not another one, which a filter or a view names. In any server's language."""
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) for name in (table.schema, table.table))


def _first_line(error: psycopg.Error) -> str:
    text = str(error).strip().partition("\n")[0]
    return scrub(text.removeprefix("connection failed: ") or type(error).__name__)
