"""What is left when the target's sums of row hashes are taken from the source's, chunk by chunk. Pure."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from cdcproof.databases.table_read import Chunking, ChunkSum

_64_BITS = 2**64 - 1
_NOTHING = (0, 0, 0)
_SMALL_GROUP, _GROWTH = 2_000, 8


@dataclass(frozen=True)
class Group:
    """Differing chunks that are read together.

    `rows` is about how many they have: of a chunk that was equal up to some segment, the rows before are forgotten.
    """

    chunks: tuple[int, ...]
    rows: int


@dataclass(frozen=True)
class Extent:
    """The chunks that differ, in order, about how many rows they have, and how many of these one side surely lacks."""

    chunks: tuple[int, ...]
    rows: int
    lacking: int


class Balance:
    """Both sides' sums in bounded memory: what has come to nothing is forgotten. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._chunks: dict[int, tuple[int, int, int]] = {}  # rows and hashes the target lacks, rows of the source
        self._doubted: set[int] = set()
        self.source_rows = 0
        self.target_rows = 0

    def add_source(self, sums: Iterable[ChunkSum]) -> None:
        """Take in sums of the source."""
        with self._lock:
            self.source_rows += self._add(sums, 1)

    def add_target(self, sums: Iterable[ChunkSum]) -> None:
        """Take in sums of the target."""
        with self._lock:
            self.target_rows += self._add(sums, -1)

    def merge(self, left: Iterable[Sequence[int]], source_rows: int, target_rows: int) -> None:
        """Take in what another balance had left. Chunks that only one of them has may come in any order."""
        with self._lock:
            self.source_rows += source_rows
            self.target_rows += target_rows
            for chunk, rows, hashes, at_source in left:
                lacking, rest, before = self._chunks.get(chunk, _NOTHING)
                lacking, rest = lacking + rows, (rest + hashes) & _64_BITS
                if lacking or rest:
                    self._chunks[chunk] = (lacking, rest, before + at_source)
                else:
                    self._chunks.pop(chunk, None)

    def doubt(self, chunks: Iterable[int]) -> None:
        """Let these chunks be read by value, whatever their sums are."""
        with self._lock:
            self._doubted.update(chunks)

    def left(self) -> list[tuple[int, ...]]:
        """What is left of each chunk, for `restored`."""
        with self._lock:
            return [(chunk, *rest) for chunk, rest in self._chunks.items()]

    @classmethod
    def restored(cls, left: Iterable[Sequence[int]], source_rows: int, target_rows: int) -> Balance:
        """A balance that goes on from what another had left."""
        balance = cls()
        balance._chunks = {chunk: (rows, hashes, at_source) for chunk, rows, hashes, at_source in left}
        balance.source_rows, balance.target_rows = source_rows, target_rows
        return balance

    def extent(self) -> Extent:
        """What differs, as a whole."""
        chunks = tuple(self._differing())
        lacking = sum(abs(self._chunks.get(chunk, _NOTHING)[0]) for chunk in chunks)
        return Extent(chunks, sum(map(self._rows, chunks)), lacking)

    def groups(self, chunking: Chunking, rows_held: int) -> tuple[Group, ...]:
        """The chunks that differ, in order.

        Ranges are read in groups of up to `rows_held` rows, buckets in one: finding them takes a scan of the table.
        Groups grow with the rows so far: few rows take little memory, and many few statements.
        """
        chunks: list[list[int]] = []
        rows: list[int] = []
        so_far = 0
        for chunk in self._differing():
            more = self._rows(chunk)
            most = min(rows_held, max(_SMALL_GROUP, so_far // _GROWTH))
            if not chunks or (chunking.width and rows[-1] + more > most):
                chunks.append([])
                rows.append(0)
            chunks[-1].append(chunk)
            rows[-1] += more
            so_far += more
        return tuple(map(Group, map(tuple, chunks), rows))

    def _differing(self) -> list[int]:
        return sorted(self._chunks.keys() | self._doubted)

    def _rows(self, chunk: int) -> int:
        lacking, _, at_source = self._chunks.get(chunk, _NOTHING)
        return at_source + max(0, -lacking)

    def _add(self, sums: Iterable[ChunkSum], sign: Literal[1, -1]) -> int:
        """How many rows they are of. One loop without calls: of a large table come 50,000 chunks a side."""
        chunks, total = self._chunks, 0
        for chunk, rows, hashes in sums:
            total += rows
            lacking, left, at_source = chunks.get(chunk, _NOTHING)
            lacking, left = lacking + sign * rows, (left + sign * hashes) & _64_BITS
            if lacking or left:
                chunks[chunk] = (lacking, left, at_source + rows if sign == 1 else at_source)
            else:
                chunks.pop(chunk, None)
        return total
