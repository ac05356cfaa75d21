"""A PostgreSQL table summed at its server by chunk, the parts that it is read in, and the SQL by which it is streamed instead."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import psycopg
from psycopg import sql
from psycopg.types.numeric import IntLoader

from cdcproof.databases.names import Column, TableName
from cdcproof.databases.postgresql.catalogue import Catalogue
from cdcproof.databases.postgresql.queries import catalogue, statements
from cdcproof.databases.postgresql.queries.ctid import page
from cdcproof.databases.postgresql.queries.statements import MOST_RANGES
from cdcproof.databases.postgresql.session import Session
from cdcproof.databases.table_read import WHOLE, ChunkSum, ColumnRead, LiteralForm, Segment, Stream, TableRead
from cdcproof.databases.values.types import Form

_READS_PAGES = 140_000
"""Since PostgreSQL 14 a range of pages is read without the others."""


class Checksums:
    """Implements `contracts.checksums.Checksums`."""

    def __init__(self, session: Session, catalogue: Catalogue) -> None:
        self._session = session
        self._catalogue = catalogue

    def segments(self, scan: TableRead, rows: int) -> tuple[Segment, ...]:
        """Ranges of pages. Of a partitioned table they are the same pages of every partition."""
        if scan.slice or scan.since:
            return (WHOLE,)
        storage = self._catalogue.storage(scan.table)
        wanted = math.ceil(self._catalogue.estimated_rows(scan.table) / rows)
        if not storage.is_heap or min(wanted, storage.pages) <= 1 or not self._reads_pages():
            return (WHOLE,)
        step = math.ceil(storage.pages / wanted)
        bounds = [None, *map(page, range(step, storage.pages, step)), None]
        return tuple(Segment(low, high) for low, high in pairwise(bounds))

    def mark(self, table: TableName) -> str:
        """The table's files and a transaction number; nothing where rows are not in pages of a heap."""
        if not (self._catalogue.storage(table).is_heap and self._reads_pages()):
            return ""
        [(files, transaction)] = self._session.query(catalogue.MARK, (table.schema, table.table))
        return f"{files} {transaction}"

    def chunks_written_since(self, mark: str, scan: TableRead, part: Segment) -> frozenset[int] | None:
        """A row that is written gets a new place, which may be in a part that was read before."""
        files, _, transaction = mark.partition(" ")
        if not files or files != self.mark(scan.table).partition(" ")[0]:
            return None
        with self._session.our_errors(scan.table):
            statement = statements.chunks_written_since(scan, part, int(transaction), self._session.dialect())
            return frozenset(chunk for (chunk,) in self._session.driver.execute(statement).fetchall())

    def chunk_sums(self, scan: TableRead, segment: Segment) -> Iterator[ChunkSum]:
        """One scan of the segment."""
        yield from self._sums(scan.table, statements.chunk_sums(scan, segment, self._session.dialect()))

    def sums_of_chunks(self, scan: TableRead, chunks: Sequence[int], width: int) -> Iterator[ChunkSum]:
        """By ranges of the column, which an index finds, as many at once as the server looks up."""
        for start in range(0, len(chunks), MOST_RANGES):
            some = chunks[start : start + MOST_RANGES]
            yield from self._sums(scan.table, statements.sums_of_chunks(scan, some, width, self._session.dialect()))

    def _sums(self, table: TableName, statement: sql.Composed) -> list[ChunkSum]:
        with (
            self._session.our_errors(table),
            self._session.driver.cursor(row_factory=lambda _: ChunkSum._make) as cursor,
        ):
            cursor.adapters.register_loader("numeric", IntLoader)  # through Decimal it takes three times as long
            return cursor.execute(statement).fetchall()

    def literal_forms(self, column: Column, form: Form, literals: Sequence[str | None]) -> tuple[LiteralForm, ...]:
        """Calibration. Before PostgreSQL 14 there is no native hash."""
        statement = statements.literal_forms(column, form, self._session.dialect())
        with self._session.our_errors():
            found = psycopg.RawCursor(self._session.driver).execute(statement, [list(literals)], binary=True).fetchall()
        return tuple(LiteralForm(*row) for row in found)

    def statements(self, scan: TableRead) -> dict[str, str]:
        """What is done to its SQL, for the whole table, chunk 0 and one key."""
        server = self._session.dialect()
        versioned = self._catalogue.storage(scan.table).is_heap
        names = [sql.Identifier(field.column.name) for field in scan.key]
        equal = [sql.SQL(f"{{}} = ${number}").format(name) for number, name in enumerate(names, start=1)]
        narrowing = {"narrowing": statements.sums_of_chunks(scan, [0], 1, server)} if scan.chunking.width else {}
        found = {
            "push-down": statements.chunk_sums(scan, WHOLE, server),
            "stream": statements.stream(scan, WHOLE, server),
            **narrowing,
            "rows of a chunk": statements.chunk_rows(scan, [0], server, versioned=versioned),
            "rows by key": statements.rows_by_key(scan, sql.SQL(" AND ").join(equal), server, versioned=versioned),
        }
        return {what: statement.as_string(self._session.driver) for what, statement in found.items()}

    def stream_select(self, scan: TableRead, segment: Segment) -> Stream:
        """A segment as DuckDB reads it, which opens a session of its own; it wants the settings of `postgresql.settings`."""
        select = statements.stream(scan, segment, self._session.dialect()).as_string(self._session.driver)
        return Stream(select, tuple(form.columnar for form in scan.forms))

    def stream_literals(self, columns: Sequence[ColumnRead], literals: Sequence[Sequence[str | None]]) -> Stream:
        """Rows of literals as `stream_select` would give them, a list of them for each column; ``chunk`` is the row's number."""
        select = statements.stream_literals(columns, literals, self._session.dialect()).as_string(self._session.driver)
        return Stream(select, tuple(field.form.columnar for field in columns))

    def _reads_pages(self) -> bool:
        """Whether the server reads a range of pages without the others."""
        return self._session.dialect().version >= _READS_PAGES
