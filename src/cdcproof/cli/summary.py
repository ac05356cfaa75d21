"""`cdcproof summary`: the daily summary that the last morning run wrote, or the last run as CI shows it beside a change."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from cdcproof.cli.options import add_reports, reports_of
from cdcproof.core import bounded
from cdcproof.core.errors import CouldNotLookError, OperationError
from cdcproof.reporting import journal
from cdcproof.reporting.formats.annotations import codequality, github, markdown
from cdcproof.reporting.record import Run

EXAMPLE = (
    "cdcproof summary\n  cdcproof summary --format markdown > today.md\n  xdg-open $(cdcproof summary --format html)\n"
    "  cdcproof summary --format github --file change.toml\n"
    "  cdcproof summary --format codequality --file change.toml > codequality.json"
)

_SUFFIX = {"text": "txt", "markdown": "md", "html": "html"}
_OF_ANY_RUN = ("github", "codequality")
_STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--format",
        choices=(*_SUFFIX, *_OF_ANY_RUN),
        default="text",
        help="text or markdown, or the path of the html page (text). Of the last run of any suite: github prints "
        "annotations and writes the step summary, codequality prints GitLab's report",
    )
    add_reports(parser)
    parser.add_argument(
        "--file",
        default="README.md",
        metavar="PATH",
        help="the file of the change that annotations stand at (README.md)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the summary, or the path of its page."""
    reports = reports_of(arguments)
    if arguments.format in _OF_ANY_RUN:
        return _annotate(arguments, reports)
    path = reports / f"summary.{_SUFFIX[arguments.format]}"
    try:
        content = bounded.read_text(path)
    except FileNotFoundError:
        raise CouldNotLookError(
            f"There is no daily summary in {reports} yet.",
            "It is written by: pytest -m morning   (another directory: --reports-dir DIR)",
        ) from None
    except OSError as error:
        raise CouldNotLookError(f"{path} cannot be read: {error.strerror}") from None
    print(path if arguments.format == "html" else content, end="\n" if arguments.format == "html" else "")
    return 0


def _annotate(arguments: argparse.Namespace, reports: Path) -> int:
    latest = journal.latest(reports)
    if arguments.format == "codequality":
        print(codequality(latest, arguments.file), end="")
        return 0
    print(github(latest, arguments.file), end="")
    if os.environ.get(_STEP_SUMMARY):
        _append(Path(os.environ[_STEP_SUMMARY]), latest)
    return 0


def _append(path: Path, latest: Run) -> None:
    try:
        with path.open("a", encoding="utf-8") as summary:
            summary.write(markdown(latest))
    except OSError as error:
        raise OperationError(f"{path}, which ${_STEP_SUMMARY} names, cannot be written: {error.strerror}.") from None
