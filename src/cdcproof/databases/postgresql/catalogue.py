"""What PostgreSQL's catalogue says of tables and columns, and what is counted in a table."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from psycopg import sql

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.column_data import columns_found
from cdcproof.databases.contracts.condition import Unsteady
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.postgresql.conditions import Conditions
from cdcproof.databases.postgresql.queries import catalogue, statements
from cdcproof.databases.postgresql.queries.statements import condition, table_name
from cdcproof.databases.postgresql.session import Session


class Catalogue:
    """Implements `contracts.catalogue.Catalogue`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._storages: dict[TableName, catalogue.Storage] = {}

    def table_identity(self, table: TableName) -> str:
        """Its oid, its file's number, and how many columns it ever had."""
        rows = self._session.query(catalogue.TABLE_IDENTITY, (table.schema, table.table))
        if not rows:
            raise self._session.no_such_table(table)
        return str(rows[0][0])

    def tables(self, schema: str) -> frozenset[TableName]:
        """Tables of a schema: partitioned ones, and their partitions as well."""
        return frozenset(TableName(*row) for row in self._session.query(catalogue.TABLES, (schema,)))

    def emptied_by_a_crash(self, tables: Collection[TableName]) -> dict[TableName, tuple[TableName, ...]]:
        """Those that are UNLOGGED, or have such a partition."""
        found: dict[TableName, tuple[TableName, ...]] = {}
        for schema, table, *part in self._session.query(catalogue.UNLOGGED, ([str(table) for table in tables],)):
            named = TableName(schema, table)
            found[named] = (*found.get(named, ()), TableName(*part))
        return found

    def columns(self, table: TableName) -> tuple[Column, ...]:
        """Columns in order. `scale` is a numeric's, or a time's digits after the second. Raises where a table has none."""
        columns = tuple(Column(*row) for row in self._session.query(catalogue.COLUMNS, (table.schema, table.table)))
        if not columns:
            self.storage(table)  # raises where there is no table
            raise UnexpectedAnswerError(
                f"{self._session.place}: {table} has no columns.",
                "Drop it, or leave it out of the tables that are compared.",
            )
        return columns

    def primary_key(self, table: TableName) -> tuple[str, ...]:
        """Key columns in key order, empty when there is no primary key."""
        return tuple(row[0] for row in self._session.query(catalogue.PRIMARY_KEY, (table.schema, table.table)))

    def row_policies(self, table: TableName) -> tuple[str, ...]:  # noqa: ARG002  of the contract
        """None: the session's ``row_security = off`` makes it an error where rows would be hidden."""
        return ()

    def unsteady(self, table: TableName, predicate: str) -> tuple[Unsteady, ...]:
        """By the tree that the server makes of the condition."""
        return Conditions(self._session).unsteady(table, predicate)

    def unsteady_view(self, table: TableName) -> tuple[Unsteady, ...]:
        """By the tree that the server keeps of a view's definition."""
        return Conditions(self._session).unsteady_view(table)

    def count_rows(self, table: TableName, predicate: str = "") -> int:
        """Exact number of rows, of those that the condition holds for when there is one."""
        statement = sql.SQL("SELECT count(*) FROM {}").format(table_name(table))
        if predicate:
            statement += sql.SQL(" WHERE {}").format(condition(predicate))
        with self._session.our_errors(table):
            return int(self._session.driver.execute(statement).fetchall()[0][0])

    def columns_with_data(self, table: TableName, columns: Sequence[str], predicate: str = "") -> frozenset[str]:
        """Those of the columns in which a row is not NULL; a composite value all of whose fields are NULL is not NULL."""
        with self._session.our_errors(table):
            return columns_found(
                columns,
                lambda some: self._session.driver.execute(statements.data_in(table, some, predicate)).fetchone(),
            )

    def estimated_rows(self, table: TableName) -> int:
        """What the planner expects: from the statistics, and from the size where there are none."""
        statement = sql.SQL("EXPLAIN (FORMAT JSON) SELECT FROM {}").format(table_name(table))
        with self._session.our_errors(table):
            return int(self._session.driver.execute(statement).fetchall()[0][0][0]["Plan"]["Plan Rows"])

    def value_range(self, table: TableName, column: Column) -> tuple[int, int] | None:
        """Least and greatest value of an integer column; None for an empty table."""
        statement = sql.SQL("SELECT min({0}), max({0}) FROM {1}").format(sql.Identifier(column.name), table_name(table))
        with self._session.our_errors(table):
            [(least, greatest)] = self._session.driver.execute(statement).fetchall()
        return None if least is None else (least, greatest)

    def latest(self, table: TableName, column: str) -> str | None:
        """The greatest value of a column, None for an empty table."""
        statement = sql.SQL("SELECT max({})::text FROM {}").format(sql.Identifier(column), table_name(table))
        with self._session.our_errors(table):
            [(value,)] = self._session.driver.execute(statement).fetchall()
        return None if value is None else str(value)

    def storage(self, table: TableName) -> catalogue.Storage:
        """As it was when the session first asked: every reading of a few keys wants to know."""
        if table not in self._storages:
            [row] = self._session.query(catalogue.STORAGE, (table.schema, table.table))
            storage = catalogue.Storage(*row)
            if not storage.number:
                raise self._session.no_such_table(table)
            self._storages[table] = storage
        return self._storages[table]
