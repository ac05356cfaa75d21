"""Doors that can also tell how a database does, for the exporter: the contract in base."""

from __future__ import annotations

from cdcproof import pipeline
from cdcproof.databases import password_of
from cdcproof.databases.health.base import HealthDatabase

STATEMENT_TIMEOUT_SECONDS = 2.0
"""Of each statement: a scrape waits for no longer."""


def connect(database: pipeline.Database, timeout_seconds: float = STATEMENT_TIMEOUT_SECONDS) -> HealthDatabase:
    """As `cdcproof.databases.connect`, with a limit for each statement."""
    if database.type == "sqlserver":
        from cdcproof.databases.health.sqlserver import SQLServerHealth  # noqa: PLC0415  as cdcproof.databases.connect

        return SQLServerHealth(database, password_of(database), timeout_seconds)
    from cdcproof.databases.health.postgresql import PostgreSQLHealth  # noqa: PLC0415

    return PostgreSQLHealth(database, password_of(database), timeout_seconds)
