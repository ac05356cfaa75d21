"""Rows of a table as canonical bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from cdcproof.databases.table_read import Row, TableRead


class Rows(Protocol):
    """Rows that are sent whole. Errors as `contracts.database.Database`."""

    def chunk_rows(self, scan: TableRead, chunks: Sequence[int]) -> AbstractContextManager[Iterator[Row]]:
        """All rows of these chunks, unordered, streamed in bounded memory."""
        ...

    def rows_by_key(
        self, scan: TableRead, keys: Sequence[tuple[bytes | None, ...]], *, as_written: bool = False
    ) -> Iterator[Row]:
        """Every row that has one of `keys` (canonical bytes of the key's columns), as they are now.

        With `as_written`, rows whose key stands there as sinks write it, which an index finds; only of a key that no row
        has so, rows that have it in another spelling.
        """
        ...

    def sample(self, scan: TableRead, rows: int) -> list[Row]:
        """So many rows, or all where there are not so many: whichever the database has at hand. Their `version` is empty."""
        ...
