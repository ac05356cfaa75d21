"""One row of a table, by its key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cdcproof.databases.base import TableName
from cdcproof.pipeline import Value

Values = tuple[Any, ...]
"""A row's values, in the order of the columns asked for, as the driver gives them."""
Holds = Callable[[Values], bool]
"""Whether a row is ours."""


@dataclass(frozen=True)
class SingleRow:
    """The row of `table` with this key, and the columns by which it is known.

    `condition` is SQL of the table's database, and `find` finds only rows for which it holds. Writes go by the key alone.
    """

    table: TableName
    key: Mapping[str, Value]
    columns: tuple[str, ...]
    condition: str = ""

    def whatever_holds(self) -> SingleRow:
        """The same row without the condition."""
        return replace(self, condition="")
