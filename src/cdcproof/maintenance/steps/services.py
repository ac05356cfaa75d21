"""The pipeline's services as a whole, brought down and up. Containers are stopped, not removed: with them their logs would go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from cdcproof.clients.connect.client import Connect
from cdcproof.clients.containers import compose_command
from cdcproof.clients.containers.engine import ComposeProject, Engine
from cdcproof.core.errors import CouldNotLookError, UsageError
from cdcproof.core.patience import stretched
from cdcproof.core.progress import Progress
from cdcproof.core.waiting import wait_until
from cdcproof.environments.base import Environment, ServiceState
from cdcproof.environments.embedded import lifecycle
from cdcproof.pipeline.model import Pipeline

Report = Callable[[str], None]


class Services(Protocol):
    """What can bring a pipeline's services down and up."""

    def describe(self) -> str:
        """What it would do, for one who has to confirm it."""
        ...

    def down(self) -> None:
        """Bring them down; those that are down stay so."""
        ...

    def up(self) -> None:
        """Start those that are down, from the files as they are now."""
        ...


@dataclass(frozen=True)
class Processes:
    """The embedded pipeline's processes."""

    instance: str

    def describe(self) -> str:
        """In words."""
        return f"the processes of the embedded pipeline {self.instance!r}"

    def down(self) -> None:
        """Stop them; data and ports stay."""
        with Progress() as progress:
            lifecycle.stop_services(self.instance, progress)

    def up(self) -> None:
        """Start them, and leave the connectors as they are."""
        with Progress() as progress:
            lifecycle.start_services(self.instance, progress)


@dataclass(frozen=True)
class Composed:
    """Containers that compose made. Only the pipeline's own services are touched: a Vault beside them would be sealed."""

    projects: tuple[ComposeProject, ...]

    def describe(self) -> str:
        """In words."""
        return "; ".join(f"{', '.join(p.services)} of the compose project {p.name}" for p in self.projects)

    def down(self) -> None:
        """Stop them."""
        for project in self.projects:
            compose_command.run(project, "stop")

    def up(self) -> None:
        """Start them; one whose image or settings the files have changed is made anew."""
        for project in self.projects:
            compose_command.run(project, "up", "-d")


def of(environment: Environment, pipeline: Pipeline) -> Services:
    """Who brings them down and up. Raises `UsageError` where some service is neither a process nor a container of ours."""
    if environment.name == "embedded":
        return Processes(str(getattr(environment, "instance_name", "default")))
    named = {service.name: service.container for service in pipeline.services if service.container}
    if not named:
        raise _by_hand(tuple(service.name for service in pipeline.services))
    with Engine() as engine:
        projects = engine.compose_projects(frozenset(named.values()))
        made = engine.containers(frozenset(named.values()))
    of_compose = {service for project in projects for service in project.services}
    others = [
        service.name
        for service in pipeline.services
        if service.container not in made or made[service.container].service not in of_compose
    ]
    if others:
        raise _by_hand(tuple(others))
    return Composed(projects)


def wait_until_up(environment: Environment, pipeline: Pipeline, seconds: float, report: Report) -> Mapping[str, str]:
    """Wait until every service is up and healthy and Connect reports connectors; service to what was seen of it."""

    def look() -> tuple[ServiceState, ...]:
        states = environment.services(pipeline)
        if all(state.verdict == "up" for state in states):
            Connect(pipeline.connect).states([connector.name for connector in pipeline.connectors])
        return states

    def down(states: tuple[ServiceState, ...] | CouldNotLookError) -> str:
        if isinstance(states, CouldNotLookError):
            return states.message
        return ", ".join(f"{s.name} is {s.verdict} ({s.detail})" for s in states if s.verdict != "up")

    states = wait_until(
        look,
        lambda seen: not down(seen),
        what="every service to be up",
        deadline_seconds=seconds,
        interval_seconds=0.5,
        patience=stretched,
        report=lambda seen: report(f"waiting: {down(seen) or 'Kafka Connect'}"),
    )
    return {state.name: state.detail for state in states}


def _by_hand(names: tuple[str, ...]) -> UsageError:
    return UsageError(
        f"cdcproof cannot bring down and up: {', '.join(names)}. Only containers made by compose are known to it.",
        "Leave out --services-down and stop and start them by hand between start and finish.",
    )
