"""Writing single rows to SQL Server: the contract is `contracts.test_rows.Writer`.

The table hints are of Microsoft's "Table hints (Transact-SQL)": UPDLOCK with HOLDLOCK keeps the row, or the gap where it would
be, until the transaction ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, time
from functools import partial
from typing import Any, Self

from cdcproof.databases.contracts.test_rows import Holds, SingleRow, Values
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.sqlserver.catalogue import Catalogue
from cdcproof.databases.sqlserver.queries import catalogue
from cdcproof.databases.sqlserver.session import Session
from cdcproof.pipeline.model import Value


class SQLServerRows(Session):
    """A session that finds single rows. Implements `contracts.test_rows.Rows`."""

    def __enter__(self) -> Self:
        self._connect()
        return self

    def columns(self, table: TableName) -> tuple[Column, ...]:
        """Columns in order."""
        return Catalogue(self).columns(table)

    def find(self, row: SingleRow) -> tuple[Values, ...]:
        """The values of every row with this key."""
        with self.our_errors(row.table):
            return self._found(row)

    def _found(self, row: SingleRow, *, locked: bool = False) -> tuple[Values, ...]:
        cursor = self.driver.execute(select_statement(row, locked=locked), _bound(row.key.values()))
        return tuple(tuple(found) for found in cursor.fetchall())


class SQLServerWriter(SQLServerRows):
    """A session that may write. Implements `contracts.test_rows.Writer`."""

    def insert(self, row: SingleRow, holds: Holds, values: Mapping[str, Value]) -> bool:
        """Insert the row, if it can be known again."""
        with self.our_errors(row.table, partial(self._needed, row.table)), self._transaction() as keep:
            self.driver.execute(insert_statement(row.table, values), _bound(values.values()))
            return keep(self._is_one_that_holds(row, holds))

    def update(self, row: SingleRow, holds: Holds, changes: Mapping[str, Value]) -> bool:
        """Change the one row that holds, if it can be known again."""
        with self.our_errors(row.table, partial(self._needed, row.table)), self._transaction() as keep:
            if not self._is_one_that_holds(row, holds):
                return False
            self.driver.execute(update_statement(row, changes), _bound([*changes.values(), *row.key.values()]))
            return keep(self._is_one_that_holds(row, holds))

    def delete(self, row: SingleRow, holds: Holds) -> bool:
        """Delete the one row that holds."""
        with self.our_errors(row.table, partial(self._needed, row.table)), self._transaction() as keep:
            if not self._is_one_that_holds(row, holds):
                return False
            self.driver.execute(delete_statement(row), _bound(row.key.values()))
            return keep(True)

    def _is_one_that_holds(self, row: SingleRow, holds: Holds) -> bool:
        found = self._found(row.whatever_holds(), locked=True)
        return len(found) == 1 and holds(found[0])

    def _needed(self, table: TableName) -> str:
        return f"GRANT SELECT, INSERT, UPDATE, DELETE ON {catalogue.name(table)} TO {catalogue.quoted(self.user)};"

    def _open(self, pyodbc: Any, connection_string: str) -> Any:
        # the intent to read only may lead to a replica, which refuses writes
        return super()._open(pyodbc, connection_string.replace("={ReadOnly};", "={ReadWrite};"))

    @contextmanager
    def _transaction(self) -> Iterator[Callable[[bool], bool]]:
        """A transaction that is taken back unless the function it gives is called to keep it."""
        kept: list[bool] = []

        def keep(good: bool) -> bool:
            kept.append(good)
            return good

        self.driver.autocommit = False
        try:
            yield keep
            if any(kept):
                self.driver.commit()
        finally:
            self.driver.rollback()  # nothing, after a commit
            self.driver.autocommit = True


def select_statement(row: SingleRow, *, locked: bool = False) -> str:
    """T-SQL for the row's values; `locked` until the transaction's end."""
    hint = " WITH (UPDLOCK, HOLDLOCK)" if locked else ""
    names = ", ".join(catalogue.quoted(column) for column in row.columns)
    also = f" AND ({row.condition}\n)" if row.condition else ""  # the line break ends a comment in it
    return f"SELECT {names} FROM {catalogue.name(row.table)}{hint} WHERE {_has(row.key)}{also}"  # noqa: S608  quoted


def insert_statement(table: TableName, values: Mapping[str, Value]) -> str:
    """T-SQL for one new row."""
    names = ", ".join(catalogue.quoted(column) for column in values)
    return f"INSERT INTO {catalogue.name(table)} ({names}) VALUES ({', '.join('?' * len(values))})"  # noqa: S608  quoted


def update_statement(row: SingleRow, changes: Mapping[str, Value]) -> str:
    """T-SQL that changes the row."""
    changed = ", ".join(f"{catalogue.quoted(column)} = ?" for column in changes)
    return f"UPDATE {catalogue.name(row.table)} SET {changed} WHERE {_has(row.key)}"  # noqa: S608  quoted


def delete_statement(row: SingleRow) -> str:
    """T-SQL that deletes the row."""
    return f"DELETE FROM {catalogue.name(row.table)} WHERE {_has(row.key)}"  # noqa: S608  quoted


def _has(key: Mapping[str, Value]) -> str:
    return " AND ".join(f"{catalogue.quoted(column)} = ?" for column in key)


def _bound(values: Iterable[Value]) -> list[Any]:
    """Times as ISO text with no more digits than they have: pyodbc may shorten them, and `datetime` refuses more than three."""
    return [_iso(value) if isinstance(value, date | time) else value for value in values]


def _iso(value: date | time) -> str:
    if isinstance(value, datetime | time) and value.microsecond and value.microsecond % 1000 == 0:
        return value.isoformat(timespec="milliseconds")
    return value.isoformat()
