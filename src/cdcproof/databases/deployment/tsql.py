"""The T-SQL that is asked of SQL Server about a deployment. Nothing is asked here.

`sys.fn_cdc_get_min_lsn` answers 0x00000000000000000000 to an account that may not read the capture instance, as
Microsoft's reference says. HAS_PERMS_BY_NAME, IS_SRVROLEMEMBER and IS_ROLEMEMBER tell of the session's own account.
"""

from __future__ import annotations

LOG_STARTS = """
    SELECT capture_instance, sys.fn_cdc_get_min_lsn(capture_instance),
           OBJECT_SCHEMA_NAME(source_object_id), OBJECT_NAME(source_object_id)
    FROM cdc.change_tables WHERE OBJECT_NAME(source_object_id) IS NOT NULL ORDER BY capture_instance"""
SERVER_ROLES = """
    SELECT role FROM (VALUES (N'sysadmin'), (N'securityadmin'), (N'serveradmin'), (N'dbcreator'), (N'bulkadmin')) AS r (role)
    WHERE IS_SRVROLEMEMBER(role) = 1"""
DATABASE_ROLES = """
    SELECT role FROM (VALUES (N'db_owner'), (N'db_securityadmin'), (N'db_accessadmin'), (N'db_ddladmin'),
                             (N'db_datawriter'), (N'db_backupoperator')) AS r (role)
    WHERE IS_ROLEMEMBER(role) = 1"""
MAY = "SELECT HAS_PERMS_BY_NAME(QUOTENAME(?) + N'.' + QUOTENAME(?), N'OBJECT', ?)"
MAY_READ_CDC = "SELECT HAS_PERMS_BY_NAME(N'cdc', N'SCHEMA', N'SELECT')"
MAY_CREATE = "SELECT HAS_PERMS_BY_NAME(DB_NAME(), N'DATABASE', N'CREATE TABLE')"
MAY_ALTER_SCHEMA = "SELECT HAS_PERMS_BY_NAME(?, N'SCHEMA', N'ALTER')"
USER = "SELECT SUSER_SNAME(), USER_NAME()"
