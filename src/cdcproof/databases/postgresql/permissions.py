"""What the account of a session may not do, and the statements that grant it."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.queries import catalogue
from cdcproof.databases.postgresql.session import Session


class Permissions:
    """Implements `contracts.permissions.Permissions`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def missing(self, tables: Sequence[TableName]) -> dict[str, str]:
        """Tables and schemas this account may not read whole: each with its GRANT. A table that does not exist is left out."""
        user = sql.Identifier(self._session.database.user)
        missing = {}
        for schema, table, may_use, may_select, hides_rows in self._session.query(
            catalogue.PERMISSIONS, ([str(t) for t in tables],)
        ):
            if not may_use:
                grant = sql.SQL("GRANT USAGE ON SCHEMA {} TO {};").format(sql.Identifier(schema), user)
                missing[f"schema {schema}"] = grant.as_string()
            if not may_select:
                grant = sql.SQL("GRANT SELECT ON {} TO {};").format(sql.Identifier(schema, table), user)
                missing[f"{schema}.{table}"] = grant.as_string()
            elif hides_rows:
                missing[f"all rows of {schema}.{table}"] = self._session.sees_all_rows()
        return missing
