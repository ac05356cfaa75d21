"""`cdcproof restart SERVICE`."""

from __future__ import annotations

import argparse

from cdcproof.cli.instance import add_instance
from cdcproof.core.progress import Progress
from cdcproof.environments.embedded import folders, lifecycle

EXAMPLE = "cdcproof restart kafka-connect"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_instance(parser)
    parser.set_defaults(keeps_result=True, limit_seconds=3600.0)
    parser.add_argument("service", help="as `cdcproof status` lists it")


def run(arguments: argparse.Namespace) -> int:
    """Stop one service, start it, and wait until it answers and the connectors replicate again."""
    with Progress() as progress:
        lifecycle.restart(folders.instance_name(arguments.instance), arguments.service, progress)
    return 0
