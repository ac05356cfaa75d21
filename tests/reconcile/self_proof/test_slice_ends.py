"""What is planted at the ends of a slice, and that nobody who reads slices by wrong bounds calls anything equal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cdcproof.databases.names import Column
from cdcproof.databases.table_read import WHOLE, Chunking, ChunkSum, Row, Segment, Slice, TableRead
from cdcproof.reconcile.concurrency import Stop
from cdcproof.reconcile.differences import Key
from cdcproof.reconcile.engine import Options, Run, reconcile
from cdcproof.reconcile.plan.plan import Plan
from cdcproof.reconcile.plan.planning import planned
from cdcproof.reconcile.report.result import TableResult, TableStatus
from cdcproof.reconcile.scrub import proofs, scrub
from cdcproof.reconcile.scrub.scrub import Budget
from cdcproof.reconcile.self_proof.mutants import Mutant, columns_of
from cdcproof.reconcile.self_proof.planting import Planting
from cdcproof.reconcile.self_proof.slice_ends import at_ends
from cdcproof.reconcile.slices import beginning
from cdcproof.reconcile.slices.distribution import Distribution
from cdcproof.reconcile.slices.folder import SliceFolder
from cdcproof.reconcile.slices.job import read_share
from cdcproof.reconcile.slices.merging import Merged
from cdcproof.reconcile.slices.readers import Here
from tests.reconcile.fake import FakeDatabase, FakeTable
from tests.reconcile.sides import FenceThen, Unwatched
from tests.reconcile.slices.in_memory import ADDRESSES, COLUMNS, PAIR, compared, reads, side

ROWS = [(key, 0) for key in range(60)]
ID = COLUMNS[0]
READINGS_OF_A_TABLE = 2
"""In which all other mutants are planted, once."""
Reads = Callable[[FakeDatabase, FakeDatabase, Path], TableResult]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small table has several chunks and slices."""
    monkeypatch.setattr("cdcproof.reconcile.plan.chunking.ROWS_PER_CHUNK", 3)
    monkeypatch.setattr(proofs, "SLICE_ROWS", 10)


def _run(source: FakeDatabase, target: FakeDatabase, **more: object) -> Run:
    return Run(source.endpoint(), target.endpoint(), lambda _: FenceThen(), Options(True), Unwatched(), **more)  # type: ignore[arg-type]


def by_executor(source: FakeDatabase, target: FakeDatabase, _: Path) -> TableResult:
    return compared(source, target, Distribution(Here, ADDRESSES, 1, rows_a_slice=8, read=reads(source, target)))


def by_shares(source: FakeDatabase, target: FakeDatabase, path: Path) -> TableResult:
    folder = SliceFolder(path, {})
    for index in (1, 2, 3):
        share = folder.share(index, 3)
        list(read_share(_run(source, target), [PAIR], ADDRESSES, folder, share, read=reads(source, target)))
    merged = Merged(folder)
    (result,) = reconcile(_run(source, target, slices=merged, kept=merged.of), [PAIR])
    return result


def by_scrub(source: FakeDatabase, target: FakeDatabase, path: Path) -> TableResult:
    budget = Budget(60, path, 24, None, lambda: datetime.now(UTC), "pipe")
    (result,) = scrub.scrub(_run(source, target), [PAIR], budget)
    return result


EVERY_WAY = pytest.mark.parametrize("way", [by_executor, by_shares, by_scrub])


@dataclass
class OffByOne(FakeDatabase):
    """Reads slices from another key on, or up to another one."""

    begins: int = 0
    ends: int = 0

    def _rows(self, held: FakeTable, scan: TableRead, segment: Segment = WHOLE) -> list[Row]:
        return super()._rows(held, self._shifted(scan), segment)

    def _shifted(self, scan: TableRead) -> TableRead:
        low, high = scan.slice or Slice(None, None)
        bounds = (None if low is None else low + self.begins, None if high is None else high + self.ends)
        return replace(scan, slice=Slice(*bounds))


def _sides(kind: type[FakeDatabase], which: str, **more: object) -> tuple[FakeDatabase, FakeDatabase]:
    def one(name: str) -> FakeDatabase:
        held = side(*ROWS).tables_held
        return kind(held, **more) if which in (name, "both") else FakeDatabase(held)  # type: ignore[arg-type]

    return one("source"), one("target")


@EVERY_WAY
def test_equal_tables_match_where_each_slice_proves_its_ends_by_one_reading(way: Reads, tmp_path: Path) -> None:
    asked: list[str] = []
    source, target = (FakeDatabase(side(*ROWS).tables_held, before=asked.append) for _ in range(2))
    assert way(source, target, tmp_path).status is TableStatus.MATCH
    slices = asked.count("chunk_sums") // 2
    assert slices >= 3
    assert asked.count("planted chunk_sums") == 2 * (slices + READINGS_OF_A_TABLE)


@EVERY_WAY
@pytest.mark.parametrize("which", ["source", "target", "both"])
@pytest.mark.parametrize(("begins", "ends"), [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1)])
def test_slices_whose_bounds_are_off_by_one_are_not_checked(
    way: Reads, which: str, begins: int, ends: int, tmp_path: Path
) -> None:
    """Where both sides lack the same row, or have it twice, their sums are equal."""
    result = way(*_sides(OffByOne, which, begins=begins, ends=ends), tmp_path)
    assert result.status is TableStatus.ERROR
    assert "Not checked: in the slice of keys" in result.error
    assert "planted at its ends" in result.error


@dataclass
class WithoutOneEnd(FakeDatabase):
    """Counts the first or the last row of a slice, and adds nothing for it."""

    is_last: bool = False

    def chunk_sums(self, scan: TableRead, segment: Segment) -> Iterator[ChunkSum]:
        low, high = scan.slice or (None, None)
        end = high - 1 if self.is_last and high is not None else None if self.is_last else low
        for row, found in zip(
            self._rows(self.tables_held["t"], scan, segment), super().chunk_sums(scan, segment), strict=True
        ):
            key = int.from_bytes(row.forms[0] or b"", signed=True)
            yield found._replace(sum=0) if key == end else found


@dataclass
class Distinct(FakeDatabase):
    """Counts rows that are the same once, and adds them all."""

    def chunk_sums(self, scan: TableRead, segment: Segment) -> Iterator[ChunkSum]:
        seen: set[tuple[bytes | None, ...]] = set()
        for row, found in zip(
            self._rows(self.tables_held["t"], scan, segment), super().chunk_sums(scan, segment), strict=True
        ):
            if scan.slice is None or row.forms not in seen:
                yield found
            seen.add(row.forms)


@dataclass
class HashedByKey(FakeDatabase):
    """Adds the same for rows of one key, whatever their values are."""

    def chunk_sums(self, scan: TableRead, segment: Segment) -> Iterator[ChunkSum]:
        for found in super().chunk_sums(scan, segment):
            yield found if scan.slice is None else found._replace(sum=7 * found.rows)


@EVERY_WAY
@pytest.mark.parametrize(
    ("kind", "more", "said"),
    [
        (WithoutOneEnd, {"is_last": False}, "a stale update was not seen in its first and last row"),
        (WithoutOneEnd, {"is_last": True}, "a stale update was not seen in its first and last row"),
        (Distinct, {}, "4 and 4 rows were read of 6 and 6 that were planted at its ends"),
        (HashedByKey, {}, "a stale update was not seen in its first and last row"),
    ],
    ids=["first", "last", "doubled", "by key"],
)
def test_what_is_lost_in_the_first_or_last_row_of_a_slice_is_not_checked(
    way: Reads, kind: type[FakeDatabase], more: dict[str, object], said: str, tmp_path: Path
) -> None:
    result = way(*_sides(kind, "both", **more), tmp_path)
    assert result.status is TableStatus.ERROR
    assert said in result.error


@dataclass
class RowsOffByOne(OffByOne):
    """Sums up slices by their bounds, and reads rows of them by value without the first one."""

    begins: int = 1

    def chunk_sums(self, scan: TableRead, segment: Segment) -> Iterator[ChunkSum]:
        return FakeDatabase.chunk_sums(FakeDatabase(self.tables_held), scan, segment)


@dataclass
class KeysOffByOne(RowsOffByOne):
    """As `RowsOffByOne`, but only where rows are read by their keys."""

    @contextmanager
    def chunk_rows(self, scan: TableRead, chunks: Sequence[int]) -> Iterator[Iterator[Row]]:
        with FakeDatabase.chunk_rows(FakeDatabase(self.tables_held), scan, chunks) as rows:
            yield rows


@dataclass
class NarrowedOffByOne(RowsOffByOne):
    """As `RowsOffByOne`, but only where chunks that differ are summed up again."""

    @contextmanager
    def chunk_rows(self, scan: TableRead, chunks: Sequence[int]) -> Iterator[Iterator[Row]]:
        with FakeDatabase.chunk_rows(FakeDatabase(self.tables_held), scan, chunks) as rows:
            yield rows

    def rows_by_key(self, scan: TableRead, keys: Sequence[Key], *, as_written: bool = False) -> Iterator[Row]:
        return FakeDatabase.rows_by_key(FakeDatabase(self.tables_held), scan, keys, as_written=as_written)


@pytest.mark.parametrize("kind", [RowsOffByOne, KeysOffByOne, NarrowedOffByOne])
def test_a_scrub_that_reads_what_differs_by_wrong_bounds_proves_nothing(
    kind: type[FakeDatabase], tmp_path: Path
) -> None:
    """The sums differ, and the row that is lost is not among those that are read again: nothing would be left of it."""
    source, target = _sides(kind, "both")
    by_scrub(source, target, tmp_path)
    (file,) = tmp_path.rglob("t.json")
    first = json.loads(file.read_text())["slices"][1][0]
    target.tables_held["t"].rows.remove((first, 0))
    result = by_scrub(source, target, tmp_path)
    assert result.status is TableStatus.ERROR
    assert "Not checked: in the slice of keys" in result.error


@EVERY_WAY
@pytest.mark.parametrize("left_out", [[0], [-1], [1], slice(None)])
def test_slices_with_a_gap_between_them_are_not_checked(
    monkeypatch: pytest.MonkeyPatch, way: Reads, left_out: list[int] | slice, tmp_path: Path
) -> None:
    right = beginning.divided

    def gap(*bounds: int, **more: object) -> tuple[Slice, ...]:
        slices = list(right(*bounds, **more))  # type: ignore[arg-type]
        for which in left_out if isinstance(left_out, list) else [left_out]:
            del slices[which]
        return tuple(slices)

    monkeypatch.setattr(beginning, "divided", gap)
    monkeypatch.setattr(proofs, "divided", gap)
    result = way(side(*ROWS), side(*ROWS), tmp_path)
    assert result.status is TableStatus.ERROR
    assert result.error.startswith("Not checked: ")


def _planted(part: Slice, *columns: Column, several: bool) -> Planting:
    held = FakeDatabase({"t": FakeTable(columns or COLUMNS, ("id",), [])})
    end = held.endpoint().side(held)
    plan, _ = planned(PAIR, end, end, Stop())
    chunking = Chunking(width=3)
    plan = replace(plan, source=replace(plan.source, chunking=chunking), target=replace(plan.target, chunking=chunking))
    planting = at_ends(plan, columns_of(plan, "postgresql", "postgresql"), part, several=several)
    assert planting
    assert (planting.plan.source.slice, planting.plan.target.slice) == (part, part)
    return planting


def _rows(plan: Plan) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    return tuple(
        sorted(tuple(int(text or 0) for text in row) for row in scan.planted or ())
        for scan in (plan.source, plan.target)
    )  # type: ignore[return-value]


def test_changes_are_in_the_first_and_the_last_row_and_others_right_beside_the_slice() -> None:
    planting = _planted(Slice(10, 20), several=False)
    assert _rows(planting.plan) == (
        [(9, 1), (10, 1), (19, 2), (20, 1)],
        [(9, 1), (10, 2), (19, 1), (20, 1)],
    )
    assert (planting.source_rows, planting.target_rows) == (2, 2)


def test_sums_are_proven_by_several_rows_of_either_end_some_of_them_alike() -> None:
    planting = _planted(Slice(10, 20), several=True)
    assert _rows(planting.plan) == (
        [(9, 1), (10, 1), (10, 1), (10, 2), (19, 1), (19, 2), (19, 2), (20, 1)],
        [(9, 1), (10, 1), (10, 2), (10, 2), (19, 1), (19, 1), (19, 2), (20, 1)],
    )
    assert (planting.source_rows, planting.target_rows) == (6, 6)


@pytest.mark.parametrize("several", [False, True])
def test_a_slice_of_one_key_is_changed_in_its_one_row(several: bool) -> None:
    source, target = _rows(_planted(Slice(7, 8), several=several).plan)
    assert [key for key, _ in source] == [key for key, _ in target] == [6, *[7] * (3 if several else 1), 8]
    assert source != target


def test_a_slice_without_a_bound_ends_where_both_types_do() -> None:
    small = replace(ID, type="smallint")
    for part, keys in ((Slice(None, 5), [-32768, 4, 5]), (Slice(5, None), [4, 5, 32767])):
        source, _ = _rows(_planted(part, small, COLUMNS[1], several=False).plan)
        assert [key for key, _ in source] == keys


def test_where_nothing_but_the_key_can_be_changed_a_row_is_missing_on_either_side() -> None:
    assert _rows(_planted(Slice(1, 9), ID, several=False).plan) == ([(0,), (1,), (9,)], [(0,), (8,), (9,)])
    several = _planted(Slice(1, 9), ID, several=True)
    assert _rows(several.plan) == ([(0,), (1,), (1,), (8,), (9,)], [(0,), (1,), (8,), (8,), (9,)])
    assert several.seeded[0].specimen.mutant is Mutant.DROPPED
