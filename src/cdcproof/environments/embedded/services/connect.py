"""Kafka Connect: one worker, with Debezium's connectors and Apicurio's converter on its class path."""

from __future__ import annotations

from pathlib import Path

from cdcproof.environments.embedded.artifacts import Parts
from cdcproof.environments.embedded.processes.ports import HOST
from cdcproof.environments.embedded.services import jvm
from cdcproof.environments.embedded.services.java import Java
from cdcproof.environments.embedded.services.service import Service, Start, answers_http
from cdcproof.environments.embedded.state import Instance

NAME = "kafka-connect"


def _class_path(parts: Parts) -> tuple[Path, ...]:
    return parts.connect_jars


def _start(instance: Instance, parts: Parts, java_: Java) -> Start:
    program = jvm.Program(NAME, _class_path(parts), heap_mebibytes=256)
    main = "org.apache.kafka.connect.cli.ConnectDistributed"
    return jvm.start_of_kafka(instance, program, parts, java_, main=main, settings=_settings(instance))


def _settings(instance: Instance) -> dict[str, object]:
    """The worker's properties."""
    storage = {
        f"{kind}.storage.{key}": value
        for kind in ("config", "offset", "status")
        for key, value in {"topic": f"connect-{kind}s", "replication.factor": 1, "partitions": 1}.items()
        if (kind, key) != ("config", "partitions")
    }
    return {
        "bootstrap.servers": instance.address("kafka"),
        "group.id": "connect-cluster",
        "listeners": instance.url(NAME),
        "rest.advertised.host.name": HOST,
        "plugin.discovery": "service_load",
        **storage,
        "offset.flush.interval.ms": 1000,
        "fetch.max.wait.ms": 2000,  # of the worker's own topics: an idle worker asks seldom, a new record comes at once
        "key.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        # connectors name their passwords, only the worker can read them
        "config.providers": "file",
        "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
        "config.providers.file.param.allowed.paths": instance.folders.secrets,
        "connector.client.config.override.policy": "All",
        # a killed worker is missed after 3 s, not after 45
        "session.timeout.ms": 3000,
        "heartbeat.interval.ms": 1000,
        "consumer.session.timeout.ms": 3000,
        "consumer.heartbeat.interval.ms": 1000,
        "scheduled.rebalance.max.delay.ms": 0,
        "reconnect.backoff.max.ms": 100,  # at a start it waits for the broker
        "producer.reconnect.backoff.max.ms": 500,
        "consumer.reconnect.backoff.max.ms": 500,
        "admin.reconnect.backoff.max.ms": 500,
    }


CONNECT = Service(NAME, "connect", {NAME: None}, _start, answers_http(NAME, "/connectors"), class_path=_class_path)
