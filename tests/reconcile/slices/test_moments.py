"""Slices that are read at different moments of two tables that change: what is lost is never a MATCH, what is in flight never a difference."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from unittest.mock import patch

from hypothesis import event, given, settings
from hypothesis import strategies as st

from cdcproof.databases.table_read import WHOLE, TableRead
from cdcproof.reconcile.checksums.balance import Balance
from cdcproof.reconcile.report.result import TableStatus
from cdcproof.reconcile.slices.distribution import Distribution
from cdcproof.reconcile.slices.division import within
from cdcproof.reconcile.slices.readers import Here
from cdcproof.reconcile.slices.reading import SliceRead
from cdcproof.reconcile.slices.store import SliceSums
from tests.reconcile.fake import FakeDatabase
from tests.reconcile.sides import FenceThen
from tests.reconcile.slices.in_memory import ADDRESSES, compared, side

KEYS = st.integers(-12, 12)
VALUES = st.integers(0, 2)
Act = Callable[["World"], None]


@dataclass
class World:
    """Two tables, the changes on their way from one to the other, and the keys whose last change was lost."""

    source: FakeDatabase
    target: FakeDatabase
    on_the_way: deque[tuple[int, int | None]] = field(default_factory=deque)
    lost: set[int] = field(default_factory=set)
    ever_lost: set[int] = field(default_factory=set)
    written: Counter[int] = field(default_factory=Counter)

    def write(self, key: int, value: int | None, *, arrives: bool = True) -> None:
        """A change at the source; None deletes."""
        self._set(self.source, key, value)
        if arrives:
            self.on_the_way.append((key, value))
            self.lost.discard(key)
        else:
            self.lose(key)

    def lose(self, key: int) -> None:
        """Take down that a key differs for good. One that an earlier change is still coming for may be equal for a moment."""
        coming = [value for other, value in self.on_the_way if other == key]
        self.lost.discard(key)
        if _value(self.source, key) != (coming[-1] if coming else _value(self.target, key)):
            self.ever_lost.add(key)
            self.lost.update({key} if not coming else ())

    def arrive(self, number: int) -> None:
        for _ in range(min(number, len(self.on_the_way))):
            self._set(self.target, *self.on_the_way.popleft())

    def _set(self, side: FakeDatabase, key: int, value: int | None) -> None:
        table = side.tables_held["t"]
        table.rows[:] = [row for row in table.rows if row[0] != key]
        if value is not None:
            self.written[id(side)] += 1
            table.rows.append((key, value))
            table.written[(key, value)] = self.written[id(side)]


def _value(side: FakeDatabase, key: int) -> int | None:
    return next((value for other, value in side.tables_held["t"].rows if other == key), None)  # type: ignore[return-value]


def _move(world: World, key: int, to: int) -> None:
    """A row that gets another key: it is deleted under one and inserted under the other."""
    value = _value(world.source, key)
    if value is not None and key != to:
        world.write(key, None)
        world.write(to, value)


acts: st.SearchStrategy[Act] = st.one_of(
    st.builds(lambda k, v: lambda world: world.write(k, v), KEYS, st.none() | VALUES),
    st.builds(lambda k, to: lambda world: _move(world, k, to), KEYS, KEYS),
    st.builds(lambda n: lambda world: world.arrive(n), st.integers(1, 6)),
    st.builds(lambda k, v: lambda world: world.write(k, v, arrives=False), KEYS, st.none() | VALUES),
)
harmless: st.SearchStrategy[Act] = st.one_of(
    st.builds(lambda k, v: lambda world: world.write(k, v), KEYS, st.none() | VALUES),
    st.builds(lambda k, to: lambda world: _move(world, k, to), KEYS, KEYS),
    st.builds(lambda n: lambda world: world.arrive(n), st.integers(1, 6)),
)


def _run(
    before: list[Act], meanwhile: list[list[Act]], source_first: list[bool]
) -> tuple[World, set[int], TableStatus, set[int]]:
    """What became of a run: the world, the keys that were lost all the time, the verdict and the keys that it names."""
    rows = [(key, 0) for key in range(-10, 11)]
    world = World(side(*rows), side(*rows))
    for act in before:
        act(world)
    always = set(world.lost)
    todo, order = deque(meanwhile), deque(source_first)

    def live() -> None:
        for act in todo.popleft() if todo else ():
            act(world)
            always.intersection_update(world.lost)

    def read(slice_read: SliceRead) -> SliceSums:
        """Both sides of the slice, each at another moment."""
        plan, balance = within(slice_read.plan, slice_read.part), Balance()
        live()
        sides: list[Callable[[], None]] = [
            lambda: balance.add_source(_sums(world.source, plan.source)),
            lambda: balance.add_target(_sums(world.target, plan.target)),
        ]
        for add in sides if not order or order.popleft() else reversed(sides):
            add()
            live()
        return SliceSums(tuple(balance.left()), balance.source_rows, balance.target_rows, "", "", None, "")

    def _sums(side: FakeDatabase, scan: TableRead) -> list[object]:
        return list(side.checksums.chunk_sums(scan, WHOLE))

    slices = Distribution(Here, ADDRESSES, 1, rows_a_slice=3, read=read)  # type: ignore[arg-type]
    fence = FenceThen(then=lambda: (live(), world.arrive(1_000))[0])
    with (
        patch("cdcproof.reconcile.plan.chunking.ROWS_PER_CHUNK", 1),
        patch("cdcproof.reconcile.in_flight.settle._APART_SECONDS", 0),
    ):
        result = compared(world.source, world.target, slices, fence)
    return world, always, result.status, {int(one.key["id"] or 0) for one in result.differences}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(acts, max_size=6), st.lists(st.lists(acts, max_size=3), max_size=25), st.lists(st.booleans(), max_size=9)
)
def test_what_is_lost_all_the_time_is_found_whatever_the_moments(
    before: list[Act], meanwhile: list[list[Act]], source_first: list[bool]
) -> None:
    world, always, status, named = _run(before, meanwhile, source_first)
    event(f"{status}, {'lost' if always else 'not lost'}")
    if always:
        assert status is not TableStatus.MATCH
    if status is TableStatus.MISMATCH:
        assert always <= named <= world.ever_lost


@settings(max_examples=100, deadline=None)
@given(
    st.lists(harmless, max_size=6),
    st.lists(st.lists(harmless, max_size=3), max_size=25),
    st.lists(st.booleans(), max_size=9),
)
def test_what_is_on_its_way_is_no_difference_whatever_the_moments(
    before: list[Act], meanwhile: list[list[Act]], source_first: list[bool]
) -> None:
    *_, status, named = _run(before, meanwhile, source_first)
    event(str(status))
    assert status is not TableStatus.MISMATCH
    assert named == set()
