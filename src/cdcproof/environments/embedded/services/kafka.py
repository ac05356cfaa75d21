"""Kafka: the one broker."""

from __future__ import annotations

from pathlib import Path

from cdcproof.environments import greetings
from cdcproof.environments.embedded.artifacts import Parts
from cdcproof.environments.embedded.processes.ports import ask
from cdcproof.environments.embedded.services import jvm
from cdcproof.environments.embedded.services.java import Java
from cdcproof.environments.embedded.services.service import Service, Start
from cdcproof.environments.embedded.state import Instance

NAME = "kafka"


def _class_path(parts: Parts) -> tuple[Path, ...]:
    return parts.kafka_jars


def _start(instance: Instance, parts: Parts, java_: Java) -> Start:
    program = jvm.Program(NAME, _class_path(parts), heap_mebibytes=192)
    return jvm.start_of_kafka(instance, program, parts, java_, main="kafka.Kafka", settings=_settings(instance))


def _answers(instance: Instance) -> bool:
    return bool(ask(instance.ports[NAME], greetings.KAFKA))


def _settings(instance: Instance) -> dict[str, object]:
    """server.properties."""
    return {
        "broker.id": 1,
        "listeners": f"PLAINTEXT://{instance.address(NAME)}",
        "zookeeper.connect": instance.address("zookeeper"),
        "zookeeper.session.timeout.ms": 2000,
        "log.dirs": instance.folders.data / "kafka",
        "num.network.threads": 1,
        "num.io.threads": 2,
        "background.threads": 2,
        "log.cleaner.dedupe.buffer.size": 2_097_152,
        "log.segment.bytes": 67_108_864,
        "log.retention.bytes": 1_073_741_824,
        "log.index.size.max.bytes": 1_048_576,
        "num.partitions": 1,
        "offsets.topic.num.partitions": 1,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 1,
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        "controlled.shutdown.enable": "false",  # there is no other broker to hand anything to
        "socket.request.max.bytes": 104_857_600,
    }


KAFKA = Service(NAME, "kafka", {NAME: None}, _start, _answers, class_path=_class_path)
