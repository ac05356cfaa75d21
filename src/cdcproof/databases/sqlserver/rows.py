"""Rows of a SQL Server table as canonical bytes: those of a chunk, those of some keys, a few at hand.

A server before 2019 has no collation in UTF-8 and so cannot make the form of text: short text is then fetched as it is and encoded here,
and what would have to be hashed there is refused.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from cdcproof.databases.names import TableName
from cdcproof.databases.sqlserver.catalogue import Catalogue
from cdcproof.databases.sqlserver.queries import catalogue, column_sql, statements
from cdcproof.databases.sqlserver.session import Session
from cdcproof.databases.table_read import ColumnRead, Row, TableRead
from cdcproof.databases.values import canonical
from cdcproof.databases.values.types import ENCODED_WHOLE

_CHUNKS_PER_QUERY = 500
_KEYS_PER_QUERY = 100
_PARAMETERS_PER_QUERY = 2_000  # SQL Server takes 2,100


class Rows:
    """Implements `contracts.rows.Rows`."""

    def __init__(self, session: Session, catalogue: Catalogue) -> None:
        self._session = session
        self._catalogue = catalogue

    @contextmanager
    def chunk_rows(self, scan: TableRead, chunks: Sequence[int]) -> Iterator[Iterator[Row]]:
        """All rows of these chunks, one after the other from the driver."""
        self._catalogue.demand_utf8(made_at_the_server(scan))
        with closing(self._chunk_rows(scan, chunks)) as rows:
            yield rows

    def rows_by_key(
        self,
        scan: TableRead,
        keys: Sequence[tuple[bytes | None, ...]],
        *,
        as_written: bool = False,  # noqa: ARG002  its = finds every spelling of a key that is not read by its hash
    ) -> Iterator[Row]:
        """The rows with these keys, and no others that SQL Server's ``=`` may find."""
        by_value = self.by_value(scan)
        most = (
            max(1, min(_KEYS_PER_QUERY, _PARAMETERS_PER_QUERY // scan.key_width)) if by_value else _PARAMETERS_PER_QUERY
        )
        distinct = list(dict.fromkeys(keys))
        version = self.version_column(scan.table)
        ask = self._rows_by_value if by_value else self._rows_by_hash
        for start in range(0, len(distinct), most):
            batch = distinct[start : start + most]
            wanted = set(batch)
            rows = ask(scan, batch, version)
            yield from (row for row in rows if row.forms[: scan.key_width] in wanted)

    def sample(self, scan: TableRead, rows: int) -> list[Row]:
        """The rows that a scan gives first."""
        self._catalogue.demand_utf8(filter(column_sql.may_be_hashed, scan.columns))
        statement = statements.sample(scan, rows, utf8=self._catalogue.has_utf8)
        return list(_rows(scan, self._session.streamed(scan.table, statement)))

    def version_column(self, table: TableName) -> str:
        """The table's rowversion column, empty when it has none."""
        found = self._session.query(catalogue.ROWVERSION_COLUMN, table.schema, table.table)
        return str(found[0][0]) if found else ""

    def _chunk_rows(self, scan: TableRead, chunks: Sequence[int]) -> Generator[Row, None, None]:
        version = self.version_column(scan.table)
        for start in range(0, len(chunks), _CHUNKS_PER_QUERY):
            batch = chunks[start : start + _CHUNKS_PER_QUERY]
            statement = statements.rows_of_chunks(scan, batch, version, utf8=self._catalogue.has_utf8)
            yield from _rows(scan, self._session.streamed(scan.table, statement))

    def by_value(self, scan: TableRead) -> bool:
        """Whether keys are asked for by their values. Whole rows (a multiset) rather by their hash: no index helps there."""
        is_part = scan.key_width < len(scan.columns) or not self._catalogue.has_utf8
        return is_part and all(column_sql.found_by_value(field) for field in scan.key)

    def _rows_by_value(self, scan: TableRead, keys: Sequence[tuple[bytes | None, ...]], version: str) -> Iterator[Row]:
        self._catalogue.demand_utf8(filter(column_sql.may_be_hashed, scan.columns))
        utf8, collations = self._catalogue.has_utf8, self.collations(scan)
        whole = [key for key in keys if None not in key]
        if whole:
            statement = statements.rows_by_value(scan, len(whole), collations, version, utf8=utf8)
            yield from self._found_by_value(scan, whole, statement)
        others = [key for key in keys if None in key]
        if others:
            nulls = [[part is None for part in key] for key in others]
            statement = statements.rows_by_value_or_null(scan, nulls, collations, version, utf8=utf8)
            yield from self._found_by_value(scan, others, statement)

    def _found_by_value(
        self, scan: TableRead, keys: Sequence[tuple[bytes | None, ...]], statement: str
    ) -> Iterator[Row]:
        bound = [
            column_sql.key_text(field, part)
            for key in keys
            for field, part in zip(scan.key, key, strict=True)
            if part is not None
        ]
        return _rows(scan, self._session.streamed(scan.table, statement, *bound))

    def collations(self, scan: TableRead) -> dict[str, str]:
        """The table's text columns and their collations, where text is looked for."""
        if not any(field.column.type in catalogue.TEXTS for field in scan.key):
            return {}
        return dict(self._session.query(catalogue.COLLATIONS, scan.table.schema, scan.table.table))

    def _rows_by_hash(self, scan: TableRead, keys: Sequence[tuple[bytes | None, ...]], version: str) -> Iterator[Row]:
        self._catalogue.demand_utf8(scan.columns)
        statement = statements.rows_by_hash(scan, len(keys), version)
        forms = [field.form for field in scan.key]
        bound = [canonical.digest(canonical.frame(forms, key)) for key in keys]
        return _rows(scan, self._session.streamed(scan.table, statement, *bound))


def made_at_the_server(scan: TableRead) -> Sequence[ColumnRead]:
    """The columns of which no text will do: their hash says which chunk a row falls into, or stands for a long value."""
    hashed = () if scan.chunking.width else scan.columns[: scan.chunking.columns]
    return (*hashed, *filter(column_sql.may_be_hashed, scan.columns))


def _rows(scan: TableRead, found: Iterable[tuple[Any, ...]]) -> Iterator[Row]:
    for version, *parts in found:
        yield Row(bytes(version), tuple(map(form_bytes, scan.columns, parts)))


def form_bytes(field: ColumnRead, part: str | bytes | None) -> bytes | None:
    """A form as the server made it, or text that it cannot make it of. Half a surrogate pair stays what it is."""
    if not isinstance(part, str):
        return part
    return (ENCODED_WHOLE if field.form.long else b"") + part.encode("utf-8", "surrogatepass")
