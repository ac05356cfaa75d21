"""The change feed of SQL Server: the capture job's change tables, read from where the last scrub came to.

They are kept for Debezium, and hold nothing back for us: what was cleaned up before it was read is not known any more,
and then every row of the table counts as changed. Facts: Microsoft's "Change data capture tables" and
"cdc.lsn_time_mapping". A partition that is switched in or out is not captured: the slices find it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cdcproof.databases import lsn, tsql
from cdcproof.databases.base import TableName
from cdcproof.databases.changes import MOST_KEYS, Changes, Keys
from cdcproof.databases.sqlserver import SQLServer
from cdcproof.engines import DatabaseAddress
from cdcproof.errors import CouldNotLookError, UnexpectedAnswerError
from cdcproof.reporting.files import write_whole
from cdcproof.secrets import Secret


class SQLServerChanges(SQLServer):
    """A session on the change tables. Implements `changes.ChangeFeed`; use as a context manager.

    `position` is the file that keeps where the last scrub came to.
    """

    name = "the change tables of SQL Server's capture job"

    def __init__(
        self, database: DatabaseAddress, password: Secret, statement_timeout_seconds: float, position: Path
    ) -> None:
        super().__init__(database, password, statement_timeout_seconds)
        self._file = position

    def __enter__(self) -> SQLServerChanges:
        super().__enter__()
        return self

    def read(self, keys: Mapping[TableName, tuple[str, ...]], most: int) -> Changes:
        """The changes of about `most` transactions, none of them divided. At first every row counts as changed."""
        end, begun = self._captured_to(), self._position()
        if begun is None or begun > end:  # the database was made anew, or set back
            return Changes(lsn.text(end), {}, frozenset(keys), is_last=True)
        last, transactions = self._between(tsql.next_transactions_statement(most), begun, end)[0]
        is_last = transactions < most
        until = end if is_last else self._number(lsn.of_binary, bytes(last))
        read = {table: self._keys(table, key, begun, until) for table, key in keys.items()}
        found = {table: rows for table, rows in read.items() if rows is not None}
        return Changes(lsn.text(until), found, frozenset(read.keys() - found.keys()), is_last)

    def confirm(self, changes: Changes) -> None:
        """Keep how far they reach: the next scrub begins there."""
        told = {"of": self._place, "until": changes.until}
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._file, json.dumps(told) + "\n")
        except OSError as error:
            raise CouldNotLookError(
                f"How far the changes are proven cannot be kept in {self._file}: {error.strerror}", "Make room there."
            ) from None

    def _captured_to(self) -> int:
        """The last position whose changes are all in the change tables: the capture job commits both at once."""
        (captured,) = self._query(tsql.CAPTURED_TO)[0]
        if not captured:
            raise UnexpectedAnswerError(
                f"{self._place}: the capture job has captured nothing yet.",
                "Start it: EXEC sys.sp_cdc_start_job; and read why it does not run: EXEC sys.sp_cdc_help_jobs;",
            )
        return self._number(lsn.of_binary, bytes(captured))

    def _position(self) -> int | None:
        """Where the last scrub came to; None when there was none, or of another database."""
        try:
            told = json.loads(self._file.read_text(encoding="utf-8"))
            return lsn.of_text(told["until"]) if told["of"] == self._place else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CouldNotLookError(
                f"{self._file} does not tell how far the changes are proven: {type(error).__name__} {error}",
                f"rm '{self._file}'   (every row of every table is then proven anew)",
            ) from None

    def _keys(self, table: TableName, key: Sequence[str], begun: int, until: int) -> Keys | None:
        """The keys of all changes; None where no change table holds them all, or there are too many."""
        for changes in self._change_tables([table]):
            if changes.start > begun:
                continue
            columns = {column.name.casefold(): column for column in self.columns(changes.name)}
            found = [columns[name.casefold()] for name in key if name.casefold() in columns]
            if len(found) == len(key):
                rows = self._between(tsql.changed_keys_statement(changes.name, found, MOST_KEYS + 1), begun, until)
                # the clean-up may have come between
                is_whole = any(one.name == changes.name and one.start <= begun for one in self._change_tables([table]))
                return frozenset(row[: len(key)] for row in rows) if is_whole and len(rows) <= MOST_KEYS else None
        return None

    def _between(self, statement: str, begun: int, until: int) -> list[tuple[Any, ...]]:
        return self._query(statement, lsn.binary(begun), lsn.binary(until), grant=self._grant_of_cdc)
