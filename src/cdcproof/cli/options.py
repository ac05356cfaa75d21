"""The options that commands share: which pipeline, and where it runs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from cdcproof.pipeline import DEFAULT, VARIABLE, Pipeline, chosen, load, resolve

if TYPE_CHECKING:
    from cdcproof.environments.base import Environment


def add_pipeline(parser: argparse.ArgumentParser) -> None:
    """Add `--pipeline` and `--env`."""
    parser.add_argument(
        "--pipeline",
        metavar="NAME_OR_PATH",
        help=f"pipeline file, or the name of one in fixtures/pipelines (default: ${VARIABLE}, else {DEFAULT})",
    )
    parser.add_argument(
        "--env",
        choices=("live", "compose", "embedded"),
        help="where it runs (default: what the pipeline file says)",
    )


def open_pipeline(arguments: argparse.Namespace) -> tuple[Environment, Pipeline]:
    """Read the pipeline and find out where its environment serves it. Raises `ConfigError` and `UsageError`."""
    from cdcproof.environments import select

    pipeline = load(resolve(chosen(arguments.pipeline)))
    environment = select(arguments.env or pipeline.environment)
    return environment, environment.locate(pipeline)
