"""What the account of a session may not do, and the statements that grant it."""

from __future__ import annotations

from collections.abc import Sequence

from cdcproof.databases.contracts.deployment import Needs
from cdcproof.databases.names import TableName
from cdcproof.databases.sqlserver.catalogue import WITHHELD, Catalogue
from cdcproof.databases.sqlserver.queries import catalogue, rights
from cdcproof.databases.sqlserver.session import Session


class Permissions:
    """Implements `contracts.permissions.Permissions`."""

    def __init__(self, session: Session, catalogue: Catalogue) -> None:
        self._session = session
        self._catalogue = catalogue

    def missing(self, tables: Sequence[TableName]) -> dict[str, str]:
        """What the checks need and this account may not do, each with its GRANT; a table it cannot even see included."""
        login, user = self._session.database.user, self._session.user
        needed = rights.grants(login, user, Needs(read=tuple(tables)))
        missing = {
            str(table): needed[f"SELECT on {table}"]
            for table in tables
            if self._session.query(catalogue.MAY_SELECT, table.schema, table.table)[0][0] != 1
        }
        seen = (column for table in tables if str(table) not in missing for column in self._catalogue.columns(table))
        if any(column.withheld == WITHHELD["masked"] for column in seen):
            missing["masked columns"] = f"GRANT UNMASK TO {catalogue.quoted(user)};"
        if not self._catalogue.may_view_definition:
            missing["security policies, by which rows may be hidden"] = rights.grant_of_definitions(self._session.user)
        if self._session.database_state()[0] and self._session.query(catalogue.MAY_READ_CDC)[0][0] != 1:
            missing["schema cdc"] = self._session.grant_of_cdc()
        if self._session.query(catalogue.MAY_VIEW_SERVER_STATE)[0][0] != 1:
            missing["server state (capture job, log scan)"] = self._session.grant_of_state()
        return missing

    def hidden(self) -> dict[str, str]:
        """Nothing: what the exporter shows of the server the checks need too."""
        return {}
