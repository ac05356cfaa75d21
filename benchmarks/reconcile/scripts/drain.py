"""The limit of every stream in Python: both tables by binary COPY, at the same time, and thrown away."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import psycopg


def drain(address: str) -> int:
    """Bytes of the whole table."""
    with (
        psycopg.connect(address) as connection,
        connection.cursor().copy("COPY bench TO STDOUT (FORMAT BINARY)") as copy,
    ):
        return sum(len(block) for block in copy)


with ThreadPoolExecutor() as pool:
    print(list(pool.map(drain, sys.argv[1:3])))
