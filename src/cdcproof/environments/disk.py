"""Disk space as `df` and `du` tell it, on this machine. Looks only."""

from __future__ import annotations

import os
import time
from pathlib import Path

from cdcproof.environments.base import FileSystem
from cdcproof.errors import CouldNotLookError

_BIGGEST = 5
_DAY_SECONDS = 86_400


def measure(path: Path) -> FileSystem:
    """The file system that holds `path`, and what takes the space below it.

    Percent as `df` counts: used of what an ordinary user can have, so that blocks reserved for root are neither.
    Raises `CouldNotLookError` when the path does not exist or cannot be read.
    """
    try:
        found = os.statvfs(path)
        biggest = _biggest(path)
    except OSError as error:
        raise CouldNotLookError(
            f"The disk below {path} cannot be measured: {error.strerror}.",
            f"Make it (mkdir -p {path}), let this account read it, or correct [paths] in the pipeline file.",
        ) from None
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    free = found.f_bavail * found.f_frsize
    inodes = found.f_files - found.f_ffree
    return FileSystem(
        path=str(path),
        used_percent=100 * used / (used + free) if used + free else 100.0,
        inodes_used_percent=100 * inodes / found.f_files if found.f_files else None,
        free_bytes=free,
        total_bytes=found.f_blocks * found.f_frsize,
        biggest=biggest,
    )


def old_files(path: Path, days: float) -> tuple[int, int]:
    """How many files below `path` were last changed more than `days` ago, and the bytes they take.

    Raises `CouldNotLookError` when the path cannot be read.
    """
    limit = time.time() - days * _DAY_SECONDS
    count = size = 0
    try:
        for entry in _files(path):
            found = entry.stat(follow_symlinks=False)
            if found.st_mtime < limit:
                count += 1
                size += _taken(found)
    except OSError as error:
        raise CouldNotLookError(f"The files below {path} cannot be listed: {error.strerror}.") from None
    return count, size


def _biggest(path: Path) -> tuple[tuple[str, int], ...]:
    if not path.is_dir():
        return ((path.name, _taken(path.stat())),)
    sizes = []
    with os.scandir(path) as entries:
        for entry in entries:
            size = _taken(entry.stat(follow_symlinks=False))
            if entry.is_dir(follow_symlinks=False):
                size += sum(_size(file) for file in _files(Path(entry.path), skip_unreadable=True))
            sizes.append((entry.name, size))
    return tuple(sorted(sizes, key=lambda pair: (-pair[1], pair[0]))[:_BIGGEST])


def _files(path: Path, *, skip_unreadable: bool = False) -> list[os.DirEntry[str]]:
    """Every file below. A folder that goes away while we look is no error: services delete theirs all the time."""
    found: list[os.DirEntry[str]] = []
    todo = [str(path)]
    while todo:
        folder = todo.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    else:
                        found.append(entry)
        except OSError:
            if folder == str(path) and not skip_unreadable:
                raise
    return found


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return _taken(entry.stat(follow_symlinks=False))
    except OSError:
        return 0


def _taken(found: os.stat_result) -> int:
    """Bytes on disk, which for a sparse file are far fewer than its length."""
    return found.st_blocks * 512
