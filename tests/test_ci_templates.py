"""The workflow files that people copy: valid by the schemas of GitHub and GitLab, and the same gate in both."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import yaml_files

FOLDER = Path(__file__).parents[1] / "docs" / "ci"
GITHUB = yaml_files.read(FOLDER / "github-actions.yml")
GITLAB = yaml_files.read(FOLDER / "gitlab-ci.yml")
STEPS: dict[str, dict[str, Any]] = {step["name"]: step for step in GITHUB["jobs"]["gate"]["steps"]}
JOB = GITLAB["cdc-staging-gate"]


@pytest.mark.parametrize(
    ("name", "schema"), [("github-actions.yml", "vendor.github-workflows"), ("gitlab-ci.yml", "vendor.gitlab-ci")]
)
def test_a_template_is_valid_by_its_schema(name: str, schema: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(FOLDER / name)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def gate_of(text: str) -> list[str]:
    """The gate's command, word by word."""
    (command,) = re.findall(r"^pytest .*(?:\n .*)*", text, flags=re.MULTILINE)
    return command.replace("\\\n", " ").split()


def test_both_run_the_same_gate() -> None:
    ours = gate_of(STEPS["Gate"]["run"])

    assert ours == gate_of("\n".join(JOB["script"]))
    assert {"staging", "--allow-acts", '--pipeline="$PIPELINE"', "--junitxml=reports/junit.xml"} <= set(ours)


def test_both_look_for_known_vulnerabilities_and_take_what_could_not_be_looked_up_for_no_answer() -> None:
    """pip-audit without --strict passes over packages that its index does not know, and calls them free of faults."""
    for command in (
        GITHUB["jobs"]["known-vulnerabilities"]["steps"][-1]["run"],
        GITLAB["known-vulnerabilities"]["script"][-1],
    ):
        assert {"--strict", "--require-hashes"} <= set(command.split())
        assert command.endswith("requirements.lock")


def test_reports_and_findings_are_kept_whatever_the_gate_says() -> None:
    for name in ("Gate", "Annotate", "Keep the reports"):
        assert STEPS[name]["if"] == "${{ !cancelled() }}"
    assert "reports/" in STEPS["Keep the reports"]["with"]["path"]
    assert JOB["artifacts"]["when"] == "always"
    assert "reports/" in JOB["artifacts"]["paths"]
    assert JOB["artifacts"]["reports"] == {"junit": "reports/junit.xml", "codequality": "codequality.json"}


def test_what_only_its_owner_may_read_is_not_kept() -> None:
    """acts.log has keys of rows, the journal of deployments configurations with their secrets."""
    assert {"!reports/**/acts.log", "!reports/**/connectors/**"} <= set(
        STEPS["Keep the reports"]["with"]["path"].split()
    )
    assert JOB["artifacts"]["exclude"] == ["reports/**/acts.log", "reports/**/connectors/**/*"]


def test_nothing_lets_a_red_gate_pass() -> None:
    for text in (FOLDER / "github-actions.yml", FOLDER / "gitlab-ci.yml"):
        assert not re.search(r"continue-on-error|allow_failure|\|\| true", text.read_text())


def test_passwords_come_from_secrets_and_are_never_in_a_command() -> None:
    passwords = {name: value for name, value in GITHUB["env"].items() if name.endswith("_PASSWORD")}

    assert passwords
    assert all(re.fullmatch(r"\$\{\{ secrets\.\w+ \}\}", value) for value in passwords.values())
    assert not any("PASSWORD" in step.get("run", "") for step in STEPS.values())
    assert not any("PASSWORD" in line for line in (*JOB["before_script"], *JOB["script"], *JOB["after_script"]))


def test_staging_is_stopped_whatever_happened() -> None:
    assert STEPS["Stop staging"]["if"].startswith("${{ always()")
    assert any("down --volumes" in line for line in JOB["after_script"])
