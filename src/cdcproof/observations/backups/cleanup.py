"""Deletes old files below one directory: never one that it was not asked for, behind a link, or that has changed since it was judged."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cdcproof.core.errors import CouldNotLookError
from cdcproof.observations.backups.old_files import OldFile


@dataclass(frozen=True)
class Deleted:
    """What was deleted, and what was not: path to the reason."""

    files: tuple[OldFile, ...]
    left: dict[str, str]

    @property
    def freed_bytes(self) -> int:
        """What that has freed on disk."""
        return sum(file.disk_bytes for file in self.files)


def files_of(directory: Path) -> tuple[OldFile, ...]:
    """Every regular file below the directory, on its own file system; no link is followed.

    Raises `CouldNotLookError` where a folder cannot be listed: what is newest is then not known.
    """
    found: list[OldFile] = []
    try:
        top = directory.resolve(strict=True)  # which may be named by a link; within it none is followed
        device = top.stat().st_dev
        for folder, folders, names, descriptor in os.fwalk(top, follow_symlinks=False, onerror=_raise):
            below = os.path.relpath(folder, top)
            for name in names:
                seen = _seen(name, descriptor)
                if seen and stat.S_ISREG(seen.st_mode):
                    path = name if below == "." else f"{below}/{name}"
                    found.append(OldFile(path, seen.st_ino, seen.st_mtime_ns, seen.st_size, seen.st_blocks * 512))
            folders[:] = [name for name in folders if (seen := _seen(name, descriptor)) and seen.st_dev == device]
    except OSError as error:
        raise CouldNotLookError(
            f"The files below {directory} cannot be listed: {error.strerror}.",
            "Let this account read it, or correct [paths] in the pipeline file.",
        ) from None
    return tuple(sorted(found, key=lambda file: file.path))


def delete(directory: Path, files: Iterable[OldFile], announce: Callable[[str], None]) -> Deleted:
    """Delete these files, each announced before. One that is another by now, or not there any more, is left."""
    done: list[OldFile] = []
    left: dict[str, str] = {}
    for file in files:
        try:
            with _folder_of(directory, file.path) as folder:
                name = file.path.rpartition("/")[2]
                seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if (seen.st_ino, seen.st_mtime_ns) != (file.inode, file.changed_ns) or not stat.S_ISREG(seen.st_mode):
                    left[file.path] = "it was changed meanwhile"
                    continue
                announce(f"delete {directory / file.path}")
                os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            left[file.path] = "it was deleted meanwhile"
        except OSError as error:
            left[file.path] = str(error.strerror)
        else:
            done.append(file)
    _remove_empty(directory, {file.path.rpartition("/")[0] for file in done})
    return Deleted(tuple(done), left)


@contextmanager
def _folder_of(directory: Path, path: str) -> Iterator[int]:
    """A descriptor of the folder that holds a path below the directory. A link in between is an `OSError`."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in path.split("/")[:-1]:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _remove_empty(directory: Path, folders: Iterable[str]) -> None:
    """Remove the folders that are empty now, the inner ones first; never the directory itself."""
    todo = {"/".join(f.split("/")[:depth]) for f in folders if f for depth in range(1, f.count("/") + 2)}
    for folder in sorted(todo, key=lambda f: -f.count("/")):
        try:
            with _folder_of(directory, folder) as above:
                os.rmdir(folder.rpartition("/")[2], dir_fd=above)
        except OSError:
            continue  # it holds something, or is gone


def _seen(name: str, folder: int) -> os.stat_result | None:
    """What is there now; None where it was deleted since it was listed."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # a folder that was deleted since
        raise error
