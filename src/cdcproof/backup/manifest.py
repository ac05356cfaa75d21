"""The manifest of a backup: what is in it, and whether the files beside it are still what it says. Data and judgement only.

A backup is a folder with `manifest.json`, and with `SHA256SUMS` that ``sha256sum -c`` checks on any machine. It is complete if both
are there and every file is: a backup that was ended early never has this name, and one that is being deleted loses its manifest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from cdcproof.core import bounded
from cdcproof.core.errors import ConfigError
from cdcproof.core.files import sha256_of
from cdcproof.core.stored import Kind
from cdcproof.databases.contracts.backup import DatabaseState
from cdcproof.observations.backups.folders import MANIFEST, SUMS

FORMAT = 1


@dataclass(frozen=True)
class StoredFile:
    """A file of the backup, by its path below the folder."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class DatabaseBackup:
    """One side. `place` is its dump's file or folder below the backup's; `state` what it was when the dump was made."""

    side: str
    engine: str
    place: str
    state: DatabaseState

    @property
    def rows(self) -> int:
        """Rows of all its tables."""
        return sum(table.rows for table in self.state.tables)


@dataclass(frozen=True)
class Manifest:
    """What a backup holds. Times are ISO 8601 in UTC; `timestamp` is the name's.

    `parts` are the files of the pipeline that are no database's, by what they are: ``connectors``, ``offsets``, ``registry``,
    ``schema_history``, ``pipeline``. One that the pipeline does not have is not there.
    """

    name: str
    pipeline: str
    timestamp: str
    started_at: str
    finished_at: str
    version: str
    kafka_cluster: str
    databases: tuple[DatabaseBackup, ...]
    parts: Mapping[str, str]
    files: tuple[StoredFile, ...] = field(repr=False)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a manifest that leads out of its folder. Raises `ValueError`."""
        for place in (*(f.path for f in self.files), *(one.place for one in self.databases), *self.parts.values()):
            if PurePosixPath(place).is_absolute() or ".." in PurePosixPath(place).parts:
                raise ValueError(f"{place} lies outside of the backup")

    def of_side(self, side: str) -> DatabaseBackup | None:
        """The database of this side, if it is in the backup."""
        return next((one for one in self.databases if one.side == side), None)

    @property
    def size_bytes(self) -> int:
        """Bytes of all its files, the manifest's own left out."""
        return sum(file.size_bytes for file in self.files)

    def as_json(self) -> str:
        """As it is written."""
        return _FILE.text(self)


_FILE = Kind(
    Manifest,
    "This manifest cannot be read",
    "Take another backup, or the version of cdcproof that made it.",
    version=FORMAT,
    version_key="format",
)


def parse(text: str, path: Path) -> Manifest:
    """Read a manifest. Raises `ConfigError` naming the file, also for one of a later version of cdcproof."""
    return _FILE.parse(text, path)


def read(folder: Path) -> Manifest:
    """The manifest of a backup's folder. Raises `ConfigError` where there is none that can be read."""
    found = _FILE.read(folder / MANIFEST)
    if found is None:
        raise ConfigError("This backup is not complete: it has no manifest.", "Take another backup.", folder / MANIFEST)
    return found


def stored_files(folder: Path) -> tuple[StoredFile, ...]:
    """Every file below the folder, hashed, in the order of their names. Raises `OSError`."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple(
        StoredFile(path.relative_to(folder).as_posix(), path.stat().st_size, sha256_of(path)) for path in paths
    )


def sums_text(files: Iterable[StoredFile]) -> str:
    """`SHA256SUMS`: two blanks, relative paths, sorted."""
    return "".join(f"{file.sha256}  {file.path}\n" for file in sorted(files, key=lambda file: file.path))


def problems(manifest: Manifest, sums: str, found: Mapping[str, StoredFile], manifest_sha256: str) -> tuple[str, ...]:
    """What is wrong with a backup, in sentences; nothing where each file is what the manifest says, and no other is there.

    `sums` is the text of `SHA256SUMS`, `found` the files that are there without it and without the manifest.
    """
    wrong = []
    expected = {file.path: file for file in manifest.files}
    for path, file in expected.items():
        other = found.get(path)
        if other is None:
            wrong.append(f"{path} is missing")
        elif other.size_bytes != file.size_bytes:
            wrong.append(f"{path} has {other.size_bytes:,} bytes, and had {file.size_bytes:,} when it was backed up")
        elif other.sha256 != file.sha256:
            wrong.append(f"{path} was changed since: its SHA-256 is another one")
    wrong += [f"{path} is not of this backup" for path in sorted(found.keys() - expected.keys())]
    places = [one.place for one in manifest.databases]
    wrong += [
        f"{place} of the manifest is not among its files"
        for place in (*places, *manifest.parts.values())
        if not any(path == place or path.startswith(f"{place}/") for path in expected)
    ]
    if not manifest.databases:
        wrong.append("the manifest names no database")
    own = StoredFile(MANIFEST, 0, manifest_sha256)
    if sums != sums_text((*manifest.files, own)):
        wrong.append(f"{SUMS} and {MANIFEST} do not agree")
    return tuple(wrong)


def verify(folder: Path) -> Manifest:
    """Read the whole backup and return its manifest. Raises `ConfigError` naming what is wrong with it; nothing is changed."""
    manifest = read(folder)
    try:
        found = {file.path: file for file in stored_files(folder) if file.path not in (MANIFEST, SUMS)}
        sums = bounded.read_text(folder / SUMS)
        wrong = problems(manifest, sums, found, sha256_of(folder / MANIFEST))
    except FileNotFoundError as error:
        wrong = (f"{Path(error.filename).name} is missing",)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"This backup cannot be read: {bounded.reason(error)}.", path=folder) from None
    if wrong:
        shown = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        raise ConfigError(f"This backup differs from its manifest: {shown}.", "Take another backup.", folder)
    return manifest
