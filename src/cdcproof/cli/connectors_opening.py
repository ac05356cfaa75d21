"""What the verbs of `cdcproof connectors` share: their options, and the way to Connect."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdcproof.cli.options import add_pipeline, open_pipeline
from cdcproof.errors import UsageError

if TYPE_CHECKING:
    from cdcproof.clients.connect import Connect, Connector, ConnectorStates
    from cdcproof.environments.base import Environment
    from cdcproof.pipeline import Pipeline

# Connect validates a configuration while it holds the request, which on a cold worker takes long.
_TIMEOUT_SECONDS = (3.0, 60.0)


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
    from cdcproof.clients.connect import Connect

    environment, pipeline = open_pipeline(arguments)
    return Opened(environment, pipeline, Connect(pipeline.connect, _TIMEOUT_SECONDS, patience_seconds=0))


def named(states: ConnectorStates, name: str) -> Connector:
    """The connector of that name. Raises `UsageError` where Connect has none."""
    found = states.get(name)
    if found is None:
        has = ", ".join(connector.name for connector in states.connectors) or "none"
        raise UsageError(f"Kafka Connect has no connector {name}.", f"It has: {has}")
    return found
