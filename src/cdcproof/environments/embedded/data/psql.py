"""Statements and SQL files for the two databases, by `psql` as the superuser."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from cdcproof.core.errors import OperationError
from cdcproof.core.patience import busy, stretched
from cdcproof.core.secrets import Secret
from cdcproof.environments.embedded.processes.ports import HOST
from cdcproof.environments.embedded.services.postgres_cluster import SUPERUSER, programs
from cdcproof.environments.embedded.state import Instance

_TIMEOUT_SECONDS = 300.0


def run_sql(
    instance: Instance,
    service: str,
    database: str,
    password: Secret,
    *,
    sql: str = "",
    files: Sequence[Path] = (),
    variables: Mapping[str, int | str] | None = None,
    secret_variables: Mapping[str, Secret] | None = None,
) -> str:
    r"""Run a statement or files as the superuser and return the unaligned rows.

    In a file, ``:name`` is a variable, and ``\getenv name NAME`` reads a secret one, which appears on no command line.
    Raises `OperationError` with the server's words.
    """
    argv = [str(programs() / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
    argv += ["-h", HOST, "-p", str(instance.ports[service]), "-U", SUPERUSER, "-d", database]
    for name, value in (variables or {}).items():
        argv += ["-v", f"{name}={value}"]
    for file in files or ("-",):
        argv += ["-f", str(file)]
    environment = {
        **os.environ,
        "PGPASSWORD": password.reveal(),
        "PGCONNECT_TIMEOUT": "5",
        "PGCLIENTENCODING": "UTF8",
        "PGAPPNAME": "cdcproof",
        **{name: secret.reveal() for name, secret in (secret_variables or {}).items()},
    }
    seconds = stretched(_TIMEOUT_SECONDS)
    what = ", ".join(map(str, files)) or "a statement"
    try:
        done = subprocess.run(
            argv,
            input=sql,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=environment,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise OperationError(f"{service} did not finish {what} within {seconds:.0f} s{busy()}.") from None
    if done.returncode:
        said = next(
            (line for line in done.stderr.splitlines() if "ERROR" in line or "FATAL" in line), done.stderr.strip()
        )
        raise OperationError(f"{service} refused {what}: {said}")
    return done.stdout.strip()
