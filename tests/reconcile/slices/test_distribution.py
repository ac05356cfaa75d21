"""Slices given to an executor: how many at once, what becomes of one whose worker dies, and what ends a table."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cdcproof.core.errors import CouldNotLookError, DeadlineError, RefusedError, UnreachableError
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.table_read import Chunking, ColumnRead, Slice, TableRead
from cdcproof.databases.values.types import Form, Kind
from cdcproof.reconcile.checksums.checkpoint import Checkpoint, Unfinished
from cdcproof.reconcile.checksums.strategy import SlicedTable, Strategy
from cdcproof.reconcile.concurrency import Stop, StoppedError
from cdcproof.reconcile.plan.plan import Plan
from cdcproof.reconcile.report.result import TableResult, TableStatus
from cdcproof.reconcile.slices.distribution import Distribution
from cdcproof.reconcile.slices.division import holds
from cdcproof.reconcile.slices.readers import TRIES, Here
from cdcproof.reconcile.slices.reading import SliceRead
from cdcproof.reconcile.slices.store import Scanned, SliceSums
from tests.reconcile.slices.in_memory import ADDRESSES, compared, reads, side

PATIENCE_SECONDS = 30
ROWS = [(key, 0) for key in range(40)]
SLICES = tuple(Slice(n, n + 1) for n in range(6))
_COLUMN = ColumnRead(Column("id", "bigint", nullable=False), Form(Kind.INTEGER))
_SCAN = TableRead(TableName("s", "t"), (_COLUMN,), 1, Chunking(width=1))


def _table(scanned: Scanned | None = None, **more: Any) -> SlicedTable:
    held, into = side(), scanned or Scanned()
    return SlicedTable(
        Plan(_SCAN, _SCAN, multiset=False, names=("id",)),
        *(Strategy.PUSH_DOWN, held, held, SLICES, [number for number in range(6) if number not in into.done]),
        stop=more.get("stop", Stop()),
        hold=more.get("hold", lambda: None),
        take=more.get("take", into.take),
    )


def _sums(read: SliceRead) -> SliceSums:
    """Of slice n: chunk n lacks a row."""
    number = read.part.low or 0
    return SliceSums(((number, 1, 10 + number, 1),), 2, 1, "", "", None, "")


def _distribution(
    read: Callable[[SliceRead], SliceSums] = _sums,
    executor: Callable[[], Executor] = Here,
    at_once: int = 2,
    **more: Any,
) -> Distribution:
    return Distribution(executor, ADDRESSES, at_once, read=read, **more)


def test_each_slice_is_in_the_balance_once() -> None:
    scanned, kept, through = Scanned(), list[int](), list[int]()

    def take(number: int, sums: SliceSums) -> None:
        scanned.take(number, sums)
        kept.append(len(scanned.done))
        through.append(scanned.balance.source_rows)

    _distribution().sum_up(_table(scanned, take=take))
    assert sorted(scanned.balance.left()) == [(n, 1, 10 + n, 1) for n in range(6)]
    assert (scanned.balance.source_rows, scanned.balance.target_rows) == (12, 6)
    assert kept == [1, 2, 3, 4, 5, 6]
    assert through == [2, 4, 6, 8, 10, 12]


def test_slices_that_an_interrupted_run_has_read_are_not_read_again() -> None:
    read: list[int] = []
    scanned = Scanned(done={0, 2, 5})
    _distribution(lambda one: read.append(one.part.low or 0) or _sums(one)).sum_up(_table(scanned))  # type: ignore[func-returns-value]
    assert read == [1, 3, 4]
    assert scanned.done == set(range(6))


def test_no_more_slices_are_read_at_once_than_allowed_however_many_workers_and_tables_there_are() -> None:
    lock, now, most = threading.Lock(), [0], [0]
    full = threading.Barrier(3, timeout=PATIENCE_SECONDS)

    def read(one: SliceRead) -> SliceSums:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        full.wait()  # three are read at once, or nobody goes on
        with lock:
            now[0] -= 1
        return _sums(one)

    slices = _distribution(read, lambda: ThreadPoolExecutor(20), at_once=3)
    scans = [Scanned(), Scanned()]
    threads = [threading.Thread(target=slices.sum_up, args=(_table(one),)) for one in scans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert [one.done for one in scans] == [set(range(6))] * 2
    assert most[0] == 3


def _fails(error: Exception, times: int, number: int = 3) -> tuple[Callable[[SliceRead], SliceSums], list[int]]:
    """Reads, but slice `number` fails so many times."""
    read: list[int] = []

    def reads(one: SliceRead) -> SliceSums:
        read.append(one.part.low or 0)
        if one.part.low == number and read.count(number) <= times:
            raise error
        return _sums(one)

    return reads, read


@pytest.mark.parametrize(
    "error", [BrokenExecutor("a worker died"), CancelledError(), OSError("gone"), RuntimeError("x")]
)
def test_a_slice_whose_worker_died_is_read_again_and_no_other(error: Exception) -> None:
    read, done = _fails(error, TRIES - 1)
    made: list[Executor] = []
    scanned = Scanned()
    _distribution(read, lambda: made.append(Here()) or made[-1]).sum_up(_table(scanned))  # type: ignore[func-returns-value]
    assert sorted(done) == sorted([*range(6), 3, 3])
    assert (scanned.balance.source_rows, scanned.done) == (12, set(range(6)))
    assert len(made) == (TRIES if isinstance(error, BrokenExecutor) else 1)


def test_a_slice_that_never_comes_back_ends_its_table() -> None:
    read, done = _fails(OSError("the machine is gone"), 100)
    with pytest.raises(
        UnreachableError, match=r"Slice 4 of 6 of s.t was given to a worker 3 times.*OSError: the machine is gone"
    ):
        _distribution(read).sum_up(_table())
    assert done.count(3) == TRIES


def test_what_a_worker_could_not_read_is_not_tried_again() -> None:
    read, done = _fails(RefusedError("permission denied"), 100)
    with pytest.raises(RefusedError, match="permission denied"):
        _distribution(read).sum_up(_table())
    assert done.count(3) == 1


def test_an_executor_that_takes_no_work_is_made_anew_and_then_given_up() -> None:
    class Closed(Here):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            raise RuntimeError("cannot schedule new futures after shutdown")

    made: list[Executor] = []
    with pytest.raises(UnreachableError, match="cannot schedule new futures"):
        _distribution(_sums, lambda: made.append(Closed()) or made[-1]).sum_up(_table())  # type: ignore[func-returns-value]
    assert len(made) > TRIES - 1


def test_an_executor_that_cannot_be_made_leaves_no_slice_unread_in_silence() -> None:
    def none() -> Executor:
        raise UnreachableError("no scheduler")

    with pytest.raises(UnreachableError, match="no scheduler"):
        _distribution(_sums, none).sum_up(_table())


def test_an_executor_that_cannot_be_made_again_is_not_waited_for_by_each_table() -> None:
    made: list[int] = []

    def none() -> Executor:
        made.append(1)
        raise UnreachableError("no scheduler")

    slices = _distribution(_sums, none)
    for _ in range(3):
        with pytest.raises(UnreachableError, match="no scheduler"):
            slices.sum_up(_table())
    assert made == [1]


class Silent(Here):
    """Takes work, and never does it."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.then = then
        self.given: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.given.append(Future())
        self.then()
        return self.given[-1]


def test_workers_that_never_answer_end_the_table() -> None:
    silent = Silent()
    with pytest.raises(DeadlineError, match=r"No slice of s.t has come back for 0.2 s"):
        _distribution(_sums, lambda: silent, silent_seconds=0.2).sum_up(_table())
    assert all(future.cancelled() for future in silent.given)


def test_a_stop_takes_back_what_has_not_begun() -> None:
    stop = Stop()
    silent = Silent(then=stop.set)
    with pytest.raises(StoppedError):
        _distribution(_sums, lambda: silent, at_once=1).sum_up(_table(stop=stop))
    assert [future.cancelled() for future in silent.given] == [True]


def test_after_a_table_has_failed_another_one_gets_its_share() -> None:
    failing, _ = _fails(RefusedError("no"), 1, number=0)
    slices = _distribution(failing, at_once=1)
    with pytest.raises(CouldNotLookError):
        slices.sum_up(_table())
    scanned = Scanned()
    slices.sum_up(_table(scanned))
    assert scanned.done == set(range(6))


def test_a_slow_source_is_waited_for_before_each_slice_but_the_first() -> None:
    held: list[int] = []
    read: list[int] = []
    _distribution(lambda one: read.append(0) or _sums(one)).sum_up(_table(hold=lambda: held.append(len(read))))  # type: ignore[func-returns-value]
    assert held == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("wrong", [(), (7, 30)])
def test_a_table_whose_slices_others_read_gets_the_result_of_one_machine(
    wrong: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdcproof.reconcile.plan.chunking.ROWS_PER_CHUNK", 3)
    source, target = side(*ROWS), side(*((key, 9 if key in wrong else 0) for key, _ in ROWS))
    parts: list[Slice] = []

    def read(one: SliceRead) -> SliceSums:
        parts.append(one.part)
        return reads(source, target)(one)

    slices = Distribution(Here, ADDRESSES, 3, rows_a_slice=8, read=read)
    theirs, ours = compared(source, target, slices), compared(source, target, None)
    assert len(parts) == 5
    assert replace(theirs, seconds=0, timings={}) == replace(ours, seconds=0, timings={})
    assert [one.key["id"] for one in theirs.differences] == [str(key) for key in wrong]


_GOES_ON = "goes on from an interrupted run"


@pytest.mark.parametrize(
    ("meanwhile", "expected"),
    [
        ("nothing", (3, (), _GOES_ON)),
        ("a row is lost", (3, ("missing 39",), _GOES_ON)),
        (
            "the log is set back",
            (5, (), "is not used: the source's log ends before where it ended then: it was set back"),
        ),
        ("the table is made anew", (5, (), "is not used: the table was rewritten since")),
    ],
)
def test_an_interrupted_run_goes_on_with_the_slices_that_it_has_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: str, expected: tuple[int, tuple[str, ...], str]
) -> None:
    """Each slice is kept with when, by whom and at which position it was read."""
    monkeypatch.setattr("cdcproof.reconcile.plan.chunking.ROWS_PER_CHUNK", 3)
    at_once = Checkpoint(tmp_path / "t.json", save_seconds=0)
    monkeypatch.setattr(Unfinished, "of", lambda *_: at_once)
    source, target = side(*ROWS), side(*ROWS)
    source.log_end = 100
    parts: list[Slice] = []

    def read(one: SliceRead) -> SliceSums:
        if len(parts) == 2:
            raise KeyboardInterrupt
        parts.append(one.part)
        return reads(source, target)(one)

    def run(of: Callable[[SliceRead], SliceSums]) -> TableResult:
        slices = Distribution(Here, ADDRESSES, 1, rows_a_slice=8, read=of)
        with Unfinished(tmp_path, {}, {}) as unfinished:
            return compared(source, target, slices, unfinished=unfinished)

    with pytest.raises(KeyboardInterrupt):
        run(read)
    kept = json.loads((tmp_path / "t.json").read_text())["slices"]
    assert [one["source_rows"] for one in kept.values()] == [sum(holds(part, key) for key, _ in ROWS) for part in parts]
    assert all(one["worker"] and one["began"] <= one["ended"] and one["position"] == 100 for one in kept.values())
    again: list[Slice] = []
    if meanwhile == "a row is lost":
        target.tables_held["t"].rows.remove((39, 0))
    elif meanwhile == "the log is set back":
        source.log_end = 99
    elif meanwhile == "the table is made anew":
        target.tables_held["t"].number = 2
    result = run(lambda one: again.append(one.part) or reads(source, target)(one))  # type: ignore[func-returns-value]
    read_again, wrong, said = expected
    assert (len(again), len(set(again) | set(parts))) == (read_again, 5)
    assert said in result.resumed
    assert (result.status, result.example_keys) == (TableStatus.MISMATCH if wrong else TableStatus.MATCH, wrong)


def test_a_slice_that_cannot_be_read_is_an_error_and_never_a_match() -> None:
    source, target = side(*ROWS), side(*ROWS)
    read, _ = _fails(RefusedError("not here"), 100, number=0)

    def fails(one: SliceRead) -> SliceSums:
        return read(replace(one, part=Slice(0, 0)))

    result = compared(source, target, Distribution(Here, ADDRESSES, 3, read=fails))
    assert (result.status, result.error) == (TableStatus.ERROR, "not here")
