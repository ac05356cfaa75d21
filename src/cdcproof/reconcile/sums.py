"""The first phase: both sides of a table summed up at once, part by part, into one balance."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cdcproof.databases.base import Database
from cdcproof.databases.scan import ChunkSum, Scan
from cdcproof.reconcile.both import Stop, both
from cdcproof.reconcile.chunks import Balance
from cdcproof.reconcile.plan import Plan

SEGMENT_ROWS = 1_000_000
"""Progress is told, and an interruption noticed, after so many rows."""


def sum_up(plan: Plan, source: Database, target: Database, stop: Stop, tell: Callable[[int], None]) -> Balance:
    """Each side read once, by its own session, of one snapshot. `tell` is given the source's rows that are through."""
    balance = Balance()

    def side(scan: Scan, database: Database, add: Callable[[Iterator[ChunkSum]], None]) -> None:
        with database.snapshot():
            for segment in database.segments(scan, SEGMENT_ROWS):
                add(_until(stop, database.chunk_sums(scan, segment)))
                tell(balance.source_rows)

    both(
        stop,
        lambda: side(plan.source, source, balance.add_source),
        lambda: side(plan.target, target, balance.add_target),
    )
    return balance


def _until(stop: Stop, sums: Iterator[ChunkSum]) -> Iterator[ChunkSum]:
    for one in sums:
        stop.go_on()
        yield one
