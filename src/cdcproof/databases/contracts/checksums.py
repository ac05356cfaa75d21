"""Sums of a table's rows that the server makes, and the parts in which a table is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from cdcproof.databases.names import Column, TableName
from cdcproof.databases.table_read import ChunkSum, LiteralForm, Segment, TableRead
from cdcproof.databases.values.types import Form


class Checksums(Protocol):
    """Hashes that are made and summed at the server. Errors as `contracts.database.Database`."""

    def segments(self, scan: TableRead, rows: int) -> tuple[Segment, ...]:
        """Parts of about this many rows, in the order in which they lie; one part where the engine cannot divide, and of a slice."""
        ...

    def mark(self, table: TableName) -> str:
        """This moment, as `chunks_written_since` takes it. To be taken before the snapshot that a part is read of."""
        ...

    def chunks_written_since(self, mark: str, scan: TableRead, part: Segment) -> frozenset[int] | None:
        """Chunks with rows that may have come into a part after it was read: those of a part read later may be in neither.

        None when that is not known (the table was rewritten), so that nothing read before the mark can be built upon.
        """
        ...

    def chunk_sums(self, scan: TableRead, segment: Segment) -> Iterator[ChunkSum]:
        """Push-down: the server hashes every row of the segment as `scan.row_hash` says and sums the hashes by chunk, in one scan."""
        ...

    def sums_of_chunks(self, scan: TableRead, chunks: Sequence[int], width: int) -> Iterator[ChunkSum]:
        """`chunk_sums` of the rows in these chunks of a width alone, by chunks of another `width`."""
        ...

    def literal_forms(self, column: Column, form: Form, literals: Sequence[str | None]) -> tuple[LiteralForm, ...]:
        """Calibration: what becomes of each literal, text as `canonical.literal` writes it: what the same type reads on either engine."""
        ...

    def statements(self, scan: TableRead) -> dict[str, str]:
        """For `explain`: what is done to its SQL.

        ``push-down``, ``stream``, ``rows of a chunk``, ``rows by key``, and ``narrowing`` (`sums_of_chunks`) where chunks are ranges.
        """
        ...
