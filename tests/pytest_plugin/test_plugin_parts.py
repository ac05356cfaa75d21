"""A run of a part of a suite is called partial, and replaces nothing that the whole run has written."""

from __future__ import annotations

import json

import pytest

from tests.plugin_project import FINE, SERVICES_DOWN, Project

pytest_plugins = "pytester"

INTERRUPTED = '''
@pytest.mark.runbook("morning.6-soak", severity="major")
def test_soak(evidence):
    """Nothing flaps."""
    raise KeyboardInterrupt
'''

STAGED = '''
@pytest.mark.staging
@pytest.mark.runbook("validate.1-services", severity="major")
def test_validate(evidence):
    """Services are up."""
    evidence.saw("x", "y")


@pytest.mark.runbook("validate.2-baseline", severity="major")
def test_baseline(evidence):
    """Nothing else has changed."""
    evidence.saw("x", "y")


@pytest.mark.runbook("staging.1-files", severity="major")
def test_files(evidence):
    """Files are accepted."""
    evidence.saw("x", "y")
'''


def whole(project: Project) -> dict[str, bytes]:
    """Write what a whole run writes, and return it."""
    project.run("-m", "morning")
    names = ("morning.html", "summary.txt", "summary.md", "summary.html", "cdcproof-morning.prom")
    return {name: (project.reports / name).read_bytes() for name in names}


def after(project: Project, before: dict[str, bytes]) -> dict[str, bytes]:
    return {name: (project.reports / name).read_bytes() for name in before}


@pytest.mark.parametrize(
    "part",
    [
        ("-m", "morning", "-k", "disk"),
        ("checks/test_morning.py::test_disk",),
        ("checks/test_morning.py",),
        ("-m", "morning", "--deselect", "checks/test_other.py::test_morning_9_other"),
        ("-m", "morning", "--ignore", "checks/test_other.py"),
        pytest.param(("-m", "morning", "-k", "disk", "-n", "1"), marks=pytest.mark.slow),
    ],
)
def test_a_part_is_never_green_and_replaces_nothing(project: Project, part: tuple[str, ...]) -> None:
    project.checks(FINE)
    project.checks(project.check("evidence.saw('x', 'y')", "morning.9-other"), name="test_other.py")
    before = whole(project)

    result = project.run(*part)

    assert result.ret == 0
    assert "GREEN" not in result.stdout.str()
    assert "PARTIAL: 1 passed, 1 did not run in " in result.stdout.str()
    assert "Not run this time: morning.9-other" in result.stdout.str()
    unchanged = {name: text for name, text in before.items() if name != "cdcproof-morning.prom"}
    assert after(project, unchanged) == unchanged
    assert result.outlines[-1] == str(project.reports / "morning.part.html")
    assert "PARTIAL" in (project.reports / "morning.part.html").read_text()


def test_the_metrics_keep_what_was_not_run_and_when_the_whole_suite_last_ended(project: Project) -> None:
    project.checks(SERVICES_DOWN, FINE)
    before = whole(project)["cdcproof-morning.prom"].decode()

    project.run("-m", "morning", "-k", "disk")

    now = (project.reports / "cdcproof-morning.prom").read_text()
    red = 'cdcproof_check_status{check="morning.1-services",pipeline="example",severity="critical",suite="morning"} 2.0'
    assert red in before.splitlines()
    assert red in now.splitlines()
    ended = "cdcproof_suite_last_run_timestamp_seconds{"
    assert [line for line in now.splitlines() if line.startswith(ended)] == [
        line for line in before.splitlines() if line.startswith(ended)
    ]


def test_a_part_of_a_suite_that_never_ran_whole_has_no_time_of_a_whole_run(project: Project) -> None:
    project.checks(SERVICES_DOWN, FINE)

    project.run("-m", "morning", "-k", "disk")

    assert "last_run_timestamp_seconds{" not in (project.reports / "cdcproof-morning.prom").read_text()
    assert not (project.reports / "summary.txt").exists()


def test_ctrl_c_leaves_a_partial_run(project: Project) -> None:
    project.checks(FINE, INTERRUPTED)

    result = project.pytester.runpytest_inprocess("--pipeline", "p.toml", "-m", "morning", no_reraise_ctrlc=True)

    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "Interrupted: 1 of 2 checks did not run." in result.stdout.str()
    assert "PARTIAL: 1 passed, 1 did not run" in result.stdout.str()
    assert "GREEN" not in result.stdout.str()
    assert not (project.reports / "morning.html").exists()


def test_a_part_with_a_failure_is_not_green_and_says_what_did_not_run(project: Project) -> None:
    project.checks(SERVICES_DOWN, FINE)

    result = project.run("-m", "morning", "-x")

    assert result.ret == 1
    assert "NOT GREEN: 1 failed, 1 did not run" in result.stdout.str()
    assert not (project.reports / "morning.html").exists()


def test_only_what_failed_last_is_a_part(project: Project) -> None:
    project.checks(SERVICES_DOWN, FINE)
    cached = ("-o", "addopts=--strict-markers -p cdcproof.pytest_plugin")
    project.run("-m", "morning", *cached)
    before = (project.reports / "morning.html").read_bytes()
    project.checks(SERVICES_DOWN.replace('"state": "down"', '"state": "up"').replace('"down"}, {', '"up"}, {'), FINE)

    result = project.run("-m", "morning", "--lf", *cached)

    assert "PARTIAL: 1 passed, 1 did not run" in result.stdout.str()
    assert (project.reports / "morning.html").read_bytes() == before


def test_a_suite_that_borrows_checks_of_another_is_whole(project: Project) -> None:
    """`-m staging` selects some checks of validate by a mark: nothing of staging is missing, but validate is a part."""
    ini = project.path / "pytest.ini"
    ini.write_text(ini.read_text() + "    validate: v\n    staging: s\n")
    project.checks(STAGED)

    result = project.run("-m", "staging")

    assert "GREEN: 2 passed in" in result.stdout.str()
    run = project.latest()
    assert (run.missing, run.parts) == ((), ("validate",))
    assert "last_run_timestamp" in (project.reports / "cdcproof-staging.prom").read_text()
    assert "last_run_timestamp_seconds{" not in (project.reports / "cdcproof-validate.prom").read_text()


def test_a_check_that_does_not_apply_is_not_missing(project: Project) -> None:
    project.checks(
        FINE, project.check("pass", "morning.8-slots", mark=", applies=lambda pipeline: pipeline.registry is not None")
    )

    assert "GREEN: 1 passed in" in project.run("-m", "morning").stdout.str()


def test_another_pipeline_in_the_same_directory_replaces_nothing(project: Project) -> None:
    project.checks(SERVICES_DOWN, FINE)
    before = whole(project)
    latest = (project.reports / "latest.json").read_bytes()
    other = (project.path / "p.toml").read_text().replace('name = "example"', 'name = "other"')
    (project.path / "other.toml").write_text(other)

    result = project.run("-m", "morning", "--pipeline=other.toml")

    assert result.outlines[-1] == str(project.reports / "other" / "morning.html")
    assert after(project, before) == before
    assert (project.reports / "latest.json").read_bytes() == latest
    assert len(list((project.reports / "runs").iterdir())) == 1
    assert 'pipeline="other"' in (project.reports / "other" / "cdcproof-morning.prom").read_text()
    assert json.loads((project.reports / "other" / "latest.json").read_text())["pipeline"] == "other"
    assert "This is the first run kept here" in result.stdout.str()


def test_whole_runs_in_a_row_that_were_not_green_are_counted(project: Project) -> None:
    def failed(*arguments: str) -> float | None:
        project.run("-m", "morning", *arguments)
        text = (project.reports / "cdcproof-morning.prom").read_text()
        found = [line for line in text.splitlines() if line.startswith("cdcproof_suite_failed_runs{")]
        return float(found[0].rpartition(" ")[2]) if found else None

    project.checks(FINE, SERVICES_DOWN)

    assert failed("-k", "disk") is None, "no whole run yet"
    assert failed() == 1
    assert failed("-k", "disk") == 1, "a green part is no green run"
    assert failed() == 2
    project.checks(FINE)
    assert failed() == 0


@pytest.mark.parametrize(("suite", "is_said"), [("morning", True), ("weekly", True), ("not morning", False)])
def test_in_a_folder_without_checks_the_way_to_them_is_named(project: Project, suite: str, is_said: bool) -> None:
    result = project.run("-m", suite)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    hint = "No check was found: this folder is no project of cdcproof. Make one: cdcproof new DIRECTORY"
    assert (hint in result.stdout.str()) is is_said
