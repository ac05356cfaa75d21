"""The plan of a table whose two sides are open: from the catalogues, a few rows, and the known values that both servers wrote."""

from __future__ import annotations

from dataclasses import replace

from cdcproof.databases.names import Column, TableName
from cdcproof.databases.table_read import TableRead
from cdcproof.reconcile.comparison import Side
from cdcproof.reconcile.concurrency import Stop, both
from cdcproof.reconcile.plan.calibration import Calibration, calibrated
from cdcproof.reconcile.plan.chunking import Range, chunked
from cdcproof.reconcile.plan.columns import Structure, TablePair
from cdcproof.reconcile.plan.filters import demand_steady
from cdcproof.reconcile.plan.plan import Plan, natively_hashed, plan, without
from cdcproof.reconcile.plan.representation import Ends, represented


def planned(table: TablePair, source: Side, target: Side, stop: Stop) -> tuple[Plan, int]:
    """The plan with its chunks, and about how many rows the source has. Raises `CouldNotLookError`."""
    demand_steady(table, source.database, target.database, stop)
    found = plan(
        table,
        *both(stop, lambda: _structure(source, table.source), lambda: _structure(target, table.target)),
    )
    found = represented(found, Ends(source.engine, source.database, target.engine, target.database))
    both(
        stop,
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
        stop,
        lambda: _size(source, found.source, source_column),
        lambda: _size(target, found.target, target_column),
    )
    found = chunked(found, max(rows, target_rows), (low_high, target_low_high) if source_column else ())
    return _hashed_where_it_must_be(found, source.calibration, target.calibration), rows


def _hashed_where_it_must_be(plan: Plan, source: Calibration, target: Calibration) -> Plan:
    """The plan with its `unhashed` columns, without those that decide a row's chunk: for these the servers have to hash them."""
    unhashed = {
        name: f"{read.column.type}: this server cannot hash it"
        for scan, calibration in ((plan.source, source), (plan.target, target))
        for name, read in zip(plan.names, scan.columns, strict=True)
        if not calibration.can_hash(read)
    }
    chunking = plan.source.chunking
    decisive = () if chunking.width else plan.names[: chunking.columns]
    lost = {name: reason for name, reason in unhashed.items() if name in decisive}
    return without(replace(plan, unhashed=unhashed), lost)


def _structure(side: Side, table: TableName) -> Structure:
    database = side.database
    return Structure(
        side.engine,
        table,
        database.catalogue.columns(table),
        database.catalogue.primary_key(table),
        database.catalogue.row_policies(table),
    )


def _size(side: Side, scan: TableRead, column: Column | None) -> tuple[int, Range | None]:
    return side.database.catalogue.estimated_rows(scan.table), side.database.catalogue.value_range(
        scan.table, column
    ) if column else None
