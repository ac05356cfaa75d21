"""Log sequence numbers of SQL Server: three spellings of one number of 80 bits, whose order is the log's.

The number of the virtual log file (4 bytes), of the block in it (4 bytes) and of the record in the block (2 bytes):
Microsoft's "SQL Server transaction log architecture and management guide".
"""

from __future__ import annotations

import re

_TEXT = re.compile(r"(?:0x)?([0-9a-f]{1,8}):([0-9a-f]{1,8}):([0-9a-f]{1,4})", re.IGNORECASE)
_BYTES = 10


def of_text(text: str) -> int:
    """``0000002d:00000b70:0003``, hexadecimal: Debezium's offsets, sys.dm_db_log_stats, sys.dm_cdc_log_scan_sessions.

    Raises ValueError for anything else.
    """
    parts = _TEXT.fullmatch(text.strip())
    if not parts:
        raise ValueError(f"{text!r} is not a log sequence number")
    return _joined(*(int(part, 16) for part in parts.groups()))


def of_binary(value: bytes) -> int:
    """``binary(10)``: the change tables and sys.fn_cdc_get_max_lsn. Raises ValueError for another length."""
    if len(value) != _BYTES:
        raise ValueError(f"0x{value.hex()} is not a log sequence number: it has {len(value)} bytes")
    return int.from_bytes(value, "big")


def of_decimal(value: int) -> int:
    """``numeric(25,0)``: sys.dm_hadr_database_replica_states. The parts are decimal, the block in 10 digits, the record in 5.

    Raises ValueError when a part is too large for its place.
    """
    file, rest = divmod(value, 10**15)
    block, record = divmod(rest, 10**5)
    if not (0 <= file < 1 << 32 and block < 1 << 32 and record < 1 << 16):
        raise ValueError(f"{value} is not a log sequence number")
    return _joined(file, block, record)


def text(value: int) -> str:
    """As Debezium writes it."""
    digits = f"{value:020x}"
    return f"{digits[:8]}:{digits[8:16]}:{digits[16:]}"


def binary(value: int) -> bytes:
    """As the change tables hold it."""
    return value.to_bytes(_BYTES, "big")


def _joined(file: int, block: int, record: int) -> int:
    return file << 48 | block << 16 | record
