"""A PostgreSQL session that reads a table by where its rows lie: the sums of pieces between two places, which group nothing.

Grouping by chunk costs a scan a fifth; between two places there is only one sum. So where both sides' tables lie in the order
of their key (`reconcile.checksums.page_ranges`), only pieces that differ are grouped. OFFSET and LIMIT keep the server from joining
the pieces to the table, where it would read all of it for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, LiteralString, Self

import psycopg
from psycopg import sql

from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.queries import catalogue, statements
from cdcproof.databases.postgresql.queries.column_sql import Server
from cdcproof.databases.postgresql.queries.ctid import bounds, page, place
from cdcproof.databases.postgresql.queries.key_sql import integers
from cdcproof.databases.postgresql.queries.statements import table_name
from cdcproof.databases.postgresql.session import Session
from cdcproof.databases.table_read import ChunkSum, Landmark, PieceSum, Segment, TableRead

_READS_PAGES = 140_000
"""Since PostgreSQL 14 a range of pages is read without the others."""
_GREATEST = 2**63 - 1
_PIECES: LiteralString = "unnest($1::tid[], $2::tid[]) WITH ORDINALITY AS cdcproof_piece (low, high, number)"
_WITHIN = [sql.SQL("ctid >= cdcproof_piece.low"), sql.SQL("ctid < cdcproof_piece.high")]


class Pieces(Session):
    """Implements `contracts.database.ByPlace`."""

    def by_place(self, scan: TableRead) -> Self | None:
        """For one heap of its own, whose rows are not asked for by their key."""
        storage = self._storage(scan.table)
        is_one = storage.is_heap and storage.number == 1
        return (
            self if self._reads_pages() and is_one and scan.chunking.width and not (scan.slice or scan.since) else None
        )

    def landmarks(self, scan: TableRead, number: int) -> list[Landmark]:
        """The first row of every so many pages."""
        pages = self._storage(scan.table).pages
        step = max(1, -(-pages // max(1, number)))
        found = [Segment(page(low), page(low + 1)) for low in range(0, pages, step)]
        rows = self._of_pieces(scan, _landmarks(scan), found)
        return [Landmark(key, place(told)) for key, told in rows]

    def places(self, scan: TableRead, keys: Sequence[int]) -> list[int | None] | None:
        """By an index, of which the key is the first column."""
        table, column = scan.table, scan.columns[0].column.name
        if not self._query(catalogue.INDEXED, (table.schema, table.table, column)):
            return None
        with self._our_errors(table):
            bound = integers(keys), integers([*keys[1:], _GREATEST])
            rows = psycopg.RawCursor(self._session).execute(_places(scan), bound).fetchall()
        return [None if told is None else place(told) for (told,) in rows]

    def piece_sums(self, scan: TableRead, pieces: Sequence[Segment]) -> list[PieceSum]:
        """One scan of them."""
        return [
            PieceSum(rows, int(total or 0))
            for rows, total in self._of_pieces(scan, piece_sums(scan, self._server()), pieces)
        ]

    def chunk_sums_within(self, scan: TableRead, pieces: Sequence[Segment]) -> list[ChunkSum]:
        """One scan of them."""
        rows = self._of_pieces(scan, chunk_sums_within(scan, self._server()), pieces)
        return [ChunkSum(chunk, number, int(total)) for chunk, number, total in rows]

    def _of_pieces(self, scan: TableRead, statement: sql.Composed, pieces: Sequence[Segment]) -> list[tuple[Any, ...]]:
        if not pieces:
            return []
        with self._our_errors(scan.table):
            return psycopg.RawCursor(self._session).execute(statement, bounds(pieces)).fetchall()

    def _storage(self, table: TableName) -> catalogue.Storage:
        """As it was when the session first asked: every reading of a few keys wants to know."""
        if table not in self._storages:
            [row] = self._query(catalogue.STORAGE, (table.schema, table.table))
            storage = catalogue.Storage(*row)
            if not storage.number:
                raise self._no_such_table(table)
            self._storages[table] = storage
        return self._storages[table]

    @cached_property
    def _storages(self) -> dict[TableName, catalogue.Storage]:
        return {}

    def _reads_pages(self) -> bool:
        return self._server().version >= _READS_PAGES


def piece_sums(scan: TableRead, server: Server) -> sql.Composed:
    """Rows and sum of their hashes of each piece between the places of the arrays $1 and $2."""
    return sql.SQL(
        "SELECT found.rows, found.sum FROM {} CROSS JOIN LATERAL (SELECT count(*) AS rows, sum({}) AS sum FROM {}{}) AS found"
        " ORDER BY number"
    ).format(
        sql.SQL(_PIECES), statements.row_hash(scan, server), table_name(scan.table), statements.where(scan, _WITHIN)
    )


def chunk_sums_within(scan: TableRead, server: Server) -> sql.Composed:
    """`statements.chunk_sums` of the pieces between the places of the arrays $1 and $2."""
    rows = sql.SQL("{} CROSS JOIN LATERAL {}").format(sql.SQL(_PIECES), statements.hashed(scan, _WITHIN, server))
    return statements.summed(rows)


def _landmarks(scan: TableRead) -> sql.Composed:
    """Key and place of a row of each piece, if there is one."""
    return sql.SQL(
        "SELECT found.key, found.place FROM {} CROSS JOIN LATERAL ("
        "SELECT {}::bigint AS key, ctid AS place FROM {}{} LIMIT 1) AS found ORDER BY number"
    ).format(
        sql.SQL(_PIECES),
        sql.Identifier(scan.columns[0].column.name),
        table_name(scan.table),
        sql.SQL(" WHERE {}").format(sql.SQL(" AND ").join(_WITHIN)),
    )


def _places(scan: TableRead) -> sql.Composed:
    """Of each key of the array $1 the place of the first row from it on, below that of $2.

    Without that bound, each key of a range whose rows were deleted would have the server look at all that is left of them.
    """
    return sql.SQL(
        "SELECT (SELECT ctid FROM {0} WHERE {1} >= cdcproof_key.low AND {1} < cdcproof_key.high ORDER BY {1} LIMIT 1)"
        " FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS cdcproof_key (low, high, number) ORDER BY number"
    ).format(table_name(scan.table), sql.Identifier(scan.columns[0].column.name))
