"""Which pipeline file is meant, and where the project is that it belongs to."""

from __future__ import annotations

import os
from pathlib import Path

from cdcproof import shipped

VARIABLE = "CDCPROOF_PIPELINE"
DEFAULT = "embedded"
PROJECT_FILE = "cdcproof.toml"
"""The pipeline file of a project that `cdcproof new` has made; it is what is meant where nothing is named."""
ELSE = f"${VARIABLE}, else {PROJECT_FILE} of this project, else {DEFAULT}"
_NAMED = Path("fixtures/pipelines")


def chosen(asked: str | None, folder: Path | None = None) -> str:
    """What names the pipeline file: what was asked for, else $CDCPROOF_PIPELINE, else ``cdcproof.toml``, else ``embedded``."""
    return asked or os.environ.get(VARIABLE) or str(project_file(folder) or DEFAULT)


def project_file(folder: Path | None = None) -> Path | None:
    """``cdcproof.toml`` in `folder` (the working directory) or in the nearest one above it; None where there is none.

    It is named from the working directory where it lies there, as people would.
    """
    start = (folder or Path.cwd()).absolute()
    found = next((path for path in (one / PROJECT_FILE for one in (start, *start.parents)) if path.is_file()), None)
    return Path(PROJECT_FILE) if found and found.parent == Path.cwd() else found


def resolve(name_or_path: str) -> Path:
    """The file meant by `--pipeline`: a path, or the name of a file in fixtures/pipelines/; ``embedded`` is known everywhere.

    Other names of ours are examples: a project's own pipeline may have the same name, and must not be taken for one.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml" or path.is_file():
        return path
    here = _NAMED / f"{name_or_path}.toml"
    return shipped.ROOT / here if name_or_path == DEFAULT and not here.is_file() else here


def names() -> list[str]:
    """The names that `resolve` knows."""
    return sorted({DEFAULT, *(path.stem for path in _NAMED.glob("*.toml"))})
