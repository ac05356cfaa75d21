"""The schema registry: Apicurio's, which also answers as Confluent's."""

from __future__ import annotations

from pathlib import Path

from cdcproof.environments.embedded.artifacts import Parts
from cdcproof.environments.embedded.processes.ports import HOST
from cdcproof.environments.embedded.services import jvm
from cdcproof.environments.embedded.services.java import Java
from cdcproof.environments.embedded.services.service import Service, Start, answers_http, log_file
from cdcproof.environments.embedded.state import Instance

NAME = "schema-registry"


def _class_path(parts: Parts) -> tuple[Path, ...]:
    return (next(parts.registry.glob("apicurio-registry-app-*-runner.jar")),)


def _start(instance: Instance, parts: Parts, java_: Java) -> Start:
    program = jvm.Program(NAME, _class_path(parts), heap_mebibytes=128)
    properties = [f"-D{key}={value}" for key, value in _settings(instance).items()]
    argv = [*jvm.flags(instance, program, parts, java_), *properties, "-jar", str(*program.jars)]
    return jvm.start(instance, NAME, argv)


def _settings(instance: Instance) -> dict[str, object]:
    """System properties. It keeps its schemas in a file, so that they outlive it."""
    database = instance.folders.data / "schema-registry"
    return {
        "quarkus.http.host": HOST,
        "quarkus.http.port": instance.ports[NAME],
        "apicurio.datasource.url": f"jdbc:h2:file:{database};DB_CLOSE_ON_EXIT=FALSE",
        # by default it opens 20 connections at once, and gives up when the first is not there after 5 s
        "apicurio.datasource.jdbc.initial-size": 1,
        "apicurio.datasource.jdbc.min-size": 1,
        "quarkus.datasource.h2.jdbc.acquisition-timeout": "60S",
        "quarkus.banner.enabled": "false",
        "quarkus.log.console.enable": "false",
        "quarkus.log.file.enable": "true",
        "quarkus.log.file.path": log_file(instance, NAME),
        "quarkus.log.file.rotation.max-file-size": f"{jvm.LOG_MEBIBYTES}M",
        "quarkus.log.file.rotation.max-backup-index": 1,
    }


REGISTRY = Service(
    NAME,
    "registry",
    {NAME: None},
    _start,
    answers_http(NAME, "/apis/ccompat/v7/subjects"),
    class_path=_class_path,
)
