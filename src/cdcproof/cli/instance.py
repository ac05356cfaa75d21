"""The option that the commands of the embedded pipeline share."""

from __future__ import annotations

import argparse


def add_instance(parser: argparse.ArgumentParser) -> None:
    """Add `--instance`."""
    parser.add_argument(
        "--instance",
        metavar="NAME",
        help="which embedded pipeline, when several run side by side (default: $CDCPROOF_INSTANCE, else default)",
    )
