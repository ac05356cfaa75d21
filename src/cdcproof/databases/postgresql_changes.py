"""The change feed of PostgreSQL: a replication slot of our own, read without taking, and moved on when the proof is kept.

Functions: PostgreSQL's documentation, "System Administration Functions", replication management. A slot holds back WAL
from where it stands: `morning.8-replication-slots` watches ours as it does Debezium's.
"""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from psycopg import errors

from cdcproof.databases.base import TableName
from cdcproof.databases.changes import MOST_KEYS, Changes
from cdcproof.databases.pgoutput import KeyCollector
from cdcproof.databases.postgresql import PostgreSQL
from cdcproof.engines import DatabaseAddress
from cdcproof.errors import CouldNotLookError, UnexpectedAnswerError, UsageError
from cdcproof.secrets import Secret

_MESSAGES_PER_FETCH = 5_000

_READ = """
    SELECT lsn::text, data FROM pg_logical_slot_peek_binary_changes(
        %s, pg_current_wal_insert_lsn(), %s, 'proto_version', '1', 'publication_names', %s)"""


class PostgreSQLChanges(PostgreSQL):
    """A session on the slot. Implements `changes.ChangeFeed`; use as a context manager."""

    def __init__(
        self, database: DatabaseAddress, password: Secret, statement_timeout_seconds: float, slot: str
    ) -> None:
        super().__init__(database, password, statement_timeout_seconds)
        if database.publication is None:
            raise UsageError(
                "The pipeline file names a scrub_slot, but not the publication whose tables it follows.",
                'Add publication = "…" to [source]; the names: SELECT pubname FROM pg_publication;',
            )
        self._publication = database.publication
        self._slot = slot
        self.name = f"WAL through the replication slot {slot}"

    def __enter__(self) -> PostgreSQLChanges:
        super().__enter__()
        return self

    def read(self, keys: Mapping[TableName, tuple[str, ...]], most: int) -> Changes:
        """The next changes; a transaction is never divided, so there may be more than `most`."""
        collector = KeyCollector(keys)
        until, number = "", 0
        with (
            self._our_errors(),
            self._session.transaction(force_rollback=True),
            self._session.cursor("cdcproof_changes", binary=True) as cursor,
        ):
            here = self._session.execute("SELECT pg_current_wal_insert_lsn()::text").fetchall()[0][0]
            cursor.itersize = _MESSAGES_PER_FETCH
            cursor.execute(_READ, (self._slot, most, self._publication))
            for lsn, message in cursor:
                until, number = lsn, number + 1
                collector.read(message)
                for table in [table for table, found in collector.found.items() if len(found) > MOST_KEYS]:
                    collector.forget(table)
        is_last = number < most
        found = {table: frozenset(rows) for table, rows in collector.found.items()}
        return Changes(here if is_last else until, found, frozenset(collector.unknown), is_last)

    def confirm(self, changes: Changes) -> None:
        """Move the slot on: WAL up to there need not be kept for us."""
        with self._our_errors():
            self._session.execute("SELECT pg_replication_slot_advance(%s, %s)", (self._slot, changes.until))

    def _translated(self, error: psycopg.Error, table: TableName | None) -> CouldNotLookError:
        if isinstance(error, errors.UndefinedObject):
            return UnexpectedAnswerError(
                f"{self._place} has no replication slot {self._slot}.",
                f"SELECT pg_create_logical_replication_slot('{self._slot}', 'pgoutput');",
            )
        if isinstance(error, errors.ObjectNotInPrerequisiteState):
            return UnexpectedAnswerError(
                f"{self._place}: the replication slot {self._slot} has lost changes: {str(error).partition(chr(10))[0]}",
                f"Drop it and make it again, then every table is proven anew: SELECT pg_drop_replication_slot('{self._slot}');",
            )
        return super()._translated(error, table)
