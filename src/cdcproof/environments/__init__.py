"""Where a pipeline runs: live, compose or embedded."""

# ruff: noqa: PLC0415  a run has one environment; compose alone loads two clients of Docker
from __future__ import annotations

from cdcproof.core.errors import UsageError
from cdcproof.environments.base import Environment

NAMES = ("live", "compose", "embedded")


def select(name: str) -> Environment:
    """The environment of that name. Only the one that is asked for is imported."""
    match name:
        case "embedded":
            from cdcproof.environments.embedded.environment import Embedded

            return Embedded()
        case "live":
            from cdcproof.environments.live import Live

            return Live()
        case "compose":
            from cdcproof.environments.compose import Compose

            return Compose()
    raise UsageError(f"There is no environment {name!r}.", f"Choose one of: {', '.join(NAMES)}.")
