"""The options that commands share: which pipeline, and where it runs."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from cdcproof.pipeline import Pipeline, load, resolve

if TYPE_CHECKING:
    from cdcproof.environments.base import Environment

PIPELINE_VARIABLE = "CDCPROOF_PIPELINE"
DEFAULT_PIPELINE = "embedded"


def add_pipeline(parser: argparse.ArgumentParser) -> None:
    """Add `--pipeline` and `--env`."""
    parser.add_argument(
        "--pipeline",
        metavar="NAME_OR_PATH",
        help=f"pipeline file, or the name of one in fixtures/pipelines (default: ${PIPELINE_VARIABLE}, "
        f"else {DEFAULT_PIPELINE})",
    )
    parser.add_argument(
        "--env",
        choices=("live", "compose", "embedded"),
        help="where it runs (default: what the pipeline file says)",
    )


def pipeline_name(arguments: argparse.Namespace) -> str:
    """What `--pipeline` means when it is not given."""
    return arguments.pipeline or os.environ.get(PIPELINE_VARIABLE) or DEFAULT_PIPELINE


def open_pipeline(arguments: argparse.Namespace) -> tuple[Environment, Pipeline]:
    """Read the pipeline and find out where its environment serves it. Raises `ConfigError` and `UsageError`."""
    from cdcproof.environments import select

    pipeline = load(resolve(pipeline_name(arguments)))
    environment = select(arguments.env or pipeline.environment)
    return environment, environment.locate(pipeline)
