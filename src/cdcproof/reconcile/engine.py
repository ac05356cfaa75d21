"""Reconciling tables: opens both sides, compares each table, and turns a table's failure into its ERROR."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from cdcproof.databases.base import Database
from cdcproof.errors import CouldNotLookError
from cdcproof.pipeline import Engine
from cdcproof.progress import Progress
from cdcproof.reconcile.compare import DIFFERENCES_HELD
from cdcproof.reconcile.contents import Comparison, Tell, compare_contents
from cdcproof.reconcile.plan import TablePair, plan
from cdcproof.reconcile.result import TableResult, TableStatus
from cdcproof.reconcile.settle import Counts, settle_counts
from cdcproof.reconcile.side import Side, both, structure
from cdcproof.waiting import Deadline


@dataclass(frozen=True)
class Endpoint:
    """A side: its engine, its place as ``type://host:port/database``, and how a session to it is opened."""

    engine: Engine
    place: str
    open: Callable[[], Database]


@dataclass(frozen=True)
class Options:
    """What to do: contents too or only counts, and how long a difference may be in flight."""

    validate_checksums: bool
    settle_seconds: float


def method(options: Options) -> str:
    """What is done, in the words of the report."""
    again = f"were read again for up to {options.settle_seconds:g} s"
    if not options.validate_checksums:
        return (
            f"row counts only; timer: counts that differed {again}; "
            "a target count between two counts of a changing source is taken as equal"
        )
    return (
        "contents of every compared column: a 128-bit hash per row, summed per bucket of the key; "
        f"timer: differing keys {again} and count where the source row did not change meanwhile; of more than "
        f"{DIFFERENCES_HELD:,} differing keys in a table the rest is counted as first seen; "
        "the target's rows are the source's, less the missing, plus the extra ones"
    )


def reconcile(
    source: Endpoint, target: Endpoint, tables: Sequence[TablePair], options: Options, progress: Progress
) -> Iterator[TableResult]:
    """Compare table by table; each result comes as soon as it is known.

    A side that cannot be opened at all makes every table an ERROR at once; otherwise each table has its own sessions.
    """
    try:
        with source.open(), target.open():
            pass
    except CouldNotLookError as error:
        yield from (TableResult(table.name, TableStatus.ERROR, error=str(error)) for table in tables)
        return
    for table in tables:
        clock = Deadline(0)
        try:
            result = _compare(source, target, table, options, progress)
        except CouldNotLookError as error:
            result = TableResult(table.name, TableStatus.ERROR, error=str(error))
        yield replace(result, seconds=round(clock.elapsed_seconds, 3))


def _compare(source: Endpoint, target: Endpoint, table: TablePair, options: Options, progress: Progress) -> TableResult:
    def tell(text: str) -> None:
        progress.waiting(f"{table.name}  {text}")

    tell("reading")
    with source.open() as at_source, target.open() as at_target:
        if not options.validate_checksums:
            return _compare_counts(at_source, at_target, table, options, tell)
        structures = both(
            lambda _: structure(source.engine, at_source, table.source),
            lambda _: structure(target.engine, at_target, table.target),
        )
        todo = plan(*structures, table.key)
        return compare_contents(
            Comparison(
                table.name,
                todo,
                Side(at_source, source.engine, table.source, todo.source, todo.key_width),
                Side(at_target, target.engine, table.target, todo.target, todo.key_width),
                options.settle_seconds,
                tell,
            )
        )


def _compare_counts(source: Database, target: Database, table: TablePair, options: Options, tell: Tell) -> TableResult:
    def count() -> Counts:
        return Counts(*both(lambda _: source.count_rows(table.source), lambda _: target.count_rows(table.target)))

    counts = count()
    if counts.source != counts.target:
        counts = settle_counts(count, counts, options.settle_seconds, tell)
    same = counts.source == counts.target
    return TableResult(table.name, TableStatus.MATCH if same else TableStatus.MISMATCH, counts.source, counts.target)
