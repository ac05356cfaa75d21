"""More rows than memory holds, compared in two readings: hashes first, by way of temporary files, then what differs by value.

The first reading finds out how many rows differ, and which; the second holds only these. The files have no values in
them, and no names: they are gone when the process is.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO

from cdcproof.databases.table_read import Row
from cdcproof.reconcile.differences import size

_PARTS = 64
_KEY_BYTES, _ROW_BYTES, _SIZE_BYTES = 16, 8, 4
_RECORD_BYTES = _KEY_BYTES + _ROW_BYTES + _SIZE_BYTES
_RECORDS_PER_READ = 10_000
_NULL = b"\xff\xff\xff\xff"  # no value is as long as this


@dataclass
class Outline:
    """What differs, by the hashes of keys; `beyond` counts by word the rows of those that are too many to look at again."""

    wanted: set[bytes] = field(default_factory=set)
    beyond: Counter[str] = field(default_factory=Counter)


def outline(source: Iterable[Row], target: Iterable[Row], width: int, most: int, room: int) -> Outline:
    """Compare by hashes. `wanted` are up to `most` keys, of rows that take up to `room` bytes."""
    found = Outline()
    with ExitStack() as stack:
        files = [[stack.enter_context(tempfile.TemporaryFile()) for _ in range(_PARTS)] for _ in range(2)]
        _write(source, width, files[0])
        _write(target, width, files[1])
        for at_source, at_target in zip(*files, strict=True):
            room = _compare(_read(at_source), _read(at_target), most, room, found)
    return found


def only(rows: Iterable[Row], width: int, wanted: Collection[bytes]) -> Iterator[Row]:
    """The rows whose key is wanted."""
    return (row for row in rows if _digest(row.forms[:width]) in wanted)


def _compare(source: Iterable[bytes], target: Iterable[bytes], most: int, room: int, found: Outline) -> int:
    """Add what differs to `found`; return what is left of the room."""
    balance: dict[bytes, int] = {}
    for sign, records in ((1, source), (-1, target)):
        for record in records:
            number = balance.get(record, 0) + sign
            if number:
                balance[record] = number
            else:
                del balance[record]
    lacking, too_many, sizes = Counter[bytes](), Counter[bytes](), Counter[bytes]()
    for record, number in balance.items():
        key = record[:_KEY_BYTES]
        (lacking if number > 0 else too_many)[key] += abs(number)
        sizes[key] += int.from_bytes(record[-_SIZE_BYTES:])
    for key, needed in sizes.items():
        if len(found.wanted) < most and needed <= room:
            found.wanted.add(key)
            room -= needed
        elif more := lacking[key] - too_many[key]:
            found.beyond["missing" if more > 0 else "extra"] += abs(more)
        else:
            found.beyond["changed"] += lacking[key]
    return room


def _write(rows: Iterable[Row], width: int, files: Sequence[IO[bytes]]) -> None:
    """Write a record for every row into the file of its key: the hashes of key and row, and how much memory it takes."""
    for row in rows:
        key = _digest(row.forms[:width])
        needed = size(row).to_bytes(_SIZE_BYTES)
        files[key[0] % _PARTS].write(key + _digest(row.forms)[:_ROW_BYTES] + needed)


def _read(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while block := file.read(_RECORD_BYTES * _RECORDS_PER_READ):
        for start in range(0, len(block), _RECORD_BYTES):
            yield block[start : start + _RECORD_BYTES]


def _digest(forms: Sequence[bytes | None]) -> bytes:
    frame = b"".join(_NULL if form is None else len(form).to_bytes(4, "big") + form for form in forms)
    return hashlib.md5(frame, usedforsecurity=False).digest()
