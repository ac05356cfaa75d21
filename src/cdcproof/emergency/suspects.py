"""The services of an incident: what is preserved of each, and how it is frozen. Containers, or the embedded pipeline's processes."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from cdcproof.clients.containers.engine import Engine
from cdcproof.core.errors import OperationError
from cdcproof.core.waiting import wait_until
from cdcproof.environments.base import Environment
from cdcproof.environments.embedded import folders, state
from cdcproof.environments.embedded.processes import running
from cdcproof.environments.embedded.state import Instance
from cdcproof.pipeline.model import Pipeline

_LOG_SECONDS = 300.0
_FREEZE_SECONDS = 5.0
VOLATILE = ("processes.json", "sockets.txt")
"""What is gone first, and therefore kept of all before anything else is."""
Takings = tuple[tuple[str, Callable[[Path], None]], ...]
_IMAGE_SECONDS = 900.0
"""What an image of a container's files may take: all that it has written beside its volumes is copied."""
EVIDENCE = "cdcproof-evidence"
"""The repository of the images that are kept."""


@dataclass(frozen=True)
class Done:
    """What a measure came to, in a sentence, and the commands that take it back."""

    text: str
    undo: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measure:
    """What is done to a service that is frozen: `what` says it before. `act` raises `CdcproofError`."""

    name: str
    what: str
    act: Callable[[], Done]


class Suspect(Protocol):
    """One service. `isolated` says whether it is frozen as well: others of the machine are preserved only."""

    @property
    def name(self) -> str:
        """Its own."""
        ...

    @property
    def isolated(self) -> bool:
        """Whether it is frozen."""
        ...

    @property
    def thaw(self) -> str:
        """The command that lets it go on."""
        ...

    def takings(self) -> Takings:
        """What is preserved: a file's name, and what writes it. Each raises `CdcproofError` or `OSError`."""
        ...

    def freeze(self) -> str:
        """Stop it without ending it, so that its memory and its log stay; what it is now. Raises `CdcproofError`."""
        ...

    def measures(self) -> tuple[Measure, ...]:
        """What follows, in this order, once all are frozen."""
        ...


@dataclass(frozen=True)
class ContainerSuspect:
    """A container."""

    name: str
    isolated: bool

    @property
    def thaw(self) -> str:
        """As typed."""
        return f"docker unpause {shlex.quote(self.name)}"

    def takings(self) -> Takings:
        """Processes and sockets, then what the engine knows, then the log."""
        return (
            ("processes.json", lambda to: _write(to, self._ask(lambda engine: engine.processes(self.name)))),
            ("sockets.txt", self._sockets),
            ("inspect.json", lambda to: _write(to, self._ask(lambda engine: engine.inspect(self.name)))),
            ("changed-files.json", lambda to: _write(to, self._ask(lambda engine: engine.changed_files(self.name)))),
            ("stdout.log", lambda to: self._log(to, errors=False)),
            ("stderr.log", lambda to: self._log(to, errors=True)),
        )

    def freeze(self) -> str:
        """`docker pause`: not stop, which ends its processes, and not down, which removes it with its log."""
        with Engine() as engine:
            if engine.inspect(self.name).get("State", {}).get("Running"):
                engine.pause(self.name)
            status = str(engine.inspect(self.name).get("State", {}).get("Status"))
        if status not in ("paused", "exited", "created", "dead"):
            raise OperationError(f"The container {self.name} is {status}, and not paused.")
        return status

    def measures(self) -> tuple[Measure, ...]:
        """Its files as an image, which outlives the container; then no network, so that it talks to nobody when it is thawed to be looked at."""
        return (
            Measure("image", f"keep the files of {self.name} as an image", self._keep_image),
            Measure("networks", f"take {self.name} off its networks", self._cut_off),
        )

    def _keep_image(self) -> Done:
        """Frozen, so that no file changes meanwhile. Its volumes are not in it: they stay where they are."""
        tag = "".join(c if c.isalnum() or c in "._-" else "_" for c in self.name)[:100]
        tag = f"{tag}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        with Engine(_IMAGE_SECONDS) as engine:
            image = engine.commit(self.name, EVIDENCE, tag)
        return Done(f"{EVIDENCE}:{tag}, {image}; its volumes are not in it, and stay where they are")

    def _cut_off(self) -> Done:
        with Engine() as engine:
            answer = engine.inspect(self.name)
            mode = str(answer.get("HostConfig", {}).get("NetworkMode", ""))
            if mode == "host" or mode.startswith("container:"):
                raise OperationError(
                    f"{self.name} has the network of {mode.removeprefix('container:')}: cut that by hand."
                )
            networks = {
                n: e for n, e in (answer.get("NetworkSettings", {}).get("Networks") or {}).items() if n != "none"
            }
            for network in networks:
                engine.disconnect(self.name, network)
            left = set(engine.inspect(self.name).get("NetworkSettings", {}).get("Networks") or {}) - {"none"}
        if left:
            raise OperationError(f"{self.name} is still on {', '.join(sorted(left))}.")
        back = tuple(_connect(self.name, network, end, str(answer.get("Id"))) for network, end in networks.items())
        return Done(f"off {', '.join(networks) or 'no network, which it had none of'}", back)

    def _sockets(self, to: Path) -> None:
        """From the machine's own /proc, by the container's first process: no program of a suspect is run."""
        with Engine() as engine:
            pid = engine.inspect(self.name).get("State", {}).get("Pid")
        parts = []
        for kind in ("tcp", "tcp6", "udp", "udp6", "unix"):
            path = Path(f"/proc/{pid}/net/{kind}")
            parts.append(f"== {path}\n{path.read_text(errors='replace')}")
        to.write_text("\n".join(parts))

    def _log(self, to: Path, *, errors: bool) -> None:
        with Engine() as engine:
            engine.copy_log(self.name, errors=errors, to=to, seconds=_LOG_SECONDS)

    @staticmethod
    def _ask(question: Callable[[Engine], object]) -> object:
        with Engine() as engine:
            return question(engine)


@dataclass(frozen=True)
class ProcessSuspect:
    """A process of the embedded pipeline."""

    name: str
    instance: Instance
    isolated: bool = True

    @property
    def thaw(self) -> str:
        """As typed: its children were frozen with it."""
        pid = self.instance.processes[self.name].pid
        return f"kill -CONT {pid} $(pgrep -P {pid})"

    def takings(self) -> Takings:
        """What the system knows of it, with its connections, then its logs."""
        logs = sorted(self.instance.folders.logs.glob(f"{self.name}.*"))
        return (
            ("processes.json", lambda to: _write(to, running.description(self.instance.processes[self.name]))),
            *((log.name, lambda to, log=log: _copy(log, to)) for log in logs),
        )

    def freeze(self) -> str:
        """SIGSTOP, as a paused container gets it."""
        process = self.instance.processes[self.name]
        if not running.freeze(process):
            return "gone"
        wait_until(  # the system stops its threads one after another
            lambda: running.is_suspended(process),
            bool,
            what=f"process {process.pid} of {self.name} to be stopped",
            deadline_seconds=_FREEZE_SECONDS,
            interval_seconds=0.05,
        )
        return f"process {process.pid} stopped (SIGSTOP)"

    def measures(self) -> tuple[Measure, ...]:
        """None: its files and its network are the machine's."""
        return ()


def _connect(name: str, network: str, end: Mapping[str, Any], own_id: str) -> str:
    """The command that gives a container its network back, with the names and the address that it had there."""
    aliases = [alias for alias in end.get("Aliases") or () if not own_id.startswith(alias)]
    address = (end.get("IPAMConfig") or {}).get("IPv4Address")
    words = [word for alias in aliases for word in ("--alias", alias)] + (["--ip", address] if address else [])
    return shlex.join(["docker", "network", "connect", *words, network, name])


def of(environment: Environment, pipeline: Pipeline) -> tuple[tuple[Suspect, ...], tuple[str, ...]]:
    """The suspects, and the services that are neither: those must be preserved and isolated by hand.

    On a machine with containers all of them are preserved, as the runbook does; those of the pipeline's own compose projects are frozen.
    Raises `CouldNotLookError` where the container engine does not answer.
    """
    if environment.name == "embedded":
        instance = state.running(str(getattr(environment, "instance_name", folders.DEFAULT_INSTANCE)))
        return tuple(ProcessSuspect(name, instance) for name in instance.processes if instance.is_alive(name)), ()
    named = {service.name: service.container for service in pipeline.services if service.container}
    by_hand = tuple(service.name for service in pipeline.services if not service.container)
    if not named:
        return (), by_hand
    with Engine() as engine:
        ours = engine.siblings(frozenset(named.values()))
        every = engine.everything()
    return tuple(ContainerSuspect(name, name in ours) for name in sorted(every)), by_hand


def _write(to: Path, answer: object) -> None:
    to.write_text(json.dumps(answer, indent=1, default=str, ensure_ascii=False) + "\n", encoding="utf-8")


def _copy(log: Path, to: Path) -> None:
    shutil.copyfile(log, to)
