"""How a table's sums come about: which way, held back while the source is slow, and from where an interrupted run stopped."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cdcproof.databases.duckdb.stream import Columnar, TooWideError
from cdcproof.databases.table_read import Segment, TableRead
from cdcproof.reconcile.checksums import page_ranges
from cdcproof.reconcile.checksums.balance import Balance
from cdcproof.reconcile.checksums.checkpoint import Checkpoint, Left, Unfinished
from cdcproof.reconcile.checksums.choosing import Way, chosen, push_down
from cdcproof.reconcile.checksums.page_ranges import NO_CUTS
from cdcproof.reconcile.checksums.parts import Part, Sessions, divided, divided_by, rows_a_part, sum_up
from cdcproof.reconcile.checksums.strategy import Choice, Strategy
from cdcproof.reconcile.checksums.throttle import Throttle
from cdcproof.reconcile.concurrency import Stop, both
from cdcproof.reconcile.plan.chunking import rechunked
from cdcproof.reconcile.plan.plan import Plan, described

if TYPE_CHECKING:
    from cdcproof.databases.contracts.database import Database
    from cdcproof.reconcile.contents import Comparison


@dataclass(frozen=True)
class Means:
    """What a run has for reading tables, beside its sessions.

    Without `columnar` there is no stream; `pinned` leaves no choice. So many `tables` are read at once; what of `sessions` they
    leave is for the parts of large ones.
    """

    columnar: Columnar | None = None
    pinned: Strategy | None = None
    tables: int = 1
    sessions: Sessions | None = None
    throttle: Throttle | None = None
    unfinished: Unfinished | None = None


@dataclass(frozen=True)
class Summed:
    """Both sides of a table summed up: by which plan, and which way.

    `resumed` says what was made of what an interrupted run had read; empty when there was none.
    """

    plan: Plan
    balance: Balance
    choice: Choice
    resumed: str = ""


def summed(asked: Comparison, plan: Plan, rows: int) -> Summed:
    """Sum up both sides of a table of about so many rows. Raises as `scanning.sum_up`."""
    means = asked.means
    checkpoint = means.unfinished.of(asked.table.name) if means.unfinished else Checkpoint()
    table = _Table(asked, plan, rows, checkpoint)
    left = table.left()
    pinned = Choice(means.pinned, "asked for") if means.pinned else None
    if left and not pinned:
        pinned = Choice(left.strategy, "as the run that it goes on from")
    with ExitStack() as stack:
        way = chosen(asked, plan, rows, pinned, stack)
        try:
            return table.read(way, left if left and left.strategy is way.choice.strategy else None)
        except TooWideError as error:
            way = push_down(asked, plan, error.message.rstrip("."))
    return table.read(way, None)


@dataclass(frozen=True)
class _Table:
    """A table to be read."""

    asked: Comparison
    plan: Plan
    rows: int
    checkpoint: Checkpoint

    def left(self) -> Left | None:
        """What an interrupted run left, if it can be built upon; the chunks that rows have come into since are in doubt."""
        left = self.checkpoint.left(described(self.plan))
        if left is None:
            return None
        if self.asked.means.pinned not in (None, left.strategy):
            self._refuse(f"it was read by {left.strategy}")
            return None
        source, target = self.asked.source.database, self.asked.target.database
        plan = rechunked(self.plan, left.chunking)
        read = [left.parts[number] for number in sorted(left.scanned.done)]
        moved = both(
            self.asked.stop,
            lambda: _written(source, left.source_mark, plan.source, [part.source for part in read]),
            lambda: _written(target, left.target_mark, plan.target, [part.target for part in read]),
        )
        for chunks in moved:
            if chunks is None:
                self._refuse("the table was rewritten since")
                return None
            left.scanned.balance.doubt(chunks)
        return left

    def read(self, way: Way, left: Left | None) -> Summed:
        """Sum up what is not in `left`."""
        asked, throttle = self.asked, self.asked.means.throttle
        plan = rechunked(way.plan, left.chunking) if left else way.plan  # a table that grows would get others
        resumed = f"goes on from an interrupted run: parts of it were read from {left.began} on" if left else ""
        begun = left or self._begun(way)
        balance = sum_up(
            plan,
            way.source,
            way.target,
            begun.parts,
            Stop(asked.stop),  # what fails here may be tried another way
            tell=lambda through: asked.tell("reading", through, self.rows),
            scanned=begun.scanned,
            sessions=asked.means.sessions,
            hold=lambda: throttle.hold(asked.stop, lambda what: asked.tell(what, 0, 0)) if throttle else None,
            keep=lambda scanned: self.checkpoint.keep(described(self.plan), replace(begun, scanned=scanned)),
        )
        return Summed(plan, balance, way.choice, resumed or self.checkpoint.refused)

    def _begun(self, way: Way) -> Left:
        plan, source, target = way.plan, self.asked.source.database, self.asked.target.database
        parts = self._parts(way)
        marks = ("", "")
        if len(parts) > 1:  # else there is nothing to go on from
            marks = both(
                self.asked.stop, lambda: source.mark(plan.source.table), lambda: target.mark(plan.target.table)
            )
        return Left(self.checkpoint.now(), way.choice.strategy, plan.source.chunking, *marks, parts)

    def _parts(self, way: Way) -> tuple[Part, ...]:
        """Cut at the same keys where both sides lie in their order, else each side by itself."""
        plan, source, target = way.plan, self.asked.source.database, self.asked.target.database
        is_large = self.rows >= page_ranges.LEAST_ROWS
        by_place = page_ranges.by_place(plan, way.source, way.target, self.asked.stop) if is_large else None
        cuts = by_place.cuts(self.rows) if by_place else NO_CUTS
        if cuts.source:
            return divided_by(cuts, self.rows)
        rows = rows_a_part(self.rows)
        ours, theirs = both(
            self.asked.stop,
            lambda: source.segments(plan.source, rows),
            lambda: target.segments(plan.target, rows),
        )
        return divided(ours, theirs)

    def _refuse(self, reason: str) -> None:
        self.checkpoint.refused = f"what an interrupted run had read is not used: {reason}"


def _written(database: Database, mark: str, scan: TableRead, read: Sequence[Segment | None]) -> frozenset[int] | None:
    """`Database.chunks_written_since` of all segments that were read."""
    found: set[int] = set()
    for segment in filter(None, read):
        chunks = database.chunks_written_since(mark, scan, segment)
        if chunks is None:
            return None
        found |= chunks
    return frozenset(found)
