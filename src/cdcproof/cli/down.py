"""`cdcproof down`."""

from __future__ import annotations

import argparse

from cdcproof.cli.instance import add_instance

EXAMPLE = "cdcproof down"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_instance(parser)


def run(arguments: argparse.Namespace) -> int:
    """Stop every process of the instance; its data stays."""
    from cdcproof.environments.embedded import folders, lifecycle  # noqa: PLC0415  slow to import
    from cdcproof.progress import Progress  # noqa: PLC0415

    with Progress() as progress:
        stopped = lifecycle.down(folders.instance_name(arguments.instance), progress)
    print("stopped; the data stays, and `cdcproof up` starts it again" if stopped else "nothing was running")
    return 0
