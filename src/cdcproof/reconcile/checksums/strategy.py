"""The strategy by which a table is summed up: the stream hashes its rows here, push-down has the servers hash them.

Both are exact, and a rule chooses. Two PostgreSQL servers hash rows by functions of their own in a third of the time that
sending the rows takes. Every other pair of servers has to compute MD5, which costs as much as sending the rows: they are
streamed, which asks the least of the source. `--strategy` leaves no choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from cdcproof.databases.contracts.database import Database
from cdcproof.databases.duckdb.engine import NoStreamError
from cdcproof.databases.duckdb.stream import Columnar, ColumnarSide
from cdcproof.databases.table_read import RowHash, Slice
from cdcproof.reconcile.checksums.parts import Sessions
from cdcproof.reconcile.checksums.sums import PushDown, Summing
from cdcproof.reconcile.checksums.throttle import Throttle
from cdcproof.reconcile.comparison import Progress, Side
from cdcproof.reconcile.concurrency import Stop, both
from cdcproof.reconcile.plan.plan import Plan, pushed_down
from cdcproof.reconcile.slices.store import SliceSums

LEAST_ROWS = 200_000
"""The servers have hashed a smaller table before a stream begins."""


class Strategy(StrEnum):
    """How both sides of a table are summed up."""

    STREAM = "stream"
    PUSH_DOWN = "push-down"


@dataclass(frozen=True)
class Choice:
    """A strategy and why, as a sentence without its end."""

    strategy: Strategy
    reason: str


@dataclass(frozen=True)
class SlicedTable:
    """A table whose slices are read by others. Both databases are open here; `pending` are the numbers of the slices to be read.

    `hold` is called before each slice but the first, and may take its time; `take` receives each result, once.
    """

    plan: Plan
    strategy: Strategy
    source: Database
    target: Database
    slices: tuple[Slice, ...]
    pending: Sequence[int]
    stop: Stop
    hold: Callable[[], None]
    take: Callable[[int, SliceSums], None]


class Sliced(Protocol):
    """Who reads the slices of tables, in place of the sessions that are open here."""

    @property
    def rows_a_slice(self) -> int:
        """About how many rows a slice has."""
        ...

    def sum_up(self, table: SlicedTable) -> None:
        """Read the slices that are pending. Raises as `parts.sum_up`."""
        ...


@dataclass(frozen=True)
class Means:
    """What a run has for reading a table, beside the two sides.

    Without `columnar` there is no stream; `pinned` leaves no choice. `sessions` are for the parts of large tables.
    With `slices` other machines read them. `progress` receives the progress.
    """

    columnar: Columnar | None = None
    pinned: Strategy | None = None
    sessions: Sessions | None = None
    slices: Sliced | None = None
    throttle: Throttle | None = None
    progress: Progress = lambda *_: None


@dataclass(frozen=True)
class Way:
    """A choice, both sides as it reads them, and the columns of the plan that it can read."""

    choice: Choice
    plan: Plan
    source: Summing
    target: Summing


def by_rule(plan: Plan, rows: int) -> Choice:
    """The strategy of a table of about so many rows, where nobody asked for one."""
    if plan.unhashed:
        reasons = [f"{name} ({reason})" for name, reason in plan.unhashed.items()]
        return Choice(Strategy.STREAM, f"the only way to compare {', '.join(reasons)}")
    if plan.source.row_hash is RowHash.NATIVE:
        return Choice(Strategy.PUSH_DOWN, "both servers hash their rows faster than they send them")
    if rows < LEAST_ROWS:
        return Choice(Strategy.PUSH_DOWN, f"fewer than {LEAST_ROWS:,} rows are hashed before a stream begins")
    return Choice(Strategy.STREAM, "rows that are hashed here ask the least of the source")


def push_down(plan: Plan, source: Side, target: Side, reason: str) -> Way:
    """By the sessions that are open: nothing has to be opened."""
    return Way(
        Choice(Strategy.PUSH_DOWN, reason), pushed_down(plan), PushDown(source.database), PushDown(target.database)
    )


def chosen(
    plan: Plan,
    source: Side,
    target: Side,
    columnar: Columnar | None,
    stop: Stop,
    *,
    rows: int,
    pinned: Choice | None,
    stack: ExitStack,
) -> Way:
    """Choose the strategy of a table of about so many `rows`, and open the sides, on `stack`.

    A table that cannot be streamed is pushed down. Raises `NoStreamError` when a stream is pinned and this machine has none.
    """
    choice = pinned or (by_rule(plan, rows) if columnar else None)
    if choice and choice.strategy is Strategy.PUSH_DOWN:
        return push_down(plan, source, target, choice.reason)
    if choice is None or columnar is None:
        return push_down(plan, source, target, "")
    try:
        ours, theirs = (stack.enter_context(columnar.side(side.database)) for side in (source, target))
    except NoStreamError as error:
        if pinned:
            raise
        return push_down(plan, source, target, error.message.rstrip("."))
    wrong = _not_streamed(plan, columnar, (source, ours), (target, theirs), stop)
    return push_down(plan, source, target, wrong) if wrong else Way(choice, plan, ours, theirs)


_Streamed = tuple[Side, ColumnarSide]


def _not_streamed(plan: Plan, columnar: Columnar, source: _Streamed, target: _Streamed, stop: Stop) -> str:
    """Why a column cannot be streamed, by calibration; empty when all can."""
    ours, theirs = source[0].calibration, target[0].calibration
    both(
        stop,
        lambda: ours.look_at_stream(source[1], columnar, plan.source.columns),
        lambda: theirs.look_at_stream(target[1], columnar, plan.target.columns),
    )
    reasons = [*map(ours.stream_reason, plan.source.columns), *map(theirs.stream_reason, plan.target.columns)]
    return next(filter(None, reasons), "")
