"""The self-proof of one slice: its first and its last row are changed, and rows on both sides of it are not to be read.

They go the way of the slice itself: by its bounds, its sessions and its strategy. So each slice proves itself where it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.table_read import WHOLE, Chunking, Slice
from cdcproof.reconcile.checksums.balance import Balance
from cdcproof.reconcile.checksums.sums import Summing
from cdcproof.reconcile.concurrency import Stop, both_scans
from cdcproof.reconcile.plan.edge_values import INTEGERS
from cdcproof.reconcile.plan.plan import Plan
from cdcproof.reconcile.self_proof.cells import Cell, Columns, values
from cdcproof.reconcile.self_proof.mutants import Mutant, Planted, Specimen
from cdcproof.reconcile.self_proof.planting import Bed, Planting, Tag, apart, base_of, tags_of

_FIRST, _LAST = 0, 1
_Cells = tuple[Mapping[int, Cell], ...]
"""Rows of one key, by what is not the plainest in each."""


def demand_seen(plan: Plan, columns: Sequence[Columns], part: Slice, source: Summing, target: Summing) -> None:
    """Raise `UnexpectedAnswerError` where the sums of a slice do not show what is planted at its ends.

    Both sides are within their snapshots. Raises as `sum_up`.
    """
    planting = at_ends(plan, columns, part, several=True)
    if not planting:
        return
    ours, theirs = planting.plan.source, planting.plan.target
    at_source, at_target = both_scans(
        Stop(), lambda: list(source.chunk_sums(ours, WHOLE)), lambda: list(target.chunk_sums(theirs, WHOLE))
    )
    balance = Balance()
    balance.add_source(at_source)
    balance.add_target(at_target)
    if why := not_seen(planting, balance):
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
    hashes = {chunk: rest for chunk, _, rest, _ in balance.left()}
    ends = {int.from_bytes(key[0] or b"", signed=True) for key in seeded.keys}
    is_seen = hashes.keys() == ends if planting.plan.source.chunking.width else len(hashes) >= len(ends)
    return (
        "" if is_seen and all(hashes.values()) else f"{seeded.specimen.mutant} was not seen in its first and last row"
    )


def at_ends(plan: Plan, columns: Sequence[Columns], part: Slice, *, several: bool) -> Planting | None:
    """A change of the first and of the last row, in opposite directions; None where both sides hold no such rows.

    With `several` rows of each, some of them alike, so that the sums alone prove that every row counts. Without, to be read by value.
    """
    base, rows = base_of(columns), _ends(plan, columns, part)
    if not base or not rows:
        return None
    bed = Bed(plan, base, [rows])
    if not bed.take(_specimen(plan, columns, several=several, is_one_row=rows[_FIRST] == rows[_LAST])):
        return None
    source_rows, target_rows = len(bed.source), len(bed.target)
    for tag in _beside(columns, part):
        others = bed.rows([Planted(_FIRST, {})], (tag, tag))
        bed.source += others
        bed.target += others
    made = bed.planting(Chunking(width=1) if several and plan.source.chunking.width else apart(plan))
    source, target = (replace(scan, slice=part) for scan in (made.plan.source, made.plan.target))
    limited = replace(made.plan, source=source, target=target)
    return replace(made, plan=limited, source_rows=source_rows, target_rows=target_rows)


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


def _specimen(plan: Plan, columns: Sequence[Columns], *, several: bool, is_one_row: bool) -> Specimen:
    """What the first row is at the source, the last one is at the target, and the other way round."""
    mutant, places, one, other = _change(plan, columns)
    if several:  # as many on both sides: who adds rows that are alike once counts too few
        one, other = (*one, *one, *other), (*one, *other, *other)

    def side(first: _Cells, last: _Cells) -> tuple[Planted, ...]:
        return (
            *(Planted(_FIRST, cells) for cells in first),
            *(Planted(_LAST, cells) for cells in last if not is_one_row),
        )

    return Specimen(mutant, places, side(one, other), side(other, one))


def _change(plan: Plan, columns: Sequence[Columns]) -> tuple[Mutant, tuple[int, ...], _Cells, _Cells]:
    """One value for another in the first column behind the key that has two; in a table without such a column, no row for one."""
    for place in range(1 if plan.multiset else plan.source.key_width, len(columns)):
        two = [{place: cell} for cell in islice(values(columns[place]), 2)]
        if len(two) == 2:
            return Mutant.STALE, (place,), (two[0],), (two[1],)
    return Mutant.DROPPED, (), ({},), ()
