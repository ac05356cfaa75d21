"""What a backup remembers of a database, and the contract of the session that it is made by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Protocol, Self

from cdcproof.databases.contracts.identity import Identity


@dataclass(frozen=True)
class TableSum:
    """The contents of a table in two numbers: its rows, and the sum of a hash of each.

    `exact` is False where the table was written to while it was backed up, so that its backup may differ from these.
    """

    schema: str
    table: str
    rows: int
    checksum: str
    exact: bool = True

    @property
    def name(self) -> str:
        """``schema.table``."""
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True)
class DatabaseState:
    """A database at the moment of its backup.

    `log_position` is an LSN as a number, `log_text` as the engine writes it. `method` says how `TableSum.checksum` is made.
    `properties` are what the dump does not hold and a database that is made anew needs: the engine's own matter.
    """

    database: str
    version: str
    identity: Identity
    log_position: int
    log_text: str
    method: str
    tables: tuple[TableSum, ...]
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TableDifference:
    """A table that is not as the manifest says; `found` None where it is not there."""

    expected: TableSum | None
    found: TableSum | None

    def __str__(self) -> str:
        if self.found is None:
            return f"{self.expected.name} is missing" if self.expected else ""
        if self.expected is None:
            return f"{self.found.name} is not in the backup"
        if self.found.rows != self.expected.rows:
            return f"{self.found.name} has {self.found.rows:,} rows, not {self.expected.rows:,}"
        return f"{self.found.name} has {self.found.rows:,} rows, and other contents"


def differences(expected: tuple[TableSum, ...], found: tuple[TableSum, ...]) -> tuple[TableDifference, ...]:
    """Which tables are not as expected. Of one that is not `exact`, only that it is missing is known to be wrong."""
    by_name = {(table.schema, table.table): table for table in found}
    wrong = []
    for table in expected:
        other = by_name.pop((table.schema, table.table), None)
        if other is None or (table.exact and (other.rows, other.checksum) != (table.rows, table.checksum)):
            wrong.append(TableDifference(table, other))
    return (*wrong, *(TableDifference(None, other) for other in by_name.values()))


class BackupSession(Protocol):
    """A session that reads a database for its backup. Use as a context manager; errors as `cdcproof.databases.contracts.database.Database`."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def moment(self) -> AbstractContextManager[str]:
        """Within it everything is read of one moment, where the engine allows it; its name, for the program that dumps."""
        ...

    def major_version(self) -> int:
        """PostgreSQL's major version, which the program that dumps must not be older than; SQL Server's."""
        ...

    def state(self, report: Callable[[str], None]) -> DatabaseState:
        """Everything that the manifest says of the database. `report` receives the table that is read."""
        ...

    def table_sums(self, report: Callable[[str], None]) -> tuple[TableSum, ...]:
        """Rows and checksum of every table, within `moment`."""
        ...

    def ping(self) -> None:
        """Raise our error where the server does not answer any more."""
        ...

    def back_up(self, file: PurePath) -> None:
        """SQL Server: write a backup to this file of the server's machine, and have the server verify it. PostgreSQL has a program for it."""
        ...


class RestoreServer(Protocol):
    """A session with the server, in no database that is restored, which makes, renames and drops databases.

    Use as a context manager. Every method raises `OperationError` where the server refuses, with its words, or an error of
    `cdcproof.databases.contracts.database.Database`.
    """

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def major_version(self) -> int:
        """As `BackupSession`."""
        ...

    def databases(self) -> frozenset[str]:
        """The names of all databases."""
        ...

    def name_with(self, database: str, ending: str) -> str:
        """The database's name with an ending, cut where the server takes no name so long."""
        ...

    def make(self, name: str, state: DatabaseState, file: PurePath) -> None:
        """A database of this name, as the backed up one was: PostgreSQL's is empty yet, SQL Server's restored from the file and checked."""
        ...

    def drop(self, name: str) -> None:
        """Drop a database that was made here; nothing where it is not there."""
        ...

    def swap(self, database: str, restored: str, aside: str, state: DatabaseState) -> None:
        """Give the restored database its name, and the one that has it the name `aside`: sessions there are ended."""
        ...

    def slot_confirmed(self, slot: str) -> int | None:
        """The position up to which a replication slot's reader has confirmed, as a number; None where there is no such slot."""
        ...

    def drop_slot(self, slot: str) -> bool:
        """Drop a replication slot; whether there was one. Never one of SQL Server, which has none."""
        ...

    def ping(self) -> None:
        """Raise our error where the server does not answer any more."""
        ...
