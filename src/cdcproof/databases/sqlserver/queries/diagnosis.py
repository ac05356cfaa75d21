"""The T-SQL that is asked of SQL Server for diagnostics. Nothing is asked here.

Microsoft's references: "sys.dm_exec_requests" (blocking_session_id), "sys.dm_exec_sessions", "sys.dm_tran_locks",
"sys.dm_cdc_log_scan_sessions", "sys.configurations", "sys.database_files" (size in pages of 8 KiB).
"""

from __future__ import annotations

SERVER = """
    SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)) AS version,
           CAST(SERVERPROPERTY('Edition') AS nvarchar(128)) AS edition, @@SERVERNAME AS server, SYSDATETIMEOFFSET() AS clock,
           i.sqlserver_start_time AS started, i.cpu_count, i.physical_memory_kb / 1024 AS memory_mebibytes
    FROM sys.dm_os_sys_info AS i"""
SESSIONS = """
    SELECT TOP (500) s.session_id, s.login_name, s.host_name, s.program_name, s.status, DB_NAME(s.database_id) AS in_database,
           s.open_transaction_count, r.blocking_session_id AS blocked_by, r.command, r.status AS request_status, r.wait_type,
           r.wait_time AS wait_milliseconds, r.wait_resource, r.total_elapsed_time AS elapsed_milliseconds,
           s.last_request_start_time, SUBSTRING(t.text, 1, 500) AS query
    FROM sys.dm_exec_sessions AS s
    LEFT JOIN sys.dm_exec_requests AS r ON r.session_id = s.session_id
    OUTER APPLY sys.dm_exec_sql_text(r.sql_handle) AS t
    WHERE s.is_user_process = 1 ORDER BY r.blocking_session_id DESC, s.session_id"""
LOCKS_WAITED_FOR = """
    SELECT TOP (500) l.request_session_id AS session_id, l.resource_type, l.resource_description, l.request_mode, l.request_status
    FROM sys.dm_tran_locks AS l WHERE l.request_status <> N'GRANT' AND l.resource_database_id = DB_ID()
    ORDER BY l.request_session_id"""
DATABASE = """
    SELECT d.name, d.state_desc, d.recovery_model_desc, d.is_cdc_enabled, d.snapshot_isolation_state, d.is_read_committed_snapshot_on,
           d.log_reuse_wait_desc, d.compatibility_level, d.collation_name, d.create_date
    FROM sys.databases AS d WHERE d.name = DB_NAME()"""
LOG_SPACE = """
    SELECT total_log_size_in_bytes, used_log_space_in_bytes, used_log_space_in_percent FROM sys.dm_db_log_space_usage"""
FILES = """
    SELECT f.name, f.type_desc, f.state_desc, CAST(f.size AS bigint) * 8 / 1024 AS size_mebibytes, f.max_size, f.growth, f.is_percent_growth
    FROM sys.database_files AS f ORDER BY f.name"""
TABLES = """
    SELECT TOP (200) s.name AS in_schema, t.name, SUM(p.rows) AS estimated_rows, MAX(CAST(t.is_tracked_by_cdc AS int)) AS is_captured
    FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    JOIN sys.partitions AS p ON p.object_id = t.object_id AND p.index_id IN (0, 1)
    GROUP BY s.name, t.name ORDER BY SUM(p.rows) DESC"""
SETTINGS = """
    SELECT c.name, CAST(c.value AS bigint) AS configured, CAST(c.value_in_use AS bigint) AS in_use FROM sys.configurations AS c ORDER BY c.name"""
CAPTURE_INSTANCES = """
    SELECT OBJECT_SCHEMA_NAME(source_object_id) AS in_schema, OBJECT_NAME(source_object_id) AS source_table, capture_instance,
           CONVERT(varchar(22), start_lsn, 1) AS start_lsn, sys.fn_cdc_map_lsn_to_time(start_lsn) AS starts_at
    FROM cdc.change_tables ORDER BY capture_instance"""
LOG_SCAN_SESSIONS = """
    SELECT TOP (50) session_id, start_time, end_time, scan_phase, error_count, tran_count, last_commit_time, command_count, latency,
           empty_scan_count, failed_sessions_count
    FROM sys.dm_cdc_log_scan_sessions ORDER BY session_id DESC"""
CAPTURE_ERRORS = """
    SELECT TOP (50) session_id, entry_time, error_number, error_severity, error_message FROM sys.dm_cdc_errors ORDER BY entry_time DESC"""
CAPTURE_JOBS = """
    SELECT c.job_type, j.name, j.enabled, c.maxtrans, c.maxscans, c.continuous, c.pollinginterval, c.retention, c.threshold
    FROM msdb.dbo.cdc_jobs AS c LEFT JOIN msdb.dbo.sysjobs AS j ON j.job_id = c.job_id
    WHERE c.database_id = DB_ID() ORDER BY c.job_type"""
