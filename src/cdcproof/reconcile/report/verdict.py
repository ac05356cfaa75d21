"""What a comparison of contents comes to: the table's result. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from heapq import nsmallest
from typing import NamedTuple

from cdcproof.databases.table_read import TableRead
from cdcproof.databases.values import canonical, stored_value
from cdcproof.databases.values.types import ENCODED_BY_HASH, Kind, declared, holds
from cdcproof.pipeline.toml_text import inline_table
from cdcproof.reconcile.differences import Difference, Differences, Key
from cdcproof.reconcile.in_flight.fence import weakest
from cdcproof.reconcile.in_flight.settle import Settled
from cdcproof.reconcile.plan.plan import Plan
from cdcproof.reconcile.report import spelling, unavailable
from cdcproof.reconcile.report.result import EXAMPLES, KeyDifference, TableResult, TableStatus

_STATUS = {True: TableStatus.MATCH, False: TableStatus.MISMATCH, None: TableStatus.ERROR}


class Rows(NamedTuple):
    """How many rows were read at each side."""

    source: int
    target: int


def judged(
    name: str,
    plan: Plan,
    seen: Rows,
    found: Differences,
    settled: Settled,
    *,
    unseen: tuple[str, ...] = (),
    key_limit: int,
) -> TableResult:
    """MATCH only when nothing differs and nothing is unknown, MISMATCH when something surely differs, else ERROR.

    `unseen` are columns with data that were not compared: with them, or where rows may be hidden, it is INCOMPLETE and no MATCH.
    """
    rows = Counter(found.beyond)
    for difference in settled.confirmed:
        rows[difference.word] += difference.rows
    same: bool | None = None
    if settled.confirmed or plan.absent_at_target:
        same = False
    elif not settled.moving and not found.beyond:
        same = True
    named = _named(plan, settled.confirmed, key_limit)
    known = same is not None
    return TableResult(
        name,
        TableStatus.INCOMPLETE if same and (unseen or plan.may_lack_rows) else _STATUS[same],
        source_rows=seen.source,
        target_rows=seen.source - rows["missing"] + rows["extra"] if known else seen.target,
        checksums_match=same,
        missing_at_target=rows["missing"] if known else None,
        extra_at_target=rows["extra"] if known else None,
        changed=rows["changed"] if known else None,
        example_keys=tuple(str(one) for one in named[:EXAMPLES]),
        not_compared=plan.not_compared,
        unseen=unseen,
        row_policies=plan.row_policies,
        columns_compared=len(plan.names),
        columns=plan.columns,
        causes=(*_causes(plan), *_of_columns(plan, settled.confirmed)),
        error=_unknown(settled.moving, 0 if known else found.beyond.total()),
        lossy=plan.lossy,
        method=weakest(settled.crossings),
        positions=tuple(crossing.position for crossing in settled.crossings if crossing.position),
        differences=named,
        unconfirmed=found.beyond.total() if known else 0,
    )


def _causes(plan: Plan) -> tuple[str, ...]:
    """What makes the tables differ whatever their rows hold."""
    absent = plan.absent_at_target
    if not absent:
        return ()
    one = len(absent) == 1
    cause = f"{len(absent)} {'column is' if one else 'columns are'} not at the target: {', '.join(absent)}"
    if not plan.rename_hint:
        return (cause,)
    return (
        cause,
        f"if they only have other names there, in the pipeline file: rename = {inline_table(plan.rename_hint)}",
    )


def _named(plan: Plan, differences: Sequence[Difference], limit: int) -> tuple[KeyDifference, ...]:
    """The first differences in the order of their keys, for people. Only values of keys appear in a report."""
    scan = plan.source
    integers = [form.kind is Kind.INTEGER for form in scan.forms]

    def order(difference: Difference) -> list[tuple[bool, int, bytes]]:
        return [
            (part is not None, int.from_bytes(part or b"", signed=True) if integer else 0, part or b"")
            for integer, part in zip(integers, difference.key, strict=False)
        ]

    return tuple(
        KeyDifference(
            difference.word,
            {} if plan.multiset else _values_of(scan, difference.key),
            difference.columns(plan.names),
            len(difference.source),
            len(difference.target),
            canonical.digest(canonical.frame(scan.forms, difference.key)).hex() if plan.multiset else "",
        )
        for difference in nsmallest(limit, differences, key=order)
    )


def _of_columns(plan: Plan, differences: Sequence[Difference]) -> tuple[str, ...]:
    """What is known of columns that differ, and of a key's when rows are at one side only."""
    key = () if plan.multiset else plan.names[: plan.source.key_width]
    by_column: dict[str, list[Difference]] = {}
    for one in differences:
        for name in one.columns(plan.names) or (key or plan.names):
            by_column.setdefault(name, []).append(one)
    spelled = {name: said for name, some in by_column.items() if (said := _spelled(plan, name, some))}
    cut = (
        said
        for name, said in plan.narrower.items()
        if name not in spelled and _is_cut(plan, name, by_column.get(name, ()))
    )
    return (
        *_unavailable(plan, by_column),
        *spelled.values(),
        *cut,
        *(said for name, said in plan.suspects.items() if name in by_column),
    )


def _unavailable(plan: Plan, by_column: Mapping[str, Sequence[Difference]]) -> Iterator[str]:
    """Columns that hold Debezium's placeholder at the target, and what ends that."""
    for name, differences in by_column.items():
        place = plan.names.index(name)
        values = (row.forms[place] for one in differences for row in one.target)
        if said := unavailable.of_column(plan.source, plan.target.columns[place], values):
            yield said


def _spelled(plan: Plan, name: str, differences: Sequence[Difference]) -> str:
    """In what spelling a column's values differ, with its types; empty where they differ in more, or nobody knows in what."""
    place = plan.names.index(name)
    source, target = plan.source.columns[place], plan.target.columns[place]
    pairs = [
        (one.source[0].forms[place], one.target[0].forms[place])
        for one in differences
        if len(one.source) == len(one.target) == 1
    ]
    found = spelling.of_column(source, target, pairs) if pairs else ""
    if not found and place < plan.source.key_width:
        alone = [[one.key for one in differences if one.word == word] for word in ("missing", "extra")]
        found = spelling.of_key(source, place, *alone)
    types = f"{declared(source.column)} at the source, {declared(target.column)} at the target"
    return f"{name} {found}: {types}" if found else ""


def _is_cut(plan: Plan, name: str, differences: Sequence[Difference]) -> bool:
    """Whether one of the source's values is such as the target's narrower column cannot hold: else that is not why it differs."""
    place = plan.names.index(name)
    read, target = plan.source.columns[place], plan.target.columns[place].column
    parts = (row.forms[place] for one in differences for row in one.source)
    return any(
        (read.form.long and part[:1] == ENCODED_BY_HASH)
        or not holds(target, read.form.kind, stored_value.as_text(read, part))
        for part in parts
        if part is not None
    )


def _values_of(scan: TableRead, key: Key) -> dict[str, str | None]:
    return {
        read.column.name: None if part is None else stored_value.as_text(read, part)
        for read, part in zip(scan.key, key, strict=True)
    }


def _unknown(moving: int, beyond: int) -> str:
    """Why nothing is known about some rows; empty when all is known."""
    if moving:
        return (
            f"{moving:,} keys that differ changed at the source every time they were looked at: nothing is known about them.\n"
            "Run again when the source is quieter."
        )
    if beyond:
        return (
            f"{beyond:,} rows differ and were too many to be looked at twice; of the others all had arrived meanwhile.\n"
            "Run again when replication has caught up."
        )
    return ""
