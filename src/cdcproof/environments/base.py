"""The contract of an environment: where a pipeline runs, and how its services are listed and read."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from cdcproof.pipeline.model import Pipeline, Role


@dataclass(frozen=True)
class ServiceState:
    """What was seen of one service.

    `healthy` is None where the service has no health check. `restarts_24h` and `uptime_seconds` are None
    where the environment cannot know them (an address without a container engine).
    """

    name: str
    role: Role
    up: bool
    healthy: bool | None
    detail: str
    uptime_seconds: float | None = None
    restarts_24h: int | None = None

    @property
    def verdict(self) -> str:
        """``up``, ``up, unhealthy`` or ``down``: the word that checks compare."""
        if not self.up:
            return "down"
        return "up, unhealthy" if self.healthy is False else "up"


@dataclass(frozen=True)
class Taken:
    """The bytes an entry takes on disk; `at_least` where there was no time to count all of it."""

    entry: str
    size_bytes: int
    at_least: bool = False


@dataclass(frozen=True)
class FileSystem:
    """Use of the file system that holds `path`, in percent as `df` counts it; inodes None where it has none."""

    path: str
    used_percent: float
    inodes_used_percent: float | None
    free_bytes: int
    total_bytes: int
    biggest: tuple[Taken, ...] = ()
    """What takes the space below `path`, largest first."""


@dataclass(frozen=True)
class BackupFile:
    """A file, by its path below the directory; `changed_at` is in Unix seconds, `disk_bytes` what it takes."""

    path: str
    changed_at: float
    size_bytes: int
    disk_bytes: int


class Environment(Protocol):
    """Where a pipeline runs. `live`, `compose` and `embedded` implement it."""

    name: str

    def running(self) -> AbstractContextManager[None]:
        """Within it the pipeline can be looked at: `compose` starts what is not up and stops what it started."""
        ...

    def locate(self, pipeline: Pipeline) -> Pipeline:
        """The pipeline with the addresses at which this environment serves it (unchanged for `live`)."""
        ...

    def header(self, pipeline: Pipeline) -> list[str]:
        """Lines for the top of every report: what runs here, and how it differs from production."""
        ...

    def services(self, pipeline: Pipeline) -> tuple[ServiceState, ...]:
        """The state of every expected service, all looked at side by side, each within 3 seconds, or somewhat later on a busy machine.

        A service that does not answer is `up=False`. Raises `CouldNotLookError` when the thing that
        lists services (the container engine) cannot be asked.
        """
        ...

    def logs(self, pipeline: Pipeline, service: str, lines: int = 50, since: float = 0.0) -> str:
        """The last lines of a service's log, of those that were written since then (Unix seconds).

        Raises `CouldNotLookError` where there is none to read.
        """
        ...

    def thread_dump(self, pipeline: Pipeline, service: str) -> str:
        """What each thread of a service's Java process does now. Raises `CouldNotLookError` where it cannot be had from here."""
        ...

    def restart_command(self, service: str) -> tuple[str, ...]:
        """What an operator can paste: first to read the log, then to restart the service; advice behind a ``#``."""
        ...

    def shell(self, command: str) -> str:
        """The command as it can be pasted: where an operator does not know the databases' passwords, after what gives them."""
        ...

    def deployment(self, pipeline: Pipeline) -> dict[str, dict[str, str]]:
        """Service to how it is deployed: its container's settings, or its parts' version. Secrets are in it.

        Empty where no service has a container. Raises `CouldNotLookError` when the container engine cannot be asked.
        """
        ...

    def compose_services(self, pipeline: Pipeline) -> dict[str, str]:
        """Service to its name in the compose files, where the container engine knows it; errors as `deployment`."""
        ...

    def file_systems(self, pipeline: Pipeline, *, walk_seconds: float = 2.0) -> tuple[FileSystem, ...]:
        """The file systems of the data volumes and of the backup directory; for so long it is counted what takes the space.

        Raises `CouldNotLookError` for a path that does not exist or cannot be read.
        """
        ...
