"""A database in memory, for tests of the engine that need no server. Its columns are integers and texts."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.contracts.condition import Unsteady
from cdcproof.databases.contracts.database import Isolation
from cdcproof.databases.contracts.identity import Identity
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.table_read import WHOLE, Chunking, ChunkSum, LiteralForm, LogPosition, Row, Segment, TableRead
from cdcproof.databases.values import canonical
from cdcproof.databases.values.canonical import frame, row_hash
from cdcproof.databases.values.types import Form, Kind
from cdcproof.pipeline.engines import Engine
from cdcproof.reconcile.engine import Endpoint
from tests.reconcile.canonical_rows import Cell, forms

ROWS_PER_SEGMENT = 7


@dataclass
class FakeTable:
    """Columns, key, and rows as cells with a version each. `number` is that of the table: one that is made anew has another."""

    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    rows: list[tuple[Cell, ...]] = field(default_factory=list)
    written: dict[tuple[Cell, ...], int] = field(default_factory=dict)
    row_policies: tuple[str, ...] = ()
    number: int = 1

    def place(self, column: str) -> int:
        """Where the cells of a column are."""
        return [one.name for one in self.columns].index(column)

    def row(self, cells: tuple[Cell, ...], scan: TableRead) -> Row:
        """A row in the scan's columns."""
        names = [column.name for column in self.columns]
        version = str(self.written.get(cells, 0)).encode()
        return Row(version, forms(*(cells[names.index(told.column.name)] for told in scan.columns)))


@dataclass
class FakeDatabase:
    """Both what is opened and what is asked. `before` is called with a method's name before it does anything, behind ``planted`` where
    rows are read that are planted in place of the table's.

    `predicates` says what each filter means that a scan may have, `unsteady_parts` what of it is not steady; `log_end` is where the log is.
    """

    tables_held: dict[str, FakeTable] = field(default_factory=dict)
    engine: Engine = "postgresql"
    before: Callable[[str], None] = lambda _: None
    digest: Callable[[bytes], bytes] = canonical.digest
    of_a_moment: bool = True
    sessions: int = 0
    most_sessions: int = 0
    predicates: dict[str, Callable[[tuple[Cell, ...]], bool]] = field(default_factory=dict)
    unsteady_parts: dict[str, tuple[Unsteady, ...]] = field(default_factory=dict)
    log_end: int = 1
    is_of: Identity = field(default_factory=lambda: Identity("fake", "fake", "1", "1"))
    statements_now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def endpoint(self) -> Endpoint:
        """The side that this database is."""
        return Endpoint(self.engine, "fake://", lambda: self)

    @property
    def catalogue(self) -> FakeDatabase:
        return self

    checksums = rows = log = catalogue

    def __enter__(self) -> FakeDatabase:
        with self._lock:
            self.sessions += 1
            self.most_sessions = max(self.most_sessions, self.sessions)
        return self

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self.sessions -= 1

    def isolation(self) -> Isolation:
        return Isolation("SNAPSHOT", "of this fake")

    def identity(self) -> Identity:
        self.before("identity")
        return self.is_of

    def demand_current(self) -> None:
        pass

    def started(self) -> str:
        return f"start of {id(self)}"

    def table_identity(self, table: TableName) -> str:
        return str(self._table(table, "table_identity").number)

    def columns(self, table: TableName) -> tuple[Column, ...]:
        return self._table(table, "columns").columns

    def primary_key(self, table: TableName) -> tuple[str, ...]:
        return self._table(table, "primary_key").primary_key

    def row_policies(self, table: TableName) -> tuple[str, ...]:
        return self._table(table, "row_policies").row_policies

    def unsteady(self, table: TableName, predicate: str) -> tuple[Unsteady, ...]:
        self._table(table, "unsteady")
        return self.unsteady_parts.get(predicate, ())

    def unsteady_view(self, table: TableName) -> tuple[Unsteady, ...]:
        self._table(table, "unsteady_view")
        return ()

    def count_rows(self, table: TableName, predicate: str = "") -> int:
        holds = self._predicate(predicate)
        return sum(map(holds, self._table(table, "count_rows").rows))

    def columns_with_data(self, table: TableName, columns: Sequence[str], predicate: str = "") -> frozenset[str]:
        held = self._table(table, "columns_with_data")
        names = [column.name for column in held.columns]
        return frozenset(name for name in columns if any(cells[names.index(name)] is not None for cells in held.rows))

    def estimated_rows(self, table: TableName) -> int:
        return len(self._table(table, "estimated_rows").rows)

    def value_range(self, table: TableName, column: Column) -> tuple[int, int] | None:
        held = self._table(table, "value_range")
        values = [cells[held.columns.index(column)] for cells in held.rows]
        return (min(values), max(values)) if values else None  # type: ignore[type-var,return-value]

    def latest(self, table: TableName, column: str) -> str | None:
        held = self._table(table, "latest")
        values = [cells[held.place(column)] for cells in held.rows]
        return str(max(values, key=_number)) if values else None

    def snapshot(self) -> AbstractContextManager[None]:
        self.before("snapshot")
        return nullcontext()

    def reads_chunks_of_a_moment(self) -> bool:
        return self.of_a_moment

    def segments(self, scan: TableRead, rows: int) -> tuple[Segment, ...]:
        number = len(self._table(scan.table, "segments").rows)
        if scan.slice or scan.since:
            return (Segment(),)
        bounds = [None, *range(ROWS_PER_SEGMENT, number, ROWS_PER_SEGMENT), None]
        return tuple(Segment(low, high) for low, high in itertools.pairwise(bounds))

    def version(self) -> str:
        return "fake"

    def beside(self) -> Callable[[], FakeDatabase]:
        return lambda: self

    def interrupt(self) -> None:
        self.before("interrupt")

    def mark(self, table: TableName) -> str:
        return ""

    def chunks_written_since(self, mark: str, scan: TableRead, part: Segment) -> frozenset[int]:
        return frozenset()

    def chunk_sums(self, scan: TableRead, segment: Segment) -> Iterator[ChunkSum]:
        held = self._read(scan, "chunk_sums")
        for row in self._rows(held, scan, segment):
            yield ChunkSum(chunk_of(row, scan), 1, row_hash(frame(scan.forms, row.forms)))

    def sums_of_chunks(self, scan: TableRead, chunks: Sequence[int], width: int) -> Iterator[ChunkSum]:
        held = self._read(scan, "sums_of_chunks")
        smaller = replace(scan, chunking=Chunking(width=width))
        for row in self._rows(held, scan):
            if chunk_of(row, scan) in chunks:
                yield ChunkSum(chunk_of(row, smaller), 1, row_hash(frame(scan.forms, row.forms)))

    @contextmanager
    def chunk_rows(self, scan: TableRead, chunks: Sequence[int]) -> Iterator[Iterator[Row]]:
        held = self._read(scan, "chunk_rows")
        rows = self._rows(held, scan)
        yield (row for row in rows if chunk_of(row, scan) in chunks)

    def rows_by_key(
        self,
        scan: TableRead,
        keys: Sequence[tuple[bytes | None, ...]],
        *,
        as_written: bool = False,
    ) -> Iterator[Row]:
        held = self._read(scan, "rows_by_key")
        rows = self._rows(held, scan)
        yield from (row for row in rows if row.forms[: scan.key_width] in keys)

    def literal_forms(self, column: Column, form: Form, literals: Sequence[str | None]) -> tuple[LiteralForm, ...]:
        self.before("literal_forms")
        parts = [_part(form, text) for text in literals]
        return tuple(LiteralForm(part, self.digest(frame([form], [part]))) for part in parts)

    def position(self) -> LogPosition:
        self.before("log_position")
        return LogPosition(self.log_end, str(self.log_end))

    def copy_of_another(self) -> str:
        return ""

    def _rows(self, held: FakeTable, scan: TableRead, segment: Segment = WHOLE) -> list[Row]:
        """The rows of a scan: of its filter, its slice, and since when they were written."""
        low, high = scan.slice or (None, None)
        first = held.place(scan.columns[0].column.name)
        holds = self._predicate(scan.predicate)
        since = (held.place(scan.since.column), int(scan.since.value)) if scan.since else None
        if scan.planted is not None:
            return self._planted(held, scan, segment)
        return [
            held.row(cells, scan)
            for cells in held.rows[segment.low : segment.high]
            if holds(cells)
            and (low is None or _number(cells[first]) >= low)
            and (high is None or _number(cells[first]) < high)
            and (since is None or _number(cells[since[0]]) >= since[1])
        ]

    def _planted(self, held: FakeTable, scan: TableRead, segment: Segment) -> list[Row]:
        """Rows in place of the table's, within the slice: where they are to lie, else those of even number where it begins, the
        others where it ends.
        """
        low, high = scan.slice or (None, None)
        ends = 0, max(len(held.rows) - 1, 0)
        places = [ends[number % 2] if at is None else at for number, at in enumerate(scan.planted_at)]
        places += [ends[number % 2] for number in range(len(places), len(scan.planted or ()))]
        return [
            Row(b"", tuple(_part(told.form, text) for told, text in zip(scan.columns, texts, strict=True)))
            for number, texts in enumerate(scan.planted or ())
            if (segment.low or 0) <= places[number]
            and (segment.high is None or places[number] < segment.high)
            and (low is None or int(texts[0] or 0) >= low)
            and (high is None or int(texts[0] or 0) < high)
        ]

    def _predicate(self, predicate: str) -> Callable[[tuple[Cell, ...]], bool]:
        return self.predicates[predicate] if predicate else lambda _: True

    def _read(self, scan: TableRead, method: str) -> FakeTable:
        return self._table(scan.table, method if scan.planted is None else f"planted {method}")

    def _table(self, name: TableName, method: str) -> FakeTable:
        self.before(method)
        try:
            return self.tables_held[name.table]
        except KeyError:
            raise UnexpectedAnswerError(f"There is no table {name}.") from None


def _part(form: Form, text: str | None) -> bytes | None:
    read = int if form.kind is Kind.INTEGER else str
    return None if text is None else canonical.encode(form, read(text))


def _number(cell: Cell) -> int:
    assert isinstance(cell, int)
    return cell


def chunk_of(row: Row, scan: TableRead) -> int:
    """The chunk of a row, as a server computes it."""
    return canonical.chunk_of(scan.chunking, scan.forms, row.forms)
