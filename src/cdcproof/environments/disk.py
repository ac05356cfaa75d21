"""Disk space as `df` and `du` report it, on this machine. Looks only, and never for long."""

from __future__ import annotations

import os
import shlex
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from cdcproof.core.errors import CouldNotLookError
from cdcproof.core.waiting import Deadline
from cdcproof.environments.base import BackupFile, FileSystem, Taken

WALK_SECONDS = 2.0
"""How long the files below one path are counted: who reads the check waits for it, and `du` is there for the rest."""
_BIGGEST = 5


def measure(path: Path, *, walk_seconds: float = WALK_SECONDS) -> FileSystem:
    """The file system that holds `path`, and what takes the space below it.

    Percent as `df` counts: used of what an ordinary user can have, so that blocks reserved for root are neither.
    Raises `CouldNotLookError` when the path does not exist or cannot be read.
    """
    try:
        found = os.statvfs(path)
        biggest = _biggest(path, Deadline(walk_seconds))
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


def files_below(path: Path, *, walk_seconds: float = WALK_SECONDS) -> tuple[tuple[BackupFile, ...], bool]:
    """Every file below `path`, and whether that is all: after the time given there may be more.

    Raises `CouldNotLookError` when the path cannot be read.
    """
    deadline = Deadline(walk_seconds)
    found: list[BackupFile] = []
    todo = deque([str(path)])
    try:
        os.scandir(path).close()  # a folder below may be closed to us, this one may not
    except OSError as error:
        raise CouldNotLookError(
            f"The files below {path} cannot be listed: {error.strerror}.",
            f"Make it (mkdir -p {shlex.quote(str(path))}), let this account read it, or correct [paths] in the pipeline file.",
        ) from None
    while todo:
        for entry, seen in _look(todo.popleft()):
            if deadline.passed:
                return tuple(found), False
            if entry.is_dir(follow_symlinks=False):
                todo.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                name = os.path.relpath(entry.path, path)
                found.append(BackupFile(name, seen.st_mtime, seen.st_size, _bytes(seen)))
    return tuple(found), True


def _biggest(path: Path, deadline: Deadline) -> tuple[Taken, ...]:
    """The largest entries. All are descended into side by side, so that no single one takes all the time there is."""
    top = path.stat()
    if not path.is_dir():
        return (Taken(path.name, _bytes(top)),)
    os.scandir(path).close()  # raises where it may not be read
    sizes: dict[str, int] = {}
    todo: deque[tuple[str, str]] = deque()
    for entry, found in _look(str(path)):
        sizes[entry.name] = _bytes(found)
        if entry.is_dir(follow_symlinks=False) and found.st_dev == top.st_dev:
            todo.append((entry.name, entry.path))
    while todo and not deadline.passed:
        name, folder = todo.popleft()
        for entry, found in _look(folder):
            if deadline.passed:
                todo.append((name, folder))
                break
            if found.st_dev != top.st_dev:
                continue  # what is mounted there takes no space here
            sizes[name] += _bytes(found)
            if entry.is_dir(follow_symlinks=False):
                todo.append((name, entry.path))
    unfinished = {name for name, _ in todo}
    entries = [Taken(name, size, at_least=name in unfinished) for name, size in sizes.items()]
    return tuple(sorted(entries, key=lambda one: (-one.size_bytes, one.entry))[:_BIGGEST])


def _look(folder: str) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
    """What is in a folder. What goes away while we look is no error: services delete theirs all the time."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    yield entry, entry.stat(follow_symlinks=False)
                except OSError:
                    continue
    except OSError:
        return


def _bytes(found: os.stat_result) -> int:
    """Bytes on disk, which for a sparse file are far fewer than its length."""
    return found.st_blocks * 512
