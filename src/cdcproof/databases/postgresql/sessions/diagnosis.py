"""PostgreSQL's sessions, locks, replication, sizes and settings (its manual: "Monitoring Database Activity", "System Views")."""

from __future__ import annotations

from collections.abc import Sequence

from cdcproof.databases.contracts.diagnosis import SESSIONS, Question, Rows
from cdcproof.databases.postgresql.queries.rights import grant_of_monitoring
from cdcproof.databases.postgresql.session import Session

# pg_blocking_pids locks the lock manager for a moment, so it is asked only of those that wait for a lock
_QUESTIONS = (
    Question(
        "server",
        "Version, start, role and clock",
        """SELECT version(), pg_postmaster_start_time() AS started, pg_is_in_recovery() AS is_standby, now() AS clock,
                  pg_size_pretty(pg_database_size(current_database())) AS database_size""",
    ),
    Question(
        SESSIONS,
        "Sessions: what each does, for how long, and who blocks it",
        """SELECT a.pid, a.usename, a.datname, a.application_name, a.client_addr::text, a.backend_type, a.state,
                  a.wait_event_type, a.wait_event,
                  CASE WHEN a.wait_event_type = 'Lock' THEN nullif(pg_blocking_pids(a.pid)::text, '{}') END AS blocked_by,
                  extract(epoch FROM clock_timestamp() - a.xact_start)::bigint AS transaction_seconds,
                  extract(epoch FROM clock_timestamp() - a.query_start)::bigint AS query_seconds, left(a.query, 500) AS query
           FROM pg_stat_activity a ORDER BY a.xact_start NULLS LAST, a.pid LIMIT 500""",
    ),
    Question(
        "locks-waited-for",
        "Locks that somebody waits for",
        """SELECT l.pid, l.locktype, l.mode, l.relation::regclass::text AS relation, l.transactionid::text, l.waitstart
           FROM pg_locks l WHERE NOT l.granted ORDER BY l.pid LIMIT 500""",
    ),
    Question("slots", "Replication slots", "SELECT * FROM pg_replication_slots ORDER BY slot_name"),
    Question("replication", "Who reads the log", "SELECT * FROM pg_stat_replication ORDER BY pid"),
    Question("publications", "Publications", "SELECT * FROM pg_publication ORDER BY pubname"),
    Question(
        "published-tables",
        "Tables of the publications",
        "SELECT pubname, schemaname, tablename FROM pg_publication_tables ORDER BY 1, 2, 3",
    ),
    Question(
        "activity",
        "Transactions, deadlocks and cache since the statistics were reset",
        "SELECT * FROM pg_stat_database WHERE datname = current_database()",
    ),
    Question(
        "tables",
        "The largest tables: size, rows, vacuum",
        """SELECT schemaname, relname, pg_size_pretty(pg_total_relation_size(relid)) AS size, n_live_tup, n_dead_tup,
                  n_tup_ins, n_tup_upd, n_tup_del, last_vacuum, last_autovacuum, last_analyze, last_autoanalyze
           FROM pg_stat_user_tables ORDER BY pg_total_relation_size(relid) DESC LIMIT 200""",
    ),
    Question(
        "settings",
        "Settings that are not the default",
        """SELECT name, setting, unit, source, pending_restart FROM pg_settings
           WHERE source NOT IN ('default', 'override', 'client', 'session') ORDER BY name""",
    ),
)
_OLDEST_WITH_WAIT_START = 140_000


class PostgreSQLDiagnosis(Session):
    """A PostgreSQL session that shows what the server does."""

    def questions(self) -> Sequence[Question]:
        """All of them: none needs a right of its own."""
        return _QUESTIONS

    def rows(self, question: Question) -> Rows:
        """The answer, by column."""
        with self.our_errors():
            statement = question.statement
            if self.dialect().version < _OLDEST_WITH_WAIT_START:
                statement = statement.replace(", l.waitstart", "")
            cursor = self.driver.execute(statement)
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def blind(self) -> str:
        """Without pg_read_all_stats only its own sessions are shown whole."""
        [(sees,)] = self.query("SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')")
        if sees:
            return ""
        return f"This account sees only its own sessions whole: {grant_of_monitoring(self.database.user)}"
