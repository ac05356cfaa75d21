"""Find out what a pipeline consists of, from a running Kafka Connect and from what it leads to.

Only addresses and names are taken from the connectors' configurations, never a password. Whatever is guessed,
replaced or could not be learned is said in a note.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cdcproof import pipeline as model
from cdcproof.clients.connect import Connect, Connector
from cdcproof.errors import UnexpectedAnswerError, UsageError
from cdcproof.operations import addresses
from cdcproof.operations.addresses import Note as Tell
from cdcproof.operations.connector_config import Address, own_group, sink_address, source_address
from cdcproof.operations.table_discovery import find_tables
from cdcproof.pipeline import PLACEHOLDER
from cdcproof.secrets import scrub

_BY_HAND = "Deploy it first, or write the pipeline file by hand: docs/PIPELINE.md has all its keys."
_USUAL_NAMES = {"sqlserver": "sqlserver", "postgresql": "postgres"}
_BACKUPS = Path("/var/backups/cdc")
_DOCKER_DATA = Path("/var/lib/docker")


@dataclass(frozen=True)
class Asked:
    """What the operator says; None where it is to be found out."""

    connect_url: str
    connect_user: str | None = None
    name: str | None = None
    kafka: str | None = None
    registry_url: str | None = None
    reconciliation_reports: str | None = None
    reconciliation_metrics_url: str | None = None
    connect_metrics_url: str | None = None


@dataclass(frozen=True)
class Note:
    """Something the operator should know; `section` is the part of the file it belongs to (``source``, ``tables``)."""

    section: str
    text: str


@dataclass(frozen=True)
class Discovery:
    """The expected state as found. Values that could not be learned are `PLACEHOLDER`."""

    pipeline: model.Pipeline
    notes: tuple[Note, ...]


def discover(asked: Asked) -> Discovery:
    """Look at everything that Connect leads to.

    Raises `UsageError` for an address with a password in it, and `CouldNotLookError` when Connect does not answer or
    has no pipeline from a Debezium source to a JDBC sink.
    """
    if "@" in urlsplit(asked.connect_url).netloc:
        raise UsageError(
            "--connect-url must hold no user and no password.",
            "Give the user with --connect-user and put the password into the environment variable CONNECT_PASSWORD.",
        )
    notes: list[Note] = []

    def note(section: str, text: str) -> None:
        if (told := Note(section, scrub(text))) not in notes:
            notes.append(told)

    service = model.HttpService(
        url=asked.connect_url,
        user=asked.connect_user,
        password_env="CONNECT_PASSWORD" if asked.connect_user else None,
    )
    connect = Connect(service)
    cluster_id = connect.version().kafka_cluster_id
    running = connect.states().connectors
    reader, source_seen = _source(connect, running, note)
    writers, target_seen = _target(connect, running, note)
    host = urlsplit(asked.connect_url).hostname or "localhost"
    source_here, target_here = addresses.reachable_here(source_seen, target_seen, host, note)
    source = _database(source_here, "source", target_here.engine, note)
    target = _database(target_here, "target", source_here.engine, note)
    configs = [connector.config for connector in running]
    kafka = asked.kafka or addresses.find_kafka(
        asked.connect_url, configs, cluster_id, (source.port, target.port), note
    )
    registry = addresses.find_registry(host, configs, asked.registry_url, note)
    tables = find_tables(
        connect, reader, writers, source=source, target=target, written_schema=target_here.schema, note=note
    )
    pipeline = model.Pipeline(
        name=asked.name or _as_name(source.database),
        environment="live",
        source=source,
        target=target,
        connect=service,
        kafka=model.Kafka(bootstrap_servers=kafka),
        registry=registry,
        exporters=_exporters(asked),
        services=(
            *_database_services(source_seen.host, target_seen.host, source, target),
            *_other_services(service, kafka, registry, note),
        ),
        connectors=_connectors(running, note),
        tables=tables,
        paths=_paths(asked, note),
    )
    return Discovery(pipeline, tuple(notes))


def _source(connect: Connect, running: Iterable[Connector], note: Tell) -> tuple[Connector, Address]:
    found = [(c, address) for c in running if (address := source_address(c.config))]
    if not found:
        raise UnexpectedAnswerError(
            f"Kafka Connect at {connect.url} has no Debezium source connector for SQL Server or PostgreSQL; "
            f"it has: {_listed(running)}.",
            _BY_HAND,
        )
    for other, _ in found[1:]:
        note(
            "source", f"{other.name} is a source too; a pipeline file has one source: here that of {found[0][0].name}."
        )
    return found[0]


def _target(connect: Connect, running: Iterable[Connector], note: Tell) -> tuple[list[Connector], Address]:
    """The sinks that write to one database, and that database."""
    found = [(c, address) for c in running if (address := sink_address(c.config))]
    if not found:
        raise UnexpectedAnswerError(
            f"Kafka Connect at {connect.url} has no JDBC sink connector whose connection.url can be read; "
            f"it has: {_listed(running)}.",
            _BY_HAND,
        )
    target = found[0][1]
    place = (target.host, target.port, target.database)
    for other, address in found:
        if (address.host, address.port, address.database) != place:
            note("target", f"{other.name} writes to another database, {address.host}:{address.port}: left out here.")
    return [c for c, address in found if (address.host, address.port, address.database) == place], target


def _listed(running: Iterable[Connector]) -> str:
    return ", ".join(f"{c.name} ({c.config.get('connector.class')})" for c in running) or "none at all"


def _database(address: Address, section: str, other_engine: str, note: Tell) -> model.Database:
    variable = {"sqlserver": "SQLSERVER", "postgresql": "POSTGRES"}[address.engine]
    if address.engine == other_engine:  # two of a kind need two variables; the usual name is the well-known end's
        extra = {"postgresql": "source", "sqlserver": "target"}[address.engine]
        variable += f"_{section.upper()}" if section == extra else ""
    for what, value in {"host": address.host, "database": address.database, "user": address.user}.items():
        if value is None:
            note(section, f"{what} is not in clear in the connector's configuration: write it here.")
    note(section, "The user is the connector's; an account of its own that may only read is better.")
    return model.Database(
        type=address.engine,
        host=address.host or PLACEHOLDER,
        port=address.port,
        database=address.database or PLACEHOLDER,
        user=address.user or PLACEHOLDER,
        password_env=f"{variable}_PASSWORD",
        schema=address.schema,
        publication=address.publication if section == "source" else None,
        slot=address.slot if section == "source" else None,
        encrypt=address.encrypt,
        trust_server_certificate=address.trust_server_certificate,
    )


def _connectors(running: Iterable[Connector], note: Tell) -> tuple[model.Connector, ...]:
    connectors = []
    for found in running:
        if found.kind not in ("source", "sink"):
            note("connectors", f"{found.name} does not say whether it is a source or a sink: left out.")
            continue
        if found.state != "RUNNING" or not found.tasks or any(t.state != "RUNNING" for t in found.tasks):
            states = ", ".join([found.state, *(f"task {t.id} {t.state}" for t in found.tasks)])
            note("connectors", f"{found.name} does not run now ({states}): check the number of its tasks.")
        connectors.append(
            model.Connector(
                name=found.name,
                kind="source" if found.kind == "source" else "sink",
                tasks=max(1, len(found.tasks)),
                group=own_group(found.config) if found.kind == "sink" else None,
            )
        )
    return tuple(connectors)


def _database_services(
    source_host: str | None, target_host: str | None, source: model.Database, target: model.Database
) -> tuple[model.Service, ...]:
    """Named as Connect knows the hosts, which mostly are the names of containers."""
    source_name = _service_name(source_host, _USUAL_NAMES[source.type])
    target_name = _service_name(target_host, _USUAL_NAMES[target.type])
    if source_name == target_name:
        source_name += "-source"
    return (
        model.Service(name=source_name, role="source", endpoint=f"tcp://{source.host}:{source.port}"),
        model.Service(name=target_name, role="target", endpoint=f"tcp://{target.host}:{target.port}"),
    )


def _other_services(
    connect: model.HttpService, kafka: str, registry: model.HttpService | None, note: Tell
) -> list[model.Service]:
    note(
        "services",
        "ZooKeeper, if there is one, cannot be seen through Connect: add it by hand "
        '(role = "zookeeper", endpoint = "tcp://host:2181").',
    )
    services = [model.Service(name="kafka-connect", role="connect", endpoint=f"{connect.url}/connectors")]
    if registry:
        services.insert(0, model.Service(name="schema-registry", role="registry", endpoint=f"{registry.url}/subjects"))
    if kafka != PLACEHOLDER:
        first_broker = kafka.partition(",")[0].strip()
        services.insert(0, model.Service(name="kafka", role="kafka", endpoint=f"tcp://{first_broker}"))
    return services


def _exporters(asked: Asked) -> model.Exporters:
    given = {"reconciliation_url": asked.reconciliation_metrics_url, "connect_url": asked.connect_metrics_url}
    return model.Exporters(**{key: url for key, url in given.items() if url})


def _paths(asked: Asked, note: Tell) -> model.Paths:
    backups = _BACKUPS if _BACKUPS.is_dir() else None
    if backups is None:
        note("paths", f"{_BACKUPS} does not exist here: name the backup directory as backups, if there is one.")
    # Without containers: at least the file system that the reports are written to.
    volume = _DOCKER_DATA if os.access(_DOCKER_DATA, os.R_OK | os.X_OK) else Path()
    note("paths", f"Disk use is looked at on this machine, at {volume}: name the directories that hold data.")
    return model.Paths(
        reconciliation_reports=Path(asked.reconciliation_reports or "reconciliation_reports"),
        backups=backups,
        volumes=(volume,),
    )


def _service_name(host: str | None, usual: str) -> str:
    """The host's name as Connect knows it, which mostly is the container's; an address is no name."""
    is_name = host and host != "localhost" and re.fullmatch(r"[A-Za-z][\w-]*", host)
    return host if host and is_name else usual


def _as_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", text).lstrip("_.-") or "pipeline"
