"""What the servers must make of a row, by Python's references: its hash and its chunk, whichever hash the scan asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cdcproof.databases.postgresql.queries import row_hash as native_hash
from cdcproof.databases.table_read import RowHash, TableRead
from cdcproof.databases.values import canonical


def hashed_by(scan: TableRead, row_hash: RowHash) -> TableRead:
    """The scan with this hash, as a comparison of two such tables would have it."""
    never_null = [not told.column.nullable for told in scan.columns]
    chained = native_hash.chained(scan.forms, never_null) if row_hash is RowHash.NATIVE else ()
    return replace(scan, row_hash=row_hash, chained=chained)


def hash_in(scan: TableRead, parts: Sequence[bytes | None]) -> int:
    """The hash of a row of these canonical bytes."""
    if scan.row_hash is RowHash.NATIVE:
        return native_hash.row_hash(scan.forms, parts, scan.chained)
    return canonical.row_hash(canonical.frame(scan.forms, parts))


def chunk_in(scan: TableRead, parts: Sequence[bytes | None]) -> int:
    """The chunk of a row of these canonical bytes."""
    chunking = scan.chunking
    if scan.row_hash is RowHash.MD5 or chunking.width:
        return canonical.chunk_of(chunking, scan.forms, parts)
    key = slice(chunking.columns)
    hashed = native_hash.row_hash(scan.forms[key], parts[key], scan.chained_in_key)
    return (hashed >> 32 & 2**32 - 1) % chunking.buckets
