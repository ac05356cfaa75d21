"""The accounts that connectors log in with: at which database, with which password, and what they must be able to do there."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cdcproof.clients.connect.client import Connect
from cdcproof.connectors.deployment.definition import read_all
from cdcproof.connectors.deployment.difference import without_name
from cdcproof.connectors.settings import config as connector_config
from cdcproof.connectors.settings.config import Config
from cdcproof.connectors.settings.jdbc_url import Address
from cdcproof.core import bounded
from cdcproof.core.errors import CouldNotLookError
from cdcproof.core.secrets import Secret
from cdcproof.databases.contracts.deployment import Needs
from cdcproof.databases.names import TableName
from cdcproof.pipeline.model import Database, Pipeline, Table

_BY_ENVIRONMENT = re.compile(r"\$\{env:(\w+)\}")
_BY_FILE = re.compile(r"\$\{file:(.+):([^:}]+)\}")
_PASSWORD_KEYS = {"source": ("database.password",), "target": ("connection.password",)}
_MAKES_TABLES = {"schema.evolution": "basic", "auto.create": "true"}


@dataclass(frozen=True)
class Account:
    """A connector's account. `side` is source or target; `password` None where only the worker knows it."""

    connector: str
    side: str
    config: Config
    database: Database
    password: Secret | None
    tables: tuple[Table, ...]
    """Tables of the pipeline that the connector captures, or writes."""
    heartbeat: TableName | None = None
    """The heartbeat's table, where the connector captures or writes it."""

    @property
    def user(self) -> str:
        """Its name."""
        return self.database.user

    def needs(self, existing: Collection[TableName] = ()) -> Needs:
        """What it must be able to do. `existing` are the tables that are there: a sink makes the others, where it may."""
        if self.side == "source":
            makes_publication = self.config.get("publication.autocreate.mode") == "filtered"
            read = tuple(TableName.parse(table.source) for table in self.tables)
            return Needs(read=read, reads_log=True, owns=makes_publication)
        targets = tuple(TableName.parse(table.target) for table in self.tables)
        there = tuple(table for table in targets if table in existing)
        absent = {table.schema for table in targets if table not in existing}
        makes = any(self.config.get(key) == value for key, value in _MAKES_TABLES.items())
        return Needs(there, there, _privileges(self.config), tuple(sorted(absent)) if makes else ())

    def heartbeat_needs(self) -> Needs | None:
        """What it must be able to do with the heartbeat's table; None where it has none.

        A source connector writes the table by statements of its configuration. One that does not name the table (a procedure) needs
        rights that are not known from here.
        """
        if self.heartbeat is None:
            return None
        beat = (self.heartbeat,)
        if self.side == "target":
            return Needs(beat, beat, _privileges(self.config))
        query = self.config.get("heartbeat.action.query", "")
        words = {word.upper() for word in re.findall(r"\w+", query)} if self.heartbeat.table in query else set()
        return Needs(beat, beat, tuple(word for word in ("INSERT", "UPDATE") if word in words))


def wanted(connect: Connect, pipeline: Pipeline) -> dict[str, Config]:
    """Connector to the configuration that it shall have: of its file where the pipeline names a directory, else what runs.

    Raises `ConfigError` for a file that cannot be used, and `CouldNotLookError` where there is no connector at all.
    """
    if pipeline.paths.connectors:
        states = None
        found: dict[str, Config] = {}
        for one in read_all(pipeline.paths.connectors):
            if any("[redacted]" in value for value in one.config.values()):
                states = states or connect.states()
                running = states.get(one.name)
                one = one.with_kept_secrets(running.config if running else None)  # noqa: PLW2901
            found[one.name] = one.config
        return found
    found = {c.name: without_name(c.config) for c in connect.states().connectors}
    if not found:
        raise CouldNotLookError(
            "There is no connector to look at: Kafka Connect has none, and the pipeline file names no directory of files.",
            'Add connectors = "…" to [paths].',
        )
    return found


def left_out(configs: Mapping[str, Config], pipeline: Pipeline) -> dict[str, str]:
    """Connector to why it is none of this pipeline's, of those that are not: one Connect may serve several pipelines.

    Raises `CouldNotLookError` where none is left.
    """
    found = {name: why for name, config in configs.items() if (why := _of_another(name, config, pipeline))}
    if len(found) == len(configs):
        raise CouldNotLookError(f"No connector is of this pipeline's databases. {' '.join(found.values())}")
    return found


def _of_another(name: str, config: Config, pipeline: Pipeline) -> str:
    if pipeline.is_neighbour(name):
        return f"{name} is another pipeline's, by connect.other_connectors."
    try:
        address = _address(name, config)
    except CouldNotLookError as error:
        return "" if name in {known.name for known in pipeline.connectors} else error.message
    side, database = _side(config, pipeline)
    if (address.engine, (address.database or "").lower()) == (database.type, database.database.lower()):
        return ""
    return (
        f"{name} uses {address.engine} database {address.database}, and the {side} of the pipeline file is "
        f"{database.type} database {database.database}."
    )


def running(connect: Connect, pipeline: Pipeline) -> dict[str, Config]:
    """The configurations of the pipeline's own connectors, as they run."""
    own = {connector.name for connector in pipeline.connectors}
    return {c.name: without_name(c.config) for c in connect.states().connectors if c.name in own}


def understood(configs: Mapping[str, Config], pipeline: Pipeline) -> tuple[tuple[Account, ...], dict[str, str]]:
    """The accounts of the connectors that can be looked at, and why the others cannot."""
    found: list[Account] = []
    why: dict[str, str] = {}
    for name, config in configs.items():
        try:
            found.append(_account(name, config, pipeline))
        except CouldNotLookError as error:
            why[name] = error.message
    return tuple(found), why


def own(connect: Connect, pipeline: Pipeline) -> tuple[tuple[Account, ...], dict[str, str]]:
    """`understood` of the pipeline's own connectors, as they run."""
    return understood(running(connect, pipeline), pipeline)


def accounts(configs: Mapping[str, Config], pipeline: Pipeline) -> tuple[Account, ...]:
    """The account of each connector of this pipeline. Raises `CouldNotLookError` for one whose account is not said."""
    return tuple(_account(name, config, pipeline) for name, config in configs.items())


def _account(name: str, config: Config, pipeline: Pipeline) -> Account:
    address = _address(name, config)
    side, database = _side(config, pipeline)
    reference = next((config[key] for key in _PASSWORD_KEYS[side] if config.get(key)), "")
    is_source = side == "source"
    tables = _captured(config, address.database, pipeline.tables) if is_source else _written(config, pipeline.tables)
    database = database.model_copy(update={"user": address.user, "password_env": f"that of {name}"})
    beat = _captured_beat(config, address.database, pipeline) if is_source else _written_beat(config, pipeline)
    return Account(name, side, config, database, password_of(reference), tables, beat)


def _address(name: str, config: Config) -> Address:
    address = connector_config.source_address(config) or connector_config.sink_address(config)
    if address is None or not address.user:
        raise CouldNotLookError(
            f"The configuration of {name} does not say which account of which database it uses.",
            "Only Debezium's SQL Server and PostgreSQL sources and JDBC sinks, with the user in clear, can be looked at.",
        )
    return address


def _side(config: Config, pipeline: Pipeline) -> tuple[str, Database]:
    is_source = connector_config.source_address(config) is not None
    return ("source", pipeline.source) if is_source else ("target", pipeline.target)


def password_of(value: str) -> Secret | None:
    """The password that a configuration holds or refers to; None where it is the worker's alone.

    ``${env:NAME}`` is taken from the environment here, and ``${file:PATH:KEY}`` from the file, if they are here as well.
    """
    if by_environment := _BY_ENVIRONMENT.fullmatch(value):
        found = os.environ.get(by_environment[1])
        return Secret(found) if found else None
    if by_file := _BY_FILE.fullmatch(value):
        try:
            lines = bounded.read_text(Path(by_file[1]), bounded.MOST_WRITTEN_BY_HAND_BYTES).splitlines()
        except (OSError, UnicodeDecodeError):
            return None
        values = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith(("#", "!")))
        return Secret(values[by_file[2]]) if by_file[2] in values else None
    return None if "${" in value or not value else Secret(value)


def _captured(config: Config, database: str | None, tables: Iterable[Table]) -> tuple[Table, ...]:
    return tuple(t for t in tables if connector_config.captures(config, database, TableName.parse(t.source)))


def _written(config: Config, tables: Iterable[Table]) -> tuple[Table, ...]:
    return tuple(t for t in tables if connector_config.reads(config, t.topic))


def _captured_beat(config: Config, database: str | None, pipeline: Pipeline) -> TableName | None:
    beat = TableName.parse(pipeline.freshness.source) if pipeline.freshness else None
    return beat if beat and connector_config.captures(config, database, beat) else None


def _written_beat(config: Config, pipeline: Pipeline) -> TableName | None:
    """By its topic, which is named as those of the other tables are."""
    if pipeline.freshness is None:
        return None
    prefixes = {t.topic.removesuffix(t.source) for t in pipeline.tables if t.topic.endswith(f".{t.source}")}
    reads = any(connector_config.reads(config, prefix + pipeline.freshness.source) for prefix in prefixes)
    return TableName.parse(pipeline.freshness.target) if reads else None


def _privileges(config: Config) -> tuple[str, ...]:
    """What the sink's statements are, by the keys of Debezium's and of Confluent's JDBC sink."""
    mode = config.get("insert.mode", "insert").lower()
    inserting = {"insert": ["INSERT"], "update": ["UPDATE"]}.get(mode, ["INSERT", "UPDATE"])
    deleting = ["DELETE"] if config.get("delete.enabled") == "true" else []
    truncating = ["TRUNCATE"] if config.get("truncate.enabled") == "true" else []
    return (*inserting, *deleting, *truncating)
