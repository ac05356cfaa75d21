"""Both sides summed up at once, part by part."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from cdcproof.databases.base import Column, TableName
from cdcproof.databases.kinds import Form, Kind
from cdcproof.databases.scan import Chunking, ChunkSum, Scan, Segment, Told
from cdcproof.errors import UnexpectedAnswerError, UnreachableError
from cdcproof.reconcile.both import Stop, StoppedError
from cdcproof.reconcile.plan import Plan
from cdcproof.reconcile.scanning import Reading, Scanned, rows_a_part, sum_up

SCAN = Scan(TableName("s", "t"), (Told(Column("id", "bigint", False), Form(Kind.INTEGER)),), 1, Chunking(width=10))
PLAN = Plan(SCAN, SCAN, multiset=False, names=("id",))
PARTS = tuple(Segment(n, n + 1) for n in range(4))
PATIENCE_SECONDS = 30


@dataclass
class Side:
    """A side whose part n has the chunks n and n + 1. `before` is called with a part's number before it is read."""

    before: Callable[[int], None] = lambda _: None
    read: list[int] = field(default_factory=list)
    snapshots: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        self.snapshots += 1
        yield

    def chunk_sums(self, scan: Scan, segment: Segment) -> Iterator[ChunkSum]:
        part = segment.low or 0
        self.before(part)
        self.read.append(part)
        yield ChunkSum(part, 2, 100 + part)
        yield ChunkSum(part + 1, 1, 7)

    def interrupt(self) -> None:
        self.ended.set()


def _differing(scanned: Scanned) -> list[int]:
    return [chunk for chunk, *_ in scanned.balance.left()]


def test_every_part_of_both_sides_is_in_the_balance_once_and_of_one_snapshot() -> None:
    source, target, told = Side(), Side(), list[int]()
    balance = sum_up(PLAN, Reading(source, PARTS), Reading(target, PARTS), Stop(), told.append)
    assert balance.left() == []
    assert (balance.source_rows, balance.target_rows) == (12, 12)
    assert source.read == target.read == [0, 1, 2, 3]
    assert source.snapshots == target.snapshots == 1
    assert told == [3, 6, 9, 12]


def test_what_only_one_side_has_is_left() -> None:
    scanned = Scanned()
    sum_up(PLAN, Reading(Side(), PARTS), Reading(Side(), PARTS[:3]), Stop(), lambda _: None, scanned=scanned)
    assert _differing(scanned) == [3, 4]


def test_both_sides_are_read_at_the_same_time() -> None:
    together = threading.Barrier(2, timeout=PATIENCE_SECONDS)

    def meet(_: int) -> None:
        together.wait()

    sum_up(PLAN, Reading(Side(meet), PARTS), Reading(Side(meet), PARTS), Stop(), lambda _: None)


@pytest.mark.parametrize("stopped_after", [(0, 0), (2, 3), (4, 1), (4, 4)])
def test_a_scan_goes_on_where_another_one_stopped(stopped_after: tuple[int, int]) -> None:
    scanned = Scanned()
    for add, done in ((scanned.balance.add_source, stopped_after[0]), (scanned.balance.add_target, stopped_after[1])):
        for part in PARTS[:done]:
            add(Side().chunk_sums(SCAN, part))
    scanned.source_parts, scanned.target_parts = stopped_after
    source, target = Side(), Side()
    balance = sum_up(PLAN, Reading(source, PARTS), Reading(target, PARTS), Stop(), lambda _: None, scanned=scanned)
    assert (source.read, target.read) == ([*range(stopped_after[0], 4)], [*range(stopped_after[1], 4)])
    assert balance.left() == []
    assert (balance.source_rows, balance.target_rows) == (12, 12)


def test_what_is_kept_is_always_whole_parts() -> None:
    kept: list[tuple[int, int, int, int]] = []

    def keep(scanned: Scanned) -> None:
        balance = scanned.balance
        kept.append((scanned.source_parts, balance.source_rows, scanned.target_parts, balance.target_rows))

    sum_up(PLAN, Reading(Side(), PARTS), Reading(Side(), PARTS), Stop(), lambda _: None, keep=keep)
    assert len(kept) == 8
    assert all(rows == 3 * parts and more == 3 * others for parts, rows, others, more in kept)
    assert kept[-1] == (4, 12, 4, 12)


def test_only_the_source_is_held_back_and_not_before_its_first_part() -> None:
    source, target, held = Side(), Side(), list[int]()
    sum_up(
        PLAN,
        Reading(source, PARTS),
        Reading(target, PARTS),
        Stop(),
        lambda _: None,
        hold=lambda: held.append(len(source.read)),
    )
    assert held == [1, 2, 3]


@pytest.mark.parametrize("failing", ["source", "target"])
def test_when_a_side_fails_the_other_ones_statement_is_ended_and_the_failure_told(failing: str) -> None:
    ended: list[bool] = []
    started = threading.Event()

    def fail(_: int) -> None:
        assert started.wait(PATIENCE_SECONDS)
        raise UnreachableError("gone")

    def hang(_: int) -> None:
        started.set()
        ended.append(slow.ended.wait(PATIENCE_SECONDS))
        raise UnexpectedAnswerError("canceling statement due to user request")

    broken, slow = Side(fail), Side(hang)
    source, target = (broken, slow) if failing == "source" else (slow, broken)
    with pytest.raises(UnreachableError, match="gone"):
        sum_up(PLAN, Reading(source, PARTS), Reading(target, PARTS), Stop(), lambda _: None)
    assert ended == [True]


def test_a_run_that_is_stopped_ends_both_statements() -> None:
    stop = Stop()

    def hang(side: Side) -> None:
        stop.set()
        assert side.ended.wait(PATIENCE_SECONDS)
        raise UnexpectedAnswerError("canceling statement due to user request")

    source, target = Side(), Side()
    source.before, target.before = lambda _: hang(source), lambda _: hang(target)
    with pytest.raises(StoppedError):
        sum_up(PLAN, Reading(source, PARTS), Reading(target, PARTS), stop, lambda _: None)


def test_parts_are_large_enough_for_chunks_that_lie_scattered() -> None:
    assert rows_a_part(1_000) == rows_a_part(5_000_000) == 1_000_000
    assert rows_a_part(8_000_000) == 1_600_000
    assert rows_a_part(10**9) == 2_000_000
