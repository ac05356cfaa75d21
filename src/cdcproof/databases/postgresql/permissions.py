"""What the account of a session may not do, and the statements that grant it."""

from __future__ import annotations

from collections.abc import Sequence

from cdcproof.databases.contracts.deployment import Needs
from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.queries import catalogue, rights
from cdcproof.databases.postgresql.rights import beyond_tables
from cdcproof.databases.postgresql.session import Session

_HIDES = {
    f"member of {rights.STATISTICS}": f"the sessions of other accounts ({rights.STATISTICS})",
    "replication": "what the connector's slot has not sent (REPLICATION)",
}
"""Right to what is not seen without it."""


class Permissions:
    """Implements `contracts.permissions.Permissions`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def missing(self, tables: Sequence[TableName]) -> dict[str, str]:
        """Tables and schemas this account may not read whole: each with its GRANT. A table that does not exist is left out."""
        database, read = self._session.database, Needs(read=tuple(tables))
        needed = rights.grants(database.database, database.user, read)
        missing = {}
        for schema, table, may_use, may_select, hides_rows in self._session.query(
            catalogue.PERMISSIONS, ([str(t) for t in tables],)
        ):
            if not may_use:
                missing[f"schema {schema}"] = needed[f"USAGE on schema {schema}"]
            if not may_select:
                missing[f"{schema}.{table}"] = needed[f"SELECT on {schema}.{table}"]
            elif hides_rows:
                missing[f"all rows of {schema}.{table}"] = self._session.sees_all_rows()
        return missing

    def hidden(self) -> dict[str, str]:
        """Sessions of other accounts; at a source whose slot the pipeline file names, what that slot has not sent."""
        database = self._session.database
        role = Needs(reads_log=bool(database.slot), sees_server=True)
        needed = rights.grants(database.database, database.user, role)
        return {_HIDES[name]: needed[name] for name in beyond_tables(self._session, database.user, role)}
