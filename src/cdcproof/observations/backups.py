"""The files of the backup directory: how old the newest are, and which of the old ones may be deleted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from cdcproof.environments.base import BackupFile
from cdcproof.errors import CouldNotLookError
from cdcproof.observations.disks import OldFiles, size

_HOUR_SECONDS = 3600.0
_DAY_SECONDS = 86_400.0
FRESH = "fresh"


@dataclass(frozen=True)
class Backups:
    """Every file below `directory`. `complete` is False where there was no time to look at all of them."""

    directory: Path
    files: tuple[BackupFile, ...]
    complete: bool
    now: float
    age_hours: float
    """How old the newest backup may be."""
    skew_seconds: float
    """How far a clock may be ahead."""

    def expected(self) -> dict[str, str]:
        """Below each part of the directory lies a fresh backup."""
        return dict.fromkeys(self._newest() or [str(self.directory)], FRESH)

    def found(self) -> dict[str, str]:
        """Part to ``fresh``, or to what is wrong with its newest file."""
        return {part: self._word(file) for part, file in self._newest().items()}

    def details(self) -> dict[str, str]:
        """Part to its newest file."""
        return {part: f"newest: {file.path}" for part, file in self._newest().items()}

    def demand_complete(self) -> None:
        """Raise `CouldNotLookError` where a newer file may not have been seen."""
        if not self.complete:
            raise CouldNotLookError(
                f"There are more files below {self.directory} than could be listed in time.",
                "Delete old backups, or name the directory of the newest ones as paths.backups.",
            )

    def old(self, days: float) -> OldFiles:
        """The files older than `days`, without the newest of its kind: the last backup is never one to delete."""
        limit = self.now - days * _DAY_SECONDS
        newest = _newest_by(self.files, lambda file: _without_numbers(file.path)).values()
        kept = tuple(sorted(file.path for file in newest if file.changed_at < limit))
        old = [file for file in self.files if file.changed_at < limit and file.path not in kept]
        return OldFiles(self.directory, days, len(old), sum(f.disk_bytes for f in old), self.complete, kept)

    def rows(self) -> list[dict[str, object]]:
        """One row per part, for the report."""
        return [
            {"below": part, "newest": file.path, "hours old": f"{self._hours(file):.1f}", "size": size(file.size_bytes)}
            for part, file in self._newest().items()
        ] or [{"below": str(self.directory), "newest": "none", "hours old": None, "size": None}]

    def _newest(self) -> dict[str, BackupFile]:
        """The newest file of each folder of the directory, or of the directory itself where it has no folders.

        Folders that differ in numbers only are one: a folder a day. Logs are no backups.
        """
        files = [file for file in self.files if not file.path.endswith(".log")]
        below = [file for file in files if "/" in file.path]
        newest = _newest_by(below or files, lambda file: _without_numbers(file.path.rpartition("/")[0].split("/")[0]))
        return {_place(self.directory, file): file for _, file in sorted(newest.items())}

    def _word(self, file: BackupFile) -> str:
        if file.changed_at > self.now + self.skew_seconds:
            return "from the future: a clock is wrong"
        if not file.size_bytes:
            return "an empty file"
        return FRESH if self._hours(file) <= self.age_hours else f"{self._hours(file):,.1f} h old"

    def _hours(self, file: BackupFile) -> float:
        return (self.now - file.changed_at) / _HOUR_SECONDS


def _place(directory: Path, file: BackupFile) -> str:
    folder = file.path.rpartition("/")[0].split("/")[0]
    return str(directory / folder) if folder else str(directory)


def _newest_by(files: Iterable[BackupFile], key: Callable[[BackupFile], str]) -> dict[str, BackupFile]:
    newest: dict[str, BackupFile] = {}
    for file in sorted(files, key=lambda file: (file.changed_at, file.path)):
        newest[key(file)] = file
    return newest


def _without_numbers(path: str) -> str:
    """What the backups of one kind have in common: ``postgresql/warehouse_#_#.sql.gz``."""
    return re.sub(r"\d+", "#", path)
