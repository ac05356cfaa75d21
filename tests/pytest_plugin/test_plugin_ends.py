"""However pytest is stopped, and whatever happens to its terminal: fixtures clean up, and reports are written."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.plugin_project import FINE, Project

pytest_plugins = "pytester"

ROUND_TRIP = '''
@pytest.fixture
def row():
    from pathlib import Path
    Path("row").touch()
    yield
    Path("row").unlink()

@pytest.mark.runbook("morning.9-round-trip", severity="major")
def test_round_trip(row, evidence):
    """A row travels."""
    import time
    time.sleep(60)
'''


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_terminated_cleans_up_and_is_partial(project: Project, number: signal.Signals) -> None:
    project.checks(FINE, ROUND_TRIP)
    log = project.path / "log"
    with log.open("w") as out:
        run = subprocess.Popen(
            [sys.executable, "-m", "pytest", "--pipeline", "p.toml"], cwd=project.path, stdout=out, stderr=out
        )
    row = project.path / "row"
    while not row.exists() and run.poll() is None:
        time.sleep(0.05)

    run.send_signal(number)

    assert run.wait(timeout=60) == pytest.ExitCode.INTERRUPTED, log.read_text()
    assert not row.exists()
    assert "PARTIAL: 1 passed, 1 did not run" in log.read_text()


@pytest.mark.parametrize("where", ["| true", "> /dev/full"])
def test_a_terminal_that_breaks_loses_no_report(project: Project, where: str) -> None:
    project.checks(FINE)
    command = f"{sys.executable} -m pytest --pipeline p.toml {where}"

    done = subprocess.run(
        ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"],
        cwd=project.path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "Exception" not in done.stderr
    assert "GREEN: 1 passed" in Path(project.reports / "summary.txt").read_text()
