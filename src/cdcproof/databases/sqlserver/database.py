"""A session that reads SQL Server, and what it reads by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import Self

from cdcproof.databases.contracts.identity import Identity
from cdcproof.databases.sqlserver.arrow import ArrowSession
from cdcproof.databases.sqlserver.catalogue import Catalogue
from cdcproof.databases.sqlserver.checksums import Checksums
from cdcproof.databases.sqlserver.log.position import Log
from cdcproof.databases.sqlserver.permissions import Permissions
from cdcproof.databases.sqlserver.queries import catalogue as queries
from cdcproof.databases.sqlserver.rows import Rows
from cdcproof.databases.sqlserver.session import Session


class SQLServer(Session):
    """Implements `contracts.database.Database`."""

    @cached_property
    def catalogue(self) -> Catalogue:
        """Tables and columns."""
        return Catalogue(self)

    @cached_property
    def rows(self) -> Rows:
        """Rows as canonical bytes."""
        return Rows(self, self.catalogue)

    @cached_property
    def checksums(self) -> Checksums:
        """Sums of rows, made at the server."""
        return Checksums(self, self.catalogue, self.rows)

    @cached_property
    def log(self) -> Log:
        """The log, and the change tables."""
        return Log(self)

    @cached_property
    def permissions(self) -> Permissions:
        """What the account may not do."""
        return Permissions(self, self.catalogue)

    def __enter__(self) -> Self:
        self._connect()
        return self

    def version(self) -> str:
        """One line: product, version and edition."""
        version, edition = self.query(queries.VERSION)[0]
        return f"Microsoft SQL Server {version} {edition}"

    def identity(self) -> Identity:
        """By the catalogue. The recovery fork is shown to the database's owner, and with VIEW ANY DATABASE."""
        found = self.query(queries.IDENTITY)
        if not found:
            raise self.errors.no_such_database()
        server, database, made, names_fork = found[0]
        forks = self.query(queries.RECOVERY_FORK) if names_fork else []
        if forks and forks[0][0]:
            return Identity(str(server), str(database), str(made), str(forks[0][0]))
        unknown = f"{self.database.user} may not see the recovery fork, which changes with a restore"
        return Identity(str(server), str(database), str(made), "", unknown)

    def started(self) -> str:
        """Not asked: all replicas of an availability group share an identity, and no copy has it."""
        return ""

    def demand_current(self) -> None:
        """Not asked: how far a readable secondary is behind is known to its primary alone."""

    def beside(self) -> Callable[[], AbstractContextManager[Self]]:
        """What it returns opens a session with a snapshot of its own: segments are ranges of the key, which a row does not leave."""

        @contextmanager
        def opened() -> Iterator[Self]:
            with type(self)(self.database, self._password, self._statement_timeout_seconds) as other, other.snapshot():
                yield other

        return opened

    def stream_session(self) -> ArrowSession:
        """A session of its own for what `stream_select` and `stream_literals` of `checksums` say. Use as a context manager."""
        return ArrowSession(self.database, self._password, self._statement_timeout_seconds)
