"""A SQL Server table summed at its server by chunk, the parts that it is read in, and the SQL by which it is streamed instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from cdcproof.databases.names import Column, TableName
from cdcproof.databases.sqlserver.catalogue import Catalogue
from cdcproof.databases.sqlserver.queries import catalogue, column_sql, statements
from cdcproof.databases.sqlserver.rows import Rows, form_bytes, made_at_the_server
from cdcproof.databases.sqlserver.session import Session
from cdcproof.databases.table_read import WHOLE, ChunkSum, ColumnRead, LiteralForm, Segment, Stream, TableRead
from cdcproof.databases.values.types import Form

_CHUNKS_PER_QUERY = 500
_PARAMETERS_PER_QUERY = 2_000  # SQL Server takes 2,100


class Checksums:
    """Implements `contracts.checksums.Checksums`."""

    def __init__(self, session: Session, catalogue: Catalogue, rows: Rows) -> None:
        self._session = session
        self._catalogue = catalogue
        self._rows = rows

    def segments(self, scan: TableRead, rows: int) -> tuple[Segment, ...]:
        """Ranges of the column that chunks are cut by, if the table lies in its order; else one part, since each would scan it all."""
        if scan.slice or scan.since:
            return (WHOLE,)
        table, column = scan.table, scan.columns[0].column
        clustered_by = [row[0] for row in self._session.query(catalogue.CLUSTERED_BY, table.schema, table.table)]
        parts = -(-self._catalogue.estimated_rows(table) // rows)
        if not scan.chunking.width or clustered_by != [column.name] or parts <= 1:
            return (WHOLE,)
        values = self._catalogue.value_range(table, column)
        return divided(*values, parts) if values else (WHOLE,)

    def mark(self, table: TableName) -> str:  # noqa: ARG002  of the contract
        """Nothing: a row stays in its range of the key."""
        return ""

    def chunks_written_since(self, mark: str, scan: TableRead, part: Segment) -> frozenset[int]:  # noqa: ARG002  of the contract
        """None: a row whose key is changed is another row."""
        return frozenset()

    def chunk_sums(self, scan: TableRead, segment: Segment) -> Iterator[ChunkSum]:
        """Push-down: one scan, hashed and summed by the server."""
        return self._sums(scan, statements.chunk_sums(scan, segment))

    def sums_of_chunks(self, scan: TableRead, chunks: Sequence[int], width: int) -> Iterator[ChunkSum]:
        """By ranges of the column, which an index finds."""
        for start in range(0, len(chunks), _CHUNKS_PER_QUERY):
            some = chunks[start : start + _CHUNKS_PER_QUERY]
            yield from self._sums(scan, statements.sums_of_chunks(scan, some, width))

    def _sums(self, scan: TableRead, statement: str) -> Iterator[ChunkSum]:
        self._catalogue.demand_utf8(scan.columns)
        for chunk, rows, total in self._session.streamed(scan.table, statement):
            yield ChunkSum(int(chunk), int(rows), int(total))

    def literal_forms(self, column: Column, form: Form, literals: Sequence[str | None]) -> tuple[LiteralForm, ...]:
        """Calibration. Without UTF-8, text has no MD5 and long text no form either."""
        utf8 = self._catalogue.has_utf8
        field = ColumnRead(column, form)
        if column_sql.may_be_hashed(field) and column_sql.needs_utf8(field) and not utf8:
            return tuple(LiteralForm(None, b"") for _ in literals)
        forms: list[LiteralForm] = []
        for start in range(0, len(literals), _PARAMETERS_PER_QUERY):  # a scrub has as many as keys that were changed
            some = literals[start : start + _PARAMETERS_PER_QUERY]
            statement = statements.literal_forms(column, form, [text is not None for text in some], utf8=utf8)
            found = self._session.query(statement, *(text for text in some if text is not None))
            forms += [LiteralForm(form_bytes(field, part), bytes(md5)) for part, md5 in found]
        return tuple(forms)

    def statements(self, scan: TableRead) -> dict[str, str]:
        """What is done to its T-SQL, for the whole table, chunk 0 and one key."""
        version = self._rows.version_column(scan.table)
        utf8 = self._catalogue.has_utf8
        by_key = statements.rows_by_value(scan, 1, self._rows.collations(scan), version, utf8=utf8)
        narrowing = {"narrowing": statements.sums_of_chunks(scan, [0], 1)} if scan.chunking.width else {}
        return {
            "push-down": statements.chunk_sums(scan, WHOLE),
            "stream": statements.stream(scan, WHOLE).select,
            **narrowing,
            "rows of a chunk": statements.rows_of_chunks(scan, [0], version, utf8=utf8),
            "rows by key": by_key if self._rows.by_value(scan) else statements.rows_by_hash(scan, 1, version),
        }

    def stream_select(self, scan: TableRead, segment: Segment) -> Stream:
        """A segment as `sqlserver.arrow` reads it, which opens a session of its own."""
        self._catalogue.demand_utf8(made_at_the_server(scan))
        return statements.stream(scan, segment)

    def stream_literals(self, columns: Sequence[ColumnRead], literals: Sequence[Sequence[str | None]]) -> Stream:
        """Rows of literals as `stream_select` would give them, a list of them for each column; ``chunk`` is the row's number."""
        return statements.stream_literals(columns, literals, utf8=self._catalogue.has_utf8)


def divided(low: int, high: int, parts: int) -> tuple[Segment, ...]:
    """About so many ranges of equal width from `low` to `high`; the first and the last have no bound."""
    width = -(-(high - low + 1) // parts)
    cuts: list[int | None] = [None, *range(low + width, high + 1, width), None]
    return tuple(Segment(first, last) for first, last in pairwise(cuts))
