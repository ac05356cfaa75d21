"""`cdcproof COMMAND`: the only place where our errors become an exit status.

Exit status: 0 equal or passed, 1 different or failed, 2 usage, 3 could not look, 130 interrupted.
A command is the module of the same name here, with `EXAMPLE`, `add_arguments(parser)` and `run(arguments) -> int`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from cdcproof import __version__
from cdcproof.errors import CdcproofError
from cdcproof.secrets import scrub

COMMANDS = {
    "up": "start the embedded pipeline and wait until it replicates",
    "down": "stop the embedded pipeline",
    "status": "list the embedded pipeline's services",
    "logs": "print a service's log",
    "restart": "restart one service of the embedded pipeline",
    "load": "load realistic data into the embedded source and follow it to the target",
    "init": "write a pipeline file from a running Kafka Connect",
    "check-config": "explain a pipeline file, and try every address and permission in it",
    "connectors": "list, validate, deploy, pause, restart … connectors, and follow a snapshot",
    "baseline": "record what the pipeline is made of, and say what has changed since",
    "change": "derive how risky a change is",
    "exporter": "serve the metrics of reconciliation (9103) and connectors (9104)",
    "reconcile": "compare source and target, table by table",
    "summary": "print the latest daily summary",
    "remedy": "print, or run one by one, the steps for a finding",
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
            module = importlib.import_module(f"cdcproof.cli.{name.replace('-', '_')}")
            command.epilog = f"example:\n  {module.EXAMPLE}"
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    arguments = parser.parse_args(argv)
    return run_safely(arguments)


def run_safely(arguments: argparse.Namespace) -> int:
    """Call `arguments.run`, telling errors in a sentence."""
    try:
        status: int = arguments.run(arguments)
    except CdcproofError as error:
        print(scrub(f"cdcproof: {error}"), file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("cdcproof: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `cdcproof … | head`: the reader has enough; keep the interpreter from flushing into it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001  a defect of ours: no traceback on an operator's screen
        report = _kept()
        print(scrub(f"cdcproof: internal error: {type(error).__name__}: {error}\n{report}"), file=sys.stderr)
        return 3
    return status


def _kept() -> str:
    """Keep the traceback in a file, and say what to do with it."""
    import tempfile
    import traceback

    try:
        with tempfile.NamedTemporaryFile("w", prefix="cdcproof-", suffix=".txt", delete=False) as file:
            file.write(scrub(traceback.format_exc()))
    except OSError as error:
        return f"Please report it; the traceback could not be kept: {error.strerror}."
    return f"Please report it with {file.name}."


if __name__ == "__main__":
    sys.exit(main())
