"""What differs between source and target. Data only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from cdcproof.databases.table_read import Row

Word = Literal["missing", "extra", "changed"]
Key = tuple[bytes | None, ...]
"""The canonical bytes of a key's columns; of all columns in a table without a key."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A key whose rows are not the same on both sides. More than one row a side: no unique key there, or a multiset."""

    key: Key
    source: tuple[Row, ...]
    target: tuple[Row, ...]

    @property
    def word(self) -> Word:
        """``missing`` at the target, ``extra`` there, or ``changed``."""
        if len(self.source) != len(self.target):
            return "missing" if len(self.source) > len(self.target) else "extra"
        return "changed"

    @property
    def rows(self) -> int:
        """How many rows it stands for."""
        return abs(len(self.source) - len(self.target)) or len(self.source)

    def columns(self, names: Sequence[str]) -> tuple[str, ...]:
        """Of `names`, in the order of the scan, those whose values differ; none unless one row stands against one."""
        if not len(self.source) == len(self.target) == 1:
            return ()
        pairs = zip(names, self.source[0].forms, self.target[0].forms, strict=True)
        return tuple(name for name, source, target in pairs if source != target)


@dataclass
class Differences:
    """Differing keys as first seen, up to a limit. `beyond` counts by word the rows that were too many to remember."""

    limit: int
    room: int = 32 << 20
    """Bytes that may still be remembered, whatever the limit: rows may be wide."""
    found: list[Difference] = field(default_factory=list)
    beyond: Counter[str] = field(default_factory=Counter)

    def add(self, difference: Difference) -> None:
        """Remember it, or count it."""
        needed = sum(size(row) for row in (*difference.source[:1], *difference.target[:1]))
        if len(self.found) < self.limit and needed <= self.room:
            self.found.append(difference)
            self.room -= needed
        else:
            self.beyond[difference.word] += difference.rows


def size(row: Row) -> int:
    """About how many bytes of memory a row takes."""
    return 256 + 40 * len(row.forms) + sum(map(len, filter(None, row.forms)))
