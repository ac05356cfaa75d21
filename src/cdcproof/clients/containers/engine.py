"""The only client of the container engine (Docker's Engine API, through the `docker` package).

Everything here reads; `Engine.pause`, `Engine.commit` and `Engine.disconnect` alone change something. The engine is the one that
``DOCKER_HOST`` names, else the local socket.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, cast

import docker
import docker.errors
import urllib3.exceptions

from cdcproof.clients.containers.settings import Settings, read_settings
from cdcproof.core.errors import (
    ConfigError,
    CouldNotLookError,
    DeadlineError,
    RefusedError,
    UnexpectedAnswerError,
    UnreachableError,
)
from cdcproof.core.patience import stretched
from cdcproof.core.secrets import scrub
from cdcproof.core.waiting import within

T = TypeVar("T")

TIMEOUT_SECONDS = 3.0
_DAY_SECONDS = 86_400
_LONGEST_QUOTE = 300
_SERVICE_LABEL = "com.docker.compose.service"
_PROJECT_LABEL = "com.docker.compose.project"
_FILES_LABEL = "com.docker.compose.project.config_files"
_FOLDER_LABEL = "com.docker.compose.project.working_dir"
_ONE_OFF_LABEL = "com.docker.compose.oneoff"
_REMEDY = (
    "Start it (systemctl start docker), name it in DOCKER_HOST, or give the services an endpoint in the pipeline file."
)


@dataclass(frozen=True)
class Mount:
    """A data volume or a writable directory. `host_directory` is where the engine's own machine keeps it."""

    path: str
    host_directory: Path


@dataclass(frozen=True)
class Container:
    """What the engine reports about a container. Times are Unix seconds; None where there is none.

    `state` is the engine's word (running, exited, restarting, paused, created, dead); `healthy` is None
    without a health check and False while it has not passed yet. `restart_count` counts the restarts by the
    container's restart policy since it was last started by hand.
    """

    name: str
    service: str
    """Name of the service in its compose file, empty for a container that no compose file made."""
    state: str
    healthy: bool | None
    health: str
    exit_code: int
    created_at: float
    started_at: float | None
    finished_at: float | None
    restart_count: int
    published: Mapping[int, int]
    """Port in the container to port of the host."""
    mounts: tuple[Mount, ...]
    settings: Settings = field(repr=False)

    @property
    def running(self) -> bool:
        """Whether its process runs; a paused one does not."""
        return self.state == "running"


@dataclass(frozen=True)
class ComposeProject:
    """A compose project: its folder, its files, and those of its services that were asked about."""

    name: str
    folder: Path
    files: tuple[Path, ...]
    services: tuple[str, ...]


@dataclass(frozen=True)
class Image:
    """An image as the engine has it. `digests` are those of registries, by which it was pulled; `made_at` in Unix time, None where it says none."""

    id: str
    digests: tuple[str, ...]
    made_at: float | None


@dataclass(frozen=True)
class MountUse:
    """Use of the file system that holds `path` in a container; inodes None where the file system has none."""

    path: str
    used_percent: float
    inodes_used_percent: float | None
    free_bytes: int
    total_bytes: int


class Engine:
    """A connection to the engine. Use as a context manager.

    Every method raises `UnreachableError` (no answer), `RefusedError` (no permission) or
    `UnexpectedAnswerError`; none waits longer than the timeout between two bytes, and three times as long for a whole answer.
    """

    def __init__(self, timeout_seconds: float | None = None) -> None:
        seconds = timeout_seconds or stretched(TIMEOUT_SECONDS)
        self._answer_seconds = 3 * seconds
        # the engine's version is asked at once, so that a missing engine is reported here
        self._client = self._ask(lambda: docker.from_env(version="auto", timeout=cast(int, seconds)))

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.close()

    @property
    def is_local(self) -> bool:
        """Whether the engine's paths are paths of this machine: it is reached by a socket file."""
        return self._client.api.base_url.startswith("http+docker://localhost")

    def version(self) -> str:
        """One line: name and version of the engine."""
        return f"Docker {self._ask(self._client.version).get('Version', 'of unknown version')}"

    def containers(self, names: Collection[str]) -> dict[str, Container]:
        """The containers of these names, running or not; a name that the engine does not know is left out.

        A name that no container has may be that of a compose service: then its container is found, whose own name is another
        (``proj-kafka-1``). Raises `ConfigError` for a service of which there are several.
        """
        listed = self._listed()
        own = {name: _own_name(name, listed) for name in names}
        wanted = frozenset(name for name in own.values() if name)
        found = {c.name: c for c in self._inspect(wanted)}
        return {name: found[of] for name, of in own.items() if of in found}

    def of_compose_folder(self, folder: str) -> dict[str, Container]:
        """By service name, the containers that compose made from the files of this folder (an absolute path)."""
        return {c.service: c for c in self._inspect(self._listed(f"{_FOLDER_LABEL}={folder}")) if c.service}

    def compose_projects(self, names: Collection[str]) -> tuple[ComposeProject, ...]:
        """The compose projects that made these containers, each with those of its services; one that compose did not make is left out."""
        listed = self._listed()
        found: dict[tuple[str, str, str], list[str]] = {}
        for own in {_own_name(name, listed) for name in names} - {None}:
            labels = listed[own or ""]
            if labels.get(_PROJECT_LABEL) and labels.get(_SERVICE_LABEL):
                key = (labels[_PROJECT_LABEL], labels.get(_FOLDER_LABEL, ""), labels.get(_FILES_LABEL, ""))
                found.setdefault(key, []).append(labels[_SERVICE_LABEL])
        return tuple(
            ComposeProject(
                name, Path(folder), tuple(Path(file) for file in files.split(",") if file), tuple(sorted(services))
            )
            for (name, folder, files), services in sorted(found.items())
        )

    def starts(self, since: float) -> dict[str, int]:
        """How often each container was started since then, as far as the engine remembers.

        A lower bound: the engine keeps only its last few hundred events, and health checks use them up.
        """
        events = self._ask(
            lambda: list(
                self._client.api.events(
                    since=int(since),
                    until=int(time.time()),  # a time to come would be waited for
                    filters={"type": "container", "event": "start"},
                    decode=True,
                )
            )
        )
        names = [event.get("Actor", {}).get("Attributes", {}).get("name", "") for event in events]
        return {name: names.count(name) for name in names}

    def image(self, reference: str) -> Image | None:
        """What the engine has under this name now; None where it has nothing."""
        try:
            found = self._ask(lambda: self._client.api.inspect_image(reference))  # type: ignore[no-untyped-call]
        except _GoneError:
            return None
        try:
            made_at = _unix(found["Created"]) if found.get("Created") else None
            return Image(str(found["Id"]), tuple(found.get("RepoDigests") or ()), made_at)
        except (KeyError, TypeError, ValueError) as error:
            raise UnexpectedAnswerError(
                f"The container engine described the image {reference} in a way that is not understood: {error!r}"
            ) from None

    def digest_at_registry(self, reference: str) -> str:
        """What the image's registry has under this name now, asked by the engine with its own login. Errors as above."""
        return str(self._ask(lambda: self._client.images.get_registry_data(reference)).id)

    def logs(self, name: str, lines: int, since: float = 0.0) -> str:
        """The last lines a container wrote since then (Unix seconds), redacted."""
        raw = self._ask(lambda: self._client.containers.get(name).logs(tail=lines, since=since or None))
        return scrub(raw.decode(errors="replace")).rstrip("\n")

    def thread_dump(self, name: str) -> str:
        """What `jstack` prints of the first process of a running container, redacted."""
        answer = self._ask(lambda: self._client.containers.get(name).exec_run(["jstack", "1"]))
        text = scrub(cast(bytes, answer.output).decode(errors="replace")).strip()
        if answer.exit_code != 0:
            raise CouldNotLookError(
                f"jstack in container {name} failed with status {answer.exit_code}: {text[:_LONGEST_QUOTE]}",
                f"Where its image has no jstack: docker exec {shlex.quote(name)} kill -QUIT 1, and read its log.",
            )
        return text

    def everything(self) -> dict[str, Mapping[str, str]]:
        """Every container, running or not, by name, with its labels."""
        return self._listed()

    def siblings(self, names: Collection[str]) -> frozenset[str]:
        """The containers of these names, and all others of the compose projects that they belong to."""
        listed = self._listed()
        own = {name for each in names if (name := _own_name(each, listed))}
        projects = {listed[name].get(_PROJECT_LABEL) for name in own} - {None, ""}
        return frozenset(own | {name for name, labels in listed.items() if labels.get(_PROJECT_LABEL) in projects})

    def inspect(self, name: str) -> dict[str, Any]:
        """All that the engine knows of a container. Secrets are in it."""
        return dict(self._ask(lambda: self._client.api.inspect_container(name)))

    def processes(self, name: str) -> dict[str, Any]:
        """The processes of a running container, as the engine lists them; none of its own programs is run."""
        return dict(self._ask(lambda: self._client.api.top(name, "-ef")))

    def changed_files(self, name: str) -> list[dict[str, Any]]:
        """Files of a container that are not as in its image."""
        return list(self._ask(lambda: self._client.api.diff(name)) or ())

    def copy_log(self, name: str, *, errors: bool, to: Path, seconds: float) -> None:
        """Write all that a container ever wrote to standard output, or error, into a file, with its times and unredacted."""

        def copy() -> None:
            with to.open("wb") as file:
                chunks = self._client.containers.get(name).logs(
                    stdout=not errors, stderr=errors, timestamps=True, stream=True, follow=False
                )
                for chunk in chunks:
                    file.write(chunk)

        with _our_errors():
            within(seconds, copy, what=f"the log of {name}")

    def pause(self, name: str) -> None:
        """Freeze every process of a container; its memory stays. One that is paused stays so."""
        if self.inspect(name).get("State", {}).get("Paused"):
            return
        self._ask(lambda: self._client.api.pause(name))

    def commit(self, name: str, repository: str, tag: str) -> str:
        """Keep a container's files as an image on the engine; the image's id, which is a hash of it. May take minutes."""
        made = self._ask(lambda: self._client.api.commit(name, repository=repository, tag=tag))
        return str(made["Id"])

    def disconnect(self, name: str, network: str) -> None:
        """Take a container off a network, frozen or not."""
        self._ask(lambda: self._client.api.disconnect_container_from_network(name, network, force=True))

    def use_of(self, container: Container) -> tuple[MountUse, ...]:
        """Use of the file systems behind a running container's mounts, asked of `df` inside it."""
        paths = [mount.path for mount in container.mounts]
        if not paths:
            return ()
        blocks = self._df(container.name, "-Pk", paths)
        inodes = self._df(container.name, "-Pi", paths)
        return tuple(_use(path, blocks[path], inodes[path]) for path in paths)

    def _df(self, name: str, flags: str, paths: list[str]) -> dict[str, tuple[int, int, int]]:
        answer = self._ask(lambda: self._client.containers.get(name).exec_run(["df", flags, *paths]))
        text = cast(bytes, answer.output).decode(errors="replace")
        if answer.exit_code != 0:
            raise CouldNotLookError(
                f"df in container {name} failed with status {answer.exit_code}: {text.strip()}",
                "Name the directories of the data volumes as paths.volumes in the pipeline file.",
            )
        return dict(zip(paths, parse_df(text, len(paths)), strict=True))

    def _ask(self, question: Callable[[], T]) -> T:
        try:
            with _our_errors():
                return within(self._answer_seconds, question, what="the answer")
        except DeadlineError:
            raise UnreachableError(
                f"The container engine does not answer: the answer was not complete after {self._answer_seconds:g} s.",
                _REMEDY,
            ) from None

    def _listed(self, label: str = "") -> dict[str, Mapping[str, str]]:
        """Container to its labels; of those with a label, if one is given."""
        filters = {"label": label} if label else {}
        listed = self._ask(lambda: self._client.api.containers(all=True, filters=filters))
        return {name.lstrip("/"): entry.get("Labels") or {} for entry in listed for name in entry["Names"] or ()}

    def _inspect(self, names: Collection[str]) -> Iterator[Container]:
        for name in sorted(names):
            try:
                yield read_container(self._ask(lambda name=name: self._client.api.inspect_container(name)))  # type: ignore[misc]
            except _GoneError:
                continue  # removed between the two questions


class _GoneError(UnexpectedAnswerError):
    """The engine does not know this container."""


def restarts_24h(container: Container, starts_seen: int, now: float) -> int | None:
    """Restarts in the last 24 hours. The engine keeps no history, so this may be a lower bound.

    Exact for a container that was started, or made, more or less than a day ago respectively; None for one that
    was never started.
    """
    if container.started_at is None:
        return None
    if container.started_at < now - _DAY_SECONDS:
        return 0
    if container.created_at > now - _DAY_SECONDS:
        return max(container.restart_count, starts_seen - 1, 0)
    return max(1, starts_seen)


def _own_name(name: str, listed: Mapping[str, Mapping[str, str]]) -> str | None:
    """The container of this name, else the one of the compose service of this name."""
    if name in listed:
        return name
    found = sorted(
        container
        for container, labels in listed.items()
        if labels.get(_SERVICE_LABEL) == name and labels.get(_ONE_OFF_LABEL, "").lower() != "true"
    )
    if len(found) > 1:
        raise ConfigError(
            f"services: no container is called {name}, and the compose service {name} has several: {', '.join(found)}.",
            "Write the name of the one that is meant as its container in the pipeline file.",
        )
    return found[0] if found else None


def read_container(answer: Mapping[str, Any]) -> Container:
    """Read the engine's answer to "inspect"."""
    try:
        state = answer["State"]
        health = (state.get("Health") or {}).get("Status", "none")
        labels = answer["Config"].get("Labels") or {}
        return Container(
            name=answer["Name"].lstrip("/"),
            service=labels.get(_SERVICE_LABEL, ""),
            state=state["Status"],
            healthy=None if health == "none" else health == "healthy",
            health=health,
            exit_code=state["ExitCode"],
            created_at=_unix(answer["Created"]) or 0.0,
            started_at=_unix(state["StartedAt"]),
            finished_at=_unix(state["FinishedAt"]),
            restart_count=answer["RestartCount"],
            published=_published(answer),
            mounts=tuple(
                Mount(mount["Destination"], Path(mount["Source"]))
                for mount in answer.get("Mounts") or ()
                if mount["Type"] in ("volume", "bind") and mount["RW"]
            ),
            settings=read_settings(answer),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UnexpectedAnswerError(
            f"The container engine described a container in a way that is not understood: {error!r}"
        ) from None


def parse_df(text: str, rows: int) -> tuple[tuple[int, int, int], ...]:
    """Read ``df -P``: total, used and free of each row (blocks of 1 KiB, or inodes), ``-`` as 0."""
    found = tuple(
        (_count(total), _count(used), _count(free))
        for total, used, free in re.findall(
            r"^.*?\s+(\d+|-)\s+(\d+|-)\s+(-?\d+|-)\s+(?:\d+%|-)\s+\S", text, re.MULTILINE
        )
    )
    if len(found) != rows:
        raise UnexpectedAnswerError(f"df was asked for {rows} paths and gave {len(found)} rows: {text.strip()}")
    return found


def _use(path: str, blocks: tuple[int, int, int], inodes: tuple[int, int, int]) -> MountUse:
    total, used, free = blocks
    return MountUse(
        path=path,
        used_percent=_percent(used, free),
        inodes_used_percent=_percent(inodes[1], inodes[2]) if inodes[0] else None,
        free_bytes=free * 1024,
        total_bytes=total * 1024,
    )


def _percent(used: int, free: int) -> float:
    # as df counts: of what is not reserved for root
    return 100.0 * used / (used + free) if used + free else 0.0


def _count(field: str) -> int:
    return 0 if field == "-" else int(field)


def _published(answer: Mapping[str, Any]) -> dict[int, int]:
    # the bindings asked for are still there when the container is stopped; those in force know a port chosen by the engine
    found: dict[int, int] = {}
    for ports in (answer["HostConfig"].get("PortBindings"), (answer.get("NetworkSettings") or {}).get("Ports")):
        for port, bindings in (ports or {}).items():
            number, _, protocol = port.partition("/")
            host_port = next((b["HostPort"] for b in bindings or () if b.get("HostPort")), "")
            if protocol == "tcp" and host_port.isdigit():
                found[int(number)] = int(host_port)
    return found


def _unix(timestamp: str) -> float | None:
    # "0001-01-01T00:00:00Z" is the engine's "never"; nanoseconds are more than datetime reads
    if timestamp.startswith("0001-"):
        return None
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", timestamp)).timestamp()


@contextmanager
def _our_errors() -> Iterator[None]:
    try:
        yield
    except docker.errors.NotFound as error:
        raise _GoneError(f"The container engine does not know it: {error.explanation}") from None
    except docker.errors.APIError as error:
        raise UnexpectedAnswerError(f"The container engine answered: {error.explanation or error}") from None
    except (docker.errors.DockerException, urllib3.exceptions.HTTPError, OSError) as error:
        # what `requests` raises is an OSError; an answer that breaks off in the middle is urllib3's own error
        text = str(error)
        if "Permission denied" in text:
            raise RefusedError(
                "The container engine refuses this account: permission denied on its socket.",
                "Add the account to the group docker, or run as an account that may ask the engine.",
            ) from None
        raise UnreachableError(f"The container engine does not answer: {text}", _REMEDY) from None
