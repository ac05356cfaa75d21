"""SQL Server: change data capture."""

from __future__ import annotations

from cdcproof.databases.base import TableName
from cdcproof.databases.deployment import tsql
from cdcproof.databases.deployment.base import LogStart
from cdcproof.databases.sqlserver import SQLServer
from cdcproof.databases.tsql import DATABASE_STATE


class SQLServerDeployment(SQLServer):
    """A SQL Server session that can also tell what a deployment needs."""

    def __enter__(self) -> SQLServerDeployment:
        super().__enter__()
        return self

    def log_starts(self) -> tuple[LogStart, ...]:
        """The capture instances, each with the oldest LSN that it still has; none where CDC is off."""
        if not self._query(DATABASE_STATE)[0][0]:
            return ()
        return tuple(
            LogStart(instance, int.from_bytes(lsn or b"", "big"), TableName(schema, table))
            for instance, lsn, schema, table in self._query(tsql.LOG_STARTS)
        )
