"""Writing single rows to PostgreSQL: the contract is `contracts.test_rows.Writer`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import psycopg
from psycopg import sql

from cdcproof.databases.contracts.test_rows import Holds, SingleRow, Values
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.postgresql.catalogue import Catalogue
from cdcproof.databases.postgresql.queries.statements import condition
from cdcproof.databases.postgresql.session import Session
from cdcproof.pipeline.model import Value

_PRIVILEGES = "SELECT, INSERT, UPDATE, DELETE"


class PostgreSQLRows(Session):
    """A session that finds single rows. Implements `contracts.test_rows.Rows`."""

    def __enter__(self) -> Self:
        super().__enter__()
        self.driver.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        return self

    def columns(self, table: TableName) -> tuple[Column, ...]:
        """Columns in order."""
        return Catalogue(self).columns(table)

    def find(self, row: SingleRow) -> tuple[Values, ...]:
        """The values of every row with this key."""
        with self.our_errors(row.table):
            return tuple(self.driver.execute(_select(row), list(row.key.values())).fetchall())


class PostgreSQLWriter(PostgreSQLRows):
    """A session that may write. Implements `contracts.test_rows.Writer`."""

    def __enter__(self) -> Self:
        super().__enter__()
        with self.our_errors():
            self.driver.execute("SET default_transaction_read_only = off")
        return self

    def insert(self, row: SingleRow, holds: Holds, values: Mapping[str, Value]) -> bool:
        """Insert the row, if it can be known again."""
        placeholders = sql.SQL(", ").join(sql.Placeholder() * len(values))
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(_name(row.table), _names(values), placeholders)
        with self.our_errors(row.table), self.driver.transaction():
            self.driver.execute(statement, list(values.values()))
            if _is_one_that_holds(self.find(row.whatever_holds()), holds):
                return True
            raise psycopg.Rollback
        return False

    def update(self, row: SingleRow, holds: Holds, changes: Mapping[str, Value]) -> bool:
        """Change the one row that holds, if it can be known again."""
        changed = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(column)) for column in changes)
        statement = sql.SQL("UPDATE {} SET {} WHERE {}").format(_name(row.table), changed, _has(row.key))
        with self.our_errors(row.table), self.driver.transaction():
            found = self.driver.execute(
                _select(row.whatever_holds()) + sql.SQL(" FOR UPDATE"), list(row.key.values())
            ).fetchall()
            if _is_one_that_holds(found, holds):
                self.driver.execute(statement, [*changes.values(), *row.key.values()])
                if _is_one_that_holds(self.find(row.whatever_holds()), holds):
                    return True
            raise psycopg.Rollback
        return False

    def delete(self, row: SingleRow, holds: Holds) -> bool:
        """Delete the one row that holds. It is looked at as it goes: to lock it would take the right to update."""
        statement = sql.SQL("DELETE FROM {} WHERE {} RETURNING {}").format(
            _name(row.table), _has(row.key), _names(row.columns)
        )
        with self.our_errors(row.table), self.driver.transaction():
            if _is_one_that_holds(self.driver.execute(statement, list(row.key.values())).fetchall(), holds):
                return True
            raise psycopg.Rollback
        return False

    def _grant(self, table: TableName) -> str:
        grant = sql.SQL("GRANT USAGE ON SCHEMA {} TO {user}; GRANT " + _PRIVILEGES + " ON {} TO {user};")
        user = sql.Identifier(self.database.user)
        return grant.format(sql.Identifier(table.schema), _name(table), user=user).as_string()


def _is_one_that_holds(found: Sequence[Values], holds: Holds) -> bool:
    return len(found) == 1 and holds(found[0])


def _select(row: SingleRow) -> sql.Composed:
    statement = sql.SQL("SELECT {} FROM {} WHERE {}").format(_names(row.columns), _name(row.table), _has(row.key))
    # a percent sign in it is none of the driver's
    return (
        statement + sql.SQL(" AND {}").format(condition(row.condition.replace("%", "%%")))
        if row.condition
        else statement
    )


def _name(table: TableName) -> sql.Identifier:
    return sql.Identifier(table.schema, table.table)


def _names(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(column) for column in columns)


def _has(key: Mapping[str, Value]) -> sql.Composed:
    return sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(column)) for column in key)
