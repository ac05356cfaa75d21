"""Runs are kept in the history and shown beside the next; whatever is wrong with the history, verdicts and exit status stay."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from xml.etree import ElementTree as ET

import pytest

from cdcproof.cli.main import main
from cdcproof.history import database
from tests.plugin_project import FINE, SERVICES_DOWN, Project

pytest_plugins = "pytester"

LAG = """
from cdcproof.observations.lag.sink import SinkLag
from cdcproof.clients.kafka.consumer_groups import Group, PartitionLag
from pathlib import Path

@pytest.fixture
def lag():
    seconds = float(Path("seconds").read_text())
    return SinkLag((Group("g", "STABLE", 1),), {"g": (PartitionLag("t", 0, 1, 0, 5, seconds),)})
"""
CHECK = "evidence.saw('lag', lag.rows()); require_at_most(lag.seconds(), 10, unit='s')"


def lag(project: Project, *seconds: float) -> pytest.RunResult:
    project.checks(LAG, project.check(CHECK, "morning.7-lag", "", "lag, evidence"), FINE)
    for each in seconds:
        (project.path / "seconds").write_text(str(each))
        result = project.run("-m", "morning")
    return result


def test_charts_and_notes_stand_in_the_report_and_the_summary(project: Project) -> None:
    lag(project, 1, 20, 2, 30)

    words = "sink_lag_seconds of g: 30 now, 1 to 30 in 4 runs"
    for page in ("morning.html", "summary.html"):
        text = (project.reports / page).read_text()
        svg = next(ET.fromstring(f"<svg{part}</svg>") for part in _between(text, "<svg", "</svg>") if words in part)
        assert (svg.get("role"), svg.get("aria-label"), svg.findtext("title")) == ("img", words, words)
        heights = [float(point.split(",")[1]) for point in svg.find("polyline").get("points").split()]  # type: ignore[union-attr]
        assert heights[0] > heights[2] > heights[1] > heights[3]  # SVG's zero is at the top
        assert "<script" not in text
    summary = (project.reports / "summary.txt").read_text()
    assert "▁▆▁█" in summary
    assert words in summary
    assert "morning.7-lag: not green since " in summary
    assert "2 times since " in summary.replace("\n    ", " ")
    assert max(len(line) for line in summary.splitlines() if "/reports/" not in line) <= 80
    assert "▁▆▁█" in (project.reports / "summary.md").read_text()


def test_results_and_measures_are_kept(project: Project) -> None:
    lag(project, 4)

    (run,) = database.read(project.reports / database.FILE, "example")
    assert {(one.name, one.subject): one.value for one in run.measures} == {
        ("sink_lag_records", "g"): 4.0,
        ("sink_lag_seconds", "g"): 4.0,
    }
    assert {result.step: str(result.verdict) for result in run.results} == {
        "morning.7-lag": "passed",
        "morning.5-disk": "passed",
    }


@pytest.mark.parametrize("fault", ["broken", "locked", "folder"])
def test_a_history_that_cannot_be_used_is_a_line_and_nothing_else(
    project: Project, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lag(project, 1)
    path = project.reports / database.FILE
    monkeypatch.setattr(database, "_LOCK_SECONDS", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        if fault == "locked":
            other.execute("BEGIN EXCLUSIVE")
        else:
            path.unlink()
            path.mkdir() if fault == "folder" else path.write_bytes(b"garbage" * 1000)

        result = lag(project, 2)

    assert result.ret == 0
    assert "GREEN: 2 passed" in result.stdout.str()
    assert "The history does not have this run: " in result.stdout.str()
    assert project.verdicts() == {"morning.7-lag": "passed", "morning.5-disk": "passed"}
    assert (project.reports / "morning.html").exists()


def test_a_replay_is_not_kept(project: Project) -> None:
    lag(project, 1)
    (recording,) = (project.reports / "evidence").glob("*.jsonl")

    project.run("-m", "morning", f"--replay={recording}")

    assert len(database.read(project.reports / database.FILE, "example")) == 1


def test_old_runs_are_forgotten_as_the_pipeline_file_says(project: Project) -> None:
    lag(project, 1)
    with closing(sqlite3.connect(project.reports / database.FILE)) as connection:
        connection.execute("UPDATE runs SET started_at = started_at - 3 * 86400")
        connection.commit()
    project.pipeline(extra="thresholds.history_keep_days = 2")

    lag(project, 1)

    assert len(database.read(project.reports / database.FILE, "example")) == 1


def test_the_command_prints_every_check_and_trend(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lag(project, 1, 20, 2)
    monkeypatch.chdir(project.path)
    capsys.readouterr()

    assert main(["history"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "3 of checks" in text
    assert "morning.5-disk" in text
    assert "sink_lag_seconds" in text
    assert "▁█▁" in text

    assert main(["history", "--check", "morning.7-lag"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert [line.split()[3] for line in text.splitlines()[-3:]] == ["passed", "failed", "passed"]

    assert main(["history", "--json", "--check", "morning.7-lag"]) == 0
    (check,) = json.loads(capsys.readouterr().out)["checks"]
    assert [run["verdict"] for run in check["runs"]] == ["passed", "failed", "passed"]
    assert (check["times_red"], check["flaky"], check["now"]) == (1, False, "passed")
    assert check["detected_within_seconds"] > 0


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ("--check morning.8-none", 3, "morning.5-disk"),
        ("--since 2099-01-01", 3, "Widen --since"),
        ("--since yesterday", 2, "7d, 12h or 2026-11-01"),
        ("--reports-dir elsewhere", 3, "There is no history"),
        ("--pipeline none.toml", 2, "no such pipeline file"),
    ],
)
@pytest.mark.usefixtures("project_with_a_run")
def test_the_command_says_what_it_does_not_have(
    capsys: pytest.CaptureFixture[str], arguments: str, status: int, said: str
) -> None:
    try:
        found = main(["history", *arguments.split()])
    except SystemExit as ended:
        found = int(str(ended.code))

    assert found == status
    assert said in capsys.readouterr().err.replace("\n  ", " ")


@pytest.fixture
def project_with_a_run(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Project:
    lag(project, 1)
    monkeypatch.chdir(project.path)
    capsys.readouterr()
    return project


def test_a_command_of_a_time_ago_leaves_out_what_was_before(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project.checks(SERVICES_DOWN)
    project.run("-m", "morning")
    with closing(sqlite3.connect(project.reports / database.FILE)) as connection:
        connection.execute("UPDATE runs SET started_at = started_at - 3 * 86400")
        connection.commit()
    lag(project, 1)
    monkeypatch.chdir(project.path)
    capsys.readouterr()

    assert main(["history", "--json", "--since", "2d"]) == 0
    assert [one["check"] for one in json.loads(capsys.readouterr().out)["checks"]] == [
        "morning.5-disk",
        "morning.7-lag",
    ]


def _between(text: str, start: str, end: str) -> list[str]:
    return [part.partition(end)[0] for part in text.split(start)[1:]]
