"""A steady load of changes on all five tables of the embedded source: inserts, updates, deletes and changed keys.

It stays on keys of its own, few and of few values, so that rows often go back to what they were; the number of rows is
bounded by the number of keys. Rows that were there before are left alone, but for the locks of foreign keys.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import LiteralString, Self

import psycopg

from cdcproof.environments.embedded import passwords
from cdcproof.environments.embedded.data import databases
from cdcproof.environments.embedded.processes.ports import HOST
from cdcproof.environments.embedded.state import Instance

WORKERS = 2
CHANGES_PER_SECOND = 560
"""Asked for; what a machine gives is measured."""
FIRST_KEY = 5_000_000
_KEYS_PER_WORKER = 150
_CHANGES_PER_TRANSACTION = 8


@dataclass(frozen=True)
class _Statements:
    """How a row of a table is written; `k` is its key, `v` what is in it, `to` another key."""

    insert: LiteralString
    update: LiteralString
    delete: LiteralString
    rename: LiteralString


_TABLES = {
    "customers": _Statements(
        "INSERT INTO customers (customer_id, name, email, credit_limit) VALUES (%(k)s, 'Load ' || %(v)s, 'l@example.com', %(v)s)",
        "UPDATE customers SET name = 'Load ' || %(v)s, credit_limit = %(v)s WHERE customer_id = %(k)s",
        "DELETE FROM customers WHERE customer_id = %(k)s",
        "UPDATE customers SET customer_id = %(to)s WHERE customer_id = %(k)s",
    ),
    "products": _Statements(
        "INSERT INTO products (product_id, sku, name, unit_price, listed_on) VALUES (%(k)s, 'L', 'Load', %(v)s, '2025-01-01')",
        "UPDATE products SET unit_price = %(v)s WHERE product_id = %(k)s",
        "DELETE FROM products WHERE product_id = %(k)s",
        "UPDATE products SET product_id = %(to)s WHERE product_id = %(k)s",
    ),
    "orders": _Statements(
        "INSERT INTO orders (order_id, customer_id, product_id, quantity, total_amount, status, ordered_at) "
        "VALUES (%(k)s, 1 + %(k)s %% 20, 1 + %(k)s %% 10, %(v)s, 9.5, 'new', '2025-01-01')",
        "UPDATE orders SET quantity = %(v)s WHERE order_id = %(k)s",
        "DELETE FROM orders WHERE order_id = %(k)s",
        "UPDATE orders SET order_id = %(to)s WHERE order_id = %(k)s",
    ),
    "inventory": _Statements(
        "INSERT INTO inventory (product_id, warehouse, quantity, unit_cost) "
        "VALUES (1 + %(k)s %% 10, 'L' || %(k)s %% 1000, %(v)s, 1.25)",
        "UPDATE inventory SET quantity = %(v)s WHERE product_id = 1 + %(k)s %% 10 AND warehouse = 'L' || %(k)s %% 1000",
        "DELETE FROM inventory WHERE product_id = 1 + %(k)s %% 10 AND warehouse = 'L' || %(k)s %% 1000",
        "UPDATE inventory SET product_id = 1 + %(to)s %% 10, warehouse = 'L' || %(to)s %% 1000 "
        "WHERE product_id = 1 + %(k)s %% 10 AND warehouse = 'L' || %(k)s %% 1000",
    ),
    "shipments": _Statements(
        "INSERT INTO shipments (shipment_id, order_id, carrier, shipped_at, insured) "
        "VALUES (%(k)s, 1 + %(k)s %% 30, 'Load', '2025-01-01', %(v)s = 0)",
        "UPDATE shipments SET insured = (%(v)s = 0), distance_km = %(v)s WHERE shipment_id = %(k)s",
        "DELETE FROM shipments WHERE shipment_id = %(k)s",
        "UPDATE shipments SET shipment_id = %(to)s WHERE shipment_id = %(k)s",
    ),
}


@dataclass
class _Rows:
    """Which keys a worker has in a table."""

    there: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)

    def statements(self, table: _Statements, chance: random.Random) -> list[tuple[LiteralString, dict[str, int]]]:
        """A change, or two that leave a row as it was but newly written."""
        value = chance.randrange(3)
        if not self.there or (self.gone and chance.random() < 0.35):
            key = chance.choice(sorted(self.gone))
            self._move(key, to_there=True)
            return [(table.insert, {"k": key, "v": value})]
        key = chance.choice(sorted(self.there))
        match chance.choices(("update", "delete", "rename", "again"), (80, 6, 8, 6))[0]:
            case "delete":
                self._move(key, to_there=False)
                return [(table.delete, {"k": key})]
            case "rename" if self.gone:
                other = chance.choice(sorted(self.gone))
                self._move(key, to_there=False)
                self._move(other, to_there=True)
                return [(table.rename, {"k": key, "to": other})]
            case "again":
                return [(table.delete, {"k": key}), (table.insert, {"k": key, "v": value})]
        return [(table.update, {"k": key, "v": value})]

    def _move(self, key: int, *, to_there: bool) -> None:
        (self.gone if to_there else self.there).discard(key)
        (self.there if to_there else self.gone).add(key)


class Load:
    """Runs while entered, and takes its rows away at the end."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failures: list[Exception] = []
        self._changes = [0] * WORKERS
        self._started = 0.0

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(WORKERS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._failures and error is None:
            raise self._failures[0]

    @property
    def changes_per_second(self) -> float:
        """Rows changed and committed, since it began."""
        return sum(self._changes) / (time.monotonic() - self._started)

    def _work(self, number: int) -> None:
        try:
            self._change(number)
        except Exception as error:  # noqa: BLE001  raised where the load ends
            self._failures.append(error)

    def _change(self, number: int) -> None:
        chance = random.Random(number)
        first = FIRST_KEY + number * _KEYS_PER_WORKER
        keys = range(first, first + _KEYS_PER_WORKER)
        rows = {name: _Rows(gone=set(keys)) for name in _TABLES}
        with psycopg.connect(
            host=HOST,
            port=self._instance.ports["postgres-source"],
            dbname=databases.SOURCE_DATABASE,
            user="postgres",
            password=passwords.of(self._instance).superuser.reveal(),
        ) as session:
            _clear(session, keys)
            while not self._stop.is_set():
                with session.pipeline():
                    done = 0
                    while done < _CHANGES_PER_TRANSACTION:
                        name = chance.choice(sorted(rows))
                        for statement, values in rows[name].statements(_TABLES[name], chance):
                            session.execute(statement, values)
                            done += 1
                    session.commit()
                self._changes[number] += done
                ahead = self._changes[number] * WORKERS / CHANGES_PER_SECOND - (time.monotonic() - self._started)
                self._stop.wait(max(0.0, ahead))
            _clear(session, keys)


def _clear(session: psycopg.Connection[tuple[object, ...]], keys: range) -> None:
    """Delete a worker's rows: its own, or those of a load that was killed."""
    with session.pipeline():
        for table in _TABLES.values():
            for key in keys:
                session.execute(table.delete, {"k": key})
        session.commit()
