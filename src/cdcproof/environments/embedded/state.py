"""What an instance remembers between commands: one JSON file, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import time

from cdcproof.core import bounded
from cdcproof.core.errors import OperationError, UsageError
from cdcproof.core.json_text import parsed
from cdcproof.environments.embedded import folders
from cdcproof.environments.embedded.folders import Folders
from cdcproof.environments.embedded.processes.ports import HOST
from cdcproof.environments.embedded.processes.running import Process, is_alive

_DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class Restart:
    """A service was started again, by `restart` or because it had died. `at` is in seconds since the epoch."""

    service: str
    at: float
    why: str


@dataclass(frozen=True)
class Instance:
    """One embedded pipeline."""

    name: str
    ports: Mapping[str, int]
    stopped: bool = False
    """`down` was the last word."""
    prepared: bool = False
    """The databases hold the tables and the first rows."""
    generation: int = 1
    """Grows with every reset; from the second on it is part of the topics' names."""
    parts: str = ""
    """`artifacts.Parts.digest` of what its processes were started from."""
    checkout: str = ""
    """The folder of the project that made it."""
    processes: Mapping[str, Process] = field(default_factory=dict)
    restarts: tuple[Restart, ...] = ()
    monitoring: bool = False
    """Prometheus, Alertmanager and the Pushgateway were asked for, and run where their programs are there, until `down`."""
    identity: str = ""
    """Stands in each of its `stores` once it has replicated."""

    @property
    def topic_prefix(self) -> str:
        """The prefix of the source connector's topics; Avro's namespaces allow no hyphen in it."""
        return "warehouse" if self.generation == 1 else f"warehouse_{self.generation}"

    @property
    def option(self) -> str:
        """What a command needs so that this instance is meant: nothing for the one most people have."""
        return "" if self.name == folders.DEFAULT_INSTANCE else f" --instance {self.name}"

    @property
    def folders(self) -> Folders:
        """Where its files are."""
        return folders.folders(self.name)

    def url(self, service: str, path: str = "") -> str:
        """The HTTP address of a service."""
        return f"http://{HOST}:{self.ports[service]}{path}"

    def address(self, service: str) -> str:
        """``host:port`` of a service."""
        return f"{HOST}:{self.ports[service]}"

    def is_alive(self, service: str) -> bool:
        """Whether its process runs."""
        return is_alive(self.processes.get(service))

    def with_process(self, service: str, process: Process) -> Instance:
        """The instance with that process as its service."""
        return replace(self, processes={**self.processes, service: process})

    def with_restart(self, service: str, why: str) -> Instance:
        """The instance with one restart more, and without those of more than a day ago."""
        now = time()
        recent = tuple(r for r in self.restarts if now - r.at < _DAY_SECONDS)
        return replace(self, restarts=(*recent, Restart(service, now, why)))

    def restarts_24h(self, service: str) -> int:
        """How often the service was started again within a day."""
        return sum(1 for r in self.restarts if r.service == service and time() - r.at < _DAY_SECONDS)


def made_by(checkout: Path) -> tuple[str, ...]:
    """Names of the instances that this checkout has made."""
    found = {name: load(name) for name in folders.instances()}
    return tuple(name for name, instance in found.items() if instance and instance.checkout == str(checkout))


def load(name: str) -> Instance | None:
    """What the instance remembers, None when there never was one. Raises `OperationError` for a file that is damaged."""
    path = folders.folders(name).instance_file
    try:
        stored = parsed(bounded.read_text(path))
        return Instance(
            name=name,
            ports={str(k): int(v) for k, v in stored["ports"].items()},
            stopped=bool(stored["stopped"]),
            prepared=bool(stored["prepared"]),
            generation=int(stored["generation"]),
            parts=str(stored["parts"]),
            checkout=str(stored.get("checkout", "")),
            processes={k: Process(int(v["pid"]), float(v["started"])) for k, v in stored["processes"].items()},
            monitoring=bool(stored.get("monitoring", False)),
            identity=str(stored.get("identity", "")),
            restarts=tuple(Restart(str(r["service"]), float(r["at"]), str(r["why"])) for r in stored["restarts"]),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OperationError(
            f"{path} is damaged: {type(error).__name__} {error}",
            f"Remove it: rm {path}   (the next `cdcproof up` finds its processes again by their mark)",
        ) from None
    except OSError as error:
        raise OperationError(f"{path} cannot be read: {error.strerror}.") from None


def save(instance: Instance) -> None:
    """Write it down."""
    stored = asdict(instance)
    del stored["name"]
    try:
        folders.write_private(instance.folders.instance_file, json.dumps(stored, indent=2) + "\n")
    except OSError as error:
        raise OperationError(
            f"{instance.folders.instance_file} cannot be written: {error.strerror or error}.",
            folders.way_out(error),
        ) from None


def running(name: str) -> Instance:
    """The instance, which must have been started and not been stopped since."""
    instance = load(name)
    if instance is None or instance.stopped:
        what = "The embedded pipeline" if name == folders.DEFAULT_INSTANCE else f"The embedded pipeline {name!r}"
        option = "" if name == folders.DEFAULT_INSTANCE else f" --instance {name}"
        raise UsageError(f"{what} is not there: run `cdcproof up{option}`")
    return instance
