"""A reporter that fails: told in a line, never an exception, and the verdicts stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdcproof.core.errors import ConfigError
from cdcproof.findings import Verdict
from cdcproof.reporting.publish import publish
from tests.plugin_project import FINE, SERVICES_DOWN, Project
from tests.reporting.runs import record_of, run_of

pytest_plugins = "pytester"

RUN = run_of(record_of("morning.a"), record_of("morning.b", Verdict.FAILED, "x"))


def test_everything_is_written(tmp_path: Path) -> None:
    published = publish(RUN, tmp_path, tmp_path / "reports", lambda: None)

    assert published.html == tmp_path / "reports" / "morning.html"
    assert (published.failures, published.warnings) == ((), ())
    assert {p.name for p in (tmp_path / "reports").iterdir()} == {
        "cdcproof-morning.prom",
        "cdcproof-scheduled-morning.prom",
        "last-success.json",
        "latest.json",
        "morning.html",
        "runs",
        "scheduled",
        "summary.html",
        "summary.md",
        "summary.txt",
    }


def test_a_run_without_the_morning_suite_leaves_the_summary_alone(tmp_path: Path) -> None:
    publish(run_of(record_of("weekly.a")), tmp_path, tmp_path, lambda: None)

    assert not (tmp_path / "summary.txt").exists()
    assert (tmp_path / "weekly.html").exists()


@pytest.mark.parametrize(
    ("in_the_way", "told"),
    [
        ("latest.json", "The journal of runs could not be written"),
        ("summary.txt", "The daily summary could not be written"),
        ("morning.html", "The HTML report could not be written"),
        ("cdcproof-morning.prom", "The metrics could not be written"),
    ],
)
def test_one_that_fails_takes_no_other_with_it(tmp_path: Path, in_the_way: str, told: str) -> None:
    (tmp_path / in_the_way).mkdir()

    published = publish(RUN, tmp_path, tmp_path, lambda: None)

    assert [failure.startswith(told) for failure in published.failures] == [True]
    assert (published.html is None) == (in_the_way == "morning.html")
    others = {"latest.json", "summary.txt", "morning.html", "cdcproof-morning.prom"} - {in_the_way}
    assert all((tmp_path / name).is_file() for name in others)


def test_a_pipeline_file_that_went_away_is_told(tmp_path: Path) -> None:
    def gone() -> None:
        raise ConfigError("There is no such pipeline file.")

    assert publish(RUN, tmp_path, tmp_path, gone).failures == (
        "The metrics could not be written: There is no such pipeline file.",
    )


def test_a_directory_that_cannot_be_made_is_told_once_and_is_not_green(project: Project) -> None:
    (project.path / "reports").write_text("in the way")
    project.checks(FINE)

    result = project.run("-m", "morning")

    assert result.ret == 1
    assert "GREEN: 1 passed" in result.stdout.str()
    assert result.stdout.str().count("could not be written") == 1


def test_a_full_disk_hides_no_verdict(project: Project) -> None:
    """/dev/full stands for the full disk: everything opens, nothing can be written."""
    full = """
    @pytest.fixture
    def full(monkeypatch):
        import cdcproof.core.files as files
        files.os.fdopen = lambda handle, *a, **k: open("/dev/full", *a, **k)
    """
    project.checks(full, SERVICES_DOWN.replace("(evidence)", "(evidence, full)"))

    result = project.pytester.runpytest_subprocess("--pipeline", "p.toml", timeout=60)

    assert result.ret == 1
    assert "FAILED  morning.1-services" in result.stdout.str()
    assert "The HTML report could not be written: No space left on device" in result.stdout.str()
