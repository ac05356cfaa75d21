"""Compose commands that change what runs: services of one project stopped, and started from its files."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from cdcproof.clients.containers.compose_config import tool
from cdcproof.clients.containers.engine import ComposeProject
from cdcproof.core import bounded_program
from cdcproof.core.errors import OperationError, UnreachableError
from cdcproof.core.secrets import scrub

_SECONDS = 900.0
"""`up` may first have to pull images."""
_LONGEST_QUOTE_LINES = 5


def words(project: ComposeProject, *command: str) -> list[str]:
    """The command line for these services."""
    files = [word for file in project.files for word in ("-f", str(file))]
    return [*tool(), *files, "-p", project.name, *command, *project.services]


def run(project: ComposeProject, *command: str) -> None:
    """Run it in the project's folder. Raises `OperationError` with its last words."""
    line: Sequence[str] = words(project, *command)
    try:
        done = bounded_program.run(line, cwd=project.folder, seconds=_SECONDS)
    except subprocess.TimeoutExpired:
        raise OperationError(f"`{' '.join(line)}` did not end within {_SECONDS:g} s.") from None
    except OSError as error:
        raise UnreachableError(f"{line[0]} cannot be run in {project.folder}: {error.strerror}.") from None
    if done.returncode:
        said = scrub(done.stderr or done.stdout).strip().splitlines()
        raise OperationError(
            f"`{' '.join(line)}` ended with status {done.returncode}:\n" + "\n".join(said[-_LONGEST_QUOTE_LINES:])
        )
