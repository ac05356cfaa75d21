"""How one side of a table is read for a comparison: which columns in which form, in which chunks, in which parts. Data only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from cdcproof.databases.names import Column, TableName
from cdcproof.databases.values.conversions import read
from cdcproof.databases.values.types import Form

_LEAST, _GREATEST = -(2**63), 2**63 - 1


class RowHash(StrEnum):
    """How servers hash a row for push-down, 64 bits with a sign: `MD5` in every engine, `NATIVE` where both are PostgreSQL."""

    MD5 = "the first 8 bytes of the MD5 of its frame"
    NATIVE = "PostgreSQL's hash functions (postgresql_hash.py)"


@dataclass(frozen=True)
class ColumnRead:
    """A column and the form in which both sides encode it."""

    column: Column
    form: Form

    @property
    def read(self) -> Column:
        """The column as its reading makes it."""
        return read(self.column)


@dataclass(frozen=True)
class Chunking:
    """Which chunk a row falls into, the same on both sides.

    With a `width`: the first column, an integer that is never NULL, divided by it and cut off towards zero.
    Without: the first four bytes, as an unsigned number, of the hash of the first `columns` columns (of the MD5 of their
    frame, or as `RowHash.NATIVE` makes it), modulo `buckets`.
    """

    width: int = 0
    columns: int = 1
    buckets: int = 1

    def ranges(self, chunks: Iterable[int]) -> tuple[tuple[int, int], ...]:
        """The least and greatest value of the column for these chunks of a width, neighbours joined, in order."""
        found: list[tuple[int, int]] = []
        for chunk in sorted(set(chunks)):
            low = chunk * self.width if chunk > 0 else (chunk - 1) * self.width + 1
            high = (chunk + 1) * self.width - 1 if chunk >= 0 else chunk * self.width
            if found and found[-1][1] + 1 == low:
                low = found.pop()[0]
            found.append((low, high))
        return tuple((max(low, _LEAST), min(high, _GREATEST)) for low, high in found)


class Slice(NamedTuple):
    """Only rows whose first column, an integer, is from `low` up to but without `high`; None has no bound."""

    low: int | None
    high: int | None


class Since(NamedTuple):
    """Only rows whose `column` is at least `value`, as `Catalogue.latest` wrote it."""

    column: str
    value: str


@dataclass(frozen=True)
class TableRead:
    """One side of a table. Both sides have the same number of columns in the same order, in the same forms.

    The first `key_width` columns are the key. In a table that has none (a multiset) they are all columns, and rows may repeat.
    `predicate` is the pipeline's filter, in the side's own SQL, empty for all rows. `chained` are the places of columns that
    `RowHash.NATIVE` chains, the same on both sides.

    With `planted` these rows are read in place of the table's, by the same statements: a text of each column that its type reads
    (binary: hexadecimal digits), None for NULL. They have no version. Rows of even number lie where the table begins, the others
    where it ends, unless `planted_at` has a place for them, as `Segment` counts places. Where these are values of a key, the row's own says it.
    """

    table: TableName
    columns: tuple[ColumnRead, ...]
    key_width: int
    chunking: Chunking
    predicate: str = ""
    slice: Slice | None = None
    since: Since | None = None
    row_hash: RowHash = RowHash.MD5
    chained: tuple[int, ...] = ()
    planted: tuple[tuple[str | None, ...], ...] | None = None
    planted_at: tuple[int | None, ...] = ()

    @property
    def forms(self) -> tuple[Form, ...]:
        """The columns' forms."""
        return tuple(field.form for field in self.columns)

    @property
    def chained_in_key(self) -> tuple[int, ...]:
        """Those of `chained` that decide a row's chunk."""
        return tuple(place for place in self.chained if place < self.chunking.columns)

    @property
    def key(self) -> tuple[ColumnRead, ...]:
        """The key's columns."""
        return self.columns[: self.key_width]


@dataclass(frozen=True)
class Segment:
    """A part of a side that is read by itself: places of rows (PostgreSQL, `postgresql/queries/ctid.py`) or values of a key (SQL Server).

    From `low` up to but without `high`; None has no bound. Segments of one side do not overlap and leave no row out.
    """

    low: int | None = None
    high: int | None = None


WHOLE = Segment()


TEXT_IN_LONG_FORM = "VARCHAR, to be a BLOB"
"""A text that is short, encoded in the long form because the other side's column may hold long ones: here it gets its first byte."""


@dataclass(frozen=True)
class Stream:
    """A segment as DuckDB reads it. `select` is whole SQL of the side's own engine, nothing is bound.

    Its columns are ``c0``, ``c1`` … in the order of the scan, each to be cast to its type of `types`
    (`Form.columnar`, the same on both sides), which loses nothing, or to be made a long form of first (`TEXT_IN_LONG_FORM`).
    Where rows fall into buckets, a column ``chunk`` (an integer) comes before them; else a row's chunk is ``c0 // width``.
    """

    select: str
    types: tuple[str, ...]


class ChunkSum(NamedTuple):
    """Rows of one chunk, in one segment: how many, and the sum of their hashes, 64 bits each. Sums are equal modulo 2^64."""

    chunk: int
    rows: int
    sum: int


class LiteralForm(NamedTuple):
    """What a server makes of a literal that it casts to a column's type.

    `md5` is of its frame of one column; empty where the server cannot hash such values itself (text in a SQL Server before
    2019, which has no UTF-8): they can then be streamed and compared by value, but not pushed down and not be a key without
    a range. `part` too is missing where the server cannot make it (long text there). `native` is the `RowHash.NATIVE` of a
    row that has it alone; None where the server has no such hash.
    """

    part: bytes | None
    md5: bytes
    native: int | None = None


class Row(NamedTuple):
    """A row by its columns' canonical bytes, None for NULL.

    `version` changes whenever the row is written, even with the same values; empty where the engine does not know.
    """

    version: bytes
    forms: tuple[bytes | None, ...]


@dataclass(frozen=True)
class LogPosition:
    """A place in the source's log. `value` orders positions of one server; `text` is how the engine writes it."""

    value: int
    text: str
