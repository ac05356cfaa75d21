"""Doors that can also tell what the deployment of a connector asks of a database: the contract in base."""

from __future__ import annotations

from cdcproof import pipeline
from cdcproof.databases import STATEMENT_TIMEOUT_SECONDS, password_of
from cdcproof.databases.deployment.base import DeploymentDatabase
from cdcproof.databases.deployment.postgresql import PostgreSQLDeployment
from cdcproof.databases.deployment.sqlserver import SQLServerDeployment
from cdcproof.secrets import Secret


def connect(
    database: pipeline.Database,
    password: Secret | None = None,
    statement_timeout_seconds: float = STATEMENT_TIMEOUT_SECONDS,
) -> DeploymentDatabase:
    """As `cdcproof.databases.connect`."""
    door = SQLServerDeployment if database.type == "sqlserver" else PostgreSQLDeployment
    return door(database, password or password_of(database), statement_timeout_seconds)
