"""What an account of SQL Server needs, as the statements that grant it, and the T-SQL that asks what it may do. Nothing is asked here.

The rights checks and docs/ACCOUNTS.md take the statements from here, so that they cannot differ.
HAS_PERMS_BY_NAME, IS_SRVROLEMEMBER and IS_ROLEMEMBER answer for the session's own account.
"""

from __future__ import annotations

from cdcproof.databases.contracts.deployment import Needs
from cdcproof.databases.sqlserver.queries.catalogue import constant, name, quoted

WRITING = ("INSERT", "UPDATE", "DELETE", "ALTER")
_OF_JOBS = ("cdc_jobs", "sysjobs", "sysjobactivity", "sysjobhistory")
JOBS, SERVER_STATE = "jobs in msdb", "VIEW SERVER STATE"
BACKING_UP = ("db_backupoperator", "db_datareader")
"""Roles of an account that backs up: BACKUP DATABASE, and the sums of every table."""
VERIFYING = "CREATE ANY DATABASE"
"""Microsoft's reference, "RESTORE VERIFYONLY": it requires the permission to create a database."""


def grants(login: str, user: str, needs: Needs) -> dict[str, str]:
    """Each right that the needs come to, by its name, with the statement that grants it. Of the server to the login, else to the user."""
    made: dict[str, str] = {}
    for table in dict.fromkeys((*needs.read, *needs.write)):
        wanted = [
            *(["SELECT"] if table in needs.read and not needs.backs_up else []),
            *(needs.privileges if table in needs.write else []),
        ]
        made |= {f"{word} on {table}": f"GRANT {word} ON {name(table)} TO {quoted(user)};" for word in wanted}
    if needs.reads_log:
        made["SELECT on schema cdc"] = grant_of_cdc(user)
    if needs.create_in:
        made["CREATE TABLE"] = f"GRANT CREATE TABLE TO {quoted(user)};"
    for schema in needs.create_in:
        made[f"ALTER on schema {schema}"] = f"GRANT ALTER ON SCHEMA::{quoted(schema)} TO {quoted(user)};"
    if needs.sees_server:
        made["VIEW DEFINITION"] = grant_of_definitions(user)
        made[SERVER_STATE] = grant_of_state(login)
        made[JOBS] = grant_of_jobs(login)
    if needs.backs_up:
        made |= {f"role {role}": f"ALTER ROLE [{role}] ADD MEMBER {quoted(user)};" for role in BACKING_UP}
        made[VERIFYING] = f"USE master; GRANT {VERIFYING} TO {quoted(login)};"
    return made


def grant_of_cdc(user: str) -> str:
    """What lets a user read the change tables."""
    return f"GRANT SELECT ON SCHEMA::cdc TO {quoted(user)};"


def grant_of_definitions(user: str) -> str:
    """What shows a user security policies, by which rows may be hidden."""
    return f"GRANT VIEW DEFINITION TO {quoted(user)};"


def grant_of_state(login: str) -> str:
    """What shows a login the server's state."""
    return f"USE master; GRANT VIEW SERVER STATE TO {quoted(login)};"


def grant_of_jobs(login: str) -> str:
    """What shows a login the jobs. In msdb it may have no user yet, to whom alone a right can be granted."""
    user = quoted(login)
    tables = " ".join(f"GRANT SELECT ON dbo.{table} TO {user};" for table in _OF_JOBS)
    return f"USE msdb; IF USER_ID({constant(login)}) IS NULL CREATE USER {user} FOR LOGIN {user}; {tables}"


SERVER_ROLES = """
    SELECT role FROM (VALUES (N'sysadmin'), (N'securityadmin'), (N'serveradmin'), (N'setupadmin'), (N'processadmin'), (N'diskadmin'),
                             (N'dbcreator'), (N'bulkadmin')) AS r (role)
    WHERE IS_SRVROLEMEMBER(role) = 1"""
# CONTROL SERVER comes first: it gives all the others.
SERVER_PERMISSIONS = """
    SELECT permission FROM (VALUES (N'CONTROL SERVER'), (N'ALTER ANY LOGIN'), (N'ALTER ANY SERVER ROLE'), (N'IMPERSONATE ANY LOGIN'),
                                   (N'ALTER ANY DATABASE'), (N'ADMINISTER BULK OPERATIONS'), (N'SHUTDOWN')) AS p (permission)
    WHERE HAS_PERMS_BY_NAME(NULL, NULL, permission) = 1"""
DATABASE_ROLES = """
    SELECT role FROM (VALUES (N'db_owner'), (N'db_securityadmin'), (N'db_accessadmin'), (N'db_ddladmin'),
                             (N'db_datawriter'), (N'db_backupoperator')) AS r (role)
    WHERE IS_ROLEMEMBER(role) = 1"""
# Roles of the database's own making by which a member changes rows or tables.
OWN_ROLES = """
    SELECT DISTINCT r.name FROM sys.database_principals AS r
    JOIN sys.database_permissions AS p ON p.grantee_principal_id = r.principal_id
    WHERE r.type = 'R' AND r.is_fixed_role = 0 AND r.name <> N'public' AND IS_ROLEMEMBER(r.name) = 1 AND p.state IN ('G', 'W')
      AND p.permission_name IN (N'INSERT', N'UPDATE', N'DELETE', N'ALTER', N'CONTROL', N'TAKE OWNERSHIP')"""
# CONTROL comes first: it gives all the others.
DATABASE_PERMISSIONS = """
    SELECT permission FROM (VALUES (N'CONTROL'), (N'ALTER'), (N'ALTER ANY USER'), (N'ALTER ANY ROLE'), (N'ALTER ANY SCHEMA'),
                                   (N'TAKE OWNERSHIP'), (N'INSERT'), (N'UPDATE'), (N'DELETE')) AS p (permission)
    WHERE HAS_PERMS_BY_NAME(DB_NAME(), N'DATABASE', permission) = 1"""
SCHEMA_PERMISSIONS = """
    SELECT permission FROM (VALUES (N'CONTROL'), (N'ALTER'), (N'TAKE OWNERSHIP'), (N'INSERT'), (N'UPDATE'), (N'DELETE')) AS p (permission)
    WHERE HAS_PERMS_BY_NAME(QUOTENAME(?), N'SCHEMA', permission) = 1"""
# A table without an owner of its own belongs to its schema's.
OWNED = """
    SELECT CASE WHEN t.principal_id IS NULL THEN 'SCHEMA' ELSE 'OBJECT' END
    FROM sys.objects AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    WHERE s.name = ? AND t.name = ? AND COALESCE(t.principal_id, s.principal_id) = USER_ID()"""
MAY = "SELECT HAS_PERMS_BY_NAME(QUOTENAME(?) + N'.' + QUOTENAME(?), N'OBJECT', ?)"
MAY_READ_CDC = "SELECT HAS_PERMS_BY_NAME(N'cdc', N'SCHEMA', N'SELECT')"
MAY_CREATE = "SELECT HAS_PERMS_BY_NAME(DB_NAME(), N'DATABASE', N'CREATE TABLE')"
MAY_ALTER_SCHEMA = "SELECT HAS_PERMS_BY_NAME(QUOTENAME(?), N'SCHEMA', N'ALTER')"
MAY_SEE_JOBS = "SELECT HAS_PERMS_BY_NAME(N'msdb.dbo.cdc_jobs', N'OBJECT', N'SELECT')"
IS_BACKUP_OPERATOR = "SELECT COALESCE(IS_ROLEMEMBER(N'db_backupoperator'), 0)"
READS_ALL = """
    SELECT CASE WHEN IS_ROLEMEMBER(N'db_datareader') = 1 OR HAS_PERMS_BY_NAME(DB_NAME(), N'DATABASE', N'SELECT') = 1 THEN 1 ELSE 0 END"""
MAY_VERIFY = "SELECT HAS_PERMS_BY_NAME(NULL, NULL, N'CREATE ANY DATABASE')"
USER = "SELECT SUSER_SNAME(), USER_NAME()"
