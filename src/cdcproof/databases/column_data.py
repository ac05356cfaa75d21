"""Which columns of a table hold data: looked for row by row, so that only a column that is empty costs a whole scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def columns_found(columns: Sequence[str], find: Callable[[Sequence[str]], Sequence[Any] | None]) -> frozenset[str]:
    """The columns in which a row holds data.

    `find` returns, for a row in which any of the columns given to it holds data, a flag for each of them, or None
    when there is no such row. One row usually answers for all columns. SQL Server masks the flag of a masked column
    as it masks the value, but not the condition: such a column is looked for alone.
    """
    left, found = list(columns), set[str]()
    while left and (flags := find(left)):
        filled = {column for column, flag in zip(left, flags, strict=True) if flag}
        if not filled:
            filled = {column for column in left if find([column])}
        found |= filled
        left = [column for column in left if column not in filled]
    return frozenset(found)
