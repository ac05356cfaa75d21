"""The T-SQL that is asked of SQL Server about a deployment. Nothing is asked here.

`sys.fn_cdc_get_min_lsn` answers 0x00000000000000000000 to an account that may not read the capture instance, as
Microsoft's reference says.
"""

from __future__ import annotations

from cdcproof.databases.names import TableName
from cdcproof.databases.sqlserver.queries.catalogue import name

LOG_STARTS = """
    SELECT capture_instance, sys.fn_cdc_get_min_lsn(capture_instance),
           OBJECT_SCHEMA_NAME(source_object_id), OBJECT_NAME(source_object_id)
    FROM cdc.change_tables WHERE OBJECT_NAME(source_object_id) IS NOT NULL ORDER BY capture_instance"""
# Every capture instance, the newest of a table last, and each column of the table that it does not have (NULL: it has it). A rename
# does not reach it.
CAPTURE_INSTANCES = """
    SELECT OBJECT_SCHEMA_NAME(t.source_object_id), OBJECT_NAME(t.source_object_id), t.capture_instance,
           CASE WHEN k.column_name IS NULL THEN c.name END
    FROM cdc.change_tables AS t
    LEFT JOIN sys.columns AS c ON c.object_id = t.source_object_id AND c.is_computed = 0
    LEFT JOIN cdc.captured_columns AS k ON k.object_id = t.object_id AND k.column_name = c.name
    ORDER BY t.start_lsn, t.capture_instance, c.column_id"""
AGENT = "SELECT status_desc FROM sys.dm_server_services WHERE servicename LIKE N'SQL Server Agent%'"
# A job's activity is kept for each start of the Agent: the newest is this one's. A retention is in minutes. run_status 0 is a failure.
JOBS = """
    SELECT j.job_type, s.name, s.enabled, CASE WHEN a.start_execution_date IS NOT NULL AND a.stop_execution_date IS NULL THEN 1 ELSE 0 END,
           j.continuous, j.retention, CASE WHEN h.run_status = 0 THEN h.message END
    FROM msdb.dbo.cdc_jobs AS j
    LEFT JOIN msdb.dbo.sysjobs AS s ON s.job_id = j.job_id
    LEFT JOIN msdb.dbo.sysjobactivity AS a ON a.job_id = j.job_id
        AND a.session_id = (SELECT MAX(n.session_id) FROM msdb.dbo.sysjobactivity AS n)
    LEFT JOIN msdb.dbo.sysjobhistory AS h ON h.instance_id = a.job_history_id
    WHERE j.database_id = DB_ID()"""
# Session 0 is the sum of all; the others are the newest ones since the server has started.
SCANS = """
    SELECT session_id, CASE WHEN end_time IS NULL THEN 0 ELSE 1 END, error_count, tran_count, latency
    FROM sys.dm_cdc_log_scan_sessions WHERE session_id > 0 ORDER BY session_id"""
ERRORS = """
    SELECT session_id, error_number, error_message FROM sys.dm_cdc_errors ORDER BY entry_time"""
CAPTURED_AGE = "SELECT DATEDIFF(second, sys.fn_cdc_map_lsn_to_time(sys.fn_cdc_get_max_lsn()), GETDATE())"
LOG_SPACE = """
    SELECT d.log_reuse_wait_desc, u.used_log_space_in_percent
    FROM sys.databases AS d CROSS JOIN sys.dm_db_log_space_usage AS u WHERE d.name = DB_NAME()"""
# NULL where this account may not view the login's definition, and where there is no such login.
LOGIN = """
    SELECT CAST(LOGINPROPERTY(?, N'IsExpired') AS int), CAST(LOGINPROPERTY(?, N'IsLocked') AS int),
           CAST(LOGINPROPERTY(?, N'IsMustChange') AS int)"""
UPDATEABILITY = "SELECT CAST(DATABASEPROPERTYEX(DB_NAME(), N'Updateability') AS nvarchar(128))"
# Both clocks are the server's own, in its local time, which is all that it keeps. NULL where the change has been cleaned up.
AGE = "SELECT DATEDIFF(second, sys.fn_cdc_map_lsn_to_time(?), GETDATE())"


def oldest_unread_statement(change_table: TableName) -> str:
    """T-SQL for the commit of the oldest change that was not read. Bound: the commit that was read, twice, and the change in it."""
    return f"""
        SELECT TOP (1) [__$start_lsn] FROM {name(change_table)}
        WHERE [__$start_lsn] > ? OR ([__$start_lsn] = ? AND [__$seqval] > ?) ORDER BY [__$start_lsn]"""  # noqa: S608  quoted
