"""A result as lines for the screen, at most 80 columns wide where the text allows it, what differs first."""

from __future__ import annotations

from collections.abc import Sequence

from cdcproof.core.secrets import scrub
from cdcproof.pipeline.toml_text import array
from cdcproof.reconcile.report.result import BY_URGENCY, Report, Scrubbed, TableResult, TableStatus
from cdcproof.reporting.formats.text import COLUMNS, folded

_INDENT = " " * 10
_KEYS = 5


def of_table(result: TableResult, after: Sequence[TableResult] = ()) -> str:
    """One line for a table, and indented ones for what is wrong or left out. `after` are the tables printed before."""
    lines = [_first(result)]
    for cause in result.causes:
        lines += _wrapped(cause)
    lines += [f"{_INDENT}{text}"[:COLUMNS] for text in result.example_keys[:_KEYS]]
    if len(result.example_keys) > _KEYS:
        lines.append(f"{_INDENT}… {_rest(result)}")
    if result.error:
        same = bool(after) and after[-1].error == result.error
        lines += _wrapped("the same as above" if same else scrub(result.error))
    if result.unconfirmed:
        lines += _wrapped(
            f"{result.unconfirmed:,} of these rows were too many to be looked at twice: they may be in flight"
        )
    if result.positions:
        lines += _wrapped(f"the target had all changes up to the source's log position {result.positions[-1]}")
    if result.resumed:
        lines += _wrapped(result.resumed)
    if result.scrubbed:
        lines += _wrapped(_proven(result.scrubbed))
        for reason in result.scrubbed.not_used:
            lines += _wrapped(reason)
    if result.unseen:
        lines += _wrapped(unseen_columns(result))
    if result.row_policies and result.status is TableStatus.INCOMPLETE:
        lines += _wrapped(rows_unseen(result))
    if result.not_compared:
        lines += _wrapped("left out: " + ", ".join(result.not_compared))
    return "\n".join(lines)


def of_report(report: Report) -> str:
    """The totals, and again the tables that need somebody: the lines above may be many."""
    lines = [] if report.complete else ["This run was interrupted: the report is partial."]
    if any(table.scrubbed for table in report.tables):  # what is remembered counts for these databases alone
        for side, identity in (("source", report.source_identity), ("target", report.target_identity)):
            if identity and identity.unknown:
                lines += folded(f"The {side} is not known for sure: {identity.unknown}.")
    for status in BY_URGENCY:
        tables = [table.table for table in report.tables if table.status is status]
        if tables and status is not TableStatus.MATCH and len(report.tables) > 1:
            lines += folded(f"{status:<9} {', '.join(tables)}", rest=_INDENT)
    return "\n".join([*lines, totals_of(report)])


def totals_of(report: Report) -> str:
    """``1 MISMATCH, 0 ERROR, 4 MATCH``; INCOMPLETE is named where there is one, and so is that rows were only counted.

    So are planted differences that were not seen.
    """
    survivors = sum(len(table.self_proof.survivors) for table in report.tables if table.self_proof)
    return _statuses(report) + (f"; {survivors} mutant{'s' if survivors > 1 else ''} survived" if survivors else "")


def _statuses(report: Report) -> str:
    numbers = [(sum(table.status is status for table in report.tables), status) for status in BY_URGENCY]
    totals = ", ".join(f"{n} {status}" for n, status in numbers if n or status is not TableStatus.INCOMPLETE)
    counted = sum(table.strategy == "counts" for table in report.tables)
    if not counted:
        return totals
    return f"{totals}, counted only" if counted == len(report.tables) else f"{totals}; {counted} counted only"


def _first(result: TableResult) -> str:
    line = f"{result.status:<9} {result.table:<16} {_found(result)}".rstrip()
    if len(line) > COLUMNS:
        line = f"{result.status:<9} {result.table} {_found(result)}"
    return f"{line:<71}{result.seconds:>7.1f} s" if len(line) < 71 else line


def _found(result: TableResult) -> str:
    if result.source_rows is None or result.target_rows is None:
        return ""
    if result.missing_at_target is not None:
        parts = [
            f"{number:,} {word}"
            for number, word in (
                (result.missing_at_target, "missing"),
                (result.extra_at_target, "extra"),
                (result.changed, "changed"),
            )
            if number
        ]
        return f"{result.source_rows:,} rows" + (f": {', '.join(parts)}" if parts else _equal(result))
    if result.source_rows != result.target_rows:
        return f"{result.source_rows:,} rows, {result.target_rows:,} at the target"
    if result.status is TableStatus.ERROR:
        return f"{result.source_rows:,} rows"
    return f"{result.source_rows:,} rows, counted only"


def _proven(scrubbed: Scrubbed) -> str:
    oldest = scrubbed.oldest_proof_at or f"{scrubbed.slices_not_proven} slices are not proven"
    return (
        f"proven: {scrubbed.changed_keys:,} rows that changed (by {scrubbed.changes_by}), "
        f"{scrubbed.slices_proven} of {scrubbed.slices} slices; oldest proof: {oldest}"
    )


def _equal(result: TableResult) -> str:
    return f", {contents_equal(result)}" if result.checksums_match else ""


def contents_equal(result: TableResult) -> str:
    """Of how many columns that holds; reports of earlier versions do not say."""
    if result.columns_compared is None:
        return "contents equal"
    return f"contents equal in {result.columns_compared} of {result.columns} columns"


def unseen_columns(result: TableResult, excluded: Sequence[str] | None = None) -> str:
    """What makes a table INCOMPLETE, and the line of the pipeline file that accepts it, with what it excludes already."""
    if excluded is None:
        excluded = (result.compared or {}).get("exclude", ())
    one = len(result.unseen) == 1
    return (
        f"{len(result.unseen)} {'column holds data and was' if one else 'columns hold data and were'} not compared: "
        f"{', '.join(result.unseen)}. To accept that, in the pipeline file: exclude = {array([*excluded, *result.unseen])}"
    )


def rows_unseen(result: TableResult) -> str:
    """Why rows may be hidden, and the line of the pipeline file that accepts it."""
    return (
        f"{' and '.join(result.row_policies)} may hide rows from the account of the comparison, and nothing shows whether it does. "
        f"Where it is known to hide none, in the pipeline file: row_policies = {array(result.row_policies)}"
    )


def _rest(result: TableResult) -> str:
    """Where the other differing keys are; how many more there are than the report names is not known."""
    rows = sum(number or 0 for number in (result.missing_at_target, result.extra_at_target, result.changed))
    named = sum(abs(d.source_rows - d.target_rows) or d.source_rows for d in result.differences)
    keys = len(result.differences)
    return f"the first {keys:,} keys are in the report" if named < rows else f"all {keys:,} keys are in the report"


def _wrapped(text: str) -> list[str]:
    return [line for paragraph in text.splitlines() for line in folded(paragraph, first=_INDENT, rest=_INDENT)]
