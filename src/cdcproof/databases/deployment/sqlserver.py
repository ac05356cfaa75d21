"""SQL Server: change data capture, and what the session's own account may do."""

from __future__ import annotations

from typing import Self

from cdcproof.databases.base import TableName
from cdcproof.databases.deployment import tsql
from cdcproof.databases.deployment.base import CaptureState, LogStart, Needs, Rights
from cdcproof.databases.sqlserver_session import Session
from cdcproof.databases.tsql import CAPTURED, DATABASE_STATE, name, quoted
from cdcproof.errors import UsageError

_WRITING = ("INSERT", "UPDATE", "DELETE", "ALTER")


class SQLServerDeployment(Session):
    """A SQL Server session that tells what a deployment needs."""

    def __enter__(self) -> Self:
        self._connect()
        return self

    def log_starts(self) -> tuple[LogStart, ...]:
        """The capture instances, each with the oldest LSN that it still has; none where CDC is off."""
        if not self._captures():
            return ()
        return tuple(
            LogStart(instance, int.from_bytes(lsn or b"", "big"), TableName(schema, table))
            for instance, lsn, schema, table in self._query(tsql.LOG_STARTS)
        )

    def capture_state(self, publication: str, slot: str) -> CaptureState:
        """Whether CDC is enabled for the database, and for which tables."""
        del publication, slot
        if not self._captures():
            return CaptureState({"CDC of the database": "off"}, frozenset())
        captured = frozenset(TableName(*row) for row in self._query(CAPTURED))
        return CaptureState({"CDC of the database": "on"}, captured)

    def rights(self, account: str, needs: Needs) -> Rights:
        """The rights of this session's account, which must be the one asked for."""
        if account.lower() != self._database.user.lower():
            raise UsageError(
                f"SQL Server tells an account's rights to nobody else: {account} is not the one logged in."
            )
        login, user = (str(found) for found in self._query(tsql.USER)[0])
        missing: dict[str, str] = {}
        excessive = {
            f"server role {role}": f"ALTER SERVER ROLE {quoted(role)} DROP MEMBER {quoted(login)};"
            for (role,) in self._query(tsql.SERVER_ROLES)
        }
        if "server role sysadmin" in excessive:  # it has every permission: what else it has says nothing more
            return Rights({}, {"server role sysadmin": excessive["server role sysadmin"]})
        roles = [role for (role,) in self._query(tsql.DATABASE_ROLES)]
        excessive |= {f"role {role}": f"ALTER ROLE {quoted(role)} DROP MEMBER {quoted(user)};" for role in roles}
        for table in dict.fromkeys((*needs.read, *needs.write)):
            wanted = {*(["SELECT"] if table in needs.read else []), *(needs.privileges if table in needs.write else [])}
            for privilege in ("SELECT", *_WRITING):
                has = self._query(tsql.MAY, table.schema, table.table, privilege)[0][0] == 1
                if privilege in wanted and not has:
                    missing[f"{privilege} on {table}"] = f"GRANT {privilege} ON {name(table)} TO {quoted(user)};"
                # by a role it is told as the role
                if has and not roles and privilege in _WRITING and table not in needs.write:
                    excessive[f"{privilege} on {table}"] = f"REVOKE {privilege} ON {name(table)} FROM {quoted(user)};"
        if needs.reads_log and self._captures() and self._query(tsql.MAY_READ_CDC)[0][0] != 1:
            missing["SELECT on schema cdc"] = f"GRANT SELECT ON SCHEMA::cdc TO {quoted(user)};"
        for schema in needs.create_in:
            if self._query(tsql.MAY_CREATE)[0][0] != 1:
                missing["CREATE TABLE"] = f"GRANT CREATE TABLE TO {quoted(user)};"
            if self._query(tsql.MAY_ALTER_SCHEMA, schema)[0][0] != 1:
                missing[f"ALTER on schema {schema}"] = f"GRANT ALTER ON SCHEMA::{quoted(schema)} TO {quoted(user)};"
        return Rights(missing, excessive)

    def _captures(self) -> bool:
        return bool(self._query(DATABASE_STATE)[0][0])
