"""Follow a source connector's initial snapshot to its end: rows at the target against rows at the source, table by table.

Only the connector's committed position shows whether it is over. Seen with Debezium 3.4: no position before the
first flush, then one with `snapshot` and `snapshot_completed: false` that stays the same throughout, and one without
`snapshot` once streaming has begun and every record of the snapshot is in its topic. A snapshot that fails (a table that
may not be read) is begun anew for ever, RUNNING all the time: only its position, another one each time, shows it.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from cdcproof.clients.connect.client import Connect, Connector, Offset
from cdcproof.clients.http import NotFoundError
from cdcproof.connectors.settings import config as connector_config
from cdcproof.connectors.states import PAUSED, RUNNING, STOPPED, Aim
from cdcproof.core.errors import CouldNotLookError, DeadlineError, OperationError, UsageError
from cdcproof.core.waiting import Deadline, wait_until
from cdcproof.databases.connections import connect as open_database
from cdcproof.databases.names import TableName
from cdcproof.pipeline.model import Pipeline, Table

_COUNT_TIMEOUT_SECONDS = 3600.0
_INTERVAL_SECONDS = 0.5
_MOST_BEGINNINGS = 5
"""So often it may begin anew without a row more than before: a worker that is started again costs one."""
_COUNTING_SHARE = 0.1
"""The target is counted for at most this share of the time: it has rows to write."""


class Phase(StrEnum):
    """Where a snapshot is."""

    WAITING = "waiting for its first rows"
    SNAPSHOT = "snapshot"
    STREAMING = "streaming"


@dataclass(frozen=True)
class Seen:
    """One look. `rows`: table to rows at the target; `trouble`: why something could not be seen, else empty."""

    phase: Phase
    rows: dict[str, int]
    trouble: str = ""
    beginnings: int = 0
    """How often it has begun anew since it is being followed."""


Report = Callable[[Seen], None]


def tables_of(connector: Connector, pipeline: Pipeline) -> tuple[Table, ...]:
    """The pipeline's tables that this connector captures. Raises `UsageError` for a sink, and where there are none."""
    address = connector_config.source_address(connector.config)
    if address is None:
        raise UsageError(f"{connector.name} is not a Debezium source: it takes no snapshot that could be followed.")
    tables = tuple(
        table
        for table in pipeline.tables
        if connector_config.captures(connector.config, address.database, TableName.parse(table.source))
    )
    if not tables:
        raise UsageError(f"{connector.name} captures none of the tables of the pipeline file.")
    return tables


def expected_rows(pipeline: Pipeline, tables: Iterable[Table]) -> dict[str, int]:
    """Rows of each table at the source now."""
    with open_database(pipeline.source, statement_timeout_seconds=_COUNT_TIMEOUT_SECONDS) as source:
        return {table.name: source.catalogue.count_rows(TableName.parse(table.source)) for table in tables}


def phase(offsets: Iterable[Offset]) -> Phase:
    """What the committed positions say; a connector with several is where the slowest is."""
    positions = [offset["offset"] for offset in offsets]
    if not positions:
        return Phase.WAITING
    over = [
        str(position.get("snapshot", "false")).lower() in ("false", "none", "null")
        or any(str(position.get(key, "")).lower() == "true" for key in ("snapshot_completed", "last_snapshot_record"))
        for position in positions
    ]
    return Phase.STREAMING if all(over) else Phase.SNAPSHOT


def begun_at(offsets: Iterable[Offset]) -> tuple[str, ...]:
    """The position at which the snapshot was begun, as its records have it."""
    return tuple(str(offset["offset"].get("lsn") or offset["offset"].get("commit_lsn")) for offset in offsets)


class Following:
    """Following the snapshot of one connector. `stalled_seconds`: for so long nothing may move at all."""

    def __init__(
        self, connect: Connect, name: str, pipeline: Pipeline, tables: tuple[Table, ...], stalled_seconds: float
    ) -> None:
        self._connect = connect
        self._name = name
        self._pipeline = pipeline
        self._tables = {table.name: TableName.parse(table.target) for table in tables}
        self._stalled_seconds = stalled_seconds
        self._rows = dict.fromkeys(self._tables, 0)
        self._next_count = 0.0
        self._begun_at: tuple[str, ...] = ()
        self._beginnings = 0

    def to_streaming(self, report: Report) -> Seen:
        """Look until streaming has begun.

        Raises `OperationError` when the connector fails, was halted or begins anew again and again, `DeadlineError` when
        nothing moves for too long.
        """
        moved = Deadline(self._stalled_seconds)
        most, beginnings, was = -1, 0, Phase.WAITING

        def is_over(seen: Seen) -> bool:
            nonlocal moved, most, beginnings, was
            rows = sum(seen.rows.values())
            if rows > most or seen.phase is not was:
                moved, was = Deadline(self._stalled_seconds), seen.phase
            if rows > most:
                most, beginnings = rows, seen.beginnings
            if seen.phase is Phase.STREAMING:
                return True
            if seen.beginnings - beginnings >= _MOST_BEGINNINGS:
                raise OperationError(
                    f"{self._name} begins its snapshot again and again: it fails, and tries anew without a state that "
                    "shows it.",
                    "The worker's log has the cause: a table that its account may not read, or a lock.",
                )
            if moved.passed:
                why = f" {seen.trouble}" if seen.trouble else f" It is {seen.phase}; the worker's log says more."
                raise DeadlineError(
                    f"Nothing of {self._name}'s snapshot has moved for {self._stalled_seconds:g} s.{why}"
                )
            return False

        return wait_until(
            self.look,
            is_over,
            what="the end of the snapshot",
            deadline_seconds=float("inf"),
            interval_seconds=_INTERVAL_SECONDS,
            report=lambda seen: report(seen) if isinstance(seen, Seen) else None,
        )

    def look(self) -> Seen:
        """Look once. What cannot be seen now is reported as trouble: a worker may be gone for a while."""
        troubles = []
        now = Phase.WAITING
        try:
            self._demand_running()
            offsets = self._connect.offsets(self._name)
            now = phase(offsets)
            if now is Phase.SNAPSHOT and begun_at(offsets) != self._begun_at:
                self._beginnings += bool(self._begun_at)
                self._begun_at = begun_at(offsets)
        except NotFoundError as error:
            raise OperationError(f"{self._name} is gone: {error.message}") from None
        except CouldNotLookError as error:
            troubles.append(error.message)
        try:
            self._count(at_once=now is Phase.STREAMING)
        except CouldNotLookError as error:
            troubles.append(error.message)
        return Seen(now, dict(self._rows), " ".join(troubles), self._beginnings)

    def _demand_running(self) -> None:
        connector = self._connect.states([self._name]).get(self._name)
        if connector is None:
            raise OperationError(f"{self._name} is gone: somebody has deleted it.")
        if connector.state in (PAUSED, STOPPED):
            raise OperationError(
                f"{self._name} is {connector.state}: it takes no snapshot.",
                f"cdcproof connectors resume {shlex.quote(self._name)}",
            )
        failure = Aim(RUNNING).failure(connector)
        if failure:
            raise OperationError(
                f"{self._name}: {failure}", "Repair the cause; after a restart it begins its snapshot anew."
            )

    def _count(self, *, at_once: bool) -> None:
        began = time.monotonic()
        if began < self._next_count and not at_once:
            return
        with open_database(self._pipeline.target, statement_timeout_seconds=_COUNT_TIMEOUT_SECONDS) as target:
            present = {
                name for schema in {t.schema for t in self._tables.values()} for name in target.catalogue.tables(schema)
            }
            self._rows = {
                name: target.catalogue.count_rows(table) if table in present else 0
                for name, table in self._tables.items()
            }
        now = time.monotonic()
        self._next_count = now + (now - began) / _COUNTING_SHARE
