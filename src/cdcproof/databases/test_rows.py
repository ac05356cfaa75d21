"""The sessions for the few rows that cdcproof writes itself, apart from the sessions that only read.

Only the round trip of `validate` and `staging` writes: one test row a table, which it removes again. A row is changed or
removed only while it is known to be ours: that is looked at in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self, TypeVar

from cdcproof.core.errors import UnreachableError
from cdcproof.databases.connections import password_of
from cdcproof.databases.contracts.test_rows import Holds, Rows, SingleRow, Values, Writer
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.postgresql.sessions.test_rows import PostgreSQLRows, PostgreSQLWriter
from cdcproof.databases.sqlserver.sessions.test_rows import SQLServerRows, SQLServerWriter
from cdcproof.pipeline import model as pipeline
from cdcproof.pipeline.model import Account, Value

T = TypeVar("T")

STATEMENT_TIMEOUT_SECONDS = 10.0


def connect_to_look(database: pipeline.Database) -> Rows:
    """A session of the database's own account, read-only as any other; `UsageError` when its password is not set."""
    rows = SQLServerRows if database.type == "sqlserver" else PostgreSQLRows
    return rows(database, password_of(database), STATEMENT_TIMEOUT_SECONDS)


def connect_to_write(database: pipeline.Database, account: Account | None) -> Writer:
    """A session of `account`, else of the database's own account; `UsageError` when its password is not set.

    One that was lost is opened anew by the call after: what was written must be removed, even if the server was restarted meanwhile.
    """
    if account:
        database = database.model_copy(update=account.model_dump())
    writer = SQLServerWriter if database.type == "sqlserver" else PostgreSQLWriter
    return _Lasting(lambda: writer(database, password_of(database), STATEMENT_TIMEOUT_SECONDS))


class _Lasting:
    """A writer over one session after the other. No call is made twice: whether a lost one was carried out is not known."""

    def __init__(self, made: Callable[[], Writer]) -> None:
        self._made = made
        self._writer: Writer | None = None

    def __enter__(self) -> Self:
        self._call(lambda _: None)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._writer:
            self._writer.__exit__(None, None, None)
            self._writer = None

    def columns(self, table: TableName) -> tuple[Column, ...]:
        return self._call(lambda writer: writer.columns(table))

    def find(self, row: SingleRow) -> tuple[Values, ...]:
        return self._call(lambda writer: writer.find(row))

    def insert(self, row: SingleRow, holds: Holds, values: Mapping[str, Value]) -> bool:
        return self._call(lambda writer: writer.insert(row, holds, values))

    def update(self, row: SingleRow, holds: Holds, changes: Mapping[str, Value]) -> bool:
        return self._call(lambda writer: writer.update(row, holds, changes))

    def delete(self, row: SingleRow, holds: Holds) -> bool:
        return self._call(lambda writer: writer.delete(row, holds))

    def _call(self, ask: Callable[[Writer], T]) -> T:
        if self._writer is None:
            self._writer = self._made().__enter__()
        try:
            return ask(self._writer)
        except UnreachableError:
            self.__exit__()
            raise
