"""The change feed of PostgreSQL: a replication slot of our own, read without taking, and moved on when nobody needs the rest.

Functions: PostgreSQL's documentation, "System Administration Functions", replication management. A slot holds back WAL
from where it stands: `morning.8-replication-slots` watches ours as it does Debezium's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import LiteralString, NamedTuple

import psycopg
from psycopg import errors, sql

from cdcproof.core.errors import CouldNotLookError, UnexpectedAnswerError, UsageError
from cdcproof.core.secrets import Secret
from cdcproof.databases.contracts.change_feed import MOST_KEYS, TOO_MANY_KEYS, Changes, Followed, Following
from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.database import PostgreSQL
from cdcproof.databases.postgresql.log.pgoutput import BEGINNING_BYTES, KeyCollector
from cdcproof.databases.postgresql.queries.statements import table_name
from cdcproof.pipeline.engines import DatabaseAddress

_MESSAGES_PER_FETCH = 5_000

# Only what is flushed is decoded: a transaction that was committed without waiting may be visible and not among it yet.
_END: LiteralString = "SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint"
_SLOT: LiteralString = "SELECT (confirmed_flush_lsn - '0/0')::bigint FROM pg_replication_slots WHERE slot_name = %s"
_ADVANCE: LiteralString = "SELECT (end_lsn - '0/0')::bigint FROM pg_replication_slot_advance(%s, %s::pg_lsn)"
# A message has all values of a row, of a gigabyte each. Of one that is too large its beginning is sent, which says of which table it is.
_READ: LiteralString = """
    SELECT (lsn - '0/0')::bigint, substring(data FOR CASE WHEN octet_length(data) > %s THEN %s ELSE octet_length(data) END),
           octet_length(data)
    FROM pg_logical_slot_peek_binary_changes(%s, %s::pg_lsn, %s, 'proto_version', '1', 'publication_names', %s)"""
MOST_MESSAGE_BYTES = 4 * 2**20
# Columns and filters of a publication's tables exist since PostgreSQL 15. A row of a catalogue that was altered has another xmin.
_PUBLISHED: LiteralString = """
    SELECT t.schemaname, t.tablename, {columns}, p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate,
           concat_ws(' ', p.oid, p.xmin, r.oid, r.xmin)
    FROM pg_publication p JOIN pg_publication_tables t ON t.pubname = p.pubname
    JOIN pg_namespace n ON n.nspname = t.schemaname JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
    LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid
    WHERE p.pubname = %s"""
_COLUMNS_AND_FILTER: LiteralString = "t.attnames::text[], t.rowfilter IS NOT NULL"
_ALL_COLUMNS: LiteralString = "NULL::text[], false"
_VERSION_WITH_FILTERS = 15_00_00


class _Published(NamedTuple):
    """A table in a publication: its columns there (None: all), and a text that changes when either is altered."""

    columns: list[str] | None
    has_filter: bool
    every_write: bool
    by: str


class PostgreSQLChanges(PostgreSQL):
    """A session on the slot. Implements `contracts.change_feed.ChangeFeed`; use as a context manager."""

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
        self._read_before = 0
        """Messages that the last reading asked for, when the slot has stood still since."""
        self.name = f"WAL through the replication slot {slot}"

    def __enter__(self) -> PostgreSQLChanges:
        super().__enter__()
        return self

    def following(self, keys: Mapping[TableName, tuple[str, ...]]) -> dict[TableName, Following]:
        """By the publication: it has to publish every write of the table, every row of it and the columns of its key."""
        if not self.query(_SLOT, (self._slot,)):
            raise self._no_slot()
        has_filters = self.driver.info.server_version >= _VERSION_WITH_FILTERS
        statement = _PUBLISHED.format(columns=_COLUMNS_AND_FILTER if has_filters else _ALL_COLUMNS)
        found = {TableName(*row[:2]): _Published(*row[2:]) for row in self.query(statement, (self._publication,))}
        return {table: self._follows(table, key, found.get(table)) for table, key in keys.items()}

    def _follows(self, table: TableName, key: tuple[str, ...], published: _Published | None) -> Following:
        publication = sql.Identifier(self._publication).as_string()
        if published is None:
            more = f"ALTER PUBLICATION {publication} ADD TABLE {table_name(table).as_string()};"
            return Following(why_not=f"{table} is not in the publication {self._publication}.\n{more}")
        if not published.every_write:
            more = f"ALTER PUBLICATION {publication} SET (publish = 'insert, update, delete, truncate');"
            return Following(
                why_not=f"The publication {self._publication} does not publish every kind of write.\n{more}"
            )
        if published.has_filter or not set(key) <= set(published.columns or key):
            return Following(
                why_not=f"The publication {self._publication} leaves out rows of {table}, or columns of its key.\n"
                "Follow it by a publication without a row filter and a column list."
            )
        return Following(f"{self._slot} {published.by}")

    def read(self, tables: Mapping[TableName, Followed], most: int) -> Changes:
        """The next changes; a transaction is never divided, so there may be more than `most`.

        While the slot stands still every reading begins where it stands, so each reads twice as far as the one before.
        """
        behind = min((one.behind for one in tables.values() if one.behind is not None), default=0)
        end: int = self.query(_END)[0][0]
        while True:
            self._read_before = max(most, 2 * self._read_before)
            changes = self._peeked(tables, end, self._read_before)
            if changes.is_last or changes.until > behind:
                return changes

    def _peeked(self, tables: Mapping[TableName, Followed], end: int, most: int) -> Changes:
        collector = KeyCollector({table: one.key for table, one in tables.items() if one.behind is not None})
        until, number = 0, 0
        with (
            self.our_errors(),
            self.driver.transaction(force_rollback=True),
            self.driver.cursor("cdcproof_changes", binary=True) as cursor,
        ):
            cursor.itersize = _MESSAGES_PER_FETCH
            bounds = MOST_MESSAGE_BYTES, BEGINNING_BYTES
            cursor.execute(_READ, (*bounds, self._slot, _lsn(end), most, self._publication))
            for lsn, message, length in cursor:
                until, number = lsn, number + 1
                if length > MOST_MESSAGE_BYTES:
                    collector.pass_over(message, f"a change of a row of it has {length:,} bytes, which is not read")
                else:
                    collector.read(message)
                for table in [table for table, found in collector.found.items() if len(found) > MOST_KEYS]:
                    collector.forget(table, TOO_MANY_KEYS)
        is_last = number < most
        until = end if is_last else until
        unknown = collector.unknown | self._not_held(tables, until, is_last=is_last)
        return Changes(until, {t: frozenset(rows) for t, rows in collector.found.items()}, unknown, is_last)

    def _not_held(self, tables: Mapping[TableName, Followed], until: int, *, is_last: bool) -> dict[TableName, str]:
        """Tables of which the slot does not show everything behind their position. It is asked after it was read: it may have been moved on by another."""
        [(begins,)] = self.query(_SLOT, (self._slot,))
        unknown = {}
        for table, one in tables.items():
            if one.behind is None:
                continue
            if one.behind < begins:
                unknown[table] = (
                    f"the slot {self._slot} begins at {_lsn(begins)}: it has dropped changes behind {_lsn(one.behind)}, where this table's were left"
                )
            elif is_last and one.behind > until:
                unknown[table] = (
                    f"the source's log ends at {_lsn(until)}, before {_lsn(one.behind)}, up to where this table's changes were proven: the source was set back"
                )
            elif one.dropped is not None and begins < one.dropped:
                unknown[table] = (
                    f"the slot {self._slot} begins at {_lsn(begins)}, before {_lsn(one.dropped)}, where it had been moved to: the source crashed, or was set back"
                )
        return unknown

    def release(self, position: int) -> int | None:
        """Move the slot on: WAL up to there need not be kept for us."""
        [(begins,)] = self.query(_SLOT, (self._slot,))
        if position <= begins:
            return int(begins)
        [(now,)] = self.query(_ADVANCE, (self._slot, _lsn(position)))
        self._read_before = 0
        return int(now)

    def _no_slot(self) -> CouldNotLookError:
        return UnexpectedAnswerError(
            f"{self.place} has no replication slot {self._slot}.",
            f"SELECT pg_create_logical_replication_slot('{self._slot}', 'pgoutput');",
        )

    def _translated(self, error: psycopg.Error, table: TableName | None) -> CouldNotLookError:
        if isinstance(error, errors.UndefinedObject):
            return self._no_slot()
        if isinstance(error, errors.ObjectNotInPrerequisiteState):
            return UnexpectedAnswerError(
                f"{self.place}: the replication slot {self._slot} has lost changes: {str(error).partition(chr(10))[0]}",
                f"Drop it and make it again, then every table is proven anew: SELECT pg_drop_replication_slot('{self._slot}');",
            )
        return super()._translated(error, table)


def _lsn(position: int) -> str:
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"
