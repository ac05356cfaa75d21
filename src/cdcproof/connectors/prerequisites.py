"""What must be in order before connectors are deployed: found and expected, as the checks marked `connectors` compare them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from cdcproof.clients.connect.client import Connect
from cdcproof.connectors.settings import config as connector_config
from cdcproof.connectors.settings.accounts import Account
from cdcproof.connectors.settings.config import Config
from cdcproof.connectors.settings.travelling import names, tables_read
from cdcproof.core.errors import CouldNotLookError, RefusedError
from cdcproof.databases.administration import administer, sqlcmd
from cdcproof.databases.connections import connect as connect_to
from cdcproof.databases.connections import connect_for_deployment as open_database
from cdcproof.databases.contracts.catalogue import tables_beside
from cdcproof.databases.contracts.deployment import DeploymentDatabase, Needs, Rights
from cdcproof.databases.names import TableName
from cdcproof.findings import ABSENT, Observation
from cdcproof.pipeline.model import Pipeline


def logins(accounts: Iterable[Account], connect: Connect) -> Observation:
    """Whether each database answers its connector's own account: asked by the worker's plug-in, and from here."""
    found: dict[str, str] = {}
    details: dict[str, str] = {}
    action: list[str] = []
    unknown: dict[str, str] = {}
    for account in accounts:
        if account.side == "source":  # a JDBC sink's validation does not log in: seen with Debezium 3.4
            subject = f"{account.connector}, from the worker"
            errors = connect.validate({"name": account.connector, **account.config})
            found[subject] = "refused" if errors else "answers"
            details[subject] = "; ".join(f"{error.field}: {error.text}" for error in errors)
        subject = f"{account.connector}, from here"
        if account.password is None:
            if account.side == "target":
                unknown[_only_the_worker_knows(account)] = ""
            continue
        try:
            with open_database(account.database, account.password):
                found[subject] = "answers"
        except RefusedError as error:
            found[subject], details[subject] = "refused", error.message
            action.append(_log_in(account))
    return Observation(found, dict.fromkeys(found, "answers"), details, action=tuple(action), unknown=unknown)


def topics(
    configs: Mapping[str, Config],
    pipeline: Pipeline,
    existing: Collection[str],
    broker_makes_topics: Callable[[], bool],
) -> Observation:
    """Whether every topic that the connectors write and read is there.

    One that a source writes and that will be made at its first record, by Connect or by the broker, is a concern.
    """
    found: dict[str, str] = {}
    concerns: dict[str, str] = {}
    written: set[str] = set()
    for config in configs.values():
        address = connector_config.source_address(config)
        if address is None:
            continue
        mine = [
            table.topic
            for table in pipeline.tables
            if connector_config.captures(config, address.database, TableName.parse(table.source))
        ]
        written.update(mine)
        for topic in mine:
            if topic in existing:
                found[topic] = "present"
            elif "topic.creation.default.partitions" in config or broker_makes_topics():
                found[topic], concerns[topic] = "present", "absent; it will be made with the first record"
            else:
                found[topic] = ABSENT
    for name, config in configs.items():
        if "topics.regex" in config:
            subject = f"{name} topics.regex"
            matched = [t for t in {*existing, *written} if connector_config.reads(config, t)]
            found[subject] = "present" if matched else "matches no topic"
            continue
        for topic in connector_config.listed_topics(config):
            found.setdefault(topic, "present" if topic in existing else ABSENT)
    absent = [topic for topic, state in found.items() if state == ABSENT]
    action = tuple(
        shlex.join(["kafka-topics", *pipeline.kafka.tool_options, "--create", "--topic", topic]) for topic in absent
    )
    return Observation(found, dict.fromkeys(found, "present"), concerns=concerns, no_concern="present", action=action)


def rights_of(account: Account, pipeline: Pipeline) -> Rights:
    """Ask what an account may do: by the account of the checks in PostgreSQL, by itself in SQL Server.

    Raises `CouldNotLookError` for a SQL Server account whose password only the worker knows.
    """
    configured = pipeline.source if account.side == "source" else pipeline.target
    needs = account.needs()
    if account.side == "target":
        with connect_to(configured) as database:
            needs = account.needs(
                tables_beside(database.catalogue, [TableName.parse(t.target) for t in account.tables])
            )
    if configured.type == "postgresql":
        with open_database(configured) as asked:
            if account.side == "source":
                state = asked.capture_state(*names(account.config))
                needs = replace(needs, read=tables_read(account, pipeline.tables, state))
            return _with_heartbeat(account, asked, needs)
    if account.password is None:
        raise CouldNotLookError(
            f"What {account.user} of {account.connector} may do SQL Server shows to that account alone, and only the worker knows "
            "its password.",
            "Write it as ${NAME} in the connector's file, with NAME in the environment here.",
        )
    with open_database(account.database, account.password) as asked:
        return _with_heartbeat(account, asked, needs)


def _with_heartbeat(account: Account, asked: DeploymentDatabase, needs: Needs) -> Rights:
    """What is missing for the heartbeat is missing too. It is asked apart: an account that may write it is no account that writes tables."""
    rights, beat = asked.rights(account.user, needs), account.heartbeat_needs()
    return replace(rights, missing={**rights.missing, **asked.rights(account.user, beat).missing}) if beat else rights


def obstacles_of(account: Account, pipeline: Pipeline) -> Rights:
    """As `rights_of`; of a SQL Server account whose password only the worker knows, only what keeps it from logging in or writing."""
    if account.database.type == "postgresql" or account.password is not None:
        return rights_of(account, pipeline)
    with open_database(pipeline.source if account.side == "source" else pipeline.target) as asked:
        return Rights(asked.obstacles(account.user, writes=account.side == "target"))


def rights(accounts: Iterable[Account], rights_of: Callable[[Account], Rights]) -> tuple[Observation, Observation]:
    """What the connectors' accounts lack, and what they have beyond their needs."""
    seen = [(account, rights_of(account)) for account in accounts]
    observed = []
    for word, expected in (("missing", "granted"), ("excessive", "not granted")):
        wrong = {
            f"{account.user} of {account.connector}: {subject}": administer(account.database, statement)
            for account, found in seen
            for subject, statement in getattr(found, word).items()
        }
        mine = {f"{account.user} of {account.connector}": "as needed" for account, _ in seen}
        observed.append(
            Observation(
                {**mine, **dict.fromkeys(wrong, "missing" if word == "missing" else "granted")},
                {**mine, **dict.fromkeys(wrong, expected)},
                action=tuple(wrong.values()),
            )
        )
    return observed[0], observed[1]


def _only_the_worker_knows(account: Account) -> str:
    return (
        f"Only the worker knows the password of {account.user} of {account.connector}, and its plug-in does not log in to "
        "validate: write it as ${NAME} with NAME in the environment here, to have it tried."
    )


def _log_in(account: Account) -> str:
    """It asks for the password."""
    database = account.database
    if database.type == "sqlserver":
        return sqlcmd(database, "SELECT 1", user=account.user)
    place, port = database.host, str(database.port)
    return shlex.join(["psql", "-h", place, "-p", port, "-d", database.database, "-U", account.user, "-c", "SELECT 1"])
