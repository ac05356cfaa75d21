"""The programs of monitoring, which come with the system or are unpacked somewhere on PATH: nothing is downloaded for them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

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
