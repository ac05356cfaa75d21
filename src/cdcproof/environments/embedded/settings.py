"""The configuration files of the services. What each setting is for stands beside it where its name does not say it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from cdcproof.environments.embedded.ports import HOST
from cdcproof.environments.embedded.state import Instance

_LOG_MEBIBYTES = 10
"""A service's log is turned over at this size; one older file is kept."""


def zookeeper(instance: Instance) -> dict[str, object]:
    """zoo.cfg."""
    return {
        "dataDir": instance.folders.data / "zookeeper",
        "clientPortAddress": HOST,
        "clientPort": instance.ports["zookeeper"],
        # sessions last at least two ticks, and a killed broker's must end before it can come back
        "tickTime": 500,
        "admin.enableServer": "false",
        "4lw.commands.whitelist": "ruok",
        "autopurge.purgeInterval": 24,
        "forceSync": "no",
    }


def kafka(instance: Instance) -> dict[str, object]:
    """server.properties."""
    return {
        "broker.id": 1,
        "listeners": f"PLAINTEXT://{instance.address('kafka')}",
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


def connect(instance: Instance) -> dict[str, object]:
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
        "listeners": instance.url("kafka-connect"),
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


def log4j(log: Path) -> dict[str, object]:
    """Logging of ZooKeeper, Kafka and Kafka Connect, limited in size."""
    return {
        "log4j.rootLogger": "INFO, file",
        "log4j.appender.file": "org.apache.log4j.RollingFileAppender",
        "log4j.appender.file.File": log,
        "log4j.appender.file.MaxFileSize": f"{_LOG_MEBIBYTES}MB",
        "log4j.appender.file.MaxBackupIndex": 1,
        "log4j.appender.file.layout": "org.apache.log4j.PatternLayout",
        "log4j.appender.file.layout.ConversionPattern": "%d{ISO8601} %-5p %c{2} %m%n",
        # these print every setting, or everything there is, at every start
        "log4j.logger.org.apache.kafka.clients": "WARN",
        "log4j.logger.org.apache.kafka.common.config": "WARN",
        "log4j.logger.org.apache.kafka.connect.runtime.isolation": "WARN",
        "log4j.logger.kafka.server.KafkaConfig": "WARN",
        "log4j.logger.kafka.log": "WARN",
        "log4j.logger.io.debezium.connector.jdbc.dialect": "WARN",
        "log4j.logger.org.hibernate": "WARN",
        "log4j.logger.com.mchange": "WARN",
    }


def registry(instance: Instance, log: Path) -> dict[str, object]:
    """System properties of the schema registry. It keeps its schemas in a file, so that they outlive it."""
    database = instance.folders.data / "schema-registry"
    return {
        "quarkus.http.host": HOST,
        "quarkus.http.port": instance.ports["schema-registry"],
        "apicurio.datasource.url": f"jdbc:h2:file:{database};DB_CLOSE_ON_EXIT=FALSE",
        # by default it opens 20 connections at once, and gives up when the first is not there after 5 s
        "apicurio.datasource.jdbc.initial-size": 1,
        "apicurio.datasource.jdbc.min-size": 1,
        "quarkus.datasource.h2.jdbc.acquisition-timeout": "60S",
        "quarkus.banner.enabled": "false",
        "quarkus.log.console.enable": "false",
        "quarkus.log.file.enable": "true",
        "quarkus.log.file.path": log,
        "quarkus.log.file.rotation.max-file-size": f"{_LOG_MEBIBYTES}M",
        "quarkus.log.file.rotation.max-backup-index": 1,
    }


def postgres(instance: Instance, service: str) -> dict[str, object]:
    """postgresql.conf of one of the two servers."""
    common: dict[str, object] = {
        "listen_addresses": HOST,
        "port": instance.ports[service],
        "unix_socket_directories": "",
        "cluster_name": f"cdcproof-{instance.name}-{service}",
        "max_connections": 60,
        "shared_buffers": "32MB",
        "jit": "off",
        "fsync": "off",
        "full_page_writes": "off",
        "max_wal_size": "256MB",
        "wal_recycle": "off",
        "wal_init_zero": "off",
        "log_line_prefix": "%m [%p] %u@%d ",
        "log_min_error_statement": "panic",  # a statement may hold values
        "log_checkpoints": "off",
        "log_replication_commands": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "io_method": "sync",
    }
    if service == "postgres-source":
        # a connector that stays away must not fill the disk; the slot is then lost, which the checks tell
        return {**common, "wal_level": "logical", "max_slot_wal_keep_size": "2GB", "wal_sender_timeout": "10s"}
    return common


def write_properties(path: Path, settings: Mapping[str, object]) -> Path:
    """A Java properties file."""
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()), encoding="utf-8")
    return path


def write_postgres(path: Path, settings: Mapping[str, object]) -> Path:
    """A postgresql.conf."""
    path.write_text("".join(f"{key} = '{value}'\n" for key, value in settings.items()), encoding="utf-8")
    return path


def write_json(path: Path, settings: Mapping[str, object]) -> Path:
    """A JSON file."""
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    return path
