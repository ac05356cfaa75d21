"""The scrub, for tables too large to be compared whole every hour.

It proves the rows that were written since the last proof, and then, as long as the budget lasts, the slices of all
tables whose proof is oldest. What it costs grows with the changes and the budget, not with the tables. A difference is
told from what is in flight as everywhere, and its slice is not proven until it is gone: it is looked at in every run.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from cdcproof.databases.changes import ChangeFeed, Changes
from cdcproof.databases.scan import Chunking, Since, Slice
from cdcproof.errors import CouldNotLookError
from cdcproof.reconcile import proofs as proofs_file
from cdcproof.reconcile.both import Stop
from cdcproof.reconcile.by_value import DIFFERENCES_HELD, ByValue
from cdcproof.reconcile.contents import Comparison, Side, canonical_keys, look_again, planned, unseen
from cdcproof.reconcile.differences import Differences, Key
from cdcproof.reconcile.engine import Run, opened
from cdcproof.reconcile.fence import Crossing
from cdcproof.reconcile.narrowing import narrowed
from cdcproof.reconcile.plan import Plan, TablePair, fingerprint, pushed_down
from cdcproof.reconcile.proofs import Proofs, Proven
from cdcproof.reconcile.result import Scrubbed, TableResult, TableStatus
from cdcproof.reconcile.scanning import Part, sum_up
from cdcproof.reconcile.settle import Settled
from cdcproof.reconcile.verdict import Rows, judged
from cdcproof.waiting import Deadline

CHANGES_PER_READING = 50_000
_KEYS_PER_READING = 5_000
_EVERY_CHUNK = (-2, -1, 0, 1, 2)
_WIDEST = 1 << 62  # with chunks as wide as this, those are all there are


Feed = Callable[[Path], AbstractContextManager[ChangeFeed]]
"""Opens a change feed; in the folder it may keep how far it has been read."""


@dataclass(frozen=True)
class Budget:
    """How long slices are proven (the changes are proven in any case), and where the proofs are kept.

    `feed` opens the change feed; None where there is none. `oldest_hours` is how old the proof of any row may be.
    """

    seconds: float
    folder: Path
    oldest_hours: float
    feed: Feed | None
    now: Callable[[], datetime]


@dataclass
class _Work:
    """A table in a scrub: what is known of it so far."""

    asked: Comparison
    plan: Plan
    rows: int
    path: Path
    proofs: Proofs
    unseen: tuple[str, ...] = ()
    """Columns with data that are not compared."""
    found: Differences = field(default_factory=lambda: Differences(DIFFERENCES_HELD))
    source_rows: int = 0
    target_rows: int = 0
    changed_keys: int = 0
    slices_proven: int = 0
    moving: int = 0
    error: str = ""
    """Why some of it could not be looked at."""
    crossings: list[Crossing] = field(default_factory=list)
    clock: Deadline = field(default_factory=lambda: Deadline(0))

    @contextmanager
    def failing(self) -> Iterator[None]:
        """What cannot be looked at inside is this table's error, and the others go on."""
        try:
            yield
        except CouldNotLookError as error:
            self.error = str(error)

    @property
    def key_names(self) -> tuple[str, ...]:
        """None for a table without a key: its rows cannot be told one by one."""
        return () if self.plan.multiset else self.plan.names[: self.plan.source.key_width]


def method(budget: Budget, fence: str) -> str:
    """What is done, in the words of the report. `fence` says how a change is known to have had its turn."""
    return (
        "scrub: rows that were written since the last one, compared byte by byte; then the parts of all tables that were proven "
        f"longest ago, for {budget.seconds:g} s, by 64 bits of a hash of each row (PostgreSQL's own of its values where both sides are "
        "PostgreSQL, else the MD5 of its canonical bytes), summed by chunks of the key, those that differ once more by smaller ones; "
        f"what differs is looked at again behind a fence ({fence}), and in every scrub until it is equal"
    )


def scrub(run: Run, tables: Sequence[TablePair], budget: Budget) -> Generator[TableResult]:
    """Prove what changed, then the oldest slices; the results come when the budget is used, in the tables' order.

    At least one slice is proven. What is proven is kept as soon as it is. A side or a feed that cannot be read at all
    makes every table an ERROR.
    """
    try:
        with closing(opened(run)) as sides:
            results = _scrubbed(run, tables, run.source.side(sides.source), run.target.side(sides.target), budget)
    except CouldNotLookError as error:
        results = {table.name: _error(table, error) for table in tables}
    yield from (results[table.name] for table in tables)


def _scrubbed(
    run: Run, tables: Sequence[TablePair], source: Side, target: Side, budget: Budget
) -> dict[str, TableResult]:
    deadline = Deadline(budget.seconds)
    results: dict[str, TableResult] = {}
    works: list[_Work] = []
    for table in tables:
        try:
            works.append(_begun(run, table, source, target, budget))
        except CouldNotLookError as error:
            results[table.name] = _error(table, error)
    by = _changes(works, budget)
    todo = sorted(
        ((work, one) for work in works for one in work.proofs.slices), key=lambda pair: pair[1].turn, reverse=True
    )
    while todo:
        work, which = todo.pop()
        with work.failing():
            _prove_slice(work, which, budget)
        if deadline.passed:
            break
    return results | {work.asked.table.name: _result(work, by, budget) for work in works}


def _error(table: TablePair, error: CouldNotLookError) -> TableResult:
    return TableResult(table.name, TableStatus.ERROR, error=str(error))


def _begun(run: Run, table: TablePair, source: Side, target: Side, budget: Budget) -> _Work:
    asked = Comparison(
        table,
        source,
        target,
        run.fence(table),
        run.options.key_limit,
        lambda what, rows, of: run.watch.doing(table.name, what, rows, of),
        Stop(),
    )
    whole, rows = planned(asked)
    plan = pushed_down(whole)
    path = proofs_file.path_of(budget.folder, table.name)
    # chunks follow the number of rows, and mean nothing to a proof
    neutral = [replace(scan, chunking=Chunking()) for scan in (plan.source, plan.target)]
    proofs = proofs_file.read(path, fingerprint(replace(plan, source=neutral[0], target=neutral[1])))
    if plan.range_column:
        column, _ = plan.range_column
        values = source.database.value_range(plan.source.table, column)
        if values:
            proofs = proofs.divided(*values, rows)
    return _Work(asked, plan, rows, path, proofs, unseen(asked, plan))


def _changes(works: Iterable[_Work], budget: Budget) -> str:
    """Prove the rows that were written; returns how they were found out."""
    if budget.feed is None:
        followed = [work for work in works if work.asked.table.update_column]
        for work in followed:
            with work.failing():
                _prove_since(work)
        return "the update column" if followed else ""
    by_table = {work.plan.source.table: work for work in works}
    with budget.feed(budget.folder) as feed:
        while True:
            changes = feed.read({table: work.key_names for table, work in by_table.items()}, CHANGES_PER_READING)
            for table, work in by_table.items():
                with work.failing():
                    _prove_changes(work, changes, table in changes.unknown)
            if any(work.error for work in by_table.values()):
                return feed.name  # not confirmed: the next scrub is given them again
            feed.confirm(changes)
            if changes.is_last:
                return feed.name


def _prove_changes(work: _Work, changes: Changes, unknown: bool) -> None:
    keys = changes.keys.get(work.plan.source.table, frozenset())
    if unknown or (keys and not work.key_names):
        work.proofs = work.proofs.unproven()
        proofs_file.write(work.proofs, work.path)
    elif keys:
        _prove_keys(work, canonical_keys(work.asked, work.plan, sorted(keys, key=str)))


def _prove_since(work: _Work) -> None:
    """Rows whose update column is not below its greatest value at the last proof. Deleted rows are left to the slices."""
    column = work.asked.table.update_column
    source = work.asked.source.database
    latest = source.latest(work.plan.source.table, column)
    if latest is not None and work.proofs.latest is not None and not work.plan.multiset:
        chunking = replace(work.plan.source.chunking, width=_WIDEST) if work.plan.range_column else None
        scan = replace(work.plan.source, since=Since(column, work.proofs.latest))
        if chunking:
            scan = replace(scan, chunking=chunking)
        chunks = _EVERY_CHUNK if chunking else range(work.plan.source.chunking.buckets)
        with source.chunk_rows(scan, chunks) as rows:
            keys = [row.forms[: scan.key_width] for row in rows]
        _prove_keys(work, keys)
    work.proofs = replace(work.proofs, latest=latest)
    proofs_file.write(work.proofs, work.path)


def _prove_keys(work: _Work, keys: Sequence[Key]) -> None:
    for start in range(0, len(keys), _KEYS_PER_READING):
        some = keys[start : start + _KEYS_PER_READING]
        work.asked.tell("proving rows that changed", start, len(keys))
        settled = _settle(work, work.plan, some)
        work.changed_keys += len(some)
        wrong = some if settled.moving else [difference.key for difference in settled.confirmed]
        if wrong:
            divisible = work.plan.range_column is not None
            values = [int.from_bytes(key[0] or b"", signed=True) if divisible else 0 for key in wrong]
            work.proofs = work.proofs.without(values)
            proofs_file.write(work.proofs, work.path)


def _prove_slice(work: _Work, which: Proven, budget: Budget) -> None:
    asked, at = work.asked, budget.now().isoformat(timespec="seconds")
    within = Slice(which.low, which.high)
    plan = work.plan
    if within != (None, None):
        plan = replace(plan, source=replace(plan.source, slice=within), target=replace(plan.target, slice=within))
    asked.tell(f"proving slice {work.slices_proven + 1}", 0, 0)
    source, target = asked.source.database, asked.target.database
    balance = sum_up(plan, source, target, [Part()], asked.stop)
    smaller, left = narrowed(plan, balance, source, target, asked.stop)
    found = ByValue(smaller, source, target, asked.stop).differences(left, lambda what: asked.tell(what, 0, 0))
    settled = _settle(work, plan, [difference.key for difference in found.found])
    work.found.beyond.update(found.beyond)
    work.source_rows += balance.source_rows
    work.target_rows += balance.target_rows
    work.slices_proven += 1
    is_equal = not (settled.confirmed or settled.moving or found.beyond)
    work.proofs = work.proofs.proven(which, at if is_equal else None)
    proofs_file.write(work.proofs, work.path)


def _settle(work: _Work, plan: Plan, keys: Sequence[Key]) -> Settled:
    settled = look_again(work.asked, plan, keys)
    known = {difference.key for difference in work.found.found}
    for difference in settled.confirmed:
        if difference.key not in known:  # it may be among the changes and in a slice
            work.found.add(difference)
    work.moving += settled.moving
    work.crossings += settled.crossings
    return settled


def _result(work: _Work, by: str, budget: Budget) -> TableResult:
    settled = Settled(tuple(work.found.found), work.moving, tuple(work.crossings))
    result = judged(
        work.asked.table.name,
        work.plan,
        Rows(work.source_rows, work.target_rows),
        Differences(0, beyond=work.found.beyond),
        settled,
        unseen=work.unseen,
        key_limit=work.asked.key_limit,
    )
    unproven = sum(one.at is None for one in work.proofs.slices)
    scrubbed = Scrubbed(
        changed_keys=work.changed_keys,
        changes_by=by or "no change feed and no update column: slices only",
        slices_proven=work.slices_proven,
        slices=len(work.proofs.slices),
        slices_not_proven=unproven,
        oldest_proof_at=work.proofs.oldest_at,
    )
    result = replace(result, strategy="scrub", scrubbed=scrubbed, seconds=round(work.clock.elapsed_seconds, 3))
    unknown = work.error or _too_old(work.proofs, unproven, budget)
    if result.status in (TableStatus.MATCH, TableStatus.INCOMPLETE) and unknown:
        return replace(result, status=TableStatus.ERROR, error=unknown)
    return result


def _too_old(proofs: Proofs, unproven: int, budget: Budget) -> str:
    """Why the proofs say too little; empty when they do not."""
    if proofs.oldest_at is None:
        return (
            f"{unproven} of {len(proofs.slices)} slices are not proven yet; what was looked at is equal.\n"
            "Run again, or give a longer --budget."
        )
    age_hours = (budget.now() - datetime.fromisoformat(proofs.oldest_at)).total_seconds() / 3600
    if not age_hours <= budget.oldest_hours:
        return (
            f"The oldest proof of a row is {age_hours:.1f} h old, the limit is {budget.oldest_hours:g} h; what was looked at is equal.\n"
            "Run more often, or give a longer --budget (thresholds.proof_age_hours)."
        )
    return ""
