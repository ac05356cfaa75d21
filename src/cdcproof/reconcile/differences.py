"""What differs between source and target. Data only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from cdcproof.databases.scan import Row

Key = tuple[bytes | None, ...]
"""The canonical bytes of a key's columns; of all columns in a table without a key."""


@dataclass(frozen=True)
class Difference:
    """A key whose rows are not the same on both sides. More than one row a side: no unique key there, or a multiset."""

    key: Key
    source: tuple[Row, ...]
    target: tuple[Row, ...]

    @property
    def word(self) -> str:
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
    found: list[Difference] = field(default_factory=list)
    beyond: Counter[str] = field(default_factory=Counter)

    def add(self, difference: Difference) -> None:
        """Remember it, or count it."""
        if len(self.found) < self.limit:
            self.found.append(difference)
        else:
            self.beyond[difference.word] += difference.rows
