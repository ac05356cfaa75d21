"""`cdcproof logs SERVICE`."""

from __future__ import annotations

import argparse

from cdcproof.cli.instance import add_instance
from cdcproof.core.secrets import scrub

EXAMPLE = "cdcproof logs kafka-connect --lines 200"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_instance(parser)
    parser.add_argument("service", help="as `cdcproof status` lists it")
    parser.description = "Print the end of a service's log. `cdcproof up` prints their folder, for tail -F."
    parser.add_argument(
        "--lines", type=_lines, default=50, metavar="N", help="how many of the last lines (default: 50)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the end of a service's log; it can also be read while the service is down."""
    from cdcproof.environments.embedded import folders, lifecycle

    print(scrub(lifecycle.logs(folders.instance_name(arguments.instance), arguments.service, arguments.lines)))
    return 0


def _lines(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of lines, from 1")
    return int(text)
