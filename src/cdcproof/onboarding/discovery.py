"""Find out what a pipeline consists of, from a running Kafka Connect and from what it leads to.

Only addresses and names are taken from the connectors' configurations, never a password. Whatever is guessed,
replaced or could not be learned is said in a note.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from glob import escape
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from cdcproof.clients.connect.client import Connect, Connector
from cdcproof.connectors.settings.config import own_group, source_address, written
from cdcproof.connectors.settings.jdbc_url import Address
from cdcproof.core.errors import CouldNotLookError, UnexpectedAnswerError, UsageError
from cdcproof.core.secrets import scrub
from cdcproof.onboarding import addresses, pairing
from cdcproof.onboarding.addresses import AddNote
from cdcproof.onboarding.capture_discovery import Ends
from cdcproof.onboarding.heartbeat_discovery import take_beat
from cdcproof.onboarding.pairing import Pair
from cdcproof.onboarding.table_discovery import find_tables
from cdcproof.pipeline import model
from cdcproof.pipeline.model import PLACEHOLDER

_BY_HAND = "Write the pipeline file by hand: docs/PIPELINE.md has all its keys."
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
    choice: pairing.Choice = field(default_factory=pairing.Choice)


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
        if (new := Note(section, scrub(text))) not in notes:
            notes.append(new)

    try:
        return Discovery(_pipeline(asked, note), tuple(notes))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UnexpectedAnswerError(
            f"What was found cannot be written as a pipeline file: {place}: {first['msg']}.", _BY_HAND
        ) from None


def _pipeline(asked: Asked, note: AddNote) -> model.Pipeline:
    service = model.ConnectService(
        url=asked.connect_url,
        user=asked.connect_user,
        password_env="CONNECT_PASSWORD" if asked.connect_user else None,
    )
    connect = Connect(service)
    cluster_id = connect.version().kafka_cluster_id
    running = connect.states().connectors
    pair = pairing.pair(running, _topics(connect, running, note), asked.choice, connect.url)
    source_seen, target_seen = _ends(pair, asked.choice, running, note)
    host = urlsplit(asked.connect_url).hostname or "localhost"
    source_here, target_here = addresses.reachable_here(source_seen, target_seen, host, note)
    source = _database(source_here, "source", target_here.engine, note)
    target = _database(target_here, "target", source_here.engine, note)
    configs = [connector.config for connector in running]
    kafka = asked.kafka or addresses.find_kafka(
        asked.connect_url, configs, cluster_id, (source.port, target.port), note
    )
    registry = addresses.find_registry(host, configs, asked.registry_url, note)
    found = find_tables(pair, Ends(source, target, target_here.schema), note)
    tables, freshness = take_beat(pair.reader.config, found, note)
    return model.Pipeline(
        name=asked.name or _as_name(pair.reader.name if source.database == PLACEHOLDER else source.database),
        environment="live",
        source=source,
        target=target,
        # fnmatch's own characters in a name are no pattern
        connect=service.model_copy(update={"other_connectors": tuple(escape(c.name) for c in pair.strangers)}),
        kafka=model.Kafka(bootstrap_servers=kafka),
        registry=registry,
        exporters=_exporters(asked),
        services=_unique(
            (
                *_database_services(source_seen.host, target_seen.host, source, target),
                *_other_services(service, kafka, registry, note),
            )
        ),
        connectors=_connectors((pair.reader, *pair.writers, *pair.copies), note),
        tables=tables,
        freshness=freshness,
        paths=_paths(asked, note),
    )


def _topics(connect: Connect, running: Iterable[Connector], note: AddNote) -> dict[str, tuple[str, ...]]:
    """What Connect says that each connector has read or written. Some workers do not track it."""
    found = {}
    for connector in running:
        try:
            found[connector.name] = connect.topics(connector.name)
        except CouldNotLookError as error:
            note("tables", f"Connect does not say the topics of {connector.name}: {error.message}")
    return found


def _ends(pair: Pair, choice: pairing.Choice, running: Sequence[Connector], note: AddNote) -> tuple[Address, Address]:
    """Both addresses as the connectors have them, and notes about what else runs here."""
    source = source_address(pair.reader.config)
    if source is None or not pair.writers:
        raise UnexpectedAnswerError(
            f"No JDBC sink reads the topics of {pair.reader.name}; running are: {', '.join(c.name for c in running)}.",
            "Choose others with --source-connector and --sink-connector, or write the pipeline file by hand: docs/PIPELINE.md.",
        )
    database, others = pairing.database_of(pair, choice.database)
    for other in others:
        note(
            "source",
            f"{pair.reader.name} captures the database {other} as well, which is not in this file: "
            f"a file of its own for it comes from --source-database {other}.",
        )
    for stranger in pair.strangers:
        is_source = source_address(stranger.config) is not None
        chosen = f": a file of its own for it comes from --source-connector {stranger.name}" if is_source else ""
        note(
            "connectors",
            f"{stranger.name} reads or writes no topic of {pair.reader.name} and is left out, by other_connectors{chosen}.",
        )
    target = pairing.target_address(pair.writers[0].config)
    for copy in pair.copies:
        if copy.config.get("connection.url") and pairing.target_address(copy.config) != target:
            at = pairing.target_address(copy.config)
            note(
                "target",
                f"{copy.name} writes to another database, {at.host or 'at an address that is not in clear'}:{at.port}: left out here.",
            )
    source = replace(source, database=database)
    for section, address in (("source", source), ("target", target)):
        for doubt in address.doubts:
            note(section, doubt)
    return source, target


def _database(address: Address, section: str, other_engine: str, note: AddNote) -> model.Database:
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
        encrypt=None if address.encrypt else False,
        trust_server_certificate=address.trust_server_certificate,
        multi_subnet_failover=address.multi_subnet_failover,
    )


def _connectors(running: Iterable[Connector], note: AddNote) -> tuple[model.Connector, ...]:
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
        if found.kind == "sink" and "${" in (written(found.config, "consumer.override.group.id") or ""):
            note("connectors", f"consumer.override.group.id of {found.name} is not in clear: write it as group.")
    return tuple(sorted(connectors, key=lambda connector: connector.name))


def _unique(services: Iterable[model.Service]) -> tuple[model.Service, ...]:
    """Services by names of their own: one host may be several."""
    found: dict[str, model.Service] = {}
    for service in services:
        name = service.name if service.name not in found else f"{service.name}-{service.role}"
        found[name] = service.model_copy(update={"name": name})
    return tuple(found.values())


def _database_services(
    source_host: str | None, target_host: str | None, source: model.Database, target: model.Database
) -> tuple[model.Service, ...]:
    """Named as Connect knows the hosts, which mostly are the names of containers."""
    source_name = _service_name(source_host, _USUAL_NAMES[source.type])
    target_name = _service_name(target_host, _USUAL_NAMES[target.type])
    if source_name == target_name:
        source_name += "-source"
    return (
        model.Service(name=source_name, role="source", endpoint=f"tcp://{addresses.at(source.host, source.port)}"),
        model.Service(name=target_name, role="target", endpoint=f"tcp://{addresses.at(target.host, target.port)}"),
    )


def _other_services(
    connect: model.HttpService, kafka: str, registry: model.HttpService | None, note: AddNote
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


def _paths(asked: Asked, note: AddNote) -> model.Paths:
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
