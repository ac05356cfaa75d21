"""PostgreSQL: slots."""

from __future__ import annotations

from cdcproof.databases.deployment.base import LogStart
from cdcproof.databases.postgresql import PostgreSQL

# wal_status lost: what the slot should keep is gone, whatever restart_lsn says
_LOG_STARTS = """
    SELECT slot_name, (restart_lsn - '0/0'::pg_lsn)::bigint FROM pg_replication_slots
    WHERE database = current_database() AND restart_lsn IS NOT NULL AND wal_status <> 'lost' ORDER BY slot_name"""


class PostgreSQLDeployment(PostgreSQL):
    """A PostgreSQL session that can also tell what a deployment needs."""

    def __enter__(self) -> PostgreSQLDeployment:
        super().__enter__()
        return self

    def log_starts(self) -> tuple[LogStart, ...]:
        """The slots of this database, each with the position from which the log is kept for it."""
        return tuple(LogStart(name, position) for name, position in self._query(_LOG_STARTS))
