"""What is known of a database's tables and columns, and counted in a table."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from cdcproof.databases.contracts.condition import Unsteady
from cdcproof.databases.names import Column, TableName


class Catalogue(Protocol):
    """Tables and columns. Errors as `contracts.database.Database`."""

    def table_identity(self, table: TableName) -> str:
        """A text that changes when the table is made anew, gets a column, or has all its rows written without a change being logged for each."""
        ...

    def tables(self, schema: str) -> frozenset[TableName]:
        """Base tables of a schema, and partitions: each may be replicated under its own name."""
        ...

    def emptied_by_a_crash(self, tables: Collection[TableName]) -> Mapping[TableName, tuple[TableName, ...]]:
        """Those of these tables that a crash of the server empties, because no log has their rows: itself, or its partitions of which that is so."""
        ...

    def columns(self, table: TableName) -> tuple[Column, ...]:
        """Columns in order. Raises `UnexpectedAnswerError` when the table does not exist."""
        ...

    def primary_key(self, table: TableName) -> tuple[str, ...]:
        """Key columns in key order, empty when there is no primary key."""
        ...

    def row_policies(self, table: TableName) -> tuple[str, ...]:
        """Policies, of those that the account may see, by which the database may hide rows from it without an error."""
        ...

    def unsteady(self, table: TableName, predicate: str) -> tuple[Unsteady, ...]:
        """Parts of a condition in the side's own SQL by which it may hold of a row at one look and not at the next. Not within a snapshot."""
        ...

    def unsteady_view(self, table: TableName) -> tuple[Unsteady, ...]:
        """Parts of a view's definition by which it may show a row at one look and not at the next; none of a table."""
        ...

    def count_rows(self, table: TableName, predicate: str = "") -> int:
        """Exact number of rows, of those that a condition in the side's own SQL holds for when there is one."""
        ...

    def columns_with_data(self, table: TableName, columns: Sequence[str], predicate: str = "") -> frozenset[str]:
        """Those of the columns in which at least one row, of those that the condition holds for, is not NULL."""
        ...

    def estimated_rows(self, table: TableName) -> int:
        """About how many rows, from the catalogue's statistics, at once; 0 when it does not know."""
        ...

    def value_range(self, table: TableName, column: Column) -> tuple[int, int] | None:
        """Least and greatest value of an integer column; None for an empty table."""
        ...

    def latest(self, table: TableName, column: str) -> str | None:
        """The greatest value of a column, as text that `Since` takes; None for an empty table."""
        ...


def tables_beside(catalogue: Catalogue, names: Iterable[TableName]) -> frozenset[TableName]:
    """The tables in the schemas of these names: those of them that are there, and others."""
    return frozenset(table for schema in {name.schema for name in names} for table in catalogue.tables(schema))
