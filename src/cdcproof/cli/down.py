"""`cdcproof down`."""

from __future__ import annotations

import argparse

from cdcproof.cli.instance import add_instance

EXAMPLE = "cdcproof down"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_instance(parser)
    parser.add_argument("--all", action="store_true", help="every instance, not only one")
    parser.add_argument("--remove", action="store_true", help="also delete the data, ports, passwords and logs")


def run(arguments: argparse.Namespace) -> int:
    """Stop every process of the instance; its data stays unless `--remove` is given."""
    from cdcproof.environments.embedded import folders, lifecycle
    from cdcproof.progress import Progress

    names = folders.instances() if arguments.all else (folders.instance_name(arguments.instance),)
    end = lifecycle.remove if arguments.remove else lifecycle.down
    with Progress() as progress:
        stopped = [name for name in names if end(name, progress)]
    if arguments.remove and arguments.all:
        lifecycle.remove_shared()
    if arguments.remove:
        print(f"removed: {', '.join(names) or 'nothing was there'}")
    elif stopped:
        print("stopped; the data stays, and `cdcproof up` starts it again")
    else:
        print("nothing was running")
    return 0
