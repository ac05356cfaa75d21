"""Two tables that lie in the order of their key, summed up piece by piece: only pieces that differ are grouped by chunk.

A piece is what lies between the same two keys on both sides, or mostly so: a row that lies elsewhere at one side makes two
pieces differ, which costs time and nothing else. Pieces with as many rows and the same sum of hashes have the same rows, with
the same chance of an error as a chunk; so all other rows are in the pieces that differ, and these are grouped.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isqrt

from cdcproof.databases.contracts.database import ByPlace
from cdcproof.databases.table_read import ChunkSum, Segment
from cdcproof.reconcile.checksums.sums import Summing
from cdcproof.reconcile.concurrency import Stop, both_scans
from cdcproof.reconcile.plan.plan import Plan

LEAST_ROWS = 100_000
"""Below this, grouping all takes no longer than finding the pieces: nothing is asked for them."""
_PROBED, _LEAST_PROBED = 20, 20
"""One in so many pieces of a part is looked at first, and at least so many."""
_TOO_MANY = 6
"""Where more than one in so many differ, grouping all at once is faster: by so much is a scan that groups slower."""


@dataclass(frozen=True)
class Cuts:
    """Places between the pieces of a part, as many at each side, each in rising order."""

    source: tuple[int, ...] = ()
    target: tuple[int, ...] = ()


NO_CUTS = Cuts()


@dataclass(frozen=True)
class Sums:
    """Both sides of a part: `equal_rows` in pieces that are equal, and the chunks of all other rows."""

    source: Sequence[ChunkSum]
    target: Sequence[ChunkSum]
    equal_rows: int = 0


@dataclass(frozen=True)
class Aligned:
    """Both sides of a table, by place. `stop` ends the reading."""

    plan: Plan
    source: ByPlace
    target: ByPlace
    stop: Stop

    def cuts(self, rows: int) -> Cuts:
        """Where to cut a table of about so many rows; no cuts where the sides do not lie in one order."""
        landmarks = self.source.landmarks(self.plan.source, _pieces_of(rows))
        in_order = [landmarks[n] for n in rising([mark.key for mark in landmarks])]
        self.stop.go_on()
        places = self.target.places(self.plan.target, [mark.key for mark in in_order])
        if places is None:
            return NO_CUTS
        found = [(mark.place, place) for mark, place in zip(in_order, places, strict=True) if place is not None]
        kept = [found[n] for n in rising([place for _, place in found])]
        if len(kept) * 2 < len(landmarks):
            return NO_CUTS
        return Cuts(tuple(ours for ours, _ in kept), tuple(theirs for _, theirs in kept))

    def sums(self, source: Segment, target: Segment, cuts: Cuts) -> Sums | None:
        """Both sides of a part; None where so much of it differs that it is better grouped as a whole."""
        ours, theirs = _pieces(source, cuts.source), _pieces(target, cuts.target)
        probed = range(0, len(ours), max(1, min(_PROBED, len(ours) // _LEAST_PROBED)))
        equal_rows, differing = self._compared(ours, theirs, probed)
        if len(differing) * _TOO_MANY > len(probed):
            return None
        more_rows, more = self._compared(ours, theirs, [n for n in range(len(ours)) if n not in probed])
        differing += more
        at_source, at_target = both_scans(
            self.stop,
            lambda: self.source.chunk_sums_within(self.plan.source, [ours[n] for n in differing]),
            lambda: self.target.chunk_sums_within(self.plan.target, [theirs[n] for n in differing]),
        )
        return Sums(at_source, at_target, equal_rows + more_rows)

    def _compared(
        self, ours: Sequence[Segment], theirs: Sequence[Segment], which: Sequence[int]
    ) -> tuple[int, list[int]]:
        """How many rows are in pieces that are equal, and which pieces are not."""
        at_source, at_target = both_scans(
            self.stop,
            lambda: self.source.piece_sums(self.plan.source, [ours[n] for n in which]),
            lambda: self.target.piece_sums(self.plan.target, [theirs[n] for n in which]),
        )
        equal_rows, differing = 0, []
        for n, mine, other in zip(which, at_source, at_target, strict=True):
            if mine == other:
                equal_rows += mine.rows
            else:
                differing.append(n)
        return equal_rows, differing


def by_place(plan: Plan, source: Summing, target: Summing, stop: Stop) -> Aligned | None:
    """Both sides by place; None where one cannot be read so."""
    ours, theirs = source.by_place(plan.source), target.by_place(plan.target)
    return Aligned(plan, ours, theirs, stop) if ours and theirs else None


def rising(values: Sequence[int]) -> list[int]:
    """The places of as many values as can be kept so that each is greater than the one before."""
    ends: list[int] = []  # at n the least value that n + 1 rising ones can end with
    last: list[int] = []  # and its place
    before: list[int] = []
    for at, value in enumerate(values):
        length = bisect_left(ends, value)
        ends[length : length + 1] = [value]
        last[length : length + 1] = [at]
        before.append(last[length - 1] if length else -1)
    kept: list[int] = []
    at = last[-1] if last else -1
    while at >= 0:
        kept.append(at)
        at = before[at]
    return kept[::-1]


def _pieces_of(rows: int) -> int:
    """As many as cost least where some seventy rows differ: a piece is found in the time of 80 rows, and its rows are summed again for one that differs."""
    return isqrt(rows)


def _pieces(part: Segment, cut: Sequence[int]) -> list[Segment]:
    return [Segment(low, high) for low, high in pairwise([part.low, *cut, part.high])]
