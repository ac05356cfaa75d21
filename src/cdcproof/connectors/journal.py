"""What was deployed when, and how each connector was before: one file per deployment, readable by its owner only.

A file is written before anything is changed, whole, and again when it is known how it ended. It holds configurations as
Connect returns them, secrets included, because `undo` has to put them back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from cdcproof.clients.connect.client import Connect, Offset
from cdcproof.core.errors import ConfigError, CouldNotLookError, OperationError, UsageError
from cdcproof.core.secrets import inline_secrets, known
from cdcproof.core.stored import Kind
from cdcproof.pipeline.model import Pipeline

Status = Literal["started", "success", "failure", "unproved"]
"""`unproved`: the configuration was taken by a connector that somebody has halted, so that nothing proves it works."""


@dataclass(frozen=True)
class Before:
    """A connector as it was. `config` None: it was not there. `offsets` None: they are not known, and why not."""

    config: Mapping[str, str] | None = field(default=None, repr=False)
    state: str = ""
    offsets: tuple[Offset, ...] | None = None
    offsets_unknown: str = ""


@dataclass(frozen=True)
class Change:
    """One connector of a deployment: how it was, what it was given, how that ended, and how its undoing did."""

    connector: str
    before: Before
    after: Mapping[str, str] = field(repr=False)
    status: Status = "started"
    why: str = ""
    undo: Status | None = None


@dataclass(frozen=True)
class Deployment:
    """What one command deployed. `id` is its time, in UTC; `undone` that everything of it was taken back.

    `cluster` is the Kafka cluster of the Connect that it was deployed to; empty where Connect did not say.
    """

    id: str
    command: str
    pipeline: str
    changes: tuple[Change, ...]
    undone: bool = False
    cluster: str = ""

    def with_change(self, change: Change) -> Deployment:
        """The same with this connector's change replaced."""
        return replace(self, changes=tuple(change if c.connector == change.connector else c for c in self.changes))


_FILE = Kind(
    Deployment,
    "This deployment cannot be read",
    "Move the file away.",
    "Make room or give the right to write there: without it nothing could be undone.",
    version=1,
)


@dataclass(frozen=True)
class Journal:
    """The deployments of one pipeline, kept in `directory`. `cluster` is the Kafka cluster of its Connect now; empty when not known."""

    directory: Path
    pipeline: str
    cluster: str = ""

    @classmethod
    def of(cls, pipeline: Pipeline) -> Journal:
        """Where this pipeline's deployments are kept."""
        return cls(pipeline.paths.reports / "connectors" / pipeline.name, pipeline.name)

    def at(self, connect: Connect) -> Journal:
        """The same for what this worker deploys."""
        try:
            return replace(self, cluster=connect.version().kafka_cluster_id)
        except CouldNotLookError:
            return self

    def path(self, deployment: Deployment) -> Path:
        """The file of a deployment."""
        return self.directory / f"{deployment.id}.json"

    def begin(self, command: str, changes: tuple[Change, ...]) -> Deployment:
        """Keep how everything is, before it is changed. Deployments that never ended are failures from now on."""
        for earlier in self.all():
            ended = tuple(
                replace(c, status="failure", why="it was interrupted") if c.status == "started" else c
                for c in earlier.changes
            )
            if ended != earlier.changes:
                self.save(replace(earlier, changes=ended))
        deployment = Deployment(
            f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}", command, self.pipeline, changes, cluster=self.cluster
        )
        self.save(deployment)
        return deployment

    def save(self, deployment: Deployment) -> None:
        """Write it. Raises `OperationError`: what cannot be kept is not changed."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self.directory.chmod(0o700)
        except OSError as error:
            raise OperationError(
                f"{self.path(deployment)} cannot be written: {error.strerror}.", _FILE.to_write
            ) from None
        _FILE.write(self.path(deployment), deployment)

    def all(self) -> tuple[Deployment, ...]:
        """Every deployment, oldest first. Raises `ConfigError` naming a file that cannot be read."""
        try:
            found = (_read(path) for path in sorted(self.directory.iterdir()) if path.name.endswith("Z.json"))
            return tuple(deployment for deployment in found if deployment)
        except FileNotFoundError:
            return ()
        except OSError as error:  # glob() would find nothing in a directory that may not be read
            raise ConfigError(f"The deployments cannot be read: {error.strerror}.", path=self.directory) from None

    def to_undo(self) -> Deployment:
        """The last deployment that was not undone. Raises `UsageError` when there is none, or it was made elsewhere."""
        for deployment in reversed(self.all()):
            if deployment.undone:
                continue
            if self.cluster and deployment.cluster and deployment.cluster != self.cluster:
                raise UsageError(
                    f"The last deployment of {self.pipeline} was made on the Kafka cluster {deployment.cluster}, "
                    f"and this Connect is of {self.cluster}. Nothing was deployed there.",
                    f"Name the pipeline file whose Connect it was made on, or move {self.path(deployment)} away.",
                )
            return deployment
        raise UsageError(
            f"No deployment of {self.pipeline} is left to be undone.",
            f"Those that `cdcproof connectors apply` and `update` made are kept in {self.directory}.",
        )

    def counts(self) -> dict[str, int]:
        """Connectors deployed with success and without, since the first file here; an undoing is a deployment as well."""
        counts = {"success": 0, "failure": 0}
        for deployment in self.all():
            for change in deployment.changes:
                for status in (change.status, change.undo):
                    if status in counts:
                        counts[status] += 1
        return counts


def _read(path: Path) -> Deployment | None:
    deployment = _FILE.read(path)
    for change in deployment.changes if deployment else ():
        for config in (change.before.config or {}, change.after):
            known(config[key] for key in inline_secrets(config))
    return deployment
