"""Where a recorded run ran: its pipeline, and what its environment said of the commands that an operator is offered there."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

from cdcproof.core.errors import CdcproofError
from cdcproof.environments.base import Environment
from cdcproof.evidence import observed, time_zone
from cdcproof.evidence.values import Values
from cdcproof.maintenance.remedies import WindowRemedies
from cdcproof.pipeline.model import Pipeline
from cdcproof.remedies.checks import Remedies

_COMMAND = "THE-COMMAND"
_EXPORTER = "exporter"
"""What `Remedies.restart_exporter` asks for beside the pipeline's services."""


@dataclass(frozen=True)
class RecordedEnvironment:
    """What the environment of the recorded run offered. It looks at nothing, and has nothing else of an environment."""

    name: str
    shell_form: str = _COMMAND
    restarts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def restart_command(self, service: str) -> tuple[str, ...]:
        """What was offered for that service."""
        unknown = f"# {service}: how its log is read and how it is restarted is not in the recording"
        return self.restarts.get(service) or (unknown, unknown)

    def shell(self, command: str) -> str:
        """The command as it was pasted there."""
        return self.shell_form.replace(_COMMAND, command)


@dataclass(frozen=True)
class Surroundings:
    """The pipeline with the addresses of the recorded run. `pipeline_name` is what `--pipeline` took for it."""

    pipeline: Pipeline
    pipeline_name: str
    environment: RecordedEnvironment
    time_zone: str

    @classmethod
    def of(cls, environment: Environment, pipeline: Pipeline, pipeline_name: str) -> Surroundings:
        """Those of this run."""
        restarts = {}
        for name in (*(service.name for service in pipeline.services), _EXPORTER):
            with suppress(CdcproofError):
                restarts[name] = tuple(environment.restart_command(name))
        recorded = RecordedEnvironment(environment.name, environment.shell(_COMMAND), restarts)
        return cls(pipeline, pipeline_name, recorded, time_zone.here())

    def remedies(self) -> Remedies:
        """The commands that were offered there."""
        # it answers what remedies ask of an environment, and has no other method on purpose
        return Remedies(cast("Environment", self.environment), self.pipeline, self.pipeline_name)

    def window_remedies(self) -> WindowRemedies:
        """The same about a maintenance window."""
        return WindowRemedies(cast("Environment", self.environment), self.pipeline, self.pipeline_name)

    def values(self) -> Values:
        """What writes and reads the observations of this run."""
        return observed.values({"pipeline": self.pipeline})

    def as_dict(self) -> dict[str, Any]:
        """JSON form, scrubbed. Raises `NotWritableError`."""
        return {
            "pipeline": observed.values().write(self.pipeline).data,
            "pipeline_name": self.pipeline_name,
            "environment": observed.values()
            .write(
                {
                    "name": self.environment.name,
                    "shell": self.environment.shell_form,
                    "restarts": dict(self.environment.restarts),
                }
            )
            .data,
            "time_zone": self.time_zone,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Surroundings:
        """Read what `as_dict` wrote. Raises `NotReadableError`, KeyError and TypeError."""
        read = observed.values().read
        environment = read(data["environment"])
        return cls(
            read(data["pipeline"]),
            str(data["pipeline_name"]),
            RecordedEnvironment(environment["name"], environment["shell"], environment["restarts"]),
            str(data["time_zone"]),
        )
