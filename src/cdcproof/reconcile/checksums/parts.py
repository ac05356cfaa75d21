"""The first phase: both sides of a table summed up at once, part by part, into one balance, by as many sessions as are to be had."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise, zip_longest

from cdcproof.core.errors import CouldNotLookError, UnexpectedAnswerError
from cdcproof.databases.table_read import WHOLE, ChunkSum, Segment, TableRead
from cdcproof.reconcile.checksums.balance import Balance
from cdcproof.reconcile.checksums.sums import Summing
from cdcproof.reconcile.concurrency import Stop, both, both_scans, ended_by
from cdcproof.reconcile.plan.plan import Plan
from cdcproof.reconcile.slices.store import Scanned

_LEAST_ROWS, _MOST_ROWS, _LEAST_PARTS = 1_000_000, 2_000_000, 5
_Pair = tuple[Callable[[], AbstractContextManager[Summing]], Callable[[], AbstractContextManager[Summing]]]


@dataclass(frozen=True)
class Part:
    """What is read at once: a segment of each side, or of one where the other has no more."""

    source: Segment | None = WHOLE
    target: Segment | None = WHOLE


def segments_of(parts: Sequence[Part]) -> tuple[list[Segment], list[Segment]]:
    """The source's and the target's: one side may have more parts than the other."""
    source = [part.source for part in parts if part.source is not None]
    return source, [part.target for part in parts if part.target is not None]


def gap(parts: Sequence[Part]) -> str:
    """Where the parts of a side leave something out, or have it twice; empty where they do not."""
    for side in segments_of(parts):
        if not side or side[0].low is not None or side[-1].high is not None:
            return f"a table's first or last part has a bound, of {len(side)} parts"
        for number, (end, begin) in enumerate(pairwise(side), 2):
            if end.high is None or end.high != begin.low:
                return f"part {number} of {len(side)} does not begin where the one before it ends"
    return ""


def demand_whole(parts: Sequence[Part]) -> None:
    """Raise `UnexpectedAnswerError` where parts that are to be read leave something out, or have it twice."""
    if why := gap(parts):
        raise UnexpectedAnswerError(f"Not checked: {why}.", "Report it: this comparison cannot be trusted.")


class Sessions:
    """A budget of sessions to each side: every table has one, and a large table takes what the others leave."""

    def __init__(self, number: int) -> None:
        self._free = threading.Semaphore(number)

    def take(self) -> bool:
        """One more, if there is one."""
        return self._free.acquire(blocking=False)

    def give_back(self) -> None:
        """Another table may have it."""
        self._free.release()


def rows_a_part(rows: int) -> int:
    """Into which parts a table of about so many rows is divided.

    Every part has rows of every chunk (100 rows a chunk, 50,000 chunks at most): they are large enough for that to cost little.
    """
    return max(_LEAST_ROWS, min(rows // _LEAST_PARTS, _MOST_ROWS))


def divided(source: Sequence[Segment], target: Sequence[Segment]) -> tuple[Part, ...]:
    """Each side in its own parts."""
    return tuple(Part(ours, theirs) for ours, theirs in zip_longest(source, target))


def sum_up(
    plan: Plan,
    source: Summing,
    target: Summing,
    parts: Sequence[Part],
    stop: Stop,
    *,
    progress: Callable[[int], None] = lambda _: None,
    scanned: Scanned | None = None,
    sessions: Sessions | None = None,
    first: Callable[[], None] = lambda: None,
    hold: Callable[[], None] = lambda: None,
    keep: Callable[[Scanned], None] = lambda _: None,
) -> Balance:
    """Each part read once, of one snapshot a side, by these two sessions and by as many more as are free in `sessions`.

    `progress` receives how many rows of the source are read. `first` is called before all parts, within the snapshots. `hold` is called before each part but the first, and may take its
    time; `keep` after each part, one at a time. `scanned` is where an earlier run stopped. Raises `CouldNotLookError` when a
    side cannot be read, `StoppedError` when `stop` is set: the statements that run are ended then.
    """
    state = scanned or Scanned()
    todo = deque(number for number in range(len(parts)) if number not in state.done)
    work = _Work(plan, parts, todo, stop, state, sessions or Sessions(0), progress, hold, keep)
    with ended_by(stop, source, target), ExitStack() as snapshots:
        both(
            stop,
            lambda: snapshots.enter_context(source.snapshot()),
            lambda: snapshots.enter_context(target.snapshot()),
        )
        first()
        work.read(source, target, held=False)
    return state.balance


@dataclass(frozen=True)
class _Work:
    """A table that is read by several sessions."""

    plan: Plan
    parts: Sequence[Part]
    todo: deque[int]
    stop: Stop
    state: Scanned
    sessions: Sessions
    progress: Callable[[int], None]
    hold: Callable[[], None]
    keep: Callable[[Scanned], None]
    lock: threading.Lock = field(default_factory=threading.Lock)
    enough: threading.Event = field(default_factory=threading.Event)

    def read(self, source: Summing, target: Summing, *, held: bool = True) -> None:
        """Read part after part, with `held` after holding back, and let others read beside these two, until there are no more."""
        while self.todo:
            more = self._beside(source, target)
            if more:
                both(self.stop, partial(self.read, source, target, held=held), partial(self._read_more, more))
                return
            try:
                number = self.todo.popleft()
            except IndexError:  # others were faster
                return
            if held:
                self.hold()
            held = True
            self.stop.go_on()
            self._add(number, *self._sums(source, target, self.parts[number]))

    def _beside(self, source: Summing, target: Summing) -> _Pair | None:
        """How one more session a side is opened, taken from the budget; None where there is to be none."""
        if len(self.todo) < 2 or self.enough.is_set() or not self.sessions.take():  # one part is for these two
            return None
        with ExitStack() as stack:
            stack.callback(self.sessions.give_back)
            ours, theirs = source.beside(), target.beside()
            if ours and theirs:
                stack.pop_all()  # who reads there gives it back
                return ours, theirs
        self.enough.set()
        return None

    def _read_more(self, opened: _Pair) -> None:
        with ExitStack() as stack:
            stack.callback(self.sessions.give_back)
            try:
                source, target = stack.enter_context(opened[0]()), stack.enter_context(opened[1]())
            except CouldNotLookError:
                self.enough.set()  # a server may have no more to give: those there are go on
                return
            stack.enter_context(ended_by(self.stop, source, target))
            self.read(source, target)

    def _sums(self, source: Summing, target: Summing, part: Part) -> tuple[list[ChunkSum], list[ChunkSum]]:
        return both_scans(
            self.stop,
            lambda: self._whole(source, self.plan.source, part.source),
            lambda: self._whole(target, self.plan.target, part.target),
        )

    def _whole(self, side: Summing, scan: TableRead, segment: Segment | None) -> list[ChunkSum]:
        return list(self.stop.until_set(side.chunk_sums(scan, segment))) if segment else []

    def _add(self, number: int, source: list[ChunkSum], target: list[ChunkSum]) -> None:
        with self.lock:  # whole: no part is ever in it by halves
            self.state.balance.add_source(source)
            self.state.balance.add_target(target)
            self.state.done.add(number)
            self.keep(self.state)
        self.progress(self.state.balance.source_rows)
