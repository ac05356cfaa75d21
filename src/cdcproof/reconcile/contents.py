"""Comparing the contents of one table whose two sides are open."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from cdcproof.errors import DeadlineError
from cdcproof.reconcile.compare import (
    Differences,
    Fingerprint,
    compare_as_multisets,
    compare_by_key,
    differing_buckets,
    fingerprint,
    told_key,
)
from cdcproof.reconcile.plan import Plan
from cdcproof.reconcile.result import TableResult, TableStatus
from cdcproof.reconcile.settle import INTERVAL_SECONDS, Watched, settle, watched
from cdcproof.reconcile.side import Side, StoppedError, both
from cdcproof.waiting import wait_until

MOST_EXAMPLES = 20
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Comparison:
    """One table to compare. `tell` is called with what is being done, for progress."""

    name: str
    plan: Plan
    source: Side
    target: Side
    settle_seconds: float
    tell: Tell


def compare_contents(table: Comparison) -> TableResult:
    """Compare every row of both sides."""
    result = _by_key(table) if table.plan.key_width else _as_multisets(table)
    # a column whose data the target does not have is a difference, though every other be equal
    if table.plan.absent_at_target and result.status is TableStatus.MATCH:
        result = replace(result, status=TableStatus.MISMATCH)
    same = {TableStatus.MATCH: True, TableStatus.MISMATCH: False}.get(result.status)
    return replace(result, checksums_match=same, not_compared=table.plan.not_compared)


def _by_key(table: Comparison) -> TableResult:
    source, target = table.source, table.target
    prints = _fingerprints(table)
    found = Differences()
    for buckets in differing_buckets(*prints):
        table.tell("reading the parts that differ again")
        with source.stream(buckets) as source_rows, target.stream(buckets) as target_rows:
            compare_by_key(source_rows, target_rows, found)
    remaining = watched(found)
    if remaining:
        remaining = settle(
            remaining,
            source.states,
            target.states,
            table.settle_seconds,
            lambda number: table.tell(f"{number:,} differing keys may be in flight, reading them again"),
        )
    confirmed = {name: row for name, row in remaining.items() if not row.source_moved}
    missing, extra, changed = (
        found.beyond[word] + sum(row.word == word for row in confirmed.values())
        for word in ("missing", "extra", "changed")
    )
    moving = len(remaining) - len(confirmed)
    otherwise = TableStatus.ERROR if moving else TableStatus.MATCH
    return TableResult(
        table.name,
        TableStatus.MISMATCH if missing or extra or changed else otherwise,
        source_rows=prints[0].rows,
        target_rows=prints[0].rows - missing + extra,
        missing_at_target=missing,
        extra_at_target=extra,
        changed=changed,
        example_keys=_examples(table, dict(list(confirmed.items())[:MOST_EXAMPLES])),
        error=_moving(f"{moving:,} rows that differ", table) if moving else "",
    )


@dataclass(frozen=True)
class _Balance:
    """Rows of a table without a key that the target lacks or has too many, and the fingerprints they come from."""

    prints: tuple[Fingerprint, Fingerprint]
    missing: int
    extra: int


def _as_multisets(table: Comparison) -> TableResult:
    """Without a key no row can be followed: the table is read again until it is equal or the time is up."""

    def look() -> _Balance:
        prints = _fingerprints(table)
        missing = extra = 0
        for buckets in differing_buckets(*prints):
            with table.source.stream(buckets) as source_rows, table.target.stream(buckets) as target_rows:
                lacking, too_many = compare_as_multisets(source_rows, target_rows)
            missing, extra = missing + lacking, extra + too_many
        return _Balance(prints, missing, extra)

    first = last = look()
    if first.missing or first.extra:
        try:
            last = wait_until(
                look,
                lambda now: not (now.missing or now.extra),
                what="equal contents",
                deadline_seconds=table.settle_seconds,
                interval_seconds=INTERVAL_SECONDS,
            )
        except DeadlineError:
            last = look()
    differs = bool(last.missing or last.extra)
    moved = differs and first.prints[0] != last.prints[0]
    status = TableStatus.ERROR if moved else TableStatus.MISMATCH if differs else TableStatus.MATCH
    return TableResult(
        table.name,
        status,
        source_rows=last.prints[0].rows,
        target_rows=last.prints[1].rows,
        missing_at_target=last.missing,
        extra_at_target=last.extra,
        error=_moving("The table has no key, and its rows", table) if moved else "",
    )


def _fingerprints(table: Comparison) -> tuple[Fingerprint, Fingerprint]:
    """Sum up both sides at once."""

    def sum_up(side: Side, stop: threading.Event, tell: Callable[[int], None]) -> Fingerprint:
        def go_on(rows: int) -> None:
            if stop.is_set():
                raise StoppedError
            tell(rows)

        with side.stream() as rows:
            return fingerprint(rows, go_on)

    return both(
        lambda stop: sum_up(table.source, stop, lambda rows: table.tell(f"{rows:,} rows read")),
        lambda stop: sum_up(table.target, stop, lambda _: None),
    )


def _examples(table: Comparison, rows: dict[bytes, Watched]) -> tuple[str, ...]:
    """Keys with what is wrong with them; other values are never told, only which columns differ."""
    changed = [row.key for row in rows.values() if row.word == "changed"]
    source_forms, target_forms = table.source.forms(changed), table.target.forms(changed)
    told = []
    for name, row in rows.items():
        pairs = zip(table.plan.source, source_forms.get(name, ()), target_forms.get(name, ()), strict=False)
        columns = ", ".join(column.name for column, at_source, at_target in pairs if at_source != at_target)
        told.append(f"{row.word} {told_key(row.key)}" + (f" ({columns})" if columns else ""))
    return tuple(told)


def _moving(what: str, table: Comparison) -> str:
    return (
        f"{what} changed at the source while they were read again for {table.settle_seconds:g} s, so nothing is known about them.\n"
        "Run again with a longer --settle-seconds, or when the source is quieter."
    )
