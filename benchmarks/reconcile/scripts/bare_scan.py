"""The limit of every push-down: each server hashes every row as ours does, at the same time, and sums nothing by chunk."""

from __future__ import annotations

import functools
import sys
from concurrent.futures import ThreadPoolExecutor

import psycopg

from cdcproof.databases.postgresql.queries.row_hash import boolean_hash, seed

NOTE = """CASE WHEN octet_length(note) <= 7999 THEN hashtextextended(note COLLATE "C", {0}) ELSE hashbyteaextended(
    '\\x01'::bytea || int8send(octet_length(note)) || sha256(textsend(note)), {0}) END"""
OTHERS = (
    f"coalesce({NOTE.format(seed(7))}, 0)",
    f"CASE WHEN active THEN {boolean_hash(True, 9)} WHEN NOT active THEN {boolean_hash(False, 9)} END",
)
CHAINED = (
    "hashint8extended(id >> 32, hashint8extended(id, {}))",
    "hashint4extended(customer_id, {})",
    "hashint4extended(quantity, {})",
    "hashint8extended((amount < 0)::integer, hash_numeric_extended(amount, {}))",
    'hashtextextended(name::text COLLATE "C", {})',
    "hashbyteaextended(timestamp_send(created), {})",
    "hashbyteaextended(timestamp_send(updated), {})",
    'hashtextextended(status::text COLLATE "C", {})',
)
HASH = functools.reduce(lambda so_far, column: column.format(so_far), CHAINED, f"({' # '.join(OTHERS)})")
SCAN = f"SELECT count({HASH}) FROM bench"


def scan(address: str) -> int:
    """Rows hashed."""
    with psycopg.connect(address) as connection:
        return connection.execute(SCAN).fetchall()[0][0]


with ThreadPoolExecutor() as pool:
    print(list(pool.map(scan, sys.argv[1:3])))
