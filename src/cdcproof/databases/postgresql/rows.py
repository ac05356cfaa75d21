"""Rows of a PostgreSQL table as canonical bytes: those of a chunk, those of some keys, a few at hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import psycopg

from cdcproof.databases.postgresql.catalogue import Catalogue
from cdcproof.databases.postgresql.queries import key_sql, statements
from cdcproof.databases.postgresql.session import Session
from cdcproof.databases.table_read import Row, TableRead
from cdcproof.databases.values import stored_value
from cdcproof.databases.values.types import FORM_BYTES

_ROWS_PER_FETCH = 5_000
_KEYS_PER_QUERY = 500
_BYTES_AT_ONCE = 8 << 20
_MOST_BOUND = 60_000
"""The protocol counts parameters in 16 bits."""


class Rows:
    """Implements `contracts.rows.Rows`."""

    def __init__(self, session: Session, catalogue: Catalogue) -> None:
        self._session = session
        self._catalogue = catalogue

    @contextmanager
    def chunk_rows(self, scan: TableRead, chunks: Sequence[int]) -> Iterator[Iterator[Row]]:
        """All rows of these chunks, through a server-side cursor."""
        versioned = self._catalogue.storage(scan.table).is_heap
        statement = statements.chunk_rows(scan, chunks, self._session.dialect(), versioned=versioned)
        with (
            self._session.our_errors(scan.table),
            self._session.driver.transaction(force_rollback=True),
            self._session.driver.cursor("cdcproof", binary=True) as cursor,
        ):
            cursor.execute(statement)
            fetched = iter(partial(cursor.fetchmany, _rows_at_once(scan)), [])
            yield (Row(row[0], row[1:]) for rows in fetched for row in rows)

    def rows_by_key(
        self, scan: TableRead, keys: Sequence[tuple[bytes | None, ...]], *, as_written: bool = False
    ) -> Iterator[Row]:
        """The rows that have one of these keys, each statement its own snapshot."""
        versioned = self._catalogue.storage(scan.table).is_heap
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
        statement = statements.sample(scan, rows, self._session.dialect())
        with self._session.our_errors(scan.table), self._session.driver.cursor(binary=True) as cursor:
            return [Row(row[0], row[1:]) for row in cursor.execute(statement).fetchall()]

    def _rows_of(
        self, scan: TableRead, keys: Sequence[tuple[bytes | None, ...]], *, versioned: bool, as_written: bool
    ) -> list[Row]:
        found, bound = key_sql.one_of(scan.key, keys, self._session.dialect(), as_written=as_written)
        statement = statements.rows_by_key(scan, found, self._session.dialect(), versioned=versioned)
        with self._session.our_errors(scan.table):
            cursor = psycopg.RawCursor(self._session.driver).execute(statement, bound, binary=True)
            return [Row(row[0], row[1:]) for row in cursor.fetchall()]


def _rows_at_once(scan: TableRead) -> int:
    """As many as take no more than `_BYTES_AT_ONCE`, if every value were as long as it may be. Planted rows are short."""
    if scan.planted is not None:
        return _ROWS_PER_FETCH
    longest = sum(FORM_BYTES if field.form.long else (field.column.length or 8) * 4 for field in scan.columns)
    return max(1, min(_ROWS_PER_FETCH, _BYTES_AT_ONCE // longest))
