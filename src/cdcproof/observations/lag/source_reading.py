"""Looks at how far each source connector has read the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cdcproof.clients.connect.client import Connect
from cdcproof.clients.connect.states import is_of_today
from cdcproof.connectors.settings import config as connector_config
from cdcproof.connectors.settings.accounts import Account
from cdcproof.core.errors import CouldNotLookError
from cdcproof.core.waiting import Deadline, last_look
from cdcproof.databases.administration import administer
from cdcproof.databases.connections import connect_for_deployment as open_database
from cdcproof.databases.contracts.deployment import DeploymentDatabase, LogReading
from cdcproof.databases.names import TableName
from cdcproof.observations.lag.source import Progress, SourceLag
from cdcproof.pipeline.model import Pipeline

_STATUS_SECONDS = 10.0
"""How often Debezium reports to PostgreSQL what it was sent (`status.update.interval.ms`), unless it was set."""
_LEAST_SECONDS = 15.0
_INTERVAL_SECONDS = 0.25


def look(accounts: Iterable[Account], connect: Connect, pipeline: Pipeline) -> SourceLag:
    """Every source connector of the pipeline that runs. One that does not run, or that nobody serves, is not judged."""
    states = connect.states()
    seen: dict[str, Progress] = {}
    unseen: dict[str, tuple[str, str]] = {}
    for account in (account for account in accounts if account.side == "source"):
        name = account.connector
        if states.halted(name):
            unseen[name] = (f"{name} does not run, so it reads nothing.", "See morning.2-connectors.")
            continue
        try:
            with open_database(pipeline.source) as source:
                progress = _progress(source, account, connect)
        except CouldNotLookError as error:
            unseen[name] = (error.message, error.remedy)
            continue
        if progress.is_dead:
            unseen[name] = (f"Nobody reads the replication slot of {name}.", "See morning.8-replication-slots.")
        elif progress.blind:
            why = f"What the session of {name} was sent may not be seen: it may be idle, or stand still."
            unseen[name] = (why, administer(pipeline.source, progress.blind))
        else:
            seen[name] = progress
    return SourceLag(seen, unseen)


def _progress(source: DeploymentDatabase, account: Account, connect: Connect) -> Progress:
    """Look until all was read that the log held at the first look, or it reads on, or stood still for longer than an idle one is silent."""
    clock = Deadline(0)
    address = connector_config.source_address(account.config)
    slot, database = (address.slot or "", address.database) if address else ("", None)
    tables = [TableName.parse(table.source) for table in account.tables]
    offset = offset_of(connect, account.connector, database, account.config)
    first = source.log_reading(slot, offset, tables)
    if first.unread_seconds is not None or Progress(first, first, 0).word().startswith("beyond"):
        return Progress(first, first, 0)
    silent = float(account.config.get("status.update.interval.ms") or _STATUS_SECONDS * 1000) / 1000
    patience = max(_LEAST_SECONDS, 1.5 * silent)
    furthest, advances, still, over = first.read, 0, Deadline(patience), False

    def again() -> Progress:
        nonlocal furthest, advances, still, over, offset
        over = still.passed
        if over:
            offset = offset_of(connect, account.connector, database, account.config)
        found: LogReading = source.log_reading(slot, offset, tables)
        if found.read > furthest:
            furthest, advances, still, over = found.read, advances + 1, Deadline(patience), False
        return Progress(first, found, clock.elapsed_seconds, advances, still.elapsed_seconds)

    return last_look(
        again,
        lambda progress: progress.has_arrived or progress.has_moved or over,
        deadline_seconds=3 * patience,  # two advances are the most
        interval_seconds=_INTERVAL_SECONDS,
    )


def offset_of(connect: Connect, name: str, database: str | None, config: Mapping[str, str]) -> dict[str, Any]:
    """The connector's committed offset in this database; an empty one where it has none."""
    for committed in connect.offsets(name):
        partition = committed["partition"]
        is_ours = partition.get("database", database) in (database, None) and is_of_today(partition, config)
        if is_ours and committed.get("offset"):
            return dict(committed["offset"])
    return {}
