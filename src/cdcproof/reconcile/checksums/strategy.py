"""Which way a table is summed up: the stream hashes its rows here, push-down has the servers hash them.

Both are exact. Which is faster depends on what is between here and the servers, and on how busy each is: a few rows are
read both ways, by both sides at once, and the rest is arithmetic.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cdcproof.databases.table_read import RowHash, Segment, TableRead
from cdcproof.reconcile.checksums.sums import Summing
from cdcproof.reconcile.concurrency import Stop, both
from cdcproof.reconcile.plan.plan import Plan

LEAST_ROWS = {RowHash.MD5: 200_000, RowHash.NATIVE: 2_000_000}
"""Below this a table is through, by the hash that its servers would make, before a measurement is."""
_SAMPLE = 100
_MOST_SAMPLED = 20_000
_CLEARLY = 0.8
_NOTHING = Segment(0, 0)


class Strategy(StrEnum):
    """A way to sum up both sides of a table."""

    STREAM = "stream"
    PUSH_DOWN = "push-down"


@dataclass(frozen=True)
class Choice:
    """A strategy and why, as a sentence without its end."""

    strategy: Strategy
    reason: str


@dataclass(frozen=True)
class Speeds:
    """What a sample of so many rows took both sides at once, in seconds."""

    rows: int
    stream_seconds: float
    push_down_seconds: float


@dataclass(frozen=True)
class Room:
    """What a run may take: the processors here, and how many tables are read at once, which is what each server is asked for."""

    processors: int
    tables: int

    @property
    def crowding(self) -> float:
        """How much longer a stream takes than the sample did: other tables' streams want the same processors."""
        wanted, alone = 2 * self.tables, 2
        return max(1.0, wanted / self.processors) / max(1.0, alone / self.processors)


def processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def judged(speeds: Speeds, rows: int, room: Room) -> Choice:
    """The faster one; the stream where it hardly matters, since it asks the least of the source."""
    stream = speeds.stream_seconds / speeds.rows * rows * room.crowding
    push_down = speeds.push_down_seconds / speeds.rows * rows
    best = Strategy.PUSH_DOWN if push_down < stream * _CLEARLY else Strategy.STREAM
    at_once = f"{room.tables} tables" if room.tables > 1 else "one table"
    return Choice(
        best,
        f"by stream about {_told(stream)}, by push-down {_told(push_down)}: {speeds.rows:,} rows tried both ways, "
        f"{room.processors} processors here, {at_once} at once",
    )


def sample_rows(rows: int) -> int:
    """How many rows of so many are read both ways: few enough to take less than a twentieth of the run."""
    return min(rows // _SAMPLE, _MOST_SAMPLED)


@dataclass(frozen=True)
class Ways:
    """One side, opened both ways, and its parts of `sample_rows` each."""

    stream: Summing
    push_down: Summing
    parts: Sequence[Segment]

    @property
    def sample(self) -> tuple[Segment, Segment]:
        """Two neighbours in the middle: each is read by one way, so that neither finds the other's pages in memory."""
        middle = len(self.parts) // 2
        return self.parts[middle - 1], self.parts[middle]


def measured(plan: Plan, source: Ways, target: Ways, rows: int, stop: Stop) -> Speeds | None:
    """Read a sample both ways. None where a side cannot be divided. Raises `CouldNotLookError` as a scan does."""
    if min(len(source.parts), len(target.parts)) < 3:
        return None

    def seconds(ours: Summing, theirs: Summing, of_source: Segment, of_target: Segment) -> float:
        started = time.perf_counter()
        both(stop, lambda: _read(plan.source, ours, of_source), lambda: _read(plan.target, theirs, of_target))
        return time.perf_counter() - started

    def without_the_beginning(ours: Summing, theirs: Summing, of_source: Segment, of_target: Segment) -> float:
        for _ in range(2):  # sessions are opened the first time
            beginning = seconds(ours, theirs, _NOTHING, _NOTHING)
        whole = seconds(ours, theirs, of_source, of_target)
        return max(whole - beginning, whole / 10)

    (first, second), (third, fourth) = source.sample, target.sample
    return Speeds(
        max(1, rows // len(source.parts)),
        without_the_beginning(source.stream, target.stream, first, third),
        without_the_beginning(source.push_down, target.push_down, second, fourth),
    )


def _read(scan: TableRead, summing: Summing, part: Segment) -> None:
    for _ in summing.chunk_sums(scan, part):
        pass


def _told(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
