"""What of the files of a backup directory is one backup, and of when it is. Pure.

A folder that holds a manifest is one backup, with everything in it; any other file is one by itself. What is hidden is a lock, or
being made; logs are evidence. A folder that `cdcproof backup` has made says in its name when it was taken, in UTC: copying it makes
it no newer. Any other backup is of when it was last written.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar

MANIFEST, SUMS = "manifest.json", "SHA256SUMS"
_OWN = re.compile(r"(.+)_(\d{8}_\d{6})")


class File(Protocol):
    """A file of the directory, by its path below it."""

    @property
    def path(self) -> str:
        """With ``/`` between its parts."""
        ...

    @property
    def changed_at(self) -> float:
        """When it was last written, in Unix time."""
        ...


F = TypeVar("F", bound=File)


@dataclass(frozen=True)
class Backup(Generic[F]):
    """One backup. `name` is its folder's path or its only file's; `pipeline` is empty where none of ours made it."""

    name: str
    files: tuple[F, ...]
    manifest: F | None
    pipeline: str
    made_at: float

    @property
    def written_at(self) -> float:
        """When the newest of its files was written: for a copy, later than it was made."""
        return max(file.changed_at for file in self.files)


def backups_of(files: Iterable[F]) -> tuple[Backup[F], ...]:
    """Every backup among the files, oldest first."""
    visible = [file for file in files if not is_aside(file.path)]
    folders = {file.path.rpartition("/")[0] for file in visible if file.path.endswith(f"/{MANIFEST}")}
    parts: dict[str, list[F]] = defaultdict(list)
    for file in visible:
        parts[_folder_of(file.path, folders)].append(file)
    found = [_backup(name, tuple(parts[name])) for name in parts]
    return tuple(sorted(found, key=lambda one: (one.made_at, one.name)))


def is_aside(path: str) -> bool:
    """Whether a file is of no backup: a log, or hidden."""
    return path.endswith(".log") or any(part.startswith(".") for part in path.split("/"))


def own_name(name: str) -> tuple[str, float] | None:
    """The pipeline and the time in the name of a folder of ours; None for any other name."""
    own = _OWN.fullmatch(name)
    if own is None:
        return None
    try:
        return own[1], datetime.strptime(own[2], "%Y%m%d_%H%M%S").replace(tzinfo=UTC).timestamp()
    except ValueError:  # digits that are no time
        return None


def kind_of(name: str) -> str:
    """What the backups of one kind have in common, whose names differ in numbers only: ``postgresql/warehouse_#_#.sql.gz``."""
    return re.sub(r"\d+", "#", name)


def _folder_of(path: str, folders: set[str]) -> str:
    """The outermost folder with a manifest that the file is in, or its own path."""
    places = (path[: at.start()] for at in re.finditer("/", path))
    return next((place for place in places if place in folders), path)


def _backup(name: str, files: tuple[F, ...]) -> Backup[F]:
    manifest = next((file for file in files if file.path == f"{name}/{MANIFEST}"), None)
    own = own_name(name.rpartition("/")[2]) if manifest else None
    pipeline, made_at = own or ("", max(file.changed_at for file in files))
    return Backup(name, files, manifest, pipeline, made_at)
