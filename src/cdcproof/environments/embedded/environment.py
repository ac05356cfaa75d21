"""The embedded pipeline as an environment for the checks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from time import time

from cdcproof.core.errors import CouldNotLookError
from cdcproof.environments import disk, log_times
from cdcproof.environments.base import FileSystem, ServiceState
from cdcproof.environments.embedded import connectors, folders, passwords, services, state
from cdcproof.environments.embedded.processes import thread_dumps
from cdcproof.environments.embedded.services import postgres_cluster, programs
from cdcproof.environments.embedded.state import Instance
from cdcproof.pipeline.model import Account, HttpService, Pipeline


class Embedded:
    """An instance of the embedded pipeline: `instance`, else $CDCPROOF_INSTANCE, else ``default``."""

    name = "embedded"

    def __init__(self, instance: str | None = None) -> None:
        self.instance_name = folders.instance_name(instance)

    def running(self) -> AbstractContextManager[None]:
        """Nothing is started or stopped for a look."""
        return nullcontext()

    def locate(self, pipeline: Pipeline) -> Pipeline:
        """The pipeline at the instance's addresses; its passwords are put into the environment unless they are there.

        Raises `UsageError` when the instance was never started, or was stopped.
        """
        instance = self._instance()
        passwords.export(instance)
        exporters = {
            "reconciliation_url": instance.url("exporter-reconciliation", "/metrics"),
            "connect_url": instance.url("exporter-connect", "/metrics"),
        }
        located = {
            "source": pipeline.source.model_copy(update={"port": instance.ports["postgres-source"]}),
            "target": pipeline.target.model_copy(update={"port": instance.ports["postgres"]}),
            "connect": pipeline.connect.model_copy(update={"url": instance.url("kafka-connect")}),
            "kafka": pipeline.kafka.model_copy(update={"bootstrap_servers": instance.address("kafka")}),
            "registry": HttpService(url=instance.url("schema-registry", "/apis/ccompat/v7")),
            "exporters": pipeline.exporters.model_copy(update=exporters),
            "tables": tuple(
                table.model_copy(update={"topic": f"{instance.topic_prefix}.{table.source}"})
                for table in pipeline.tables
            ),
            "paths": pipeline.paths.model_copy(
                update={
                    "backups": instance.folders.backups,
                    "connectors": pipeline.paths.connectors or connectors.files(instance),
                    "volumes": _volumes(instance),
                    "reconciliation_reports": _own(instance, pipeline.paths.reconciliation_reports),
                    "baselines": _own(instance, pipeline.paths.baselines),
                }
            ),
        }
        superuser = Account(user=postgres_cluster.SUPERUSER, password_env=passwords.SUPERUSER_VARIABLE)
        located["backup"] = pipeline.backup.model_copy(update={"source": superuser, "target": superuser})
        running = services.wanted(instance)
        located |= {name: HttpService(url=instance.url(name)) for name in programs.PROGRAMS if name in running}
        return pipeline.model_copy(update=located)

    def header(self, pipeline: Pipeline) -> list[str]:
        """What runs here, and how it differs from production."""
        del pipeline
        return [
            f"embedded pipeline {self.instance_name!r}: local processes, no containers",
            "source: PostgreSQL 18 through Debezium's PostgreSQL connector, where production has SQL Server",
            "Kafka 3.9.2 with ZooKeeper, Kafka Connect, Debezium 3.4.0 (JDBC sink), Apicurio Registry 3.0.9",
            "records: Avro through the schema registry, by Apicurio's converter",
        ]

    def services(self, pipeline: Pipeline) -> tuple[ServiceState, ...]:
        """The state of every service the pipeline names."""
        return self.states(tuple(service.name for service in pipeline.services))

    def every_service(self) -> tuple[str, ...]:
        """Every service that the instance is to have, monitoring too where it was asked for."""
        return services.wanted(self._instance())

    def states(self, names: tuple[str, ...]) -> tuple[ServiceState, ...]:
        """The state of the services of these names, looked at side by side."""
        instance = self._instance()
        with ThreadPoolExecutor(max(1, len(names))) as pool:
            return tuple(pool.map(lambda name: _state(instance, name), names))

    def logs(self, pipeline: Pipeline, service: str, lines: int = 50, since: float = 0.0) -> str:
        """The last lines of the service's log, also of a pipeline that was stopped. Raises `CouldNotLookError` where there is none."""
        del pipeline
        instance = state.load(self.instance_name) or self._instance()  # it can be read when all is stopped
        if service not in services.ROLES:
            raise CouldNotLookError(f"The embedded pipeline has no service {service!r}, so there is no log of it.")
        passwords.of(instance)  # the scrubber knows them from now on, also where nobody has located the pipeline
        text = services.last_lines(instance, service, lines)
        return log_times.since(text, since) if since else text

    def thread_dump(self, pipeline: Pipeline, service: str) -> str:
        """By SIGQUIT, upon which Java prints it where its output goes."""
        del pipeline
        instance = self._instance()
        if service not in services.JVMS:
            raise CouldNotLookError(f"{service} is no Java process of the embedded pipeline.")
        return thread_dumps.take(instance, service)

    def restart_command(self, service: str) -> tuple[str, ...]:
        """First read the log, then restart."""
        return (f"cdcproof logs {service}{self._option}", f"cdcproof restart {service}{self._option}")

    def shell(self, command: str) -> str:
        """After `cdcproof env`, which exports the passwords."""
        return f'eval "$(cdcproof env{self._option})" && {command}'

    @property
    def _option(self) -> str:
        return "" if self.instance_name == folders.DEFAULT_INSTANCE else f" --instance {self.instance_name}"

    def deployment(self, pipeline: Pipeline) -> dict[str, dict[str, str]]:
        """The digest of all parts that the services were started from."""
        return {service.name: {"parts": self._instance().parts} for service in pipeline.services}

    def compose_services(self, pipeline: Pipeline) -> dict[str, str]:  # noqa: ARG002  as every environment
        """None: nothing here is a container."""
        return {}

    def file_systems(self, pipeline: Pipeline, *, walk_seconds: float = disk.WALK_SECONDS) -> tuple[FileSystem, ...]:
        """The state folder with the data, and the backup directory."""
        paths = (*pipeline.paths.volumes, *filter(None, (pipeline.paths.backups,)))
        return tuple(disk.measure(path, walk_seconds=walk_seconds) for path in paths)

    def _instance(self) -> Instance:
        return state.running(self.instance_name)


def _state(instance: Instance, name: str) -> ServiceState:
    role = services.ROLES.get(name)
    if role is None:
        return ServiceState(name, "monitoring", False, None, "the embedded pipeline has no such service")
    process = instance.processes.get(name)
    restarts = instance.restarts_24h(name)
    if process is None or not instance.is_alive(name):
        was = "was not started" if process is None else f"process {process.pid} is gone"
        return ServiceState(name, role, False, None, was, None, restarts)
    answers = services.answers(instance, name)
    port = instance.ports[services.ports_of(name)[0]]
    detail = f"process {process.pid}, port {port}" + ("" if answers else " does not answer")
    return ServiceState(name, role, True, answers, detail, max(0.0, time() - process.started), restarts)


def _own(instance: Instance, configured: Path) -> Path:
    """The runbook's place for the one instance most people have; a further one keeps its files to itself."""
    return configured if instance.name == folders.DEFAULT_INSTANCE else instance.folders.state / configured.name


def _volumes(instance: Instance) -> tuple[Path, ...]:
    folder = instance.folders
    return (folder.state,) if folder.postgres.is_relative_to(folder.state) else (folder.state, folder.postgres)
