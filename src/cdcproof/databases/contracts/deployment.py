"""What the deployment of a connector asks of a database, beyond what the daily checks do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from cdcproof.databases.names import TableName


@dataclass(frozen=True)
class LogStart:
    """Where the log that is kept for one reader begins: a replication slot, or the capture instance of `table`.

    `position` is an LSN as a number: PostgreSQL's in bytes, SQL Server's ten bytes. 0 where this account may not see it.
    """

    reader: str
    position: int
    table: TableName | None = None


@dataclass(frozen=True)
class LogReading:
    """How far the source's log was read at one moment. Positions are LSNs as numbers: `LogStart` says of what.

    `positions` are all that move while the connector reads, `read` is the furthest. `unread_seconds` is the age of the oldest change
    that was captured and not read: known for SQL Server, None for PostgreSQL. `session` reads the log; empty where nobody does, and for SQL
    Server. `grant` shows positions that this account may not see; empty where it sees all.
    """

    end: int
    stored: int
    """What Connect keeps as the connector's position; 0 where it has none."""
    read: int
    positions: tuple[int, ...] = ()
    unread_seconds: float | None = None
    session: str = ""
    grant: str = ""


@dataclass(frozen=True)
class CaptureJob:
    """SQL Server's capture or cleanup job, as msdb has it. `failure` is the message of its last run, if that failed; empty else."""

    kind: str
    name: str
    enabled: bool
    running: bool
    continuous: bool
    retention_minutes: int
    failure: str = ""


@dataclass(frozen=True)
class CaptureHealth:
    """Whether SQL Server's log is captured. An age or a latency is None where nothing was captured yet.

    `agent` is the Agent's status in the server's words; empty where the server shows none. `captured_seconds` is the age of
    the newest entry that the capture job made, which it makes every five minutes if nothing changes. `errors` are of the newest
    scan session, or later. `log_wait` is why the log cannot be truncated, and `log_percent` how full it is.
    """

    agent: str
    jobs: tuple[CaptureJob, ...]
    captured_seconds: float | None
    latency_seconds: float | None
    errors: tuple[str, ...]
    log_wait: str
    log_percent: float


@dataclass(frozen=True)
class CapturedTable:
    """How the changes of a table are captured.

    `names` are those under which they travel: the table's own, or its partitions'. `left_out` are columns that are not captured,
    `condition` lets only some rows through, and `unidentified` says why the source refuses updates and deletes; each is empty where
    all is captured. `whole` and `identified` are the statements that mend the first two and the last.
    """

    names: frozenset[TableName]
    left_out: tuple[str, ...] = ()
    condition: str = ""
    unidentified: str = ""
    whole: str = ""
    identified: str = ""


@dataclass(frozen=True)
class CaptureState:
    """Whether changes can be captured at all. `settings` are the database's own words, by subject."""

    settings: Mapping[str, str]
    captured: Mapping[TableName, CapturedTable]
    """Tables of the publication asked for, or with a capture instance; a partitioned one if all of its partitions are."""
    operations: frozenset[str] = frozenset({"insert", "update", "delete"})
    """What is captured of them: also ``truncate``, which SQL Server refuses for a captured table."""
    hidden: str = ""
    """The GRANT that shows captured tables which this account may not see; empty where there are none."""
    partitions: Mapping[TableName, frozenset[TableName]] = field(default_factory=dict)
    """Partitioned table to its partitions, where each of them may travel by its own name: PostgreSQL's."""

    def travelling(self) -> frozenset[TableName]:
        """The names under which changes travel."""
        return frozenset(name for table in self.captured.values() for name in table.names)


@dataclass(frozen=True)
class Needs:
    """What an account must be able to do: all else that lets it change something is too much."""

    read: tuple[TableName, ...] = ()
    write: tuple[TableName, ...] = ()
    """Tables whose rows it inserts, updates or deletes, by `privileges`."""
    privileges: tuple[str, ...] = ()
    create_in: tuple[str, ...] = ()
    """Schemas in which it makes tables."""
    reads_log: bool = False
    sees_server: bool = False
    """It looks at other accounts' sessions, at jobs and at definitions."""
    backs_up: bool = False
    """It reads the whole database for a backup."""
    owns: bool = False
    """It alters the publication of the tables that it reads, which PostgreSQL lets only their owner do."""


@dataclass(frozen=True)
class Rights:
    """What an account lacks, and what it has beyond its needs: each by subject, with the statement that mends it.

    A statement that begins with ``#`` is advice: no single one mends it.
    """

    missing: Mapping[str, str] = field(default_factory=dict)
    excessive: Mapping[str, str] = field(default_factory=dict)
    restoring: Mapping[str, str] = field(default_factory=dict, compare=False)
    """What to grant once the excess is gone: a superuser, an owner or a member of a role may have had nothing else to read by."""


class DeploymentDatabase(Protocol):
    """A read-only session. Use as a context manager; errors as `cdcproof.databases.contracts.database.Database`."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def log_starts(self) -> tuple[LogStart, ...]:
        """Every reader whose log is still there: a slot that has lost its log is not among them."""
        ...

    def log_end(self) -> int:
        """The end of what a connector can have read, an LSN as a number: of what was captured in SQL Server. 0 where that is not known."""
        ...

    def log_reading(self, slot: str, offset: Mapping[str, Any], tables: Collection[TableName]) -> LogReading:
        """How far the log was read, by the connector whose committed offset and slot these are, and who reads these tables.

        Raises `UnexpectedAnswerError` where the log's end is not known (a standby), or nothing was streamed yet.
        """
        ...

    def capture_state(self, publication: str, slot: str) -> CaptureState:
        """Whether this database's changes can be captured; SQL Server has no publications and slots."""
        ...

    def capture_health(self) -> CaptureHealth:
        """The Agent, the jobs and the log scan. Of SQL Server alone: PostgreSQL has none, and a `UsageError`.

        Raises `RefusedError` with the GRANT where this account may not see one of them.
        """
        ...

    def obstacles(self, account: str, *, writes: bool) -> Mapping[str, str]:
        """What keeps an account from its next login, or from every write where it `writes`: by subject, with what mends it.

        A session that is open does not show it: the next restart of the connector does. SQL Server shows another account's login
        to whom may view its definition.
        """
        ...

    def rights(self, account: str, needs: Needs) -> Rights:
        """The rights of an account. SQL Server returns only those of the session's own: any other is a `UsageError`."""
        ...
