"""A database's log: where it is, and who has read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cdcproof.databases.names import TableName
from cdcproof.databases.table_read import LogPosition


@dataclass(frozen=True)
class Slot:
    """A PostgreSQL replication slot. `wal_status` is reserved, extended, unreserved or lost.

    `database` is the database that its changes are of; empty for a physical slot, which a standby reads.
    """

    name: str
    active: bool
    wal_status: str
    retained_bytes: int
    database: str = ""


class Log(Protocol):
    """The log from which changes are captured. Errors as `contracts.database.Database`."""

    def position(self) -> LogPosition:
        """Where the log is now: every change that can be seen lies before it."""
        ...

    def copy_of_another(self) -> str:
        """Why what this session reads may be older than what was written, for people: it reads a standby. Empty for a server that is written to."""
        ...

    def read_by(self, position: LogPosition, offset: Mapping[str, Any], tables: Sequence[TableName] = ()) -> bool:
        """Whether the source connector, whose committed offset this is, has read all changes before `position`.

        Only changes of `tables` count (none: of all that are captured) where the engine can distinguish them: SQL Server can,
        whose offset stands still while only tables change that this connector does not read.
        """
        ...

    def received_by(self, position: LogPosition) -> str:
        """The connector's session, by a name, when it was sent all changes before `position`; else empty.

        What it has made of them is not known: less than `read_by`, and where that can stand still on an idle source,
        all there is. Empty, too, for an engine where it does not stand still.
        """
        ...

    def captured_tables(self) -> frozenset[TableName]:
        """Tables whose changes are captured: CDC change tables, or the publication's tables."""
        ...

    def slots(self) -> tuple[Slot, ...]:
        """Replication slots of the server, of whatever database: all hold back the same log. Empty for SQL Server, which has none."""
        ...
