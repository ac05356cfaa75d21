"""The backup directory: one folder for each backup of a pipeline, written under a hidden name and renamed when it is whole.

``NAME_YYYYMMDD_HHMMSS`` (in UTC) is a backup; ``.NAME_YYYYMMDD_HHMMSS.unfinished`` is one that is being made, or was when its
process ended. Both are touched only under the pipeline's lock, which ends with the processes that hold it, however they end.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cdcproof.backup import manifest
from cdcproof.backup.manifest import Manifest, StoredFile
from cdcproof.core.errors import ConfigError, OperationError, UsageError
from cdcproof.core.files import sha256_of, synchronise
from cdcproof.observations.backups.folders import MANIFEST, SUMS

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FORM = "%Y%m%d_%H%M%S"
UNFINISHED = ".unfinished"
_OPEN = 0o711  # SQL Server's own account must reach the folder that it writes to
_CLOSED = 0o700
_MOST_WORDS = 200


@dataclass(frozen=True)
class Kept:
    """A backup's folder. `manifest` is None where it has none that can be read, or a file of it is missing: `why`."""

    folder: Path
    taken_at: datetime
    manifest: Manifest | None
    why: str = ""

    @property
    def is_remnant(self) -> bool:
        """Whether there is no manifest at all: a deletion was ended."""
        return self.manifest is None and not (self.folder / MANIFEST).exists()

    @property
    def timestamp(self) -> str:
        """As `--timestamp` takes it."""
        return f"{self.taken_at:{FORM}}"


@dataclass(frozen=True)
class Unfinished:
    """The folder of a backup that is being made, and the lock, for programs that write there as well."""

    folder: Path
    final: Path
    lock: int


@dataclass(frozen=True)
class Directory:
    """Where the backups of one pipeline are."""

    path: Path
    pipeline: str

    def backups(self) -> tuple[Kept, ...]:
        """Every backup, oldest first, with its manifest; hashes are not compared. Raises `ConfigError` for a directory that cannot be read."""
        try:
            names = sorted(entry.name for entry in self.path.iterdir() if entry.is_dir())
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise ConfigError(f"The backup directory cannot be read: {error.strerror}.", path=self.path) from None
        found = [(name, taken) for name in names if (taken := self.taken_at(name))]
        return tuple(_kept(self.path / name, taken) for name, taken in found)

    def of(self, timestamp: str) -> Kept:
        """The backup of this timestamp. Raises `UsageError` naming those that there are."""
        found = self.backups()
        for kept in found:
            if kept.timestamp == timestamp:
                return kept
        there = ", ".join(kept.timestamp for kept in found if kept.manifest) or "none"
        raise UsageError(f"{self.path} has no backup of {self.pipeline} of {timestamp!r}.", f"It has: {there}")

    def taken_at(self, name: str) -> datetime | None:
        """When a backup of this name was begun; None for what is no backup of this pipeline."""
        return taken_at(name, self.pipeline)

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Hold the lock. Raises `OperationError` while another backup or restore of the pipeline runs."""
        path = self.path / f".{self.pipeline}.lock"
        if fcntl is None:
            raise UsageError("Backups are made on Linux and macOS only.", "On Windows, make them within WSL.")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise OperationError(
                f"The backup directory {self.path} cannot be written: {error.strerror}.",
                "Make room, give the right to write there, or name another one: BACKUP_DIR=…",
            ) from None
        with os.fdopen(descriptor, "r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OperationError(
                    f"Another backup or restore of {self.pipeline} is running: {file.read(_MOST_WORDS).strip() or path}.",
                    "Wait until it has ended.",
                ) from None
            except OSError as error:
                raise OperationError(f"{path} cannot be locked: {error.strerror}.") from None
            with suppress(OSError):  # who holds it is a courtesy
                file.truncate(0)
                file.write(f"process {os.getpid()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
                file.flush()
            yield file.fileno()

    def remove_unfinished(self) -> tuple[str, ...]:
        """Remove what earlier backups of this pipeline left when they were ended; their names. Under the lock."""
        found = []
        for path in sorted(self.path.glob(f".*{UNFINISHED}")):
            name = path.name[1:].removesuffix(UNFINISHED)
            if self.taken_at(name) and path.is_dir():
                remove(path)
                found.append(name)
        return tuple(found)

    def free_moment(self, now: datetime) -> datetime:
        """This second, or the next that names no backup yet. Under the lock."""
        while (self.path / f"{self.pipeline}_{now:{FORM}}").exists():
            now += timedelta(seconds=1)
        return now

    @contextmanager
    def begin(self, now: datetime, lock: int) -> Iterator[Unfinished]:
        """The folder of a new backup, under the lock. It is removed at the end unless it was committed."""
        name = f"{self.pipeline}_{now:{FORM}}"
        work = Unfinished(self.path / f".{name}{UNFINISHED}", self.path / name, lock)
        try:
            work.folder.mkdir(mode=_OPEN)
            work.folder.chmod(_OPEN)
        except OSError as error:
            raise OperationError(f"{work.folder} cannot be made: {error.strerror}.") from None
        try:
            yield work
        finally:
            with suppress(OSError):  # the next run removes what cannot be removed now
                remove(work.folder)


def taken_at(name: str, pipeline: str) -> datetime | None:
    """When the backup of this name was begun; None for what is no backup of the pipeline."""
    found = re.fullmatch(re.escape(pipeline) + r"_(\d{8}_\d{6})", name)
    if not found:
        return None
    try:
        return datetime.strptime(found[1], FORM).replace(tzinfo=UTC)
    except ValueError:
        return None


def commit(work: Unfinished, complete: Manifest) -> None:
    """Write the manifest and the sums, have everything on the disk, verify it, and give it its name. Raises `OSError`."""
    (work.folder / MANIFEST).write_text(complete.as_json(), encoding="utf-8")
    own = StoredFile(MANIFEST, 0, sha256_of(work.folder / MANIFEST))
    (work.folder / SUMS).write_text(manifest.sums_text((*complete.files, own)), encoding="utf-8")
    for path in work.folder.rglob("*"):
        with suppress(PermissionError):  # SQL Server's own file, which it closes to others itself
            path.chmod(_CLOSED if path.is_dir() else 0o600)
        synchronise(path)
    manifest.verify(work.folder)
    for name in (MANIFEST, SUMS):  # no secret is in them: the checks may run by another account
        (work.folder / name).chmod(0o644)
    work.folder.chmod(0o755)
    synchronise(work.folder)
    work.folder.rename(work.final)
    synchronise(work.final.parent)


@contextmanager
def open_to_the_server(file: Path) -> Iterator[None]:
    """Within it any account of this machine may read the file, as SQL Server's must; it is closed again after."""
    places = ((file.parent, 0o711, _CLOSED), (file, 0o644, 0o600))
    for path, opened, _ in places:
        with suppress(PermissionError):
            path.chmod(opened)
    try:
        yield
    finally:
        for path, _, closed in places:
            with suppress(OSError):
                path.chmod(closed)


def remove(folder: Path) -> None:
    """Delete a backup, its manifest first: what is left half deleted is none. Raises `OSError`."""
    if not folder.exists():
        return
    (folder / MANIFEST).unlink(missing_ok=True)
    synchronise(folder)
    shutil.rmtree(folder)


def damage(folder: Path) -> str:
    """What can be seen to be wrong with a backup without reading it; empty for nothing. A file that this account may not see counts as there."""
    try:
        found = manifest.read(folder)
    except ConfigError as error:
        return error.message
    for file in found.files:
        try:
            length = (folder / file.path).stat().st_size
        except PermissionError:
            continue
        except OSError as error:
            return f"{file.path} cannot be read: {error.strerror}"
        if length != file.size_bytes:
            return f"{file.path} has another length"
    return ""


def _kept(folder: Path, taken: datetime) -> Kept:
    why = damage(folder)
    return Kept(folder, taken, None if why else manifest.read(folder), why)
