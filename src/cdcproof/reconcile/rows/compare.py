"""Two streams of rows of the same chunks, compared by value: by the canonical bytes that their servers made. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from cdcproof.databases.table_read import Row
from cdcproof.reconcile.differences import Difference, Key, size

BYTES_HELD = 64 << 20
"""Rows of both streams that are in memory at once; what needs more is compared by `partitions`."""


class TooLargeError(Exception):
    """The rows to be held take more than they may; nothing is known about them yet."""


class SameKeyError(Exception):
    """Two rows of the source have this key."""

    def __init__(self, key: Key) -> None:
        super().__init__(key)
        self.key = key


def by_key(source: Iterable[Row], target: Iterable[Row], width: int, room: int = BYTES_HELD) -> list[Difference]:
    """What differs, by the first `width` columns. More than one target row of a key is one difference, with all of them.

    Raises `SameKeyError`, and `TooLargeError` when rows of more than `room` bytes would have to be held.
    """
    held: dict[Key, Row] = {}
    for row in source:
        key = row.forms[:width]
        if key in held:
            raise SameKeyError(key)
        held[key] = row
        room = _less(room, row)
    equal: set[Key] = set()
    others: dict[Key, list[Row]] = {}
    for row in target:
        key = row.forms[:width]
        mine = held.get(key)
        if mine and mine.forms == row.forms and key not in equal and key not in others:
            equal.add(key)
            continue
        if key in equal:  # a second row of a key whose first was the source's
            equal.remove(key)
            others[key] = [Row(b"", held[key].forms)]
        others.setdefault(key, []).append(row)
        room = _less(room, row)
    lacking = [Difference(key, (row,), tuple(others.pop(key, ()))) for key, row in held.items() if key not in equal]
    return lacking + [Difference(key, (), tuple(rows)) for key, rows in others.items()]


def as_multisets(source: Iterable[Row], target: Iterable[Row], room: int = BYTES_HELD) -> list[Difference]:
    """Rows that are not there as often at both sides. Raises `TooLargeError` as `by_key`."""
    counts: dict[Key, list[int]] = {}
    for side, rows in enumerate((source, target)):
        for row in rows:
            count = counts.get(row.forms)
            if count is None:
                count = counts[row.forms] = [0, 0]
                room = _less(room, row)
            count[side] += 1
    return [
        Difference(forms, (Row(b"", forms),) * at_source, (Row(b"", forms),) * at_target)
        for forms, (at_source, at_target) in counts.items()
        if at_source != at_target
    ]


def _less(room: int, row: Row) -> int:
    room -= size(row)
    if room < 0:
        raise TooLargeError
    return room
