"""The services of an incident: what is preserved of each, and how it is frozen. Containers, or the embedded pipeline's processes."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cdcproof.clients.containers import Engine
from cdcproof.environments.base import Environment
from cdcproof.environments.embedded import folders, processes, state
from cdcproof.environments.embedded.state import Instance
from cdcproof.errors import OperationError
from cdcproof.pipeline import Pipeline
from cdcproof.waiting import wait_until

_LOG_SECONDS = 300.0
_FREEZE_SECONDS = 5.0
VOLATILE = ("processes.json", "sockets.txt")
"""What is gone first, and therefore kept of all before anything else is."""
Takings = tuple[tuple[str, Callable[[Path], None]], ...]


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
            ("processes.json", lambda to: _write(to, processes.description(self.instance.processes[self.name]))),
            *((log.name, lambda to, log=log: _copy(log, to)) for log in logs),
        )

    def freeze(self) -> str:
        """SIGSTOP, as a paused container gets it."""
        process = self.instance.processes[self.name]
        if not processes.freeze(process):
            return "gone"
        wait_until(  # the system stops its threads one after another
            lambda: processes.is_suspended(process),
            bool,
            what=f"process {process.pid} of {self.name} to be stopped",
            deadline_seconds=_FREEZE_SECONDS,
            interval_seconds=0.05,
        )
        return f"process {process.pid} stopped (SIGSTOP)"


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


def _write(to: Path, told: object) -> None:
    to.write_text(json.dumps(told, indent=1, default=str, ensure_ascii=False) + "\n", encoding="utf-8")


def _copy(log: Path, to: Path) -> None:
    shutil.copyfile(log, to)
