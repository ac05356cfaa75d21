"""In which way a column is written that its type does not say: rows that both sides have are read in every way that is possible.

A column of integers does not say its unit, nor a text its alphabet. The way in which most of some rows agree is the way that the column
is written in. Where none agree the likeliest way stands, and the plan knows what to say of the differences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, product
from typing import NamedTuple

from cdcproof.databases.contracts.database import Database
from cdcproof.databases.table_read import ColumnRead, Row, TableRead
from cdcproof.databases.values.conversions import Meeting
from cdcproof.databases.values.types import form_of
from cdcproof.pipeline.engines import Engine
from cdcproof.reconcile.plan.plan import Plan, lost

SAMPLE_ROWS = 200
_KEYS_TRIED = 8
_Pairs = Sequence[tuple[Row, Row]]


class Ends(NamedTuple):
    """Both sides' engines and open sessions."""

    source_engine: Engine
    source: Database
    target_engine: Engine
    target: Database


def represented(plan: Plan, ends: Ends) -> Plan:
    """The plan with the ways that the data shows. Raises `CouldNotLookError` as the sessions do."""
    if not plan.ways:
        return plan
    named = (
        [name for name in plan.names if name not in plan.ways] if plan.multiset else plan.names[: plan.source.key_width]
    )
    others = [name for name in plan.ways if name not in named]
    best, found = plan, list[tuple[Row, Row]]()
    for key in _ways_of_key(plan, named) if named else ():
        tried = written(plan, ends, key)
        rows, pairs = _pairs(tried, ends, named, others)
        if len(pairs) > len(found):
            best, found = tried, pairs
        if len(pairs) * 2 > len(rows):
            break
    return _judged(best, ends, found, len(named), others)


def written(plan: Plan, ends: Ends, ways: Mapping[str, Meeting]) -> Plan:
    """The plan with these columns compared in these ways."""
    columns = {name: _read(plan, ends, plan.names.index(name), way) for name, way in ways.items()}
    columns_of = list(zip(plan.names, plan.source.columns, plan.target.columns, strict=True))
    lossy = [line for line in plan.lossy if line.partition(" (")[0] not in ways]
    for name, way in ways.items():
        ours, theirs = columns[name]
        rule = lost(ends.source_engine, ours.column, ends.target_engine, theirs.column, way)
        lossy += [f"{name} ({rule})"] if rule else []
    return replace(
        plan,
        source=replace(
            plan.source, columns=tuple(columns[name][0] if name in ways else ours for name, ours, _ in columns_of)
        ),
        target=replace(
            plan.target, columns=tuple(columns[name][1] if name in ways else theirs for name, _, theirs in columns_of)
        ),
        lossy=tuple(lossy),
    )


def _ways_of_key(plan: Plan, named: Sequence[str]) -> Iterator[Mapping[str, Meeting]]:
    """The ways in which the columns that rows are found by may be written, the likeliest first."""
    unclear = [name for name in named if name in plan.ways]
    for ways in islice(product(*(plan.ways[name] for name in unclear)), _KEYS_TRIED):
        yield dict(zip(unclear, ways, strict=True))


def _read(plan: Plan, ends: Ends, place: int, way: Meeting) -> tuple[ColumnRead, ColumnRead]:
    ours = replace(plan.source.columns[place].column, reading=way.source)
    theirs = replace(plan.target.columns[place].column, reading=way.target)
    form = form_of(ends.source_engine, ours, ends.target_engine, theirs)
    if form is None:
        raise TypeError(f"{ours.type} and {theirs.type} meet in no form")
    return ColumnRead(ours, form), ColumnRead(theirs, form)


def _pairs(
    plan: Plan, ends: Ends, named: Sequence[str], others: Sequence[str]
) -> tuple[list[Row], list[tuple[Row, Row]]]:
    """Some rows of the source, and those of them that the target has, with its own: the columns of `named`, then each other one in each way."""
    places = [plan.names.index(name) for name in named]
    read = [_read(plan, ends, plan.names.index(name), way) for name in others for way in plan.ways[name]]

    def scan(side: TableRead, columns: Sequence[ColumnRead]) -> TableRead:
        return replace(side, columns=(*(side.columns[place] for place in places), *columns), key_width=len(places))

    source, target = scan(plan.source, [ours for ours, _ in read]), scan(plan.target, [theirs for _, theirs in read])
    rows = ends.source.rows.sample(source, SAMPLE_ROWS)
    width = len(places)
    keys = [row.forms[:width] for row in rows]
    there = {row.forms[:width]: row for row in ends.target.rows.rows_by_key(target, keys, as_written=True)}
    return rows, [(row, there[row.forms[:width]]) for row in rows if row.forms[:width] in there]


def _judged(plan: Plan, ends: Ends, pairs: _Pairs, place: int, others: Sequence[str]) -> Plan:
    chosen: dict[str, Meeting] = {}
    suspects = dict(plan.suspects)
    for name in others:
        ways = plan.ways[name]
        agreeing = [_agreeing(pairs, place + number) for number in range(len(ways))]
        best = ways[agreeing.index(max(agreeing))]
        chosen[name] = best
        if not any(agreeing):
            said = suspects.get(name)
            suspects[name] = "; ".join([*([said] if said else []), _unseen(name, best, ways)])
        place += len(ways)
    return replace(written(plan, ends, chosen), suspects=suspects)


def _agreeing(pairs: _Pairs, place: int) -> int:
    return sum(ours.forms[place] is not None and ours.forms[place] == theirs.forms[place] for ours, theirs in pairs)


def _unseen(name: str, best: Meeting, ways: Sequence[Meeting]) -> str:
    others = " or ".join(f'"{way.written_as}"' for way in ways if way is not best)
    return (
        f"{name} is compared as {best.written_as}, and no row shows that it is written so: "
        f"if it is not, say written_as = {{ {name} = {others} }} in the pipeline file"
    )
