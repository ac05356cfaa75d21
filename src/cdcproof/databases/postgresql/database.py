"""A session that reads PostgreSQL, opened read-only at the database, and what it reads by."""

from __future__ import annotations

from functools import cached_property

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.contracts.database import Isolation
from cdcproof.databases.contracts.identity import Identity
from cdcproof.databases.postgresql.catalogue import Catalogue
from cdcproof.databases.postgresql.checksums import Checksums
from cdcproof.databases.postgresql.log.position import Log
from cdcproof.databases.postgresql.permissions import Permissions
from cdcproof.databases.postgresql.queries import catalogue as queries
from cdcproof.databases.postgresql.rows import Rows
from cdcproof.databases.postgresql.session import Session

_MOST_BEHIND_SECONDS = 60.0


class PostgreSQL(Session):
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
        return Checksums(self, self.catalogue)

    @cached_property
    def log(self) -> Log:
        """The write-ahead log."""
        return Log(self)

    @cached_property
    def permissions(self) -> Permissions:
        """What the account may not do."""
        return Permissions(self)

    def version(self) -> str:
        """One line: product and version."""
        return f"PostgreSQL {self.query('SHOW server_version')[0][0]}"

    def started(self) -> str:
        """To the microsecond."""
        return str(self.query(queries.STARTED)[0][0])

    def demand_current(self) -> None:
        """A standby is as its primary where it replayed a transaction of the last minute, or all of what the primary, who is heard, has."""
        [(is_standby, seconds, is_level)] = self.query(queries.CURRENT)
        if is_standby and not is_level and (seconds is None or seconds > _MOST_BEHIND_SECONDS):
            age = "never" if seconds is None else f"{seconds:,.0f} s ago"
            raise UnexpectedAnswerError(
                f"{self.place} is a standby that replayed its last transaction {age}: what its primary has written since is not seen there.",
                "Name the primary, or bring the standby up to date (its account needs pg_monitor, which shows whether it hears its primary).",
            )

    def isolation(self) -> Isolation:
        """Always the same."""
        return Isolation("REPEATABLE READ", "one snapshot for a table, without locks; vacuum waits for its end")

    def identity(self) -> Identity:
        """By the control file, which every role may read unless that was revoked; then the address stands for the server."""
        [(database, made, history, knows_server, knows_timeline)] = self.query(queries.IDENTITY)
        if knows_timeline:
            history = self.query(queries.STANDBY_TIMELINE)[0][0]
        if knows_server:
            return Identity(self.query(queries.SYSTEM_IDENTIFIER)[0][0], database, made, history)
        server = f"{self.database.host}:{self.database.port}"
        return Identity(
            server,
            database,
            made,
            history,
            f"{self.database.user} may not execute pg_control_system(), so the address {server} stands for the server",
        )
