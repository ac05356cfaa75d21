"""In flight, or lost? Differing keys are read again for a bounded time, and judged by what the source row did meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from cdcproof.errors import DeadlineError
from cdcproof.reconcile.compare import Differences, Key
from cdcproof.waiting import wait_until

INTERVAL_SECONDS = 0.5

State = tuple[bytes, ...]
"""The hashes of a side's rows with one key: none, one, or several where the target has no unique key."""
ReadStates = Callable[[list[Key]], Mapping[bytes, State]]


@dataclass
class Watched:
    """A key that differed: every state the source was seen in, and the last one of each side."""

    key: Key
    source: State
    target: State
    source_states: set[State] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.source_states.add(self.source)

    def saw(self, source: State, target: State) -> None:
        """Take in another reading."""
        self.source, self.target = source, target
        self.source_states.add(source)

    @property
    def arrived(self) -> bool:
        """The target is in a state that the source was seen in: replication reached it."""
        return self.target in self.source_states

    @property
    def source_moved(self) -> bool:
        """The source row changed while it was watched: what the target lacks may still be on its way."""
        return len(self.source_states) > 1

    @property
    def word(self) -> str:
        """``missing``, ``extra`` or ``changed``."""
        if not self.target:
            return "missing"
        return "extra" if len(self.target) > len(self.source) else "changed"


def watched(differences: Differences) -> dict[bytes, Watched]:
    """The differing keys, as first seen."""
    return {
        **{name: Watched(row.key, (row.digest,), ()) for name, row in differences.missing.items()},
        **{name: Watched(row.key, (), (row.digest,)) for name, row in differences.extra.items()},
        **{name: Watched(s.key, (s.digest,), (t.digest,)) for name, (s, t) in differences.changed.items()},
    }


def settle(
    watch: dict[bytes, Watched],
    read_source: ReadStates,
    read_target: ReadStates,
    seconds: float,
    tell: Callable[[int], None],
) -> dict[bytes, Watched]:
    """Read the keys again until all have arrived or the time is up; return those that have not.

    They are read at least twice, the last time after the deadline. A failure of that last reading is raised.
    """
    remaining = dict(watch)

    def look() -> int:
        keys = [row.key for row in remaining.values()]
        source, target = read_source(keys), read_target(keys)
        for name, row in list(remaining.items()):
            row.saw(source.get(name, ()), target.get(name, ()))
            if row.arrived:
                del remaining[name]
        return len(remaining)

    try:
        wait_until(
            look,
            lambda number: number == 0,
            what="differing keys to arrive",
            deadline_seconds=seconds,
            interval_seconds=INTERVAL_SECONDS,
            tell=lambda _: tell(len(remaining)),
        )
    except DeadlineError:
        look()
    return remaining


@dataclass(frozen=True)
class Counts:
    """Rows of both sides, as counted last or as judged to have been equal."""

    source: int
    target: int


def settle_counts(count: Callable[[], Counts], first: Counts, seconds: float, tell: Callable[[str], None]) -> Counts:
    """Count again until the counts are equal or the time is up.

    While the source moves, a target count that lies between two counts of the source is one the source has been
    through: it is returned for both. The last count is made after the deadline, and its failure raised.
    """
    seen: set[int] = {first.source}

    def look() -> Counts:
        now = count()
        seen.add(now.source)
        return Counts(now.target, now.target) if _passed_through(now.target, seen) else now

    try:
        return wait_until(
            look,
            lambda now: now.source == now.target,
            what="equal row counts",
            deadline_seconds=seconds,
            interval_seconds=INTERVAL_SECONDS,
            tell=lambda _: tell("counts differ, rows may be in flight, counting again"),
        )
    except DeadlineError:
        return look()


def _passed_through(target: int, source_counts: Iterable[int]) -> bool:
    counts = list(source_counts)
    return min(counts) <= target <= max(counts)
