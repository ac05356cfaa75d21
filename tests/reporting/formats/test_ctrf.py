"""CTRF against its published schema (npm ctrf 0.3.0, MIT): what consumers count, and what they may not be made to believe."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cdcproof.core.secrets import Secret
from cdcproof.findings import Verdict
from cdcproof.reporting.formats import ctrf
from cdcproof.reporting.judge import scrubbed
from tests.plugin_project import CONNECTORS, FINE, SERVICES_DOWN, Project
from tests.reporting.runs import record_of, run_of

pytest_plugins = "pytester"

SCHEMA = json.loads((Path(__file__).parent / "ctrf-schema-0.0.json").read_text())
EVERY_VERDICT = [record_of(f"morning.{verdict.name.lower()}", verdict, "sink/0") for verdict in Verdict]


def valid(text: str) -> dict[str, Any]:
    import jsonschema  # takes two seconds to import: only a worker that validates pays for them

    report: dict[str, Any] = json.loads(text)
    jsonschema.Draft7Validator(SCHEMA, format_checker=jsonschema.FormatChecker()).validate(report)
    return report["results"]  # type: ignore[no-any-return]


def test_every_verdict_has_a_status_and_its_own_word() -> None:
    found = valid(ctrf.of_run(run_of(*EVERY_VERDICT)))
    assert {test["rawStatus"]: test["status"] for test in found["tests"]} == {
        "passed": "passed",
        "warned": "passed",
        "failed": "failed",
        "not checked": "failed",
        "blocked": "skipped",
        "waived": "other",
    }
    summary = found["summary"]
    counted = {key: summary[key] for key in ("tests", "passed", "failed", "skipped", "pending", "other")}
    assert counted == {"tests": 6, "passed": 2, "failed": 2, "skipped": 1, "pending": 0, "other": 1}
    assert summary["start"] == 1_795_000_000_000
    assert summary["stop"] - summary["start"] == 4_200


@pytest.mark.parametrize("verdict", [v for v in Verdict if not v.is_green])
def test_what_is_not_green_is_never_passed(verdict: Verdict) -> None:
    found = valid(ctrf.of_run(run_of(record_of("morning.a", verdict, "sink/0"))))
    assert found["summary"]["passed"] == 0
    assert found["summary"]["extra"]["verdict"] == "NOT GREEN"
    assert "morning.a" in found["tests"][0]["message"]


def test_a_check_that_did_not_run_is_pending() -> None:
    partial = replace(run_of(record_of("morning.a")), missing=("morning.b",), parts=("morning",))
    found = valid(ctrf.of_run(partial))
    assert [(test["testId"], test["status"]) for test in found["tests"]] == [
        ("morning.a", "passed"),
        ("morning.b", "pending"),
    ]
    assert found["summary"]["extra"]["verdict"] == "PARTIAL"


def test_a_run_writes_it_where_it_was_told_to(project: Project) -> None:
    project.checks(SERVICES_DOWN, CONNECTORS, FINE, project.check("raise UnreachableError('no answer')", "morning.4-x"))
    project.run("-m", "morning", "--ctrf", "ci/ctrf.json")
    found = valid((project.path / "ci" / "ctrf.json").read_text())
    assert {test["testId"]: test["rawStatus"] for test in found["tests"]} == {
        "morning.1-services": "failed",
        "morning.2-connectors": "blocked",
        "morning.4-x": "not checked",
        "morning.5-disk": "passed",
    }
    down = next(test for test in found["tests"] if test["testId"] == "morning.1-services")
    assert down["name"] == "Every expected service is up."
    assert down["message"].startswith("FAILED  morning.1-services")
    assert down["extra"]["action"] == ["docker restart x"]


def test_a_file_that_cannot_be_written_is_named(project: Project) -> None:
    project.checks(FINE)
    (project.path / "ci").write_text("no folder")
    result = project.run("-m", "morning", "--ctrf", "ci/ctrf.json")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*The CTRF report could not be written: *"])


def test_secrets_are_out_of_it_as_they_are_out_of_every_record() -> None:
    Secret("hunter2-is-secret")
    record = scrubbed(record_of("morning.a", Verdict.FAILED, reason="login with hunter2-is-secret"))
    assert "hunter2" not in ctrf.of_run(run_of(record))
