"""PostgreSQL's write-ahead log as its readers have it: how far it goes, who has read it, which tables' changes it is read for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cdcproof.core.errors import UnexpectedAnswerError, UsageError
from cdcproof.databases.contracts.log import Slot
from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.log import wal
from cdcproof.databases.postgresql.log.wal import Reader
from cdcproof.databases.postgresql.queries import catalogue
from cdcproof.databases.postgresql.session import Session
from cdcproof.databases.table_read import LogPosition


class Log:
    """Implements `contracts.log.Log`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def captured_tables(self) -> frozenset[TableName]:
        """Tables of the source connector's publication; empty when the publication does not exist."""
        if self._session.database.publication is None:
            raise UsageError(
                "The pipeline file does not name the publication that the source connector reads.",
                'Add publication = "…" to [source]; the names: SELECT pubname FROM pg_publication;',
            )
        return frozenset(
            TableName(*row) for row in self._session.query(catalogue.PUBLISHED, (self._session.database.publication,))
        )

    def position(self) -> LogPosition:
        """Where the log ends. Raises `UnexpectedAnswerError` at a standby, which does not know what the primary has."""
        [(insert, block_bytes, segment_bytes)] = self._session.query(wal.POSITION)
        if insert is None:
            raise UnexpectedAnswerError(
                f"{self._session.place} is a standby: where its log is does not say where the primary's is.",
                "Name the primary under [source]: the connector reads from it.",
            )
        end = wal.end_of_log(insert, block_bytes, segment_bytes)
        return LogPosition(end, f"{end >> 32:X}/{end & 0xFFFFFFFF:X}")

    def copy_of_another(self) -> str:
        """A server in recovery: what it has not replayed, it does not know of."""
        return f"{self._session.place} is a standby" if self._session.query(catalogue.IS_STANDBY)[0][0] else ""

    def read_by(
        self,
        position: LogPosition,
        offset: Mapping[str, Any],
        tables: Sequence[TableName] = (),  # noqa: ARG002  the log has one position for all
    ) -> bool:
        """Whether the offset has passed the position, or the slot of the pipeline file."""
        return max(wal.committed(offset), self._slot_reader().confirmed) >= position.value

    def received_by(self, position: LogPosition) -> str:
        """The session on the pipeline file's slot that was sent everything before the position; empty when there is none."""
        found = self._slot_reader()
        return found.session if found.written >= position.value else ""

    def _slot_reader(self) -> Reader:
        rows = self._session.query(wal.READER, (self._session.database.slot,)) if self._session.database.slot else []
        return wal.reader(rows[0]) if rows else Reader(0, 0, "")

    def slots(self) -> tuple[Slot, ...]:
        """Replication slots of the server that may hold back its log, by name."""
        return tuple(Slot(*row) for row in self._session.query(catalogue.SLOTS))
