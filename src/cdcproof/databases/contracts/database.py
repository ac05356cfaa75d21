"""The contract of a database session that reads, and of its parts. tests/contract/test_databases.py holds every implementation to it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, Self

from cdcproof.databases.contracts.catalogue import Catalogue
from cdcproof.databases.contracts.checksums import Checksums
from cdcproof.databases.contracts.identity import Identity
from cdcproof.databases.contracts.log import Log
from cdcproof.databases.contracts.permissions import Permissions
from cdcproof.databases.contracts.rows import Rows


@dataclass(frozen=True)
class Isolation:
    """How a table is read: the isolation level, what that costs or risks, and what the administrator runs for a better one."""

    name: str
    cost: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.cost})"


class Database(Protocol):
    """A read-only session, opened read-only at the database, and what it reads by. Use as a context manager.

    Every method, of its parts too, raises `UnreachableError`, `RefusedError` (login, permission) or `UnexpectedAnswerError`
    (a missing table, a timeout of the statement), never a driver's exception.
    """

    @property
    def catalogue(self) -> Catalogue:
        """Tables and columns."""
        ...

    @property
    def checksums(self) -> Checksums:
        """Sums of rows, made at the server."""
        ...

    @property
    def rows(self) -> Rows:
        """Rows as canonical bytes."""
        ...

    @property
    def log(self) -> Log:
        """The log from which changes are captured."""
        ...

    @property
    def permissions(self) -> Permissions:
        """What the account may not do."""
        ...

    def __enter__(self) -> Database: ...

    def __exit__(self, *exc: object) -> None: ...

    def version(self) -> str:
        """One line: product and version."""
        ...

    def identity(self) -> Identity:
        """Which database this is, as far as the account may read it."""
        ...

    def started(self) -> str:
        """When the server was started, which a copy with its identity does not share; empty at a standby, and where that is not asked."""
        ...

    def demand_current(self) -> None:
        """Raise `UnexpectedAnswerError` at a standby that is behind, or may be: equal rows there say nothing of what its primary has."""
        ...

    def snapshot(self) -> AbstractContextManager[None]:
        """All reading inside is of one moment, where the database allows it: always in PostgreSQL, by ALLOW_SNAPSHOT_ISOLATION in SQL Server."""
        ...

    def isolation(self) -> Isolation:
        """How `snapshot` reads, for the report and `check-config`."""
        ...

    def reads_chunks_of_a_moment(self) -> bool:
        """Whether `chunk_rows` returns the rows as they were when it was entered."""
        ...

    def beside(self) -> Callable[[], AbstractContextManager[Self]]:
        """To be called within `snapshot`: opens a further session, for other segments.

        It reads of the same moment, unless its rows stay in their segments, so that this does not matter (SQL Server).
        """
        ...

    def interrupt(self) -> None:
        """End the statement that runs, at the server too, from another thread: it raises."""
        ...
