"""What a restore remembers while it runs, so that the next one finishes it or clears it away, however it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cdcproof.backup.folders import Directory
from cdcproof.core.errors import ConfigError, OperationError
from cdcproof.core.files import write_whole


@dataclass(frozen=True)
class RestoreState:
    """A restore that has begun. By side: the database that is made beside the old one, and those that have taken its name already."""

    timestamp: str
    beside: Mapping[str, str] = field(default_factory=dict)
    swapped: tuple[str, ...] = ()


def path_of(directory: Directory) -> Path:
    """The file of the pipeline's restore."""
    return directory.path / f".{directory.pipeline}.restore.json"


def read(directory: Directory) -> RestoreState | None:
    """The restore that was begun and not ended; None where there is none. Raises `ConfigError` for a file that cannot be read."""
    path = path_of(directory)
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return RestoreState(stored["timestamp"], dict(stored["beside"]), tuple(stored["swapped"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"What an earlier restore has left cannot be read: {error}.", "Look what is in it, then remove it.", path
        ) from None


def write(directory: Directory, state: RestoreState) -> None:
    """Keep it. Raises `OperationError`: what cannot be kept is not begun."""
    try:
        write_whole(path_of(directory), json.dumps(asdict(state), indent=1), mode=0o600)
    except OSError as error:
        raise OperationError(f"{path_of(directory)} cannot be written: {error.strerror}.", "Make room there.") from None


def forget(directory: Directory) -> None:
    """It has ended. Raises `OSError`."""
    path_of(directory).unlink(missing_ok=True)
