"""The unit of a comparison of contents: one slice, read at both sides at once by whoever has it, in a moment of its own.

`read_slice` is found by its name, and takes and returns data that pickles: a worker process on another machine calls it as this one does.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from cdcproof import __version__
from cdcproof.core.errors import CouldNotLookError, RefusedError, UnexpectedAnswerError, UsageError
from cdcproof.databases.connections import connect
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.contracts.identity import Identity
from cdcproof.databases.duckdb.stream import Columnar
from cdcproof.databases.names import TableName
from cdcproof.databases.table_read import Slice
from cdcproof.pipeline.engines import DatabaseAddress
from cdcproof.reconcile.checksums.parts import Part, sum_up
from cdcproof.reconcile.checksums.strategy import Strategy
from cdcproof.reconcile.checksums.sums import PushDown, Summing
from cdcproof.reconcile.concurrency import Stop
from cdcproof.reconcile.plan.plan import Plan
from cdcproof.reconcile.plan.representation import Ends
from cdcproof.reconcile.self_proof.mutants import columns_of
from cdcproof.reconcile.self_proof.slice_ends import demand_seen
from cdcproof.reconcile.slices.division import within
from cdcproof.reconcile.slices.store import SliceSums


@dataclass(frozen=True)
class Place:
    """A side as a worker opens it, and what has to be there. No password: the worker reads it from its own environment."""

    address: DatabaseAddress
    identity: Identity
    table: str
    """The table's own identity (`Catalogue.table_identity`)."""


@dataclass(frozen=True)
class SliceRead:
    """What to read, by which plan and strategy. `made_by` is the program that made the plan; `number` counts from 0."""

    plan: Plan
    part: Slice
    strategy: Strategy
    source: Place
    target: Place
    statement_timeout_seconds: float
    made_by: str
    number: int = 0
    of: int = 1

    @property
    def table(self) -> str:
        """As messages name it."""
        return str(self.plan.source.table)

    @property
    def name(self) -> str:
        """As messages name it."""
        return f"Slice {self.number + 1} of {self.of} of {self.table}"


def read_slice(read: SliceRead) -> SliceSums:
    """Read a slice by sessions of its own. Raises `CouldNotLookError`, naming the worker that could not."""
    try:
        _demand_same_program(read)
        with (
            _opened(read.source, read.plan.source.table, read.statement_timeout_seconds) as source,
            _opened(read.target, read.plan.target.table, read.statement_timeout_seconds) as target,
        ):
            ends = Ends(read.source.address.type, source, read.target.address.type, target)
            return sums_of(read.plan, read.part, read.strategy, ends)
    except UsageError as error:
        raise RefusedError(f"Worker {worker()}: {error.message}", error.remedy) from None
    except CouldNotLookError as error:
        raise type(error)(f"Worker {worker()}: {error.message}", error.remedy) from None


def sums_of(plan: Plan, part: Slice, strategy: Strategy, ends: Ends) -> SliceSums:
    """Both sides of one slice summed up at once by sessions that are open, which first prove that they see where it begins and ends.

    Raises as `sum_up`; `UnexpectedAnswerError` where something is planted that they do not see.
    """
    with ExitStack() as stack:
        ours, theirs = (_summing(strategy, side, stack) for side in (ends.source, ends.target))
        columns = columns_of(plan, ends.source_engine, ends.target_engine)
        began, position = now(), log_end(ends.source)
        balance = sum_up(
            within(plan, part),
            *(ours, theirs, [Part()], Stop()),
            first=lambda: demand_seen(plan, columns, part, ours, theirs),
        )
    left = tuple(sorted(balance.left()))
    return SliceSums(left, balance.source_rows, balance.target_rows, began, now(), position, worker())


def program(strategy: Strategy) -> str:
    """What hashes rows here: results of another version are not added to these."""
    if strategy is Strategy.PUSH_DOWN:
        return f"cdcproof {__version__}"
    try:
        return f"cdcproof {__version__} with DuckDB {version('duckdb')}"
    except PackageNotFoundError:
        return f"cdcproof {__version__} without DuckDB"


def worker() -> str:
    """This process, as messages name it."""
    return f"{socket.gethostname()} (process {os.getpid()})"


def now() -> str:
    """The time in UTC: machines may differ in their zones."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def log_end(database: Database) -> int | None:
    """None where the server does not show it: a standby, a SQL Server without capture, an account without the permission."""
    try:
        return database.log.position().value
    except (RefusedError, UnexpectedAnswerError):
        return None


def _demand_same_program(read: SliceRead) -> None:
    found = program(read.strategy)
    if found != read.made_by:
        raise UnexpectedAnswerError(
            f"it runs {found}, and the run was planned by {read.made_by}.",
            "Install the same versions on every machine.",
        )


@contextmanager
def _opened(place: Place, table: TableName, statement_timeout_seconds: float) -> Iterator[Database]:
    with connect(place.address, statement_timeout_seconds=statement_timeout_seconds) as session:
        found = session.identity()
        if found != place.identity:
            raise UnexpectedAnswerError(
                f"{place.address.host}:{place.address.port} leads to another database than for who planned the run: "
                f"{found}, not {place.identity}.",
                "Let this name lead to the same server on every machine; after a failover or restore, run again.",
            )
        if session.catalogue.table_identity(table) != place.table:
            raise UnexpectedAnswerError(
                f"{table} was made anew, truncated, rewritten or given a column since the run was planned.",
                "Run again.",
            )
        yield session


def _summing(strategy: Strategy, side: Database, stack: ExitStack) -> Summing:
    if strategy is Strategy.PUSH_DOWN:
        return PushDown(side)
    return stack.enter_context(_columnar(os.getpid()).side(side))


@cache
def _columnar(process: int) -> Columnar:  # noqa: ARG001  one that was inherited by a fork is not used
    """DuckDB, loaded once by a worker and kept for its next slices."""
    return Columnar()
