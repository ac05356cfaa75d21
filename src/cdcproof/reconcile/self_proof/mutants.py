"""Which mutants a plan admits, and what each is: rows of the source, and what the target has instead. Pure.

Each is planted in each column that it fits, and in both directions, because each side's expression may lose something.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from itertools import islice, pairwise

from cdcproof.databases.values.types import Kind
from cdcproof.pipeline.engines import Engine
from cdcproof.reconcile.plan.plan import Plan
from cdcproof.reconcile.self_proof.cells import (
    NULL,
    Cell,
    Columns,
    long_texts,
    neighbours,
    pair,
    seventh_digits,
    text_of,
    values,
)

_PLAIN = 4
_MOST_COLUMNS = 30
"""In a wider table, what only a type can lose is planted in one column of each type, and each column changes one way only."""
_SWAPPED_IN_A_WIDE_TABLE = 4


class Mutant(StrEnum):
    """Its name in reports."""

    DROPPED = "a row dropped"
    DOUBLED = "a row doubled"
    GHOST = "a ghost delete"
    STALE = "a stale update"
    NULL_FOR_EMPTY = "NULL for ''"
    NULL_FOR_ZERO = "NULL for 0"
    TRAILING_BLANK = "a trailing blank"
    LETTER_CASE = "letter case"
    MICROSECOND = "one microsecond"
    MONEY = "0.0001 of money"
    SWAPPED_COLUMNS = "two values swapped between columns"
    SWAPPED_ROWS = "two values swapped between rows"


@dataclass(frozen=True)
class Planted:
    """A row in one of two places of a mutant (0, 1), whose keys differ, and the cells that are not the plainest, by column."""

    place: int
    cells: Mapping[int, Cell]


@dataclass(frozen=True)
class Specimen:
    """A mutant in one column or two: what the source has, and what the target has instead.

    `together`: it has to be alone in one chunk. `by_sums`: only the sums can show it, because the source has a key twice.
    """

    mutant: Mutant
    columns: tuple[int, ...]
    source: tuple[Planted, ...]
    target: tuple[Planted, ...]
    together: bool = False
    by_sums: bool = False


def columns_of(plan: Plan, source: Engine, target: Engine) -> tuple[Columns, ...]:
    """The plan's columns with the engines of both sides."""
    pairs = zip(plan.source.columns, plan.target.columns, strict=True)
    return tuple(Columns(source, ours, target, theirs) for ours, theirs in pairs)


def specimens(plan: Plan, columns: Sequence[Columns]) -> Iterator[Specimen]:
    """All that the plan admits."""
    row, other = Planted(0, {}), Planted(1, {})
    yield Specimen(Mutant.DROPPED, (), (row,), ())
    yield Specimen(Mutant.GHOST, (), (), (row,))
    yield Specimen(Mutant.DOUBLED, (), (row,), (row, row))
    yield Specimen(Mutant.DOUBLED, (), (row,), (row, row, row))
    # as many rows on both sides: in a sum without carry (xor) each pair of equal hashes cancels
    yield Specimen(Mutant.DOUBLED, (), (row, row), (other, other), together=True, by_sums=not plan.multiset)
    plain = [tuple(islice(values(one), _PLAIN)) for one in columns]
    is_wide = len(columns) > _MOST_COLUMNS  # its rows are many and long: each column has one all the same
    for place, mutant, cells in _changes(plan, columns, plain):
        if place == 0 and plan.source.chunking.width:  # of the column that decides the chunk a value is a place
            if mutant is Mutant.STALE:
                yield Specimen(mutant, (place,), (row,), (other,))
            continue
        ways = _both_ways(mutant, place, columns[place], *cells)
        yield from islice(ways, 1) if is_wide and cells == plain[place][:2] else ways
    for swapped in (_swapped_columns(plan, columns, plain), _swapped_rows(plan, plain)):
        yield from islice(swapped, _SWAPPED_IN_A_WIDE_TABLE if is_wide else None)


def by_column(plan: Plan, admitted: Sequence[Specimen]) -> tuple[list[Specimen], list[Specimen]]:
    """Of a wide table: a change of each column, which its sum is to show, and all others, with one row that has all these changes.

    In that row, read by value and by key, each column shows. Of other tables nothing is taken apart.
    """
    if len(plan.names) <= _MOST_COLUMNS:
        return [], list(admitted)
    each: dict[int, Specimen] = {}
    for one in admitted:
        if one.mutant is Mutant.STALE and len(one.columns) == 1 and one.columns[0] in _places_of_data(plan):
            each.setdefault(one.columns[0], one)
    apart = list(each.values())
    if not apart:
        return [], list(admitted)
    taken = set(map(id, apart))
    source = Planted(0, {place: one.source[0].cells[place] for place, one in each.items()})
    target = Planted(0, {place: one.target[0].cells[place] for place, one in each.items()})
    whole = Specimen(Mutant.STALE, tuple(each), (source,), (target,))
    return apart, [*(one for one in admitted if id(one) not in taken), whole]


def _both_ways(mutant: Mutant, place: int, columns: Columns, one: Cell, other: Cell) -> Iterator[Specimen]:
    """Only where NULLs may be is one planted."""
    for at_source, at_target in ((one, other), (other, one)):
        ours = columns.source.column.nullable or at_source.part is not None
        if ours and (columns.target.column.nullable or at_target.part is not None):
            yield Specimen(mutant, (place,), (Planted(0, {place: at_source}),), (Planted(0, {place: at_target}),))


_Change = tuple[int, Mutant, tuple[Cell, Cell]]


def _changes(plan: Plan, columns: Sequence[Columns], plain: Sequence[Sequence[Cell]]) -> Iterator[_Change]:
    """One value for another. In a wide table, of each type once what only the type decides."""
    types = set()
    for place, one in enumerate(columns):
        if len(plain[place]) > 1:
            yield place, Mutant.STALE, (plain[place][0], plain[place][1])
        of_type = (replace(one.source.column, name=""), replace(one.target.column, name=""), one.form)
        if len(columns) > _MOST_COLUMNS and of_type in types:
            continue
        types.add(of_type)
        is_key = place < plan.source.key_width and not plan.multiset
        for mutant, cells in _of_type(one):
            if cells and not (is_key and NULL in cells):
                yield place, mutant, cells


def _of_type(columns: Columns) -> Iterator[tuple[Mutant, tuple[Cell, Cell] | None]]:
    """What a column can lose by its type; None where both columns do not hold such values."""
    near = neighbours(columns)
    yield Mutant.STALE, long_texts(columns)
    match columns.kind:
        case Kind.TEXT:
            yield Mutant.LETTER_CASE, pair(columns, (text_of(columns, "a"), text_of(columns, "A")))
            if not columns.is_trimmed:
                yield Mutant.TRAILING_BLANK, pair(columns, (text_of(columns, "a"), text_of(columns, "a ")))
            if not (columns.is_document or columns.is_xml):
                yield Mutant.NULL_FOR_EMPTY, _null_for(columns.cell(""))
        case Kind.BINARY:
            if not columns.is_fixed:
                yield Mutant.NULL_FOR_EMPTY, _null_for(columns.cell(b""))
        case Kind.TIME | Kind.TIMESTAMP | Kind.INSTANT:
            yield Mutant.MICROSECOND, near
            yield Mutant.MICROSECOND, seventh_digits(columns)
        case Kind.NUMBER:
            yield Mutant.MONEY if columns.places > 0 else Mutant.STALE, near
            yield Mutant.NULL_FOR_ZERO, _null_for(columns.cell(Decimal(0)))
        case Kind.INTEGER | Kind.FLOAT | Kind.SINGLE:
            yield Mutant.STALE, near
            yield Mutant.NULL_FOR_ZERO, _null_for(columns.cell(0 if columns.kind is Kind.INTEGER else 0.0))
        case Kind.BOOLEAN:
            yield Mutant.NULL_FOR_ZERO, _null_for(columns.cell(False))


def _null_for(cell: Cell | None) -> tuple[Cell, Cell] | None:
    return (cell, NULL) if cell else None


def _swapped_columns(plan: Plan, columns: Sequence[Columns], plain: Sequence[Sequence[Cell]]) -> Iterator[Specimen]:
    """Of neighbours of one kind that both hold two values."""
    alike: dict[Kind, list[int]] = defaultdict(list)
    for place in _places_of_data(plan):
        alike[columns[place].form.kind].append(place)
    for first, second in (two for places in alike.values() for two in pairwise(places)):
        ours, theirs = ({(cell.source, cell.target): cell for cell in plain[place]} for place in (first, second))
        common = [texts for texts in ours if texts in theirs]
        if len(common) > 1:
            one, other = common[:2]
            yield Specimen(
                Mutant.SWAPPED_COLUMNS,
                (first, second),
                (Planted(0, {first: ours[one], second: theirs[other]}),),
                (Planted(0, {first: ours[other], second: theirs[one]}),),
            )


def _swapped_rows(plan: Plan, plain: Sequence[Sequence[Cell]]) -> Iterator[Specimen]:
    """Two rows of one chunk. Where chunks are buckets, of each kind of hashing one column: it takes a statement of its own."""
    places = [place for place in _places_of_data(plan) if len(plain[place]) > 1]
    if not plan.source.chunking.width:
        chained = [place for place in places if place in plan.source.chained]
        places = [*chained[:1], *[place for place in places if place not in chained][:1]]
    for place in places:
        one, other = plain[place][:2]
        yield Specimen(
            Mutant.SWAPPED_ROWS,
            (place,),
            (Planted(0, {place: one}), Planted(1, {place: other})),
            (Planted(0, {place: other}), Planted(1, {place: one})),
            together=True,
        )


def _places_of_data(plan: Plan) -> range:
    """The columns behind the key; of a table without one all, but for the column that decides a row's chunk."""
    first = 1 if plan.source.chunking.width else 0
    return range(first if plan.multiset else plan.source.key_width, len(plan.names))
