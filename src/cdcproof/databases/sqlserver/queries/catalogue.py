"""The T-SQL that is asked of SQL Server. Nothing is asked here.

Catalogue views and permissions as in Microsoft's "System catalog views" and "HAS_PERMS_BY_NAME" references.
"""

from __future__ import annotations

from collections.abc import Sequence

from cdcproof.databases.names import Column, TableName

SESSION = "SET LOCK_TIMEOUT {milliseconds}; SET DEADLOCK_PRIORITY LOW; SET CONCAT_NULL_YIELDS_NULL ON"
"""What every session begins with: a reader waits for nobody long, and is the one to give way."""
SCAN = " OPTION (MAXDOP 1, RECOMPILE)"
"""What a statement ends with that may read a whole table: it takes one core, and a text that is asked once leaves no plan in the cache."""
SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL SNAPSHOT"
READ_COMMITTED = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"

_MOMENTS = ("date", "datetime", "smalldatetime", "datetime2", "datetimeoffset")
# CONVERT's: ISO 8601 with all digits in any language; as many digits as identify a number; all four places of an amount.
_STYLES = dict.fromkeys((*_MOMENTS, "time"), 126) | {"float": 3, "real": 3, "money": 2, "smallmoney": 2}
RISING = (*_MOMENTS, "timestamp", "tinyint", "smallint", "int", "bigint", "decimal", "numeric")
"""Types whose greatest value `latest_statement` returns without loss."""

TEXTS = ("char", "varchar", "nchar", "nvarchar", "sysname")

OBJECT = "OBJECT_ID(QUOTENAME(?) + N'.' + QUOTENAME(?))"
TABLES = """
    SELECT s.name, t.name FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    WHERE s.name = ? AND t.is_ms_shipped = 0"""
# An alias type is read as what it is made of. `timestamp` is the catalogue's name of rowversion. UNMASK can be granted by the column
# since SQL Server 2022; before, HAS_PERMS_BY_NAME says NULL of a column's. What is below the table is named without brackets there.
COLUMNS = f"""
    SELECT c.name, LOWER(CASE WHEN y.is_user_defined = 1 AND y.is_assembly_type = 0
                              THEN TYPE_NAME(y.system_type_id) ELSE y.name END),
           c.is_nullable, c.scale, c.precision, c.is_computed, c.max_length,
           CASE WHEN c.encryption_type IS NOT NULL THEN 'encrypted'
                WHEN c.is_masked = 1 AND COALESCE(
                    HAS_PERMS_BY_NAME(QUOTENAME(OBJECT_SCHEMA_NAME(c.object_id)) + N'.' + QUOTENAME(OBJECT_NAME(c.object_id)),
                                      N'OBJECT', N'UNMASK', c.name, N'COLUMN'),
                    HAS_PERMS_BY_NAME(DB_NAME(), N'DATABASE', N'UNMASK'), 0) = 0 THEN 'masked' ELSE '' END
    FROM sys.columns AS c JOIN sys.types AS y ON y.user_type_id = c.user_type_id
    WHERE c.object_id = {OBJECT} ORDER BY c.column_id"""  # noqa: S608  a constant
PRIMARY_KEY = f"""
    SELECT c.name FROM sys.indexes AS i
    JOIN sys.index_columns AS k ON k.object_id = i.object_id AND k.index_id = i.index_id AND k.key_ordinal > 0
    JOIN sys.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id
    WHERE i.object_id = {OBJECT} AND i.is_primary_key = 1 ORDER BY k.key_ordinal"""  # noqa: S608  a constant
# Predicates of type 0 filter what is read; the others only stop what is written.
ROW_POLICIES = f"""
    SELECT DISTINCT OBJECT_SCHEMA_NAME(p.object_id) + N'.' + p.name
    FROM sys.security_policies AS p JOIN sys.security_predicates AS f ON f.object_id = p.object_id
    WHERE f.target_object_id = {OBJECT} AND f.predicate_type = 0 AND p.is_enabled = 1"""  # noqa: S608  a constant
IS_VIEW = f"SELECT v.name FROM sys.views AS v WHERE v.object_id = {OBJECT}"  # noqa: S608  a constant
# The text of an encrypted view is NULL. Of what is behind a synonym, which may be on another server, nothing is known.
VIEWS = """
    SELECT s.name, v.name, OBJECT_DEFINITION(v.object_id) FROM sys.views AS v JOIN sys.schemas AS s ON s.schema_id = v.schema_id
    UNION ALL
    SELECT s.name, y.name, NULL FROM sys.synonyms AS y JOIN sys.schemas AS s ON s.schema_id = y.schema_id"""
ROWVERSION_COLUMN = f"""
    SELECT c.name FROM sys.columns AS c
    WHERE c.object_id = {OBJECT} AND TYPE_NAME(c.system_type_id) = N'timestamp'"""  # noqa: S608  a constant
COLLATIONS = f"SELECT c.name, c.collation_name FROM sys.columns AS c WHERE c.object_id = {OBJECT} AND c.collation_name IS NOT NULL"  # noqa: S608  a constant
# The first column of the clustered index: only its ranges lie together.
CLUSTERED_BY = f"""
    SELECT c.name FROM sys.index_columns AS k
    JOIN sys.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id
    WHERE k.object_id = {OBJECT} AND k.index_id = 1 AND k.key_ordinal = 1"""  # noqa: S608  a constant
# sys.partitions wants no permission beyond seeing the table; sys.dm_db_partition_stats wants VIEW DATABASE STATE.
ESTIMATED_ROWS = f"SELECT SUM(p.rows) FROM sys.partitions AS p WHERE p.object_id = {OBJECT} AND p.index_id IN (0, 1)"  # noqa: S608  a constant
# By name: in Azure SQL Database DB_ID() and database_id are two numbers.
DATABASE_STATE = "SELECT is_cdc_enabled, snapshot_isolation_state FROM sys.databases WHERE name = DB_NAME()"
ISOLATION = "SELECT snapshot_isolation_state, is_read_committed_snapshot_on FROM sys.databases WHERE name = DB_NAME()"
HAS_UTF8 = "SELECT CAST(COLLATIONPROPERTY(N'Latin1_General_100_BIN2_UTF8', N'CodePage') AS int)"
CAPTURED = """
    SELECT DISTINCT OBJECT_SCHEMA_NAME(source_object_id), OBJECT_NAME(source_object_id) FROM cdc.change_tables
    WHERE OBJECT_NAME(source_object_id) IS NOT NULL"""
# The last column is where the change table begins: what was committed before it is cleaned up, or was never captured.
CHANGE_TABLES = """
    SELECT OBJECT_SCHEMA_NAME(source_object_id), OBJECT_NAME(source_object_id), OBJECT_SCHEMA_NAME(object_id), OBJECT_NAME(object_id), start_lsn
    FROM cdc.change_tables WHERE OBJECT_NAME(source_object_id) IS NOT NULL"""
# NULL on a secondary of an availability group, which has read what it has redone.
LOG_END = "SELECT log_end_lsn FROM sys.dm_db_log_stats(DB_ID())"
LAST_REDONE = """
    SELECT last_redone_lsn, last_hardened_lsn, redo_queue_size
    FROM sys.dm_hadr_database_replica_states WHERE database_id = DB_ID() AND is_local = 1"""
LOG_SCANS = """
    SELECT session_id, CASE WHEN end_time IS NULL THEN 0 ELSE 1 END, error_count, last_commit_lsn, empty_scan_count
    FROM sys.dm_cdc_log_scan_sessions WHERE session_id > 0 ORDER BY session_id"""
CAPTURED_TO = "SELECT sys.fn_cdc_get_max_lsn()"
# All replicas of an availability group share the database's identifier in the group; when each of them made it is its own affair.
# Azure SQL Database has no sys.database_recovery_status; elsewhere it shows an account without VIEW ANY DATABASE no row.
IDENTITY = """
    SELECT COALESCE(CONVERT(nvarchar(36), d.group_database_id), @@SERVERNAME), d.name,
           CASE WHEN d.group_database_id IS NULL THEN CONVERT(nvarchar(23), d.create_date, 126) ELSE N'' END,
           CASE WHEN OBJECT_ID(N'sys.database_recovery_status') IS NULL THEN 0 ELSE 1 END
    FROM sys.databases AS d WHERE d.name = DB_NAME()"""
RECOVERY_FORK = """
    SELECT CONVERT(nvarchar(36), r.recovery_fork_guid) FROM sys.database_recovery_status AS r WHERE r.database_id = DB_ID()"""
# TRUNCATE is refused for a table that is captured. A column that is added gives every row a value without a write.
TABLE_IDENTITY = f"""
    SELECT CONVERT(varchar(11), o.object_id) + ' ' + CONVERT(varchar(23), o.create_date, 126)
           + ' ' + CONVERT(varchar(11), COALESCE(t.max_column_id_used, 0))
    FROM sys.objects AS o LEFT JOIN sys.tables AS t ON t.object_id = o.object_id WHERE o.object_id = {OBJECT}"""  # noqa: S608  a constant
# What is no object is a method of a column's value. Of a synonym SQL Server does not say what its function is.
IS_DETERMINISTIC = """
    SELECT CASE WHEN OBJECT_ID(?) IS NULL THEN 1 ELSE COALESCE(OBJECTPROPERTY(OBJECT_ID(?), N'IsDeterministic'), 0) END"""
IS_IN_GROUP = "SELECT CASE WHEN replica_id IS NULL THEN 0 ELSE 1 END FROM sys.databases WHERE name = DB_NAME()"
# Rights in a database are a user's, which may be called otherwise than its login.
USER = "SELECT USER_NAME()"
MAY_SELECT = "SELECT HAS_PERMS_BY_NAME(QUOTENAME(?) + N'.' + QUOTENAME(?), N'OBJECT', N'SELECT')"
MAY_READ_CDC = "SELECT HAS_PERMS_BY_NAME(N'cdc', N'SCHEMA', N'SELECT')"
MAY_VIEW_DEFINITION = "SELECT HAS_PERMS_BY_NAME(DB_NAME(), N'DATABASE', N'VIEW DEFINITION')"
# Since SQL Server 2022 the smaller one is enough; before, HAS_PERMS_BY_NAME says NULL of it.
MAY_VIEW_SERVER_STATE = """
    SELECT CASE WHEN HAS_PERMS_BY_NAME(NULL, NULL, N'VIEW SERVER STATE') = 1
                  OR HAS_PERMS_BY_NAME(NULL, NULL, N'VIEW SERVER PERFORMANCE STATE') = 1 THEN 1 ELSE 0 END"""
VERSION = (
    "SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)), CAST(SERVERPROPERTY('Edition') AS nvarchar(128))"
)


def count_statement(table: TableName, predicate: str = "") -> str:
    """T-SQL for the exact number of rows; the line break ends a comment in the predicate."""
    where = f" WHERE ({predicate}\n)" if predicate else ""
    return f"SELECT COUNT_BIG(*) FROM {name(table)}{where}{SCAN}"  # noqa: S608  quoted; the predicate is the operator's own


def data_in_statement(table: TableName, columns: Sequence[str], predicate: str = "") -> str:
    """T-SQL for a row that holds data in any of the columns: 1 for each column in which it does, else 0."""
    filled = [f"{quoted(column)} IS NOT NULL" for column in columns]
    flags = ", ".join(f"CASE WHEN {one} THEN 1 ELSE 0 END" for one in filled)
    where = f"({' OR '.join(filled)})" + (f" AND ({predicate}\n)" if predicate else "")
    return f"SELECT TOP (1) {flags} FROM {name(table)} WHERE {where}{SCAN}"  # noqa: S608  quoted; the predicate is the operator's own


def range_statement(table: TableName, column: Column) -> str:
    """T-SQL for the least and the greatest value; as two questions, each of which an index answers at once."""
    ends = (f"(SELECT {end}({quoted(column.name)}) FROM {name(table)})" for end in ("MIN", "MAX"))  # noqa: S608  quoted
    return f"SELECT {', '.join(ends)}"


def latest_statement(table: TableName, column: Column) -> str:
    """T-SQL for the greatest value of a column as text: what is compared with it is read as the column's type again.

    Style 126 of CONVERT is ISO 8601 with all digits after the second, in any language; style 1 writes bytes as 0x….
    """
    greatest = f"MAX({quoted(column.name)})"
    text = {"timestamp": f"CONVERT(varchar(18), CAST({greatest} AS binary(8)), 1)"} | dict.fromkeys(
        _MOMENTS, f"CONVERT(varchar(40), {greatest}, 126)"
    )
    return f"SELECT {text.get(column.type, f'CONVERT(varchar(41), {greatest})')} FROM {name(table)}{SCAN}"  # noqa: S608  quoted


def changes_beyond_statement(change_table: TableName) -> str:
    """T-SQL for whether a change table holds, up to a position, changes that a connector has not read. 1 when it does.

    Bound: the position; commit, commit and change of what was read; commit and change again, and the number of its events.
    """
    table = name(change_table)
    return f"""
        SELECT CASE WHEN EXISTS (
                SELECT 1 FROM {table} WHERE [__$start_lsn] <= ?
                AND ([__$start_lsn] > ? OR ([__$start_lsn] = ? AND [__$seqval] > ?)))
            OR (SELECT COUNT(*) FROM {table} WHERE [__$start_lsn] = ? AND [__$seqval] = ?) > ? THEN 1 ELSE 0 END"""  # noqa: S608  quoted


def next_transactions_statement(most: int) -> str:
    """T-SQL for where the next so many captured transactions end, and how many there are. Bound: behind, and up to, a position."""
    return f"""
        SELECT MAX(t.start_lsn), COUNT(*) FROM (
            SELECT TOP ({most}) start_lsn FROM cdc.lsn_time_mapping WHERE start_lsn > ? AND start_lsn <= ? ORDER BY start_lsn) AS t"""  # noqa: S608  a number


def changed_keys_statement(change_table: TableName, key: Sequence[Column], most: int) -> str:
    """T-SQL for the keys of changed rows, before and after each change, each once. Bound: behind, and up to, a position.

    As text, but a text as the bytes of its UTF-16: as text DISTINCT would take ``abc`` and ``ABC``, or ``a`` and ``a ``, for one.
    """
    texts = ", ".join(_readable(column) for column in key) or "1"
    return f"""
        SELECT DISTINCT TOP ({most}) {texts} FROM {name(change_table)}
        WHERE [__$start_lsn] > ? AND [__$start_lsn] <= ?"""  # noqa: S608  quoted


def _readable(column: Column) -> str:
    """A value as text, or its bytes in UTF-16, that `column_sql.literal` reads as the same value."""
    value = quoted(column.name)
    if column.type in TEXTS:
        size = column.length if column.length is not None and column.length <= 4000 else None
        return f"CAST(CAST({value} AS nvarchar({size or 'max'})) AS varbinary({2 * size if size else 'max'}))"
    if column.type in ("binary", "varbinary", "timestamp"):
        return f"CONVERT(varchar(max), CAST({value} AS varbinary(max)), 2)"
    style = _STYLES.get(column.type)
    return f"CONVERT(varchar(41), {value}, {style})" if style else f"CONVERT(varchar(41), {value})"


def quoted(identifier: str) -> str:
    """The identifier in brackets, as QUOTENAME does it; pyodbc has no tool for it."""
    return f"[{identifier.replace(']', ']]')}]"


def name(table: TableName) -> str:
    """The table's name in brackets, with its schema."""
    return f"{quoted(table.schema)}.{quoted(table.table)}"


def constant(text: str) -> str:
    """Text as a constant."""
    return "N'" + text.replace("'", "''") + "'"


def enable_table(table: TableName, instance: str = "") -> str:
    """The statement that captures a table, by a capture instance of this name where one is given."""
    named = f", @capture_instance = {constant(instance)}" if instance else ""
    return (
        f"EXEC sys.sp_cdc_enable_table @source_schema = {constant(table.schema)}, @source_name = {constant(table.table)}, "
        f"@role_name = NULL{named};"
    )
