"""Clients that show what a database is busy with, for diagnostics: the contract in base."""

from __future__ import annotations

from cdcproof import pipeline
from cdcproof.databases import password_of
from cdcproof.databases.diagnosis.base import DiagnosisDatabase
from cdcproof.databases.diagnosis.postgresql import PostgreSQLDiagnosis
from cdcproof.databases.diagnosis.sqlserver import SQLServerDiagnosis
from cdcproof.secrets import Secret


def connect(
    database: pipeline.Database, password: Secret | None = None, statement_timeout_seconds: float = 10.0
) -> DiagnosisDatabase:
    """As `cdcproof.databases.connect`."""
    client = SQLServerDiagnosis if database.type == "sqlserver" else PostgreSQLDiagnosis
    return client(database, password or password_of(database), statement_timeout_seconds)
