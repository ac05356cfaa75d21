"""Sessions with a database, by what they are for. Here alone the engine is chosen; drivers are imported when one is needed."""

from __future__ import annotations

from cdcproof.core.secrets import Secret, from_environment
from cdcproof.databases.contracts.backup import BackupSession, RestoreServer
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.contracts.deployment import DeploymentDatabase
from cdcproof.databases.contracts.diagnosis import DiagnosisDatabase
from cdcproof.databases.contracts.health import HealthDatabase
from cdcproof.pipeline.engines import WITHOUT_PASSWORD, DatabaseAddress

# ruff: noqa: PLC0415  each engine takes a tenth of a second, and most runs need only one of them

STATEMENT_TIMEOUT_SECONDS = 30.0
"""For checks, which ask the catalogue or count. A comparison of whole tables needs longer."""
HEALTH_TIMEOUT_SECONDS = 2.0
"""Of each statement: a scrape waits for no longer."""
BACKUP_TIMEOUT_SECONDS = 43_200.0
"""For one table's sum, or one SQL Server backup."""


def connect(
    database: DatabaseAddress,
    password: Secret | None = None,
    statement_timeout_seconds: float = STATEMENT_TIMEOUT_SECONDS,
) -> Database:
    """A database to be used as a context manager, which opens and closes the session.

    Without `password` it is read from the environment variable `database.password_env` names; `UsageError` when unset.
    """
    known = password or password_of(database)
    if database.type == "sqlserver":
        from cdcproof.databases.sqlserver.database import SQLServer

        return SQLServer(database, known, statement_timeout_seconds)
    from cdcproof.databases.postgresql.database import PostgreSQL

    return PostgreSQL(database, known, statement_timeout_seconds)


def connect_for_deployment(
    database: DatabaseAddress,
    password: Secret | None = None,
    statement_timeout_seconds: float = STATEMENT_TIMEOUT_SECONDS,
) -> DeploymentDatabase:
    """As `connect`: a session that reads what the deployment of a connector asks of a database."""
    known = password or password_of(database)
    if database.type == "sqlserver":
        from cdcproof.databases.sqlserver.sessions.deployment import SQLServerDeployment

        return SQLServerDeployment(database, known, statement_timeout_seconds)
    from cdcproof.databases.postgresql.sessions.deployment import PostgreSQLDeployment

    return PostgreSQLDeployment(database, known, statement_timeout_seconds)


def connect_for_health(database: DatabaseAddress, timeout_seconds: float = HEALTH_TIMEOUT_SECONDS) -> HealthDatabase:
    """As `connect`, with a limit for each statement: a session that reads how a database does, for the exporter."""
    if database.type == "sqlserver":
        from cdcproof.databases.sqlserver.sessions.health import SQLServerHealth

        return SQLServerHealth(database, password_of(database), timeout_seconds)
    from cdcproof.databases.postgresql.sessions.health import PostgreSQLHealth

    return PostgreSQLHealth(database, password_of(database), timeout_seconds)


def connect_for_diagnosis(
    database: DatabaseAddress, password: Secret | None = None, statement_timeout_seconds: float = 10.0
) -> DiagnosisDatabase:
    """As `connect`: a session that shows what a database is busy with."""
    known = password or password_of(database)
    if database.type == "sqlserver":
        from cdcproof.databases.sqlserver.sessions.diagnosis import SQLServerDiagnosis

        return SQLServerDiagnosis(database, known, statement_timeout_seconds)
    from cdcproof.databases.postgresql.sessions.diagnosis import PostgreSQLDiagnosis

    return PostgreSQLDiagnosis(database, known, statement_timeout_seconds)


def connect_for_backup(database: DatabaseAddress, password: Secret | None = None) -> BackupSession:
    """As `connect`: a session that reads a database for its backup."""
    known = password or password_of(database)
    if database.type == "sqlserver":
        from cdcproof.databases.sqlserver.sessions.backup import SQLServerBackup

        return SQLServerBackup(database, known, BACKUP_TIMEOUT_SECONDS)
    from cdcproof.databases.postgresql.sessions.backup import PostgreSQLBackup

    return PostgreSQLBackup(database, known, BACKUP_TIMEOUT_SECONDS)


def connect_to_restore(maintenance: DatabaseAddress, password: Secret | None = None) -> RestoreServer:
    """A session with the server; the address names the database that the session is in, one that is never restored."""
    known = password or password_of(maintenance)
    if maintenance.type == "sqlserver":
        from cdcproof.databases.sqlserver.sessions.restore import SQLServerServer

        return SQLServerServer(maintenance, known, BACKUP_TIMEOUT_SECONDS)
    from cdcproof.databases.postgresql.sessions.restore import PostgreSQLServer

    return PostgreSQLServer(maintenance, known, BACKUP_TIMEOUT_SECONDS)


def password_of(database: DatabaseAddress) -> Secret:
    """The password from the environment. Raises `UsageError` naming the variable when it is not set."""
    if database.authentication in WITHOUT_PASSWORD:
        return Secret("")
    account = f"user {database.user} of {database.database} at {database.host}:{database.port}"
    return from_environment(database.password_env, account)
