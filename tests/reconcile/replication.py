"""A source, a target and what is on its way between them, in memory: for tests of what is in flight and what is lost.

Changes come to the target in their order, late, and as a sink with a buffer applies them: of several changes of a key in
one batch, the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cdcproof.core.errors import DeadlineError
from cdcproof.core.waiting import Deadline
from cdcproof.databases.table_read import Row
from cdcproof.reconcile.differences import Key
from cdcproof.reconcile.in_flight.fence import Crossing, Method
from tests.reconcile.canonical_rows import forms


@dataclass
class Table:
    """One side: key to version and value."""

    has_versions: bool = True
    rows: dict[int, tuple[int, int]] = field(default_factory=dict)
    writes: int = 0

    def put(self, key: int, value: int | None) -> None:
        """Write the row, or delete it."""
        self.writes += 1
        if value is None:
            self.rows.pop(key, None)
        else:
            self.rows[key] = (self.writes, value)

    def read(self, keys: Iterable[Key]) -> list[Row]:
        """The rows of these keys, as a session gives them."""
        wanted = set(keys)
        return [
            Row(str(version).encode() if self.has_versions else b"", forms(key, value))
            for key, (version, value) in self.rows.items()
            if forms(key) in wanted
        ]


@dataclass
class Replication:
    """What is done at the source comes to the target, but for changes of `lost` keys."""

    source: Table = field(default_factory=Table)
    target: Table = field(default_factory=Table)
    lost: frozenset[int] = frozenset()
    changes: list[tuple[int, int | None]] = field(default_factory=list)
    applied: int = 0

    def write(self, key: int, value: int | None) -> None:
        """Write a row at the source, or delete it where there is one."""
        if value is not None or key in self.source.rows:
            self.source.put(key, value)
            self.changes.append((key, value))

    def rename(self, old: int, new: int) -> None:
        """Change a row's key: on its way that is a deletion and an insertion."""
        if old in self.source.rows and new not in self.source.rows:
            _, value = self.source.rows[old]
            self.write(old, None)
            self.write(new, value)

    def apply(self, number: int) -> None:
        """So many changes arrive, in one batch."""
        batch = self.changes[self.applied : self.applied + number]
        self.applied += len(batch)
        for key, value in dict(batch).items():
            if key not in self.lost:
                self.target.put(key, value)


@dataclass
class SimulatedFence:
    """Crossed when what was on its way has arrived; `moment` is called before, and after each change that arrives."""

    replication: Replication
    moment: Callable[[], None] = lambda: None
    is_stuck: bool = False
    method: Method = "position"
    takes_time: bool = True
    crossings: int = 0

    def cross(self, tell: Callable[[str], None], asked: Deadline | None = None) -> Crossing:
        """Cross it."""
        self.crossings += 1
        if self.is_stuck:
            raise DeadlineError("the sink is stuck")
        goal = len(self.replication.changes)
        self.moment()
        while self.replication.applied < goal:
            self.replication.apply(1)
            self.moment()
        return Crossing(self.method, str(self.crossings), 0.0)
