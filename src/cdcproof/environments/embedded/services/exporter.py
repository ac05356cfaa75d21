"""cdcproof's own exporter of metrics, at the runbook's two ports when they are free."""

from __future__ import annotations

import sys

from cdcproof.environments.embedded import folders
from cdcproof.environments.embedded.artifacts import Parts
from cdcproof.environments.embedded.services.java import Java
from cdcproof.environments.embedded.services.service import Service, Start, answers_http, log_file
from cdcproof.environments.embedded.state import Instance

NAME = "exporter"
RECONCILIATION, CONNECT = "exporter-reconciliation", "exporter-connect"


def _start(instance: Instance, parts: Parts, java_: Java) -> Start:
    del parts, java_
    counters = str(instance.folders.state / "exporter-state.json")
    argv = [sys.executable, "-m", "cdcproof", "exporter"]
    argv += ["--env", "embedded", "--pipeline", "embedded", "--state", counters]
    return Start(
        argv,
        log_file(instance, NAME),
        environment={folders.INSTANCE_VARIABLE: instance.name},
        cwd=folders.checkout(),
    )


EXPORTER = Service(
    NAME,
    "monitoring",
    {RECONCILIATION: 9103, CONNECT: 9104},
    _start,
    answers_http(RECONCILIATION, "/metrics"),
    is_core=False,
)
