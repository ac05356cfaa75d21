"""The services: which processes there are, how each is started, and how it is seen to answer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cdcproof.clients.http import Http
from cdcproof.environments import greetings
from cdcproof.environments.embedded import folders, passwords, processes, settings
from cdcproof.environments.embedded.artifacts import Parts
from cdcproof.environments.embedded.folders import Account
from cdcproof.environments.embedded.ports import accepts, ask
from cdcproof.environments.embedded.services import (
    alertmanager,
    class_archives,
    java,
    postgres,
    programs,
    prometheus,
    pushgateway,
)
from cdcproof.environments.embedded.services.java import Java
from cdcproof.environments.embedded.state import Instance
from cdcproof.errors import CouldNotLookError
from cdcproof.pipeline import Role

ROLES: Mapping[str, Role] = {
    "postgres-source": "source",
    "postgres": "target",
    "zookeeper": "zookeeper",
    "kafka": "kafka",
    "schema-registry": "registry",
    "kafka-connect": "connect",
    "exporter": "monitoring",
    "prometheus": "monitoring",
    "alertmanager": "monitoring",
    "pushgateway": "monitoring",
}
"""Every service and its role, in the order in which `status` lists them."""

STOP_ORDER = (
    ("prometheus", "alertmanager", "pushgateway", "exporter"),
    ("kafka-connect", "schema-registry"),
    ("kafka",),
    ("zookeeper", "postgres", "postgres-source"),
)
"""Groups to stop one after the other: Connect hangs without its broker, the broker without ZooKeeper."""

_OPTIONAL: Mapping[str, Callable[[Instance], list[str]]] = {
    "prometheus": prometheus.command,
    "alertmanager": alertmanager.command,
    "pushgateway": pushgateway.command,
}
"""Services that run where they were asked for and their programs are there, and how each is started."""
CORE = tuple(name for name in ROLES if name not in ("exporter", *_OPTIONAL))
"""The services without which nothing replicates."""

PORTS: Mapping[str, int | None] = {
    **dict.fromkeys(CORE),
    # the runbook's ports when they are free
    "exporter-reconciliation": 9103,
    "exporter-connect": 9104,
    "prometheus": 9090,
    "alertmanager": 9093,
    "pushgateway": 9091,
}
"""Port names and the port that is preferred."""

JVMS = ("zookeeper", "kafka", "schema-registry", "kafka-connect")
_HEAP_MEBIBYTES = {"zookeeper": 64, "kafka": 192, "schema-registry": 128, "kafka-connect": 256}
_LOOK_SECONDS = (1.0, 2.0)
_LONGEST_TAIL_BYTES = 4_000_000


@dataclass(frozen=True)
class Start:
    """How a process is started."""

    argv: list[str]
    log: Path
    """Where what it prints goes."""
    account: Account | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = Path("/")
    limit_log: bool = True
    """False for a service that itself limits the log it writes, and prints next to nothing."""


def wanted(instance: Instance) -> tuple[str, ...]:
    """The services that the instance is to have: monitoring where it was asked for, as far as its programs are there."""
    unavailable = missing() if instance.monitoring else dict.fromkeys(_OPTIONAL, "")
    return tuple(name for name in ROLES if name not in unavailable or instance.is_alive(name))


def missing() -> dict[str, str]:
    """The services of monitoring that cannot run here, and why."""
    found = {name: "" if programs.find(name) else f"{programs.PROGRAMS[name][0]} is not on PATH" for name in _OPTIONAL}
    found["alertmanager"] = found["alertmanager"] or alertmanager.hindrance()
    return {name: why for name, why in found.items() if why}


def ports_of(service: str) -> tuple[str, ...]:
    """Names of the ports a service listens on."""
    return ("exporter-reconciliation", "exporter-connect") if service == "exporter" else (service,)


def how_to_start(instance: Instance, service: str, parts: Parts, java_: Java) -> Start:
    """Write the service's settings and tell how to start it."""
    if service in postgres.SERVERS:
        argv = postgres.prepare(instance, service, passwords.of(instance).superuser)
        return Start(argv, log_file(instance, service), folders.server_account())
    if service == "exporter":
        counters = str(instance.folders.state / "exporter-state.json")
        argv = [sys.executable, "-m", "cdcproof", "exporter"]
        argv += ["--env", "embedded", "--pipeline", "embedded", "--state", counters]
        return Start(
            argv,
            log_file(instance, service),
            environment={folders.INSTANCE_VARIABLE: instance.name},
            cwd=folders.checkout(),
        )
    if service in _OPTIONAL:
        return Start(_OPTIONAL[service](instance), log_file(instance, service))
    return _jvm(instance, service, parts, java_)


def log_file(instance: Instance, service: str) -> Path:
    """The log of a service."""
    return instance.folders.logs / f"{service}.log"


def output_file(instance: Instance, service: str) -> Path:
    """What the process printed: for a JVM, only what went wrong before its log was open."""
    return instance.folders.logs / f"{service}.out" if service in JVMS else log_file(instance, service)


def class_path(service: str, parts: Parts) -> tuple[Path, ...]:
    """The jars a JVM starts from, in order."""
    match service:
        case "schema-registry":
            return (next(parts.registry.glob("apicurio-registry-app-*-runner.jar")),)
        case "kafka-connect":
            return parts.connect_jars
    return parts.kafka_jars


def archive(service: str, parts: Parts, java_: Java) -> Path:
    """The service's class archive."""
    return class_archives.path(service, f"{parts.digest}-{java_.slug}", class_path(service, parts))


def answers(instance: Instance, service: str) -> bool:
    """Whether the service answers as it should; looks for at most about two seconds.

    What another process answers at its port, an older one's or another checkout's, is not its answer.
    """
    process = instance.processes.get(service)
    if not processes.is_alive(process) or not _is_answered(instance, service):
        return False
    return processes.listens(process, [instance.ports[name] for name in ports_of(service)])


def _is_answered(instance: Instance, service: str) -> bool:
    port = instance.ports[ports_of(service)[0]]
    match service:
        case "postgres-source" | "postgres":
            return postgres.is_ready(instance, service)
        case "zookeeper":
            return ask(port, greetings.ZOOKEEPER) == b"imok"
        case "kafka":
            return bool(ask(port, greetings.KAFKA))
    if not accepts(port):  # a tenth of the time of an HTTP request that is refused
        return False
    path = {
        "schema-registry": "/apis/ccompat/v7/subjects",
        "kafka-connect": "/connectors",
        "exporter": "/metrics",
        "prometheus": "/-/ready",
        "alertmanager": "/-/ready",
        "pushgateway": "/-/ready",
    }[service]
    try:
        Http(service, f"http://{instance.address(ports_of(service)[0])}", timeout_seconds=_LOOK_SECONDS).get_text(path)
    except CouldNotLookError:
        return False
    return True


def last_lines(instance: Instance, service: str, lines: int) -> str:
    """The end of a service's log: of what it printed when it never came to write one."""
    for path in (log_file(instance, service), output_file(instance, service)):
        try:
            with path.open("rb") as file:
                left_out = max(0, path.stat().st_size - _LONGEST_TAIL_BYTES)
                file.seek(left_out)
                if left_out:
                    file.readline()  # of half a line, and of half a secret in it, nothing is known
                text = file.read().decode("utf-8", errors="replace")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise CouldNotLookError(f"The log {path} cannot be read: {error.strerror}.") from None
        if text.strip():
            return "\n".join(text.splitlines()[-lines:])
    return ""


def _jvm(instance: Instance, service: str, parts: Parts, java_: Java) -> Start:
    folder = instance.folders
    archive_file = archive(service, parts, java_)
    archive_file.parent.mkdir(parents=True, exist_ok=True)
    log = log_file(instance, service)
    argv = java.flags(
        java_,
        heap_mebibytes=_HEAP_MEBIBYTES[service],
        archive=archive_file,
        unfinished=class_archives.unfinished(archive_file, instance.name),
        log=log,
    )
    if service == "schema-registry":
        properties = settings.registry(instance, log)
        argv += [
            *(f"-D{key}={value}" for key, value in properties.items()),
            "-Duser.timezone=UTC",
            "-jar",
            str(*class_path(service, parts)),
        ]
        return Start(argv, output_file(instance, service), limit_log=False, cwd=folder.data)
    logging = settings.write_properties(folder.settings / f"{service}-log4j.properties", settings.log4j(log))
    argv += [f"-Dlog4j.configuration=file:{logging}", "-Duser.timezone=UTC"]
    argv += ["-cp", ":".join(str(jar) for jar in class_path(service, parts))]
    properties_file = folder.settings / f"{service}.properties"
    match service:
        case "zookeeper":
            properties = settings.zookeeper(instance)
            main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        case "kafka":
            properties = settings.kafka(instance)
            main = "kafka.Kafka"
        case _:
            properties = settings.connect(instance)
            main = "org.apache.kafka.connect.cli.ConnectDistributed"
    argv += [main, str(settings.write_properties(properties_file, properties))]
    return Start(argv, output_file(instance, service), limit_log=False, cwd=folder.data)
