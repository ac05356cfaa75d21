"""The Java processes of the pipeline: the command line that they share, their class archives and their logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cdcproof.environments.embedded.artifacts import Parts
from cdcproof.environments.embedded.services import class_archives, java
from cdcproof.environments.embedded.services.java import Java
from cdcproof.environments.embedded.services.service import Start, log_file
from cdcproof.environments.embedded.state import Instance

LOG_MEBIBYTES = 10
"""A service's log is turned over at this size; one older file is kept."""


@dataclass(frozen=True)
class Program:
    """What a Java process starts from."""

    service: str
    jars: tuple[Path, ...]
    heap_mebibytes: int


def output_file(instance: Instance, service: str) -> Path:
    """What the process printed: only what went wrong before its log was open."""
    return instance.folders.logs / f"{service}.out"


def archive(service: str, jars: tuple[Path, ...], parts: Parts, java_: Java) -> Path:
    """The service's class archive."""
    return class_archives.path(service, f"{parts.digest}-{java_.slug}", jars)


def flags(instance: Instance, program: Program, parts: Parts, java_: Java) -> list[str]:
    """The command line up to what is to run."""
    archive_file = archive(program.service, program.jars, parts, java_)
    archive_file.parent.mkdir(parents=True, exist_ok=True)
    flags_ = java.flags(
        java_,
        heap_mebibytes=program.heap_mebibytes,
        archive=archive_file,
        unfinished=class_archives.unfinished(archive_file, instance.name),
        log=log_file(instance, program.service),
    )
    return [*flags_, "-Duser.timezone=UTC"]


def start(instance: Instance, service: str, argv: list[str]) -> Start:
    """Start it so: it writes its log itself."""
    return Start(argv, output_file(instance, service), limit_log=False, cwd=instance.folders.data)


def start_of_kafka(
    instance: Instance, program: Program, parts: Parts, java_: Java, *, main: str, settings: Mapping[str, object]
) -> Start:
    """Start a program of Kafka's distribution: it reads one properties file, and logs by log4j."""
    folder = instance.folders.settings
    logging = _write_properties(
        folder / f"{program.service}-log4j.properties", _log4j(log_file(instance, program.service))
    )
    argv = [
        *flags(instance, program, parts, java_),
        f"-Dlog4j.configuration=file:{logging}",
        "-cp",
        ":".join(map(str, program.jars)),
        main,
        str(_write_properties(folder / f"{program.service}.properties", settings)),
    ]
    return start(instance, program.service, argv)


def _log4j(log: Path) -> dict[str, object]:
    """Logging of ZooKeeper, Kafka and Kafka Connect, limited in size."""
    return {
        "log4j.rootLogger": "INFO, file",
        "log4j.appender.file": "org.apache.log4j.RollingFileAppender",
        "log4j.appender.file.File": log,
        "log4j.appender.file.MaxFileSize": f"{LOG_MEBIBYTES}MB",
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


def _write_properties(path: Path, settings: Mapping[str, object]) -> Path:
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()), encoding="utf-8")
    return path
