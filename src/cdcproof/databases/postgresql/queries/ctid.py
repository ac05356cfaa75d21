"""Where rows lie in a PostgreSQL heap: a page, and an item of it (`ctid`), as one number that rises as they do. Nothing is asked here.

The tid type: PostgreSQL's documentation, "System Columns"; its items are counted in 16 bits (itemptr.h).
"""

from __future__ import annotations

_ITEM_BITS = 16


def page(number: int) -> int:
    """The place where a page begins."""
    return number << _ITEM_BITS


def tid(at: int) -> str:
    """A place as the server reads it."""
    return f"({at >> _ITEM_BITS},{at & (1 << _ITEM_BITS) - 1})"
