"""The self-proof of one slice: mutants in its first and its last row, and rows on both sides of it that are not to be read.

They go the way of the slice itself: by its bounds, its sessions and its strategy. So each slice proves itself where it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.table_read import Chunking, Slice
from cdcproof.reconcile.checksums.balance import Balance
from cdcproof.reconcile.checksums.parts import Part, sum_up
from cdcproof.reconcile.checksums.sums import Summing
from cdcproof.reconcile.concurrency import Stop
from cdcproof.reconcile.plan.edge_values import INTEGERS
from cdcproof.reconcile.plan.plan import Plan
from cdcproof.reconcile.self_proof.cells import Columns, values
from cdcproof.reconcile.self_proof.mutants import Mutant, Planted, Specimen
from cdcproof.reconcile.self_proof.planting import Bed, Planting, Tag, apart, base_of, tags_of

_FIRST, _LAST = 0, 1


def demand_seen(plan: Plan, columns: Sequence[Columns], part: Slice, source: Summing, target: Summing) -> None:
    """Raise `UnexpectedAnswerError` where the sums of a slice do not show what is planted at its ends. Raises as `sum_up`."""
    for planting in at_ends(plan, columns, part):
        if why := not_seen(planting, sum_up(planting.plan, source, target, [Part()], Stop())):
            raise not_checked(part, why)


def not_checked(part: Slice, why: str) -> UnexpectedAnswerError:
    """What is equal in such a slice proves nothing."""
    bounds = [f"{word} {at}" for word, at in (("from", part.low), ("below", part.high)) if at is not None]
    return UnexpectedAnswerError(
        f"Not checked: in the slice of {' '.join(['keys', *bounds]) if bounds else 'all keys'}, {why}.",
        "This comparison cannot be trusted. Report it, with the output of: cdcproof reconcile explain",
    )


def not_seen(planting: Planting, balance: Balance) -> str:
    """What the sums of a planting do not show, or show too much; empty where they are right."""
    (seeded,) = planting.seeded
    read, planted = (balance.source_rows, balance.target_rows), (planting.source_rows, planting.target_rows)
    if read != planted:
        return f"{read[0]} and {read[1]} rows were read of {planted[0]} and {planted[1]} that were planted at its ends"
    chunks = set(balance.extent().chunks)
    ends = {int.from_bytes(key[0] or b"", signed=True) for key in seeded.keys}
    is_seen = chunks == ends if planting.plan.source.chunking.width else len(chunks) >= len(ends)
    return "" if is_seen else f"{seeded.specimen.mutant} was not seen in its first and last row"


def at_ends(plan: Plan, columns: Sequence[Columns], part: Slice) -> Iterator[Planting]:
    """Each mutant in both rows, which then differ in opposite directions. Nothing where both sides hold no such rows."""
    base, rows = base_of(columns), _ends(plan, columns, part)
    if not base or not rows:
        return
    for specimen in _specimens(plan, columns, is_one_row=rows[_FIRST] == rows[_LAST]):
        bed = Bed(plan, base, [rows])
        if not bed.take(specimen):
            continue
        source_rows, target_rows = len(bed.source), len(bed.target)
        for tag in _beside(columns, part):
            others = bed.rows([Planted(_FIRST, {})], (tag, tag))
            bed.source += others
            bed.target += others
        made = bed.planting(Chunking(width=1) if plan.source.chunking.width else apart(plan))
        source, target = (replace(scan, slice=part) for scan in (made.plan.source, made.plan.target))
        limited = replace(made.plan, source=source, target=target)
        yield replace(made, plan=limited, source_rows=source_rows, target_rows=target_rows)


def _ends(plan: Plan, columns: Sequence[Columns], part: Slice) -> tuple[Tag, Tag] | None:
    """The keys of the first and the last row: those at either end of the type where the slice has no bound."""
    if not plan.range_column:  # the table is one slice
        return next(iter(tags_of(plan, columns, 1)), None)
    limits = [INTEGERS[one.column.type] for one in (columns[0].source, columns[0].target)]
    first = int(max(limit[0] for limit in limits)) if part.low is None else part.low
    last = int(min(limit[1] for limit in limits)) if part.high is None else part.high - 1
    cells = [cell for at in (first, last) if (cell := columns[0].cell(at))]
    return ({0: cells[0]}, {0: cells[-1]}) if cells else None


def _beside(columns: Sequence[Columns], part: Slice) -> Iterator[Tag]:
    """The keys right before the slice and right behind it."""
    before, behind = None if part.low is None else part.low - 1, part.high
    for at in (before, behind):
        if at is not None and (cell := columns[0].cell(at)):
            yield {0: cell}


def _specimens(plan: Plan, columns: Sequence[Columns], *, is_one_row: bool) -> Iterator[Specimen]:
    first, last = Planted(_FIRST, {}), Planted(_LAST, {})
    mutants = [
        (Mutant.DROPPED, (), (first,), (last,)),
        (Mutant.DOUBLED, (), (first, last, last), (first, first, last)),
        *_changed(plan, columns),
    ]
    for mutant, places, *rows in mutants:
        source, target = (tuple(one for one in side if one.place == _FIRST or not is_one_row) for side in rows)
        yield Specimen(mutant, places, source, target, by_sums=mutant is Mutant.DOUBLED and not plan.multiset)


_Rows = tuple[Planted, ...]


def _changed(plan: Plan, columns: Sequence[Columns]) -> Iterator[tuple[Mutant, tuple[int, ...], _Rows, _Rows]]:
    """One value for another in the first column behind the key that has two."""
    for place in range(1 if plan.multiset else plan.source.key_width, len(columns)):
        two = [{place: cell} for cell in islice(values(columns[place]), 2)]
        if len(two) == 2:
            source, target = ((Planted(_FIRST, one), Planted(_LAST, other)) for one, other in (two, reversed(two)))
            yield Mutant.STALE, (place,), source, target
            return
