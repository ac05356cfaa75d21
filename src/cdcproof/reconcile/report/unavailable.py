"""Values that Debezium did not have and for which the target holds its placeholder: a cause to name, with what ends it. Pure.

Debezium's reference of PostgreSQL, "toasted values": a large value that an UPDATE leaves alone is not in the log, unless the table's
REPLICA IDENTITY is FULL. Oracle's LOBs are alike.
"""

from __future__ import annotations

from collections.abc import Iterable

from cdcproof.databases.table_read import ColumnRead, TableRead
from cdcproof.databases.values.types import ENCODED_WHOLE, Kind

_PLACEHOLDER = b"__debezium_unavailable_value"


def of_column(source: TableRead, read: ColumnRead, values: Iterable[bytes | None]) -> str:
    """What ends it where differing values of a column at the target are Debezium's placeholder; empty where none is."""
    held = sum(_is_placeholder(read, value) for value in values)
    if not held:
        return ""
    return (
        f"{read.column.name} holds {_PLACEHOLDER.decode()} at the target in {held:,} {'row' if held == 1 else 'rows'}: "
        "the log does not have a large value that an UPDATE leaves alone. "
        f"Give {source.table} REPLICA IDENTITY FULL at the source, then repair the rows (cdcproof reconcile repair)"
    )


def _is_placeholder(read: ColumnRead, value: bytes | None) -> bool:
    if value is None or read.form.kind not in (Kind.TEXT, Kind.BINARY):
        return False
    return value == (ENCODED_WHOLE + _PLACEHOLDER if read.form.long else _PLACEHOLDER)
