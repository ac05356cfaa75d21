"""Between the phases of a push-down: chunks that differ are summed up once more, by smaller ones, so that fewer rows are fetched.

A row that was lost differs in both sums; one that was in flight at the first may be equal at the second, and is not fetched.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

from cdcproof.databases.contracts.database import Database
from cdcproof.databases.table_read import Chunking
from cdcproof.reconcile.checksums.balance import Balance, Extent
from cdcproof.reconcile.concurrency import Stop, both_scans
from cdcproof.reconcile.plan.chunking import MOST_CHUNKS, rechunked
from cdcproof.reconcile.plan.plan import Plan

_FEW_ROWS = 2_000
"""So many are fetched as soon as summed up."""


def narrowed(plan: Plan, balance: Balance, source: Database, target: Database, stop: Stop) -> tuple[Plan, Balance]:
    """The plan with smaller chunks, and which of these differ; both as they were where that spares too few rows."""
    extent, width = balance.extent(), plan.source.chunking.width
    smaller = max(1, width // _parts(extent))
    if smaller >= width:  # buckets have none: to find their rows takes a scan of the table
        return plan, balance
    return summed_again(plan, extent.chunks, smaller, (source, target), stop)


def summed_again(
    plan: Plan, chunks: Sequence[int], width: int, sides: tuple[Database, Database], stop: Stop
) -> tuple[Plan, Balance]:
    """The plan with chunks of this smaller width, and which of these differ within the chunks."""
    source, target = sides
    at_source, at_target = both_scans(
        stop,
        lambda: list(stop.until_set(source.checksums.sums_of_chunks(plan.source, chunks, width))),
        lambda: list(stop.until_set(target.checksums.sums_of_chunks(plan.target, chunks, width))),
    )
    left = Balance()
    left.add_source(at_source)
    left.add_target(at_target)
    return rechunked(plan, Chunking(width=width)), left


def _parts(extent: Extent) -> int:
    """Into how many each chunk is divided: as many as it has rows in each then, where little else is known of them."""
    if extent.rows - extent.lacking <= _FEW_ROWS:
        return 1
    number = len(extent.chunks)
    return max(1, min(isqrt(extent.rows // number), MOST_CHUNKS // number))
