"""What the verbs of `cdcproof connectors` share: their options, and the way to Connect."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cdcproof.cli.options import add_pipeline, demand_permission, open_pipeline, seconds, seconds_or_none
from cdcproof.clients.connect.client import Connect, Connector, ConnectorStates
from cdcproof.connectors.control import Control
from cdcproof.core.acts import write_down
from cdcproof.core.errors import UsageError
from cdcproof.core.progress import Progress
from cdcproof.core.secrets import scrub
from cdcproof.core.waiting import Deadline
from cdcproof.environments.base import Environment
from cdcproof.pipeline.model import Pipeline

# Connect validates a configuration while it holds the request, which on a cold worker takes long.
_TIMEOUT_SECONDS = (3.0, 30.0)


@dataclass(frozen=True)
class Opened:
    """The pipeline, where it runs, and its Connect. A rebalance is waited for by those who act."""

    environment: Environment
    pipeline: Pipeline
    connect: Connect


def add_common(parser: argparse.ArgumentParser, example: str) -> None:
    """Add `--pipeline`, `--env` and `--json`."""
    add_pipeline(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.epilog = f"example:\n  {example}"


def opened(arguments: argparse.Namespace) -> Opened:
    """Read the pipeline file and find its Connect."""
    environment, pipeline = open_pipeline(arguments)
    return Opened(environment, pipeline, Connect(pipeline.connect, _TIMEOUT_SECONDS, patience_seconds=0))


def named(states: ConnectorStates, name: str) -> Connector:
    """The connector of that name. Raises `UsageError` where Connect has none."""
    found = states.get(name)
    if found is None:
        has = ", ".join(connector.name for connector in states.connectors) or "none"
        raise UsageError(f"Kafka Connect has no connector {name}.", f"It has: {has}")
    return found


def add_acting(parser: argparse.ArgumentParser, *, settles: bool) -> None:
    """Add the options of those that act; `settles` for those that wait until something runs."""
    parser.set_defaults(keeps_result=True, limit_seconds=86_400.0)  # --deadline and --soak say when it ends
    parser.add_argument("--allow-acts", action="store_true", help="needed to change a live pipeline")
    parser.add_argument(
        "--deadline",
        type=seconds,
        default=120.0,
        metavar="TIME",
        help="after how long it is given up, a rebalance or a restart of the worker included: 90s, 5m (120s)",
    )
    if settles:
        parser.add_argument(
            "--settle-seconds",
            type=seconds_or_none,
            default=10.0,
            metavar="TIME",
            help="how long RUNNING must hold to be believed (10s)",
        )


@contextmanager
def acting(arguments: argparse.Namespace, here: Opened) -> Iterator[Control]:
    """What acts on Connect, where it may: on `live` with `--allow-acts` only. Raises `UsageError` where it may not."""
    live = here.environment.name == "live"
    demand_permission(
        arguments,
        here.environment,
        here.pipeline,
        f"`connectors {arguments.verb}` changes",
        ". Each act is then printed and written into acts.log before it is done.",
    )
    with Progress() as progress:

        def announce(what: str) -> None:
            write_down(here.pipeline.paths.reports, "connectors", what)
            if live:
                progress.done(scrub(what))

        yield Control(here.connect, Deadline(arguments.deadline), announce, lambda text: progress.waiting(scrub(text)))
