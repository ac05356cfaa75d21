"""What the exporter asks of a database at each scrape, beyond what a deployment asks: how it does, and what is unread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from cdcproof.databases.contracts.deployment import DeploymentDatabase
from cdcproof.databases.names import TableName


@dataclass(frozen=True)
class Health:
    """How a server does; None where it does not offer a number, or may not show it to this account.

    Sessions are all of the server but our own; the rest is of the database. `connections` are by state: active, idle, idle in
    transaction. `transactions` (commit, rollback) and `deadlocks` are counted by the server since its statistics began.
    """

    connections: Mapping[str, int] = field(default_factory=dict)
    connections_limit: int | None = None
    longest_transaction_seconds: float | None = None
    longest_query_seconds: float | None = None
    blocked_sessions: int | None = None
    transactions: Mapping[str, int] = field(default_factory=dict)
    deadlocks: int | None = None
    cache_hit_ratio: float | None = None
    size_bytes: int | None = None
    grant: str = ""
    """Shows what this account may not see; empty where it sees all."""


@dataclass(frozen=True)
class Reader:
    """A source connector: by what it reads, up to where, and of which tables. `offset` is what Connect has committed."""

    is_captured: Callable[[TableName], bool]
    slot: str = ""
    publication: str = ""
    offset: Mapping[str, Any] = field(default_factory=dict)
    rests: str = ""
    """Why the changes are not to be counted now; empty where they are."""


@dataclass(frozen=True)
class Unread:
    """What a connector has not read of the log; None where it cannot be counted, for the reason in `why`, with `remedy`.

    `bounded`: the count stopped at its bound, and there is at least that much. `seconds` is the age of the oldest change left, 0
    where none is. `headroom_seconds`: until that change is cleaned up, where a job does so.
    """

    records: int | None = None
    bounded: bool = False
    seconds: float | None = None
    bytes: int | None = None
    headroom_seconds: float | None = None
    why: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class SlotRoom:
    """How much of the log a slot holds back, and how much may be written until it is lost; None where that is not bounded."""

    name: str
    retained_bytes: int
    headroom_bytes: int | None


class HealthDatabase(DeploymentDatabase, Protocol):
    """A read-only session. Use as a context manager; errors as `cdcproof.databases.contracts.database.Database`."""

    def health(self) -> Health:
        """How the server does now."""
        ...

    def space_used_bytes(self) -> int:
        """What the database's tables and indexes take: not what its files have in reserve. PostgreSQL: its size on disk."""
        ...

    def clock_seconds(self) -> float:
        """The server's clock: seconds since 1970, UTC."""
        ...

    def newest(self, table: TableName, column: str) -> int | Decimal | datetime | None:
        """The greatest value of a column; None for an empty table."""
        ...

    def unread(self, reader: Reader, bound: int) -> Unread:
        """What the connector has not read, counted without consuming it, up to about `bound` changes."""
        ...

    def slot_rooms(self) -> tuple[SlotRoom, ...]:
        """The slots of the server; none for SQL Server."""
        ...
