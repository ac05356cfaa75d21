"""The pipeline's services, as the environment listed them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from cdcproof.core.durations import clock
from cdcproof.core.errors import CouldNotLookError
from cdcproof.environments.base import ServiceState
from cdcproof.findings import Observation, at_most


@dataclass(frozen=True)
class Services:
    """What was seen of every expected service. A subject is ``name (role)``, so that a check can need a role."""

    seen: tuple[ServiceState, ...]
    expected_subjects: tuple[str, ...]
    logs: Mapping[str, str] = field(default_factory=dict)
    """Name of each failing service to the end of its log, or to why there is none to read."""

    def observation(self, most_restarts: float = math.inf) -> Observation:
        """Every service is up, and healthy where it has a health check. More than so many restarts in 24 hours are a concern."""
        limit = at_most(most_restarts, "restarts in 24 h")
        return Observation(
            self.verdicts(),
            dict.fromkeys(self.expected(), "up"),
            self.details(),
            concerns=limit.broken_by(self.restarts_24h()),
            no_concern=str(limit),
        )

    def expected(self) -> tuple[str, ...]:
        """Subjects that must be up."""
        return self.expected_subjects

    def verdicts(self) -> dict[str, str]:
        """Subject to ``up``, ``up, unhealthy`` or ``down``."""
        return {subject(s.name, s.role): s.verdict for s in self.seen}

    def details(self) -> dict[str, str]:
        """Subject to what is known about it."""
        return {subject(s.name, s.role): s.detail for s in self.seen}

    def names(self) -> tuple[str, ...]:
        """Names of all services seen."""
        return tuple(s.name for s in self.seen)

    def failing(self) -> tuple[str, ...]:
        """Names of services that are not up and healthy."""
        return tuple(s.name for s in self.seen if s.verdict != "up")

    def restarts_24h(self) -> dict[str, float]:
        """Subject to its restarts in the last 24 hours; 0 where they cannot be known, which the report shows as ``-``."""
        return {subject(s.name, s.role): float(s.restarts_24h or 0) for s in self.seen}

    def with_logs(self, read: Callable[[str], str]) -> Services:
        """The same with the logs of the services that fail."""
        logs = {}
        for name in self.failing():
            try:
                logs[name] = read(name)
            except CouldNotLookError as error:
                logs[name] = f"not readable: {error}"
        return replace(self, logs=logs)

    def log_pages(self) -> dict[str, str]:
        """Title to the log of each service that fails, for the report."""
        return {f"Log of {name}, last 50 lines": log for name, log in self.logs.items()}

    def rows(self) -> list[dict[str, object]]:
        """One row per service, for the report."""
        return [
            {
                "service": s.name,
                "role": s.role,
                "state": s.verdict,
                "up for": None if s.uptime_seconds is None else clock(s.uptime_seconds),
                "restarts 24 h": s.restarts_24h,
                "detail": s.detail,
            }
            for s in self.seen
        ]


def subject(name: str, role: str) -> str:
    """How differences name a service."""
    return f"{name} ({role})"
