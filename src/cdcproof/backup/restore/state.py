"""What a restore remembers while it runs, so that the next one finishes it or clears it away, however it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cdcproof.backup.folders import Directory
from cdcproof.core.stored import Kind


@dataclass(frozen=True)
class RestoreState:
    """A restore that has begun. By side: the database that is made beside the old one, and those that have taken its name already."""

    timestamp: str
    beside: Mapping[str, str] = field(default_factory=dict)
    swapped: tuple[str, ...] = ()


def path_of(directory: Directory) -> Path:
    """The file of the pipeline's restore."""
    return directory.path / f".{directory.pipeline}.restore.json"


_FILE = Kind(
    RestoreState,
    "What an earlier restore has left cannot be read",
    "Read the file, then remove it.",
    "Make room there.",
)


def read(directory: Directory) -> RestoreState | None:
    """The restore that was begun and not ended; None where there is none. Raises `ConfigError` for a file that cannot be read."""
    return _FILE.read(path_of(directory))


def write(directory: Directory, state: RestoreState) -> None:
    """Keep it. Raises `OperationError`: what cannot be kept is not begun."""
    _FILE.write(path_of(directory), state)


def forget(directory: Directory) -> None:
    """It has ended. Raises `OSError`."""
    path_of(directory).unlink(missing_ok=True)
