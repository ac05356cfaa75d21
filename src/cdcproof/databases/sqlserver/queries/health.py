"""The T-SQL that is asked of SQL Server at each scrape. Nothing is asked here.

Microsoft's references "sys.dm_exec_sessions", "sys.dm_tran_active_transactions", "sys.dm_os_performance_counters": without VIEW
SERVER STATE the first shows the own session alone, and says nothing of that.
"""

from __future__ import annotations

from cdcproof.databases.names import TableName
from cdcproof.databases.sqlserver.queries.catalogue import name, quoted

CLOCK = "SELECT DATEDIFF_BIG(millisecond, '19700101', SYSUTCDATETIME())"
LIMIT = "SELECT @@MAX_CONNECTIONS"
SESSIONS = """
    SELECT COALESCE(SUM(CASE WHEN s.status = N'running' THEN 1 ELSE 0 END), 0),
           COALESCE(SUM(CASE WHEN s.status <> N'running' AND s.open_transaction_count = 0 THEN 1 ELSE 0 END), 0),
           COALESCE(SUM(CASE WHEN s.status <> N'running' AND s.open_transaction_count > 0 THEN 1 ELSE 0 END), 0)
    FROM sys.dm_exec_sessions AS s WHERE s.is_user_process = 1 AND s.session_id <> @@SPID"""
LONGEST_TRANSACTION = """
    SELECT COALESCE(MAX(DATEDIFF(second, a.transaction_begin_time, GETDATE())), 0)
    FROM sys.dm_tran_session_transactions AS t
    JOIN sys.dm_tran_active_transactions AS a ON a.transaction_id = t.transaction_id
    WHERE t.is_user_transaction = 1 AND t.session_id <> @@SPID"""
# The capture job is one request that runs for days. What has elapsed is no difference of clocks, which are local and may be set.
REQUESTS = """
    SELECT COALESCE(MAX(CASE WHEN s.program_name LIKE N'SQLAgent%' THEN 0 ELSE r.total_elapsed_time / 1000 END), 0),
           COALESCE(SUM(CASE WHEN r.blocking_session_id <> 0 THEN 1 ELSE 0 END), 0)
    FROM sys.dm_exec_requests AS r JOIN sys.dm_exec_sessions AS s ON s.session_id = r.session_id
    WHERE s.is_user_process = 1 AND r.session_id <> @@SPID"""
# Names are padded with blanks, which a comparison passes over. A ratio is a pair of counters.
COUNTERS = """
    SELECT RTRIM(c.counter_name), c.cntr_value FROM sys.dm_os_performance_counters AS c
    WHERE (c.counter_name = N'Number of Deadlocks/sec' AND c.instance_name = N'_Total')
       OR (c.counter_name IN (N'Buffer cache hit ratio', N'Buffer cache hit ratio base') AND c.object_name LIKE N'%:Buffer Manager%')"""
DEADLOCKS, HITS, LOOKUPS = "Number of Deadlocks/sec", "Buffer cache hit ratio", "Buffer cache hit ratio base"
# One row: database_name, database_size, unallocated space, reserved, data, index_size, unused, as text with a unit (reference "sp_spaceused").
SPACE_USED = "EXEC sys.sp_spaceused @oneresultset = 1"
SIZE = "SELECT SUM(CAST(f.size AS bigint)) * 8192 FROM sys.database_files AS f"


def newest_statement(table: TableName, column: str) -> str:
    """T-SQL for the greatest value of a column."""
    return f"SELECT MAX({quoted(column)}) FROM {name(table)}"  # noqa: S608  quoted


def unread_statement(change_table: TableName, most: int) -> str:
    """T-SQL for the number of changes behind a place in the log, up to so many. Bound: the commit, twice, and the change in it.

    An update has two rows, of the values before (3) and after it.
    """
    return f"""
        SELECT COUNT_BIG(*) FROM (
            SELECT TOP ({most}) [__$start_lsn] AS start_lsn FROM {name(change_table)}
            WHERE [__$start_lsn] >= ? AND ([__$start_lsn] > ? OR [__$seqval] > ?) AND [__$operation] <> 3
            ORDER BY [__$start_lsn]) AS t"""  # noqa: S608  quoted; a number


def at_statement(change_table: TableName) -> str:
    """T-SQL for the number of rows at a place in the log. Bound: the commit, and the change in it."""
    return f"SELECT COUNT_BIG(*) FROM {name(change_table)} WHERE [__$start_lsn] = ? AND [__$seqval] = ?"  # noqa: S608  quoted
