"""How far SQL Server's log has been written, captured and read: the position that a fence waits for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.contracts.log import Slot
from cdcproof.databases.names import TableName
from cdcproof.databases.sqlserver.log import capture_job, lsn
from cdcproof.databases.sqlserver.queries import catalogue, deployment
from cdcproof.databases.sqlserver.session import Session
from cdcproof.databases.table_read import LogPosition

T = TypeVar("T")
N = TypeVar("N")


@dataclass(frozen=True)
class ChangeTable:
    """A change table, the table whose changes it holds, and where it begins: it holds every change that was committed since."""

    of: TableName
    name: TableName
    start: int


class Log:
    """Implements `contracts.log.Log`.

    The log's end is beyond every visible change: a commit is hardened before it is seen, since delayed durability and CDC exclude
    each other (Microsoft's "Control transaction durability").
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._scans_when_asked: tuple[int, tuple[capture_job.LogScan, ...]] | None = None

    def position(self) -> LogPosition:
        """The end of the log; on a secondary of an availability group the end of what it has been sent.

        What it has redone, and shows, is older. The capture job reads no further than every secondary has hardened, so that the target
        has nothing of what comes later.
        """
        if not self._session.database_state()[0]:
            raise UnexpectedAnswerError(
                f"{self._session.place}: change data capture is off.", "EXEC sys.sp_cdc_enable_db;"
            )
        position = max(self.log_end(), self._sent())
        self._scans_when_asked = position, self._log_scans()
        return LogPosition(position, lsn.text(position))

    def copy_of_another(self) -> str:
        """A secondary of an availability group: it takes no writes."""
        is_read_only = self._session.query(deployment.UPDATEABILITY)[0][0] != "READ_WRITE"
        is_copy = is_read_only and self._session.query(catalogue.IS_IN_GROUP)[0][0]
        return f"{self._session.place} is a secondary of its availability group" if is_copy else ""

    def read_by(self, position: LogPosition, offset: Mapping[str, Any], tables: Sequence[TableName] = ()) -> bool:
        """Whether the capture job has passed the position, and the connector all that was captured of `tables` up to it.

        A secondary of an availability group must show it, too: else the target may have what the source, as it is read, has not.
        """
        if not self._is_redone(position.value):
            return False
        read = self.number(capture_job.read_of, offset)
        if read is None:
            return False
        if read.commit > position.value:  # the capture job and the connector take transactions in the order of commits
            return True
        if not self._is_captured_to(position.value):
            return False
        return not any(self._is_ahead(one.name, position.value, read) for one in self.change_tables(tables))

    def received_by(self, position: LogPosition) -> str:  # noqa: ARG002  the contract's
        """Nobody: what the connector has read, `read_by` finds in the change tables."""
        return ""

    def log_end(self) -> int:
        """The LSN where the log ends."""
        (end,) = self._session.query(catalogue.LOG_END, grant=self._session.grant_of_state)[0]
        if end:
            return self.number(lsn.of_text, str(end))
        for redone, _, _ in self._redone():
            return redone
        raise UnexpectedAnswerError(
            f"{self._session.place} does not show where its log ends.", self._session.grant_of_state()
        )

    def _sent(self) -> int:
        """To where a secondary has hardened the log; 0 on a primary."""
        return max((sent for _, sent, _ in self._redone()), default=0)

    def _is_redone(self, position: int) -> bool:
        """Whether a secondary has redone its log so far, or all that it was sent. Its last hardened block is named by its beginning."""
        return all(redone >= position or waiting == 0 for redone, _, waiting in self._redone())

    def _redone(self) -> list[tuple[int, int, int | None]]:
        """How far a secondary has redone its log, how far it has hardened it, and how much waits between; nothing on a primary."""
        if self._session.query(catalogue.LOG_END, grant=self._session.grant_of_state)[0][0]:
            return []
        rows = self._session.query(catalogue.LAST_REDONE, grant=self._session.grant_of_state)
        return [
            (self.number(lsn.of_decimal, int(redone)), self.number(lsn.of_decimal, int(sent or 0)), waiting)
            for redone, sent, waiting in rows
            if redone
        ]

    def _is_captured_to(self, position: int) -> bool:
        (captured,) = self._session.query(catalogue.CAPTURED_TO)[0]
        if captured and self.number(lsn.of_binary, bytes(captured)) >= position:
            return True
        scans = self._log_scans()
        if capture_job.passed(scans, position):
            return True
        asked, before = self._scans_when_asked or (None, ())
        # in an availability group the job reads no further than every secondary has hardened: finding nothing proves nothing
        return (
            asked == position
            and not self._session.query(catalogue.IS_IN_GROUP)[0][0]
            and capture_job.drained(before, scans)
        )

    def _log_scans(self) -> tuple[capture_job.LogScan, ...]:
        return tuple(
            capture_job.LogScan(session, bool(ended), errors, self.number(lsn.of_text, last) if last else 0, empty)
            for session, ended, errors, last, empty in self._session.query(
                catalogue.LOG_SCANS, grant=self._session.grant_of_state
            )
        )

    def change_tables(self, tables: Sequence[TableName]) -> list[ChangeTable]:
        """The change tables of these tables (of all, when there are none), up to two each. Case does not count in their names."""
        found = [
            ChangeTable(TableName(*row[:2]), TableName(*row[2:4]), self.number(lsn.of_binary, bytes(row[4])))
            for row in self._session.query(catalogue.CHANGE_TABLES, grant=self._session.grant_of_cdc)
        ]
        wanted = {str(table).casefold() for table in tables}
        missing = wanted - {str(one.of).casefold() for one in found}
        if missing:
            raise UnexpectedAnswerError(
                f"{self._session.place}: changes of {', '.join(sorted(missing))} are not captured.",
                "Enable it: EXEC sys.sp_cdc_enable_table @source_schema = …, @source_name = …, @role_name = NULL;",
            )
        return [one for one in found if not wanted or str(one.of).casefold() in wanted]

    def _is_ahead(self, change_table: TableName, position: int, read: capture_job.Read) -> bool:
        """Whether the change table holds something, up to the position, that the connector has not read."""
        commit, change = lsn.binary(read.commit), lsn.binary(read.change)
        bound = (lsn.binary(position), commit, commit, change, commit, change, read.events)
        statement = catalogue.changes_beyond_statement(change_table)
        return bool(self._session.query(statement, *bound, grant=self._session.grant_of_cdc)[0][0])

    def number(self, read: Callable[[T], N], value: T) -> N:
        """What is read of an LSN; `UnexpectedAnswerError` where it is none."""
        try:
            return read(value)
        except ValueError as error:
            raise UnexpectedAnswerError(f"{self._session.place}: {error}.") from None

    def captured_tables(self) -> frozenset[TableName]:
        """Tables with a CDC capture instance; empty when CDC is off."""
        if not self._session.database_state()[0]:
            return frozenset()
        return frozenset(TableName(*row) for row in self._session.query(catalogue.CAPTURED))

    def slots(self) -> tuple[Slot, ...]:
        """None: SQL Server has no replication slots."""
        return ()
