"""One process's share of all tables, read slice by slice into a shared folder, for a process that merges it later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

from cdcproof.core.errors import CouldNotLookError, UnexpectedAnswerError
from cdcproof.reconcile.checksums.checkpoint import ResumePoint
from cdcproof.reconcile.checksums.parts import demand_whole
from cdcproof.reconcile.checksums.strategy import Choice, SlicedTable, Way, chosen
from cdcproof.reconcile.concurrency import Stop
from cdcproof.reconcile.engine import Run, Sides, opened
from cdcproof.reconcile.one_table import demand_two
from cdcproof.reconcile.plan.chunking import rechunked
from cdcproof.reconcile.plan.columns import TablePair
from cdcproof.reconcile.plan.plan import described
from cdcproof.reconcile.plan.planning import planned
from cdcproof.reconcile.slices.beginning import begun_by_key
from cdcproof.reconcile.slices.distribution import ROWS_A_SLICE, Addresses, Distribution
from cdcproof.reconcile.slices.folder import Share, SharedPlan, SliceFolder, file_of_sums
from cdcproof.reconcile.slices.readers import Here
from cdcproof.reconcile.slices.reading import SliceRead, now, program, read_slice
from cdcproof.reconcile.slices.store import SliceSums


@dataclass(frozen=True)
class Read:
    """What became of a table: how many of its slices are in the share, of how many; why there are not more."""

    table: str
    slices: int
    share: int
    of: int
    error: str = ""


def read_share(
    run: Run,
    tables: Sequence[TablePair],
    addresses: Addresses,
    folder: SliceFolder,
    share: Share,
    *,
    read: Callable[[SliceRead], SliceSums] = read_slice,
) -> Iterator[Read]:
    """Read a share table by table; slices that it has already are not read again.

    Raises `CouldNotLookError` when a side cannot be opened, or the folder cannot be written to.
    """
    with closing(opened(run)) as sides:
        for place, table in enumerate(tables):
            job = _Job(run, addresses, folder, share, sides, read)
            try:
                yield job.read_table(table, place)
            except CouldNotLookError as error:
                held = share.tables.get(table.name, file_of_sums("", {}))
                share.tables[table.name] = {**held, "error": str(error)}
                folder.keep(share)
                yield Read(table.name, len(held["slices"]), 0, 0, str(error))


@dataclass(frozen=True)
class _Job:
    run: Run
    addresses: Addresses
    folder: SliceFolder
    share: Share
    sides: Sides
    read: Callable[[SliceRead], SliceSums]

    def read_table(self, table: TablePair, place: int) -> Read:
        source, target, stop = self.run.source.side(self.sides.source), self.run.target.side(self.sides.target), Stop()
        demand_two(table, self.sides.source, self.sides.target)
        known = self.folder.plan(table.name)
        pinned = Choice(self.run.options.strategy, "asked for") if self.run.options.strategy else None
        if known:
            pinned = Choice(known.begun.strategy, known.begun.reason)
        plan, rows = planned(table, source, target, stop)
        with ExitStack() as stack:
            way = chosen(plan, source, target, self.run.columnar, stop, rows=rows, pinned=pinned, stack=stack)
        number = max(self.share.total, -(-rows // ROWS_A_SLICE))
        begun = replace(
            begun_by_key(way, source.database, target.database, number=number, began=now()), reason=way.choice.reason
        )
        made_by = program(way.choice.strategy)
        agreed = self.folder.agreed(table.name, SharedPlan(described(plan), made_by, self.share.total, place, begun))
        demand_whole(agreed.begun.parts)
        _demand_readable(agreed.begun, begun, way)
        return self._read_slices(table.name, way, agreed)

    def _read_slices(self, table: str, way: Way, agreed: SharedPlan) -> Read:
        begun, mine = agreed.begun, agreed.share(self.share.index)
        found = self.share.slices(table, agreed.mark)

        def take(number: int, sums: SliceSums) -> None:
            found[number] = sums
            self.share.tables[table] = file_of_sums(agreed.mark, found)
            self.folder.keep(self.share)
            self.run.watch.doing(table, f"{len(found)} of {len(mine)} slices are read")

        plan, pending = rechunked(way.plan, begun.chunking), [number for number in mine if number not in found]
        source, target = self.sides.source, self.sides.target
        Distribution(Here, self.addresses, 1, read=self.read).sum_up(
            SlicedTable(plan, begun.strategy, source, target, begun.slices, pending, Stop(), lambda: None, take)
        )
        self.share.tables[table] = file_of_sums(agreed.mark, found)
        self.folder.keep(self.share)
        self.run.watch.finished(table)
        return Read(table, len(found), len(mine), len(begun.slices))


def _demand_readable(agreed: ResumePoint, ours: ResumePoint, way: Way) -> None:
    if (agreed.source_mark, agreed.target_mark) != (ours.source_mark, ours.target_mark):
        raise UnexpectedAnswerError(
            f"{way.plan.source.table} or {way.plan.target.table} was made anew, truncated, rewritten or given a column since it was planned.",
            "Begin again with an empty folder.",
        )
    if agreed.strategy is not way.choice.strategy:
        raise UnexpectedAnswerError(
            f"{way.plan.source.table} is planned by {agreed.strategy}, which this machine cannot do: {way.choice.reason}.",
            "Install the same on every machine.",
        )
