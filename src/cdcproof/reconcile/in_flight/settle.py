"""In flight, or lost? Keys that differ are looked at on both sides of a fence: what stood still across it is lost.

A look reads a key's rows at the target and then at the source. Say that it finds them different, that a fence is
crossed after it, and that the next look finds every row as it was, of the same version. Then nothing of this is on its way:

- The source's rows have versions: nothing has written them between the looks. All that made them was visible when
  the fence began, so it is at the target, and there was nothing else that could have changed the target since.
- The source has no row, or its rows have no versions, and the target's rows have versions: at the first look the target
  was behind the source, which was read later. What it lacked was visible when the fence began, so it has been applied
  since, and that writes the row; but no row was written.
- Neither, as for a row that is missing at the target and whose source has no versions: its values alone cannot
  exclude that it was deleted and inserted again, just so, between the looks. It has to stand still across two fences.

A row that goes A, B, A between two looks has another version, and is looked at again. What moves is looked at several
times before a fence is asked for: a row that is written often is equal now and then, and a fence takes its time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from cdcproof.core.waiting import Deadline, pause
from cdcproof.databases.table_read import Row
from cdcproof.reconcile.differences import Difference, Key
from cdcproof.reconcile.in_flight.fence import Crossing, Fence

MOST_CROSSINGS = 5
_MOST_LOOKS = 8
"""At what moves, before the first fence and after each."""
_APART_SECONDS = 0.1
"""From the beginning of a look to the next one's."""
_KEYS_PER_READING = 1_000

ReadRows = Callable[[Sequence[Key]], Iterable[Row]]
"""The rows of one side that have one of these keys, as they are now."""


@dataclass(frozen=True)
class Seen:
    """What differs, by a reading that counts as a look: the target's rows are of a moment before the source's.

    It began at `began`, by `time.monotonic`.
    """

    differences: Sequence[Difference]
    began: float


@dataclass(frozen=True)
class Settled:
    """What became of differing keys. `moving` counts those that never stood still: nothing is known about them."""

    confirmed: tuple[Difference, ...]
    moving: int
    crossings: tuple[Crossing, ...]


@dataclass(frozen=True, slots=True)  # there may be 100,000
class _Look:
    """The rows of a key, sorted by their values."""

    source: tuple[Row, ...]
    target: tuple[Row, ...]

    @property
    def is_equal(self) -> bool:
        """Both sides have the same values, each as often."""
        return [row.forms for row in self.source] == [row.forms for row in self.target]

    @property
    def fences(self) -> int:
        """Across how many fences it has to stand still."""
        return 1 if any(rows and all(row.version for row in rows) for rows in (self.source, self.target)) else 2


_Looks = Iterator[tuple[Key, _Look]]


@dataclass(slots=True)
class _Watched:
    """A key that differs, and across how many fences it stood still."""

    look: _Look
    stood: int = 0

    def see(self, look: _Look, fences: int) -> bool:
        """Take in another look, made behind so many fences; whether it is as the one before."""
        if look != self.look:
            self.look, self.stood = look, 0
            return False
        self.stood += fences
        return True


def differing(
    keys: Sequence[Key], key_width: int, read_source: ReadRows, read_target: ReadRows
) -> tuple[Difference, ...]:
    """Those of the keys that one look finds different, for rows that do not move."""
    looks = _looks(keys, key_width, read_source, read_target)
    return tuple(Difference(key, look.source, look.target) for key, look in looks if not look.is_equal)


def settle(
    keys: Sequence[Key],
    key_width: int,
    read_source: ReadRows,
    read_target: ReadRows,
    *,
    fence: Fence,
    progress: Callable[[str], None],
    seen: Seen | None = None,
) -> Settled:
    """Look at the keys until each is equal or stands still, with up to `MOST_CROSSINGS` fences; none if all are equal.

    With `seen` its keys are looked at, too, of which that was the first look.
    Raises what reading raises, and what the fence raises when it cannot be crossed: the keys that differ are then not checked.
    """

    def look(keys: Iterable[Key]) -> _Looks:
        return _looks(tuple(keys), key_width, read_source, read_target)

    crossings: list[Crossing] = []
    confirmed: list[Difference] = []
    apart = Deadline(_APART_SECONDS)
    watched = {key: _Watched(first) for key, first in look(keys) if not first.is_equal}
    if seen:
        apart = Deadline(_APART_SECONDS if fence.takes_time else 0, seen.began)
        watched |= {one.key: _Watched(_Look(_sorted(one.source), _sorted(one.target))) for one in seen.differences}
    _look_while_they_move(watched, look, apart)
    while watched and len(crossings) < MOST_CROSSINGS:
        progress(f"{len(watched):,} keys differ: in flight, or lost?")
        crossings.append(fence.cross(progress))
        apart = Deadline(_APART_SECONDS)
        _see(watched, look(watched), fences=1)
        for key in [key for key, row in watched.items() if row.stood >= row.look.fences]:
            row = watched.pop(key)
            confirmed.append(Difference(key, row.look.source, row.look.target))
        _look_while_they_move(watched, look, apart)
    return Settled(tuple(confirmed), len(watched), tuple(crossings))


def _look_while_they_move(
    watched: dict[Key, _Watched], look: Callable[[Iterable[Key]], _Looks], apart: Deadline
) -> None:
    """Look again until all are equal or none has changed since the last look: only a fence can show more then.

    `apart` is when the next look may begin. Of very many a first few are looked at: where those stand still, the rest most likely does too.
    """
    for _ in range(_MOST_LOOKS):
        if not watched:
            return
        pause(apart.remaining_seconds)
        apart = Deadline(_APART_SECONDS)
        few = list(islice(watched, _KEYS_PER_READING))
        if len(few) < len(watched) and all(found == watched[key].look for key, found in look(few)):
            return
        if _see(watched, look(watched), fences=0):
            return


def _see(watched: dict[Key, _Watched], looks: _Looks, *, fences: int) -> bool:
    """Take in a look at all of them; those that are equal need no more. Whether all are as they were."""
    stood = True
    for key, found in looks:
        if found.is_equal:
            del watched[key]
            stood = False
        else:
            stood &= watched[key].see(found, fences)
    return stood


def _looks(keys: Sequence[Key], key_width: int, read_source: ReadRows, read_target: ReadRows) -> _Looks:
    """A look at each key, some at a time. The target is read first: what it has then, the source had before it is read."""
    for start in range(0, len(keys), _KEYS_PER_READING):
        some = keys[start : start + _KEYS_PER_READING]
        target = _by_key(read_target(some), key_width)
        source = _by_key(read_source(some), key_width)
        yield from ((key, _Look(_sorted(source[key]), _sorted(target[key]))) for key in some)


def _by_key(rows: Iterable[Row], key_width: int) -> defaultdict[Key, list[Row]]:
    found: defaultdict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.forms[:key_width]].append(row)
    return found


def _sorted(rows: Sequence[Row]) -> tuple[Row, ...]:
    if len(rows) < 2:  # nearly always
        return tuple(rows)
    return tuple(sorted(rows, key=lambda row: ([(form is None, form or b"") for form in row.forms], row.version)))
