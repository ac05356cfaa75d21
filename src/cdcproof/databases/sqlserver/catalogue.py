"""What SQL Server's catalogue says of tables and columns, and what is counted in a table."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from typing import Any

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.column_data import columns_found
from cdcproof.databases.contracts.condition import Unsteady
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.sqlserver.conditions import Conditions
from cdcproof.databases.sqlserver.queries import catalogue, column_sql
from cdcproof.databases.sqlserver.session import Session
from cdcproof.databases.table_read import ColumnRead

_CHARACTERS_OF_TWO_BYTES = ("nchar", "nvarchar", "sysname")
_LIMITED_BYTES = ("char", "varchar", "binary", "varbinary")
UNSEEN_POLICIES = "any security policy (not shown without VIEW DEFINITION)"
WITHHELD = {
    "masked": "masked for this account, which has no UNMASK",
    "encrypted": "Always Encrypted: the server itself cannot read it",
}


class Catalogue:
    """Implements `contracts.catalogue.Catalogue`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def table_identity(self, table: TableName) -> str:
        """Its number, when it was made, and the greatest number that a column of it ever had."""
        rows = self._session.query(catalogue.TABLE_IDENTITY, table.schema, table.table)
        if not rows:
            raise self._session.errors.no_such_table(table)
        return str(rows[0][0])

    def tables(self, schema: str) -> frozenset[TableName]:
        """User tables of a schema."""
        return frozenset(TableName(*row) for row in self._session.query(catalogue.TABLES, schema))

    def emptied_by_a_crash(self, tables: Collection[TableName]) -> dict[TableName, tuple[TableName, ...]]:  # noqa: ARG002  of the contract
        """None is looked for: only memory-optimized tables can be so, which no sink makes."""
        return {}

    def columns(self, table: TableName) -> tuple[Column, ...]:
        """Columns in order; a column the account may not see is not among them."""
        columns = tuple(_column(row) for row in self._session.query(catalogue.COLUMNS, table.schema, table.table))
        if not columns:
            raise self._session.errors.no_such_table(table)
        return columns

    def primary_key(self, table: TableName) -> tuple[str, ...]:
        """Key columns in key order, empty when there is no primary key."""
        return tuple(row[0] for row in self._session.query(catalogue.PRIMARY_KEY, table.schema, table.table))

    def row_policies(self, table: TableName) -> tuple[str, ...]:
        """Security policies that are on and filter the table. Whether they let this account see every row is not known.

        An account without VIEW DEFINITION is shown none: then `UNSEEN_POLICIES` stands for those that there may be.
        """
        seen = tuple(row[0] for row in self._session.query(catalogue.ROW_POLICIES, table.schema, table.table))
        return seen if self.may_view_definition else (*seen, UNSEEN_POLICIES)

    @cached_property
    def may_view_definition(self) -> bool:
        """Whether the account is shown security policies."""
        return bool(self._session.query(catalogue.MAY_VIEW_DEFINITION)[0][0] == 1)

    def unsteady(self, table: TableName, predicate: str) -> tuple[Unsteady, ...]:  # noqa: ARG002  of the contract
        """By the text of the condition."""
        return Conditions(self._session).unsteady(predicate)

    def unsteady_view(self, table: TableName) -> tuple[Unsteady, ...]:
        """By the text of a view's definition: the server calls every view without SCHEMABINDING not deterministic."""
        return Conditions(self._session).unsteady_view(table)

    def count_rows(self, table: TableName, predicate: str = "") -> int:
        """Exact number of rows, of those that the condition holds for when there is one."""
        with self._session.our_errors(table):
            return int(self._session.driver.execute(catalogue.count_statement(table, predicate)).fetchval())

    def columns_with_data(self, table: TableName, columns: Sequence[str], predicate: str = "") -> frozenset[str]:
        """Those of the columns in which a row is not NULL: what is masked or encrypted shows that too."""
        with self._session.our_errors(table):
            return columns_found(
                columns,
                lambda some: self._session.driver.execute(
                    catalogue.data_in_statement(table, some, predicate)
                ).fetchone(),
            )

    def estimated_rows(self, table: TableName) -> int:
        """What the catalogue counts in the table's partitions; 0 for a table it does not show."""
        return int(self._session.query(catalogue.ESTIMATED_ROWS, table.schema, table.table)[0][0] or 0)

    def value_range(self, table: TableName, column: Column) -> tuple[int, int] | None:
        """Least and greatest value of an integer column; None for an empty table."""
        with self._session.our_errors(table):
            low, high = self._session.driver.execute(catalogue.range_statement(table, column)).fetchone()
        return None if low is None else (int(low), int(high))

    def latest(self, table: TableName, column: str) -> str | None:
        """The greatest value of a column, None for an empty table. Of a rowversion: 0x and its digits."""
        rising = (one for one in self.columns(table) if one.type in catalogue.RISING and not one.withheld)
        found = next((one for one in rising if one.name == column), None)
        if found is None:
            raise UnexpectedAnswerError(
                f"{self._session.place}: {table} has no column {column} that this account reads as it is, of a type that can rise with every change.",
                "Name a rowversion, a date and time or a number as the table's update_column in the pipeline file.",
            )
        with self._session.our_errors(table):
            value = self._session.driver.execute(catalogue.latest_statement(table, found)).fetchval()
        return None if value is None else str(value)

    @cached_property
    def has_utf8(self) -> bool:
        """Whether the server has collations in UTF-8: SQL Server 2019 and newer."""
        return self._session.query(catalogue.HAS_UTF8)[0][0] is not None

    def demand_utf8(self, columns: Iterable[ColumnRead]) -> None:
        """Raise `UnexpectedAnswerError` where a column must be hashed in UTF-8, and the server has no such collation."""
        names = [field.column.name for field in columns if column_sql.needs_utf8(field)]
        if names and not self.has_utf8:
            raise UnexpectedAnswerError(
                f"{self._session.place} has no collation in UTF-8 (SQL Server 2019 has them) and cannot hash text: {', '.join(names)}.",
                "Let the table be streamed, which hashes short text here; exclude long text, and text in a key, in the pipeline file.",
            )


def _column(row: tuple[Any, ...]) -> Column:
    """A row of `catalogue.COLUMNS`; the catalogue has 0 for what a type does not have, and -1 bytes for (max)."""
    name, type_name, nullable, scale, precision, computed, size, withheld = row
    length = None
    if type_name in (*_CHARACTERS_OF_TWO_BYTES, *_LIMITED_BYTES) and size > 0:
        length = size // 2 if type_name in _CHARACTERS_OF_TWO_BYTES else size
    reason = WITHHELD.get(withheld, "")
    return Column(name, type_name, bool(nullable), scale, precision or None, bool(computed), length, reason)
