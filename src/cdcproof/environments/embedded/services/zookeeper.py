"""ZooKeeper: keeps what the broker of Kafka knows about itself."""

from __future__ import annotations

from pathlib import Path

from cdcproof.environments import greetings
from cdcproof.environments.embedded.artifacts import Parts
from cdcproof.environments.embedded.processes.ports import HOST, ask
from cdcproof.environments.embedded.services import jvm
from cdcproof.environments.embedded.services.java import Java
from cdcproof.environments.embedded.services.service import Service, Start
from cdcproof.environments.embedded.state import Instance

NAME = "zookeeper"


def _class_path(parts: Parts) -> tuple[Path, ...]:
    return parts.kafka_jars


def _start(instance: Instance, parts: Parts, java_: Java) -> Start:
    program = jvm.Program(NAME, _class_path(parts), heap_mebibytes=64)
    main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    return jvm.start_of_kafka(instance, program, parts, java_, main=main, settings=_settings(instance))


def _answers(instance: Instance) -> bool:
    return ask(instance.ports[NAME], greetings.ZOOKEEPER) == b"imok"


def _settings(instance: Instance) -> dict[str, object]:
    """zoo.cfg."""
    return {
        "dataDir": instance.folders.data / "zookeeper",
        "clientPortAddress": HOST,
        "clientPort": instance.ports[NAME],
        # sessions last at least two ticks, and a killed broker's must end before it can come back
        "tickTime": 500,
        "admin.enableServer": "false",
        "4lw.commands.whitelist": "ruok",
        "autopurge.purgeInterval": 24,
        "forceSync": "no",
    }


ZOOKEEPER = Service(NAME, "zookeeper", {NAME: None}, _start, _answers, class_path=_class_path)
