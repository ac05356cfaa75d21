"""The pipeline of the project's compose files, driven through testcontainers.

Which files: those of ``COMPOSE_FILE``, as for `docker compose` itself, else docker-compose.yml, in the working directory.
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from testcontainers.compose import DockerCompose

from cdcproof.clients.containers.engine import Container, Engine
from cdcproof.core.errors import CouldNotLookError, OperationError, UnreachableError
from cdcproof.core.progress import Progress
from cdcproof.core.secrets import scrub
from cdcproof.core.waiting import side_by_side, wait_until
from cdcproof.environments.base import FileSystem, ServiceState
from cdcproof.environments.disk import WALK_SECONDS
from cdcproof.environments.live import Live, log_command
from cdcproof.pipeline.model import Database, HttpService, Pipeline

_DEFAULT_FILE = "docker-compose.yml"
_HOST = "127.0.0.1"
_COMMAND_SECONDS = 900.0
"""`docker compose up` may first have to pull or build every image."""
_HEALTHY_SECONDS = 300.0
_QUESTION_SECONDS = 20.0
_LONGEST_QUOTE_LINES = 5

# it logs what our own errors report
logging.getLogger("testcontainers.compose").setLevel(logging.CRITICAL)


class Compose:
    """Implements `environments.base.Environment` over compose files.

    A stack that is up is used as it is; only one that this object started is stopped by it.
    """

    name = "compose"

    def __init__(self, files: tuple[Path, ...] = (), project_folder: Path | None = None) -> None:
        self.folder = (project_folder or Path.cwd()).resolve()
        self.files = files or _files_of_environment()
        self._live = Live()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Within it the stack is up and healthy; afterwards it is as it was before.

        Raises `OperationError` when it cannot be started, `CouldNotLookError` without an engine.
        """
        started = self.start()
        try:
            yield
        finally:
            if started:
                self.stop()

    def start(self) -> bool:
        """Start the stack and wait until it is healthy; False when any of it runs already, and nothing was done."""
        if any(container.running for container in self.containers().values()):
            return False
        with Progress() as progress:
            progress.waiting(f"starting {' and '.join(str(f) for f in self.files)}")
            compose = self._driver()
            _command("up", compose.start)
            wait_until(
                self.containers,
                self._all_ready,
                what="every container to be healthy",
                deadline_seconds=_HEALTHY_SECONDS,
                interval_seconds=0.5,
                report=lambda seen: progress.waiting(f"waiting for {_not_ready(seen)}"),
            )
            progress.done(f"{len(self.containers())} containers are up")
        return True

    def stop(self, *, remove_data: bool = False) -> None:
        """Stop the stack's containers; with `remove_data`, remove them, their networks and their volumes too."""
        driver = self._driver()
        _command("down" if remove_data else "stop", lambda: driver.stop(down=remove_data))

    def containers(self) -> dict[str, Container]:
        """The stack's containers by service, running or not."""
        with Engine() as engine:
            return engine.of_compose_folder(str(self.folder))

    def locate(self, pipeline: Pipeline) -> Pipeline:
        """The pipeline with each ``service:port`` of the compose network replaced by where it is published here."""
        containers = self.containers()
        if not containers:
            raise UnreachableError(
                f"Nothing of {' and '.join(str(f) for f in self.files)} in {self.folder} is up.",
                f"Start it: {self._command_line('up -d')}",
            )
        located = pipeline.model_copy(
            update={
                "source": _database(pipeline.source, containers),
                "target": _database(pipeline.target, containers),
                "connect": _http(pipeline.connect, containers),
                "registry": _http(pipeline.registry, containers) if pipeline.registry else None,
                "prometheus": _http(pipeline.prometheus, containers) if pipeline.prometheus else None,
                "alertmanager": _http(pipeline.alertmanager, containers) if pipeline.alertmanager else None,
                "pushgateway": _http(pipeline.pushgateway, containers) if pipeline.pushgateway else None,
                "kafka": pipeline.kafka.model_copy(
                    update={
                        "bootstrap_servers": ",".join(
                            _address(server.strip(), containers)
                            for server in pipeline.kafka.bootstrap_servers.split(",")
                        )
                    }
                ),
                "services": tuple(
                    service.model_copy(update={"container": service.container or _name(service.name, containers)})
                    for service in pipeline.services
                ),
            }
        )
        return self._live.locate(located)

    def header(self, pipeline: Pipeline) -> list[str]:
        """Where it runs, and from which files."""
        return [
            *self._live.header(pipeline),
            f"compose files: {', '.join(str(f) for f in self.files)} in {self.folder}",
        ]

    def services(self, pipeline: Pipeline) -> tuple[ServiceState, ...]:
        """Every expected service, as the container engine reports it."""
        return self._live.services(pipeline)

    def logs(self, pipeline: Pipeline, service: str, lines: int = 50, since: float = 0.0) -> str:
        """The last lines of a container's log, redacted."""
        return self._live.logs(pipeline, service, lines, since)

    def thread_dump(self, pipeline: Pipeline, service: str) -> str:
        """By `jstack` in the container."""
        return self._live.thread_dump(pipeline, service)

    def restart_command(self, service: str) -> tuple[str, ...]:
        """The runbook's two commands, with the compose files where they are not the default."""
        container = self._live.container_names.get(service, service)
        return (log_command(container), self._command_line(f"restart {shlex.quote(service)}"))

    def shell(self, command: str) -> str:
        """As it is."""
        return command

    def deployment(self, pipeline: Pipeline) -> dict[str, dict[str, str]]:
        """Settings of the stack's containers."""
        return self._live.deployment(pipeline)

    def compose_services(self, pipeline: Pipeline) -> dict[str, str]:
        """Names in the compose files, of the stack's containers."""
        return self._live.compose_services(pipeline)

    def file_systems(self, pipeline: Pipeline, *, walk_seconds: float = WALK_SECONDS) -> tuple[FileSystem, ...]:
        """The containers' data mounts, and the directories that the pipeline file names."""
        return self._live.file_systems(pipeline, walk_seconds=walk_seconds)

    def _driver(self) -> DockerCompose:
        # it waits with `up --wait`, which Compose 1 does not know, so we wait ourselves
        return _Driver(self.folder, [str(file) for file in self.files], wait=False)

    def _command_line(self, command: str) -> str:
        chosen = [] if self.files == (Path(_DEFAULT_FILE),) else [f"-f {shlex.quote(str(file))}" for file in self.files]
        return " ".join(["docker compose", *chosen, command])

    def _all_ready(self, containers: Mapping[str, Container]) -> bool:
        for service, container in containers.items():
            if container.state in ("exited", "dead") and container.exit_code != 0:
                with Engine() as engine:
                    log = engine.logs(container.name, _LONGEST_QUOTE_LINES)
                raise OperationError(
                    f"The container of {service} ended with status {container.exit_code}:\n{log}",
                    f"docker logs {container.name}",
                )
        return bool(containers) and not _not_ready(containers)


class _Driver(DockerCompose):
    """Drives `docker compose`, or Compose 1 (`docker-compose`, as in the runbook) where Docker has no such plug-in."""

    @cached_property
    def compose_command_property(self) -> list[str]:
        words: list[str] = super().compose_command_property
        if not shutil.which("docker-compose"):
            return words
        asked = subprocess.run(
            ["docker", "compose", "version"], capture_output=True, check=False, timeout=_QUESTION_SECONDS
        )
        return words if asked.returncode == 0 else ["docker-compose", *words[2:]]


def _not_ready(seen: Mapping[str, Container] | CouldNotLookError) -> str:
    """The services that are not yet what they should be; one that ran once and ended well is."""
    if isinstance(seen, CouldNotLookError):
        return seen.message
    ready = {name for name, c in seen.items() if (c.running and c.healthy is not False) or c.state == "exited"}
    return ", ".join(name for name in seen if name not in ready)


def _command(name: str, run: Callable[[], None]) -> None:
    try:
        done = side_by_side({name: run}, _COMMAND_SECONDS)
    except FileNotFoundError:
        raise UnreachableError(
            "The command docker is not installed, so compose files cannot be started.",
            "Install Docker with its compose plug-in.",
        ) from None
    except subprocess.TimeoutExpired as error:
        raise UnreachableError(f"{' '.join(error.cmd)} does not answer within {error.timeout:g} s.") from None
    except subprocess.CalledProcessError as error:
        printed = scrub((error.stderr or error.stdout or b"").decode(errors="replace")).strip().splitlines()
        raise OperationError(
            f"docker compose {name} failed with status {error.returncode}:\n"
            + "\n".join(printed[-_LONGEST_QUOTE_LINES:])
        ) from None
    if name not in done:
        raise OperationError(f"docker compose {name} did not end within {_COMMAND_SECONDS:g} s.")


def _files_of_environment() -> tuple[Path, ...]:
    named = os.environ.get("COMPOSE_FILE", "")
    separator = os.environ.get("COMPOSE_PATH_SEPARATOR", os.pathsep)
    return tuple(Path(name) for name in named.split(separator) if name) or (Path(_DEFAULT_FILE),)


def _name(service: str, containers: Mapping[str, Container]) -> str:
    return containers[service].name if service in containers else service


def _address(address: str, containers: Mapping[str, Container]) -> str:
    """``host:port`` where it is published on this machine, unchanged where it is not."""
    host, _, port = address.rpartition(":")
    published = containers[host].published if host in containers else {}
    return f"{_HOST}:{published[int(port)]}" if port.isdigit() and int(port) in published else address


def _database(database: Database, containers: Mapping[str, Container]) -> Database:
    host, _, port = _address(f"{database.host}:{database.port}", containers).rpartition(":")
    return database.model_copy(update={"host": host, "port": int(port)})


def _http(service: HttpService, containers: Mapping[str, Container]) -> HttpService:
    parts = urlsplit(service.url)
    return service.model_copy(update={"url": parts._replace(netloc=_address(parts.netloc, containers)).geturl()})
