"""Comparing how many rows a table has: one `count(*)` on each side, and what a difference is worth while rows come and go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cdcproof.reconcile.comparison import Comparison
from cdcproof.reconcile.concurrency import both
from cdcproof.reconcile.in_flight.fence import Crossing, Fence, SeenAtTarget, weakest
from cdcproof.reconcile.plan.filters import demand_steady
from cdcproof.reconcile.plan.plan import hidden_rows, may_lack_rows, policies_of
from cdcproof.reconcile.report.result import TableResult, TableStatus

MOST_CROSSINGS = 5
_UNKNOWN = (
    "The target's count was now above, now below the source's, each time after all changes had arrived: the table changes "
    "too fast to be counted.\nCompare its contents: --validate-checksums follows rows."
)
_STILL = 2


@dataclass(frozen=True)
class Counts:
    """Rows of both sides."""

    source: int
    target: int


@dataclass(frozen=True)
class SettledCounts:
    """What was counted last, or judged to have been equal. `same` is None where counts decide nothing."""

    counts: Counts
    same: bool | None
    crossings: tuple[Crossing, ...] = ()


def settle_counts(
    first: Counts,
    count_source: Callable[[], int],
    count_target: Callable[[], int],
    fence: Fence,
    progress: Callable[[str], None],
) -> SettledCounts:
    """Count again behind a fence, the target before the source, up to `MOST_CROSSINGS` times.

    The target is then where the source was at some time between its two counts: a target's count between the two is
    taken as equal. The counts differ when they stay as they are across two fences, or the target's is below (or above)
    both of the source's every time. A count cannot follow rows: while the table changes all the time, a few rows lost can
    pass as equal.
    """
    if first.source == first.target:
        return SettledCounts(first, same=True)
    before = now = first
    crossings: list[Crossing] = []
    below: set[bool] = set()
    still = 0
    while len(crossings) < MOST_CROSSINGS:
        progress("the counts differ: in flight, or lost?")
        crossings.append(fence.cross(progress))
        before, target = now, count_target()
        now = Counts(count_source(), target)
        low, high = sorted((before.source, now.source))
        if low <= target <= high:
            return SettledCounts(Counts(target, target), same=True, crossings=tuple(crossings))
        below.add(target < low)
        still = still + 1 if now == before else 0
        if still == _STILL:
            break
    return SettledCounts(now, same=False if len(below) == 1 else None, crossings=tuple(crossings))


def compare_counts(comparison: Comparison) -> TableResult:
    """Count both sides at once, and again as `settle_counts` says when they differ."""
    table, source, target = comparison.table, comparison.source.database, comparison.target.database

    def count_source() -> int:
        return source.catalogue.count_rows(table.source, table.source_filter)

    def count_target() -> int:
        return target.catalogue.count_rows(table.target, table.target_filter)

    demand_steady(table, source, target, comparison.stop)
    comparison.progress("counting", 0, 0)
    first = Counts(*both(comparison.stop, count_source, count_target))
    fence = SeenAtTarget(comparison.fence, target.log)
    settled = settle_counts(first, count_source, count_target, fence, lambda what: comparison.progress(what, 0, 0))
    policies = source.catalogue.row_policies(table.source), target.catalogue.row_policies(table.target)
    same = TableStatus.INCOMPLETE if may_lack_rows(table, policies_of(*policies)) else TableStatus.MATCH
    return TableResult(
        table.name,
        {True: same, False: TableStatus.MISMATCH, None: TableStatus.ERROR}[settled.same],
        settled.counts.source,
        settled.counts.target,
        not_compared=hidden_rows(*policies),
        row_policies=policies_of(*policies),
        error=_UNKNOWN if settled.same is None else "",
        strategy="counts",
        method=weakest(settled.crossings),
        positions=tuple(crossing.position for crossing in settled.crossings if crossing.position),
    )
