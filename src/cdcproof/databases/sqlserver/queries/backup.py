"""The T-SQL of backup and restore. Nothing is asked here.

Microsoft's reference: "BACKUP", "RESTORE Statements", "Restoring databases with CDC enabled" (sys.sp_cdc_enable_db). COPY_ONLY leaves the
chain of differential and log backups alone that the server has anyway. KEEP_CDC keeps the change tables and not the jobs.
"""

from __future__ import annotations

from collections.abc import Iterable

from cdcproof.databases.names import TableName
from cdcproof.databases.sqlserver.queries.catalogue import constant, name, quoted

TABLES = """
    SELECT s.name, t.name FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    WHERE t.is_ms_shipped = 0 AND s.name <> N'cdc' ORDER BY s.name, t.name"""
PROPERTIES = """
    SELECT SUSER_SNAME(owner_sid), recovery_model_desc, collation_name, is_cdc_enabled FROM sys.databases WHERE name = DB_NAME()"""
# 4 is Express, which compresses no backup.
EDITION = "SELECT CAST(SERVERPROPERTY(N'EngineEdition') AS int), CAST(SERVERPROPERTY(N'ProductMajorVersion') AS int)"
DATABASES = "SELECT name FROM sys.databases ORDER BY name"
SESSIONS = """
    SELECT COUNT(*) FROM sys.dm_exec_sessions WHERE database_id = DB_ID(?) AND session_id <> @@SPID AND is_user_process = 1"""
# Where the server puts files of a new database.
DEFAULT_FOLDERS = """
    SELECT CAST(SERVERPROPERTY(N'InstanceDefaultDataPath') AS nvarchar(260)), CAST(SERVERPROPERTY(N'InstanceDefaultLogPath') AS nvarchar(260))"""


def sum_statement(table: TableName) -> str:
    """T-SQL for the number of rows, and for the server's own checksum of their contents, NULL for an empty table."""
    return f"SELECT COUNT_BIG(*), CHECKSUM_AGG(BINARY_CHECKSUM(*)) FROM {name(table)}"  # noqa: S608  quoted


def backup_statement(database: str, file: str, *, compressed: bool) -> str:
    """The whole database into a new file of the server's machine, with a checksum of every page."""
    compression = ", COMPRESSION" if compressed else ""
    return (
        f"BACKUP DATABASE {quoted(database)} TO DISK = {constant(file)} "
        f"WITH CHECKSUM, COPY_ONLY{compression}, FORMAT, INIT, NAME = N'cdcproof'"
    )


def verify_statement(file: str) -> str:
    """Whether the file is whole and readable, by its checksums; what is in the pages, only a restore shows."""
    return f"RESTORE VERIFYONLY FROM DISK = {constant(file)} WITH CHECKSUM"


def files_statement(file: str) -> str:
    """The files of the database in the backup."""
    return f"RESTORE FILELISTONLY FROM DISK = {constant(file)}"


def restore_statement(database: str, file: str, moves: Iterable[tuple[str, str]]) -> str:
    """Restore under a name that is free: `moves` are each file's logical name and its new path."""
    moved = "".join(f", MOVE {constant(logical)} TO {constant(path)}" for logical, path in moves)
    return f"RESTORE DATABASE {quoted(database)} FROM DISK = {constant(file)} WITH CHECKSUM, KEEP_CDC, RECOVERY{moved}"


def check_statement(database: str) -> str:
    """Whether every page of it is right: only this proves a restored database."""
    return f"DBCC CHECKDB ({quoted(database)}) WITH NO_INFOMSGS"


def alone_statement(database: str) -> str:
    """End every other session there."""
    return f"ALTER DATABASE {quoted(database)} SET SINGLE_USER WITH ROLLBACK IMMEDIATE"


def shared_statement(database: str) -> str:
    """Let everybody in again."""
    return f"ALTER DATABASE {quoted(database)} SET MULTI_USER"


def rename_statement(database: str, new_name: str) -> str:
    """Give a database another name."""
    return f"ALTER DATABASE {quoted(database)} MODIFY NAME = {quoted(new_name)}"


def owner_statement(database: str, owner: str) -> str:
    """A restore makes its own account the owner, by which enabling CDC later fails."""
    return f"ALTER AUTHORIZATION ON DATABASE::{quoted(database)} TO {quoted(owner)}"


def drop_statement(database: str) -> str:
    """Remove a database that a restore did not finish."""
    return f"DROP DATABASE {quoted(database)}"


def use_statement(database: str) -> str:
    """What follows is done there."""
    return f"USE {quoted(database)}"


def add_job_statement(kind: str) -> str:
    """Make the job that KEEP_CDC does not keep: ``capture`` or ``cleanup``."""
    return f"EXEC sys.sp_cdc_add_job @job_type = {constant(kind)}"


def drop_job_statement(kind: str) -> str:
    """Take away the job of a database that is put aside: it would go on under the name that the restored one takes."""
    return f"EXEC sys.sp_cdc_drop_job @job_type = {constant(kind)}"
