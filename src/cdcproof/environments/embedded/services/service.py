"""What a service of the pipeline says about itself: one value for each daemon, in the daemon's own file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cdcproof.clients.http import Http
from cdcproof.core.errors import CouldNotLookError
from cdcproof.environments.embedded.artifacts import Parts
from cdcproof.environments.embedded.folders import Account
from cdcproof.environments.embedded.processes.ports import accepts
from cdcproof.environments.embedded.services.java import Java
from cdcproof.environments.embedded.state import Instance
from cdcproof.pipeline.model import Role

_LOOK_SECONDS = (1.0, 2.0)


@dataclass(frozen=True)
class Start:
    """How a process is started."""

    argv: list[str]
    log: Path
    """Where what it prints goes."""
    account: Account | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = Path("/")
    limit_log: bool = True
    """False for a service that itself limits the log it writes, and prints next to nothing."""


def nothing() -> str:
    """Nothing hinders it."""
    return ""


@dataclass(frozen=True)
class Service:
    """A daemon of the pipeline."""

    name: str
    role: Role
    ports: Mapping[str, int | None]
    """Names of the ports it listens on, and the number that is preferred, if any. The first one is asked for an answer."""
    how_to_start: Callable[[Instance, Parts, Java], Start]
    """Writes its configuration, and returns its command line and where its output goes."""
    answers: Callable[[Instance], bool]
    """Whether something at its port answers as it would; looks for at most about two seconds."""
    class_path: Callable[[Parts], tuple[Path, ...]] | None = None
    """The jars it starts from, in order; None for what is no Java process."""
    is_core: bool = True
    """Whether nothing replicates without it."""
    runs_if_asked: bool = False
    """Whether it runs only where monitoring was asked for."""
    hindrance: Callable[[], str] = nothing
    """Why it cannot run on this machine; empty when it can."""


def log_file(instance: Instance, service: str) -> Path:
    """The log of a service."""
    return instance.folders.logs / f"{service}.log"


def answers_http(port: str, path: str) -> Callable[[Instance], bool]:
    """The look at a service that answers HTTP requests for `path` at the port of that name."""

    def look(instance: Instance) -> bool:
        if not accepts(instance.ports[port]):  # a tenth of the time of an HTTP request that is refused
            return False
        try:
            Http(port, f"http://{instance.address(port)}", timeout_seconds=_LOOK_SECONDS).get_text(path)
        except CouldNotLookError:
            return False
        return True

    return look
