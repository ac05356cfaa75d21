"""The services of the pipeline: one file for each daemon says its command line, ports, configuration, readiness and log.

Here is what they are together: their order, which of them an instance is to have, and whether one really answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cdcproof.environments.embedded.artifacts import Parts
from cdcproof.environments.embedded.processes import logs, running
from cdcproof.environments.embedded.services import jvm
from cdcproof.environments.embedded.services.alertmanager import ALERTMANAGER
from cdcproof.environments.embedded.services.connect import CONNECT
from cdcproof.environments.embedded.services.exporter import EXPORTER
from cdcproof.environments.embedded.services.java import Java
from cdcproof.environments.embedded.services.kafka import KAFKA
from cdcproof.environments.embedded.services.postgres import SOURCE, TARGET
from cdcproof.environments.embedded.services.prometheus import PROMETHEUS
from cdcproof.environments.embedded.services.pushgateway import PUSHGATEWAY
from cdcproof.environments.embedded.services.schema_registry import REGISTRY
from cdcproof.environments.embedded.services.service import Service, Start, log_file
from cdcproof.environments.embedded.services.zookeeper import ZOOKEEPER
from cdcproof.environments.embedded.state import Instance
from cdcproof.pipeline.model import Role

_ALL = (SOURCE, TARGET, ZOOKEEPER, KAFKA, REGISTRY, CONNECT, EXPORTER, PROMETHEUS, ALERTMANAGER, PUSHGATEWAY)
"""In the order in which `status` lists them."""
_BY_NAME: Mapping[str, Service] = {service.name: service for service in _ALL}

ROLES: Mapping[str, Role] = {service.name: service.role for service in _ALL}
"""Every service and its role."""
CORE = tuple(service.name for service in _ALL if service.is_core)
"""The services without which nothing replicates."""
JVMS = tuple(service.name for service in _ALL if service.class_path)
"""The Java processes."""
PORTS: Mapping[str, int | None] = {name: number for service in _ALL for name, number in service.ports.items()}
"""Port names and the port that is preferred."""
STOP_ORDER = (
    (PROMETHEUS.name, ALERTMANAGER.name, PUSHGATEWAY.name, EXPORTER.name),
    (CONNECT.name, REGISTRY.name),
    (KAFKA.name,),
    (ZOOKEEPER.name, TARGET.name, SOURCE.name),
)
"""Groups to stop one after the other: Connect hangs without its broker, the broker without ZooKeeper."""


def wanted(instance: Instance) -> tuple[str, ...]:
    """The services that the instance is to have: monitoring where it was asked for, as far as its programs are there."""
    unavailable = missing() if instance.monitoring else {s.name for s in _ALL if s.runs_if_asked}
    return tuple(name for name in ROLES if name not in unavailable or instance.is_alive(name))


def missing() -> dict[str, str]:
    """The services of monitoring that cannot run here, and why."""
    found = {service.name: service.hindrance() for service in _ALL}
    return {name: why for name, why in found.items() if why}


def ports_of(service: str) -> tuple[str, ...]:
    """Names of the ports a service listens on."""
    return tuple(_BY_NAME[service].ports)


def how_to_start(instance: Instance, service: str, parts: Parts, java_: Java) -> Start:
    """Write the service's settings and return how it is started."""
    return _BY_NAME[service].how_to_start(instance, parts, java_)


def output_file(instance: Instance, service: str) -> Path:
    """What the process printed: for a JVM, only what went wrong before its log was open."""
    return jvm.output_file(instance, service) if service in JVMS else log_file(instance, service)


def archive(service: str, parts: Parts, java_: Java) -> Path:
    """The class archive of a Java process."""
    class_path = _BY_NAME[service].class_path
    return jvm.archive(service, class_path(parts) if class_path else (), parts, java_)


def answers(instance: Instance, service: str) -> bool:
    """Whether the service answers as it should; looks for at most about two seconds.

    What another process answers at its port, an older one's or another checkout's, is not its answer.
    """
    process = instance.processes.get(service)
    if not running.is_alive(process) or not _BY_NAME[service].answers(instance):
        return False
    return running.listens(process, [instance.ports[name] for name in ports_of(service)])


def last_lines(instance: Instance, service: str, lines: int) -> str:
    """The end of a service's log: of what it printed when it never came to write one."""
    for path in (log_file(instance, service), output_file(instance, service)):
        text = logs.last_lines(path, lines)
        if text.strip():
            return text
    return ""
