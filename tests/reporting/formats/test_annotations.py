from __future__ import annotations

import json
import re

import pytest

from cdcproof.cli.main import main
from cdcproof.core.secrets import Secret
from cdcproof.findings import Verdict
from cdcproof.reporting import journal
from cdcproof.reporting.formats import annotations
from tests.reporting.runs import record_of, run_of

RUN = run_of(
    record_of("validate.1-services"),
    record_of("validate.2-connectors", Verdict.FAILED, "sink/0, the one: 100%"),
    record_of("validate.3-round-trip", Verdict.BLOCKED, blocked_by="validate.2-connectors", reason="needs it"),
    record_of("validate.4-reconciliation", Verdict.NOT_CHECKED, reason="no answer"),
    record_of("validate.5-baseline", Verdict.WARNED, "deployment", severity="major"),
    record_of("validate.6-soak", Verdict.WAIVED, reason="known until Friday"),
)
COMMAND = re.compile(r"::(error|warning|notice) file=([^,:]+),line=1,title=([^,:]+)::([^\n]*)")


def decoded(text: str) -> str:
    for sign, code in (("\n", "%0A"), ("\r", "%0D"), (":", "%3A"), (",", "%2C"), ("%", "%25")):
        text = text.replace(code, sign)
    return text


def test_every_check_that_is_not_plainly_passed_is_one_line_for_github() -> None:
    lines = annotations.github(RUN, "change.toml").splitlines()

    commands = [COMMAND.fullmatch(line) for line in lines]
    assert all(commands)
    assert [(c[1], decoded(c[3]).split()[0:4]) for c in commands if c] == [
        ("error", ["FAILED", "validate.2-connectors", "The", "title"]),
        ("error", ["BLOCKED", "validate.3-round-trip", "The", "title"]),
        ("error", ["NOT", "CHECKED", "validate.4-reconciliation", "The"]),
        ("warning", ["WARNED", "validate.5-baseline", "The", "title"]),
        ("notice", ["WAIVED", "validate.6-soak", "The", "title"]),
    ]


def test_an_annotation_holds_what_was_expected_and_found() -> None:
    message = decoded(COMMAND.fullmatch(annotations.github(RUN, "x").splitlines()[0])[4])  # type: ignore[index]

    assert "Expected  sink/0, the one: 100%  RUNNING" in message
    assert "Found     sink/0, the one: 100%  FAILED" in message


def test_a_green_run_has_nothing_to_annotate() -> None:
    green = run_of(record_of("validate.1-services"))

    assert annotations.github(green, "x") == ""
    assert json.loads(annotations.codequality(green, "x")) == []


def test_gitlabs_report_has_an_issue_for_each() -> None:
    issues = json.loads(annotations.codequality(RUN, "change.toml"))

    assert [(i["check_name"], i["severity"]) for i in issues] == [
        ("validate.2-connectors", "blocker"),
        ("validate.3-round-trip", "blocker"),
        ("validate.4-reconciliation", "blocker"),
        ("validate.5-baseline", "info"),
        ("validate.6-soak", "info"),
    ]
    assert {i["location"]["path"] for i in issues} == {"change.toml"}
    assert len({i["fingerprint"] for i in issues}) == len(issues)
    assert "\n" not in issues[0]["description"]


def test_the_step_summary_names_every_check() -> None:
    page = annotations.markdown(RUN)

    assert page.startswith("## validate of example (live): NOT GREEN")
    assert [line.split("`")[1] for line in page.splitlines() if line.startswith("| ") and "`" in line] == [
        step.step for step in RUN.steps
    ]
    assert page.count("````") == 2 * 4  # the blocked one is told by its cause


def test_no_secret_is_in_any_of_them() -> None:
    Secret("hunter22-s3cret")
    run = run_of(record_of("validate.4-reconciliation", Verdict.NOT_CHECKED, reason="refused hunter22-s3cret"))

    for told in (annotations.github(run, "x"), annotations.codequality(run, "x"), annotations.markdown(run)):
        assert "hunter22" not in told
        assert "[redacted]" in told


def test_the_command_prints_annotations_and_writes_the_step_summary(
    tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    journal.write(RUN, tmp_path)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "step.md"))
    (tmp_path / "step.md").write_text("before\n")

    status = main(["summary", "--format", "github", f"--reports-dir={tmp_path}", "--file=change.toml"])

    assert status == 0
    assert capsys.readouterr().out == annotations.github(RUN, "change.toml")
    assert (tmp_path / "step.md").read_text() == "before\n" + annotations.markdown(RUN)


def test_without_a_run_it_could_not_look(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", "--format", "codequality", f"--reports-dir={tmp_path}"]) == 3
    assert "There is no report of a run" in capsys.readouterr().err
