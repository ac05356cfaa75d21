"""The limit of every count: each server's count(*), at the same time."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import psycopg


def count(address: str) -> int:
    """Rows."""
    with psycopg.connect(address) as connection:
        return connection.execute("SELECT count(*) FROM bench").fetchall()[0][0]


with ThreadPoolExecutor() as pool:
    print(list(pool.map(count, sys.argv[1:3])))
