"""Every line of the crontab, run as cron runs it: by its shell, with its settings and no other environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cdcproof.environments.embedded.folders import INSTANCE_VARIABLE
from cdcproof.pipeline.choice import VARIABLE
from tests.crontab import Line, parse
from tests.integration.conftest import INSTANCE, PASSWORDS, ROOT, Pipelines
from tests.s3mock import S3Mock

pytest_plugins = ["tests.s3mock"]
pytestmark = pytest.mark.integration

CRONTAB = parse((ROOT / "monitoring" / "crontab").read_text())
COPIED = ("checks", "fixtures", "scripts", "monitoring", "docs", "conftest.py", "pytest.ini")
FIRST_TIME, NO_ADVISORIES = "Too short a history", "packages were not audited|pip-audit is not installed"
ENDS: dict[str, tuple[set[int], str]] = {
    "./scripts/bash/collect-diagnostics.sh": ({0, 3}, ""),  # 3: without a container engine not all is there
    "pytest -m weekly": ({1}, FIRST_TIME),
    "pytest -m monthly": ({1}, NO_ADVISORIES),
}
"""Exit statuses and words of the lines that do not end with 0 here: a first weekly run has no history, and no advisories are served."""

UNWATCHED = ("cdcproof cleanup prometheus", "cdcproof cleanup backups --delete")


@dataclass(frozen=True)
class Cron:
    """A project folder of its own, as an operator would have it."""

    folder: Path

    def run(self, line: Line) -> tuple[int, str]:
        """The status of a line, and what its log has."""
        settings = {name: self._there(value) for name, value in CRONTAB.settings.items()}
        environment = {"HOME": os.environ["HOME"], "LOGNAME": "cdcproof", **settings}
        environment["CDCPROOF_ENVIRONMENT"] = str(self.folder / "environment")
        done = subprocess.run(
            [settings["SHELL"], "-c", self._there(line.command)],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        log = line.command.partition(" >> ")[2].partition(" ")[0]
        assert done.stdout + done.stderr == "", "all goes to the log"
        return done.returncode, Path(self._there(log)).read_text()

    def _there(self, text: str) -> str:
        return text.replace("/path/to/project", str(self.folder / "project")).replace("/var/log", str(self.folder))


@pytest.fixture(scope="module")
def cron(pipelines: Pipelines, s3mock: S3Mock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cron]:
    folder = tmp_path_factory.mktemp("cron")
    project, programs = folder / "project", folder / "project" / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, project / name)
    for name in ("cdcproof", "pytest"):
        (programs / name).symlink_to(Path(sys.executable).parent / name)
    (programs / "date").write_text('#!/bin/sh\n[ "$1" = +%u ] && echo 1 || exec /bin/date "$@"\n')  # a Monday
    (programs / "date").chmod(0o755)
    s3mock.store("cdc-backups")
    names = (
        "XDG_STATE_HOME",
        "XDG_CACHE_HOME",
        "TMPDIR",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_CA_BUNDLE",
    )
    values = {
        VARIABLE: "embedded",
        INSTANCE_VARIABLE: INSTANCE,
        **PASSWORDS,
        "AWS_ENDPOINT_URL": s3mock.endpoint,
        "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:hypothesispytest",
        **{name: os.environ[name] for name in names if name in os.environ},
    }
    (folder / "environment").write_text("".join(f"{name}='{value}'\n" for name, value in values.items()))
    pipelines.forget_reports()
    pipelines.report()
    pipelines.forget_restarts()
    yield Cron(folder)
    pipelines.forget_reports()


@pytest.mark.parametrize("line", CRONTAB.lines, ids=lambda line: line.words)
def test_a_line_does_its_work_and_leaves_when_it_did(cron: Cron, pipelines: Pipelines, line: Line) -> None:
    status, log = cron.run(line)

    expected, words = ENDS.get(line.words, ({0}, ""))
    assert status in expected, log
    assert any(word in log for word in words.split("|")), log
    assert not [secret for secret in PASSWORDS.values() if secret in log]
    if line.words not in UNWATCHED:
        is_suite = line.words.startswith("pytest")
        reports = cron.folder / "project" / "reports" if is_suite else pipelines.located().paths.reports
        times = json.loads((reports / "scheduled" / f"{_command(line)}.json").read_text())
        assert times["last_run"] > 0
        assert bool(times["last_success"]) == (not words), times


def _command(line: Line) -> str:
    named = {"backup-databases.sh": "backup", "collect-diagnostics.sh": "diagnose"}
    return (
        next((c for part, c in named.items() if part in line.words), "")
        or line.words.split(" ")[2 if line.words.startswith("pytest") else 1]
    )
