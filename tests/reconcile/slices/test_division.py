"""Into which slices a table is divided."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdcproof.databases.names import Column, TableName
from cdcproof.databases.table_read import Chunking, ColumnRead, Slice, TableRead
from cdcproof.databases.values import canonical
from cdcproof.databases.values.types import Form, Kind
from cdcproof.reconcile.checksums.strategy import push_down
from cdcproof.reconcile.plan.plan import Plan
from cdcproof.reconcile.slices.beginning import begun_by_key
from cdcproof.reconcile.slices.division import WHOLE_TABLE, divided, holds, within
from tests.reconcile.canonical_rows import forms
from tests.reconcile.slices.in_memory import side


def _plan(chunking: Chunking) -> Plan:
    column = ColumnRead(Column("id", "bigint", nullable=False), Form(Kind.INTEGER))
    scan = TableRead(TableName("s", "t"), (column,), 1, chunking)
    return Plan(scan, scan, multiset=False, names=("id",))


@given(st.integers(-(10**6), 10**6), st.integers(0, 10**6), st.integers(1, 5_000), st.integers(1, 60), st.data())
def test_each_key_is_in_one_slice_and_each_chunk_in_the_slice_of_all_its_keys(
    low: int, length: int, width: int, number: int, data: st.DataObject
) -> None:
    chunking = Chunking(width=width)
    slices = divided(low, low + length, number, width=width)
    assert len(slices) <= number
    assert (slices[0].low, slices[-1].high) == (None, None)
    assert all(one.high == after.low for one, after in pairwise(slices))
    value = data.draw(st.integers(low - 2 * width, low + length + 2 * width) | st.sampled_from([low, 0, -1, 1, -width]))
    (mine,) = [one for one in slices if holds(one, value)]
    chunk = canonical.chunk_of(chunking, [Form(Kind.INTEGER)], forms(value))
    ((first, last),) = chunking.ranges([chunk])
    assert first <= value <= last
    assert holds(mine, first)
    assert holds(mine, last)


@pytest.mark.parametrize("number", [1, 3, 7])
def test_as_many_slices_as_asked_for_where_there_are_chunks_enough(number: int) -> None:
    assert len(divided(0, 9_999, number, width=10)) == number


def test_a_table_in_buckets_is_one_slice() -> None:
    held = side(*((key, 0) for key in range(100)))
    for chunking, slices in ((Chunking(buckets=50), 1), (Chunking(width=10), 5)):
        way = push_down(_plan(chunking), held.endpoint().side(held), held.endpoint().side(held), "")
        assert len(begun_by_key(way, held, held, number=5, began="").slices) == slices


def test_the_plan_of_a_slice_is_limited_at_both_sides() -> None:
    plan = within(_plan(Chunking(width=10)), Slice(10, 20))
    assert plan.source.slice == plan.target.slice == Slice(10, 20)
    assert within(plan, WHOLE_TABLE) == plan
