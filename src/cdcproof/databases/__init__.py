"""Doors to the databases: the contract in base, one module for each driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdcproof.secrets import Secret, from_environment

if TYPE_CHECKING:
    from cdcproof.databases.base import Database
    from cdcproof.engines import DatabaseAddress

STATEMENT_TIMEOUT_SECONDS = 30.0
"""For checks, which ask the catalogue or count. A comparison of whole tables needs longer."""


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
        from cdcproof.databases.sqlserver import SQLServer  # noqa: PLC0415  each takes a tenth of a second

        return SQLServer(database, known, statement_timeout_seconds)
    from cdcproof.databases.postgresql import PostgreSQL  # noqa: PLC0415

    return PostgreSQL(database, known, statement_timeout_seconds)


def password_of(database: DatabaseAddress) -> Secret:
    """The password from the environment. Raises `UsageError` naming the variable when it is not set."""
    account = f"user {database.user} of {database.database} at {database.host}:{database.port}"
    return from_environment(database.password_env, account)
