"""One row of a table, by its key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cdcproof.databases.base import TableName
from cdcproof.pipeline import Value

Values = tuple[Any, ...]
"""A row's values, in the order of the columns asked for, as the driver gives them."""
Holds = Callable[[Values], bool]
"""Whether a row is ours."""


@dataclass(frozen=True)
class SingleRow:
    """The row of `table` with this key, and the columns by which it is known."""

    table: TableName
    key: Mapping[str, Value]
    columns: tuple[str, ...]
