"""Opening both sides of a table the way that suits it: asked for, measured on a sample, or the only one that is possible."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdcproof.databases.duckdb.engine import NoStreamError
from cdcproof.databases.duckdb.stream import Columnar, ColumnarSide
from cdcproof.databases.table_read import TableRead
from cdcproof.reconcile.checksums import strategy
from cdcproof.reconcile.checksums.strategy import Choice, Room, Strategy, Ways
from cdcproof.reconcile.checksums.sums import Summing
from cdcproof.reconcile.concurrency import both
from cdcproof.reconcile.plan.plan import Plan, pushed_down

if TYPE_CHECKING:
    from cdcproof.reconcile.contents import Comparison, Side


@dataclass(frozen=True)
class Way:
    """A choice, and both sides as it reads them: what of the plan can be read so."""

    choice: Choice
    plan: Plan
    source: Summing
    target: Summing


def push_down(asked: Comparison, plan: Plan, reason: str) -> Way:
    """The doors themselves: nothing has to be opened."""
    return Way(Choice(Strategy.PUSH_DOWN, reason), pushed_down(plan), asked.source.database, asked.target.database)


def chosen(asked: Comparison, plan: Plan, rows: int, pinned: Choice | None, stack: ExitStack) -> Way:
    """Open the sides, on `stack`. Raises `NoStreamError` when a stream is pinned and this machine has none."""
    columnar = asked.means.columnar
    if pinned and pinned.strategy is Strategy.PUSH_DOWN:
        return push_down(asked, plan, pinned.reason)
    if columnar is None:
        return push_down(asked, plan, "")
    least = strategy.LEAST_ROWS[plan.source.row_hash]
    if pinned is None and rows < least and not plan.unhashed:
        return push_down(asked, plan, f"fewer than {least:,} rows are read sooner than measured")
    try:
        source, target = (stack.enter_context(columnar.side(side.database)) for side in (asked.source, asked.target))
    except NoStreamError as error:
        if pinned:
            raise
        return push_down(asked, plan, error.message.rstrip("."))
    wrong = _not_streamed(asked, plan, columnar, source, target)
    not_streamed = Choice(Strategy.PUSH_DOWN, wrong) if wrong else None
    choice = not_streamed or pinned or _only(plan) or _measured(asked, plan, rows, source, target)
    if choice.strategy is Strategy.PUSH_DOWN:
        return push_down(asked, plan, choice.reason)
    return Way(choice, plan, source, target)


def _only(plan: Plan) -> Choice | None:
    """The stream, where there is what cannot be pushed down."""
    reasons = [f"{name} ({reason})" for name, reason in plan.unhashed.items()]
    return Choice(Strategy.STREAM, f"the only way to compare {', '.join(reasons)}") if reasons else None


def _not_streamed(asked: Comparison, plan: Plan, columnar: Columnar, source: ColumnarSide, target: ColumnarSide) -> str:
    """Why a column cannot be streamed, by calibration; empty when all can."""
    ours, theirs = asked.source.calibration, asked.target.calibration
    both(
        asked.stop,
        lambda: ours.look_at_stream(source, columnar, plan.source.columns),
        lambda: theirs.look_at_stream(target, columnar, plan.target.columns),
    )
    reasons = [*map(ours.stream_reason, plan.source.columns), *map(theirs.stream_reason, plan.target.columns)]
    return next(filter(None, reasons), "")


def _measured(asked: Comparison, plan: Plan, rows: int, source: Summing, target: Summing) -> Choice:
    asked.tell("trying both ways", 0, 0)

    def ways(side: Side, stream: Summing, scan: TableRead) -> Ways:
        return Ways(stream, side.database, side.database.segments(scan, strategy.sample_rows(rows)))

    sides = ways(asked.source, source, plan.source), ways(asked.target, target, plan.target)
    speeds = strategy.measured(plan, *sides, rows, asked.stop)
    if speeds is None:
        return Choice(
            Strategy.STREAM, "a side that cannot be divided has no sample; this way asks the least of the source"
        )
    return strategy.judged(speeds, rows, Room(strategy.processors(), asked.means.tables))
