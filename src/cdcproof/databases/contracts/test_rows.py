"""One row of a table, by its key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

from cdcproof.databases.names import Column, TableName
from cdcproof.pipeline.model import Value

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


class Rows(Protocol):
    """A session that finds single rows. Errors as `databases.contracts.database.Database`."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def columns(self, table: TableName) -> tuple[Column, ...]:
        """Columns in order, as `databases.contracts.database.Database`."""
        ...

    def find(self, row: SingleRow) -> tuple[Values, ...]:
        """The values of every row with this key, as they are now."""
        ...


class Writer(Rows, Protocol):
    """A session that may write; every call is a transaction of its own."""

    def insert(self, row: SingleRow, holds: Holds, values: Mapping[str, Value]) -> bool:
        """Insert the row, if it can be known again; whether it was so. The other columns get their defaults."""
        ...

    def update(self, row: SingleRow, holds: Holds, changes: Mapping[str, Value]) -> bool:
        """Change the row, if there is just one, it holds, and can be known again; whether it was so."""
        ...

    def delete(self, row: SingleRow, holds: Holds) -> bool:
        """Delete the row, if there is just one and it holds; whether it was so."""
        ...
