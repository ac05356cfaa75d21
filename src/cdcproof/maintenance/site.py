"""The pipeline as a window's commands meet it: whatever they do to it or ask it comes through here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cdcproof.clients.connect.client import Connect
from cdcproof.connectors.control import Control
from cdcproof.core.acts import write_down
from cdcproof.core.errors import CdcproofError
from cdcproof.core.waiting import Deadline
from cdcproof.databases.connections import connect_for_health as open_database
from cdcproof.environments.base import Environment
from cdcproof.environments.embedded.folders import checkout
from cdcproof.maintenance.steps import drain, services, validation
from cdcproof.maintenance.steps.drain import Drained
from cdcproof.maintenance.steps.services import Services
from cdcproof.maintenance.steps.validation import Validation
from cdcproof.monitoring.exporter import freshness
from cdcproof.pipeline.model import Pipeline
from cdcproof.validation.baseline import recording as baseline
from cdcproof.validation.baseline.comparison import Facts
from cdcproof.validation.baseline.recording import Baseline

_TIMEOUT_SECONDS = (3.0, 30.0)
"""Connect validates a configuration while it holds the request, which on a cold worker takes long."""
Report = Callable[[str], None]


class Site(Protocol):
    """One pipeline where it runs. All raise `CdcproofError`s."""

    @property
    def pipeline(self) -> Pipeline:
        """The expected state."""
        ...

    def control(self) -> Control:
        """Acts on Connect, with the time of one step before it."""
        ...

    def record(self) -> Baseline:
        """What the pipeline is made of now."""
        ...

    def facts_since(self, before: Baseline) -> Facts:
        """The same, comparable with what was recorded before."""
        ...

    def drain(self) -> Drained:
        """Wait until the sinks have written all that is in the topics."""
        ...

    def caught_up(self) -> tuple[str, Drained]:
        """Wait until the target has all that the source has committed by now."""
        ...

    def newest_beat(self) -> float | None:
        """The newest beat at the target in Unix seconds, by the source's clock; None where there is none to be read."""
        ...

    def services(self) -> Services:
        """Who brings the services down and up."""
        ...

    def wait_until_up(self) -> Mapping[str, str]:
        """Wait until every service is up."""
        ...

    def validate(self, reports: Path, change: Path | None, expect: tuple[str, ...] = ()) -> Validation:
        """Run the runbook's validation, with what the change intended where there is one, and further facts that may differ."""
        ...


@dataclass(frozen=True)
class RunningSite:
    """A pipeline that runs. `name` is what names its file; `seconds` what one step may take."""

    environment: Environment
    pipeline: Pipeline
    name: str
    seconds: float
    soak_seconds: float
    report: Report
    allowed: bool = True

    def control(self) -> Control:
        """With acts.log beside the reports."""
        connect = Connect(self.pipeline.connect, _TIMEOUT_SECONDS, patience_seconds=0)

        def announce(what: str) -> None:
            write_down(self.pipeline.paths.reports, "maintenance", what)

        return Control(connect, Deadline(self.seconds), announce, self.report)

    def record(self) -> Baseline:
        """Versions, configurations, schemas, counts."""
        return baseline.record(self.environment, self.pipeline)

    def facts_since(self, before: Baseline) -> Facts:
        """Once more."""
        return baseline.facts_since(before, self.environment, self.pipeline)

    def drain(self) -> Drained:
        """By positions."""
        return drain.drain(self.pipeline, self.seconds, self.report)

    def caught_up(self) -> tuple[str, Drained]:
        """By positions."""
        return drain.caught_up(self.pipeline, self.seconds, self.report)

    def newest_beat(self) -> float | None:
        """By `[freshness]`."""
        if self.pipeline.freshness is None:
            return None
        try:
            return freshness.read(open_database(self.pipeline.target), self.pipeline.freshness).beat_seconds
        except CdcproofError:  # then the positions say it
            return None

    def services(self) -> Services:
        """By the environment."""
        return services.of(self.environment, self.pipeline)

    def wait_until_up(self) -> Mapping[str, str]:
        """By the environment."""
        return services.wait_until_up(self.environment, self.pipeline, self.seconds, self.report)

    def validate(self, reports: Path, change: Path | None, expect: tuple[str, ...] = ()) -> Validation:
        """In a process of its own."""
        options = [f"--pipeline={self.name}", f"--env={self.environment.name}"]
        options += [f"--change={change}"] if change else []
        options += [f"--expect={fact}" for fact in expect]
        options += ["--allow-acts"] if self.allowed else []
        return validation.validate(checkout(), reports, self.pipeline.name, tuple(options), self.soak_seconds)
