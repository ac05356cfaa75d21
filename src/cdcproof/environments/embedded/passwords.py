"""The passwords of an instance: from the environment when it is first started, else made up; kept in one 0600 file.

The file has the form that Kafka's FileConfigProvider reads, so that the connectors' configurations only name them.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass

from cdcproof.core import bounded
from cdcproof.core.errors import UsageError
from cdcproof.core.secrets import Secret
from cdcproof.environments.embedded import folders
from cdcproof.environments.embedded.state import Instance

SOURCE_VARIABLE = "POSTGRES_SOURCE_PASSWORD"
TARGET_VARIABLE = "POSTGRES_PASSWORD"
SUPERUSER_VARIABLE = "CDCPROOF_EMBEDDED_SUPERUSER_PASSWORD"
"""Of backup and restore, which no account of the checks may do."""


@dataclass(frozen=True)
class Passwords:
    """One password for the accounts of each server, and one for both superusers."""

    source: Secret
    target: Secret
    superuser: Secret


def of(instance: Instance) -> Passwords:
    """Read them. Raises `UsageError` when the file is gone."""
    path = instance.folders.secrets
    try:
        stored = dict(line.split("=", 1) for line in bounded.read_text(path).splitlines())
        return Passwords(
            Secret(stored["source_password"]), Secret(stored["target_password"]), Secret(stored["superuser_password"])
        )
    except (OSError, KeyError, ValueError):
        raise UsageError(
            f"The passwords of the embedded pipeline cannot be read from {path}.",
            "Remove the instance and start anew: cdcproof down --remove; cdcproof up",
        ) from None


def make(instance: Instance) -> None:
    """Choose them, unless that has been done: those of the environment change what is kept."""
    path = instance.folders.secrets
    kept = of(instance) if path.exists() else None
    source = os.environ.get(SOURCE_VARIABLE) or (kept.source.reveal() if kept else secrets.token_urlsafe(18))
    target = os.environ.get(TARGET_VARIABLE) or (kept.target.reveal() if kept else secrets.token_urlsafe(18))
    superuser = kept.superuser.reveal() if kept else secrets.token_urlsafe(18)
    for variable, value in ((SOURCE_VARIABLE, source), (TARGET_VARIABLE, target)):
        if any(character in value for character in "\\\n\r=#! ") or value != value.strip():
            raise UsageError(
                f"The password in {variable} holds a character that a properties file cannot: one of \\ = # ! or a blank.",
                f"Choose another one, or unset {variable} and one is made up.",
            )
    folders.write_private(path, f"source_password={source}\ntarget_password={target}\nsuperuser_password={superuser}\n")


def export(instance: Instance) -> None:
    """Put them where the pipeline file says the passwords are, unless something stands there already."""
    passwords = of(instance)
    os.environ.setdefault(SOURCE_VARIABLE, passwords.source.reveal())
    os.environ.setdefault(TARGET_VARIABLE, passwords.target.reveal())
    os.environ[SUPERUSER_VARIABLE] = passwords.superuser.reveal()  # nobody chooses it, and each instance has its own
