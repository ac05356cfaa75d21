"""What the deployment of a connector asks of a database, beyond what the daily checks do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cdcproof.databases.base import TableName


@dataclass(frozen=True)
class LogStart:
    """Where the log that is kept for one reader begins: a replication slot, or the capture instance of `table`.

    `position` is an LSN as a number: PostgreSQL's in bytes, SQL Server's ten bytes. 0 where this account may not see it.
    """

    reader: str
    position: int
    table: TableName | None = None


class DeploymentDatabase(Protocol):
    """A read-only session. Use as a context manager; errors as `cdcproof.databases.base.Database`."""

    def __enter__(self) -> DeploymentDatabase: ...

    def __exit__(self, *exc: object) -> None: ...

    def log_starts(self) -> tuple[LogStart, ...]:
        """Every reader whose log is still there: a slot that has lost its log is not among them."""
        ...
