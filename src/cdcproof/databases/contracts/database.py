"""The contract of a database session that reads. tests/contract/test_databases.py holds every implementation to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, Self

from cdcproof.databases.contracts.identity import Identity
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.table_read import (
    ChunkSum,
    Landmark,
    LiteralForm,
    LogPosition,
    PieceSum,
    Row,
    Segment,
    TableRead,
)
from cdcproof.databases.values.types import Form


@dataclass(frozen=True)
class Isolation:
    """How a table is read: the isolation level, what that costs or risks, and what the administrator runs for a better one."""

    name: str
    cost: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.cost})"


@dataclass(frozen=True)
class Slot:
    """A PostgreSQL replication slot. `wal_status` is reserved, extended, unreserved or lost.

    `database` is the database that its changes are of; empty for a physical slot, which a standby reads.
    """

    name: str
    active: bool
    wal_status: str
    retained_bytes: int
    database: str = ""


class ByPlace(Protocol):
    """A session whose rows can be read by where they lie, and summed between two places without being grouped.

    For a table whose chunks are ranges of its first column.
    """

    def landmarks(self, scan: TableRead, number: int) -> list[Landmark]:
        """Rows about evenly apart, in the order in which they lie: fewer than `number` where there are not so many pages."""
        ...

    def places(self, scan: TableRead, keys: Sequence[int]) -> list[int | None] | None:
        """Of rising keys: where the first row lies from each on and before the next one; None where there is no row between.

        None for all of them where no index tells.
        """
        ...

    def piece_sums(self, scan: TableRead, pieces: Sequence[Segment]) -> list[PieceSum]:
        """Of each piece, in their order, all rows as one: in one statement, so of one moment."""
        ...

    def chunk_sums_within(self, scan: TableRead, pieces: Sequence[Segment]) -> list[ChunkSum]:
        """`Database.chunk_sums` of these pieces alone."""
        ...


def tables_beside(database: Database, names: Iterable[TableName]) -> frozenset[TableName]:
    """The tables in the schemas of these names: those of them that are there, and others."""
    return frozenset(table for schema in {name.schema for name in names} for table in database.tables(schema))


class Database(Protocol):
    """A read-only session, opened read-only at the database. Use as a context manager.

    Every method raises `UnreachableError`, `RefusedError` (login, permission) or `UnexpectedAnswerError`
    (a missing table, a timeout of the statement), never a driver's exception.
    """

    def __enter__(self) -> Database: ...

    def __exit__(self, *exc: object) -> None: ...

    def version(self) -> str:
        """One line: product and version."""
        ...

    def identity(self) -> Identity:
        """Which database this is, as far as the account may read it."""
        ...

    def table_identity(self, table: TableName) -> str:
        """A text that changes when the table is made anew, or all its rows are written anew without a change being logged for each."""
        ...

    def tables(self, schema: str) -> frozenset[TableName]:
        """Base tables of a schema, and partitions: each may be replicated under its own name."""
        ...

    def columns(self, table: TableName) -> tuple[Column, ...]:
        """Columns in order. Raises `UnexpectedAnswerError` when the table does not exist."""
        ...

    def primary_key(self, table: TableName) -> tuple[str, ...]:
        """Key columns in key order, empty when there is no primary key."""
        ...

    def row_policies(self, table: TableName) -> tuple[str, ...]:
        """Policies, of those that the account may see, by which the database may hide rows from it without an error."""
        ...

    def count_rows(self, table: TableName, predicate: str = "") -> int:
        """Exact number of rows, of those that a condition in the side's own SQL holds for when there is one."""
        ...

    def columns_with_data(self, table: TableName, columns: Sequence[str], predicate: str = "") -> frozenset[str]:
        """Those of the columns in which at least one row, of those that the condition holds for, is not NULL."""
        ...

    def estimated_rows(self, table: TableName) -> int:
        """About how many rows, from the catalogue's statistics, at once; 0 when it does not know."""
        ...

    def value_range(self, table: TableName, column: Column) -> tuple[int, int] | None:
        """Least and greatest value of an integer column; None for an empty table."""
        ...

    def latest(self, table: TableName, column: str) -> str | None:
        """The greatest value of a column, as text that `Since` takes; None for an empty table."""
        ...

    def snapshot(self) -> AbstractContextManager[None]:
        """All reading inside is of one moment, where the database allows it: always in PostgreSQL, by ALLOW_SNAPSHOT_ISOLATION in SQL Server."""
        ...

    def isolation(self) -> Isolation:
        """How `snapshot` reads, for the report and `check-config`."""
        ...

    def reads_chunks_of_a_moment(self) -> bool:
        """Whether `chunk_rows` tells the rows as they were when it was entered."""
        ...

    def beside(self) -> Callable[[], AbstractContextManager[Self]]:
        """To be called within `snapshot`: opens a further session, for other segments.

        It reads of the same moment, unless its rows stay in their segments, so that this does not matter (SQL Server).
        """
        ...

    def by_place(self, scan: TableRead) -> ByPlace | None:
        """This session, where the table's rows can be read by place."""
        ...

    def interrupt(self) -> None:
        """End the statement that runs, at the server too, from another thread: it raises."""
        ...

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

    def literal_forms(self, column: Column, form: Form, literals: Sequence[str | None]) -> tuple[LiteralForm, ...]:
        """Calibration: what becomes of each literal, text as `canonical.literal` writes it: what the same type reads on either engine."""
        ...

    def statements(self, scan: TableRead) -> dict[str, str]:
        """For `explain`: what is done to its SQL.

        ``push-down``, ``stream``, ``rows of a chunk``, ``rows by key``; ``push-down by place`` where that is possible,
        and ``narrowing`` (`sums_of_chunks`) where chunks are ranges.
        """
        ...

    def log_position(self) -> LogPosition:
        """Where the log is now: every change that can be seen lies before it."""
        ...

    def log_read_by(self, position: LogPosition, offset: Mapping[str, Any], tables: Sequence[TableName] = ()) -> bool:
        """Whether the source connector, whose committed offset this is, has read all changes before `position`.

        Only changes of `tables` count (none: of all that are captured) where the engine can tell them apart: SQL Server can,
        whose offset stands still while only tables change that this connector does not read.
        """
        ...

    def log_received_by(self, position: LogPosition) -> str:
        """The connector's session, by a name, when it was sent all changes before `position`; else empty.

        What it has made of them is not known: less than `log_read_by`, and where that can stand still on an idle source,
        all there is. Empty, too, for an engine where it does not stand still.
        """
        ...

    def captured_tables(self) -> frozenset[TableName]:
        """Tables whose changes are captured: CDC change tables, or the publication's tables."""
        ...

    def slots(self) -> tuple[Slot, ...]:
        """Replication slots of the server, of whatever database: all hold back the same log. Empty for SQL Server, which has none."""
        ...

    def permissions_missing(self, tables: Sequence[TableName]) -> dict[str, str]:
        """What this account may not do but the checks need: subject to the statement that grants it."""
        ...
