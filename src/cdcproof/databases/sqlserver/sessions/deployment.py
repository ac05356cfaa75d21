"""SQL Server: change data capture, and what the session's own account may do."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, Self

from cdcproof.core.errors import RefusedError, UnexpectedAnswerError, UsageError
from cdcproof.databases.contracts.deployment import (
    CapturedTable,
    CaptureHealth,
    CaptureJob,
    CaptureState,
    LogReading,
    LogStart,
    Needs,
    Rights,
)
from cdcproof.databases.names import TableName
from cdcproof.databases.sqlserver.log import capture_job, lsn
from cdcproof.databases.sqlserver.log.position import Log
from cdcproof.databases.sqlserver.queries import deployment
from cdcproof.databases.sqlserver.queries.catalogue import CAPTURED_TO, constant, enable_table, quoted
from cdcproof.databases.sqlserver.queries.rights import grant_of_jobs
from cdcproof.databases.sqlserver.rights import rights_of
from cdcproof.databases.sqlserver.session import Session

ENABLE_DATABASE = "EXEC sys.sp_cdc_enable_db;"


def _captured(table: TableName, instances: Mapping[str, Sequence[str]]) -> CapturedTable:
    """By the newest instance, to which a connector goes over. A table has at most two."""
    (*older, (newest, left_out)) = instances.items()
    free = (
        []
        if not older
        else [
            f"EXEC sys.sp_cdc_disable_table @source_schema = {constant(table.schema)}, @source_name = {constant(table.table)}, "
            f"@capture_instance = {constant(older[0][0])};"
        ]
    )
    another = newest.removesuffix("_new") if newest.endswith("_new") else f"{newest}_new"
    return CapturedTable(frozenset({table}), tuple(left_out), whole=" ".join([*free, enable_table(table, another)]))


def _job(row: tuple[Any, ...]) -> CaptureJob:
    kind, name_of_job, enabled, running, continuous, retention, failure = row
    return CaptureJob(
        str(kind),
        str(name_of_job or ""),
        bool(enabled),
        bool(running),
        bool(continuous),
        int(retention or 0),
        str(failure or ""),
    )


class SQLServerDeployment(Session):
    """A SQL Server session that shows what a deployment needs."""

    def __enter__(self) -> Self:
        self._connect()
        return self

    @cached_property
    def log(self) -> Log:
        """The log, and the change tables."""
        return Log(self)

    def log_starts(self) -> tuple[LogStart, ...]:
        """The capture instances, each with the oldest LSN that it still has; none where CDC is off."""
        if not self._captures():
            return ()
        return tuple(
            LogStart(instance, int.from_bytes(lsn or b"", "big"), TableName(schema, table))
            for instance, lsn, schema, table in self.query(deployment.LOG_STARTS)
        )

    def log_end(self) -> int:
        """What the capture job has come to; 0 where CDC is off, or nothing was captured yet."""
        if not self._captures():
            return 0
        [(captured,)] = self.query(CAPTURED_TO)
        return int.from_bytes(captured or b"", "big")

    def log_reading(self, slot: str, offset: Mapping[str, Any], tables: Collection[TableName]) -> LogReading:
        """By the committed offset, and what the change tables of these tables hold beyond it."""
        del slot
        read = self.log.number(capture_job.read_of, offset)
        if read is None:
            raise UnexpectedAnswerError(f"{self.place}: the connector has not begun to stream; its snapshot may go on.")
        unread = self._oldest_unread(tables, read)
        seconds = None if unread is None else self.age_seconds(deployment.AGE, lsn.binary(unread))
        age = 0.0 if unread is None else math.nan if seconds is None else seconds
        return LogReading(self.log.log_end(), read.commit, read.commit, (read.commit, read.change), unread_seconds=age)

    def age_seconds(self, statement: str, *values: Any, grant: Callable[[], str] = str) -> float | None:
        """The age that the statement reads; None where there is none, NaN where the server's clock was set back since.

        The server keeps local time: in the hour in which daylight saving ends, a change may be dated into the future.
        """
        seconds = self.query(statement, *values, grant=grant)[0][0]
        return None if seconds is None else math.nan if seconds < 0 else float(seconds)

    def _oldest_unread(self, tables: Collection[TableName], read: capture_job.Read) -> int | None:
        """Of the tables that are captured: that another one is not, is for another check to say."""
        commit, change = lsn.binary(read.commit), lsn.binary(read.change)
        wanted = {str(table).casefold() for table in tables}
        found = [
            self.log.number(lsn.of_binary, bytes(row[0]))
            for one in self.log.change_tables(())
            if str(one.of).casefold() in wanted
            for row in self.query(
                deployment.oldest_unread_statement(one.name), commit, commit, change, grant=self.grant_of_cdc
            )
        ]
        return min(found, default=None)

    def capture_state(self, publication: str, slot: str) -> CaptureState:
        """Whether CDC is enabled for the database, and for which tables."""
        del publication, slot
        if not self._captures():
            return CaptureState({"CDC of the database": "off"}, {})
        instances: dict[TableName, dict[str, list[str]]] = {}
        hidden = ""
        for schema, table, instance, column in self.query(deployment.CAPTURE_INSTANCES, grant=self.grant_of_cdc):
            if table is None:
                hidden = f"GRANT VIEW DEFINITION TO {quoted(self.user)};"
                continue
            left_out = instances.setdefault(TableName(schema, table), {}).setdefault(instance, [])
            left_out += [column] if column else []
        captured = {table: _captured(table, of_table) for table, of_table in instances.items()}
        return CaptureState({"CDC of the database": "on"}, captured, hidden=hidden)

    def capture_health(self) -> CaptureHealth:
        """By msdb, the server's services, and the views of change data capture."""
        agents = self.query(deployment.AGENT, grant=self.grant_of_state)
        jobs = self.query(deployment.JOBS, grant=self._grant_of_jobs)
        scans = self.query(deployment.SCANS, grant=self.grant_of_state)
        errors = self.query(deployment.ERRORS, grant=self.grant_of_state)
        age = self.age_seconds(deployment.CAPTURED_AGE, grant=self.grant_of_cdc)
        wait, percent = self.query(deployment.LOG_SPACE, grant=self.grant_of_state)[0]
        good = max((session for session, ended, wrong, *_ in scans if ended and not wrong), default=-1)
        return CaptureHealth(
            str(agents[0][0]) if agents else "",
            tuple(_job(row) for row in jobs),
            age,
            next((float(latency) for *_, transactions, latency in reversed(scans) if transactions), None),
            tuple(f"{number}: {message}" for session, number, message in errors if session > good),
            str(wait),
            float(percent),
        )

    def obstacles(self, account: str, *, writes: bool) -> dict[str, str]:
        """A login whose password has expired or must be changed, or that is locked; a database that takes no writes."""
        expired, locked, must_change = self.query(deployment.LOGIN, account, account, account)[0]
        if expired is None:
            raise RefusedError(
                f"{self.place}: whether the password of {account} has expired may not be seen by {self.database.user}.",
                f"USE master; GRANT VIEW DEFINITION ON LOGIN::{quoted(account)} TO {quoted(self.database.user)};",
            )
        found = {}
        if expired or must_change:
            word = "has expired" if expired else "must be changed first"
            found[f"login, its password {word}"] = "# Give the login a new password, and the connector the same one."
        if locked:
            found["login, it is locked"] = (
                "# Unlock it: ALTER LOGIN … WITH PASSWORD = …  UNLOCK, with the connector's password."
            )
        if writes and self.query(deployment.UPDATEABILITY)[0][0] != "READ_WRITE":
            found["write: the database is read-only"] = (
                f"ALTER DATABASE {quoted(self.database.database)} SET READ_WRITE;"
            )
        return found

    def rights(self, account: str, needs: Needs) -> Rights:
        """The rights of this session's account, which must be the one asked for."""
        if account.lower() != self.database.user.lower():
            raise UsageError(
                f"SQL Server shows an account's rights to that account alone: {account} is not the one logged in."
            )
        obstacles = self._read_only() if needs.write or needs.create_in else {}
        return rights_of(self, needs, obstacles, captures=self._captures())

    def _grant_of_jobs(self) -> str:
        return grant_of_jobs(self.database.user)

    def _read_only(self) -> dict[str, str]:
        """A database that was set so, or a secondary of an availability group."""
        if self.query(deployment.UPDATEABILITY)[0][0] == "READ_WRITE":
            return {}
        return {"write: the database is read-only": f"ALTER DATABASE {quoted(self.database.database)} SET READ_WRITE;"}

    def _captures(self) -> bool:
        return self.database_state()[0]
