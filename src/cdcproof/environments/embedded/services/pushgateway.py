"""The Pushgateway beside the pipeline: runs of checks and scheduled commands leave their metrics there."""

from __future__ import annotations

from cdcproof.environments.embedded.services import programs
from cdcproof.environments.embedded.services.service import Service
from cdcproof.environments.embedded.state import Instance

NAME = "pushgateway"


def command(instance: Instance) -> list[str]:
    """How it is started. What was pushed survives a restart: else the last run, and its age, would be forgotten."""
    return [
        programs.program(NAME),
        f"--persistence.file={instance.folders.data / 'pushgateway'}",
        "--persistence.interval=10s",
        f"--web.listen-address={instance.address(NAME)}",
    ]


PUSHGATEWAY: Service = programs.service(NAME, port=9091, command=command)
