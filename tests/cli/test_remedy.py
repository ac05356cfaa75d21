"""`cdcproof remedy`: prints by default, and acts only when allowed, on a terminal, and confirmed."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from cdcproof.cli.main import main
from cdcproof.findings import Difference, Verdict
from cdcproof.reporting import journal
from cdcproof.reporting.record import Run, StepRecord


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """The reports of a run with one red check, whose remedy is two commands and a line of advice."""

    def step(name: str, verdict: Verdict, **more: object) -> StepRecord:
        return StepRecord(name, f"Title of {name}.", "morning", "major", verdict, 1.0, 0.1, **more)  # type: ignore[arg-type]

    acts = (f"echo looked > {tmp_path}/looked", "# advice", f"echo acted > {tmp_path}/acted")
    steps = (
        step("morning.1-red", Verdict.FAILED, differences=(Difference("", "a", "b"),), action=acts),
        step("morning.2-green", Verdict.PASSED),
        step("morning.3-blocked", Verdict.BLOCKED, blocked_by="morning.1-red"),
        step("morning.4-broken", Verdict.FAILED, action=("exit 7", f"touch {tmp_path}/never")),
    )
    journal.write(Run("p", "embedded", ("morning",), 1.0, 1.0, (), steps), tmp_path)
    return tmp_path


def on_a_terminal(reports: Path, step: str, answers: str) -> tuple[int, str]:
    """Run the command on a pseudo-terminal and type the answers."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "cdcproof", "remedy", step, "--allow-acts", "--reports-dir", str(reports)],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    os.close(terminal)
    os.write(controller, answers.encode())
    output, _ = process.communicate(timeout=60)
    os.close(controller)
    return process.returncode, output


def test_it_prints_the_steps_and_does_nothing(reports, capsys):
    assert main(["remedy", "morning.1-red", "--reports-dir", str(reports)]) == 0

    printed = capsys.readouterr().out
    assert f"  echo looked > {reports}/looked\n  # advice\n  echo acted > {reports}/acted\n" in printed
    assert "Nothing was done" in printed
    assert not (reports / "looked").exists()


def test_each_command_is_confirmed_and_written_down(reports):
    status, output = on_a_terminal(reports, "morning.1-red", "y\ny\n")

    assert status == 0, output
    assert (reports / "looked").read_text() == "looked\n"
    assert (reports / "acted").read_text() == "acted\n"
    assert [line.split("remedy: ")[1] for line in (reports / "acts.log").read_text().splitlines()] == [
        f"echo looked > {reports}/looked",
        f"echo looked > {reports}/looked: done",
        f"echo acted > {reports}/acted",
        f"echo acted > {reports}/acted: done",
    ]


@pytest.mark.parametrize("answer", ["n", "", "maybe"])
def test_what_is_not_confirmed_is_left_out(reports, answer):
    status, output = on_a_terminal(reports, "morning.1-red", f"{answer}\ny\n")

    assert status == 0, output
    assert not (reports / "looked").exists()
    assert (reports / "acted").exists()


def test_a_command_that_fails_ends_it(reports):
    status, output = on_a_terminal(reports, "morning.4-broken", "y\ny\n")

    assert status == 1
    assert "The command ended with status 7; the rest was not run." in output
    assert not (reports / "never").exists()
    assert "exit 7: failed: The command ended with status 7" in (reports / "acts.log").read_text()


def test_what_cannot_be_written_down_is_not_done(reports):
    (reports / "acts.log").mkdir()

    status, output = on_a_terminal(reports, "morning.1-red", "y\ny\n")

    assert status == 1
    assert "acts.log cannot be written (Is a directory), so this was not done: " in output
    assert not (reports / "looked").exists()


def test_the_end_of_the_input_confirms_nothing(reports):
    status, output = on_a_terminal(reports, "morning.1-red", "\x04\x04")

    assert status == 0, output
    assert output.count("left out") == 2


def test_acting_without_a_terminal_is_refused(reports, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\ny\n"))

    assert main(["remedy", "morning.1-red", "--allow-acts", "--reports-dir", str(reports)]) == 2
    assert "needs a terminal" in capsys.readouterr().err
    assert not (reports / "looked").exists()


def test_a_green_check_has_no_remedy(reports, capsys):
    assert main(["remedy", "morning.2-green", "--reports-dir", str(reports)]) == 0
    assert "was passed: there is nothing to do" in capsys.readouterr().out


def test_a_blocked_check_names_the_one_to_ask_for(reports, capsys):
    assert main(["remedy", "morning.3-blocked", "--reports-dir", str(reports)]) == 0
    assert "blocked by morning.1-red" in capsys.readouterr().out


def test_an_unknown_step_lists_those_there_are(reports, capsys):
    assert main(["remedy", "morning.9", "--reports-dir", str(reports)]) == 2
    assert "has: morning.1-red, morning.2-green" in capsys.readouterr().err


def test_without_a_run_it_says_how_to_make_one(tmp_path, capsys):
    assert main(["remedy", "morning.1-red", "--reports-dir", str(tmp_path)]) == 3
    assert "pytest -m morning" in capsys.readouterr().err
