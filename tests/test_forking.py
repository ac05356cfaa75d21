"""Commands that integration tests paste run in forks, and notice nothing of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

import psutil
import pytest

from cdcproof.core.waiting import wait_until
from tests.integration.conftest import ROOT
from tests.integration.forking import Forking

PASTED = ROOT / "tests" / "integration" / "pasted.py"


@pytest.fixture(scope="module")
def paste(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A program that runs a module, as `python -m` does, in a fork."""
    folder = tmp_path_factory.mktemp("forking")
    forking = Forking(ROOT, folder / "forking")
    program = folder / "run"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{PASTED}" "{folder / "forking"}" "$@"\n')
    program.chmod(0o755)
    done = forking.run(["cdcproof", "--version"], ROOT, os.environ)
    assert (done.returncode, done.stdout[:9]) == (0, "cdcproof ")
    yield program
    forking.close()


def bash(command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", command], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def test_a_pasted_command_has_its_own_arguments_streams_folder_variables_and_status(
    paste: Path, tmp_path: Path
) -> None:
    shows = "import os, sys; print(sys.argv[1:], sys.stdin.read(), os.getcwd(), os.environ['MINE']); sys.exit(7)"

    shown = bash(f"echo read | MINE=mine {paste} tests.statement {quote(shows)} 'a  b' ''; echo $?", tmp_path)
    crashed = bash(f"{paste} tests.statement 1/0", tmp_path)
    refused = bash(f"{paste} cdcproof logs --nonsense", tmp_path)

    assert shown.stdout == f"['a  b', ''] read\n {tmp_path} mine\n7\n", shown.stderr
    assert (crashed.returncode, "ZeroDivisionError" in crashed.stderr, crashed.stdout) == (1, True, "")
    assert (refused.returncode, "usage: cdcproof logs" in refused.stderr, refused.stdout) == (2, True, "")


def test_two_pasted_commands_run_side_by_side(paste: Path, tmp_path: Path) -> None:
    """The first writes more than a pipe holds, which the second reads."""
    many, count = "print('x' * 1_000_000)", "import sys; print(len(sys.stdin.read()))"

    done = bash(f"{paste} tests.statement {quote(many)} | {paste} tests.statement {quote(count)}", tmp_path)

    assert done.stdout == "1000001\n", done.stderr


def test_a_pasted_command_whose_client_is_ended_ends(paste: Path) -> None:
    stands = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
    client = subprocess.Popen([paste, "tests.statement", stands], stdout=subprocess.PIPE, text=True)
    assert client.stdout
    with client.stdout:
        run = psutil.Process(int(client.stdout.readline()))

        client.send_signal(signal.SIGKILL)
        client.wait(timeout=20)
        wait_until(run.is_running, lambda it: not it, what="the command to end", deadline_seconds=20)
