"""Which way a table is summed up."""

from __future__ import annotations

import pytest

from cdcproof.databases.table_read import Segment
from cdcproof.errors import UnreachableError
from cdcproof.reconcile.checksums.strategy import Room, Speeds, Strategy, Ways, judged, measured, sample_rows
from cdcproof.reconcile.concurrency import Stop
from tests.reconcile.checksums.test_parts import PLAN, Side

ALONE = Room(processors=8, tables=1)


@pytest.mark.parametrize(
    ("stream", "push_down", "expected"),
    [(0.01, 0.03, Strategy.STREAM), (0.03, 0.01, Strategy.PUSH_DOWN), (0.010, 0.009, Strategy.STREAM)],
)
def test_the_faster_way_is_taken_and_the_lighter_one_where_it_hardly_matters(
    stream: float, push_down: float, expected: Strategy
) -> None:
    assert judged(Speeds(10_000, stream, push_down), 1_000_000, ALONE).strategy is expected


def test_streams_of_many_tables_share_the_processors_here() -> None:
    speeds = Speeds(10_000, 0.010, 0.024)
    assert judged(speeds, 1_000_000, Room(processors=2, tables=1)).strategy is Strategy.STREAM
    assert judged(speeds, 1_000_000, Room(processors=2, tables=4)).strategy is Strategy.PUSH_DOWN
    assert judged(speeds, 1_000_000, Room(processors=8, tables=4)).strategy is Strategy.STREAM
    assert judged(speeds, 1_000_000, Room(processors=1, tables=1)).strategy is Strategy.STREAM


def test_the_reason_holds_what_was_measured() -> None:
    choice = judged(Speeds(10_000, 0.012, 0.03), 50_000_000, Room(processors=2, tables=2))
    assert choice.reason == (
        "by stream about 120 s, by push-down 150 s: 10,000 rows tried both ways, 2 processors here, 2 tables at once"
    )


def test_a_sample_is_a_hundredth_and_never_large() -> None:
    assert (sample_rows(200_000), sample_rows(10**9)) == (2_000, 20_000)


def test_both_ways_read_a_sample_of_both_sides_in_the_middle_each_its_own_pages() -> None:
    parts = tuple(Segment(n, n + 1) for n in range(100))
    stream, push_down, theirs, also_theirs = Side(), Side(), Side(), Side()
    speeds = measured(PLAN, Ways(stream, push_down, parts), Ways(theirs, also_theirs, parts[:50]), 1_000_000, Stop())
    assert (stream.read, push_down.read, theirs.read, also_theirs.read) == (
        [0, 0, 49],
        [0, 0, 50],
        [0, 0, 24],
        [0, 0, 25],
    ), "and before it nothing, twice: what it takes to begin is not of the sample"
    assert speeds
    assert speeds.rows == 10_000
    assert speeds.stream_seconds > 0 < speeds.push_down_seconds


def test_what_cannot_be_divided_is_not_measured() -> None:
    side = Side()
    many, one = Ways(side, side, tuple(Segment(n, n + 1) for n in range(9))), Ways(side, side, (Segment(),))
    assert measured(PLAN, many, one, 1_000_000, Stop()) is None
    assert side.read == []


def test_a_sample_that_cannot_be_read_is_told() -> None:
    def fail(_: int) -> None:
        raise UnreachableError("gone")

    parts = tuple(Segment(n, n + 1) for n in range(9))
    with pytest.raises(UnreachableError):
        measured(PLAN, Ways(Side(), Side(), parts), Ways(Side(fail), Side(), parts), 1_000_000, Stop())
