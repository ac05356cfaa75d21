"""Chunks that differ, summed up once more by smaller ones before their rows are fetched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self, cast

import pytest

from cdcproof.core.errors import CouldNotLookError
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.table_read import Chunking, ChunkSum, ColumnRead, Row, TableRead
from cdcproof.databases.values.canonical import encode
from cdcproof.databases.values.types import Form, Kind
from cdcproof.reconcile.checksums.balance import Balance, Extent
from cdcproof.reconcile.checksums.narrowing import _parts, narrowed
from cdcproof.reconcile.concurrency import Stop, StoppedError
from cdcproof.reconcile.differences import Differences
from cdcproof.reconcile.plan.chunking import MOST_CHUNKS, rechunked
from cdcproof.reconcile.plan.plan import Plan
from cdcproof.reconcile.rows.differing_chunks import ByValue

ID, NAME = Form(Kind.INTEGER), Form(Kind.TEXT)
COLUMNS = (ColumnRead(Column("id", "bigint", False), ID), ColumnRead(Column("name", "text", False), NAME))
SCAN = TableRead(TableName("s", "t"), COLUMNS, 1, Chunking(width=400))
PLAN = Plan(SCAN, SCAN, multiset=False, names=("id", "name"))


@dataclass
class Side:
    """A side of keys and names, that remembers by which smaller width it was summed up and how many rows were fetched."""

    names: dict[int, str]
    widths: list[int] = field(default_factory=list)
    fetched: int = 0

    def sums(self, width: int) -> list[ChunkSum]:
        return [ChunkSum(key // width, 1, hash(name)) for key, name in self.names.items()]

    @property
    def checksums(self) -> Self:
        return self

    @property
    def rows(self) -> Self:
        return self

    def sums_of_chunks(self, scan: TableRead, chunks: Sequence[int], width: int) -> Iterator[ChunkSum]:
        self.widths.append(width)
        yield from (ChunkSum(key // width, 1, hash(self.names[key])) for key in self._keys(scan, chunks))

    @contextmanager
    def chunk_rows(self, scan: TableRead, chunks: Sequence[int]) -> Iterator[Iterator[Row]]:
        yield self._rows(self._keys(scan, chunks))

    def _keys(self, scan: TableRead, chunks: Sequence[int]) -> list[int]:
        wanted = set(chunks)
        return [key for key in self.names if key // scan.chunking.width in wanted]

    def _rows(self, keys: Sequence[int]) -> Iterator[Row]:
        for key in keys:
            self.fetched += 1
            yield Row(b"", (encode(ID, key), encode(NAME, self.names[key])))


def _balance(source: Side, target: Side, width: int = SCAN.chunking.width) -> Balance:
    balance = Balance()
    balance.add_source(source.sums(width))
    balance.add_target(target.sums(width))
    return balance


def _differences(plan: Plan, balance: Balance, source: Side, target: Side) -> Differences:
    sessions, stop = (cast(Any, source), cast(Any, target)), Stop()
    smaller, left = narrowed(plan, balance, *sessions, stop)
    return ByValue(smaller, *sessions, stop).differences(left, lambda _: None)


def _sides(rows: int) -> tuple[Side, Side]:
    return Side(dict.fromkeys(range(rows), "same")), Side(dict.fromkeys(range(rows), "same"))


def test_few_rows_of_chunks_that_differ_are_fetched() -> None:
    source, target = _sides(40_000)
    for chunk in range(0, 100, 5):
        target.names[chunk * 400 + 17] = "changed"
    del source.names[399], target.names[38_000]
    found = _differences(PLAN, _balance(source, target), source, target)
    expected = {(key * 2000 + 17, "changed") for key in range(20)} | {(399, "extra"), (38_000, "missing")}
    assert {(int.from_bytes(one.key[0] or b""), one.word) for one in found.found} == expected
    assert source.widths == target.widths == [20]
    assert 20 * 20 <= source.fetched <= 22 * 20, "of 8,000 rows in chunks that differ"


def test_what_was_in_flight_at_the_first_sum_and_is_equal_at_the_second_is_not_fetched() -> None:
    source, target = _sides(40_000)
    target.names |= dict.fromkeys(range(0, 40_000, 4_000), "late")
    balance = _balance(source, target)
    target.names |= dict.fromkeys(range(0, 36_000, 4_000), "same")
    found = _differences(PLAN, balance, source, target)
    assert [int.from_bytes(one.key[0] or b"") for one in found.found] == [36_000]
    assert (source.fetched, target.fetched) == (20, 20)


@pytest.mark.parametrize(
    ("rows", "changed", "chunking"),
    [
        pytest.param(40_000, range(0, 2_000, 400), Chunking(width=400), id="few rows"),
        pytest.param(40_000, range(0, 40_000, 4_000), Chunking(width=1), id="chunks of one value"),
    ],
)
def test_what_saves_nothing_is_not_summed_up_again(rows: int, changed: range, chunking: Chunking) -> None:
    source, target = _sides(rows)
    target.names |= dict.fromkeys(changed, "changed")
    balance = _balance(source, target, chunking.width)
    found = _differences(rechunked(PLAN, chunking), balance, source, target)
    assert len(found.found) == len(changed)
    assert source.widths == target.widths == []


def test_rows_that_one_side_lacks_anyway_are_fetched_at_once() -> None:
    source, target = _sides(40_000)
    for key in range(10_000, 20_000):
        del target.names[key]
    found = _differences(PLAN, _balance(source, target), source, target)
    assert len(found.found) == 10_000
    assert source.widths == target.widths == []


@pytest.mark.parametrize(
    ("extent", "parts"),
    [
        (Extent((), 0, 0), 1),
        (Extent((1,), 2_000, 0), 1),
        (Extent((1,), 10_000, 0), 100),
        (Extent((1,), 10_000, 8_000), 1),
        (Extent(tuple(range(200)), 40_000, 100), 14),
        (Extent(tuple(range(10_000)), 2_000_000, 0), MOST_CHUNKS // 10_000),
        (Extent(tuple(range(30_000)), 6_000_000, 0), 1),
    ],
)
def test_there_are_as_many_sums_as_rows_to_be_fetched_and_not_too_many(extent: Extent, parts: int) -> None:
    assert _parts(extent) == parts


def test_chunks_have_whole_widths_and_one_value_at_least() -> None:
    source, target = _sides(4_000)
    target.names[7] = "changed"
    wide = rechunked(PLAN, Chunking(width=2_050))
    _differences(wide, _balance(source, target, 2_050), source, target)
    assert [(type(width), width) for width in source.widths] == [(int, 45)]  # 2,050 rows: 45 parts, of 45.6
    source.widths.clear()
    copies = Balance()
    copies.add_source([ChunkSum(0, 1_000_000, 1)])  # of a key of several columns, the first of which has few values
    copies.add_target([ChunkSum(0, 1_000_000, 2)])
    narrowed(rechunked(PLAN, Chunking(width=5)), copies, cast(Any, source), cast(Any, target), Stop())
    assert source.widths == [1]


def test_a_statement_that_a_stop_ends_is_not_reported_as_an_error() -> None:
    source, target = _sides(40_000)
    target.names |= dict.fromkeys(range(0, 40_000, 4_000), "changed")
    balance, stop = _balance(source, target), Stop()

    def ended(*_: object) -> Iterator[ChunkSum]:
        stop.set()
        raise CouldNotLookError("the statement was ended")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(source, "sums_of_chunks", ended)
        with pytest.raises(StoppedError):
            narrowed(PLAN, balance, cast(Any, source), cast(Any, target), stop)
