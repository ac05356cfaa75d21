"""A project of one's own: the files that `cdcproof new` writes, and what stands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from cdcproof.core.errors import UsageError
from cdcproof.core.files import write_whole
from cdcproof.pipeline.choice import PROJECT_FILE

_AS_THEY_ARE = {
    "pytest.ini": "pytest.ini",
    "conftest.py": "conftest.py.txt",
    "checks/test_own.py": "test_own.py.txt",
    ".github/workflows/cdcproof.yml": "workflow.yml",
    ".gitignore": "gitignore",
}
"""File of a project to its template."""

_SCRIPTS = {
    "./scripts/bash/backup-databases.sh": "cdcproof backup",
    "./scripts/bash/collect-diagnostics.sh": "cdcproof diagnose",
}
_PLACE = "/path/to/project"
_CRONTAB = """\
# The scheduled tasks of {project}, in UTC. Look through them, then add them to this account's: crontab -l | cat - monitoring/crontab | crontab -
# The passwords are not here: /etc/cdcproof/environment has them (monitoring/environment.example), readable by this account alone.
"""


def project_files(folder: Path, programs: Path, version: str, shipped: Path) -> dict[str, str]:
    """Path below `folder` to text. `programs` is where cdcproof and pytest are installed."""
    return {
        PROJECT_FILE: _example((shipped / "fixtures/pipelines/warehouse.toml").read_text(encoding="utf-8")),
        **{path: _template(name) for path, name in _AS_THEY_ARE.items()},
        "requirements.txt": _template("requirements.txt").format(version=version.partition("+")[0]),
        "monitoring/crontab": _crontab((shipped / "monitoring/crontab").read_text(encoding="utf-8"), folder, programs),
        "monitoring/cron-environment.sh": (shipped / "monitoring/cron-environment.sh").read_text(encoding="utf-8"),
        "monitoring/environment.example": re.sub(
            r"CDCPROOF_PIPELINE=.*\n", "", (shipped / "monitoring/environment.example").read_text(encoding="utf-8")
        ),
    }


def write_missing(folder: Path, contents: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Write what is not there, and nothing over what is: the files written, and those that exist. Raises `UsageError`."""
    there = [path for path in contents if (folder / path).exists() or (folder / path).is_symlink()]
    written = [path for path in contents if path not in there]
    for path in written:
        file = folder / path
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, contents[path])
        except OSError as error:
            raise UsageError(f"{file} cannot be written: {error.strerror}.", "Name another directory.") from None
    return written, there


def _template(name: str) -> str:
    return (files("cdcproof.onboarding") / "templates" / name).read_text(encoding="utf-8")


def _example(text: str) -> str:
    """The runbook's pipeline, with a head that says what to do with it."""
    body = text[text.index('name = "') :]
    return (
        "# An example: the pipeline of the runbook. Put your own servers, connectors and tables in its place, or let a running Kafka\n"
        f"# Connect say what it runs: cdcproof init --connect-url http://HOST:8083 --output {PROJECT_FILE} --force\n"
        "# `cdcproof check-config` tries every address and permission; docs/PIPELINE.md of cdcproof explains every key.\n\n"
    ) + body


def _crontab(text: str, folder: Path, programs: Path) -> str:
    """The tasks of a checkout as those of a project, which runs the installed commands."""
    tasks = text[text.index("# CRON_TZ") :]
    for script, command in _SCRIPTS.items():
        tasks = tasks.replace(script, command)
    tasks = tasks.replace(f"{_PLACE}/.venv/bin", str(programs))
    tasks = tasks.replace(f"cd {_PLACE}", f"cd {shlex.quote(str(folder))}".replace("%", r"\%"))
    return _CRONTAB.format(project=folder) + tasks.replace(_PLACE, str(folder))
