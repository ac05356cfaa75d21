"""Sizes as the weekly runs measured them, in one JSON file: by what was measured, its identity included, a value at each time."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cdcproof.errors import ConfigError
from cdcproof.reporting.files import write_whole

FORMAT = 1
KEEP_DAYS = 400
_DAY_SECONDS = 86_400.0

Series = tuple[tuple[float, float], ...]
"""Unix time and bytes, the oldest first."""


def file_of(reports: Path) -> Path:
    """The file below the directory of a pipeline's reports."""
    return reports / "capacity.json"


def add(path: Path, at: float, sizes: Mapping[str, float]) -> dict[str, Series]:
    """Keep what was measured, and return all that is known of it, this measurement included.

    Raises `ConfigError` for a file that cannot be read or written, or is of another format: it is never begun anew by itself.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            known = _read(path)
            for name, value in sizes.items():
                kept = [one for one in known.get(name, ()) if at - KEEP_DAYS * _DAY_SECONDS <= one[0] < at]
                known[name] = (*kept, (at, value))
            write_whole(path, json.dumps({"format": FORMAT, "sizes": known}) + "\n")
    except OSError as error:
        raise ConfigError(f"The history of sizes cannot be kept: {error.strerror or error}.", path=path) from None
    return {name: known[name] for name in sizes}


def _read(path: Path) -> dict[str, Series]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        sizes = {FORMAT: told["sizes"]}[told["format"]]
        return {str(name): tuple((float(at), float(value)) for at, value in values) for name, values in sizes.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"The history of sizes cannot be read: {error}.", "Move the file away: a new history is then begun.", path
        ) from None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time: checks may run side by side."""
    descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
