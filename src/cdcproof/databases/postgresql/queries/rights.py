"""What an account of PostgreSQL needs, as the statements that grant it, and the SQL that asks what it may do. Nothing is asked here.

The rights checks and docs/ACCOUNTS.md take the statements from here, so that they cannot differ.
Predefined roles, privileges and their lists: PostgreSQL's manual, "Predefined Roles", "Privileges", "System Catalogs".
"""

from __future__ import annotations

from psycopg import sql

from cdcproof.databases.contracts.deployment import Needs

STATISTICS, EVERYTHING = "pg_monitor", "pg_read_all_data"
WRITING = ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER")
"""Privileges on a table by which its rows change, now or by a trigger."""


def grant_of_monitoring(account: str) -> str:
    """The statement by which an account sees the sessions of others whole."""
    return sql.SQL("GRANT {} TO {};").format(sql.SQL(STATISTICS), sql.Identifier(account)).as_string()


def grants(database: str, account: str, needs: Needs) -> dict[str, str]:
    """Each right that the needs come to, by its name, with the statement that grants it."""
    role = sql.Identifier(account)
    made: dict[str, sql.Composed] = {
        f"CONNECT on database {database}": sql.SQL("GRANT CONNECT ON DATABASE {} TO {};").format(
            sql.Identifier(database), role
        )
    }
    if needs.reads_log:
        made["replication"] = sql.SQL("ALTER ROLE {} REPLICATION;").format(role)
    for wanted, member in ((needs.sees_server, STATISTICS), (needs.backs_up, EVERYTHING)):
        if wanted:
            made[f"member of {member}"] = sql.SQL("GRANT {} TO {};").format(sql.Identifier(member), role)
    read = () if needs.backs_up else needs.read  # by that role it reads every table of every schema
    for schema in sorted({table.schema for table in (*read, *needs.write)} | set(needs.create_in)):
        for privilege in ("USAGE", *(["CREATE"] if schema in needs.create_in else [])):
            made[f"{privilege} on schema {schema}"] = sql.SQL("GRANT {} ON SCHEMA {} TO {};").format(
                sql.SQL(privilege), sql.Identifier(schema), role
            )
    for table in dict.fromkeys((*read, *needs.write)):
        wanted_here = [
            *(["SELECT"] if table in read else []),
            *(needs.privileges if table in needs.write else []),
        ]
        for privilege in wanted_here:
            made[f"{privilege} on {table}"] = sql.SQL("GRANT {} ON {} TO {};").format(
                sql.SQL(privilege), sql.Identifier(table.schema, table.table), role
            )
    return {subject: statement.as_string() for subject, statement in made.items()}


# Amazon RDS lets nobody have REPLICATION: its role rds_replication stands for it. The first role of a server, 10, cannot lose SUPERUSER.
ATTRIBUTES = """
    SELECT rolsuper, oid = 10, rolreplication OR EXISTS (
               SELECT FROM pg_roles r WHERE r.rolname = 'rds_replication' AND pg_has_role(a.oid, r.oid, 'MEMBER')),
           rolcreaterole, rolcreatedb, rolbypassrls
    FROM pg_roles a WHERE rolname = %s"""
CONNECTS = "SELECT has_database_privilege(%s, current_database(), 'CONNECT')"
# Whether it uses a predefined role that this server has.
USES = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s AND pg_has_role(%s::name, oid, 'USAGE'))"
SCHEMAS = """
    SELECT nspname, has_schema_privilege(%s, oid, 'USAGE'), has_schema_privilege(%s, oid, 'CREATE')
    FROM pg_namespace WHERE nspname = ANY(%s)"""
TABLE = """
    SELECT privilege, has_table_privilege(%s, c.oid, privilege)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, unnest(%s::text[]) AS privilege
    WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"""

# Every role that the account can become, with the membership of its own by which it can: to revoke that one ends it.
_REACH = """
    WITH RECURSIVE account AS (SELECT oid, rolname FROM pg_roles WHERE rolname = %s), reach (first, role) AS (
        SELECT m.roleid, m.roleid FROM pg_auth_members m JOIN account a ON a.oid = m.member
        UNION SELECT r.first, m.roleid FROM reach r JOIN pg_auth_members m ON m.member = r.role)"""
_TABLES = """
    FROM unnest(%s::text[], %s::text[]) AS wanted (s, t) JOIN pg_namespace n ON n.nspname = wanted.s
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.t AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"""
POWERFUL = [
    "pg_write_all_data",
    "pg_write_server_files",
    "pg_read_server_files",
    "pg_execute_server_program",
    "pg_maintain",
    "pg_signal_backend",
    "pg_checkpoint",
]
MEMBERSHIPS = (
    _REACH  # noqa: S608  only text of ours
    + """
    SELECT f.rolname, r.rolname, concat_ws(', ', CASE WHEN r.rolsuper THEN 'SUPERUSER' END, CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
               CASE WHEN r.rolcreatedb THEN 'CREATEDB' END, CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END)
    FROM reach JOIN pg_roles f ON f.oid = reach.first JOIN pg_roles r ON r.oid = reach.role
    WHERE r.rolname = ANY(%s) OR r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolbypassrls
    ORDER BY f.rolname, r.rolname"""
)
# Rights on tables are those of the list, on the table or on some of its columns, of the account, of PUBLIC ('') and of roles that it can become.
GRANTED = (
    _REACH  # noqa: S608  only text of ours
    + """
    SELECT DISTINCT n.nspname, c.relname, g.privilege_type, CASE WHEN g.grantee <> 0 THEN pg_get_userbyid(g.grantee) ELSE '' END,
           coalesce(f.rolname, '')"""
    + _TABLES
    + """
    CROSS JOIN account a CROSS JOIN LATERAL (
        SELECT grantee, privilege_type FROM aclexplode(c.relacl)
        UNION SELECT e.grantee, e.privilege_type FROM pg_attribute k, aclexplode(k.attacl) e
        WHERE k.attrelid = c.oid AND NOT k.attisdropped) g
    LEFT JOIN reach r ON r.role = g.grantee LEFT JOIN pg_roles f ON f.oid = r.first
    WHERE g.privilege_type = ANY(%s) AND g.grantee <> c.relowner AND (g.grantee IN (0, a.oid) OR r.role IS NOT NULL)
    ORDER BY 1, 2, 3, 4, 5"""
)
# What the account owns, itself ('') or by a role that it can become: the tables, their schemas, the database. Who is to own it is the database's
# owner, or the server's first role where that is the account.
OWNED = (
    _REACH  # noqa: S608  only text of ours
    + """,
    heir AS (SELECT CASE WHEN d.datdba IN (SELECT oid FROM account UNION SELECT role FROM reach) THEN pg_get_userbyid(10)
                         ELSE pg_get_userbyid(d.datdba) END AS name FROM pg_database d WHERE d.datname = current_database())
    SELECT o.kind, o.schema, o.name, coalesce(f.rolname, ''), heir.name FROM (
        SELECT 'TABLE' AS kind, n.nspname AS schema, c.relname AS name, c.relowner AS owner"""
    + _TABLES
    + """
        UNION SELECT 'SCHEMA', '', nspname, nspowner FROM pg_namespace WHERE nspname = ANY(%s::text[])
        UNION SELECT 'DATABASE', '', datname, datdba FROM pg_database WHERE datname = current_database()) o
    CROSS JOIN heir CROSS JOIN account a LEFT JOIN reach r ON r.role = o.owner LEFT JOIN pg_roles f ON f.oid = r.first
    WHERE o.owner = a.oid OR r.role IS NOT NULL ORDER BY 1, 2, 3, 4"""
)
HAS_POLICIES = "SELECT EXISTS (SELECT FROM pg_class WHERE relrowsecurity)"
# Of the policies for a role and a command: one that lets every row pass hides none, unless another one restricts.
HIDDEN = """
    SELECT n.nspname, c.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname || '.' || c.relname = ANY (%s) AND c.relrowsecurity
      AND (c.relforcerowsecurity OR NOT pg_has_role(%s::name, c.relowner, 'USAGE'))
      AND EXISTS (
          SELECT FROM unnest(%s::text[]) AS command CROSS JOIN LATERAL (
              SELECT bool_and(p.polpermissive) AND bool_or(
                         coalesce(pg_get_expr(p.polqual, c.oid), 'true') = 'true'
                         AND coalesce(pg_get_expr(p.polwithcheck, c.oid), 'true') = 'true') AS lets_all_pass
              FROM pg_policy p
              WHERE p.polrelid = c.oid AND p.polcmd IN ('*', command) AND EXISTS (
                    SELECT FROM unnest(p.polroles) AS role
                    WHERE CASE WHEN role = 0 THEN true ELSE pg_has_role(%s::name, role, 'USAGE') END)) AS policies
          WHERE lets_all_pass IS NOT TRUE)
    ORDER BY 1, 2"""
