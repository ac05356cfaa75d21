"""A process is known by its pid and its start: nothing of somebody else's is ever touched."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cdcproof.core.errors import OperationError
from cdcproof.core.waiting import wait_until
from cdcproof.environments.embedded.processes import log_writer, running
from cdcproof.environments.embedded.processes.running import Process
from cdcproof.environments.embedded.services import postgres

SLEEPER = [sys.executable, "-c", "print('on', flush=True); import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); time.sleep(60)",
]


def start(tmp_path: Path, argv: list[str] = SLEEPER, mark: str = "test:sleeper", *, limit_log: bool = False) -> Process:
    return running.start(
        argv, mark=mark, log=tmp_path / "log", environment={}, account=None, cwd=Path("/"), limit_log=limit_log
    )


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Process]:
    process = start(tmp_path)
    yield process
    running.kill(process)


def test_a_started_process_is_alive_until_it_is_killed(sleeper: Process) -> None:
    assert running.is_alive(sleeper)
    running.kill(sleeper)
    assert not running.is_alive(sleeper)


def test_a_pid_that_now_belongs_to_another_process_is_not_ours(tmp_path: Path) -> None:
    with subprocess.Popen(SLEEPER, stdout=subprocess.DEVNULL) as other:
        stale = Process(other.pid, psutil.Process(other.pid).create_time() - 60)
        assert not running.is_alive(stale)
        assert running.terminate(stale, deadline_seconds=1)
        running.kill(stale)
        assert other.poll() is None
        other.kill()


@pytest.mark.parametrize(("end", "crashed"), [("os.abort()", True), ("sys.exit(1)", False), ("time.sleep(60)", False)])
def test_a_crash_is_told_from_an_end(tmp_path: Path, end: str, crashed: bool) -> None:
    process = start(tmp_path, [sys.executable, "-c", f"import os, sys, time; {end}"])
    if "sleep" in end:
        assert not running.has_crashed(process)
        running.kill(process)
    wait_until(lambda: running.is_alive(process), lambda alive: not alive, what="its end", deadline_seconds=20)
    assert running.has_crashed(process) is crashed


def test_a_process_nobody_wrote_down_is_found_by_its_mark(tmp_path: Path) -> None:
    mark = f"cdcproof-test-{os.getpid()}:"
    one, two = start(tmp_path, mark=f"{mark}one"), start(tmp_path, mark=f"{mark}two")
    try:
        found = running.marked(mark)
        assert {name: p.pid for name, p in found.items()} == {"one": one.pid, "two": two.pid}
        assert all(running.is_alive(p) for p in found.values())
    finally:
        running.kill(one)
        running.kill(two)
    assert running.marked(mark) == {}


def test_one_that_does_not_end_when_asked_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, STUBBORN)
    wait_until((tmp_path / "log").read_text, bool, what="the handler", deadline_seconds=10)
    assert running.terminate(process, deadline_seconds=0.3) is False
    assert not running.is_alive(process)


def test_one_that_ends_when_asked_is_not_killed(sleeper: Process) -> None:
    assert running.terminate(sleeper, deadline_seconds=10) is True


@pytest.fixture
def talker(tmp_path: Path) -> Process:
    """One that prints 25 MB of numbered lines, and is through with it."""
    talks = "for n in range(250_000): print(f'{n:099d}')\nprint('last words')"
    process = start(tmp_path, [sys.executable, "-c", talks], limit_log=True)
    wait_until(lambda: running.is_alive(process), lambda alive: not alive, what="its end", deadline_seconds=60)
    running.finish_log(process)
    return process


def test_a_log_is_limited_and_keeps_what_came_last(tmp_path: Path, talker: Process) -> None:
    assert {path.name for path in tmp_path.iterdir()} == {"log", "log.1"}
    assert all(path.stat().st_size <= log_writer.LIMIT_BYTES for path in tmp_path.iterdir())
    lines = ((tmp_path / "log.1").read_text() + (tmp_path / "log").read_text()).splitlines()
    assert lines[-1] == "last words"
    numbers = [int(line) for line in lines[1:-1]]
    assert numbers == list(range(numbers[0], 250_000))
    assert len(numbers) > 100_000


def test_a_log_that_cannot_be_written_does_not_stop_the_one_who_prints(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    source, sink = os.pipe()
    os.write(sink, b"lost")
    os.close(sink)
    log_writer.copy(source, str(tmp_path / "log"))
    assert os.read(source, 1) == b""


def test_a_program_that_is_not_there_leaves_no_writer_behind(tmp_path: Path) -> None:
    before = set(psutil.Process().children())
    with pytest.raises(OperationError, match="absent"):
        start(tmp_path, ["/absent"], limit_log=True)
    wait_until(
        lambda: [p for p in psutil.Process().children() if p not in before and p.status() != psutil.STATUS_ZOMBIE],
        lambda left: not left,
        what="the writer's end",
        deadline_seconds=10,
    )


def test_the_lock_of_a_server_that_is_only_remembered_is_removed_and_no_other(tmp_path: Path) -> None:
    lock = tmp_path / "postmaster.pid"
    ended = subprocess.Popen(["true"])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is still known
    other = subprocess.Popen(["sleep", "60"], cwd=tmp_path)
    try:
        lock.write_text(f"{other.pid}\n{tmp_path}\n")
        postgres.forget_a_dead_server(tmp_path)
        assert lock.exists(), "the server runs"
        lock.write_text(f"{ended.pid}\n{tmp_path}\n")
        postgres.forget_a_dead_server(tmp_path)
        assert lock.exists(), "a session of it runs"
        link = tmp_path.with_name("link")
        link.symlink_to(tmp_path)
        postgres.forget_a_dead_server(link)
        assert lock.exists(), "a session of it runs, whose folder has another name here"
    finally:
        other.kill()
        other.wait()
    postgres.forget_a_dead_server(tmp_path)
    assert not lock.exists()
    ended.wait()
    postgres.forget_a_dead_server(tmp_path)
