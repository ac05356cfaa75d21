"""Which pipeline file is meant."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "CDCPROOF_PIPELINE"
DEFAULT = "embedded"


def chosen(asked: str | None) -> str:
    """What names the pipeline file: what was asked for, else $CDCPROOF_PIPELINE, else ``embedded``."""
    return asked or os.environ.get(VARIABLE) or DEFAULT


def resolve(name_or_path: str) -> Path:
    """The file meant by `--pipeline`: a path, or the name of a file in fixtures/pipelines/."""
    path = Path(name_or_path)
    if path.suffix == ".toml" or path.is_file():
        return path
    return Path("fixtures/pipelines") / f"{name_or_path}.toml"
