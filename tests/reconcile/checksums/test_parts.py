"""Both sides summed up at once, part by part, by one session a side or by more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import pytest

from cdcproof.core.errors import RefusedError, UnexpectedAnswerError, UnreachableError
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.table_read import WHOLE, Chunking, ChunkSum, ColumnRead, Segment, TableRead
from cdcproof.databases.values.types import Form, Kind
from cdcproof.reconcile.checksums.parts import Part, Sessions, divided, rows_a_part, sum_up
from cdcproof.reconcile.concurrency import Stop, StoppedError
from cdcproof.reconcile.plan.plan import Plan
from cdcproof.reconcile.slices.store import Scanned

SCAN = TableRead(
    TableName("s", "t"), (ColumnRead(Column("id", "bigint", False), Form(Kind.INTEGER)),), 1, Chunking(width=10)
)
PLAN = Plan(SCAN, SCAN, multiset=False, names=("id",))
SEGMENTS = tuple(Segment(n, n + 1) for n in range(4))
PARTS = divided(SEGMENTS, SEGMENTS)
PATIENCE_SECONDS = 30


@dataclass
class Side:
    """A side whose part n has the chunks n and n + 1. `before` is called with a part's number before it is read.

    All its sessions are this object; `refused` is raised instead of opening one more.
    """

    before: Callable[[int], None] = lambda _: None
    refused: Exception | None = None
    is_shared: bool = True
    read: list[int] = field(default_factory=list)
    snapshots: int = 0
    asked: int = 0
    opened: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        self.snapshots += 1
        yield

    def beside(self) -> Callable[[], AbstractContextManager[Side]] | None:
        @contextmanager
        def more() -> Iterator[Side]:
            if self.refused:
                raise self.refused
            self.opened += 1
            yield self

        self.asked += 1
        return more if self.is_shared else None

    def chunk_sums(self, scan: TableRead, segment: Segment) -> Iterator[ChunkSum]:
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
    balance = sum_up(PLAN, source, target, PARTS, Stop(), progress=told.append)
    assert balance.left() == []
    assert (balance.source_rows, balance.target_rows) == (12, 12)
    assert source.read == target.read == [0, 1, 2, 3]
    assert source.snapshots == target.snapshots == 1
    assert told == [3, 6, 9, 12]


def test_what_only_one_side_has_is_left() -> None:
    scanned, source, target = Scanned(), Side(), Side()
    sum_up(PLAN, source, target, divided(SEGMENTS, SEGMENTS[:3]), Stop(), scanned=scanned)
    assert _differing(scanned) == [3, 4]
    assert target.read == [0, 1, 2]


def test_both_sides_are_read_at_the_same_time() -> None:
    together = threading.Barrier(2, timeout=PATIENCE_SECONDS)

    def meet(_: int) -> None:
        together.wait()

    sum_up(PLAN, Side(meet), Side(meet), PARTS, Stop())


@pytest.mark.parametrize("done", [set(), {0, 1}, {0, 2}, {1, 2, 3}, {0, 1, 2, 3}])
def test_a_scan_goes_on_where_another_one_stopped(done: set[int]) -> None:
    scanned = Scanned(done=set(done))
    for number in done:
        scanned.balance.add_source(Side().chunk_sums(SCAN, SEGMENTS[number]))
        scanned.balance.add_target(Side().chunk_sums(SCAN, SEGMENTS[number]))
    source, target = Side(), Side()
    balance = sum_up(PLAN, source, target, PARTS, Stop(), scanned=scanned)
    assert source.read == target.read == sorted({0, 1, 2, 3} - done)
    assert balance.left() == []
    assert (balance.source_rows, balance.target_rows) == (12, 12)
    assert scanned.done == {0, 1, 2, 3}


def test_what_is_kept_is_always_whole_parts() -> None:
    kept: list[tuple[int, int, int]] = []

    def keep(scanned: Scanned) -> None:
        kept.append((len(scanned.done), scanned.balance.source_rows, scanned.balance.target_rows))

    sum_up(PLAN, Side(), Side(), PARTS, Stop(), keep=keep)
    assert kept == [(n, 3 * n, 3 * n) for n in (1, 2, 3, 4)]


def test_what_burdens_the_source_is_held_back_before_all_but_the_first_part() -> None:
    source, held = Side(), list[int]()
    sum_up(PLAN, source, Side(), PARTS, Stop(), hold=lambda: held.append(len(source.read)))
    assert held == [1, 2, 3]


def test_sessions_that_others_leave_read_at_the_same_time_and_are_given_back() -> None:
    three = threading.Barrier(3, timeout=PATIENCE_SECONDS)

    def meet(_: int) -> None:
        three.wait()

    segments = tuple(Segment(n, n + 1) for n in range(6))
    source, target = Side(meet), Side()
    sessions, scanned = Sessions(2), Scanned()
    sum_up(PLAN, source, target, divided(segments, segments), Stop(), scanned=scanned, sessions=sessions)
    assert sorted(source.read) == sorted(target.read) == [0, 1, 2, 3, 4, 5]
    assert _differing(scanned) == []
    assert (source.opened, target.opened, source.snapshots) == (2, 2, 1)
    assert [sessions.take() for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(
    ("parts", "shared", "free", "asked"),
    [((Part(),), True, 5, 0), (PARTS[:1], True, 5, 0), (PARTS, False, 5, 1), (PARTS, True, 0, 0)],
    ids=["whole", "one part", "not shared", "none free"],
)
def test_no_more_sessions_are_opened_than_are_of_use(
    parts: tuple[Part, ...], shared: bool, free: int, asked: int
) -> None:
    source, target, sessions = Side(), Side(is_shared=shared), Sessions(free)
    sum_up(PLAN, source, target, parts, Stop(), sessions=sessions)
    assert (source.opened, target.opened) == (0, 0)
    assert (source.asked, target.asked) == (asked, asked)
    assert [sessions.take() for _ in range(free + 1)] == [True] * free + [False]


def test_a_server_that_gives_no_more_sessions_is_read_by_those_there_are() -> None:
    source, target, sessions = Side(), Side(refused=RefusedError("too many connections")), Sessions(1)
    balance = sum_up(PLAN, source, target, PARTS, Stop(), sessions=sessions)
    assert sorted(source.read) == sorted(target.read) == [0, 1, 2, 3]
    assert balance.left() == []
    assert [sessions.take() for _ in range(2)] == [True, False]


def test_what_fails_in_a_further_session_ends_the_others_and_is_told() -> None:
    hanging, ended = threading.Event(), list[bool]()

    def fail_or_hang(part: int) -> None:
        if threading.current_thread() is threading.main_thread():
            hanging.set()
            ended.append(source.ended.wait(PATIENCE_SECONDS))
            raise UnexpectedAnswerError("canceling statement due to user request")
        assert hanging.wait(PATIENCE_SECONDS)
        raise UnreachableError(f"part {part} is gone")

    source, sessions = Side(fail_or_hang), Sessions(1)
    with pytest.raises(UnreachableError, match="is gone"):
        sum_up(PLAN, source, Side(), PARTS, Stop(), sessions=sessions)
    assert ended == [True]
    assert sessions.take()


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
        sum_up(PLAN, source, target, PARTS, Stop())
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
        sum_up(PLAN, source, target, PARTS, stop)


def test_parts_are_large_enough_for_chunks_that_lie_scattered() -> None:
    assert rows_a_part(1_000) == rows_a_part(5_000_000) == 1_000_000
    assert rows_a_part(8_000_000) == 1_600_000
    assert rows_a_part(10**9) == 2_000_000


def test_a_side_that_cannot_be_divided_is_read_beside_the_first_part_of_the_other() -> None:
    assert divided((WHOLE,), SEGMENTS[:2]) == (Part(WHOLE, SEGMENTS[0]), Part(None, SEGMENTS[1]))
