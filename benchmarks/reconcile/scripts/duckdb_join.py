"""DuckDB as its documentation shows it: both tables attached, joined in full by their key, every column compared."""

from __future__ import annotations

import sys
from importlib.resources import files
from urllib.parse import unquote, urlsplit

import duckdb

EXTENSION = (
    files("duckdb_extension_postgres_scanner") / f"extensions/v{duckdb.__version__}/postgres_scanner.duckdb_extension"
)

OTHERS = ["customer_id", "quantity", "amount", "name", "created", "updated", "note", "status", "active"]


def attach(connection: duckdb.DuckDBPyConnection, name: str, address: str) -> None:
    """Attach a server under this name."""
    parts = urlsplit(address)
    password = unquote(parts.password or "").replace("\\", "\\\\").replace("'", "\\'")
    text = (
        f"host={parts.hostname} port={parts.port} user={parts.username} dbname={parts.path[1:]} password='{password}'"
    )
    connection.execute(f"ATTACH '{text.replace(chr(39), chr(39) * 2)}' AS {name} (TYPE postgres, READ_ONLY)")


with duckdb.connect() as database:
    database.execute(f"LOAD '{EXTENSION}'")  # from its wheel: nothing is fetched
    attach(database, "source", sys.argv[1])
    attach(database, "target", sys.argv[2])
    differs = " OR ".join(f"s.{c} IS DISTINCT FROM t.{c}" for c in OTHERS)
    keys = database.execute(
        f"SELECT coalesce(s.id, t.id) FROM source.bench s FULL JOIN target.bench t ON s.id = t.id "
        f"WHERE s.id IS NULL OR t.id IS NULL OR {differs}"
    ).fetchall()
    print(f"found={len(keys)}")
