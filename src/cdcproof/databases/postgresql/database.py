"""The only door to PostgreSQL: every session is opened read-only at the database."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.numeric import IntLoader

from cdcproof.databases.column_data import columns_found
from cdcproof.databases.contracts.database import Isolation, Slot
from cdcproof.databases.contracts.identity import Identity
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.postgresql import page_ranges
from cdcproof.databases.postgresql.log import position as wal
from cdcproof.databases.postgresql.log.position import Reader
from cdcproof.databases.postgresql.page_ranges import Pieces
from cdcproof.databases.postgresql.queries import catalogue, key_sql, statements
from cdcproof.databases.postgresql.queries.ctid import page
from cdcproof.databases.postgresql.queries.statements import MOST_RANGES, condition, table_name
from cdcproof.databases.table_read import (
    WHOLE,
    ChunkSum,
    ColumnRead,
    LiteralForm,
    LogPosition,
    Row,
    Segment,
    Stream,
    TableRead,
)
from cdcproof.databases.values import stored_value
from cdcproof.databases.values.types import FORM_BYTES, Form
from cdcproof.errors import UnexpectedAnswerError, UsageError

_ROWS_PER_FETCH = 5_000
_KEYS_PER_QUERY = 500
_BYTES_AT_ONCE = 8 << 20
_MOST_BOUND = 60_000
"""The protocol counts parameters in 16 bits."""


class PostgreSQL(Pieces):
    """A read-only session; connects when entered."""

    def version(self) -> str:
        """One line: product and version."""
        return f"PostgreSQL {self._query('SHOW server_version')[0][0]}"

    def isolation(self) -> Isolation:
        """Always the same."""
        return Isolation("REPEATABLE READ", "one snapshot for a table, without locks; vacuum waits for its end")

    def identity(self) -> Identity:
        """By the control file, which every role may read unless that was revoked; then the address stands for the server."""
        [(database, made, history, knows_server, knows_timeline)] = self._query(catalogue.IDENTITY)
        if knows_timeline:
            history = self._query(catalogue.STANDBY_TIMELINE)[0][0]
        if knows_server:
            return Identity(self._query(catalogue.SYSTEM_IDENTIFIER)[0][0], database, made, history)
        server = f"{self._database.host}:{self._database.port}"
        return Identity(
            server,
            database,
            made,
            history,
            f"{self._database.user} may not execute pg_control_system(), so the address {server} stands for the server",
        )

    def table_identity(self, table: TableName) -> str:
        """Its oid and its file's number."""
        rows = self._query(catalogue.TABLE_IDENTITY, (table.schema, table.table))
        if not rows:
            raise self._no_such_table(table)
        return str(rows[0][0])

    def tables(self, schema: str) -> frozenset[TableName]:
        """Tables of a schema: partitioned ones, and their partitions as well."""
        return frozenset(TableName(*row) for row in self._query(catalogue.TABLES, (schema,)))

    def columns(self, table: TableName) -> tuple[Column, ...]:
        """Columns in order. `scale` is a numeric's, or a time's digits after the second. Raises where a table has none."""
        columns = tuple(Column(*row) for row in self._query(catalogue.COLUMNS, (table.schema, table.table)))
        if not columns:
            self._storage(table)  # raises where there is no table
            raise UnexpectedAnswerError(
                f"{self._place}: {table} has no columns.", "Drop it, or leave it out of the tables that are compared."
            )
        return columns

    def primary_key(self, table: TableName) -> tuple[str, ...]:
        """Key columns in key order, empty when there is no primary key."""
        return tuple(row[0] for row in self._query(catalogue.PRIMARY_KEY, (table.schema, table.table)))

    def row_policies(self, table: TableName) -> tuple[str, ...]:  # noqa: ARG002  of the contract
        """None: the session's ``row_security = off`` makes it an error where rows would be hidden."""
        return ()

    def count_rows(self, table: TableName, predicate: str = "") -> int:
        """Exact number of rows, of those that the condition holds for when there is one."""
        statement = sql.SQL("SELECT count(*) FROM {}").format(table_name(table))
        if predicate:
            statement += sql.SQL(" WHERE {}").format(condition(predicate))
        with self._our_errors(table):
            return int(self._session.execute(statement).fetchall()[0][0])

    def columns_with_data(self, table: TableName, columns: Sequence[str], predicate: str = "") -> frozenset[str]:
        """Those of the columns in which a row is not NULL; a composite value all of whose fields are NULL is not NULL."""
        with self._our_errors(table):
            return columns_found(
                columns, lambda some: self._session.execute(statements.data_in(table, some, predicate)).fetchone()
            )

    def estimated_rows(self, table: TableName) -> int:
        """What the planner expects: from the statistics, and from the size where there are none."""
        statement = sql.SQL("EXPLAIN (FORMAT JSON) SELECT FROM {}").format(table_name(table))
        with self._our_errors(table):
            return int(self._session.execute(statement).fetchall()[0][0][0]["Plan"]["Plan Rows"])

    def value_range(self, table: TableName, column: Column) -> tuple[int, int] | None:
        """Least and greatest value of an integer column; None for an empty table."""
        statement = sql.SQL("SELECT min({0}), max({0}) FROM {1}").format(sql.Identifier(column.name), table_name(table))
        with self._our_errors(table):
            [(least, greatest)] = self._session.execute(statement).fetchall()
        return None if least is None else (least, greatest)

    def latest(self, table: TableName, column: str) -> str | None:
        """The greatest value of a column, None for an empty table."""
        statement = sql.SQL("SELECT max({})::text FROM {}").format(sql.Identifier(column), table_name(table))
        with self._our_errors(table):
            [(value,)] = self._session.execute(statement).fetchall()
        return None if value is None else str(value)

    def segments(self, scan: TableRead, rows: int) -> tuple[Segment, ...]:
        """Ranges of pages. Of a partitioned table they are the same pages of every partition."""
        if scan.slice or scan.since:
            return (WHOLE,)
        storage = self._storage(scan.table)
        wanted = math.ceil(self.estimated_rows(scan.table) / rows)
        if not storage.is_heap or min(wanted, storage.pages) <= 1 or not self._reads_pages():
            return (WHOLE,)
        step = math.ceil(storage.pages / wanted)
        bounds = [None, *map(page, range(step, storage.pages, step)), None]
        return tuple(Segment(low, high) for low, high in pairwise(bounds))

    def mark(self, table: TableName) -> str:
        """The table's files and a transaction number; nothing where rows are not in pages of a heap."""
        if not (self._storage(table).is_heap and self._reads_pages()):
            return ""
        [(files, transaction)] = self._query(catalogue.MARK, (table.schema, table.table))
        return f"{files} {transaction}"

    def chunks_written_since(self, mark: str, scan: TableRead, part: Segment) -> frozenset[int] | None:
        """A row that is written gets a new place, which may be in a part that was read before."""
        files, _, transaction = mark.partition(" ")
        if not files or files != self.mark(scan.table).partition(" ")[0]:
            return None
        with self._our_errors(scan.table):
            statement = statements.chunks_written_since(scan, part, int(transaction), self._server())
            return frozenset(chunk for (chunk,) in self._session.execute(statement).fetchall())

    def chunk_sums(self, scan: TableRead, segment: Segment) -> Iterator[ChunkSum]:
        """One scan of the segment."""
        yield from self._sums(scan.table, statements.chunk_sums(scan, segment, self._server()))

    def sums_of_chunks(self, scan: TableRead, chunks: Sequence[int], width: int) -> Iterator[ChunkSum]:
        """By ranges of the column, which an index finds, as many at once as the server looks up."""
        for start in range(0, len(chunks), MOST_RANGES):
            some = chunks[start : start + MOST_RANGES]
            yield from self._sums(scan.table, statements.sums_of_chunks(scan, some, width, self._server()))

    def _sums(self, table: TableName, statement: sql.Composed) -> list[ChunkSum]:
        with self._our_errors(table), self._session.cursor(row_factory=lambda _: ChunkSum._make) as cursor:
            cursor.adapters.register_loader("numeric", IntLoader)  # through Decimal it takes three times as long
            return cursor.execute(statement).fetchall()

    @contextmanager
    def chunk_rows(self, scan: TableRead, chunks: Sequence[int]) -> Iterator[Iterator[Row]]:
        """All rows of these chunks, through a server-side cursor."""
        versioned = self._storage(scan.table).is_heap
        statement = statements.chunk_rows(scan, chunks, self._server(), versioned=versioned)
        with (
            self._our_errors(scan.table),
            self._session.transaction(force_rollback=True),
            self._session.cursor("cdcproof", binary=True) as cursor,
        ):
            cursor.execute(statement)
            fetched = iter(partial(cursor.fetchmany, _rows_at_once(scan)), [])
            yield (Row(row[0], row[1:]) for rows in fetched for row in rows)

    def rows_by_key(
        self, scan: TableRead, keys: Sequence[tuple[bytes | None, ...]], *, as_written: bool = False
    ) -> Iterator[Row]:
        """The rows that have one of these keys, each statement its own snapshot."""
        versioned = self._storage(scan.table).is_heap
        distinct = list(dict.fromkeys(keys))
        wanted = set(distinct)
        step = max(1, min(_KEYS_PER_QUERY, _rows_at_once(scan), _MOST_BOUND // max(1, scan.key_width)))
        for start in range(0, len(distinct), step):
            batch = distinct[start : start + step]
            rows = self._rows_of(scan, batch, versioned=versioned, as_written=as_written)
            if as_written and not all(map(stored_value.is_found_for_sure, scan.key)):
                left = wanted.intersection(batch).difference(row.forms[: scan.key_width] for row in rows)
                rows += self._rows_of(scan, list(left), versioned=versioned, as_written=False) if left else []
            yield from (row for row in rows if row.forms[: scan.key_width] in wanted)

    def sample(self, scan: TableRead, rows: int) -> list[Row]:
        """The rows that lie first."""
        statement = statements.sample(scan, rows, self._server())
        with self._our_errors(scan.table), self._session.cursor(binary=True) as cursor:
            return [Row(row[0], row[1:]) for row in cursor.execute(statement).fetchall()]

    def _rows_of(
        self, scan: TableRead, keys: Sequence[tuple[bytes | None, ...]], *, versioned: bool, as_written: bool
    ) -> list[Row]:
        found, bound = key_sql.one_of(scan.key, keys, self._server(), as_written=as_written)
        statement = statements.rows_by_key(scan, found, self._server(), versioned=versioned)
        with self._our_errors(scan.table):
            cursor = psycopg.RawCursor(self._session).execute(statement, bound, binary=True)
            return [Row(row[0], row[1:]) for row in cursor.fetchall()]

    def literal_forms(self, column: Column, form: Form, literals: Sequence[str | None]) -> tuple[LiteralForm, ...]:
        """Calibration. Before PostgreSQL 14 there is no native hash."""
        statement = statements.literal_forms(column, form, self._server())
        with self._our_errors():
            found = psycopg.RawCursor(self._session).execute(statement, [list(literals)], binary=True).fetchall()
        return tuple(LiteralForm(*row) for row in found)

    def statements(self, scan: TableRead) -> dict[str, str]:
        """What is done to its SQL, for the whole table, chunk 0 and one key."""
        server = self._server()
        versioned = self._storage(scan.table).is_heap
        names = [sql.Identifier(told.column.name) for told in scan.key]
        equal = [sql.SQL(f"{{}} = ${number}").format(name) for number, name in enumerate(names, start=1)]
        by_place = {"push-down by place": page_ranges.piece_sums(scan, server)} if self.by_place(scan) else {}
        narrowing = {"narrowing": statements.sums_of_chunks(scan, [0], 1, server)} if scan.chunking.width else {}
        found = {
            "push-down": statements.chunk_sums(scan, WHOLE, server),
            **by_place,
            "stream": statements.stream(scan, WHOLE, server),
            **narrowing,
            "rows of a chunk": statements.chunk_rows(scan, [0], server, versioned=versioned),
            "rows by key": statements.rows_by_key(scan, sql.SQL(" AND ").join(equal), server, versioned=versioned),
        }
        return {what: statement.as_string(self._session) for what, statement in found.items()}

    def stream_select(self, scan: TableRead, segment: Segment) -> Stream:
        """A segment as DuckDB reads it, which opens a session of its own; it wants the settings of `postgresql.settings`."""
        select = statements.stream(scan, segment, self._server()).as_string(self._session)
        return Stream(select, tuple(form.columnar for form in scan.forms))

    def stream_literals(self, columns: Sequence[ColumnRead], literals: Sequence[Sequence[str | None]]) -> Stream:
        """Rows of literals as `stream_select` would give them, a list of them for each column; ``chunk`` is the row's number."""
        select = statements.stream_literals(columns, literals, self._server()).as_string(self._session)
        return Stream(select, tuple(told.form.columnar for told in columns))

    def captured_tables(self) -> frozenset[TableName]:
        """Tables of the source connector's publication; empty when the publication does not exist."""
        if self._database.publication is None:
            raise UsageError(
                "The pipeline file does not name the publication that the source connector reads.",
                'Add publication = "…" to [source]; the names: SELECT pubname FROM pg_publication;',
            )
        return frozenset(TableName(*row) for row in self._query(catalogue.PUBLISHED, (self._database.publication,)))

    def log_position(self) -> LogPosition:
        """Where the log ends. Raises `UnexpectedAnswerError` at a standby, which does not know what the primary has."""
        [(insert, block_bytes, segment_bytes)] = self._query(wal.POSITION)
        if insert is None:
            raise UnexpectedAnswerError(
                f"{self._place} is a standby: where its log is does not say where the primary's is.",
                "Name the primary, from which the connector reads, under [source].",
            )
        end = wal.end_of_log(insert, block_bytes, segment_bytes)
        return LogPosition(end, f"{end >> 32:X}/{end & 0xFFFFFFFF:X}")

    def log_read_by(
        self,
        position: LogPosition,
        offset: Mapping[str, Any],
        tables: Sequence[TableName] = (),  # noqa: ARG002  the log has one position for all
    ) -> bool:
        """Whether the offset has passed the position, or the slot of the pipeline file."""
        return max(wal.committed(offset), self._slot_reader().confirmed) >= position.value

    def log_received_by(self, position: LogPosition) -> str:
        """The session on the pipeline file's slot that was sent everything before the position; empty when there is none."""
        found = self._slot_reader()
        return found.session if found.written >= position.value else ""

    def _slot_reader(self) -> Reader:
        rows = self._query(wal.READER, (self._database.slot,)) if self._database.slot else []
        return wal.reader(rows[0]) if rows else Reader(0, 0, "")

    def slots(self) -> tuple[Slot, ...]:
        """Replication slots of the server that may hold back its log, by name."""
        return tuple(Slot(*row) for row in self._query(catalogue.SLOTS))

    def permissions_missing(self, tables: Sequence[TableName]) -> dict[str, str]:
        """Tables and schemas this account may not read: each with its GRANT. A table that does not exist is left out."""
        user = sql.Identifier(self._database.user)
        missing = {}
        for schema, table, may_use, may_select in self._query(catalogue.PERMISSIONS, ([str(t) for t in tables],)):
            if not may_use:
                grant = sql.SQL("GRANT USAGE ON SCHEMA {} TO {};").format(sql.Identifier(schema), user)
                missing[f"schema {schema}"] = grant.as_string()
            if not may_select:
                grant = sql.SQL("GRANT SELECT ON {} TO {};").format(sql.Identifier(schema, table), user)
                missing[f"{schema}.{table}"] = grant.as_string()
        return missing


def _rows_at_once(scan: TableRead) -> int:
    """As many as take no more than `_BYTES_AT_ONCE`, if every value were as long as it may be."""
    longest = sum(FORM_BYTES if told.form.long else (told.column.length or 8) * 4 for told in scan.columns)
    return max(1, min(_ROWS_PER_FETCH, _BYTES_AT_ONCE // longest))
