"""The operator's own pipeline, by address.

Services are looked at through the container engine where they are containers, else at their endpoints.
Nothing here changes anything.
"""

from __future__ import annotations

import shlex
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial

from cdcproof.clients.containers.engine import Container, Engine, restarts_24h
from cdcproof.core.errors import ConfigError, CouldNotLookError
from cdcproof.core.patience import stretched
from cdcproof.core.waiting import side_by_side
from cdcproof.environments.base import FileSystem, ServiceState
from cdcproof.environments.disk import WALK_SECONDS, measure
from cdcproof.environments.endpoints import Answer, probe
from cdcproof.environments.greetings import greeting
from cdcproof.pipeline.model import Pipeline, Service

_LOOK_SECONDS = 3.0
_DAY_SECONDS = 86_400


class Live:
    """Implements `environments.base.Environment` over what the pipeline file names."""

    name = "live"

    def __init__(self) -> None:
        self.container_names: dict[str, str] = {}
        self.compose_names: dict[str, str] = {}

    def running(self) -> AbstractContextManager[None]:
        """Nothing is started or stopped for a look."""
        return nullcontext()

    def locate(self, pipeline: Pipeline) -> Pipeline:
        """The pipeline as it is; notes the containers' names for `restart_command`."""
        self.container_names = {s.name: s.container for s in pipeline.services if s.container}
        return pipeline

    def header(self, pipeline: Pipeline) -> list[str]:
        """Where the two databases and Connect are, and by what the pipeline file names the services."""
        ends = [f"{d.type} {d.host}:{d.port}/{d.database}" for d in (pipeline.source, pipeline.target)]
        contained = sum(service.container is not None for service in pipeline.services)
        return [
            f"{pipeline.name}: {ends[0]} to {ends[1]}, Kafka Connect {pipeline.connect.url}",
            f"services: {contained} named by a container, {len(pipeline.services) - contained} by an address alone",
        ]

    def services(self, pipeline: Pipeline) -> tuple[ServiceState, ...]:
        """Every expected service, from the engine if it names a container, else from its endpoint.

        Raises `ConfigError` for a service with neither, and `CouldNotLookError` when the engine does not answer
        and a container has no endpoint to fall back on.
        """
        for service in pipeline.services:
            if not service.container and not service.endpoint:
                raise ConfigError(
                    f"services: {service.name} has neither a container nor an endpoint, so it cannot be looked at.",
                    'Add endpoint = "tcp://host:port" (or http://…), or container = "name", to it.',
                )
        named = [s.container for s in pipeline.services if s.container]
        try:
            known = _look_at_containers(named) if named else {}
            for service in pipeline.services:
                if service.container in known:
                    found = known[service.container][0]
                    self.container_names[service.name] = found.name
                    self.compose_names[service.name] = found.service or service.name
            without_engine = ""
        except CouldNotLookError as error:
            blind = [s.name for s in pipeline.services if s.container and not s.endpoint]
            if blind:
                raise CouldNotLookError(
                    f"The services {', '.join(blind)} could not be looked at. {error.message}", error.remedy
                ) from None
            known, without_engine = {}, "; the container engine could not be asked"
        by_address = [s for s in pipeline.services if not s.container or without_engine]
        seconds = stretched(_LOOK_SECONDS)
        jobs = {s.name: partial(probe, s.endpoint or "", greeting(s, pipeline), s.ca_file) for s in by_address}
        answers = side_by_side(jobs, seconds)
        no_answer = Answer(up=False, healthy=None, detail=f"no answer within {seconds:.0f} s")
        return tuple(
            _by_address(s, answers.get(s.name, no_answer), without_engine if s.container else "")
            if s in by_address
            else _by_container(s, known)
            for s in pipeline.services
        )

    def logs(self, pipeline: Pipeline, service: str, lines: int = 50, since: float = 0.0) -> str:
        """The last lines of a container's log, redacted."""
        container = _container_of(pipeline, service)
        if not container:
            raise CouldNotLookError(
                f"The log of {service} cannot be read: the pipeline file names no container for it.",
                f"Read it on its own machine (journalctl -u {service} -n {lines}), or name its container.",
            )
        with Engine() as engine:
            found = engine.containers([container]).get(container)
            return engine.logs(found.name if found else container, lines, since)

    def thread_dump(self, pipeline: Pipeline, service: str) -> str:
        """By `jstack` in the container: nothing but a thread dump can come of it."""
        container = _container_of(pipeline, service)
        if not container:
            raise CouldNotLookError(
                f"The threads of {service} cannot be looked at: the pipeline file names no container for it.",
                f"On its own machine: jstack $(systemctl show --property MainPID --value {service})",
            )
        with Engine() as engine:
            found = engine.containers([container]).get(container)
            return engine.thread_dump(found.name if found else container)

    def restart_command(self, service: str) -> tuple[str, ...]:
        """The runbook's two commands; advice for a service that is no container, of which only the address is known."""
        if service not in self.container_names:
            return (
                f"# read the log of {service} on its own machine: journalctl -u {service} -n 50",
                f"# and restart it there: systemctl restart {service}",
            )
        return (
            log_command(self.container_names[service]),
            f"docker compose restart {shlex.quote(self.compose_names.get(service, service))}",
        )

    def shell(self, command: str) -> str:
        """As it is."""
        return command

    def deployment(self, pipeline: Pipeline) -> dict[str, dict[str, str]]:
        """Settings of the containers that the pipeline file names; one that does not exist has none."""
        return {service: container.settings.as_dict() for service, container in _containers(pipeline).items()}

    def compose_services(self, pipeline: Pipeline) -> dict[str, str]:
        """Names in the compose files, of containers that compose made."""
        return {name: found.service for name, found in _containers(pipeline).items() if found.service}

    def file_systems(self, pipeline: Pipeline, *, walk_seconds: float = WALK_SECONDS) -> tuple[FileSystem, ...]:
        """The backup directory, the volumes that the pipeline file names, and the containers' data mounts.

        Raises `CouldNotLookError` when a path cannot be read, or when there is nothing to look at.
        """
        paths = [*pipeline.paths.volumes, *([pipeline.paths.backups] if pipeline.paths.backups else [])]
        found = [measure(path, walk_seconds=walk_seconds) for path in paths]
        named = [s.container for s in pipeline.services if s.container]
        if named:
            try:
                found += _mounts(named, walk_seconds)
            except CouldNotLookError:
                # volumes that are named by path stand in for the mounts that cannot be reached
                if not pipeline.paths.volumes:
                    raise
        if not found:
            raise CouldNotLookError(
                "There is no directory whose disk use could be looked at.",
                "Name the directories that hold data as volumes, and the backup directory as backups, in [paths].",
            )
        return tuple(found)


def _container_of(pipeline: Pipeline, service: str) -> str | None:
    return next((s.container for s in pipeline.services if s.name == service), None)


def log_command(container: str) -> str:
    """The runbook's look at a container's log."""
    return f"docker logs {shlex.quote(container)} --tail 50"


def _containers(pipeline: Pipeline) -> dict[str, Container]:
    """By service, the containers that the pipeline file names and the engine has."""
    named = {service.name: service.container for service in pipeline.services if service.container}
    if not named:
        return {}
    with Engine() as engine:
        found = engine.containers(frozenset(named.values()))
    return {service: found[container] for service, container in named.items() if container in found}


def _look_at_containers(names: list[str]) -> dict[str, tuple[Container, int | None]]:
    now = time.time()
    with Engine() as engine:
        starts = engine.starts(now - _DAY_SECONDS)
        return {
            name: (container, restarts_24h(container, starts.get(container.name, 0), now))
            for name, container in engine.containers(names).items()
        }


def _by_container(service: Service, known: dict[str, tuple[Container, int | None]]) -> ServiceState:
    if service.container not in known:
        return ServiceState(
            service.name,
            service.role,
            up=False,
            healthy=None,
            detail=f"the container engine knows no container {service.container}",
        )
    container, restarts = known[service.container]
    now = time.time()
    return ServiceState(
        name=service.name,
        role=service.role,
        up=container.running,
        healthy=container.healthy if container.running else None,
        detail=_in_words(container, now),
        uptime_seconds=max(0.0, now - container.started_at) if container.running and container.started_at else None,
        restarts_24h=restarts,
    )


def _in_words(container: Container, now: float) -> str:
    if not container.running:
        ended = f", {(now - container.finished_at) / 60:,.0f} min ago" if container.finished_at else ""
        return f"container {container.name} is {container.state} (exit status {container.exit_code}){ended}"
    health = "" if container.healthy is None else f", health check: {container.health}"
    restarts = f", {container.restart_count} restarts by its policy" if container.restart_count else ""
    return f"container {container.name} is running{health}{restarts}"


def _by_address(service: Service, answer: Answer, note: str) -> ServiceState:
    return ServiceState(
        service.name, service.role, up=answer.up, healthy=answer.healthy, detail=f"{answer.detail}{note}"
    )


def _mounts(names: list[str], walk_seconds: float) -> list[FileSystem]:
    with Engine() as engine:
        return [
            replace(seen, path=f"{container.name}:{seen.path}")
            for container in engine.containers(names).values()
            for seen in _from_outside(engine, container, walk_seconds) or _from_inside(engine, container)
        ]


def _from_outside(engine: Engine, container: Container, walk_seconds: float) -> list[FileSystem]:
    """Works for a stopped container too, and knows what takes the space; empty where this account may not look."""
    if not engine.is_local:
        return []  # its paths are on another machine
    try:
        return [
            replace(measure(mount.host_directory, walk_seconds=walk_seconds), path=mount.path)
            for mount in container.mounts
        ]
    except CouldNotLookError:
        return []


def _from_inside(engine: Engine, container: Container) -> list[FileSystem]:
    if container.mounts and not container.running:
        raise CouldNotLookError(
            f"The disk use of the volumes of {container.name} cannot be measured while it is {container.state}.",
            f"Start it, or name its directories as paths.volumes: {container.mounts[0].host_directory}",
        )
    return [
        FileSystem(use.path, use.used_percent, use.inodes_used_percent, use.free_bytes, use.total_bytes)
        for use in engine.use_of(container)
    ]
