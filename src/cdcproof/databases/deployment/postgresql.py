"""PostgreSQL: slots, publications, and what a role may do.

Predefined roles and what they allow: PostgreSQL's manual, "Predefined Roles". A superuser has every privilege, so that
only its being one is told of it.
"""

from __future__ import annotations

from psycopg import sql

from cdcproof.databases.base import TableName
from cdcproof.databases.deployment.base import CaptureState, LogStart, Needs, Rights
from cdcproof.databases.postgresql_session import Session
from cdcproof.errors import UnexpectedAnswerError

# wal_status lost: what the slot should keep is gone, whatever restart_lsn says
_LOG_STARTS = """
    SELECT slot_name, (restart_lsn - '0/0'::pg_lsn)::bigint FROM pg_replication_slots
    WHERE database = current_database() AND restart_lsn IS NOT NULL AND wal_status <> 'lost' ORDER BY slot_name"""
_CAPTURE = """
    SELECT current_setting('wal_level'),
           current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots)::int,
           EXISTS (SELECT FROM pg_publication WHERE pubname = %s),
           (SELECT plugin FROM pg_replication_slots WHERE slot_name = %s)"""
_PUBLISHED = "SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = %s"

_ATTRIBUTES = """
    SELECT rolcanlogin, rolsuper, rolreplication, rolcreaterole, rolcreatedb, rolbypassrls
    FROM pg_roles WHERE rolname = %s"""
_MEMBERSHIPS = """
    SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) AND pg_has_role(%s::name, oid, 'MEMBER') ORDER BY rolname"""
_POWERFUL = [
    "pg_write_all_data",
    "pg_write_server_files",
    "pg_read_server_files",
    "pg_execute_server_program",
    "pg_maintain",
    "pg_signal_backend",
    "pg_checkpoint",
]
_SCHEMAS = """
    SELECT nspname, has_schema_privilege(%s, oid, 'USAGE'), has_schema_privilege(%s, oid, 'CREATE')
    FROM pg_namespace WHERE nspname = ANY(%s) ORDER BY nspname"""
_TABLE = """
    SELECT privilege, has_table_privilege(%s, c.oid, privilege)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, unnest(%s::text[]) AS privilege
    WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p')"""
_WRITING = ("INSERT", "UPDATE", "DELETE", "TRUNCATE")


class PostgreSQLDeployment(Session):
    """A PostgreSQL session that tells what a deployment needs."""

    def log_starts(self) -> tuple[LogStart, ...]:
        """The slots of this database, each with the position from which the log is kept for it."""
        return tuple(LogStart(name, position) for name, position in self._query(_LOG_STARTS))

    def capture_state(self, publication: str, slot: str) -> CaptureState:
        """The settings that logical decoding needs, the publication's tables, and the slot's plug-in."""
        wal_level, free, is_there, plugin = self._query(_CAPTURE, (publication, slot))[0]
        settings = {
            "wal_level": str(wal_level),
            f"publication {publication}": "present" if is_there else "absent",
            f"slot {slot}": str(plugin) if plugin else f"absent, {free} free",
        }
        return CaptureState(settings, frozenset(TableName(*row) for row in self._query(_PUBLISHED, (publication,))))

    def rights(self, account: str, needs: Needs) -> Rights:
        """The role's rights; any session may ask for those of any role."""
        attributes = self._query(_ATTRIBUTES, (account,))
        if not attributes:
            raise UnexpectedAnswerError(
                f"{self._place} has no role {account}.", "Make it, or correct the connector's user."
            )
        may_log_in, is_superuser, replicates, makes_roles, makes_databases, bypasses = attributes[0]
        role = sql.Identifier(account)
        if is_superuser:
            return Rights({}, {"superuser": sql.SQL("ALTER ROLE {} NOSUPERUSER;").format(role).as_string()})
        missing: dict[str, sql.Composed] = {}
        excessive: dict[str, sql.Composed] = {}
        if not may_log_in:
            missing["login"] = sql.SQL("ALTER ROLE {} LOGIN;").format(role)
        if needs.reads_log and not replicates:
            missing["replication"] = sql.SQL("ALTER ROLE {} REPLICATION;").format(role)
        for has, attribute in (
            (replicates and not needs.reads_log, "REPLICATION"),
            (makes_roles, "CREATEROLE"),
            (makes_databases, "CREATEDB"),
            (bypasses, "BYPASSRLS"),
        ):
            if has:
                excessive[attribute.lower()] = sql.SQL("ALTER ROLE {} {};").format(role, sql.SQL(f"NO{attribute}"))
        for (member,) in self._query(_MEMBERSHIPS, (_POWERFUL, account)):
            excessive[f"member of {member}"] = sql.SQL("REVOKE {} FROM {};").format(sql.Identifier(member), role)
        self._add_schemas(account, needs, missing)
        self._add_tables(account, needs, missing, excessive)
        return Rights(
            {subject: statement.as_string() for subject, statement in missing.items()},
            {subject: statement.as_string() for subject, statement in excessive.items()},
        )

    def _add_schemas(self, account: str, needs: Needs, missing: dict[str, sql.Composed]) -> None:
        names = sorted({table.schema for table in (*needs.read, *needs.write)} | set(needs.create_in))
        for schema, may_use, may_create in self._query(_SCHEMAS, (account, account, names)):
            wanted = (("USAGE", may_use), *([("CREATE", may_create)] if schema in needs.create_in else []))
            for privilege, has in wanted:
                if not has:
                    missing[f"{privilege} on schema {schema}"] = sql.SQL("GRANT {} ON SCHEMA {} TO {};").format(
                        sql.SQL(privilege), sql.Identifier(schema), sql.Identifier(account)
                    )

    def _add_tables(
        self, account: str, needs: Needs, missing: dict[str, sql.Composed], excessive: dict[str, sql.Composed]
    ) -> None:
        for table in dict.fromkeys((*needs.read, *needs.write)):
            wanted = {*(["SELECT"] if table in needs.read else []), *(needs.privileges if table in needs.write else [])}
            asked = ["SELECT", *_WRITING]
            for privilege, has in self._query(_TABLE, (account, asked, table.schema, table.table)):
                names = (sql.SQL(privilege), sql.Identifier(table.schema, table.table), sql.Identifier(account))
                if privilege in wanted and not has:
                    missing[f"{privilege} on {table}"] = sql.SQL("GRANT {} ON {} TO {};").format(*names)
                if has and privilege in _WRITING and table not in needs.write:
                    excessive[f"{privilege} on {table}"] = sql.SQL("REVOKE {} ON {} FROM {};").format(*names)
