"""The programs of monitoring, which come with the system or are unpacked somewhere on PATH: nothing is downloaded for them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from cdcproof.environments.embedded.artifacts import Parts
from cdcproof.environments.embedded.services.java import Java
from cdcproof.environments.embedded.services.service import Service, Start, answers_http, log_file, nothing
from cdcproof.environments.embedded.state import Instance

PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "prometheus": ("prometheus",),
    "alertmanager": ("prometheus-alertmanager", "alertmanager"),
    "pushgateway": ("prometheus-pushgateway", "pushgateway"),
}
"""Service to the names of its program: Debian's, then its makers'."""

HOW_TO_GET_THEM = (
    "apt-get download prometheus prometheus-alertmanager prometheus-pushgateway   # Debian, Ubuntu; nothing is installed",
    'for deb in *.deb; do dpkg -x "$deb" tools; done',
    'export PATH="$PWD/tools/usr/bin:$PATH"',
    "cdcproof up --monitoring",
)
"""Commands that need no root."""


def find(service: str) -> str | None:
    """The path of a service's program, None where it is not on PATH."""
    return next((path for path in map(shutil.which, PROGRAMS[service]) if path), None)


def program(service: str) -> str:
    """The path of a program that `find` has found; else its name, so that starting it says what is missing."""
    return find(service) or PROGRAMS[service][0]


def service(
    name: str, *, port: int, command: Callable[[Instance], list[str]], hindrance: Callable[[], str] = nothing
) -> Service:
    """A service that runs one of these programs; `command` writes its configuration and returns its command line."""

    def start(instance: Instance, parts: Parts, java_: Java) -> Start:
        del parts, java_
        return Start(command(instance), log_file(instance, name))

    def why_not() -> str:
        return hindrance() if find(name) else f"{PROGRAMS[name][0]} is not on PATH"

    return Service(
        name,
        "monitoring",
        {name: port},
        start,
        answers_http(name, "/-/ready"),
        is_core=False,
        runs_if_asked=True,
        hindrance=why_not,
    )


def write_json(path: Path, settings: Mapping[str, object]) -> Path:
    """Write a configuration as JSON, which is YAML too."""
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    return path
