"""The scrub, for tables too large to be compared whole every hour.

It proves the rows that were written since the last proof, and then, as long as the budget lasts, the slices of all
tables whose proof is oldest. What it costs grows with the changes and the budget, not with the tables. A difference is
separated from what is in flight as everywhere. Every run reads its slice again until the difference is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from cdcproof.core.errors import CouldNotLookError, UnexpectedAnswerError
from cdcproof.core.waiting import Deadline
from cdcproof.databases.contracts.change_feed import ChangeFeed
from cdcproof.databases.table_read import Slice
from cdcproof.reconcile.checksums.parts import Part
from cdcproof.reconcile.checksums.strategy import push_down
from cdcproof.reconcile.comparison import Comparison, Side
from cdcproof.reconcile.concurrency import Stop
from cdcproof.reconcile.contents import unseen
from cdcproof.reconcile.differences import Differences
from cdcproof.reconcile.engine import Endpoint, Run, opened
from cdcproof.reconcile.in_flight.settle import Settled
from cdcproof.reconcile.one_table import demand_two
from cdcproof.reconcile.plan.columns import TablePair
from cdcproof.reconcile.plan.plan import described, pushed_down
from cdcproof.reconcile.plan.planning import planned
from cdcproof.reconcile.report.result import Scrubbed, TableResult, TableStatus
from cdcproof.reconcile.report.verdict import Rows, judged
from cdcproof.reconcile.scrub import changes
from cdcproof.reconcile.scrub import proofs as proofs_file
from cdcproof.reconcile.scrub.proofs import SOURCE, Proofs
from cdcproof.reconcile.scrub.table import Work
from cdcproof.reconcile.self_proof.proof import Prover, judged_by
from cdcproof.reconcile.slices.readers import Here, Readers

_CLOCK_SKEW = timedelta(minutes=5)

Feed = Callable[[], AbstractContextManager[ChangeFeed]]
"""Opens a change feed."""


@dataclass(frozen=True)
class Budget:
    """How long slices are proven (the changes are proven in any case), and where the proofs are kept.

    `feed` opens the change feed; None where there is none. `oldest_hours` is how old the proof of any row may be.
    `pipeline` is its name, empty where flags name the databases.
    """

    seconds: float
    folder: Path
    oldest_hours: float
    feed: Feed | None
    now: Callable[[], datetime]
    pipeline: str = ""


def method(budget: Budget, fence: str) -> str:
    """What a scrub does, as its report says it. `fence` names how it knows that all changes have arrived."""
    return (
        f"scrub: rows written since the last scrub are compared byte by byte, behind a fence ({fence}). Then the slices of all tables with the oldest proof "
        f"are proven, for {budget.seconds:g} s. Each row has a hash of 64 bits: PostgreSQL's own where both sides are PostgreSQL, MD5 "
        "elsewhere. Hashes are added up by chunks of the key, and chunks that differ again by smaller ones. "
        "Keys that differ are read again behind another, and in every scrub until they are equal. A MATCH says that every "
        "row was equal when its slice was proven, and again after each later change that the source showed (changes_by). Rows "
        "that were changed at the target alone are found when their slice has its turn"
    )


def scrub(run: Run, tables: Sequence[TablePair], budget: Budget) -> Generator[TableResult]:
    """Prove what changed, then the oldest slices; the results come when the budget is used, in the tables' order.

    At least one slice is proven. What is proven is kept as soon as it is. A side or a feed that cannot be read at all
    makes every table an ERROR.
    """
    folder = proofs_file.folder_of(budget.folder, budget.pipeline, (run.source.place, run.target.place))
    try:
        with (
            proofs_file.alone(folder),
            closing(opened(run)) as sides,
            budget.feed() if budget.feed else nullcontext() as feed,
        ):
            ends = run.source.side(sides.source), run.target.side(sides.target)
            results = _Scrub(run, *ends, budget, folder, feed).results(tables)
    except CouldNotLookError as error:
        results = {table.name: _error(table, error) for table in tables}
    yield from (results[table.name] for table in tables)


@dataclass(frozen=True)
class _Turn:
    """A slice whose turn it is, since that time."""

    work: Work
    slice: Slice
    at: str

    @property
    def table(self) -> str:
        return self.work.comparison.table.name

    @property
    def name(self) -> str:
        return f"A slice of {self.table}"


@dataclass(frozen=True)
class _Scrub:
    """A scrub of open sides."""

    run: Run
    source: Side
    target: Side
    budget: Budget
    folder: Path
    feed: ChangeFeed | None

    def results(self, tables: Sequence[TablePair]) -> dict[str, TableResult]:
        self._demand_one_source()
        results: dict[str, TableResult] = {}
        works: list[Work] = []
        for table in tables:
            try:
                work = self._planned(table)
            except CouldNotLookError as error:
                results[table.name] = _error(table, error)
                continue
            if work.proof and not work.proof.holds:  # nothing is proven by a comparison that does not see
                results[table.name] = judged_by(
                    TableResult(table.name, TableStatus.MATCH, strategy="scrub"), work.proof
                )
            else:
                works.append(work)
        changes.follow(works, self.feed)
        for work in works:
            with work.failing():
                work.begin(self._about(work))
        begun = [work for work in works if not work.error]
        self._prove_changes(begun)
        # proofs of a table whose changes nobody follows from here on would be lost at once
        ready = [work for work in begun if not work.is_followed or work.proofs.position is not None]
        self._prove_oldest(ready)
        return results | {work.comparison.table.name: _result(work, self.budget) for work in works}

    def _prove_oldest(self, works: Sequence[Work]) -> None:
        """The slices of all tables, those with the oldest proof first, until the budget is used; at least one.

        It begins here: a fence that takes as long as the budget would leave nothing of it, run after run.
        """
        deadline = Deadline(self.budget.seconds)
        turns = sorted(((work, one) for work in works for one in work.proofs.slices), key=lambda turn: turn[1].turn)

        def pending() -> Iterator[_Turn]:
            for place, (work, one) in enumerate(turns):
                if place and deadline.passed:
                    return
                yield _Turn(work, one.slice, work.now().isoformat(timespec="seconds"))

        readers = Readers[_Turn](Here, 1, lambda turn: turn.work.read(turn.slice))
        with closing(readers.read(pending(), Stop())) as found:
            for turn, sums in found:
                with turn.work.failing():
                    turn.work.prove(turn.slice, sums.result(), turn.at)

    def _demand_one_source(self) -> None:
        if self.feed and self.feed.identity() != self.run.source.recognised.identity:
            raise UnexpectedAnswerError(
                f"The change feed is of another database than {self.run.source.place}: {self.feed.identity()}.",
                "Wait until the failover or restore is over, and run again.",
            )

    def _planned(self, table: TablePair) -> Work:
        demand_two(table, self.source.database, self.target.database)
        comparison = Comparison(
            table,
            self.source,
            self.target,
            self.run.fence(table),
            self.run.options.key_limit,
            lambda what, rows, of: self.run.watch.doing(table.name, what, rows, of),
            Stop(),
        )
        whole, rows = planned(table, self.source, self.target, comparison.stop)
        plan = pushed_down(whole)
        path = proofs_file.path_of(self.folder, table.name)
        way = push_down(whole, self.source, self.target, "")
        proof = Prover(self.source, self.target, comparison.stop).prove(way, (Part(),))
        return Work(comparison, plan, rows, path, self.budget.now, unseen=unseen(comparison, plan), proof=proof)

    def _about(self, work: Work) -> dict[str, str]:
        """What the proofs are of. Chunks follow the number of rows, and mean nothing to a proof."""
        source, target = work.plan.source.table, work.plan.target.table
        return {
            "the pipeline": self.budget.pipeline,
            SOURCE: _identity(self.run.source),
            "the target's database": _identity(self.run.target),
            "the source's table": f"{source} {self.source.database.catalogue.table_identity(source)}",
            "the target's table": f"{target} {self.target.database.catalogue.table_identity(target)}",
            "what shows the changes": work.shown_by,
            **described(work.plan),
        }

    def _prove_changes(self, works: Sequence[Work]) -> None:
        hours = self.budget.oldest_hours
        if self.feed:
            paths = [work.path for work in works]
            others = proofs_file.needed(self.folder, paths, _identity(self.run.source), self.budget.now(), hours)
            changes.prove_followed(works, self.feed, others, hours)
        for work in works:
            if work.by_update_column:
                with work.failing():
                    changes.prove_since(work)


def _identity(end: Endpoint) -> str:
    return repr(end.recognised.identity)


def _error(table: TablePair, error: CouldNotLookError) -> TableResult:
    return TableResult(table.name, TableStatus.ERROR, error=str(error))


def _result(work: Work, budget: Budget) -> TableResult:
    settled = Settled(tuple(work.found.found), work.moving, tuple(work.crossings))
    result = judged(
        work.comparison.table.name,
        work.plan,
        Rows(work.source_rows, work.target_rows),
        Differences(0, beyond=work.found.beyond),
        settled,
        unseen=work.unseen,
        key_limit=work.comparison.key_limit,
    )
    unproven = sum(one.at is None for one in work.proofs.slices)
    scrubbed = Scrubbed(
        changed_keys=work.changed_keys,
        changes_by=work.changes_by,
        slices_proven=work.slices_proven,
        slices=len(work.proofs.slices),
        slices_not_proven=unproven,
        oldest_proof_at=work.proofs.oldest_at,
        not_used=tuple(work.not_used),
    )
    result = replace(
        result, strategy="scrub", scrubbed=scrubbed, self_proof=work.proof, seconds=round(work.clock.elapsed_seconds, 3)
    )
    unknown = work.error or work.not_followed or _too_old(work.proofs, unproven, budget)
    if result.status in (TableStatus.MATCH, TableStatus.INCOMPLETE) and unknown:
        return replace(
            result.not_checked(unknown), source_rows=None, target_rows=None
        )  # those of some slices say nothing
    return result


def _too_old(proofs: Proofs, unproven: int, budget: Budget) -> str:
    """Why the proofs say too little; empty when they do not."""
    if proofs.oldest_at is None:
        return (
            f"{unproven} of {len(proofs.slices)} slices are not proven yet; what was looked at is equal.\n"
            "Run again, or give a longer --budget."
        )
    times = [datetime.fromisoformat(one.at) for one in proofs.slices if one.at]
    if max(times) - budget.now() > _CLOCK_SKEW:
        return (
            f"A row was proven at {max(times).isoformat()}, which is yet to come: a clock is wrong.\n"
            "Set it right (timedatectl), and run again when that time has passed."
        )
    age_hours = (budget.now() - min(times)).total_seconds() / 3600
    if not age_hours <= budget.oldest_hours:
        return (
            f"The oldest proof of a row is {age_hours:.1f} h old, the limit is {budget.oldest_hours:g} h; what was looked at is equal.\n"
            "Run more often, or give a longer --budget (thresholds.proof_age_hours)."
        )
    return ""
