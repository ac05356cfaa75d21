"""A run that hangs ends in time: the check that hung, and all after it, are not checked, by name."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cdcproof.core.errors import DeadlineError
from cdcproof.core.time_limit import time_limit
from tests.plugin_project import Project

pytest_plugins = ["pytester"]

# what a client does that waits for an answer without a limit of its own
HANGS = "import socket; near, far = socket.socketpair(); near.recv(1)"
HANGS_IN_A_THREAD = f"""
from concurrent.futures import ThreadPoolExecutor
def hang():
    {HANGS}
with ThreadPoolExecutor(1) as pool:
    pool.submit(hang).result()
"""


def test_what_takes_too_long_is_interrupted_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdcproof.core.time_limit._AGAIN_SECONDS", 0.1)
    released = threading.Event()
    with (
        pytest.raises(DeadlineError, match="too long"),
        time_limit(0.1, "too long"),
        ThreadPoolExecutor(1) as pool,  # when it is left, it waits for its thread
    ):
        pool.submit(released.wait).result()
    released.set()


def test_what_ends_in_time_is_left_alone() -> None:
    with time_limit(60, "too long"):
        ended = True
    assert ended


def test_a_thread_that_hangs_does_not_keep_the_program_from_ending() -> None:
    program = (
        "import threading, socket; from cdcproof.core.time_limit import end_at_once_if_stuck\n"
        "near, far = socket.socketpair(); threading.Thread(target=near.recv, args=(1,)).start()\n"
        "print('written'); end_at_once_if_stuck(3)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (3, "written\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    "hanging",
    [
        pytest.param({"body": HANGS}, id="in the check"),
        pytest.param({"body": "pass", "fixtures": "hanging"}, id="in a fixture"),
        pytest.param({"body": HANGS_IN_A_THREAD}, id="in a thread"),
    ],
)
def test_a_check_that_hangs_is_not_checked_nor_is_what_follows(project: Project, hanging: dict[str, str]) -> None:
    fixture = f"@pytest.fixture\ndef hanging():\n    {HANGS}\n"
    fine = project.check("evidence.saw('x', 'y')", "morning.1-fine")
    hangs = project.check(**{"step": "morning.2-hangs", "fixtures": "evidence", **hanging})
    project.checks(fixture, fine, hangs, project.check("evidence.saw('x', 'y')", "morning.3-after"))

    result = project.pytester.runpytest_subprocess(
        *("--pipeline", "p.toml", "-m", "morning", "--time-limit", "3s"), timeout=120
    )

    assert result.ret == 1
    assert project.verdicts() == {
        "morning.1-fine": "passed",
        "morning.2-hangs": "not checked",
        "morning.3-after": "not checked",
    }
    reasons = {record.step: record.reason for record in project.latest().steps}
    assert "The run's limit of 3 s was over before this check had ended." in reasons["morning.2-hangs"]
