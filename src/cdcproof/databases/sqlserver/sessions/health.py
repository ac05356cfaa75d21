"""SQL Server at a scrape: its views of state, and what the change tables hold behind a connector's position."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from cdcproof.core.errors import CouldNotLookError, UnexpectedAnswerError
from cdcproof.databases.contracts.health import Health, Reader, SlotRoom, Unread
from cdcproof.databases.names import TableName
from cdcproof.databases.sqlserver.log import capture_job, lsn
from cdcproof.databases.sqlserver.log.position import ChangeTable
from cdcproof.databases.sqlserver.queries import catalogue, deployment, health
from cdcproof.databases.sqlserver.sessions.deployment import SQLServerDeployment

_UNIT_BYTES = {"KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
_STATES = ("active", "idle", "idle in transaction")


class SQLServerHealth(SQLServerDeployment):
    """A SQL Server session that shows how the server does."""

    def __enter__(self) -> SQLServerHealth:
        super().__enter__()
        return self

    def health(self) -> Health:
        """By the views of state. The server counts transactions without saying how they ended: those are left out."""
        limit, size = self.query(health.LIMIT)[0][0], self.query(health.SIZE)[0][0]
        if self.query(catalogue.MAY_VIEW_SERVER_STATE)[0][0] != 1:
            return Health(connections_limit=limit, size_bytes=size, grant=self.grant_of_state())
        query, blocked = self.query(health.REQUESTS)[0]
        counters = {str(counter): int(value) for counter, value in self.query(health.COUNTERS)}
        lookups = counters.get(health.LOOKUPS)
        return Health(
            connections=dict(zip(_STATES, self.query(health.SESSIONS)[0], strict=True)),
            connections_limit=limit,
            longest_transaction_seconds=max(0.0, float(self.query(health.LONGEST_TRANSACTION)[0][0])),
            longest_query_seconds=float(query),
            blocked_sessions=blocked,
            deadlocks=counters.get(health.DEADLOCKS),
            cache_hit_ratio=counters[health.HITS] / lookups if lookups and health.HITS in counters else None,
            size_bytes=size,
        )

    def space_used_bytes(self) -> int:
        """The reserved space, by sp_spaceused. Its fourth column: ``568 KB``."""
        row = self.query(health.SPACE_USED)[0]
        try:
            number, unit = str(row[3]).split()
            return int(float(number) * _UNIT_BYTES[unit])
        except (KeyError, ValueError, IndexError):
            raise UnexpectedAnswerError(
                f"{self.place}: sp_spaceused answers in a form that is not known: {row!r}"
            ) from None

    def clock_seconds(self) -> float:
        """SYSUTCDATETIME()."""
        return int(self.query(health.CLOCK)[0][0]) / 1000

    def newest(self, table: TableName, column: str) -> int | Decimal | datetime | None:
        """The greatest value of a column."""
        with self.our_errors(table):
            found: int | Decimal | datetime | None = self.query(health.newest_statement(table, column))[0][0]
        return found

    def unread(self, reader: Reader, bound: int) -> Unread:
        """By the committed offset. Of two capture instances of a table, the one that holds more: they capture the same."""
        read = self.log.number(capture_job.read_of, reader.offset)
        if read is None:
            return Unread(why=f"{self.place}: the connector has not begun to stream; its snapshot may go on.")
        if reader.rests:
            return Unread(why=reader.rests)
        captured = [one for one in self.log.change_tables(()) if reader.is_captured(one.of)]
        counts: dict[str, int] = {}
        for one in captured:
            most = bound - sum(counts.values())
            if most <= 0:
                break
            counts[str(one.of)] = max(counts.get(str(one.of), 0), self._behind(one, read, most))
        records = sum(counts.values())
        seconds = self._age_of_oldest(captured, read) if records else 0.0
        retention, why, remedy = self._retention_seconds()
        headroom = None if retention is None or seconds is None else max(0.0, retention - seconds)
        return Unread(records, records >= bound, seconds, headroom_seconds=headroom, why=why, remedy=remedy)

    def slot_rooms(self) -> tuple[SlotRoom, ...]:
        """SQL Server has no slots."""
        return ()

    def _behind(self, one: ChangeTable, read: capture_job.Read, most: int) -> int:
        commit, change = lsn.binary(read.commit), lsn.binary(read.change)
        [(beyond,)] = self.query(
            health.unread_statement(one.name, most), commit, commit, change, grant=self.grant_of_cdc
        )
        # a key's update is two changes at one place, of which the connector may have sent the first
        [(there,)] = self.query(health.at_statement(one.name), commit, change, grant=self.grant_of_cdc)
        return int(beyond) + max(0, int(there) - read.events)

    def _age_of_oldest(self, captured: Sequence[ChangeTable], read: capture_job.Read) -> float | None:
        """Of the oldest change in a later transaction or at a later place; None where that is not known (`age_seconds`)."""
        oldest = self._oldest_unread([one.of for one in captured], read)
        if oldest is None:
            return None
        seconds = self.age_seconds(deployment.AGE, lsn.binary(oldest))
        return None if seconds is None or math.isnan(seconds) else seconds

    def _retention_seconds(self) -> tuple[float | None, str, str]:
        """How long the cleanup job leaves a change; None where there is no job, or msdb may not be read, with the reason."""
        try:
            jobs = self.query(deployment.JOBS, grant=self._grant_of_jobs)
        except CouldNotLookError as error:
            return None, error.message, error.remedy
        kept = [retention for kind, _, enabled, _, _, retention, _ in jobs if kind == "cleanup" and enabled]
        return (float(kept[0]) * 60 if kept and kept[0] else None), "", ""
