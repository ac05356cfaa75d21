"""Sizes as the weekly runs measured them, in one JSON file: by what was measured, its identity included, a value at each time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cdcproof.core.errors import ConfigError
from cdcproof.core.files import write_whole
from cdcproof.core.locking import only_one
from cdcproof.core.progress import Progress
from cdcproof.core.stored import Kind

KEEP_DAYS = 400
_DAY_SECONDS = 86_400.0
_LOCK_SECONDS = 30.0

Series = tuple[tuple[float, float], ...]
"""Unix time and bytes, the oldest first."""


@dataclass(frozen=True)
class _Sizes:
    """What was measured, by its name."""

    sizes: Mapping[str, Series]


_FILE = Kind(
    _Sizes,
    "The history of sizes cannot be read",
    "Move the file away: a new history is then begun.",
    version=1,
    version_key="format",
)


def file_of(reports: Path) -> Path:
    """The file below the directory of a pipeline's reports."""
    return reports / "capacity.json"


def add(path: Path, at: float, sizes: Mapping[str, float]) -> dict[str, Series]:
    """Keep what was measured, and return all that is known of it, this measurement included.

    Raises `ConfigError` for a file that cannot be read or written, or is of another format: it is never begun anew by itself.
    """
    try:
        lock = path.with_name(f".{path.name}.lock")
        with only_one(lock, "keeping sizes", Progress(), deadline_seconds=_LOCK_SECONDS):  # checks may run side by side
            found = _FILE.read(path)
            known = dict(found.sizes) if found else {}
            for name, value in sizes.items():
                kept = [one for one in known.get(name, ()) if at - KEEP_DAYS * _DAY_SECONDS <= one[0] < at]
                known[name] = (*kept, (at, value))
            write_whole(path, _FILE.text(_Sizes(known)))
    except OSError as error:
        raise ConfigError(f"The history of sizes cannot be kept: {error.strerror or error}.", path=path) from None
    return {name: known[name] for name in sizes}
