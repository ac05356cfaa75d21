"""The seam to other machines: both sides as a worker opens them, and a table whose pending slices workers read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, replace

from cdcproof.pipeline.engines import DatabaseAddress
from cdcproof.reconcile.checksums.strategy import SlicedTable
from cdcproof.reconcile.slices.beginning import identities
from cdcproof.reconcile.slices.readers import SILENT_SECONDS, Readers
from cdcproof.reconcile.slices.reading import Place, SliceRead, program, read_slice
from cdcproof.reconcile.slices.store import SliceSums

ROWS_A_SLICE = 1_000_000


@dataclass(frozen=True)
class Addresses:
    """Both sides, as a worker opens them."""

    source: DatabaseAddress
    target: DatabaseAddress
    statement_timeout_seconds: float = 3_600.0

    def slice_read(self, table: SlicedTable) -> SliceRead:
        """What a worker is given, with the first slice; both databases, open here, say which they are."""
        ours, theirs = identities(table.plan, table.source, table.target)
        return SliceRead(
            table.plan,
            table.slices[0],
            table.strategy,
            Place(self.source, table.source.identity(), ours),
            Place(self.target, table.target.identity(), theirs),
            self.statement_timeout_seconds,
            program(table.strategy),
            of=len(table.slices),
        )


class Distribution:
    """Slices of all tables of a run, read by workers. Implements `strategy.Sliced`. To be closed, as `Readers`."""

    def __init__(
        self,
        executor: Callable[[], Executor],
        addresses: Addresses,
        at_once: int,
        *,
        rows_a_slice: int = ROWS_A_SLICE,
        read: Callable[[SliceRead], SliceSums] = read_slice,
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        self.rows_a_slice = rows_a_slice
        self._addresses = addresses
        self._readers = Readers(executor, at_once, read, silent_seconds)
        self.start, self.close = self._readers.start, self._readers.close

    def sum_up(self, table: SlicedTable) -> None:
        """Read the slices that are pending. Raises `CouldNotLookError` when one cannot be read, `StoppedError` when `stop` is set."""
        with closing(self._readers.read(self._pending(table), table.stop)) as found:
            for one, sums in found:
                table.take(one.number, sums.result())

    def _pending(self, table: SlicedTable) -> Iterator[SliceRead]:
        whole = self._addresses.slice_read(table)
        for place, number in enumerate(table.pending):
            if place:
                table.hold()
            yield replace(whole, part=table.slices[number], number=number)
