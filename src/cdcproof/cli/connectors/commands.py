"""`cdcproof connectors pause | resume | stop | restart | delete NAME`: act, wait, and say what holds."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from cdcproof.cli.connectors.options import Opened, acting, add_acting, add_common, opened
from cdcproof.cli.tables import as_json, print_hanging
from cdcproof.connectors import commands
from cdcproof.connectors.commands import Done
from cdcproof.connectors.control import Control, exit_status
from cdcproof.core.errors import UsageError
from cdcproof.core.secrets import scrub

_STATUS = "Exit status: 0 done, 1 it does not hold or was refused, 3 could not look."


def _declare(parser: argparse.ArgumentParser, verb: str, description: str, *, settles: bool = False) -> None:
    parser.description = f"{description}\n{_STATUS}"
    parser.add_argument("name", metavar="NAME", help="the connector")
    add_common(parser, f"cdcproof connectors {verb} sqlserver-source-connector")
    add_acting(parser, settles=settles)


def add_pause(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `pause`."""
    _declare(parser, "pause", "Pause a connector, and wait until each of its tasks is PAUSED.")


def add_resume(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `resume`."""
    _declare(
        parser,
        "resume",
        "Resume a connector that is paused or stopped, and wait until all its tasks run.\n"
        "Refused where the source no longer keeps what was not read yet (CDC retention,\n"
        "a lost replication slot, records deleted from a topic): that would be a gap.",
        settles=True,
    )


def add_stop(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `stop`."""
    _declare(parser, "stop", "Stop a connector (Connect 3.5 or newer), and wait until its tasks are gone.")


def add_restart(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `restart`."""
    _declare(parser, "restart", "Restart a connector and its tasks, and wait until all run.", settles=True)
    parser.add_argument("--only-failed", action="store_true", help="only what has failed")


def add_delete(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `delete`."""
    _declare(
        parser,
        "delete",
        "Delete a connector, and list what stays: its topics, its data, its positions.\n"
        "On a terminal it asks first, unless --allow-acts is given.",
    )


def run_pause(arguments: argparse.Namespace) -> int:
    """Pause."""
    return _act(arguments, lambda _, control: commands.pause(control, arguments.name))


def run_resume(arguments: argparse.Namespace) -> int:
    """Resume."""
    return _act(
        arguments,
        lambda here, control: commands.resume(control, arguments.name, here.pipeline, arguments.settle_seconds),
    )


def run_stop(arguments: argparse.Namespace) -> int:
    """Stop."""
    return _act(arguments, lambda _, control: commands.stop(control, arguments.name))


def run_restart(arguments: argparse.Namespace) -> int:
    """Restart."""
    return _act(
        arguments,
        lambda here, control: commands.restart(
            control, arguments.name, here.pipeline, arguments.settle_seconds, only_failed=arguments.only_failed
        ),
    )


def run_delete(arguments: argparse.Namespace) -> int:
    """Delete."""
    return _act(arguments, lambda _, control: _delete(arguments, control))


def _delete(arguments: argparse.Namespace, control: Control) -> Done:
    """Delete, once whoever sits at a terminal has said yes; `--allow-acts` says it beforehand."""
    if sys.stdin.isatty() and not arguments.allow_acts and not _is_confirmed(arguments.name):
        raise UsageError(f"{arguments.name} was not deleted.")
    return commands.delete(control, arguments.name)


def _is_confirmed(name: str) -> bool:
    try:
        return input(f"delete {name}: its configuration is lost. Go on? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:  # Ctrl-D
        return False


def _act(arguments: argparse.Namespace, act: Callable[[Opened, Control], Done]) -> int:
    here = opened(arguments)
    with acting(arguments, here) as control:
        done = act(here, control)
        seconds = control.deadline.elapsed_seconds
    status = exit_status([done.outcome])
    if arguments.json:
        print(
            as_json(
                {
                    "connector": arguments.name,
                    "act": arguments.verb,
                    "held": done.outcome.held,
                    "text": done.outcome.text,
                    "seconds": round(seconds, 3),
                    "notes": list(done.notes),
                    "stays": [{"kind": kind, "name": name} for kind, name in done.stays],
                    "exit_status": status,
                }
            )
        )
        return status
    for note in done.notes:
        print_hanging("note: ", note, to=sys.stderr)
    print_hanging(f"{arguments.name}: ", f"{done.outcome.text}, after {seconds:.1f} s")
    if done.stays:
        print("Topics and data stay:")
        for kind, name in done.stays:
            print(scrub(f"  {kind:<20}{name}"))
    return status
