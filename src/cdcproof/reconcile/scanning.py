"""The first phase: both sides of a table summed up at once, part by part, into one balance."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cdcproof.databases.scan import WHOLE, ChunkSum, Scan, Segment
from cdcproof.errors import CouldNotLookError
from cdcproof.reconcile.both import Stop, StoppedError, both, ended_by
from cdcproof.reconcile.chunks import Balance
from cdcproof.reconcile.plan import Plan
from cdcproof.reconcile.summing import Summing

_LEAST_ROWS, _MOST_ROWS, _LEAST_PARTS = 1_000_000, 2_000_000, 5


@dataclass(frozen=True)
class Reading:
    """How one side is read: by whom, and in which parts."""

    summing: Summing
    parts: Sequence[Segment] = (WHOLE,)


@dataclass
class Scanned:
    """How far both sides are: what is left of their sums, and how many parts of each are in it."""

    balance: Balance = field(default_factory=Balance)
    source_parts: int = 0
    target_parts: int = 0


def rows_a_part(rows: int) -> int:
    """Into which parts a table of about so many rows is divided: a second or some each.

    Where a table does not lie in the order of its key, every part has rows of every chunk (100 rows a chunk, 50,000 chunks at
    most): the parts are large enough for that to cost little.
    """
    return max(_LEAST_ROWS, min(rows // _LEAST_PARTS, _MOST_ROWS))


def sum_up(
    plan: Plan,
    source: Reading,
    target: Reading,
    stop: Stop,
    tell: Callable[[int], None],
    *,
    scanned: Scanned | None = None,
    hold: Callable[[], None] = lambda: None,
    keep: Callable[[Scanned], None] = lambda _: None,
) -> Balance:
    """Each side read once, by its own session, of one snapshot.

    `tell` is given the source's rows that are through. `hold` is called before each further part of the source, and may take
    its time; `keep` after each part of a side, one at a time. `scanned` is where an earlier run stopped. Raises
    `CouldNotLookError` when a side cannot be read, `StoppedError` when `stop` is set: the statements that run are ended then.
    """
    state = scanned or Scanned()
    lock = threading.Lock()

    def of_source(sums: list[ChunkSum]) -> None:
        with lock:
            state.balance.add_source(sums)
            state.source_parts += 1
            keep(state)
        tell(state.balance.source_rows)

    def of_target(sums: list[ChunkSum]) -> None:
        with lock:
            state.balance.add_target(sums)
            state.target_parts += 1
            keep(state)

    def read(
        scan: Scan, side: Reading, done: int, add: Callable[[list[ChunkSum]], None], hold: Callable[[], None]
    ) -> None:
        try:
            with side.summing.snapshot():
                for number, part in enumerate(side.parts[done:]):
                    if number:
                        hold()
                    stop.go_on()
                    # whole: no part is ever in it by halves
                    add(list(stop.until_set(side.summing.chunk_sums(scan, part))))
        except CouldNotLookError:
            if stop.is_set():  # the statement was ended, and that is not what there is to tell
                raise StoppedError from None
            raise

    with ended_by(stop, source.summing, target.summing):
        both(
            stop,
            lambda: read(plan.source, source, state.source_parts, of_source, hold),
            lambda: read(plan.target, target, state.target_parts, of_target, lambda: None),
        )
    return state.balance
