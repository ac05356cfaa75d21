"""The two databases: accounts, tables, rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cdcproof.core.errors import OperationError
from cdcproof.core.patience import stretched
from cdcproof.core.waiting import wait_until
from cdcproof.environments.embedded import folders, passwords
from cdcproof.environments.embedded.data.psql import run_sql
from cdcproof.environments.embedded.state import Instance

Side = Literal["source", "target"]
SOURCE_DATABASE = "warehouse_source"
TARGET_DATABASE = "warehouse_target"
SERVICES: Mapping[Side, str] = {"source": "postgres-source", "target": "postgres"}
_DATABASES: Mapping[Side, str] = {"source": SOURCE_DATABASE, "target": TARGET_DATABASE}
TABLES = ("customers", "products", "orders", "inventory", "shipments")
HEARTBEAT = "cdcproof_heartbeat"
"""Captured and written like the tables, and none of them: the source connector writes its one row all the time."""

# the names are the constants above
_COUNTS = " UNION ALL ".join(f"SELECT '{table}', count(*) FROM public.{table}" for table in TABLES)  # noqa: S608
_HEARTBEAT_AGE = f"SELECT extract(epoch FROM clock_timestamp()) - max(beat_at) / 1000.0 FROM public.{HEARTBEAT}"  # noqa: S608
_READERS = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'cdcproof' AND active;"
_WRITERS = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'sink';"
_END_READER = """
SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'cdcproof' AND active;
"""
_EMPTY = f"TRUNCATE {', '.join(f'public.{table}' for table in TABLES)};"
_DROP = """
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = 'cdcproof';
DROP PUBLICATION IF EXISTS cdcproof;
"""


@dataclass(frozen=True)
class Amount:
    """How many rows each table gets."""

    customers: int
    products: int
    orders: int
    shipments: int


SEED = Amount(customers=20, products=10, orders=40, shipments=30)
LOAD = Amount(customers=12_000, products=2_000, orders=50_000, shipments=32_000)
"""106,000 rows with the inventory's five warehouses a product."""


def source(instance: Instance, sql: str) -> str:
    """Run SQL in the source database as its superuser; rows come back unaligned, columns apart by ``|``."""
    return run_sql(instance, "postgres-source", SOURCE_DATABASE, passwords.of(instance).superuser, sql=sql)


def target(instance: Instance, sql: str) -> str:
    """Run SQL in the target database as its superuser."""
    return run_sql(instance, "postgres", TARGET_DATABASE, passwords.of(instance).superuser, sql=sql)


def prepare(instance: Instance, side: Side) -> None:
    """Make what is missing on that side of accounts, database, tables, keys and the publication."""
    known = passwords.of(instance)
    sql = folders.fixtures() / "sql/postgresql"
    service = SERVICES[side]
    run_sql(
        instance, service, "postgres", known.superuser,
        files=(sql / f"{side}_accounts.sql",),
        secret_variables={"CDCPROOF_PASSWORD": known.source if side == "source" else known.target},
    )  # fmt: skip
    run_sql(instance, service, _DATABASES[side], known.superuser, files=(sql / "tables.sql", sql / f"{side}_only.sql"))


def insert_rows(instance: Instance, amount: Amount) -> None:
    """Insert that many rows at the source; those that are there stay as they are."""
    run_sql(
        instance,
        "postgres-source",
        SOURCE_DATABASE,
        passwords.of(instance).superuser,
        files=(folders.fixtures() / "sql/postgresql/rows.sql",),
        variables=vars(amount),
    )


def empty(instance: Instance, side: Side) -> None:
    """Remove every row, and what the source keeps for its connector.

    The connector must be gone; its connection may be a little slower.
    """
    if side == "target":
        target(instance, _EMPTY)
        return
    wait_until(
        lambda: _is_released(instance),
        bool,
        what="the source connector's connection to end",
        deadline_seconds=10,
        patience=stretched,
        interval_seconds=0.05,
    )
    source(instance, _EMPTY)


def _is_released(instance: Instance) -> bool:
    """End the connector's reader and drop its slot; whether it is gone now."""
    try:
        return source(instance, _END_READER + _DROP + _READERS).splitlines()[-1] == "0"
    except OperationError:  # a task that begins its snapshot again and again has taken the slot once more
        return False


def disconnected(instance: Instance) -> tuple[Side, ...]:
    """The sides whose connector is not connected to its database: a task's state may be older than its worker."""
    missing: list[Side] = []
    if source(instance, _READERS) == "0":
        missing.append("source")
    if target(instance, _WRITERS) == "0":
        missing.append("target")
    return tuple(missing)


def heartbeat_seconds(instance: Instance) -> float | None:
    """How old the newest heartbeat at the target is; None before the first one."""
    age = target(instance, _HEARTBEAT_AGE).strip()
    return float(age) if age else None


def counts(instance: Instance, side: Side) -> dict[str, int]:
    """Rows of each table on one side."""
    rows = (source if side == "source" else target)(instance, _COUNTS)
    return {name: int(count) for name, _, count in (line.partition("|") for line in rows.splitlines())}
