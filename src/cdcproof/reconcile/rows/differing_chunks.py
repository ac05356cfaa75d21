"""The second phase: the rows of chunks that differ, compared by value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, islice

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.table_read import Row
from cdcproof.databases.values import canonical
from cdcproof.reconcile.checksums.balance import Balance, Group
from cdcproof.reconcile.concurrency import Stop, both_scans
from cdcproof.reconcile.differences import Difference, Differences
from cdcproof.reconcile.plan.plan import Plan
from cdcproof.reconcile.report.result import key_for_people
from cdcproof.reconcile.rows import compare, spill

DIFFERENCES_HELD = 100_000
"""Differing keys that are read again, to separate lost from in flight. Those beyond are counted as first read."""
_READINGS = 3
_ANY_ROOM = 1 << 62


@dataclass(frozen=True)
class ByValue:
    """Both sides of a table, open. `stop` ends the reading."""

    plan: Plan
    source: Database
    target: Database
    stop: Stop

    @property
    def is_look(self) -> bool:
        """Whether what differs was read as `settle` reads: rows with their versions, the target's of before the source's."""
        return not self.plan.multiset and self.target.reads_chunks_of_a_moment()

    def differences(self, balance: Balance, progress: Callable[[str], None]) -> Differences:
        """What differs in the chunks that do. Raises `UnexpectedAnswerError` for a key that is not unique at the source."""
        found = Differences(DIFFERENCES_HELD)
        rows_held = compare.BYTES_HELD // (512 + 96 * len(self.plan.names))  # half of it is for values of some length
        for group in balance.groups(self.plan.source.chunking, rows_held):
            progress("reading rows of chunks that differ")
            for difference in self._of_group(group, rows_held, found):
                found.add(difference)
        return found

    def _of_group(self, group: Group, rows_held: int, found: Differences) -> list[Difference]:
        for _ in range(_READINGS):
            try:
                return self._read(group, rows_held, found)
            except compare.SameKeyError as error:
                key = error.key
            if len(list(self.source.rows.rows_by_key(self.plan.source, [key]))) > 1:
                break  # else a row was seen twice, because it moved: that happens where there are no snapshots
        forms = self.plan.source.forms
        values = key_for_people(
            [None if part is None else canonical.as_text(form, part) for form, part in zip(forms, key, strict=False)]
        )
        raise UnexpectedAnswerError(
            f"Two rows of {self.plan.source.table} have the same key {values}.",
            "Name columns that are unique as the table's key in the pipeline file, or key = [] where there are none.",
        )

    def _read(self, group: Group, rows_held: int, found: Differences) -> list[Difference]:
        if group.rows <= rows_held:
            with suppress(compare.TooLargeError), self._rows(group) as (source, target):
                return _compared(self.plan, source, target, compare.BYTES_HELD)
        width = self.plan.source.key_width
        with self.source.snapshot(), self.target.snapshot():
            with self._rows(group) as (source, target):
                outline = spill.outline(source, target, width, found.limit - len(found.found), found.room)
            with self._rows(group) as (source, target):
                ours, theirs = (spill.only(rows, width, outline.wanted) for rows in (source, target))
                differences = _compared(self.plan, ours, theirs, _ANY_ROOM)
        found.beyond += outline.beyond
        return differences

    @contextmanager
    def _rows(self, group: Group) -> Iterator[tuple[Iterator[Row], Iterator[Row]]]:
        """The rows of a group on both sides, as they come; the target's snapshot first, as `settle` wants it of a look."""
        with (
            self.target.rows.chunk_rows(self.plan.target, group.chunks) as target,
            self.source.rows.chunk_rows(self.plan.source, group.chunks) as source,
        ):
            ours, theirs = both_scans(self.stop, lambda: _begun(source), lambda: _begun(target))
            yield self.stop.until_set(ours), self.stop.until_set(theirs)


def _begun(rows: Iterator[Row]) -> Iterator[Row]:
    """The same, the first of them here."""
    return chain(list(islice(rows, 1)), rows)


def _compared(plan: Plan, source: Iterator[Row], target: Iterator[Row], room: int) -> list[Difference]:
    if plan.multiset:
        return compare.as_multisets(source, target, room)
    return compare.by_key(source, target, plan.source.key_width, room)
