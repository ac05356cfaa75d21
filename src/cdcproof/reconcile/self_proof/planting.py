"""Mutants as rows to be read in place of the table's: each with keys, and in a chunk, of its own. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, product

from cdcproof.databases.postgresql.queries import row_hash as native_hash
from cdcproof.databases.table_read import Chunking, RowHash, Segment, TableRead
from cdcproof.databases.values import canonical
from cdcproof.pipeline.engines import Engine
from cdcproof.reconcile.checksums.parts import Part, segments_of
from cdcproof.reconcile.differences import Key
from cdcproof.reconcile.plan.edge_values import INTEGERS
from cdcproof.reconcile.plan.plan import Plan
from cdcproof.reconcile.self_proof.cells import NULL, Cell, Columns, values
from cdcproof.reconcile.self_proof.mutants import Planted, Specimen

_MOST_BUCKETS = 2**31 - 1
"""So many that two of a few rows hardly ever share one."""
_BYTES_AT_ONCE = 12 << 20
_CELLS_AT_ONCE = 1 << 20
"""Of rows that are only summed up: none of them comes back."""
CONTROL = (Planted(0, {}), Planted(1, {}))
"""Rows that both sides have: they must be seen as equal."""
Tag = Mapping[int, Cell]
"""The cells that distinguish a row from others, by column."""
_Row = tuple[Cell, ...]


@dataclass(frozen=True)
class Seeded:
    """A mutant among the rows: the keys by which it has to be found, each with the columns that have to differ."""

    specimen: Specimen
    keys: Mapping[Key, tuple[str, ...]]


@dataclass(frozen=True)
class Planting:
    """Rows that are read at once."""

    plan: Plan
    seeded: tuple[Seeded, ...]
    source_rows: int
    target_rows: int
    by_sums: bool = False
    by_key: bool = True
    """Whether what differs by value is read again by key."""

    def chunks(self, seeded: Seeded) -> frozenset[int]:
        """Those that a mutant is in."""
        return frozenset(chunk_of(self.plan.source, key) for key in seeded.keys)


def summed_up(plan: Plan, columns: Sequence[Columns], specimens: Sequence[Specimen]) -> list[Planting]:
    """As `plantings`, many more at once, to be seen by their sums alone; by value where two of them share a chunk."""
    made = []
    for one in plantings(plan, columns, specimens, _CELLS_AT_ONCE // len(plan.names)):
        chunks = [chunk for seeded in one.seeded for chunk in one.chunks(seeded)]
        made.append(replace(one, by_sums=len(chunks) == len(set(chunks)), by_key=False))
    return made


def plantings(
    plan: Plan, columns: Sequence[Columns], specimens: Sequence[Specimen], most_at_once: int = 0
) -> list[Planting]:
    """All of them, in as few readings as the key's values and the chunks allow. None where the key has no two values."""
    base = base_of(columns)
    tags = tags_of(plan, columns, 2 * (len(specimens) + 2)) if base else []
    if not base or not tags:
        return []
    made: list[Planting] = []
    alone = [one for one in specimens if one.by_sums or (one.together and not plan.source.chunking.width)]
    left = [one for one in specimens if one not in alone]
    while left:
        bed = Bed(plan, base, list(tags))
        some = left[: most_at_once or _most_at_once(plan)]
        left = [one for one in some if not bed.take(one)] + left[len(some) :]  # the next may have a key for them
        if not bed.seeded:  # the key has too few values for any of these
            break
        made.append(bed.planting(apart(plan)))
    for one in alone:
        bed = Bed(plan, base, list(tags))
        if bed.take(one):
            made.append(
                bed.planting(
                    apart(plan) if plan.source.chunking.width else Chunking(columns=plan.source.chunking.columns)
                )
            )
    return made


def in_each_part(plan: Plan, columns: Sequence[Columns], parts: Sequence[Part]) -> Planting | None:
    """Two rows in each part of each side, where it begins and where it ends: who passes one over, or reads one twice, counts others.

    None where the columns have no values for any.
    """
    base = base_of(columns)
    if not base:
        return None
    ours, theirs = segments_of(parts)
    source = _spread(plan.source, columns[0].source_engine, [cell.source for cell in base], ours)
    target = _spread(plan.target, columns[0].target_engine, [cell.target for cell in base], theirs)
    return Planting(replace(plan, source=source, target=target), (), 2 * len(ours), 2 * len(theirs), by_sums=True)


def _spread(scan: TableRead, engine: Engine, texts: Sequence[str | None], segments: Sequence[Segment]) -> TableRead:
    ends = [(one.low, None if one.high is None else one.high - 1) for one in segments]
    if engine == "sqlserver":  # its places are values of the key
        keys = [at for low, high in ends for at in (high if low is None else low, low if high is None else high)]
        rows = [[texts[0] if key is None else str(key), *texts[1:]] for key in keys]
        return _planted(scan, scan.chunking, rows)
    places = tuple(at for end in ends for at in end)
    return replace(_planted(scan, scan.chunking, [texts for _ in places]), planted_at=places)


def _most_at_once(plan: Plan) -> int:
    """So many mutants that all differing rows are remembered (`Differences.room`)."""
    return max(1, _BYTES_AT_ONCE // (2 * (256 + 64 * len(plan.names))))


@dataclass
class Bed:
    """Rows of one reading as they come together."""

    plan: Plan
    base: _Row
    free: list[tuple[Tag, Tag]]
    source: list[_Row] = field(default_factory=list)
    target: list[_Row] = field(default_factory=list)
    seeded: list[Seeded] = field(default_factory=list)
    used: set[Key] = field(default_factory=set)

    def take(self, specimen: Specimen) -> bool:
        """Plant it under keys that no other row has, if there are any left."""
        for number, tags in enumerate(self.free):
            source, target = self.rows(specimen.source, tags), self.rows(specimen.target, tags)
            keys = {self._key(row) for row in (*source, *target)}
            expected = self._expected(source, target)
            if not expected or keys & self.used:
                continue
            del self.free[number]
            self.used |= keys
            self.source += source
            self.target += target
            self.seeded.append(Seeded(specimen, expected))
            return True
        return False

    def planting(self, chunking: Chunking) -> Planting:
        """With rows that both sides have before the others and behind them, as far as there are keys for them."""
        by_sums = any(one.specimen.by_sums for one in self.seeded)
        ends: list[list[_Row]] = []
        for tags in self.free[-2:]:
            rows = self.rows(CONTROL, tags)
            if not {self._key(row) for row in rows} & self.used:
                ends.append(rows)
        first, last = ends[0] if ends else [], ends[1] if len(ends) > 1 else []
        source, target = ([*first, *rows, *last] for rows in (self.source, self.target))
        if by_sums:  # the two of one key lie in one part, so that nothing but their sum shows them
            source, target = ([rows[0], *first[:1], *rows[1:], *first[1:]] for rows in (self.source, self.target))
        plan = replace(
            self.plan,
            source=_planted(self.plan.source, chunking, [[cell.source for cell in row] for row in source]),
            target=_planted(self.plan.target, chunking, [[cell.target for cell in row] for row in target]),
        )
        return Planting(plan, tuple(self.seeded), len(source), len(target), by_sums)

    def rows(self, planted: Iterable[Planted], tags: tuple[Tag, Tag]) -> list[_Row]:
        """Rows under these keys."""
        made = []
        for one in planted:
            row = list(self.base)
            for place, cell in (*tags[one.place].items(), *one.cells.items()):
                row[place] = cell
            made.append(tuple(row))
        return made

    def _key(self, row: _Row) -> Key:
        return tuple(cell.part for cell in row[: self.plan.source.key_width])

    def _expected(self, source: Sequence[_Row], target: Sequence[_Row]) -> dict[Key, tuple[str, ...]]:
        """The keys whose rows differ, with the columns in which they do where one row stands against one."""
        ours, theirs = self._by_key(source), self._by_key(target)
        return {
            key: self._columns(ours[key], theirs[key])
            for key in [*ours, *(key for key in theirs if key not in ours)]
            if sorted(map(_parts, ours[key])) != sorted(map(_parts, theirs[key]))
        }

    def _by_key(self, rows: Sequence[_Row]) -> defaultdict[Key, list[_Row]]:
        found: defaultdict[Key, list[_Row]] = defaultdict(list)
        for row in rows:
            found[self._key(row)].append(row)
        return found

    def _columns(self, source: Sequence[_Row], target: Sequence[_Row]) -> tuple[str, ...]:
        if not len(source) == len(target) == 1:
            return ()
        cells = zip(self.plan.names, source[0], target[0], strict=True)
        return tuple(name for name, ours, theirs in cells if ours.part != theirs.part)


def _parts(row: _Row) -> list[tuple[bool, bytes]]:
    return [(cell.part is not None, cell.part or b"") for cell in row]


def _planted(scan: TableRead, chunking: Chunking, rows: Iterable[Sequence[str | None]]) -> TableRead:
    """The scan with these rows in place of the table's, whatever it was limited to."""
    return replace(scan, chunking=chunking, planted=tuple(map(tuple, rows)), predicate="", slice=None, since=None)


def base_of(columns: Sequence[Columns]) -> _Row | None:
    """The plainest value of each column, NULL where both hold none in common; None where one has to hold something all the same."""
    base = []
    for one in columns:
        cell = next(values(one), None)
        if cell is None and not (one.source.column.nullable and one.target.column.nullable):
            return None
        base.append(cell or NULL)
    return tuple(base)


def chunk_of(scan: TableRead, key: Key) -> int:
    """The chunk of a row with this key, by Python's references of what servers make."""
    chunking, decisive = scan.chunking, slice(scan.chunking.columns)
    if chunking.width or scan.row_hash is RowHash.MD5:
        return canonical.chunk_of(chunking, scan.forms, key)
    hashed = native_hash.row_hash(scan.forms[decisive], key[decisive], scan.chained_in_key)
    return (hashed >> 32 & 2**32 - 1) % chunking.buckets


def apart(plan: Plan) -> Chunking:
    """Each mutant in a chunk of its own."""
    if plan.source.chunking.width:
        return Chunking(width=2)
    return Chunking(columns=plan.source.chunking.columns, buckets=_MOST_BUCKETS)


def tags_of(plan: Plan, columns: Sequence[Columns], number: int) -> list[tuple[Tag, Tag]]:
    """About so many keys, two by two, or as many as there are."""
    if plan.source.chunking.width:
        return [({0: one}, {0: other}) for one, other in _ends(columns[0], number)]
    listed: list[list[Cell]] = []
    several = 1
    for one in columns[: plan.source.key_width]:
        listed.append(list(islice(values(one), number * 2 if several < number * 2 else 1)) or [NULL])
        several *= len(listed[-1])
    # the first column changes with every key
    keys = (dict(enumerate(reversed(key))) for key in product(*reversed(listed)))
    found = list(islice(keys, number * 2))
    return list(zip(found[::2], found[1::2], strict=False))


def _ends(first: Columns, number: int) -> Iterator[tuple[Cell, Cell]]:
    """Pairs of one chunk of two, in turn from the low and the high end of what both integers hold: a scan's first and last part.

    No chunk is next to another, so that none is within the bounds of its neighbour.
    """
    limits = [INTEGERS[one.column.type] for one in (first.source, first.target)]
    low, high = max(limit[0] for limit in limits), min(limit[1] for limit in limits)
    lowest = -(-low // 2) + 1 if low < 0 else 1
    highest = high // 2 - 1
    for turn in range(min(number, (highest - lowest) // 2)):
        chunk = highest - turn // 2 * 2 if turn % 2 else lowest + turn // 2 * 2
        one, other = (first.cell(chunk * 2 + (at if chunk > 0 else -at)) for at in (0, 1))
        if one and other and chunk:
            yield one, other
