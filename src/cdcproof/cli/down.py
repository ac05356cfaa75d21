"""`cdcproof down`."""

from __future__ import annotations

import argparse

from cdcproof.cli.instance import add_instance
from cdcproof.core.errors import UsageError
from cdcproof.core.progress import Progress
from cdcproof.environments.embedded import evidence, folders, lifecycle, state

EXAMPLE = "cdcproof down"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_instance(parser)
    some = parser.add_mutually_exclusive_group()
    some.add_argument(
        "--all", action="store_true", help="every instance of this account, also those of other checkouts"
    )
    some.add_argument("--here", action="store_true", help="the instances that this checkout has made, and no other")
    parser.add_argument("--remove", action="store_true", help="also delete the data, ports, passwords and logs")


def run(arguments: argparse.Namespace) -> int:
    """Stop every process of the instance; its data stays unless `--remove` is given."""
    names = _names(arguments)
    end = lifecycle.remove if arguments.remove else lifecycle.down
    with Progress() as progress:
        stopped = [name for name in names if end(name, progress)]
    if arguments.remove and not folders.instances():
        lifecycle.remove_shared()
    if arguments.remove:
        print(f"removed: {', '.join(names) or 'nothing was there'}")
        for sentence in evidence.remove(folders.checkout()) if arguments.here else ():
            print(sentence)
    elif stopped:
        print("stopped; the data stays, and `cdcproof up` starts it again")
    else:
        print("nothing was running")
    return 0


def _names(arguments: argparse.Namespace) -> tuple[str, ...]:
    if arguments.here:
        return state.made_by(folders.checkout())
    if arguments.all:
        return folders.instances()
    if arguments.instance and arguments.instance not in folders.instances():
        raise UsageError(
            f"There is no instance {arguments.instance}.", f"There is: {', '.join(folders.instances()) or 'none'}."
        )
    return (folders.instance_name(arguments.instance),)
