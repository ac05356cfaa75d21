"""A report as an HTML page, beside its JSON file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cdcproof.core.files import write_whole
from cdcproof.reconcile.report.result import BY_URGENCY, MutantResult, Report, TableResult, TableStatus, scrubbed
from cdcproof.reconcile.report.screen import contents_equal, rows_unseen, totals_of, unseen_columns
from cdcproof.reporting.formats.html_pages import rendered

MOST_KEYS = 200
"""Keys of a table on the page; all that are named are in the JSON file."""
_CLASSES = {
    TableStatus.MATCH: "passed",
    TableStatus.MISMATCH: "failed",
    TableStatus.INCOMPLETE: "not-checked",
    TableStatus.ERROR: "not-checked",
}


def write(report: Report, beside: Path) -> Path:
    """Write the page and return its path. Raises `OSError`."""
    path = beside.with_suffix(".html")
    write_whole(path, page(report))
    return path


def page(report: Report) -> str:
    """The page: what differs first, then what could not be looked at, then the rest."""
    tables = sorted(scrubbed(report).tables, key=lambda table: BY_URGENCY.index(table.status))
    totals = totals_of(report)
    proven = [table for table in tables if table.self_proof]
    return rendered(
        "reconciliation.html",
        report=report,
        tables=tables,
        detailed=[table for table in tables if _has_details(table)],
        totals=totals,
        counts={table.table: _differing(table) for table in tables},
        classes=_CLASSES,
        contents=_contents,
        unseen=unseen_columns,
        rows_unseen=rows_unseen,
        most=MOST_KEYS,
        proven=proven,
        mutants=_mutants(proven),
        when=_when,
    )


def _has_details(table: TableResult) -> bool:
    return bool(table.error or table.causes or table.differences or table.not_compared or table.lossy)


def _contents(table: TableResult) -> str:
    if table.status is TableStatus.ERROR:
        return ""
    return {None: "not compared", True: contents_equal(table).removeprefix("contents "), False: "differ"}[
        table.checksums_match
    ]


def _mutants(tables: Sequence[TableResult]) -> dict[str, list[str]]:
    """The kill matrix: what became of each mutant in each table, and of rows that are the same on both sides."""
    proofs = [table.self_proof for table in tables if table.self_proof]
    names = dict.fromkeys(one.mutant for proof in proofs for one in proof.mutants)
    found = [{one.mutant: one for one in proof.mutants} for proof in proofs]
    matrix = {name: [_fate(of_table.get(name)) for of_table in found] for name in names}
    return {**matrix, "rows that are equal": [proof.control for proof in proofs]} if proofs else {}


def _fate(mutant: MutantResult | None) -> str:
    if mutant is None:
        return ""
    return "SURVIVED " + ", ".join(mutant.columns) if mutant.result == "survived" else mutant.result


def _when(at: str) -> str:
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def _differing(table: TableResult) -> int:
    return sum(number or 0 for number in (table.missing_at_target, table.extra_at_target, table.changed))
