"""A program that prints more than it may is ended, and nothing of it is used."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cdcproof.core import bounded_program
from cdcproof.core.bounded_program import TooMuchOutputError, run

ENDLESS = "import sys\nwhile True: sys.{}.write('x' * 1000)"


def _python(program: str, **more: object) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, "-c", program], **{"seconds": 60, **more})  # type: ignore[arg-type]


def test_what_is_printed_is_returned_with_the_status(tmp_path: Path) -> None:
    program = "import os, sys; print(os.getcwd(), os.environ['A']); print('é', file=sys.stderr); sys.exit(3)"
    done = _python(program, cwd=tmp_path, env={"A": "b", "PYTHONIOENCODING": "utf-8"})
    assert (done.stdout, done.stderr, done.returncode) == (f"{tmp_path} b\n", "é\n", 3)


def test_as_much_as_is_allowed_is_read(capfd: pytest.CaptureFixture[str]) -> None:
    program = "import sys; print('x' * 9_999); print('y' * 9_999, file=sys.stderr)"
    done = _python(program, most_bytes=10_000)
    assert (len(done.stdout), len(done.stderr)) == (10_000, 10_000)
    assert _python(program, most_bytes=10_000, has_terminal=True).stderr is None
    assert len(capfd.readouterr().err) == 10_000


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_program_that_never_stops_printing_is_ended(stream: str) -> None:
    with pytest.raises(TooMuchOutputError) as caught:
        _python(ENDLESS.format(stream), most_bytes=1 << 20, seconds=None)
    assert caught.value.strerror == "it printed more than 1 MiB, and was ended"


def test_a_program_that_does_not_end_is_ended() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        _python("import time; print(1, flush=True); time.sleep(600)", seconds=0.2)


def test_what_it_started_and_left_behind_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_program, "_PATIENCE_SECONDS", 1.0)
    child = int(run(["sh", "-c", "sleep 60 2>&- & echo $!"], seconds=60).stdout)
    os.kill(child, signal.SIGTERM)  # it is still there


def test_what_is_left_behind_may_print_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    monkeypatch.setattr(bounded_program, "_PATIENCE_SECONDS", 1.0)
    gates = [tmp_path / name for name in ("first", "second")]
    for gate in gates:
        os.mkfifo(gate)
    others = threading.enumerate()
    done = run(["sh", "-c", "(read _ < first; echo late; read _ < second) 2>&- & echo first"], seconds=60, cwd=tmp_path)
    readers = [one for one in threading.enumerate() if one.name.endswith("(_read)") and one not in others]
    for gate in gates:
        gate.write_text("on\n", encoding="utf-8")
    for reader in readers:
        reader.join(20)
    assert (done.stdout, len(readers), failed) == ("first\n", 1, [])
