"""Comparing two streams of rows in bounded memory. Pure: the streams are given, nothing is opened here.

Each row becomes a 128-bit hash. The hashes are summed per bucket of the key, so the order of rows does not matter and
both sides can be read at once. Only buckets whose sums differ are read again and compared key by key.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cdcproof.errors import UnexpectedAnswerError
from cdcproof.reconcile.canonical import Encoder, digest, framed

BUCKETS = 65_536
ROWS_HELD = 500_000
"""Source rows of differing buckets that are in memory at once; more are compared in several readings."""
DIFFERENCES_HELD = 100_000
"""Differing keys that are remembered, to be read again; what is beyond is only counted."""
_ROWS_BETWEEN_TELLING = 10_000

Key = tuple[Any, ...]


class Identified(NamedTuple):
    """A row by what stands for it: `name` is the key's canonical bytes (the hash where there is no key), `key` its values."""

    name: bytes
    digest: bytes
    key: Key


@dataclass(frozen=True)
class Fingerprint:
    """A side's rows: per bucket how many, and the sum of their hashes."""

    rows: int
    counts: Sequence[int]
    sums: Sequence[int]


@dataclass
class Differences:
    """Keys that differ as first seen. `beyond` counts, by word, those that were too many to remember."""

    missing: dict[bytes, Identified] = field(default_factory=dict)
    extra: dict[bytes, Identified] = field(default_factory=dict)
    changed: dict[bytes, tuple[Identified, Identified]] = field(default_factory=dict)
    """Source row and target row."""
    beyond: Counter[str] = field(default_factory=Counter)

    @property
    def has_room(self) -> bool:
        """Whether another difference is remembered."""
        return len(self.missing) + len(self.extra) + len(self.changed) < DIFFERENCES_HELD


def bucket_of(name: bytes) -> int:
    """Which bucket a row of this name is summed in."""
    return zlib.crc32(name) % BUCKETS


def identified(
    rows: Iterable[Sequence[Any]],
    encoders: Sequence[Encoder],
    key_width: int,
    buckets: Container[int] | None = None,
) -> Iterator[Identified]:
    """Each row's identity, of all rows or of those in `buckets`. The first `key_width` values are the key.

    Without a key a row is its own name. Rows that are not wanted are not hashed where the key tells so.
    """
    key_encoders, other_encoders = encoders[:key_width], encoders[key_width:]
    for row in rows:
        key = tuple(row[:key_width])
        name = framed(key_encoders, key)
        if buckets is not None and key and bucket_of(name) not in buckets:
            continue
        row_digest = digest(name + framed(other_encoders, row[key_width:]))
        if buckets is not None and not key and bucket_of(row_digest) not in buckets:
            continue
        yield Identified(name or row_digest, row_digest, key)


def fingerprint(rows: Iterable[Identified], tell: Callable[[int], None] = lambda _: None) -> Fingerprint:
    """Sum up a side. `tell` is called now and then with the number of rows read."""
    counts = [0] * BUCKETS
    sums = [0] * BUCKETS
    number = 0
    for number, row in enumerate(rows, start=1):
        bucket = bucket_of(row.name)
        counts[bucket] += 1
        sums[bucket] += int.from_bytes(row.digest, "big")
        if not number % _ROWS_BETWEEN_TELLING:
            tell(number)
    return Fingerprint(number, counts, sums)


def differing_buckets(source: Fingerprint, target: Fingerprint) -> list[set[int]]:
    """Buckets that differ, in groups that hold at most `ROWS_HELD` source rows each; empty when the sides are equal."""
    groups: list[set[int]] = []
    held = 0
    for bucket in range(BUCKETS):
        if source.counts[bucket] == target.counts[bucket] and source.sums[bucket] == target.sums[bucket]:
            continue
        if not groups or held + source.counts[bucket] > ROWS_HELD:
            groups.append(set())
            held = 0
        groups[-1].add(bucket)
        held += source.counts[bucket]
    return groups


def compare_by_key(source: Iterable[Identified], target: Iterable[Identified], found: Differences) -> None:
    """Add to `found` what differs between two streams of the same buckets; the source's is held in memory.

    Raises `UnexpectedAnswerError` when two source rows have the same key. A second target row of a key is extra.
    """
    held: dict[bytes, Identified] = {}
    for row in source:
        if row.name in held:
            raise UnexpectedAnswerError(
                f"Two rows of the source have the same key {told_key(row.key)}.",
                "Name columns that are unique as the table's key.",
            )
        held[row.name] = row
    for row in target:
        _compare_row(held.pop(row.name, None), row, found)
    for row in held.values():
        if found.has_room:
            found.missing[row.name] = row
        else:
            found.beyond["missing"] += 1


def _compare_row(source: Identified | None, target: Identified, found: Differences) -> None:
    if source is None:
        if found.has_room and target.name not in found.extra:
            found.extra[target.name] = target
        else:
            found.beyond["extra"] += 1
    elif source.digest != target.digest:
        if found.has_room:
            found.changed[target.name] = (source, target)
        else:
            found.beyond["changed"] += 1


def compare_as_multisets(source: Iterable[Identified], target: Iterable[Identified]) -> tuple[int, int]:
    """How many rows the target lacks, and has too many, in two streams of the same buckets: for tables without a key."""
    balance: Counter[bytes] = Counter()
    balance.update(row.digest for row in source)
    balance.subtract(row.digest for row in target)
    return (
        sum(count for count in balance.values() if count > 0),
        -sum(count for count in balance.values() if count < 0),
    )


def told_key(key: Key) -> str:
    """A key for people: its values, by commas."""
    return ", ".join("NULL" if value is None else str(value) for value in key)
