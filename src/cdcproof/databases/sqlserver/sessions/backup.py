"""A SQL Server session for a backup. The server makes the backup, into a file of its own machine, and verifies it.

A backup holds the database as it was when it ended. No snapshot ties sums to that moment, so each table is summed before and
after: only where both are equal is the backup known to hold just that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from cdcproof.databases.contracts.backup import DatabaseState, TableSum
from cdcproof.databases.names import TableName
from cdcproof.databases.sqlserver.database import SQLServer
from cdcproof.databases.sqlserver.queries import backup
from cdcproof.databases.sqlserver.sessions.backup_runs import run, to_the_primary

METHOD = "CHECKSUM_AGG(BINARY_CHECKSUM(*)), the server's own, of 32 bits"
_EXPRESS = 4


class SQLServerBackup(SQLServer):
    """Implements `contracts.backup.BackupSession`."""

    @contextmanager
    def moment(self) -> Iterator[str]:
        """There is none."""
        yield ""

    def major_version(self) -> int:
        """16 of SQL Server 2022."""
        return int(self.query(backup.EDITION)[0][1] or 0)

    def state(self, report: Callable[[str], None]) -> DatabaseState:
        """As it is now."""
        [(owner, recovery, collation, is_captured)] = self.query(backup.PROPERTIES)
        captured = sorted(map(str, self.log.captured_tables()))
        position = self.log.position() if is_captured else None
        return DatabaseState(
            self.database.database,
            self.version(),
            self.identity(),
            position.value if position else 0,
            position.text if position else "",
            METHOD,
            self.table_sums(report),
            {
                "owner": str(owner or ""),
                "recovery": str(recovery),
                "collation": str(collation),
                "is_captured": bool(is_captured),
                "captured": captured,
            },
        )

    def table_sums(self, report: Callable[[str], None]) -> tuple[TableSum, ...]:
        """Rows and checksum of each table of users."""
        found = []
        for schema, table in self.query(backup.TABLES):
            report(f"{schema}.{table}")
            name = TableName(schema, table)
            with self.our_errors(name):
                rows, total = self.driver.execute(backup.sum_statement(name)).fetchone()
            found.append(TableSum(schema, table, int(rows), str(total if total is not None else "")))
        return tuple(found)

    def ping(self) -> None:
        """One statement."""
        self.query(backup.EDITION)

    def back_up(self, file: PurePath) -> None:
        """BACKUP DATABASE, then RESTORE VERIFYONLY: each raises our error with the server's words."""
        edition = int(self.query(backup.EDITION)[0][0] or 0)
        database = self.database.database
        self._run(backup.backup_statement(database, str(file), compressed=edition != _EXPRESS))
        self._run(backup.verify_statement(str(file)))

    def _run(self, statement: str) -> None:
        with self.our_errors():
            run(self.driver, statement)

    def _open(self, pyodbc: Any, connection_string: str) -> Any:
        return super()._open(pyodbc, to_the_primary(connection_string))


def known_to_hold(before: tuple[TableSum, ...], after: tuple[TableSum, ...]) -> tuple[TableSum, ...]:
    """The sums of a backup that was made between them: exact where a table did not change meanwhile."""
    earlier = {(table.schema, table.table): table for table in before}
    return tuple(replace(table, exact=earlier.get((table.schema, table.table)) == table) for table in after)
