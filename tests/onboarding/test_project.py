"""What `cdcproof new` writes, and a run of pytest in it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cdcproof.cli.main import main
from cdcproof.pipeline.choice import VARIABLE, chosen, resolve
from cdcproof.pipeline.model import load
from tests.crontab import parse

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project as it is made in a directory with a blank in its name."""
    folder = tmp_path / "of mine"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv(VARIABLE, raising=False)
    assert main(["new", "."]) == 0
    return folder


def pytest_in(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CDCPROOF_", "PYTEST_"))}
    # without a plug-in that takes half a second to end
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", *arguments]
    return subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def everything_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_is_overwritten_and_what_is_refused_is_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "cdcproof.toml").write_text("mine")
    (project / "conftest.py").unlink()
    (project / "pytest.ini").unlink()
    (project / "pytest.ini").symlink_to("nowhere")
    before = everything_below(project)
    capsys.readouterr()

    assert main(["new", "."]) == 2

    reported = capsys.readouterr()
    assert reported.out.split() == ["conftest.py"]
    assert everything_below(project) == before | {"conftest.py": (project / "conftest.py").read_bytes()}
    assert (project / "pytest.ini").is_symlink()
    assert {"cdcproof.toml", "pytest.ini", "checks/test_own.py"} <= set(reported.err.split())
    assert "conftest.py" not in reported.err


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")

    assert main(["new", str(tmp_path / "file")]) == 2

    assert "cannot be written" in capsys.readouterr().err


def test_its_pipeline_file_is_the_one_that_is_meant_from_each_of_its_folders(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chosen(None) == "cdcproof.toml"
    assert load(resolve(chosen(None))).name == "warehouse"

    monkeypatch.chdir(project / "checks")
    assert Path(chosen(None)) == project / "cdcproof.toml"
    assert chosen("embedded") == "embedded"

    monkeypatch.setenv(VARIABLE, "embedded")
    assert chosen(None) == "embedded"


def test_its_crontab_runs_the_tasks_of_ours_in_its_folder(project: Path) -> None:
    ours = parse((ROOT / "monitoring" / "crontab").read_text())
    its = parse((project / "monitoring" / "crontab").read_text())

    assert [line.when for line in its.lines] == [line.when for line in ours.lines]
    for line in its.lines:
        words = shlex.split(line.command.partition("&& cd ")[2] or line.command.partition("cd ")[2])
        assert words[0] == str(project)
        assert words[2] in ("cdcproof", "pytest")
    assert its.settings["PATH"].split(":")[0] == str(Path(sys.executable).parent)
    assert Path(its.settings["BASH_ENV"]).is_file()
    assert "/path/to/project" not in (project / "monitoring" / "crontab").read_text()


def test_its_workflow_is_valid_by_githubs_schema(project: Path) -> None:
    workflow = project / ".github" / "workflows" / "cdcproof.yml"
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(workflow)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_pytest_collects_our_checks_and_its_own(project: Path) -> None:
    there = names_of(pytest_in(project, "-q", "--collect-only", "-m", "morning or weekly"))
    here = names_of(pytest_in(ROOT, "-q", "--collect-only", "-m", "morning or weekly", "--pipeline=warehouse"))

    assert len(here) > 20
    assert there == here | {"test_kafka_connect_is_new_enough"}


def names_of(collected: subprocess.CompletedProcess[str]) -> set[str]:
    assert collected.returncode == 0, collected.stdout + collected.stderr
    return {line.rpartition("::")[2] for line in collected.stdout.splitlines() if "::" in line}


def test_a_fixture_of_its_own_replaces_none_of_ours(project: Path) -> None:
    """It could say of anything that it was looked at."""
    fixture = "\n\n@pytest.fixture\ndef disks():\n    return None\n"
    (project / "checks" / "conftest.py").write_text("import pytest\n" + fixture)
    assert pytest_in(project, "--collect-only", "-m", "morning").returncode == 0

    (project / "conftest.py").write_text("import pytest\n" + (project / "conftest.py").read_text() + fixture)
    done = pytest_in(project, "--collect-only", "-m", "morning")

    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert (
        f"the fixture disks of {project / 'conftest.py'} would replace the one of cdcproof" in done.stdout + done.stderr
    )


def test_a_run_that_leaves_ours_out_is_no_green_run(project: Path) -> None:
    """The only way to do without a check of ours is a waiver."""
    ini = (project / "pytest.ini").read_text()
    (project / "pytest.ini").write_text(ini.replace("testpaths = cdcproof.shipped.checks checks", "testpaths = checks"))
    (project / "checks" / "test_own.py").write_text(
        "import pytest\n\n\n"
        '@pytest.mark.runbook("morning.own-1", severity="minor")\n'
        'def test_own(evidence):\n    """Ours."""\n    evidence.saw("It", "is there")\n'
    )

    done = pytest_in(project, "-m", "morning")

    assert "PARTIAL: 1 passed" in done.stdout, done.stdout + done.stderr
    assert not (project / "reports" / "summary.txt").exists()
