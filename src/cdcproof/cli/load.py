"""`cdcproof load`."""

from __future__ import annotations

import argparse
import sys

from cdcproof.cli.instance import add_instance
from cdcproof.core.progress import Progress
from cdcproof.environments.embedded import folders, state
from cdcproof.environments.embedded.data import databases, replication

EXAMPLE = "cdcproof load"
_DEADLINE_SECONDS = 600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_instance(parser)
    parser.set_defaults(keeps_result=True, limit_seconds=3600.0)


def run(arguments: argparse.Namespace) -> int:
    """Insert the rows at the source and follow them; those that are there already stay as they are."""
    instance = state.running(folders.instance_name(arguments.instance))
    with Progress() as progress:
        try:
            progress.waiting("inserting rows at the source")
            databases.insert_rows(instance, databases.LOAD)
            progress.done("the rows are at the source")
            rows = replication.follow(instance, progress, what="replicated", deadline_seconds=_DEADLINE_SECONDS)
        except KeyboardInterrupt:
            progress.clear()
            print(
                f"cdcproof: interrupted. The pipeline goes on running, and what is at the source goes on to the target: "
                f"`cdcproof load{instance.option}` loads the rest, `cdcproof down{instance.option}` stops it.",
                file=sys.stderr,
            )
            return 130
        progress.done(f"all {rows:,} rows are in the target")
    return 0
