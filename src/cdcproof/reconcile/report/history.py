"""What several reports together say of a table: the newest result, and whether a difference of contents stands. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cdcproof.reconcile.report.result import Report, TableResult, TableStatus


@dataclass(frozen=True)
class Seen:
    """A table's result, and when the run that it is of was finished."""

    result: TableResult
    at: datetime


@dataclass(frozen=True)
class History:
    """A table by all its results. `contents` is the newest comparison of contents; None where rows were only counted.

    `mismatch` is the newest difference of contents that no later comparison of contents resolved: row counts that are
    equal say nothing about it.
    """

    newest: Seen
    contents: Seen | None
    mismatch: Seen | None


def history(results: Iterable[Seen]) -> History | None:
    """A table's history, whatever the order of its results; of two of the same time the later one counts. None without any."""
    found = sorted(results, key=lambda seen: seen.at)
    if not found:
        return None
    compared = [seen for seen in found if compares_contents(seen.result)]
    differing = [seen for seen in compared if seen.result.status is TableStatus.MISMATCH]
    last = differing[-1] if differing else None
    if last is not None and any(proven_since(seen) >= last.at for seen in compared[compared.index(last) + 1 :]):
        last = None
    return History(found[-1], compared[-1] if compared else None, last)


def compares_contents(result: TableResult) -> bool:
    """Whether it says more than how many rows there are."""
    return result.checksums_match is not None and result.status is not TableStatus.ERROR


def compares_every_row(result: TableResult) -> bool:
    """Whether no row of the table was left out: a scrub that is no match has left some for the next."""
    return compares_contents(result) and (result.scrubbed is None or result.scrubbed.oldest_proof_at is not None)


def proven_since(seen: Seen) -> datetime:
    """The time up to which every difference would have been found: never, unless contents matched.

    A scrub proves a table in parts: it speaks only for what differed before its oldest proof.
    """
    if seen.result.status is not TableStatus.MATCH or not compares_contents(seen.result):
        return datetime.min.replace(tzinfo=seen.at.tzinfo)
    scrubbed = seen.result.scrubbed
    if scrubbed is None:
        return seen.at
    oldest = scrubbed.oldest_proof_at
    return datetime.fromisoformat(oldest) if oldest else datetime.min.replace(tzinfo=seen.at.tzinfo)


def finished(report: Report) -> datetime:
    """When the run was finished, as an instant."""
    return datetime.fromisoformat(report.finished_at)
