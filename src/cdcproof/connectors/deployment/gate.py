"""What a change must pass in staging, as far as connectors go: Connect accepts every file, and each one applied runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cdcproof.clients.connect.validation import FieldError
from cdcproof.connectors.control import Control
from cdcproof.connectors.deployment import definition, deploy
from cdcproof.connectors.deployment.deploy import Result
from cdcproof.connectors.deployment.difference import lines
from cdcproof.connectors.deployment.plan import Step, plan
from cdcproof.connectors.journal import Journal
from cdcproof.findings import Observation
from cdcproof.pipeline.model import Pipeline

_SETTLE_SECONDS = 5.0
_ACCEPTED, _RUNS = "accepted", "applied, and every task runs"


@dataclass(frozen=True)
class ConnectorFiles:
    """The files, what each would change, and what Connect says is wrong with it."""

    steps: tuple[Step, ...]
    errors: Mapping[str, tuple[FieldError, ...]]
    unread: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Connector to sentences about its keys that nothing reads."""

    def observation(self) -> Observation:
        """Connect accepts every file; what works but should not be is a concern."""
        return Observation(
            self.found(),
            self.expected(),
            concerns=self.warnings(),
            no_concern="secrets through the environment or a ConfigProvider, and no key that nothing reads",
        )

    def pages(self) -> dict[str, str]:
        """Title to what would change, for the report, where something would."""
        return {"What differs from what runs": self.changes()} if self.changes() else {}

    def rows(self) -> list[dict[str, object]]:
        """One row per file, for the report."""
        return [
            {
                "connector": step.name,
                "file": step.definition.path.name,
                "would be": step.action,
                "keys": len(step.changes),
            }
            for step in self.steps
        ]

    def changes(self) -> str:
        """What differs from what runs, without secrets; empty when nothing does."""
        return "\n".join(line for step in self.steps if step.changes for line in (step.name, *lines(step.changes)))

    def found(self) -> dict[str, str]:
        """Connector, or a field of it that Connect refuses, to what Connect says."""
        refused = {f"{name}: {error.field}": error.text for name, errors in self.errors.items() for error in errors}
        return {**{step.name: _ACCEPTED for step in self.steps if step.name not in self.errors}, **refused}

    def expected(self) -> dict[str, str]:
        """What `found` must be."""
        return dict.fromkeys(self.found(), _ACCEPTED)

    def warnings(self) -> dict[str, str]:
        """Connector to what works, but should not be."""
        found = {step.name: (*step.definition.warnings, *self.unread.get(step.name, ())) for step in self.steps}
        return {name: "; ".join(warnings) for name, warnings in found.items() if warnings}


@dataclass(frozen=True)
class Applied:
    """How it ended for each connector."""

    results: tuple[Result, ...]

    def observation(self) -> Observation:
        """Every connector has the configuration of its file, and runs."""
        return Observation(self.found(), self.expected())

    def rows(self) -> list[dict[str, object]]:
        """One row per connector, for the report."""
        return [{"connector": r.name, "act": r.action, "status": r.status, "what": r.text} for r in self.results]

    def found(self) -> dict[str, str]:
        """Connector to what became of it."""
        return {r.name: _RUNS if r.status == "success" else f"{r.status}: {r.text}" for r in self.results}

    def expected(self) -> dict[str, str]:
        """What `found` must be."""
        return {result.name: _RUNS for result in self.results}


def look(pipeline: Pipeline, control: Control) -> ConnectorFiles:
    """Read every file and let Connect validate it, changed or not. Raises `ConfigError` for one that cannot be used."""
    steps = plan(definition.read_all(definition.place(None, pipeline.paths.connectors)), control.states())
    validated = deploy.validate(steps, control)
    return ConnectorFiles(steps, validated.errors, validated.warnings())


def apply(files: ConnectorFiles, pipeline: Pipeline, control: Control) -> Applied:
    """Make what runs equal to the files, and follow it until every task runs or has failed."""
    return Applied(
        deploy.apply(
            files.steps,
            control,
            Journal.of(pipeline).at(control.connect),
            pipeline,
            settle_seconds=_SETTLE_SECONDS,
            command="pytest -m staging",
        )
    )
