"""Asks what the pipeline's accounts may do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from cdcproof.clients.connect.client import Connect
from cdcproof.connectors import prerequisites
from cdcproof.connectors.settings import accounts
from cdcproof.core.errors import CouldNotLookError, UsageError
from cdcproof.databases.accounts import roles
from cdcproof.databases.connections import connect_for_deployment
from cdcproof.databases.contracts.deployment import Needs, Rights
from cdcproof.databases.names import TableName
from cdcproof.findings import Observation
from cdcproof.observations.databases.account_rights import AccountInUse, beyond_their_roles
from cdcproof.pipeline.model import Account, Database, Pipeline

Side = Literal["source", "target"]


def tables_read(pipeline: Pipeline, side: Side) -> tuple[TableName, ...]:
    """The tables that the checks read at a side, the heartbeat's among them."""
    read = (*pipeline.tables, *filter(None, (pipeline.freshness,)))
    return tuple(TableName.parse(getattr(one, side)) for one in read)


def reader_needs(pipeline: Pipeline, side: Side) -> Needs:
    """What the account of `[source]` or `[target]` needs: also for backups, where the file names no other account for them."""
    needs = roles.source_reader if side == "source" else roles.target_reader
    backs_up = pipeline.paths.backups is not None and _backs_up(pipeline, side) is None
    return needs(tables_read(pipeline, side), backs_up=backs_up)


def _backs_up(pipeline: Pipeline, side: Side) -> Account | None:
    """The account that the file names for backups; None where it is the reader's."""
    reader: Database = getattr(pipeline, side)
    named: Account | None = getattr(pipeline.backup, side)
    return named if named and named.user != reader.user else None


def look(connect: Connect, pipeline: Pipeline) -> Observation:
    """What the checks' own accounts, the round trip's, the backups', and those of the connectors that run have beyond their roles."""
    in_use: list[AccountInUse] = []
    hidden: dict[str, str] = {}
    sides: tuple[Side, ...] = ("source", "target")
    for side in sides:
        reader: Database = getattr(pipeline, side)
        rights = _rights(reader, reader, reader_needs(pipeline, side))
        in_use.append(AccountInUse(f"reads the {side}", side, reader, rights, reads=True))
        for role, account, needs in _other_roles(pipeline, side):
            other = reader.model_copy(update={"user": account.user, "password_env": account.password_env})
            try:
                in_use.append(AccountInUse(role, side, other, _rights(reader, other, needs)))
            except UsageError as error:  # only SQL Server's is asked by its own password, which may not be here
                hidden[role] = error.message
        if pipeline.environment == "embedded":
            hidden[f"backs up the {side}"] = "the embedded pipeline's is the superuser, which restores too"
    known, unknown = accounts.own(connect, pipeline)
    for one in known:
        role = f"{one.connector} uses"
        try:
            in_use.append(AccountInUse(role, one.side, one.database, prerequisites.rights_of(one, pipeline)))
        except CouldNotLookError as error:
            if one.database.type == "postgresql" or one.password is not None:
                raise
            hidden[role] = error.message
    return beyond_their_roles(in_use, hidden | {f"{name} uses": why for name, why in unknown.items()})


def _other_roles(pipeline: Pipeline, side: Side) -> Iterator[tuple[str, Account, Needs]]:
    """Each role that the file names an account for beside the reader. Where it names none for backups, the reader makes them."""
    if account := getattr(pipeline.round_trip, side):
        role = "writes test rows" if side == "source" else "sweeps test rows"
        yield role, account, _needs_of_test_rows(pipeline, side)
    if (account := _backs_up(pipeline, side)) and pipeline.environment != "embedded":
        yield f"backs up the {side}", account, roles.backup(tables_read(pipeline, side))


def _needs_of_test_rows(pipeline: Pipeline, side: Side) -> Needs:
    tables = [TableName.parse(getattr(table, side)) for table in pipeline.tables]
    return roles.source_writer(tables) if side == "source" else roles.target_sweeper(tables)


def _rights(reader: Database, account: Database, needs: Needs) -> Rights:
    """PostgreSQL shows them to any session, SQL Server to the account's own."""
    with connect_for_deployment(reader if account.type == "postgresql" else account) as session:
        return session.rights(account.user, needs)
