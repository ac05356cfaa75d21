"""The change feed of SQL Server: the capture job's change tables, read behind where each table's changes were left.

They are kept for Debezium, and hold nothing back for us: what was cleaned up before it was read is not known any more,
and then every row of the table counts as changed. Facts: Microsoft's "Change data capture tables" and
"cdc.lsn_time_mapping". A partition that is switched in or out is not captured: the slices find it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.contracts.change_feed import MOST_KEYS, TOO_MANY_KEYS, Changes, Followed, Following, Keys
from cdcproof.databases.names import TableName
from cdcproof.databases.sqlserver.database import SQLServer
from cdcproof.databases.sqlserver.log import lsn
from cdcproof.databases.sqlserver.queries import catalogue


class SQLServerChanges(SQLServer):
    """A session on the change tables. Implements `contracts.change_feed.ChangeFeed`; use as a context manager."""

    name = "the change tables of SQL Server's capture job"

    def __enter__(self) -> SQLServerChanges:
        super().__enter__()
        return self

    def following(self, keys: Mapping[TableName, tuple[str, ...]]) -> dict[TableName, Following]:
        """By a change table, which says itself where it begins."""
        captured = {str(one.of).casefold() for one in self.log.change_tables(())}
        return {
            table: Following("change tables")
            if str(table).casefold() in captured
            else Following(why_not=f"Changes of {table} are not captured.\n{catalogue.enable_table(table)}")
            for table in keys
        }

    def read(self, tables: Mapping[TableName, Followed], most: int) -> Changes:
        """The changes of about `most` transactions, none of them divided."""
        end = self._captured_to()
        behind = {table: one.behind for table, one in tables.items() if one.behind is not None}
        unknown = {
            table: f"the capture job has come to {lsn.text(end)}, before {lsn.text(begun)}, up to where this table's changes were proven: the source was set back"
            for table, begun in behind.items()
            if begun > end
        }
        starts = [begun for table, begun in behind.items() if table not in unknown]
        if not starts:
            return Changes(end, {}, unknown, is_last=True)
        last, transactions = self._between(catalogue.next_transactions_statement(most), min(starts), end)[0]
        is_last = transactions < most
        until = end if is_last else self.log.number(lsn.of_binary, bytes(last))
        found: dict[TableName, Keys] = {}
        for table, begun in behind.items():
            if table in unknown or begun > until:
                continue
            keys = self._keys(table, tables[table].key, begun, until)
            if isinstance(keys, str):
                unknown[table] = keys
            else:
                found[table] = keys
        return Changes(until, found, unknown, is_last)

    def release(self, position: int) -> int | None:  # noqa: ARG002  the contract's
        """Nothing: the change tables are cleaned up by a job of their own."""
        return None

    def _captured_to(self) -> int:
        """The last position whose changes are all in the change tables: the capture job commits both at once."""
        (captured,) = self.query(catalogue.CAPTURED_TO)[0]
        if not captured:
            raise UnexpectedAnswerError(
                f"{self.place}: the capture job has captured nothing yet.",
                "Start it: EXEC sys.sp_cdc_start_job; and read why it does not run: EXEC sys.sp_cdc_help_jobs;",
            )
        return self.log.number(lsn.of_binary, bytes(captured))

    def _keys(self, table: TableName, key: Sequence[str], begun: int, until: int) -> Keys | str:
        """The keys of all changes; a reason where no change table holds them all, or there are too many."""
        why = f"no change table of it begins before {lsn.text(begun)}: what was captured before was cleaned up, or capture was enabled anew"
        for changes in self.log.change_tables([table]):
            if changes.start > begun:
                continue
            columns = {column.name.casefold(): column for column in self.catalogue.columns(changes.name)}
            found = [columns[name.casefold()] for name in key if name.casefold() in columns]
            if len(found) < len(key):
                why = "its change table does not hold the columns of its key"
                continue
            rows = self._between(catalogue.changed_keys_statement(changes.name, found, MOST_KEYS + 1), begun, until)
            # the clean-up may have come between
            if not any(one.name == changes.name and one.start <= begun for one in self.log.change_tables([table])):
                return why
            if len(rows) > MOST_KEYS:
                return TOO_MANY_KEYS
            with self.our_errors(table):
                return frozenset(tuple(map(_read, row[: len(key)])) for row in rows)
        return why

    def _between(self, statement: str, begun: int, until: int) -> list[tuple[Any, ...]]:
        return self.query(statement, lsn.binary(begun), lsn.binary(until), grant=self.grant_of_cdc)


def _read(text: str | bytes | None) -> str | None:
    """A part of a key as `catalogue.changed_keys_statement` gives it."""
    return text.decode("utf-16-le") if isinstance(text, bytes) else text
