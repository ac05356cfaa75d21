from __future__ import annotations

import argparse
import importlib
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cdcproof.cli.main import COMMANDS, main, run_safely
from cdcproof.errors import ConfigError, CouldNotLookError, OperationError, UsageError
from cdcproof.secrets import Secret


def test_help_lists_every_command_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    told = capsys.readouterr().out
    assert [name for name, summary in COMMANDS.items() if name not in told or summary.split()[0] not in told] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    told = capsys.readouterr().out
    assert importlib.import_module(f"cdcproof.cli.{name.replace('-', '_')}").EXAMPLE in told
    if name in ("init", "check-config", "exporter"):
        assert max(len(line) for line in told.partition("example:")[0].splitlines()) <= 80


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["check-config", "--nonsense"]])
def test_a_wrong_command_line_is_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: cdcproof" in capsys.readouterr().err


def ended(run: Callable[[argparse.Namespace], int]) -> int:
    return run_safely(argparse.Namespace(run=run))


@pytest.mark.parametrize(
    ("error", "status"),
    [(OperationError("no"), 1), (UsageError("no"), 2), (CouldNotLookError("no"), 3), (KeyboardInterrupt(), 130)],
)
def test_each_error_has_its_exit_status(error: BaseException, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    def run(_: argparse.Namespace) -> int:
        raise error

    assert ended(run) == status
    assert "Traceback" not in capsys.readouterr().err


def test_an_error_is_told_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    Secret("main-secret-value")

    def run(_: argparse.Namespace) -> int:
        raise UsageError("cannot use main-secret-value", "choose another")

    assert ended(run) == 2
    assert capsys.readouterr().err == "cdcproof: cannot use [redacted]\nchoose another\n"


def test_a_defect_of_ours_is_one_sentence_and_its_traceback_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    Secret("main-secret-value")

    def run(_: argparse.Namespace) -> int:
        raise ZeroDivisionError("main-secret-value")

    assert ended(run) == 3
    told = capsys.readouterr().err
    assert told.startswith("cdcproof: internal error: ZeroDivisionError: [redacted]\n")
    file = Path(told.rsplit(" ", 1)[1].rstrip(".\n"))
    text = file.read_text()
    file.unlink()
    assert "ZeroDivisionError" in text
    assert "main-secret-value" not in text


def test_a_reader_that_leaves_early_sees_no_traceback() -> None:
    program = "import sys; from cdcproof.cli.main import run_safely; import argparse\n"
    program += "def run(_):\n  for _ in range(100000): print('x' * 80)\n"
    program += "sys.exit(run_safely(argparse.Namespace(run=run)))"
    writer = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert writer.stdout
    assert writer.stderr
    writer.stdout.readline()
    writer.stdout.close()
    assert writer.stderr.read() == b""
    assert writer.wait(timeout=30) == 1
    writer.stderr.close()


def test_a_config_error_names_its_place_and_survives_pickling() -> None:
    error = ConfigError("unknown key", "take it out", Path("p.toml"), 3)
    assert str(pickle.loads(pickle.dumps(error))) == "p.toml:3: unknown key\ntake it out"
