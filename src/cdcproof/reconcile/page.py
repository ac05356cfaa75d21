"""A report as an HTML page, beside its JSON file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cdcproof.reconcile.result import Report, TableResult, TableStatus, scrubbed
from cdcproof.reporting.files import write_whole
from cdcproof.reporting.pages import rendered

MOST_KEYS = 200
"""Keys of a table on the page; all that are named are in the JSON file."""
_URGENCY = (TableStatus.MISMATCH, TableStatus.ERROR, TableStatus.MATCH)
_CLASSES = {TableStatus.MATCH: "passed", TableStatus.MISMATCH: "failed", TableStatus.ERROR: "not-checked"}


def write(report: Report, beside: Path) -> Path:
    """Write the page and return its path. Raises `OSError`."""
    path = beside.with_suffix(".html")
    write_whole(path, page(report))
    return path


def page(report: Report) -> str:
    """The page: what differs first, then what could not be looked at, then the rest."""
    tables = sorted(scrubbed(report).tables, key=lambda table: _URGENCY.index(table.status))
    totals = ", ".join(f"{sum(t.status is status for t in tables)} {status}" for status in _URGENCY)
    return rendered(
        "reconciliation.html",
        report=report,
        tables=tables,
        told=[table for table in tables if _has_more_to_tell(table)],
        totals=totals,
        counts={table.table: _differing(table) for table in tables},
        classes=_CLASSES,
        most=MOST_KEYS,
        when=_when,
    )


def _has_more_to_tell(table: TableResult) -> bool:
    return bool(table.error or table.differences or table.not_compared or table.lossy)


def _when(at: str) -> str:
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def _differing(table: TableResult) -> int:
    return sum(number or 0 for number in (table.missing_at_target, table.extra_at_target, table.changed))
