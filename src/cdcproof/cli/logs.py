"""`cdcproof logs SERVICE`."""

from __future__ import annotations

import argparse

from cdcproof.cli.instance import add_instance
from cdcproof.secrets import scrub

EXAMPLE = "cdcproof logs kafka-connect --lines 200"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_instance(parser)
    parser.add_argument("service", help="as `cdcproof status` lists it")
    parser.add_argument("--lines", type=int, default=50, metavar="N", help="how many of the last lines (default: 50)")


def run(arguments: argparse.Namespace) -> int:
    """Print the end of a service's log; it can also be read while the service is down."""
    from cdcproof.environments.embedded import folders, lifecycle

    print(scrub(lifecycle.logs(folders.instance_name(arguments.instance), arguments.service, max(1, arguments.lines))))
    return 0
