"""The only door to PostgreSQL: every session is opened read-only at the database."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString, cast

import psycopg
from psycopg import errors, sql

from cdcproof import pipeline
from cdcproof.databases import postgresql_log
from cdcproof.databases.base import Column, Slot, TableName
from cdcproof.databases.postgresql_log import Reader
from cdcproof.databases.scan import LogPosition
from cdcproof.errors import (
    CouldNotLookError,
    RefusedError,
    UnexpectedAnswerError,
    UnreachableError,
    UsageError,
)
from cdcproof.secrets import Secret, scrub

CONNECT_TIMEOUT_SECONDS = 5
LOCK_TIMEOUT_SECONDS = 5
_ROWS_PER_FETCH = 5_000
_KEYS_PER_QUERY = 500

_TABLES = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relkind IN ('r', 'p') AND NOT c.relispartition"""

# A domain is read as what it is made of; format_type without a modifier gives the standard's name of a type.
_COLUMNS = """
    SELECT a.attname, pg_catalog.format_type(d.type, NULL), NOT a.attnotnull,
           CASE WHEN d.type = 'numeric'::regtype THEN information_schema._pg_numeric_scale(d.type, d.modifier)
                ELSE information_schema._pg_datetime_precision(d.type, d.modifier) END,
           information_schema._pg_numeric_precision(d.type, d.modifier),
           a.attgenerated <> ''
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_type t ON t.oid = a.atttypid
    CROSS JOIN LATERAL (SELECT CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE a.atttypid END AS type,
                               CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END AS modifier) d
    WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum"""

_PRIMARY_KEY = """
    SELECT a.attname FROM pg_index i
    JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY AS k(attnum, position)
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
    WHERE n.nspname = %s AND c.relname = %s AND i.indisprimary
    ORDER BY k.position"""

# A slot that never reserved WAL has no wal_status; whatever it was meant to keep is not kept.
_SLOTS = """
    SELECT slot_name, active, coalesce(wal_status, 'unreserved'), coalesce(pg_wal_lsn_diff(
               CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END,
               restart_lsn), 0)::bigint
    FROM pg_replication_slots WHERE database = current_database() ORDER BY slot_name"""

_PERMISSIONS = """
    SELECT n.nspname, c.relname, has_schema_privilege(n.oid, 'USAGE'), has_table_privilege(c.oid, 'SELECT')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname || '.' || c.relname = ANY(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    ORDER BY 1, 2"""


class PostgreSQL:
    """A read-only session; connects when entered.

    Outside `rows` every statement is its own transaction. Each use of `rows` reads one REPEATABLE READ snapshot.
    Times come in UTC. `statement_timeout_seconds` bounds each statement at the server.
    """

    def __init__(self, database: pipeline.Database, password: Secret, statement_timeout_seconds: float) -> None:
        self._database = database
        self._password = password
        self._statement_timeout_seconds = statement_timeout_seconds
        self._place = f"PostgreSQL database {database.database} at {database.host}:{database.port}"
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def __enter__(self) -> PostgreSQL:
        options = {
            "default_transaction_read_only": "on",
            "statement_timeout": f"{self._statement_timeout_seconds * 1000:.0f}",
            "lock_timeout": f"{LOCK_TIMEOUT_SECONDS * 1000}",
            "TimeZone": "UTC",
        }
        try:
            self._connection = psycopg.connect(
                host=self._database.host,
                port=self._database.port,
                dbname=self._database.database,
                user=self._database.user,
                password=self._password.reveal(),
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                application_name="cdcproof",
                sslmode="prefer",
                options=" ".join(f"-c {name}={value}" for name, value in options.items()),
                autocommit=True,
            )
        except psycopg.Error as error:
            raise self._not_connected(error) from None
        self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        return self

    def __exit__(self, *exc: object) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def version(self) -> str:
        """One line: product and version."""
        return f"PostgreSQL {self._query('SHOW server_version')[0][0]}"

    def tables(self, schema: str) -> frozenset[TableName]:
        """Tables of a schema, partitioned ones as one table."""
        return frozenset(TableName(*row) for row in self._query(_TABLES, (schema,)))

    def columns(self, table: TableName) -> tuple[Column, ...]:
        """Columns in order. `scale` is a numeric's, or a time's digits after the second."""
        columns = tuple(Column(*row) for row in self._query(_COLUMNS, (table.schema, table.table)))
        if not columns:
            raise self._no_such_table(table)
        return columns

    def primary_key(self, table: TableName) -> tuple[str, ...]:
        """Key columns in key order, empty when there is no primary key."""
        return tuple(row[0] for row in self._query(_PRIMARY_KEY, (table.schema, table.table)))

    def count_rows(self, table: TableName, predicate: str = "") -> int:
        """Exact number of rows, of those that the condition holds for when there is one."""
        statement = sql.SQL("SELECT count(*) FROM {}").format(_name(table))
        if predicate:  # the line break ends a comment in it
            statement += sql.SQL(" WHERE ({}\n)").format(sql.SQL(cast("LiteralString", predicate)))
        with self._our_errors(table):
            return int(self._session.execute(statement).fetchall()[0][0])

    @contextmanager
    def rows(self, table: TableName, columns: Sequence[Column]) -> Iterator[Iterator[tuple[Any, ...]]]:
        """All rows of one snapshot, unordered, through a server-side cursor.

        Raises `UnexpectedAnswerError` for a value Python has no form for (a date that is infinite or BC).
        """
        statement = sql.SQL("SELECT {} FROM {}").format(_names(columns), _name(table))
        with (
            self._our_errors(table),
            self._session.transaction(force_rollback=True),
            self._session.cursor("cdcproof", binary=True) as cursor,
        ):
            cursor.itersize = _ROWS_PER_FETCH
            cursor.execute(statement)
            yield iter(cursor)

    def rows_by_key(
        self, table: TableName, columns: Sequence[Column], key: Sequence[Column], keys: Sequence[tuple[Any, ...]]
    ) -> Iterator[tuple[Any, ...]]:
        """The rows that have one of these keys, each statement its own snapshot."""
        select = sql.SQL("SELECT {} FROM {} WHERE ").format(_names(columns), _name(table))
        for start in range(0, len(keys), _KEYS_PER_QUERY):
            batch = keys[start : start + _KEYS_PER_QUERY]
            statement = select + sql.SQL(" OR ").join(_has_key(key, values) for values in batch)
            bound = [value for values in batch for value in values if value is not None]
            with self._our_errors(table):
                yield from self._session.cursor(binary=True).execute(statement, bound).fetchall()

    def captured_tables(self) -> frozenset[TableName]:
        """Tables of the source connector's publication; empty when the publication does not exist."""
        if self._database.publication is None:
            raise UsageError(
                "The pipeline file does not name the publication that the source connector reads.",
                'Add publication = "…" to [source]; the names: SELECT pubname FROM pg_publication;',
            )
        statement: LiteralString = "SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = %s"
        return frozenset(TableName(*row) for row in self._query(statement, (self._database.publication,)))

    def log_position(self) -> LogPosition:
        """Where the log ends. Raises `UnexpectedAnswerError` at a standby, which does not know what the primary has."""
        [(insert, block_bytes, segment_bytes)] = self._query(postgresql_log.POSITION)
        if insert is None:
            raise UnexpectedAnswerError(
                f"{self._place} is a standby: where its log is does not say where the primary's is.",
                "Name the primary, from which the connector reads, under [source].",
            )
        end = postgresql_log.end_of_log(insert, block_bytes, segment_bytes)
        return LogPosition(end, f"{end >> 32:X}/{end & 0xFFFFFFFF:X}")

    def log_read_by(
        self,
        position: LogPosition,
        offset: Mapping[str, Any],
        tables: Sequence[TableName] = (),  # noqa: ARG002  the log does not tell them apart
    ) -> bool:
        """Whether the offset has passed the position, or the slot of the pipeline file."""
        return max(postgresql_log.committed(offset), self._slot_reader().confirmed) >= position.value

    def log_received_by(self, position: LogPosition) -> str:
        """The session on the pipeline file's slot that was sent everything before the position; empty when there is none."""
        found = self._slot_reader()
        return found.session if found.written >= position.value else ""

    def _slot_reader(self) -> Reader:
        rows = self._query(postgresql_log.READER, (self._database.slot,)) if self._database.slot else []
        return postgresql_log.reader(rows[0]) if rows else Reader(0, 0, "")

    def slots(self) -> tuple[Slot, ...]:
        """Replication slots of this database, by name."""
        return tuple(Slot(*row) for row in self._query(_SLOTS))

    def permissions_missing(self, tables: Sequence[TableName]) -> dict[str, str]:
        """Tables and schemas this account may not read: each with its GRANT. A table that does not exist is left out."""
        user = sql.Identifier(self._database.user)
        missing = {}
        for schema, table, may_use, may_select in self._query(_PERMISSIONS, ([str(t) for t in tables],)):
            if not may_use:
                grant = sql.SQL("GRANT USAGE ON SCHEMA {} TO {};").format(sql.Identifier(schema), user)
                missing[f"schema {schema}"] = grant.as_string()
            if not may_select:
                grant = sql.SQL("GRANT SELECT ON {} TO {};").format(sql.Identifier(schema, table), user)
                missing[f"{schema}.{table}"] = grant.as_string()
        return missing

    @property
    def _session(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._connection is None:
            raise RuntimeError("use the database as a context manager")
        return self._connection

    def _query(self, statement: LiteralString, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._our_errors():
            return self._session.execute(statement, values).fetchall()

    @contextmanager
    def _our_errors(self, table: TableName | None = None) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise self._translated(error, table) from None

    def _not_connected(self, error: psycopg.Error) -> CouldNotLookError:
        text = _first_line(error)
        # psycopg has no SQLSTATE for a failed connection. A server's own answer has the form "SEVERITY:  text".
        answer = re.search(r"\w+:  (.*)", text)
        if answer and not re.search(r"starting up|shutting down|recovery mode", answer[1]):
            return RefusedError(
                f"{self._place} refused user {self._database.user}: {answer[1]}",
                f"Check the account, its password ({self._database.password_env}), the database's name "
                "and the server's pg_hba.conf.",
            )
        return UnreachableError(
            f"{self._place} does not answer: {text}", "Check that it runs, and host and port in what you gave."
        )

    def _translated(self, error: psycopg.Error, table: TableName | None) -> CouldNotLookError:
        text = _first_line(error)
        if isinstance(error, errors.InsufficientPrivilege):
            return RefusedError(
                f"{self._place} refused user {self._database.user}: {text}", self._grant(table) if table else ""
            )
        if isinstance(error, errors.UndefinedTable | errors.InvalidSchemaName) and table:
            return self._no_such_table(table)
        if isinstance(error, errors.LockNotAvailable | errors.QueryCanceled):
            return self._too_long(error, table)
        if self._session.closed:
            return UnreachableError(f"{self._place} closed the connection: {text}", "Read the server's log.")
        if isinstance(error, psycopg.DataError) and error.sqlstate is None:
            return UnexpectedAnswerError(
                f"{self._place}: {table} holds a value that cannot be read here: {text}",
                "Dates must lie in the years 1 to 9999; infinity has no counterpart in SQL Server.",
            )
        return UnexpectedAnswerError(f"{self._place}: {text}")

    def _too_long(self, error: psycopg.Error, table: TableName | None) -> UnexpectedAnswerError:
        if isinstance(error, errors.LockNotAvailable):
            return UnexpectedAnswerError(
                f"{self._place}: {table or 'an object'} was locked for more than {LOCK_TIMEOUT_SECONDS} s.",
                "See who holds it: SELECT pid, query FROM pg_stat_activity WHERE pid IN (SELECT pid FROM pg_locks);",
            )
        return UnexpectedAnswerError(
            f"{self._place}: a statement{f' on {table}' if table else ''} was cancelled "
            f"(the limit is {self._statement_timeout_seconds:g} s).",
            "Try again when the server is less busy.",
        )

    def _grant(self, table: TableName) -> str:
        grant = sql.SQL("GRANT USAGE ON SCHEMA {schema} TO {user}; GRANT SELECT ON {table} TO {user};")
        names = {"schema": sql.Identifier(table.schema), "user": sql.Identifier(self._database.user)}
        return grant.format(table=_name(table), **names).as_string()

    def _no_such_table(self, table: TableName) -> UnexpectedAnswerError:
        return UnexpectedAnswerError(
            f"{self._place} has no table {table}.", "Check its name and schema; names are case-sensitive here."
        )


def _name(table: TableName) -> sql.Identifier:
    return sql.Identifier(table.schema, table.table)


def _names(columns: Sequence[Column]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)


def _has_key(key: Sequence[Column], values: tuple[Any, ...]) -> sql.Composed:
    conditions = (
        sql.SQL("{} IS NULL" if value is None else "{} = %s").format(sql.Identifier(column.name))
        for column, value in zip(key, values, strict=True)
    )
    return sql.SQL("({})").format(sql.SQL(" AND ").join(conditions))


def _first_line(error: psycopg.Error) -> str:
    text = str(error).strip().partition("\n")[0]
    return scrub(text.removeprefix("connection failed: ") or type(error).__name__)
