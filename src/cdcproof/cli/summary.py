"""`cdcproof summary`: the daily summary that the last morning run wrote."""

from __future__ import annotations

import argparse
from pathlib import Path

from cdcproof.errors import CouldNotLookError

EXAMPLE = (
    "cdcproof summary\n  cdcproof summary --format markdown > today.md\n  xdg-open $(cdcproof summary --format html)"
)

_SUFFIX = {"text": "txt", "markdown": "md", "html": "html"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--format", choices=tuple(_SUFFIX), default="text", help="text or markdown, or the path of the html page (text)"
    )
    parser.add_argument("--reports-dir", type=Path, default=Path("reports"), help="where the reports are (reports)")


def run(arguments: argparse.Namespace) -> int:
    """Print the summary, or the path of its page."""
    path = arguments.reports_dir / f"summary.{_SUFFIX[arguments.format]}"
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CouldNotLookError(
            f"There is no daily summary in {arguments.reports_dir} yet.",
            "It is written by: pytest -m morning   (another directory: --reports-dir DIR)",
        ) from None
    except OSError as error:
        raise CouldNotLookError(f"{path} cannot be read: {error.strerror}") from None
    print(path if arguments.format == "html" else content, end="\n" if arguments.format == "html" else "")
    return 0
