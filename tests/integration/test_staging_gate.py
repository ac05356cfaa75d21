"""The staging gate: on the pipeline that $CDCPROOF_PIPELINE names, and, by the workflow files as they stand, on an embedded one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cdcproof.environments.embedded import connectors
from cdcproof.findings import Verdict
from cdcproof.pipeline.choice import VARIABLE
from cdcproof.reporting.record import Run
from tests import yaml_files
from tests.drills.detections import DETECTIONS
from tests.integration.conftest import ROOT, Pipelines

pytestmark = pytest.mark.integration

SINK, SOURCE = connectors.SINK, connectors.SOURCE
GITHUB = yaml_files.read(ROOT / "docs/ci/github-actions.yml")
GITLAB = yaml_files.read(ROOT / "docs/ci/gitlab-ci.yml")
AFTER_CONNECTORS = ("validate.3-round-trip", "validate.4-reconciliation", "validate.6-soak")
WAIVER = '[[waivers]]\nstep = "validate.3-round-trip"\nreason = "deletes come with the next release"\nexpires = {}\n'


def test_what_runs_passes_the_staging_gate(request: pytest.FixtureRequest) -> None:
    """The runbook's `pytest tests/integration/`: CDCPROOF_PIPELINE=staging names the stack, else it is an embedded one.

    A live staging needs PYTEST_ADDOPTS=--allow-acts.
    """
    gate = [sys.executable, "-m", "pytest", "-m", "staging", "-p", "no:cacheprovider"]
    environment = dict(os.environ)
    if not os.environ.get(VARIABLE):
        pipelines: Pipelines = request.getfixturevalue("pipelines")
        environment = pipelines.environment
        gate.append(f"--reports-dir={pipelines.folder}/gate")

    done = subprocess.run(gate, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@dataclass
class Repository:
    """Somebody's repository, with the workflow's variables, on a machine where cdcproof is installed."""

    pipe: Pipelines
    folder: Path

    def write(self, *, risk: str = "low", pipeline: str = "", **sink: str) -> None:
        """The change: other settings of the sink, `__` for a dot; `pipeline` is added to the pipeline file."""
        text = (ROOT / "fixtures/pipelines/embedded.toml").read_text()
        text = text.replace("hop_seconds = 10", "hop_seconds = 5").replace(
            "deadline_seconds = 60", "deadline_seconds = 5"
        )
        (self.folder / "pipelines").mkdir(exist_ok=True)
        with_files = text.replace("[paths]\n", '[paths]\nconnectors = "connectors"\n')
        (self.folder / "pipelines" / "staging.toml").write_text(f"{with_files}\n{pipeline}")
        (self.folder / "change.toml").write_text(
            f'summary = "a change of the sink"\nrisk = "{risk}"\ndowntime_minutes = 1\n'
        )
        (self.folder / "connectors").mkdir(exist_ok=True)
        changes = {key.replace("__", "."): value for key, value in sink.items()}
        for name, changed in ((SOURCE, {}), (SINK, changes)):
            told = {"name": name, "config": connectors.config(self.pipe.instance, name) | changed}
            (self.folder / "connectors" / f"{name}.json").write_text(json.dumps(told))

    def bash(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        programs = Path(sys.executable).parent
        known = {**self.pipe.environment, "SOAK": "3s", "PIPELINE": "pipelines/staging.toml", "CHANGE": "change.toml"}
        return subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script],
            cwd=self.folder,
            env={**known, "COMPOSE": "none", "PATH": f"{programs}:{os.environ['PATH']}", **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def github(self, step: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """One step of the workflow, as it stands there."""
        (script,) = [s["run"] for s in GITHUB["jobs"]["gate"]["steps"] if s.get("id") == step]
        return self.bash(script, **environment)

    def run(self) -> Run:
        run = Run.from_dict(json.loads((self.folder / "reports" / "latest.json").read_text()))
        DETECTIONS.saw(run)
        return run

    def wrong(self) -> dict[str, Verdict]:
        return {s.step: s.verdict for s in self.run().steps if not s.verdict.is_green}


@pytest.fixture
def repository(pipelines: Pipelines, tmp_path: Path) -> Iterator[Repository]:
    pipelines.heal()
    made = Repository(pipelines, tmp_path / "repository")
    made.folder.mkdir()
    (made.folder / ".cdcproof").symlink_to(ROOT)
    yield made
    pipelines.heal()


def test_a_change_that_is_right_passes_on_github_with_reports_and_no_annotation(repository: Repository) -> None:
    repository.write(batch__size="1999")
    summary = repository.folder / "step.md"

    classified = repository.github("classify")
    gate = repository.github("gate")
    annotated = repository.github("annotate", GITHUB_STEP_SUMMARY=str(summary))

    assert classified.returncode == 0, classified.stdout + classified.stderr
    assert "minor setting: connectors/postgres-sink-connector/batch.size" in classified.stdout
    assert gate.returncode == 0, gate.stdout + gate.stderr
    assert repository.pipe.connect.states().get(SINK).config["batch.size"] == "1999"
    assert (annotated.returncode, annotated.stdout) == (0, ""), annotated.stderr
    assert "GREEN: 7 passed" in summary.read_text()
    cases = ElementTree.parse(repository.folder / "reports" / "junit.xml").findall(".//testcase")
    assert len(cases) == len(repository.run().steps) == 7
    assert (repository.folder / "reports" / "staging+validate.html").exists()


def test_a_change_that_breaks_replication_is_stopped_with_what_it_breaks(repository: Repository) -> None:
    """Also where a waiver excused it once."""
    repository.write(delete__enabled="false", risk="medium", pipeline=WAIVER.format("2020-01-31"))

    assert repository.github("classify").returncode == 0
    gate = repository.github("gate")
    annotated = repository.github("annotate")

    assert gate.returncode == 1, gate.stdout + gate.stderr
    assert repository.wrong() == {"validate.3-round-trip": Verdict.FAILED}
    assert "expired on 2020-01-31" in gate.stderr + gate.stdout
    (line,) = annotated.stdout.splitlines()
    assert line.startswith("::error file=change.toml,line=1,title=FAILED  validate.3-round-trip")
    assert "customers%3A delete" in line or "customers: delete" in line


def test_a_change_that_connect_refuses_is_stopped_before_it_is_applied(repository: Repository) -> None:
    repository.write(tasks__max="many")

    gate = repository.github("gate")

    assert gate.returncode == 1
    assert repository.wrong() == {
        "staging.1-connector-files": Verdict.FAILED,
        "staging.2-connectors-applied": Verdict.BLOCKED,
    }, gate.stdout
    assert repository.pipe.connect.states().get(SINK).config["tasks.max"] == "1"


def test_a_change_whose_connector_fails_is_stopped_and_can_be_undone(repository: Repository) -> None:
    repository.write(connection__password="not-the-passw0rd", risk="medium")

    gate = repository.github("gate")
    (action,) = [s.action for s in repository.run().steps if s.step == "staging.2-connectors-applied"]
    undone = repository.bash(action[-1])

    assert gate.returncode == 1
    expected = {"staging.2-connectors-applied": Verdict.FAILED, "validate.2-connectors": Verdict.FAILED}
    assert repository.wrong() == expected | dict.fromkeys(AFTER_CONNECTORS, Verdict.BLOCKED), gate.stdout
    assert "not-the-passw0rd" not in gate.stdout + json.dumps(repository.run().as_dict())
    assert undone.returncode == 0, undone.stdout + undone.stderr
    assert repository.pipe.connect.states().states[f"{SINK}/0"] == "RUNNING"


def test_a_change_that_is_declared_too_low_is_stopped(repository: Repository) -> None:
    repository.write(delete__enabled="false", risk="low")

    classified = repository.github("classify")

    assert classified.returncode == 1
    assert "derived: medium risk" in classified.stdout
    assert "TOO LOW" in classified.stdout


def test_a_waiver_is_the_only_way_round_until_its_day(repository: Repository) -> None:
    """After it, the change is stopped: `test_a_change_that_breaks_replication_is_stopped_with_what_it_breaks`."""
    repository.write(delete__enabled="false", risk="medium", pipeline=WAIVER.format("2099-12-31"))

    gate = repository.github("gate")

    assert gate.returncode == 0, gate.stdout + gate.stderr
    assert "expired" not in gate.stderr + gate.stdout


def test_gitlab_runs_the_same_gate_and_reports_its_findings(repository: Repository) -> None:
    job = GITLAB["cdc-staging-gate"]
    (repository.folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    repository.write(delete__enabled="false", risk="low")

    script = repository.bash("\n".join(job["script"]))
    after = repository.bash("\n".join(job["after_script"]))

    assert script.returncode == 1, script.stdout + script.stderr
    assert "TOO LOW" in script.stdout
    assert after.returncode == 0, after.stderr
    issues = json.loads((repository.folder / "codequality.json").read_text())
    assert [(i["check_name"], i["severity"], i["location"]["path"]) for i in issues] == [
        ("validate.3-round-trip", "blocker", "change.toml")
    ]


def test_the_runbooks_command_runs_the_gate_alone_where_a_pipeline_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/integration/", "--collect-only", "-q", "-p", "no:cacheprovider"],
        cwd=ROOT,
        env={**os.environ, VARIABLE: "staging"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    collected = [line for line in done.stdout.splitlines() if "::" in line]
    assert collected == ["tests/integration/test_staging_gate.py::test_what_runs_passes_the_staging_gate"], done.stdout
