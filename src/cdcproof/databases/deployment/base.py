"""What the deployment of a connector asks of a database, beyond what the daily checks do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self

from cdcproof.databases.base import TableName


@dataclass(frozen=True)
class LogStart:
    """Where the log that is kept for one reader begins: a replication slot, or the capture instance of `table`.

    `position` is an LSN as a number: PostgreSQL's in bytes, SQL Server's ten bytes. 0 where this account may not see it.
    """

    reader: str
    position: int
    table: TableName | None = None


@dataclass(frozen=True)
class CaptureState:
    """Whether changes can be captured at all. `settings` are the database's own words, by subject."""

    settings: Mapping[str, str]
    captured: frozenset[TableName]
    """Tables of the publication asked for, or with a capture instance."""


@dataclass(frozen=True)
class Needs:
    """What a connector's account must be able to do: all else that lets it change something is too much."""

    read: tuple[TableName, ...] = ()
    write: tuple[TableName, ...] = ()
    """Tables whose rows it inserts, updates or deletes, by `privileges`."""
    privileges: tuple[str, ...] = ()
    create_in: tuple[str, ...] = ()
    """Schemas in which it makes tables."""
    reads_log: bool = False


@dataclass(frozen=True)
class Rights:
    """What an account lacks, and what it has beyond its needs: each by subject, with the statement that mends it."""

    missing: Mapping[str, str] = field(default_factory=dict)
    excessive: Mapping[str, str] = field(default_factory=dict)


class DeploymentDatabase(Protocol):
    """A read-only session. Use as a context manager; errors as `cdcproof.databases.base.Database`."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def log_starts(self) -> tuple[LogStart, ...]:
        """Every reader whose log is still there: a slot that has lost its log is not among them."""
        ...

    def capture_state(self, publication: str, slot: str) -> CaptureState:
        """Whether this database's changes can be captured; SQL Server has no publications and slots."""
        ...

    def rights(self, account: str, needs: Needs) -> Rights:
        """The rights of an account. SQL Server tells only those of the session's own: any other is a `UsageError`."""
        ...
