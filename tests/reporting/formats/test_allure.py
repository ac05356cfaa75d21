from __future__ import annotations

import json
from typing import Any

from tests.plugin_project import CONNECTORS, FINE, SERVICES_DOWN, Project

pytest_plugins = "pytester"


def _results(project: Project) -> dict[str, dict[str, Any]]:
    results = [json.loads(path.read_text()) for path in (project.path / "allure").glob("*-result.json")]
    return {next(label["value"] for label in r["labels"] if label["name"] == "step"): r for r in results}


def test_a_result_has_our_status_text_evidence_and_differences(project: Project) -> None:
    project.checks(SERVICES_DOWN, CONNECTORS, FINE, project.check("raise UnreachableError('no answer')", "morning.4-x"))

    project.run("-m", "morning", "--alluredir", "allure")

    results = _results(project)
    assert {step: result["status"] for step, result in results.items()} == {
        "morning.1-services": "failed",
        "morning.2-connectors": "skipped",
        "morning.4-x": "broken",
        "morning.5-disk": "passed",
    }
    failed = results["morning.1-services"]
    assert failed["name"] == "Every expected service is up."
    assert failed["statusDetails"]["message"].startswith("FAILED  morning.1-services")
    assert "trace" not in failed["statusDetails"]
    assert [step["name"] for step in failed["steps"]] == ["kafka-connect (connect): expected up, found down"]
    assert failed["steps"][0]["status"] == "failed"
    assert failed.get("links", []) == []  # a report is read where there is no checkout
    assert "docs/RUNBOOK.md#morning-1-services" in failed["description"]
    labels = {(label["name"], label["value"]) for label in failed["labels"]}
    assert {("severity", "critical"), ("as_id", "morning.1-services"), ("suite", "morning")} <= labels
    (attachment,) = failed["attachments"]
    assert attachment["name"] == "Services"
    assert "kafka-connect  down" in (project.path / "allure" / attachment["source"]).read_text()


def test_a_traceback_of_ours_is_not_in_allure(project: Project) -> None:
    fixture = "@pytest.fixture\ndef buggy():\n    {}['x']\n"
    project.checks(fixture, project.check("pass", fixtures="buggy, evidence"))

    project.run("-m", "morning", "--alluredir", "allure")

    for path in (project.path / "allure").iterdir():
        assert "Traceback" not in path.read_text()
        assert 'test_morning.py\\", line' not in path.read_text()
        assert '"trace"' not in path.read_text()


def test_ordinary_tests_keep_allures_own_results(project: Project) -> None:
    (project.path / "test_ordinary.py").write_text("def test_one():\n    assert 1 == 2\n")

    project.run("test_ordinary.py", "--alluredir", "allure")

    (path,) = (project.path / "allure").glob("*-result.json")
    result = json.loads(path.read_text())
    assert result["status"] == "failed"
    assert "assert 1 == 2" in result["statusDetails"]["message"]
    assert "test_ordinary.py" in result["statusDetails"]["trace"]
