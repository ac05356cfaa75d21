"""What others have read of a table, merged: a run goes on from there as from an interrupted one, but reads no slice itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.reconcile.checksums.checkpoint import ResumePoint
from cdcproof.reconcile.checksums.parts import demand_whole
from cdcproof.reconcile.checksums.strategy import SlicedTable
from cdcproof.reconcile.slices.folder import SharedPlan, SliceFolder, too_old
from cdcproof.reconcile.slices.reading import now, program
from cdcproof.reconcile.slices.store import Fingerprint, Scanned, SliceSums, position_of, slices_of

_AGAIN = "Run the missing --slice again with the same folder, and merge then."
_ANEW = "Read all slices anew, into an empty folder."


@dataclass
class Merged:
    """The slices of a folder. Implements `strategy.Sliced`: whatever is not there already is an error."""

    folder: SliceFolder
    rows_a_slice: int = 1
    position: int = 0
    """Where the source's log ended when the last of the slices that were seen so far was read."""

    def of(self, table: str) -> MergedTable:
        """A table's part."""
        return MergedTable(table, self)

    def sum_up(self, table: SlicedTable) -> None:
        """Nothing is read. Raises `UnexpectedAnswerError` where something is pending: by this run's strategy nothing was read."""
        if table.pending:
            raise UnexpectedAnswerError(
                f"What was read of {table.plan.source.table} is not used: it was read by another strategy.", _ANEW
            )


@dataclass
class MergedTable:
    """A table's part of it. Implements `checkpoint.Kept`."""

    table: str
    merged: Merged
    refused: str = ""

    def now(self) -> str:
        """The time."""
        return now()

    def keep(self, about: Fingerprint, left: ResumePoint) -> None:
        """Nothing: it is kept already."""

    def refuse(self, reason: str) -> None:
        """Raises `UnexpectedAnswerError`: there is nothing else to begin with."""
        raise UnexpectedAnswerError(f"What was read of {self.table} is not used: {reason}.", _ANEW)

    def left(self, about: Fingerprint) -> ResumePoint:
        """The whole table, read. Raises `UnexpectedAnswerError` for slices that are missing, doubled, foreign or too old."""
        folder = self.merged.folder
        plan = folder.plan(self.table)
        if plan is None:
            raise UnexpectedAnswerError(f"No slice of {self.table} was read into {folder.path}.", _AGAIN)
        folder.demand(self.table, plan, about, program(plan.begun.strategy))
        demand_whole(plan.begun.parts)
        slices, errors = self._slices(plan)
        missing = [number for number in range(len(plan.begun.slices)) if number not in slices]
        if missing:
            readers = sorted({plan.reader(number) for number in missing})
            raise UnexpectedAnswerError(
                "\n".join(
                    [
                        f"{len(missing)} of {len(plan.begun.slices)} slices of {self.table} were not read: those of "
                        + ", ".join(f"--slice {reader}/{plan.total}" for reader in readers)
                        + ".",
                        *errors,
                    ]
                ),
                _AGAIN,
            )
        return self._whole(plan, slices)

    def _slices(self, plan: SharedPlan) -> tuple[dict[int, SliceSums], list[str]]:
        found: dict[int, SliceSums] = {}
        errors: list[str] = []
        for path, share in self.merged.folder.shares():
            held = share.tables.get(self.table)
            if held is None:
                continue
            if held["error"]:
                errors.append(f"{path.name}: {held['error']}")
            for number, sums in slices_of(held["slices"]).items():
                if held["plan"] != plan.mark or number >= len(plan.begun.slices):
                    raise UnexpectedAnswerError(f"{path} holds slices of {self.table} by another plan.", _ANEW)
                if number in found:
                    raise UnexpectedAnswerError(
                        f"Slice {number + 1} of {self.table} is in two files, one of them {path}.", "Remove the copy."
                    )
                if why := too_old(sums):
                    raise UnexpectedAnswerError(f"Slice {number + 1} of {self.table} in {path} is {why}.", _ANEW)
                found[number] = sums
        return found, errors

    def _whole(self, plan: SharedPlan, slices: Mapping[int, SliceSums]) -> ResumePoint:
        self.merged.position = max(self.merged.position, position_of(slices))
        began = min(sums.began for sums in slices.values())
        by = f"{plan.total} other processes"
        position = self.merged.position
        return replace(plan.begun, began=began, scanned=Scanned.of(slices), read_by=by, position=position)
