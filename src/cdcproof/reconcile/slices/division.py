"""Into which slices a table is divided: ranges of its key that begin and end with a chunk, so that each chunk is read once. Pure."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from cdcproof.databases.table_read import Slice
from cdcproof.reconcile.plan.plan import Plan

WHOLE_TABLE = Slice(None, None)
MOST_SLICES = 50_000


def divided(low: int, high: int, number: int, *, width: int = 1, whole: Slice = WHOLE_TABLE) -> tuple[Slice, ...]:
    """At most so many slices for keys from `low` to `high`, which begin with chunks of this width.

    The bounds of `whole`, which is divided, stay: those of a table have none, so that no key is left out.
    """
    if high < low:
        return (whole,)
    first, last = _chunk(low, width), _chunk(high, width)
    step = -(-(last - first + 1) // max(1, min(number, MOST_SLICES)))
    cuts = [_least(chunk, width) for chunk in range(first + step, last + 1, step)]
    return tuple(Slice(begin, end) for begin, end in pairwise([whole.low, *cuts, whole.high]))


def holds(one: Slice, key: int) -> bool:
    """Whether rows with this value of the key are in it."""
    return (one.low is None or key >= one.low) and (one.high is None or key < one.high)


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
