"""The sums of one table: by which strategy, held back while the source is slow, and from where an interrupted run stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.duckdb.stream import TooWideError
from cdcproof.databases.table_read import Segment, TableRead
from cdcproof.reconcile.checksums.balance import Balance
from cdcproof.reconcile.checksums.checkpoint import Checkpoint, Kept, ResumePoint
from cdcproof.reconcile.checksums.parts import Part, demand_whole, divided, rows_a_part, sum_up
from cdcproof.reconcile.checksums.strategy import Choice, Means, SlicedTable, Way, chosen, push_down
from cdcproof.reconcile.comparison import Side
from cdcproof.reconcile.concurrency import Stop, both
from cdcproof.reconcile.plan.chunking import rechunked
from cdcproof.reconcile.plan.plan import Plan, described
from cdcproof.reconcile.report.result import SelfProof
from cdcproof.reconcile.slices.beginning import begun_by_key, identities
from cdcproof.reconcile.slices.reading import log_end
from cdcproof.reconcile.slices.store import Scanned, SliceSums

Prove = Callable[[Way, Sequence[Part]], SelfProof]
"""What plants mutants, by the way by which a table was read, in its parts."""


@dataclass(frozen=True)
class Summed:
    """Both sides of a table summed up: by which plan, and which way.

    `resumed` says what was made of what an interrupted run had read; empty when there was none.
    """

    plan: Plan
    balance: Balance
    choice: Choice
    resumed: str = ""
    proof: SelfProof | None = None


def summed(
    plan: Plan,
    source: Side,
    target: Side,
    means: Means,
    stop: Stop,
    *,
    rows: int,
    checkpoint: Kept | None = None,
    prove: Prove | None = None,
) -> Summed:
    """Sum up both sides of a table of about so many `rows`. Raises as `parts.sum_up`.

    `checkpoint` keeps how far it is; without one an interrupted run begins anew. `prove` is called while the sides are open.
    """
    table = _Table(plan, rows, source.database, target.database, means, stop, checkpoint or Checkpoint(), prove)
    left = table.left()
    pinned = Choice(means.pinned, "asked for") if means.pinned else None
    if left and not pinned:
        pinned = Choice(left.strategy, left.reason if left.read_by else "as the run that it goes on from")
    with ExitStack() as stack:
        way = chosen(plan, source, target, means.columnar, stop, rows=rows, pinned=pinned, stack=stack)
        try:
            return table.read(way, left if left and left.strategy is way.choice.strategy else None)
        except TooWideError as error:
            way = push_down(plan, source, target, error.message.rstrip("."))
    return table.read(way, None)


@dataclass(frozen=True)
class _Table:
    """A table to be read."""

    plan: Plan
    rows: int
    source: Database
    target: Database
    means: Means
    stop: Stop
    checkpoint: Kept
    prove: Prove | None = None

    def left(self) -> ResumePoint | None:
        """What an interrupted run left, if it can be built upon; the chunks that rows have come into since are in doubt."""
        left = self.checkpoint.left(described(self.plan))
        if left is None:
            return None
        if why := self._unusable(left):
            self.checkpoint.refuse(why)
            return None
        if left.by_key:
            return left
        plan = rechunked(self.plan, left.chunking)
        read = [left.parts[number] for number in sorted(left.scanned.done)]
        moved = both(
            self.stop,
            lambda: _written(self.source, left.source_mark, plan.source, [part.source for part in read]),
            lambda: _written(self.target, left.target_mark, plan.target, [part.target for part in read]),
        )
        for chunks in moved:
            if chunks is None:
                self.checkpoint.refuse("the table was rewritten since")
                return None
            left.scanned.balance.doubt(chunks)
        return left

    def _unusable(self, left: ResumePoint) -> str:
        """Why the way in which it was read does not go together with how this run reads; empty where it does."""
        if self.means.pinned not in (None, left.strategy):
            return f"it was read by {left.strategy}"
        if left.by_key != (self.means.slices is not None):
            return f"it was {'' if left.by_key else 'not '}read by the workers of an executor"
        if left.by_key and (left.source_mark, left.target_mark) != identities(self.plan, self.source, self.target):
            return "the table was rewritten since"
        end = log_end(self.source) if left.position else None
        if end is not None and end < left.position:
            return "the source's log ends before where it ended then: it was set back"
        return ""

    def read(self, way: Way, left: ResumePoint | None) -> Summed:
        """Sum up what is not in `left`."""
        means, stop, throttle = self.means, self.stop, self.means.throttle
        plan = rechunked(way.plan, left.chunking) if left else way.plan  # a table that grows would get others
        resumed = _resumed(left) if left else ""
        begun = left or self._begun(way)

        def progress(through: int) -> None:
            means.progress("reading", through, self.rows)

        def hold() -> None:
            if throttle:
                throttle.hold(stop, lambda what: means.progress(what, 0, 0))

        def keep(scanned: Scanned) -> None:
            self.checkpoint.keep(described(self.plan), replace(begun, scanned=scanned))

        if means.slices:
            demand_whole(begun.parts)
            pending = [number for number in range(len(begun.slices)) if number not in begun.scanned.done]

            def take(number: int, sums: SliceSums) -> None:
                begun.scanned.take(number, sums)
                keep(begun.scanned)
                progress(begun.scanned.balance.source_rows)

            means.slices.sum_up(
                SlicedTable(
                    *(plan, way.choice.strategy, self.source, self.target, begun.slices, pending), *(stop, hold, take)
                )
            )
            _demand_whole(begun)
            # workers run the same program: what this one proves holds for them, beside what each proves of its slice
            return self._summed(replace(way, plan=plan), begun.scanned.balance, resumed, (Part(),))
        balance = sum_up(
            plan,
            way.source,
            way.target,
            begun.parts,
            Stop(stop),  # what fails here may be tried another way
            progress=progress,
            scanned=begun.scanned,
            sessions=means.sessions,
            hold=hold,
            keep=keep,
        )
        _demand_whole(begun)
        return self._summed(replace(way, plan=plan), balance, resumed, begun.parts)

    def _summed(self, way: Way, balance: Balance, resumed: str, parts: Sequence[Part]) -> Summed:
        proof = self.prove(way, parts) if self.prove else None
        return Summed(way.plan, balance, way.choice, resumed or self.checkpoint.refused, proof)

    def _begun(self, way: Way) -> ResumePoint:
        if self.means.slices:
            number = -(-self.rows // self.means.slices.rows_a_slice)
            return begun_by_key(way, self.source, self.target, number=number, began=self.checkpoint.now())
        plan, parts = way.plan, self._parts(way.plan)
        marks = ("", "")
        if len(parts) > 1:  # else there is nothing to go on from
            marks = both(
                self.stop,
                lambda: self.source.checksums.mark(plan.source.table),
                lambda: self.target.checksums.mark(plan.target.table),
            )
        return ResumePoint(self.checkpoint.now(), way.choice.strategy, plan.source.chunking, *marks, parts)

    def _parts(self, plan: Plan) -> tuple[Part, ...]:
        rows = rows_a_part(self.rows)
        ours, theirs = both(
            self.stop,
            lambda: self.source.checksums.segments(plan.source, rows),
            lambda: self.target.checksums.segments(plan.target, rows),
        )
        return divided(ours, theirs)


def _demand_whole(read: ResumePoint) -> None:
    """Raise `UnexpectedAnswerError` where a part is not in the balance: its rows would pass for equal."""
    missing = len(read.parts) - len(read.scanned.done & set(range(len(read.parts))))
    if missing:
        raise UnexpectedAnswerError(
            f"{missing} of {len(read.parts)} parts were not read.", "Report it: this comparison cannot be trusted."
        )


def _resumed(left: ResumePoint) -> str:
    if left.read_by:
        return f"its slices were read by {left.read_by} from {left.began} on"
    return f"goes on from an interrupted run: parts of it were read from {left.began} on"


def _written(database: Database, mark: str, scan: TableRead, read: Sequence[Segment | None]) -> frozenset[int] | None:
    """`Checksums.chunks_written_since` of all segments that were read."""
    found: set[int] = set()
    for segment in filter(None, read):
        chunks = database.checksums.chunks_written_since(mark, scan, segment)
        if chunks is None:
            return None
        found |= chunks
    return frozenset(found)
