"""Restoring one database beside the old one, and proving that it holds what the manifest says."""

from __future__ import annotations

from pathlib import Path

from cdcproof.backup.folders import open_to_the_server
from cdcproof.backup.log import Log
from cdcproof.backup.parts import postgresql_programs as programs
from cdcproof.backup.parts.databases import address, maintenance, server_path
from cdcproof.backup.restore.plan import SidePlan
from cdcproof.core.errors import OperationError
from cdcproof.databases.connections import connect_for_backup, connect_to_restore, password_of
from cdcproof.databases.contracts.backup import RestoreServer, TableSum, differences
from cdcproof.pipeline.model import Database, Pipeline


def make(pipeline: Pipeline, plan: SidePlan, folder: Path, lock: int) -> None:
    """Restore it under the name beside. Raises our errors; a part of it may be there then, for the caller to drop."""
    with connect_to_restore(maintenance(pipeline, plan.side)) as server:
        server.drop(plan.beside)
        if plan.backup.engine == "sqlserver":
            seen = pipeline.backup.server_directory or str(folder.parent)
            file = server_path(str(server_path(seen, folder.name)), plan.backup.place)
            with open_to_the_server(folder / plan.backup.place):
                server.make(plan.beside, plan.backup.state, file)
        else:
            server.make(plan.beside, plan.backup.state, folder / plan.backup.place)
            _load(pipeline, plan, folder / plan.backup.place, server, lock)


def prove(pipeline: Pipeline, plan: SidePlan, name: str, log: Log) -> str:
    """Compare every table with the manifest; what was found equal. Raises `OperationError` naming the tables that are not."""
    expected = plan.backup.state.tables
    wrong = differences(expected, sums(pipeline, plan.side, name, log))
    if wrong:
        raise OperationError(
            f"The restored {plan.side} differs from the backup: {'; '.join(map(str, wrong[:5]))}"
            + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""),
            "Take another backup.",
        )
    exact = sum(table.exact for table in expected)
    rest = (
        f"; {len(expected) - exact} were written to while they were backed up and cannot be proven"
        if exact < len(expected)
        else ""
    )
    return f"{exact} tables have the rows and checksums of the manifest{rest}"


def sums(pipeline: Pipeline, side: str, name: str, log: Log) -> tuple[TableSum, ...]:
    """Rows and checksum of every table of a database of the side's server."""
    database = address(pipeline, side).model_copy(update={"database": name})
    with connect_for_backup(database) as session, session.moment():
        return session.table_sums(lambda table: log.waiting(f"{side}: {table}"))


def swap(pipeline: Pipeline, plan: SidePlan) -> None:
    """Give it its name; the old one is kept aside."""
    with connect_to_restore(maintenance(pipeline, plan.side)) as server:
        server.swap(plan.database, plan.beside, plan.aside, plan.backup.state)


def drop(pipeline: Pipeline, side: str, name: str) -> None:
    """Drop what a restore did not finish."""
    with connect_to_restore(maintenance(pipeline, side)) as server:
        server.drop(name)


def _load(pipeline: Pipeline, plan: SidePlan, dump: Path, server: RestoreServer, lock: int) -> None:
    database: Database = address(pipeline, plan.side)
    password = password_of(database)
    program = programs.find("pg_restore", server.major_version())
    argv = [str(program.path), "--exit-on-error", "--no-password", f"--jobs={pipeline.backup.jobs}"]
    argv += [f"--dbname={programs.by_name(plan.beside)}", str(dump)]
    programs.run(argv, database, password, server.ping, keep_open=(lock,))
    analyze = programs.find("vacuumdb", server.major_version())  # else the first queries go by no statistics
    argv = [str(analyze.path), "--analyze-only", "--quiet", f"--jobs={pipeline.backup.jobs}", "--no-password"]
    argv.append(f"--dbname={programs.by_name(plan.beside)}")
    programs.run(argv, database, password, server.ping, keep_open=(lock,))
