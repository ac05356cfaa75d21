"""Reconciling tables: several at once under a budget of sessions, and a table's failure turned into its ERROR."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol

from cdcproof.core.errors import CouldNotLookError
from cdcproof.core.waiting import Deadline
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.duckdb.stream import Columnar
from cdcproof.databases.names import TableName
from cdcproof.pipeline.engines import DatabaseAddress, Engine
from cdcproof.reconcile.checksums.checkpoint import Kept, Unfinished
from cdcproof.reconcile.checksums.parts import Sessions
from cdcproof.reconcile.checksums.strategy import Means, Sliced, Strategy
from cdcproof.reconcile.checksums.throttle import Throttle
from cdcproof.reconcile.comparison import Comparison, Side
from cdcproof.reconcile.concurrency import Stop, both, ended_by
from cdcproof.reconcile.contents import compare_contents
from cdcproof.reconcile.counts import compare_counts
from cdcproof.reconcile.in_flight.fence import Fence
from cdcproof.reconcile.one_table import demand_two
from cdcproof.reconcile.plan.calibration import Calibration
from cdcproof.reconcile.plan.columns import TablePair
from cdcproof.reconcile.recognised import Recognised
from cdcproof.reconcile.report.result import TableResult, TableStatus
from cdcproof.reconcile.rows.differing_chunks import DIFFERENCES_HELD

SESSIONS = 2
"""To each side at once, unless `--max-parallel` says otherwise: a scan keeps a core of the server busy, and the source has other work."""
KEY_LIMIT = 1_000
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Endpoint:
    """A side: its engine, its place as ``type://host:port/database``, and how a session to it is opened."""

    engine: Engine
    place: str
    open: Callable[[], Database]
    address: DatabaseAddress | None = None
    """By which other machines open it; None where only this process can."""
    calibration: Calibration = field(init=False, compare=False)
    """What this run learned of how its server writes values."""
    recognised: Recognised = field(init=False, compare=False)
    """Which database this run's sessions lead to."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "calibration", Calibration(self.engine))
        object.__setattr__(self, "recognised", Recognised(self.place))

    def side(self, session: Database) -> Side:
        """The side as the comparison of a table knows it."""
        return Side(self.engine, session, self.calibration)


@dataclass(frozen=True)
class Options:
    """What to do: contents too or only counts, with how many sessions to each side, and how many differing keys are named."""

    validate_checksums: bool
    max_parallel: int = SESSIONS
    key_limit: int = KEY_LIMIT
    strategy: Strategy | None = None
    """The way that contents are read; None to choose."""


class Watch(Protocol):
    """Who looks on. Called from several threads."""

    def doing(self, table: str, what: str, rows: int = 0, of: int = 0) -> None:
        """What is done with a table, and how many rows of about how many are through (0: not known)."""
        ...

    def finished(self, table: str) -> None:
        """Its result is known."""
        ...


@dataclass(frozen=True)
class Run:
    """Two sides, the fence of each table, what to do, and who follows it.

    Without `columnar` nothing is streamed; with `unfinished` a run that is killed is gone on with.
    """

    source: Endpoint
    target: Endpoint
    fence: Callable[[TablePair], Fence]
    options: Options
    watch: Watch
    columnar: Columnar | None = None
    unfinished: Unfinished | None = None
    slices: Sliced | None = None
    """Other machines, which read the slices of tables."""
    kept: Callable[[str], Kept] | None = None
    """What others have read of a table, to be gone on from, in place of an interrupted run."""


def reconcile(run: Run, tables: Sequence[TablePair]) -> Generator[TableResult]:
    """Compare the tables; each result comes as soon as it is known, so not in order.

    A side that cannot be opened at all makes every table an ERROR at once; otherwise each table has its own sessions.
    Closing the iterator stops all work.
    """
    tried: queue.SimpleQueue[Sides] = queue.SimpleQueue()
    try:
        tried.put(opened(run))
    except CouldNotLookError as error:
        yield from (TableResult(table.name, TableStatus.ERROR, error=str(error)) for table in tables)
        return
    throttle = Throttle(run.source.open)
    at_once = min(run.options.max_parallel, len(tables))
    sessions = Sessions(run.options.max_parallel - at_once)
    means = Means(run.columnar, run.options.strategy, sessions, run.slices, throttle)
    stop = Stop()
    todo: queue.SimpleQueue[TablePair] = queue.SimpleQueue()
    done: queue.SimpleQueue[TableResult | BaseException] = queue.SimpleQueue()
    for table in tables:
        todo.put(table)

    def work() -> None:
        while not stop.is_set():
            try:
                table = todo.get_nowait()
            except queue.Empty:
                sessions.give_back()
                return
            try:
                done.put(_compared(run, table, means, Stop(stop), tried))
            except BaseException as error:  # noqa: BLE001  a defect: handed over to the caller's thread
                done.put(error)
                return

    workers = [
        threading.Thread(target=work, daemon=True) for _ in range(at_once)
    ]  # a server that hangs keeps none alive
    for worker in workers:
        worker.start()
    try:
        for _ in tables:
            result = done.get()
            if isinstance(result, BaseException):
                raise result
            yield result
    finally:
        stop.set()
        patience = Deadline(_PATIENCE_SECONDS)
        for worker in workers:  # their statements are ended, so that no server goes on for nobody
            worker.join(patience.remaining_seconds)
        throttle.close()
        with suppress(queue.Empty):  # every table was known
            tried.get_nowait().close()


@dataclass(frozen=True)
class Sides:
    """Both sides, open."""

    source: Database
    target: Database
    close: Callable[[], None]


def opened(run: Run) -> Sides:
    """Both at once; to be closed. Raises `CouldNotLookError`, also where a session leads to another database than the run's first."""
    return opened_ends(run.source, run.target)


def opened_ends(source: Endpoint, target: Endpoint) -> Sides:
    """As `opened`."""
    with ExitStack() as stack:

        def open_one(end: Endpoint) -> Database:
            session = stack.enter_context(end.open())
            end.recognised.demand(session.identity())
            if end.recognised.isolation is None:
                end.recognised.isolation = session.isolation()
            return session

        ours, theirs = both(Stop(), lambda: open_one(source), lambda: open_one(target))
        ours.demand_current()
        return Sides(ours, theirs, stack.pop_all().close)


def recognise(source: Endpoint, target: Endpoint) -> None:
    """See which databases both sides are, before anything of an earlier run is used. One that cannot be opened stays unknown."""
    with suppress(CouldNotLookError):
        opened_ends(source, target).close()


def _compared(run: Run, table: TablePair, means: Means, stop: Stop, tried: queue.SimpleQueue[Sides]) -> TableResult:
    clock, earlier = Deadline(0), ""
    run.watch.doing(table.name, "opening")
    try:
        try:
            sides = tried.get_nowait()
        except queue.Empty:
            sides = opened(run)
        with closing(sides), ended_by(stop, sides.source, sides.target):
            demand_two(table, sides.source, sides.target)
            about = _about(run, table, sides)
            if run.unfinished and (known := run.unfinished.result(table.name, about)):
                run.watch.finished(table.name)
                return replace(known, resumed=f"compared by the run of {run.unfinished.resumed}, which was interrupted")
            earlier = run.unfinished.refused(table.name, about) if run.unfinished else ""
            comparison = Comparison(
                table,
                run.source.side(sides.source),
                run.target.side(sides.target),
                run.fence(table),
                run.options.key_limit,
                lambda what, rows, of: run.watch.doing(table.name, what, rows, of),
                stop,
            )
            if run.options.validate_checksums:
                of = run.kept or (run.unfinished.of if run.unfinished else None)
                checkpoint: Kept | None = of(table.name) if of else None
                result = compare_contents(comparison, replace(means, progress=comparison.progress), checkpoint)
            else:
                result = compare_counts(comparison)
            result = replace(result, seconds=round(clock.elapsed_seconds, 3), resumed=result.resumed or earlier)
            if run.unfinished and result.status is not TableStatus.ERROR:
                run.unfinished.finished(result, about)
            elif run.unfinished:  # it was read to its end, and cannot be trusted
                run.unfinished.of(table.name).remove()
    except CouldNotLookError as error:
        result = TableResult(
            table.name, TableStatus.ERROR, error=str(error), seconds=round(clock.elapsed_seconds, 3), resumed=earlier
        )
    run.watch.finished(table.name)
    return result


def _about(run: Run, table: TablePair, sides: Sides) -> dict[str, str]:
    """What a result of the table describes, where results are kept for a later run."""
    if run.unfinished is None:
        return {}

    def structure(side: Database, name: TableName) -> str:
        return json.dumps([[asdict(one) for one in side.catalogue.columns(name)], side.catalogue.primary_key(name)])

    return {
        "the table in the pipeline file": json.dumps(asdict(table), sort_keys=True, default=str),
        "the options": json.dumps(asdict(run.options)),
        "the source's columns": structure(sides.source, table.source),
        "the target's columns": structure(sides.target, table.target),
    }


def method(options: Options, fence: str, slices_by: str = "") -> str:
    """What a run does, as its report says it. `fence` names how it knows that all changes have arrived.

    `slices_by` names who reads the slices of tables; empty where this process reads them.
    """
    if not options.validate_checksums:
        return (
            f"row counts only. Counts that differ are counted again behind a fence ({fence}). "
            "A target's count between two counts of a changing source is taken as equal"
        )
    return (
        "contents of every compared column. Each row has a hash of 64 bits. With push-down the servers compute it: PostgreSQL's own "
        "where both are PostgreSQL, MD5 elsewhere. With stream DuckDB computes it here. Hashes are added up by chunks of the key. "
        "Pushed-down chunks that differ are added up again by smaller chunks, where that saves work. Different rows have equal sums "
        "with a chance of 2^-64. Rows of chunks that differ are compared byte by byte. "
        f"Keys that differ are read again behind a fence ({fence}), and count when they stood still. "
        f"Beyond {DIFFERENCES_HELD:,} differing keys of a table (fewer where rows are wide), the rest is counted as first read. "
        "The target's rows are the source's, less the missing, plus the extra ones"
        + (
            f". Sums were made slice by slice by {slices_by}: each slice of the key is of a moment of its own, so that row counts of a "
            "table that changes are of no single moment"
            if slices_by
            else ""
        )
    )
