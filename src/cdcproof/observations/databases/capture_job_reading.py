"""Look at SQL Server's capture job, and at what of its work each source connector has read."""

from __future__ import annotations

from collections.abc import Iterable

from cdcproof.clients.connect.client import Connect
from cdcproof.connectors.settings import config as connector_config
from cdcproof.connectors.settings.accounts import Account
from cdcproof.core.errors import CouldNotLookError, RefusedError
from cdcproof.databases.administration import administer
from cdcproof.databases.connections import connect_for_deployment as open_database
from cdcproof.databases.contracts.deployment import CaptureHealth, DeploymentDatabase
from cdcproof.databases.names import TableName
from cdcproof.observations.databases.capture_job import CaptureJobs
from cdcproof.observations.lag.source_reading import offset_of
from cdcproof.pipeline.model import Pipeline


def look(accounts: Iterable[Account], connect: Connect, pipeline: Pipeline) -> CaptureJobs:
    """Whether a connector runs does not matter: what it has not read is cleaned up all the same.

    One whose position is not known is left out: morning.7-source-lag says so. Raises `RefusedError` with the command that grants
    what the account may not see.
    """
    unread: dict[str, float] = {}
    with open_database(pipeline.source) as source:
        health = _health(source, pipeline)
        for account in (account for account in accounts if account.side == "source"):
            address = connector_config.source_address(account.config)
            tables = [TableName.parse(table.source) for table in account.tables]
            try:
                offset = offset_of(connect, account.connector, address.database if address else None, account.config)
                seconds = source.log_reading("", offset, tables).unread_seconds
            except CouldNotLookError:
                continue
            if seconds is not None:
                unread[account.connector] = seconds
    return CaptureJobs(health, unread, pipeline.thresholds.disk_warn_percent)


def _health(source: DeploymentDatabase, pipeline: Pipeline) -> CaptureHealth:
    try:
        return source.capture_health()
    except RefusedError as error:
        raise RefusedError(error.message, administer(pipeline.source, error.remedy)) from None
