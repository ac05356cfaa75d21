"""The beginning of a table that is read slice by slice: into which slices, and of which two tables."""

from __future__ import annotations

from cdcproof.databases.contracts.database import Database
from cdcproof.databases.table_read import Segment, Slice
from cdcproof.reconcile.checksums.checkpoint import ResumePoint
from cdcproof.reconcile.checksums.parts import Part
from cdcproof.reconcile.checksums.strategy import Way
from cdcproof.reconcile.concurrency import Stop, both
from cdcproof.reconcile.plan.plan import Plan
from cdcproof.reconcile.slices.division import WHOLE_TABLE, divided


def begun_by_key(way: Way, source: Database, target: Database, *, number: int, began: str) -> ResumePoint:
    """Nothing read yet, in at most so many slices."""
    plan = way.plan
    slices: tuple[Slice, ...] = (WHOLE_TABLE,)
    if plan.range_column and plan.source.chunking.width:
        ours, theirs = plan.range_column
        ranges = both(
            Stop(),
            lambda: source.catalogue.value_range(plan.source.table, ours),
            lambda: target.catalogue.value_range(plan.target.table, theirs),
        )
        known = [one for one in ranges if one]
        if known:  # finding the rows of a bucket would take a scan of the table: those are one slice
            low, high = min(low for low, _ in known), max(high for _, high in known)
            slices = divided(low, high, number, width=plan.source.chunking.width)
    parts = tuple(Part(Segment(*one), Segment(*one)) for one in slices)
    marks = identities(plan, source, target)
    return ResumePoint(began, way.choice.strategy, plan.source.chunking, *marks, parts, by_key=True)


def identities(plan: Plan, source: Database, target: Database) -> tuple[str, str]:
    """Which tables both are: neither made anew nor rewritten since they had these."""
    return source.catalogue.table_identity(plan.source.table), target.catalogue.table_identity(plan.target.table)
