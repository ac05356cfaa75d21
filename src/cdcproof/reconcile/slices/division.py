"""Into which slices a table is divided: ranges of its key that begin and end with a chunk, so that each chunk is read once. Pure."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from cdcproof.databases.table_read import Slice
from cdcproof.reconcile.plan.plan import Plan

WHOLE_TABLE = Slice(None, None)
MOST_SLICES = 50_000


def divided(plan: Plan, low: int, high: int, number: int) -> tuple[Slice, ...]:
    """At most so many slices for keys from `low` to `high`; the first and the last have no bound, so that none is left out.

    A table whose chunks are buckets of a hash is one slice: finding a bucket's rows takes a scan of the table.
    """
    width = plan.source.chunking.width
    if not width or high < low:
        return (WHOLE_TABLE,)
    first, last = _chunk(low, width), _chunk(high, width)
    step = -(-(last - first + 1) // max(1, min(number, MOST_SLICES)))
    cuts = [_least(chunk, width) for chunk in range(first + step, last + 1, step)]
    return tuple(Slice(begin, end) for begin, end in pairwise([None, *cuts, None]))


def within(plan: Plan, part: Slice) -> Plan:
    """The plan of this slice alone."""
    if part == WHOLE_TABLE:
        return plan
    return replace(plan, source=replace(plan.source, slice=part), target=replace(plan.target, slice=part))


def _chunk(value: int, width: int) -> int:
    return value // width if value >= 0 else -(-value // width)


def _least(chunk: int, width: int) -> int:
    """The least key of a chunk, as `Chunking` cuts them off towards zero."""
    return chunk * width if chunk > 0 else (chunk - 1) * width + 1
