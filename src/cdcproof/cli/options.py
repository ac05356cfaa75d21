"""The options that commands share: which pipeline, and where it runs."""

# ruff: noqa: PLC0415  what only a pipeline file needs: see tests/test_layers.py
from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from cdcproof.core.errors import CdcproofError, ConfigError, UsageError
from cdcproof.pipeline.choice import ELSE, VARIABLE, chosen, resolve

if TYPE_CHECKING:
    from cdcproof.environments.base import Environment
    from cdcproof.pipeline.model import Pipeline


_UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def seconds(text: str) -> float:
    """Read a time like 90s, 5m or 2h; a bare number is of seconds. Raises `ArgumentTypeError`."""
    found = seconds_or_none(text)
    if not found > 0:
        raise _no_time(text)
    return found


def seconds_or_none(text: str) -> float:
    """The same where no time at all, 0, will do."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not match:
        raise _no_time(text)
    return float(match[1]) * _UNIT_SECONDS[match[2]]


def minutes(text: str) -> float:
    """The same in minutes, of which a bare number is one."""
    return seconds_or_none(text if text.endswith(("s", "m", "h")) else f"{text}m") / 60


def _no_time(text: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"{text!r} is no time; write it like 90s, 30m or 2h")


def add_pipeline(parser: argparse.ArgumentParser) -> None:
    """Add `--pipeline` and `--env`."""
    parser.add_argument(
        "--pipeline",
        metavar="NAME_OR_PATH",
        help=f"pipeline file, or the name of one in fixtures/pipelines (default: {ELSE})",
    )
    parser.add_argument(
        "--env",
        choices=("live", "compose", "embedded"),
        help="where it runs (default: what the pipeline file says)",
    )


def add_reports(parser: argparse.ArgumentParser) -> None:
    """Add `--reports-dir` and `--pipeline`, for those that read what a run of checks has written."""
    parser.add_argument("--reports-dir", type=Path, default=Path("reports"), help="where the reports are (reports)")
    parser.add_argument(
        "--pipeline",
        metavar="NAME_OR_PATH",
        help=f"whose reports, where several pipelines write there (default: ${VARIABLE}, else the one that ran last)",
    )


def reports_of(arguments: argparse.Namespace) -> Path:
    """The folder that these options mean. Raises `ConfigError`."""
    from cdcproof.pipeline.model import load
    from cdcproof.reporting import places

    named = arguments.pipeline or os.environ.get(VARIABLE)
    if not named:
        return places.folder_of_newest(arguments.reports_dir)
    return places.folder_of(load(resolve(named)).name, arguments.reports_dir)


def open_even_if_down(arguments: argparse.Namespace) -> tuple[Environment, Pipeline, CdcproofError | None]:
    """The same for those who look at what is down: why it could not be found out where it is served. Raises `ConfigError`."""
    from cdcproof.environments import select
    from cdcproof.pipeline.model import load

    pipeline = load(resolve(chosen(arguments.pipeline)))
    environment = select(arguments.env or pipeline.environment)
    try:
        return environment, environment.locate(pipeline), None
    except ConfigError:
        raise
    except CdcproofError as error:
        return environment, pipeline, error


def demand_permission(
    arguments: argparse.Namespace, environment: Environment, pipeline: Pipeline, what: str, remedy: str
) -> None:
    """Raise `UsageError` where the pipeline is live and `--allow-acts` is missing. `what` says what the command does to "the live pipeline"."""
    if environment.name == "live" and not arguments.allow_acts:
        raise UsageError(f"{what} the live pipeline {pipeline.name}. Nothing was done.", f"Add --allow-acts{remedy}")


def open_pipeline(arguments: argparse.Namespace) -> tuple[Environment, Pipeline]:
    """Read the pipeline and find out where its environment serves it. Raises `ConfigError` and `UsageError`."""
    from cdcproof.environments import select
    from cdcproof.pipeline.model import load

    pipeline = load(resolve(chosen(arguments.pipeline)))
    environment = select(arguments.env or pipeline.environment)
    return environment, environment.locate(pipeline)
