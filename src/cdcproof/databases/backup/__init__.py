"""Sessions by which a database is backed up: the contract in base."""

from __future__ import annotations

from cdcproof.databases import password_of
from cdcproof.databases.backup.base import BackupSession, RestoreServer
from cdcproof.engines import DatabaseAddress
from cdcproof.secrets import Secret

STATEMENT_TIMEOUT_SECONDS = 43_200.0
"""For one table's sum, or one SQL Server backup."""


def connect(database: DatabaseAddress, password: Secret | None = None) -> BackupSession:
    """A session to be used as a context manager; the password is read from the environment where none is given."""
    known = password or password_of(database)
    if database.type == "sqlserver":
        from cdcproof.databases.backup.sqlserver import SQLServerBackup  # noqa: PLC0415  each takes a tenth of a second

        return SQLServerBackup(database, known, STATEMENT_TIMEOUT_SECONDS)
    from cdcproof.databases.backup.postgresql import PostgreSQLBackup  # noqa: PLC0415

    return PostgreSQLBackup(database, known, STATEMENT_TIMEOUT_SECONDS)


def server_of(maintenance: DatabaseAddress, password: Secret | None = None) -> RestoreServer:
    """The same for the server; the address names the database that the session is in, one that is never restored."""
    known = password or password_of(maintenance)
    if maintenance.type == "sqlserver":
        from cdcproof.databases.backup.sqlserver_server import SQLServerServer  # noqa: PLC0415

        return SQLServerServer(maintenance, known, STATEMENT_TIMEOUT_SECONDS)
    from cdcproof.databases.backup.postgresql_server import PostgreSQLServer  # noqa: PLC0415

    return PostgreSQLServer(maintenance, known, STATEMENT_TIMEOUT_SECONDS)
