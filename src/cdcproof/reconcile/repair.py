"""What would make the target equal again: the differing keys of a report, looked at anew, as repairs of single rows."""

from __future__ import annotations

from dataclasses import dataclass

from cdcproof.databases.postgresql.sessions.repair import Repair
from cdcproof.databases.table_read import TableRead
from cdcproof.reconcile.comparison import Comparison
from cdcproof.reconcile.contents import canonical_keys, look_again
from cdcproof.reconcile.differences import Difference, Key
from cdcproof.reconcile.in_flight.settle import Settled
from cdcproof.reconcile.plan.plan import Plan
from cdcproof.reconcile.plan.planning import planned
from cdcproof.reconcile.report.result import TableResult


@dataclass(frozen=True)
class Repairs:
    """A table's differences as they are now. `by_hand` says of those that no single statement repairs why.

    `moving` keys changed at the source every time they were looked at.
    """

    plan: Plan
    rows: tuple[Repair, ...]
    by_hand: tuple[str, ...]
    moving: int

    @property
    def keys(self) -> list[Key]:
        """The keys of the rows to be repaired."""
        return [repair.key for repair in self.rows]

    @property
    def scan(self) -> TableRead:
        """The target's side."""
        return self.plan.target


def find(comparison: Comparison, result: TableResult) -> Repairs:
    """Look at the keys that a report names again, behind the fence. Raises `CouldNotLookError`."""
    plan, _ = planned(comparison.table, comparison.source, comparison.target, comparison.stop)
    if plan.multiset:
        return Repairs(plan, (), ("it has no key that identifies a row",) if result.differences else (), 0)
    names = [read.column.name for read in plan.source.key]
    keys = [tuple(one.key.get(name) for name in names) for one in result.differences]
    settled = (
        look_again(comparison, plan, canonical_keys(comparison.source, plan, keys)) if keys else Settled((), 0, ())
    )
    by_hand = [_several(plan, one) for one in settled.confirmed if max(len(one.source), len(one.target)) > 1]
    alone = [one for one in settled.confirmed if max(len(one.source), len(one.target)) == 1]
    return Repairs(plan, tuple(_repair(plan, one) for one in alone), tuple(by_hand), settled.moving)


def _repair(plan: Plan, difference: Difference) -> Repair:
    source, target = (rows[0] if rows else None for rows in (difference.source, difference.target))
    return Repair(difference.key, source, target, plan.unread_at_target)


def _several(plan: Plan, difference: Difference) -> str:
    return (
        f"a key stands for {len(difference.source)} rows at the source and {len(difference.target)} at the target: "
        f"{', '.join(plan.names[: plan.source.key_width])} is not unique there"
    )
