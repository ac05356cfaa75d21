"""Comparing the contents of one table whose two sides are open: plan, sums, rows of chunks that differ, in flight or lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from cdcproof.databases.contracts.database import Database
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.table_read import TableRead
from cdcproof.engines import Engine
from cdcproof.reconcile.checksums.narrowing import narrowed
from cdcproof.reconcile.checksums.strategy import Strategy
from cdcproof.reconcile.checksums.table import Means, summed
from cdcproof.reconcile.concurrency import Stop, both
from cdcproof.reconcile.differences import Key
from cdcproof.reconcile.in_flight.fence import Fence
from cdcproof.reconcile.in_flight.settle import Seen, Settled, settle
from cdcproof.reconcile.plan.calibration import Calibration, calibrated
from cdcproof.reconcile.plan.chunking import Range, chunked
from cdcproof.reconcile.plan.columns import Structure, TablePair
from cdcproof.reconcile.plan.plan import Plan, natively_hashed, plan, without
from cdcproof.reconcile.plan.representation import Ends, represented
from cdcproof.reconcile.report.result import TableResult
from cdcproof.reconcile.report.verdict import Rows, judged
from cdcproof.reconcile.rows.differing_chunks import ByValue

Tell = Callable[[str, int, int], None]
"""What is done, and how many rows of about how many are through (0: not known)."""


@dataclass(frozen=True)
class Side:
    """An open session, the engine that it leads to, and what is known of how that server writes values."""

    engine: Engine
    database: Database
    calibration: Calibration


@dataclass(frozen=True)
class Comparison:
    """One table to compare. `stop` is looked at now and then: it ends the work."""

    table: TablePair
    source: Side
    target: Side
    fence: Fence
    key_limit: int
    tell: Tell
    stop: Stop
    means: Means = field(default_factory=Means)


def compare_contents(asked: Comparison) -> TableResult:
    """Compare every row of both sides. Raises `CouldNotLookError` when that cannot be done."""
    source, target, stop = asked.source.database, asked.target.database, asked.stop
    seconds: dict[str, float] = {}
    with _phase("plan", seconds):
        first, rows = planned(asked)
    with _phase("sums", seconds):
        read = summed(asked, first, rows)
    todo, balance = read.plan, read.balance
    with _phase("rows", seconds):
        smaller, left = todo, balance
        if read.choice.strategy is Strategy.PUSH_DOWN:  # else the servers' hash would have to see what the stream saw
            smaller, left = narrowed(todo, balance, source, target, stop)
        by_value, began = ByValue(smaller, source, target, stop), time.monotonic()
        found = by_value.differences(left, lambda what: asked.tell(what, 0, 0))
    with _phase("settle", seconds):
        seen = Seen(found.found, began) if by_value.is_look else None
        settled = look_again(asked, todo, () if seen else [difference.key for difference in found.found], seen)
    result = judged(
        asked.table.name,
        todo,
        Rows(balance.source_rows, balance.target_rows),
        found,
        settled,
        unseen=unseen(asked, todo),
        key_limit=asked.key_limit,
    )
    return replace(
        result, strategy=read.choice.strategy, reason=read.choice.reason, resumed=read.resumed, timings=seconds
    )


def unseen(asked: Comparison, plan: Plan) -> tuple[str, ...]:
    """Columns left out in which a row of either side holds data, as the source names them. Raises `CouldNotLookError`."""
    table = asked.table
    source, target = (
        {column.name: one.name for one in plan.left_out if (column := (one.source, one.target)[side])}
        for side in (0, 1)
    )
    at_source, at_target = both(
        asked.stop,
        lambda: asked.source.database.columns_with_data(table.source, tuple(source), table.source_filter),
        lambda: asked.target.database.columns_with_data(table.target, tuple(target), table.target_filter),
    )
    held = {source[name] for name in at_source} | {target[name] for name in at_target}
    return tuple(one.name for one in plan.left_out if one.name in held)


def look_again(
    asked: Comparison, plan: Plan, keys: Sequence[Key], seen: Seen | None = None, *, as_written: bool = False
) -> Settled:
    """Which of these keys, and those of `seen`, differ, as every comparison proves it. Raises as `settle`.

    `as_written`: of a key that a sink has just written, another spelling of it is not looked for (`Database.rows_by_key`).
    """
    source, target = asked.source.database, asked.target.database
    return settle(
        keys,
        plan.source.key_width,
        lambda some: source.rows_by_key(plan.source, some, as_written=as_written),
        lambda some: target.rows_by_key(plan.target, some, as_written=as_written),
        fence=asked.fence,
        tell=lambda what: asked.tell(what, 0, 0),
        seen=seen,
    )


def canonical_keys(asked: Comparison, plan: Plan, keys: Sequence[tuple[str | None, ...]]) -> list[Key]:
    """Keys as the source writes them, in canonical bytes: the source itself converts them."""
    columns = [
        [one.part for one in asked.source.database.literal_forms(told.column, told.form, values)]
        for told, values in zip(plan.source.key, zip(*keys, strict=True), strict=True)
    ]
    return list(zip(*columns, strict=True))


def planned(asked: Comparison) -> tuple[Plan, int]:
    """What the catalogues and the calibration say of a table: the plan with its chunks, about how many rows the source has."""
    source, target, table = asked.source, asked.target, asked.table
    found = plan(
        table,
        *both(asked.stop, lambda: _structure(source, table.source), lambda: _structure(target, table.target)),
    )
    found = represented(found, Ends(source.engine, source.database, target.engine, target.database))
    both(
        asked.stop,
        lambda: source.calibration.look(source.database, found.source.columns),
        lambda: target.calibration.look(target.database, found.target.columns),
    )
    found = without(found, calibrated(found, source.calibration, target.calibration))
    if all(map(source.calibration.hashes_natively, found.source.columns)) and all(
        map(target.calibration.hashes_natively, found.target.columns)
    ):
        found = natively_hashed(found)
    source_column, target_column = found.range_column or (None, None)
    (rows, low_high), (target_rows, target_low_high) = both(
        asked.stop,
        lambda: _size(source.database, found.source, source_column),
        lambda: _size(target.database, found.target, target_column),
    )
    found = chunked(found, max(rows, target_rows), (low_high, target_low_high) if source_column else ())
    return _hashed_where_it_must_be(found, source.calibration, target.calibration), rows


def _hashed_where_it_must_be(plan: Plan, source: Calibration, target: Calibration) -> Plan:
    """The plan that knows its `unhashed` columns, without those that decide a row's chunk, for which the servers have to hash them."""
    unhashed = {
        name: f"{told.column.type}: this server cannot hash it"
        for scan, calibration in ((plan.source, source), (plan.target, target))
        for name, told in zip(plan.names, scan.columns, strict=True)
        if not calibration.can_hash(told)
    }
    chunking = plan.source.chunking
    decisive = () if chunking.width else plan.names[: chunking.columns]
    lost = {name: reason for name, reason in unhashed.items() if name in decisive}
    return without(replace(plan, unhashed=unhashed), lost)


def _structure(side: Side, table: TableName) -> Structure:
    database = side.database
    return Structure(
        side.engine, table, database.columns(table), database.primary_key(table), database.row_policies(table)
    )


def _size(database: Database, scan: TableRead, column: Column | None) -> tuple[int, Range | None]:
    return database.estimated_rows(scan.table), database.value_range(scan.table, column) if column else None


@contextmanager
def _phase(name: str, seconds: dict[str, float]) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[name] = round(time.monotonic() - started, 3)
