"""The contract of a database door. tests/contract/test_databases.py holds every implementation to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, order=True)
class TableName:
    """A schema-qualified name, unquoted."""

    schema: str
    table: str

    @classmethod
    def parse(cls, text: str) -> TableName:
        """Read ``schema.table``."""
        schema, _, table = text.partition(".")
        return cls(schema, table)

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True)
class Column:
    """A column as the catalogue has it. `type` is the database's own name in lower case; scale None where it has none."""

    name: str
    type: str
    nullable: bool
    scale: int | None = None
    precision: int | None = None
    computed: bool = False


@dataclass(frozen=True)
class Slot:
    """A PostgreSQL replication slot. `wal_status` is reserved, extended, unreserved or lost."""

    name: str
    active: bool
    wal_status: str
    retained_bytes: int


class Database(Protocol):
    """A read-only session, opened read-only at the database. Use as a context manager.

    Every method raises `UnreachableError`, `RefusedError` (login, permission) or `UnexpectedAnswerError`
    (a missing table, a timeout of the statement), never a driver's exception.
    """

    def __enter__(self) -> Database: ...

    def __exit__(self, *exc: object) -> None: ...

    def version(self) -> str:
        """One line: product and version."""
        ...

    def tables(self, schema: str) -> frozenset[TableName]:
        """Base tables of a schema."""
        ...

    def columns(self, table: TableName) -> tuple[Column, ...]:
        """Columns in order. Raises `UnexpectedAnswerError` when the table does not exist."""
        ...

    def primary_key(self, table: TableName) -> tuple[str, ...]:
        """Key columns in key order, empty when there is no primary key."""
        ...

    def count_rows(self, table: TableName) -> int:
        """Exact number of rows."""
        ...

    def rows(self, table: TableName, columns: Sequence[Column]) -> AbstractContextManager[Iterator[tuple[Any, ...]]]:
        """All rows, unordered, streamed in bounded memory."""
        ...

    def rows_by_key(
        self, table: TableName, columns: Sequence[Column], key: Sequence[Column], keys: Sequence[tuple[Any, ...]]
    ) -> Iterator[tuple[Any, ...]]:
        """The rows that have one of `keys`, whose values are in the order of `key` and may come from another engine."""
        ...

    def captured_tables(self) -> frozenset[TableName]:
        """Tables whose changes are captured: CDC change tables, or the publication's tables."""
        ...

    def slots(self) -> tuple[Slot, ...]:
        """Replication slots of this database; empty for SQL Server, which has none."""
        ...

    def permissions_missing(self, tables: Sequence[TableName]) -> dict[str, str]:
        """What this account may not do but the checks need: subject to the statement that grants it."""
        ...
