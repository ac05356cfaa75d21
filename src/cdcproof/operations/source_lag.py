"""Two looks at how far each source connector has read the log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cdcproof.clients.connect import Connect
from cdcproof.databases.connections import connect_for_deployment as open_database
from cdcproof.databases.contracts.deployment import DeploymentDatabase, LogReading
from cdcproof.databases.names import TableName
from cdcproof.errors import CouldNotLookError, DeadlineError
from cdcproof.observations.source_lag import Progress, SourceLag
from cdcproof.operations import connector_config
from cdcproof.operations.administration import administer
from cdcproof.operations.connectors.accounts import Account
from cdcproof.pipeline import Pipeline
from cdcproof.waiting import Deadline, wait_until

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
    """A second look when everything was read that the log held at the first, else after longer than an idle connector is silent."""
    clock = Deadline(0)
    address = connector_config.source_address(account.config)
    slot, database = (address.slot or "", address.database) if address else ("", None)
    tables = [TableName.parse(table.source) for table in account.tables]
    offset = offset_of(connect, account.connector, database)
    first = source.log_reading(slot, offset, tables)
    if first.unread_seconds is not None or Progress(first, first, 0).word().startswith("beyond"):
        return Progress(first, first, 0)

    def again() -> Progress:
        return Progress(first, source.log_reading(slot, offset, tables), clock.elapsed_seconds)

    silent = float(account.config.get("status.update.interval.ms") or _STATUS_SECONDS * 1000) / 1000
    try:
        return wait_until(
            again,
            lambda progress: progress.has_arrived,
            what=f"{account.connector} to be given the log",
            deadline_seconds=max(_LEAST_SECONDS, 1.5 * silent),
            interval_seconds=_INTERVAL_SECONDS,
        )
    except DeadlineError:
        last: LogReading = source.log_reading(slot, offset_of(connect, account.connector, database), tables)
        return Progress(first, last, clock.elapsed_seconds)


def offset_of(connect: Connect, name: str, database: str | None) -> dict[str, Any]:
    """The connector's committed offset in this database; an empty one where it has none."""
    for told in connect.offsets(name):
        if told["partition"].get("database", database) in (database, None) and told.get("offset"):
            return dict(told["offset"])
    return {}
