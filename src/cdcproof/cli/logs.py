"""`cdcproof logs SERVICE`."""

from __future__ import annotations

import argparse
import sys

from cdcproof.cli.instance import add_instance
from cdcproof.core.output import Sturdy
from cdcproof.core.secrets import scrub
from cdcproof.environments.embedded import folders, lifecycle

EXAMPLE = "cdcproof logs kafka-connect --lines 200"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_instance(parser)
    parser.add_argument("service", help="as `cdcproof status` lists it")
    parser.set_defaults(limit_seconds=None)  # --follow ends when somebody ends it
    parser.add_argument(
        "--lines", type=_lines, default=50, metavar="N", help="how many of the last lines (default: 50)"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is written, until Ctrl-C")


def run(arguments: argparse.Namespace) -> int:
    """Print the end of a service's log; it can also be read while the service is down."""
    name = folders.instance_name(arguments.instance)
    if not arguments.follow:
        print(scrub(lifecycle.logs(name, arguments.service, arguments.lines)))
        return 0
    try:
        for text in lifecycle.followed_log(name, arguments.service, arguments.lines):
            print(scrub(text), flush=True)
            if isinstance(sys.stdout, Sturdy) and sys.stdout.problem:  # its reader has enough
                break
    except KeyboardInterrupt:
        pass
    return 0


def _lines(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of lines, from 1")
    return int(text)
