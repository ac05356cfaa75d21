"""Slices of databases in memory, read in this process."""

from __future__ import annotations

from collections.abc import Callable

from cdcproof.cli.reconcile.inputs import GivenDatabase
from cdcproof.databases.names import Column, TableName
from cdcproof.reconcile.checksums.checkpoint import Unfinished
from cdcproof.reconcile.engine import Options, Run, reconcile
from cdcproof.reconcile.in_flight.fence import Fence
from cdcproof.reconcile.plan.columns import TablePair
from cdcproof.reconcile.plan.representation import Ends
from cdcproof.reconcile.report.result import TableResult
from cdcproof.reconcile.slices.distribution import Addresses, Distribution
from cdcproof.reconcile.slices.reading import SliceRead, sums_of
from cdcproof.reconcile.slices.store import SliceSums
from tests.reconcile.fake import FakeDatabase, FakeTable
from tests.reconcile.sides import FenceThen, Unwatched

COLUMNS = (Column("id", "bigint", nullable=False), Column("v", "bigint", nullable=True))
ADDRESS = GivenDatabase(
    type="postgresql",
    host="nowhere",
    port=1,
    database="d",
    user="u",
    schema_name="s",
    password_env="NO_PASSWORD",
    trust_server_certificate=False,
)
ADDRESSES = Addresses(ADDRESS, ADDRESS)
PAIR = TablePair("t", TableName("s", "t"), TableName("s", "t"))


def side(*rows: tuple[int, int | None]) -> FakeDatabase:
    return FakeDatabase({"t": FakeTable(COLUMNS, ("id",), list(rows))})


def reads(source: FakeDatabase, target: FakeDatabase) -> Callable[[SliceRead], SliceSums]:
    """What a worker does, of these databases."""
    ends = Ends(source.engine, source, target.engine, target)  # type: ignore[arg-type]
    return lambda read: sums_of(read.plan, read.part, read.strategy, ends)


def compared(
    source: FakeDatabase,
    target: FakeDatabase,
    slices: Distribution | None,
    fence: Fence | None = None,
    unfinished: Unfinished | None = None,
) -> TableResult:
    """The table compared, its slices read by these workers, or by this process."""
    crossed = fence or FenceThen()
    ends = source.endpoint(), target.endpoint()
    run = Run(*ends, lambda _: crossed, Options(True), Unwatched(), slices=slices, unfinished=unfinished)
    (result,) = reconcile(run, [PAIR])
    return result
