"""Into which chunks a table is divided, by about how many rows it has. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cdcproof.databases.table_read import Chunking
from cdcproof.reconcile.plan.plan import Plan

ROWS_PER_CHUNK = 100
"""Of a small table, where a chunk that differs is fetched by value as it is."""
MOST_CHUNKS = 50_000
"""Sums of so many chunks are in memory at once, about 10 MB."""
_WIDEST = 1 << 62  # bigint holds it, and every bigint divided by it
_TOO_DENSE = 100  # times ROWS_PER_CHUNK rows a chunk of one value: a leading column of few values divides nothing

Range = tuple[int, int]
"""Least and greatest value."""


def chunked(plan: Plan, rows: int, ranges: Sequence[Range | None] = ()) -> Plan:
    """The plan with chunks of about `ROWS_PER_CHUNK` of about so many rows (0: not known), and never more than `MOST_CHUNKS`.

    `ranges` are the values of the plan's `range_column` at both sides, None for a side without rows.
    """
    chunking = Chunking(columns=plan.source.key_width, buckets=_number(rows) if rows else MOST_CHUNKS)
    if plan.range_column and ranges:
        known = [one for one in ranges if one]
        values = max(high for _, high in known) - min(low for low, _ in known) + 1 if known else 1
        if rows <= values * ROWS_PER_CHUNK * _TOO_DENSE:
            chunking = Chunking(width=min(_WIDEST, -(-values // _number(rows or values))))
    return rechunked(plan, chunking)


def rechunked(plan: Plan, chunking: Chunking) -> Plan:
    """The plan with these chunks."""
    return replace(plan, source=replace(plan.source, chunking=chunking), target=replace(plan.target, chunking=chunking))


def _number(rows: int) -> int:
    return min(MOST_CHUNKS, max(1, rows // ROWS_PER_CHUNK))
