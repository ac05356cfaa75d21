"""A process is known by its pid and its start: nothing of somebody else's is ever touched."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cdcproof.environments.embedded import processes
from cdcproof.environments.embedded.processes import Process

SLEEPER = [sys.executable, "-c", "print('on', flush=True); import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); time.sleep(60)",
]


def start(tmp_path: Path, argv: list[str] = SLEEPER, mark: str = "test:sleeper") -> Process:
    return processes.start(argv, mark=mark, log=tmp_path / "log", environment={}, account=None, cwd=Path("/"))


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Process]:
    process = start(tmp_path)
    yield process
    processes.kill(process)


def test_a_started_process_is_alive_until_it_is_killed(sleeper: Process) -> None:
    assert processes.is_alive(sleeper)
    processes.kill(sleeper)
    assert not processes.is_alive(sleeper)


def test_a_pid_that_now_belongs_to_another_process_is_not_ours(tmp_path: Path) -> None:
    with subprocess.Popen(SLEEPER, stdout=subprocess.DEVNULL) as other:
        stale = Process(other.pid, psutil.Process(other.pid).create_time() - 60)
        assert not processes.is_alive(stale)
        assert processes.terminate(stale, deadline_seconds=1)
        processes.kill(stale)
        assert other.poll() is None
        other.kill()


def test_a_process_nobody_wrote_down_is_found_by_its_mark(tmp_path: Path) -> None:
    mark = f"cdcproof-test-{os.getpid()}:"
    one, two = start(tmp_path, mark=f"{mark}one"), start(tmp_path, mark=f"{mark}two")
    try:
        found = processes.marked(mark)
        assert {name: p.pid for name, p in found.items()} == {"one": one.pid, "two": two.pid}
        assert all(processes.is_alive(p) for p in found.values())
    finally:
        processes.kill(one)
        processes.kill(two)
    assert processes.marked(mark) == {}


def test_one_that_does_not_end_when_asked_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, STUBBORN)
    from cdcproof.waiting import wait_until

    wait_until((tmp_path / "log").read_text, bool, what="the handler", deadline_seconds=10)
    assert processes.terminate(process, deadline_seconds=0.3) is False
    assert not processes.is_alive(process)


def test_one_that_ends_when_asked_is_not_killed(sleeper: Process) -> None:
    assert processes.terminate(sleeper, deadline_seconds=10) is True
