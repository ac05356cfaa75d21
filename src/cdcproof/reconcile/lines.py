"""A result as lines for the screen, at most 80 columns wide where the text allows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cdcproof.reconcile.result import Report, TableResult, TableStatus
from cdcproof.reporting.text import COLUMNS, folded
from cdcproof.secrets import scrub

_INDENT = " " * 10
_EXAMPLES = 5


def of_table(result: TableResult, after: Sequence[TableResult] = ()) -> str:
    """One line for a table, and indented ones for what is wrong or left out. `after` are the tables told before."""
    lines = [_first(result)]
    if result.error:
        same = bool(after) and after[-1].error == result.error
        lines += _wrapped("the same as above" if same else scrub(result.error))
    lines += [f"{_INDENT}{text}"[:COLUMNS] for text in result.example_keys[:_EXAMPLES]]
    if len(result.example_keys) > _EXAMPLES:
        lines.append(f"{_INDENT}… more keys are in the report")
    if result.not_compared:
        lines += _wrapped("left out: " + ", ".join(result.not_compared))
    return "\n".join(lines)


def of_report(report: Report) -> str:
    """The totals."""
    counts = Counter(table.status for table in report.tables)
    told = ", ".join(f"{counts[status]} {status}" for status in TableStatus)
    return f"{told}{'' if report.complete else ', interrupted'}"


def _first(result: TableResult) -> str:
    line = f"{result.status:<9} {result.table:<24} {_found(result)}".rstrip()
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
    return f"{result.source_rows:,} rows, counted only"


def _equal(result: TableResult) -> str:
    return ", contents equal" if result.status is TableStatus.MATCH else ""


def _wrapped(text: str) -> list[str]:
    return [line for paragraph in text.splitlines() for line in folded(paragraph, first=_INDENT, rest=_INDENT)]
