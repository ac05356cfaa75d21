"""Two PostgreSQL servers with the same table, and the four cases: what differs between them."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.postgres_server import Server, Servers

TABLE = "bench"
COLUMNS = ("id", "customer_id", "quantity", "amount", "name", "created", "updated", "note", "status", "active")
_CREATE = f"""CREATE TABLE {TABLE} (
    id bigint PRIMARY KEY, customer_id integer NOT NULL, quantity integer NOT NULL, amount numeric(12,2) NOT NULL,
    name varchar(80) NOT NULL, created timestamp NOT NULL, updated timestamp NOT NULL, note text,
    status varchar(20) NOT NULL, active boolean NOT NULL)"""
_FILL = """INSERT INTO {table}
    SELECT i, (i * 7919) % 100000, i % 1000, ((i * 31) % 1000000) / 100.0, 'customer name ' || (i * 17 % 999983),
           timestamp '2020-01-01' + i * interval '1 second',
           timestamp '2023-01-01' + (i * 13 % 86400000) * interval '1 millisecond',
           CASE WHEN i % 5 = 0 THEN NULL ELSE 'note ' || md5((i % 1000)::text) END,
           (ARRAY['new', 'paid', 'shipped', 'done'])[1 + i % 4], i % 3 = 0
    FROM {keys} AS i"""


@dataclass(frozen=True)
class Case:
    """What is wrong with the target: keys whose amount is changed, keys that are missing, keys that are extra."""

    name: str
    changed: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()
    extra: tuple[int, ...] = ()

    @property
    def keys(self) -> int:
        """How many keys differ."""
        return len(self.changed) + len(self.missing) + len(self.extra)


def cases(rows: int) -> tuple[Case, ...]:
    """The cases of a table of this many rows."""
    picked = random.Random(rows).sample(range(1, rows + 1), 150)
    block = range(rows // 2, rows // 2 + 10_000)
    return (
        Case("a identical"),
        Case("b one changed", changed=(rows // 3,)),
        Case(
            "c 200 at random",
            changed=tuple(picked[:100]),
            missing=tuple(picked[100:]),
            extra=tuple(range(rows + 1, rows + 51)),
        ),
        Case("d 10,000 in a block", missing=tuple(block)),
    )


def buffers_mebibytes(rows: int) -> int:
    """Shared buffers that hold the table of so many rows: what a machine does with its page cache is not measured."""
    return 64 + rows // 4_000


def fill(servers: Servers, rows: int) -> None:
    """Make the table anew on both sides, the same, and analysed."""

    def make(server: Server) -> None:
        server.execute(f"DROP TABLE IF EXISTS {TABLE}", _CREATE)
        server.execute(
            _FILL.format(table=TABLE, keys=f"generate_series(1::bigint, {rows})"), f"VACUUM (ANALYZE, FREEZE) {TABLE}"
        )

    with ThreadPoolExecutor() as pool:
        list(pool.map(make, (servers.source, servers.target)))


def plant(target: Server, case: Case) -> None:
    """Make the case of a table as it was filled: rows that were put back would lie elsewhere, and what finds them differ."""
    _at(target, f"UPDATE {TABLE} SET amount = amount + 0.01", case.changed)
    _at(target, f"DELETE FROM {TABLE}", case.missing)
    _insert(target, case.extra)
    target.execute(f"VACUUM (ANALYZE) {TABLE}")


def _at(server: Server, statement: str, keys: tuple[int, ...]) -> None:
    if keys:
        server.execute(f"{statement} WHERE id IN ({', '.join(map(str, keys))})")


def _insert(server: Server, keys: tuple[int, ...]) -> None:
    if keys:
        server.execute(_FILL.format(table=TABLE, keys=f"unnest(ARRAY[{', '.join(map(str, keys))}]::bigint[])"))
