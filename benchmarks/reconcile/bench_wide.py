"""Measure how a comparison grows with the columns of a table, with a key and without one.

    python -m benchmarks.reconcile.bench_wide --columns 100 300 1000 1600

Run it from the project's folder. Starts two PostgreSQL servers of its own and removes them. Each table has 100 equal rows, so that all of it
is the cost of columns. Prints seconds, and milliseconds a column: where those stay about the same, the cost is linear.
"""

from __future__ import annotations

import argparse
import time

from cdcproof.core.secrets import Secret
from cdcproof.databases.connections import connect
from cdcproof.databases.names import TableName
from cdcproof.reconcile.engine import Endpoint, Options, Run, reconcile
from cdcproof.reconcile.plan.columns import TablePair
from tests.postgres_server import PASSWORD, Server, Servers, running_servers
from tests.reconcile.sides import FenceThen, Unwatched

_TYPES = ("text", "varchar(20)", "numeric(12,4)", "timestamp", "float8", "bigint", "boolean", "date")
_ROWS = 100


def endpoint(server: Server) -> Endpoint:
    """A side."""
    return Endpoint("postgresql", "bench", lambda: connect(server.config(), Secret(PASSWORD), 600))


def seconds(servers: Servers, columns: int, *, keyed: bool) -> float:
    """Of one comparison. Raises RuntimeError where it is not a match."""
    named = ", ".join(f"c{place} {_TYPES[place % len(_TYPES)]}" for place in range(columns - 1))
    for server in (servers.source, servers.target):
        server.execute(
            "DROP TABLE IF EXISTS wide",
            f"CREATE TABLE wide (id bigint {'PRIMARY KEY' if keyed else 'NOT NULL'}, {named})",
            f"INSERT INTO wide (id) SELECT generate_series(1, {_ROWS})",
        )
    name = TableName("public", "wide")
    run = Run(endpoint(servers.source), endpoint(servers.target), lambda _: FenceThen(), Options(True), Unwatched())
    began = time.perf_counter()
    (result,) = reconcile(run, [TablePair("wide", name, name)])
    if result.status != "MATCH":
        raise RuntimeError(result.error or result.status)
    return time.perf_counter() - began


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--columns", type=int, nargs="+", default=[100, 300, 1000, 1600])
    arguments = parser.parse_args()
    print("| columns | a key, s | ms a column | no key, s | ms a column |\n|---:|---:|---:|---:|---:|")
    with running_servers() as servers:
        for columns in arguments.columns:
            took = [seconds(servers, columns, keyed=keyed) for keyed in (True, False)]
            cells = (f"{one:.1f} | {1000 * one / columns:.0f}" for one in took)
            print(f"| {columns:,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
