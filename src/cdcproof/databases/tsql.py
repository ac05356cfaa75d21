"""The T-SQL that is asked of SQL Server. Nothing is asked here.

Catalogue views and permissions as in Microsoft's "System catalog views" and "HAS_PERMS_BY_NAME" references.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cdcproof.databases.base import Column, TableName

OBJECT = "OBJECT_ID(QUOTENAME(?) + N'.' + QUOTENAME(?))"
TABLES = """
    SELECT s.name, t.name FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    WHERE s.name = ? AND t.is_ms_shipped = 0"""
# An alias type is read as what it is made of. `timestamp` is the catalogue's name of rowversion.
COLUMNS = f"""
    SELECT c.name, LOWER(CASE WHEN y.is_user_defined = 1 AND y.is_assembly_type = 0
                              THEN TYPE_NAME(y.system_type_id) ELSE y.name END),
           c.is_nullable, c.scale, c.precision, c.is_computed
    FROM sys.columns AS c JOIN sys.types AS y ON y.user_type_id = c.user_type_id
    WHERE c.object_id = {OBJECT} ORDER BY c.column_id"""  # noqa: S608  a constant
PRIMARY_KEY = f"""
    SELECT c.name FROM sys.indexes AS i
    JOIN sys.index_columns AS k ON k.object_id = i.object_id AND k.index_id = i.index_id AND k.key_ordinal > 0
    JOIN sys.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id
    WHERE i.object_id = {OBJECT} AND i.is_primary_key = 1 ORDER BY k.key_ordinal"""  # noqa: S608  a constant
DATABASE_STATE = "SELECT is_cdc_enabled, snapshot_isolation_state FROM sys.databases WHERE database_id = DB_ID()"
CAPTURED = """
    SELECT DISTINCT OBJECT_SCHEMA_NAME(source_object_id), OBJECT_NAME(source_object_id) FROM cdc.change_tables
    WHERE OBJECT_NAME(source_object_id) IS NOT NULL"""
MAY_SELECT = "SELECT HAS_PERMS_BY_NAME(QUOTENAME(?) + N'.' + QUOTENAME(?), N'OBJECT', N'SELECT')"
MAY_READ_CDC = "SELECT HAS_PERMS_BY_NAME(N'cdc', N'SCHEMA', N'SELECT')"
MAY_VIEW_SERVER_STATE = "SELECT HAS_PERMS_BY_NAME(NULL, NULL, N'VIEW SERVER STATE')"
VERSION = (
    "SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)), CAST(SERVERPROPERTY('Edition') AS nvarchar(128))"
)


def count_statement(table: TableName, predicate: str = "") -> str:
    """T-SQL for the exact number of rows; the line break ends a comment in the predicate."""
    where = f" WHERE ({predicate}\n)" if predicate else ""
    return f"SELECT COUNT_BIG(*) FROM {name(table)}{where}"  # noqa: S608  quoted; the predicate is the operator's own


def select_statement(table: TableName, columns: Sequence[Column]) -> str:
    """T-SQL for all rows of these columns."""
    return f"SELECT {', '.join(quoted(c.name) for c in columns)} FROM {name(table)}"  # noqa: S608  quoted


def select_by_key_statement(
    table: TableName, columns: Sequence[Column], key: Sequence[Column], keys: Sequence[tuple[Any, ...]]
) -> str:
    """T-SQL for the rows with these keys: a parameter for every value of a key but NULL."""
    one_each = (
        " AND ".join(f"{quoted(c.name)} {'IS NULL' if v is None else '= ?'}" for c, v in zip(key, values, strict=True))
        for values in keys
    )
    return f"{select_statement(table, columns)} WHERE {' OR '.join(f'({one})' for one in one_each)}"


def quoted(identifier: str) -> str:
    """The identifier in brackets, as QUOTENAME does it; pyodbc has no tool for it."""
    return f"[{identifier.replace(']', ']]')}]"


def name(table: TableName) -> str:
    """The table's name in brackets, with its schema."""
    return f"{quoted(table.schema)}.{quoted(table.table)}"
