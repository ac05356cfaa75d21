"""One table in a scrub: what is known of it, and how its rows and slices are proven."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from cdcproof.core.errors import CouldNotLookError
from cdcproof.core.waiting import Deadline
from cdcproof.databases.table_read import Slice
from cdcproof.reconcile.checksums.balance import Balance
from cdcproof.reconcile.checksums.narrowing import narrowed
from cdcproof.reconcile.checksums.parts import demand_whole
from cdcproof.reconcile.checksums.strategy import Strategy, push_down
from cdcproof.reconcile.comparison import Comparison
from cdcproof.reconcile.concurrency import Stop
from cdcproof.reconcile.contents import canonical_keys, look_again
from cdcproof.reconcile.differences import Differences, Key
from cdcproof.reconcile.in_flight.fence import Crossing, SeenAtTarget
from cdcproof.reconcile.in_flight.settle import Settled
from cdcproof.reconcile.plan.plan import Plan
from cdcproof.reconcile.plan.representation import Ends
from cdcproof.reconcile.report.result import SelfProof
from cdcproof.reconcile.rows.differing_chunks import DIFFERENCES_HELD, ByValue
from cdcproof.reconcile.scrub import proofs as proofs_file
from cdcproof.reconcile.scrub.proofs import Logs, Proofs
from cdcproof.reconcile.self_proof.proof import Prover
from cdcproof.reconcile.slices.division import within
from cdcproof.reconcile.slices.reading import log_end, sums_of
from cdcproof.reconcile.slices.store import SliceSums

_KEYS_PER_READING = 5_000


@dataclass
class Work:
    """A table in a scrub: what is known of it so far. `now` is the scrub's clock."""

    comparison: Comparison
    plan: Plan
    rows: int
    path: Path
    now: Callable[[], datetime]
    proofs: Proofs = field(default_factory=Proofs)
    unseen: tuple[str, ...] = ()
    """Columns with data that are not compared."""
    proof: SelfProof | None = None
    """Whether its comparison sees differences."""
    changes_by: str = ""
    """What shows its changes."""
    not_followed: str = ""
    """Why the feed does not show its changes, though there is one."""
    is_followed: bool = False
    """Whether the feed shows its changes."""
    by_update_column: bool = False
    shown_by: str = ""
    """A text that is the same while what shows the changes can have left none out."""
    found: Differences = field(default_factory=lambda: Differences(DIFFERENCES_HELD))
    source_rows: int = 0
    target_rows: int = 0
    changed_keys: int = 0
    slices_proven: int = 0
    moving: int = 0
    error: str = ""
    """Why some of it could not be looked at."""
    not_used: list[str] = field(default_factory=list)
    """Why earlier proofs are not used."""
    crossings: list[Crossing] = field(default_factory=list)
    arrived: int | None = None
    """Up to where in the source's log all changes are known to be at the target."""
    clock: Deadline = field(default_factory=lambda: Deadline(0))

    @contextmanager
    def failing(self) -> Iterator[None]:
        """What cannot be looked at inside is this table's error, and the others go on."""
        try:
            yield
        except CouldNotLookError as error:
            self.error = self.error or str(error)

    @property
    def key_names(self) -> tuple[str, ...]:
        """None for a table without a key: its rows cannot be named one by one."""
        return () if self.plan.multiset else self.plan.names[: self.plan.source.key_width]

    def begin(self, about: dict[str, str]) -> None:
        """Take up the proofs of earlier scrubs, as far as they are of what is compared now."""
        self.proofs, why = proofs_file.read(self.path, about)
        back = self.proofs.logs.set_back(self._logs())
        if self.is_followed and self.proofs.position is None and self.proofs.any_proven:
            why = why or "nothing showed what changed since"
        if back:
            why = why or f"the log of {back} ends before where it ended then: it was set back"
        if why:
            self.distrust(why)
        if self.plan.range_column:
            column, _ = self.plan.range_column
            values = self.comparison.source.database.catalogue.value_range(self.plan.source.table, column)
            if values:
                divided = self.proofs.divided(*values, self.rows)
                demand_whole(divided.parts)
                self.proofs = divided

    def distrust(self, why: str) -> None:
        """Every row has to be proven anew."""
        self.not_used.append(f"earlier proofs are not used: {why}")
        self.proofs = self.proofs.unproven()

    def keep(self) -> None:
        """Write the proofs down, with where the logs are now. Raises `CouldNotLookError`."""
        self.proofs = replace(self.proofs, logs=self._logs())
        proofs_file.write(self.proofs, self.path)

    @property
    def fence(self) -> SeenAtTarget:
        """Behind which all that the source had written is at the target."""
        return SeenAtTarget(self.comparison.fence, self.comparison.target.database.log)

    def let_arrive(self, until: int, asked: Deadline) -> None:
        """Wait until what the source had written up to that position, before `asked` was started, is at the target.

        What cannot be waited for is the table's error.
        """
        with self.failing():
            self.crossings.append(self.comparison.fence.cross(lambda what: self.comparison.progress(what, 0, 0), asked))
            self.arrived = until

    def prove_written(self, keys: Sequence[tuple[str | None, ...]]) -> None:
        """Prove the rows of these keys, as the source writes them."""
        if keys:
            self.prove_keys(canonical_keys(self.comparison.source, self.plan, keys))

    def prove_keys(self, keys: Sequence[Key]) -> None:
        """Prove the rows of these keys; the slice of one that differs or moves is not proven any more.

        A row beside one of them with the key in another spelling is left to its slice: looking for it reads the whole table.
        """
        for start in range(0, len(keys), _KEYS_PER_READING):
            some = keys[start : start + _KEYS_PER_READING]
            self.comparison.progress("proving rows that changed", start, len(keys))
            settled = self._settle(self.plan, some, as_written=True)
            self.changed_keys += len(some)
            wrong = some if settled.moving else [difference.key for difference in settled.confirmed]
            if wrong:
                divisible = self.plan.range_column is not None
                values = [int.from_bytes(key[0] or b"", signed=True) if divisible else 0 for key in wrong]
                self.proofs = self.proofs.without(values)
                self.keep()

    def read(self, part: Slice) -> SliceSums:
        """Both sides of a slice summed up, by the sessions that are open."""
        self.comparison.progress(f"proving slice {self.slices_proven + 1}", 0, 0)
        source, target = self.comparison.source, self.comparison.target
        ends = Ends(source.engine, source.database, target.engine, target.database)
        return sums_of(self.plan, part, Strategy.PUSH_DOWN, ends)

    def prove(self, part: Slice, sums: SliceSums, at: str) -> None:
        """Prove a slice whose reading began at that time, or find what differs in it."""
        comparison, plan, balance = self.comparison, within(self.plan, part), Balance()
        balance.merge(sums.left, sums.source_rows, sums.target_rows)
        source, target, stop = comparison.source.database, comparison.target.database, Stop(comparison.stop)
        if sums.left:  # it is read by value, by the slice's bounds, too
            way = push_down(self.plan, comparison.source, comparison.target, "")
            Prover(comparison.source, comparison.target, stop).demand_ends_seen(way, part)
        smaller, left = narrowed(plan, balance, source, target, stop)
        found = ByValue(smaller, source, target, stop).differences(left, lambda what: comparison.progress(what, 0, 0))
        settled = self._settle(plan, [difference.key for difference in found.found])
        self.found.beyond.update(found.beyond)
        self.source_rows += sums.source_rows
        self.target_rows += sums.target_rows
        self.slices_proven += 1
        is_equal = not (settled.confirmed or settled.moving or found.beyond)
        self.proofs = self.proofs.proven(part, replace(sums, left=(), began=at) if is_equal else None)
        self.keep()

    def _settle(self, plan: Plan, keys: Sequence[Key], *, as_written: bool = False) -> Settled:
        settled = look_again(self.comparison, plan, keys, as_written=as_written)
        known = {difference.key for difference in self.found.found}
        for difference in settled.confirmed:
            if difference.key not in known:  # it may be among the changes and in a slice
                self.found.add(difference)
        self.moving += settled.moving
        self.crossings += settled.crossings
        return settled

    def _logs(self) -> Logs:
        return Logs(log_end(self.comparison.source.database), log_end(self.comparison.target.database))
