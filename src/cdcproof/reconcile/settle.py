"""In flight, or lost? Keys that differ are looked at on both sides of a fence: what stood still across it is lost.

A look reads a key's rows at the target and then at the source. Say that it finds them different, that a fence is
crossed after it, and that the next look finds every row as it was, of the same version. Then nothing of this is on its way:

- The source's rows have versions: nothing has written them between the looks. All that made them was visible when
  the fence began, so it is at the target, and there was nothing else that could have changed the target since.
- The source has no row, or cannot tell versions, and the target's rows have versions: at the first look the target
  was behind the source, which was read later. What it lacked was visible when the fence began, so it has been applied
  since, and that writes the row; but no row was written.
- Neither, as for a row that is missing at the target and whose source cannot tell versions: its values alone cannot
  exclude that it was deleted and inserted again, just so, between the looks. It has to stand still across two fences.

A row that goes A, B, A between two looks has another version, and is looked at again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from cdcproof.databases.scan import Row
from cdcproof.reconcile.differences import Difference, Key
from cdcproof.reconcile.fence import Crossing, Fence

MOST_CROSSINGS = 5
_KEYS_PER_READING = 500

ReadRows = Callable[[Sequence[Key]], Iterable[Row]]
"""The rows of one side that have one of these keys, as they are now."""


@dataclass(frozen=True)
class Settled:
    """What became of differing keys. `moving` counts those that never stood still: nothing is known about them."""

    confirmed: tuple[Difference, ...]
    moving: int
    crossings: tuple[Crossing, ...]


@dataclass(frozen=True)
class _Look:
    """The rows of a key, sorted."""

    source: tuple[Row, ...]
    target: tuple[Row, ...]

    @property
    def is_equal(self) -> bool:
        """Both sides have the same values, each as often."""
        return Counter(row.forms for row in self.source) == Counter(row.forms for row in self.target)

    @property
    def fences(self) -> int:
        """Across how many fences it has to stand still."""
        return 1 if any(rows and all(row.version for row in rows) for rows in (self.source, self.target)) else 2


def settle(
    keys: Sequence[Key],
    key_width: int,
    read_source: ReadRows,
    read_target: ReadRows,
    *,
    fence: Fence,
    tell: Callable[[str], None],
) -> Settled:
    """Look at the keys until each is equal or stands still, with up to `MOST_CROSSINGS` fences; none if all are equal.

    Raises what reading raises, and what the fence raises when it cannot be crossed: the keys that differ are then not checked.
    """
    crossings: list[Crossing] = []
    confirmed: list[Difference] = []
    stood: dict[Key, int] = {}
    seen = {key: look for key, look in _looks(keys, key_width, read_source, read_target) if not look.is_equal}
    while seen and len(crossings) < MOST_CROSSINGS:
        tell(f"{len(seen):,} keys differ: in flight, or lost?")
        crossings.append(fence.cross(tell))
        before, seen = seen, {}
        for key, look in _looks(tuple(before), key_width, read_source, read_target):
            if look.is_equal:
                continue
            stood[key] = stood.get(key, 0) + 1 if look == before[key] else 0
            if stood[key] == look.fences:
                confirmed.append(Difference(key, look.source, look.target))
            else:
                seen[key] = look
    return Settled(tuple(confirmed), len(seen), tuple(crossings))


def _looks(
    keys: Sequence[Key], key_width: int, read_source: ReadRows, read_target: ReadRows
) -> Iterator[tuple[Key, _Look]]:
    """A look at each key. The target is read first: what it has then, the source had before it is read."""
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


def _sorted(rows: Iterable[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: (row.version, [(form is None, form or b"") for form in row.forms])))
