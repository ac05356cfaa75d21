"""Backing up one side: the dump and what the manifest says of it, of one moment where the engine has one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from cdcproof.backup.manifest import DatabaseBackup
from cdcproof.backup.parts import postgresql_programs as programs
from cdcproof.core.errors import OperationError
from cdcproof.databases.connections import connect_for_backup, password_of
from cdcproof.databases.contracts.backup import BackupSession, DatabaseState
from cdcproof.databases.sqlserver.sessions.backup import known_to_hold
from cdcproof.pipeline.model import Account, Database, Pipeline

LOCK_WAIT_SECONDS = 30


@dataclass(frozen=True)
class Orders:
    """Where a database is backed up to: the backup's folder as we see it, and as SQL Server's machine does.

    `report` is given the table that is read; `keep_open` is the lock, which programs hold until they end.
    """

    folder: Path
    as_server: str
    timestamp: str
    report: Callable[[str], None]
    keep_open: tuple[int, ...] = ()


def address(pipeline: Pipeline, side: str) -> Database:
    """The database of a side, with the account that may back it up and restore it."""
    database, account = {
        "source": (pipeline.source, pipeline.backup.source),
        "target": (pipeline.target, pipeline.backup.target),
    }[side]
    return with_account(database, account)


def maintenance(pipeline: Pipeline, side: str) -> Database:
    """The same server's database from which others are made and renamed: it is never restored."""
    database = address(pipeline, side)
    name = "master" if database.type == "sqlserver" else "postgres"
    return database.model_copy(update={"database": name if database.database != name else "template1"})


def with_account(database: Database, account: Account | None) -> Database:
    """The same database by another account, where there is one."""
    if account is None:
        return database
    return database.model_copy(update={"user": account.user, "password_env": account.password_env})


def back_up(pipeline: Pipeline, side: str, orders: Orders) -> DatabaseBackup:
    """Dump a side's database below the backup's folder. Raises our errors; what was written by then is the caller's to remove."""
    database = address(pipeline, side)
    name = f"{database.type}/{_own_name(pipeline, side)}_{orders.timestamp}"
    with connect_for_backup(database) as session:
        if database.type == "sqlserver":
            name += ".bak"
            state = _by_server(session, name, orders)
        else:
            state = _by_program(session, database, orders.folder / name, pipeline.backup.jobs, orders)
    return DatabaseBackup(side, database.type, name, state)


def _by_program(session: BackupSession, database: Database, folder: Path, jobs: int, orders: Orders) -> DatabaseState:
    """pg_dump in its directory format, by the snapshot that the sums are of; then its table of contents is read again."""
    password = password_of(database)
    program = programs.find("pg_dump", session.major_version())
    folder.parent.mkdir(parents=True, exist_ok=True)
    found: list[DatabaseState] = []
    with session.moment() as snapshot:
        argv = [
            *(str(program.path), "--format=directory", f"--file={folder}", f"--jobs={jobs}"),
            *(f"--snapshot={snapshot}", f"--lock-wait-timeout={LOCK_WAIT_SECONDS}s", "--no-password"),
            *("--no-subscriptions", "--no-sync", f"--dbname={programs.by_name(database.database)}"),
        ]
        programs.run(
            argv,
            database,
            password,
            session.ping,
            lambda: found.append(session.state(orders.report)),
            keep_open=orders.keep_open,
        )
    contents = [str(program.path.with_name("pg_restore")), "--list", str(folder)]
    programs.run(contents, database, password, session.ping, keep_open=orders.keep_open)
    return found[0]


def _by_server(session: BackupSession, name: str, orders: Orders) -> DatabaseState:
    """BACKUP DATABASE and RESTORE VERIFYONLY, then the same file seen from here."""
    file = orders.folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.parent.chmod(0o777)
    before = session.state(orders.report)
    session.back_up(server_path(orders.as_server, name))
    after = session.state(orders.report)
    if not file.is_file():
        raise OperationError(
            f"SQL Server has written {server_path(orders.as_server, name)}, and it is not at {file} here.",
            "Let both be one directory: mount it, and say in backup.server_directory what the server calls it.",
        )
    return replace(after, tables=known_to_hold(before.tables, after.tables))


def server_path(folder: str, name: str) -> PurePosixPath | PureWindowsPath:
    """A path below a folder of the server's machine, which may be Windows."""
    kind = PureWindowsPath if "\\" in folder or folder[1:2] == ":" else PurePosixPath
    return kind(folder) / name


def _own_name(pipeline: Pipeline, side: str) -> str:
    """The database's name as a file may have it; after its side where the other one's would be the same."""
    names = [(one.type, _file_name(one.database).lower()) for one in (pipeline.source, pipeline.target)]
    own = _file_name(address(pipeline, side).database)
    return f"{side}-{own}" if names[0] == names[1] else own


def _file_name(database: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in database)
