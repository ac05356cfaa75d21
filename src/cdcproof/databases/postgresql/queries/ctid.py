"""Where rows lie in a PostgreSQL heap: a page, and an item of it (`ctid`), as one number that rises as they do. Nothing is asked here.

The tid type: PostgreSQL's documentation, "System Columns"; its items are counted in 16 bits (itemptr.h).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cdcproof.databases.table_read import Segment

_ITEM_BITS = 16
_BEYOND = (2**32 - 1) << _ITEM_BITS  # no page has this number


def page(number: int) -> int:
    """The place where a page begins."""
    return number << _ITEM_BITS


def place(told: str) -> int:
    """Of a tid as the server writes it, ``(page,item)``."""
    number, _, item = told.strip("()").partition(",")
    return page(int(number)) + int(item)


def tid(at: int) -> str:
    """A place as the server reads it."""
    return f"({at >> _ITEM_BITS},{at & (1 << _ITEM_BITS) - 1})"


def bounds(segments: Sequence[Segment]) -> tuple[str, str]:
    """Where segments begin and where they end, as two arrays of tids that the server reads."""
    low = _array(segment.low or 0 for segment in segments)
    return low, _array(_BEYOND if segment.high is None else segment.high for segment in segments)


def _array(places: Iterable[int]) -> str:
    """As `key_sql.integers`."""
    return "{" + ",".join(f'"{tid(at)}"' for at in places) + "}"
