"""The limit of every push-down: each server hashes every row as ours does, at the same time, and sums nothing by chunk."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import psycopg

INTEGER, TEXT = "hashint4extended({}, {})", 'hashtextextended({} COLLATE "C", {})'
NOTE = """coalesce(CASE WHEN octet_length(note) <= 8192 THEN hashtextextended(note COLLATE "C", 16) ELSE hashbyteaextended(
    '\\x01'::bytea || int8send(octet_length(note)) || sha256(textsend(note)), 16) END, 0)"""
HASHES = (
    "hashint8extended(id >> 32, hashint8extended(id, 2))",
    INTEGER.format("customer_id", 4),
    INTEGER.format("quantity", 6),
    "hashint8extended((amount < 0)::integer, hash_numeric_extended(amount, 8))",
    TEXT.format("name::text", 10),
    "hashbyteaextended(timestamp_send(created), 12)",
    "hashbyteaextended(timestamp_send(updated), 14)",
    NOTE,
    TEXT.format("status::text", 18),
    INTEGER.format("active::integer", 20),
)
SCAN = f"SELECT count(hashint8extended(0, {' # '.join(HASHES)})) FROM bench"


def scan(address: str) -> int:
    """Rows hashed."""
    with psycopg.connect(address) as connection:
        return connection.execute(SCAN).fetchall()[0][0]


with ThreadPoolExecutor() as pool:
    print(list(pool.map(scan, sys.argv[1:3])))
