"""A session with a SQL Server by which databases are restored: from a file of the server's machine, beside the old one, renamed at the end.

KEEP_CDC keeps the change tables of a database that is restored under another name. The jobs are made anew: those of the old database go, for they
have the name that the new ones take. Written from Microsoft's reference; no real server has seen it.
"""

from __future__ import annotations

import ntpath
import posixpath
from pathlib import PurePath
from typing import Any, Self

from cdcproof.core.errors import CdcproofError, OperationError
from cdcproof.databases.contracts.backup import DatabaseState
from cdcproof.databases.sqlserver.queries import backup
from cdcproof.databases.sqlserver.session import Session
from cdcproof.databases.sqlserver.sessions.backup_runs import run, to_the_primary

_LONGEST_NAME = 128
_JOBS = ("capture", "cleanup")


class SQLServerServer(Session):
    """Implements `contracts.backup.RestoreServer`."""

    def __enter__(self) -> Self:
        self._connect()
        return self

    def major_version(self) -> int:
        """16 of SQL Server 2022."""
        return int(self.query(backup.EDITION)[0][1] or 0)

    def databases(self) -> frozenset[str]:
        """All that this account may see."""
        return frozenset(str(name) for (name,) in self.query(backup.DATABASES))

    def name_with(self, database: str, ending: str) -> str:
        """A name has 128 characters at most."""
        return database[: _LONGEST_NAME - len(ending)] + ending

    def make(self, name: str, state: DatabaseState, file: PurePath) -> None:
        """RESTORE VERIFYONLY, RESTORE with every file in a new place, the owner, and DBCC CHECKDB, which alone proves the pages."""
        path = str(file)
        self._do(backup.verify_statement(path))
        [(data, log)] = self.query(backup.DEFAULT_FOLDERS)
        moves = []
        for logical, physical, kind in self._files(path):
            folder = str(log if kind == "L" else data)
            old = ntpath.basename(physical) if "\\" in physical else posixpath.basename(physical)
            moves.append((logical, f"{folder}{name}_{old}"))
        self._do(backup.restore_statement(name, path, moves))
        if state.properties.get("owner"):
            self._do(backup.owner_statement(name, str(state.properties["owner"])))
        self._do(backup.check_statement(name))

    def drop(self, name: str) -> None:
        """With the sessions in it."""
        if name in self.databases():
            self._do(backup.alone_statement(name))
            self._do(backup.drop_statement(name))

    def swap(self, database: str, restored: str, aside: str, state: DatabaseState) -> None:
        """Two renames; where the second fails the first is taken back."""
        replaced = database in self.databases()
        if replaced:
            self._drop_jobs(database)
            self._do(backup.alone_statement(database))
            try:
                self._do(backup.rename_statement(database, aside))
            except CdcproofError:
                self._do(backup.shared_statement(database))
                raise
        try:
            self._do(backup.rename_statement(restored, database))
        except CdcproofError:
            if replaced:
                self._do(backup.rename_statement(aside, database))
                self._do(backup.shared_statement(database))
            raise
        if replaced:
            self._do(backup.shared_statement(aside))
        if state.properties.get("is_captured"):
            self._do(backup.use_statement(database))
            for kind in _JOBS:
                self._do(backup.add_job_statement(kind))
            self._do(backup.use_statement("master"))

    def slot_confirmed(self, slot: str) -> int | None:  # noqa: ARG002  the contract's
        """There are no slots."""
        return None

    def drop_slot(self, slot: str) -> bool:  # noqa: ARG002  the contract's
        """There are none."""
        return False

    def ping(self) -> None:
        """One statement."""
        self.query(backup.EDITION)

    def _drop_jobs(self, database: str) -> None:
        """Of a database that may not be captured, or has none any more: what is not there need not go."""
        self._do(backup.use_statement(database))
        for kind in _JOBS:
            try:
                self._do(backup.drop_job_statement(kind))
            except OperationError:
                continue
        self._do(backup.use_statement("master"))

    def _files(self, path: str) -> list[tuple[str, str, str]]:
        """Logical name, path and type (D, L, …) of each file of the database in a backup."""
        with self.our_errors():
            rows = self.driver.execute(backup.files_statement(path)).fetchall()
        return [(str(row[0]), str(row[1]), str(row[2])) for row in rows]

    def _do(self, statement: str) -> None:
        """Run it; its error is one of an operation."""
        try:
            with self.our_errors():
                run(self.driver, statement)
        except CdcproofError as error:
            raise OperationError(error.message, error.remedy) from None

    def _open(self, pyodbc: Any, connection_string: str) -> Any:
        return super()._open(pyodbc, to_the_primary(connection_string))
