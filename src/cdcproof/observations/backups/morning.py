"""The files of the backup directory: how old the newest are, and which of the old ones may be deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cdcproof.core.durations import in_hours
from cdcproof.environments.base import BackupFile
from cdcproof.findings import Observation
from cdcproof.observations.backups.folders import Backup, backups_of, is_aside, kind_of, own_name
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
    damaged: Mapping[str, str] = field(default_factory=dict)
    """Folder of a backup of our own to what is wrong with it, of those that were looked at."""

    def observation(self) -> Observation:
        """Below each part of the directory lies a fresh backup, and every file was seen."""
        return Observation(self.found(), self.expected(), self.details(), unknown=self.unknown())

    def expected(self) -> dict[str, str]:
        """Below each part of the directory lies a fresh backup."""
        return dict.fromkeys(self._newest() or [str(self.directory)], FRESH)

    def found(self) -> dict[str, str]:
        """Part to ``fresh``, or to what is wrong with its newest file."""
        theirs = {part: self._word(file) for part, file in self._newest().items() if part not in self._own}
        return theirs | {part: self._own_word(one) for part, one in self._own.items()}

    def is_mended_by_one_of(self, pipeline: str) -> bool:
        """Whether another backup by `cdcproof backup` of this pipeline is all that is missing: what another job or pipeline makes is not."""
        wrong = [self._own.get(part) for part, word in self.found().items() if word != FRESH]
        limit = self.now + self.skew_seconds
        return all(own is not None and own.pipeline == pipeline and own.made_at <= limit for own in wrong)

    def details(self) -> dict[str, str]:
        """Part to its newest file."""
        return {part: f"newest: {file.path}" for part, file in self._newest().items()}

    def unknown(self) -> dict[str, str]:
        """Whether a newer file may not have been seen."""
        sentence = f"There are more files below {self.directory} than could be listed in time."
        remedy = "Delete old backups, or name the directory of the newest ones as paths.backups."
        return {} if self.complete else {sentence: remedy}

    def old(self, days: float) -> OldFiles:
        """The files older than `days`, without the newest of its kind: the last backup is never one to delete."""
        limit = self.now - days * _DAY_SECONDS
        own = {one.name for one in self._all_own}
        whole = {one.name for one in self._own.values()}
        theirs = [file for file in self.files if file.path.split("/")[0] not in own]
        newest = _newest_by(theirs, lambda file: kind_of(file.path)).values()
        kept = tuple(sorted(file.path for file in newest if file.changed_at < limit))
        old = [
            file
            for file in self.files
            if file.changed_at < limit and file.path not in kept and file.path.split("/")[0] not in whole
        ]
        freed = sum(file.disk_bytes for file in old)
        folders = tuple(sorted(one.name for one in self._own.values() if one.written_at < limit))
        return OldFiles(self.directory, days, len(old), freed, self.complete, kept, folders)

    def rows(self) -> list[dict[str, object]]:
        """One row per part, for the report."""
        return [
            {
                "below": part,
                "newest": file.path,
                "hours old": f"{(self.now - (self._own[part].made_at if part in self._own else file.changed_at)) / _HOUR_SECONDS:.1f}",
                "size": size(self._size(part, file)),
            }
            for part, file in self._newest().items()
        ] or [{"below": str(self.directory), "newest": "none", "hours old": None, "size": None}]

    def _newest(self) -> dict[str, BackupFile]:
        """The newest file of each folder of the directory, or of the directory itself where it has no folders.

        Folders that differ in numbers only are one: a folder a day. Logs are no backups, nor is what is hidden: a backup that is being made.
        Of our own backups the manifest stands for all.
        """
        pipelines = {one.pipeline for one in self._all_own}
        files = [file for file in self.files if not is_aside(file.path) and not _is_of(file, pipelines)]
        below = [file for file in files if "/" in file.path]
        newest = _newest_by(below or files, lambda file: kind_of(file.path.rpartition("/")[0].split("/")[0]))
        found = {_place(self.directory, file): file for _, file in sorted(newest.items())}
        return found | {part: one.manifest for part, one in self._own.items() if one.manifest}

    @cached_property
    def _all_own(self) -> tuple[Backup[BackupFile], ...]:
        """The backups of our own, which lie in the directory itself."""
        return tuple(one for one in backups_of(self.files) if one.pipeline and "/" not in one.name)

    @cached_property
    def _own(self) -> dict[str, Backup[BackupFile]]:
        """Part to the newest backup of our own of a pipeline."""
        newest = {one.pipeline: one for one in self._all_own}
        return {str(self.directory / one.name): one for one in newest.values()}

    def newest_own(self) -> tuple[str, ...]:
        """The folders of our own newest backups, one for each pipeline."""
        return tuple(one.name for one in self._own.values())

    def _own_word(self, one: Backup[BackupFile]) -> str:
        return self.damaged.get(one.name) or self._age_word(one.made_at)

    def _word(self, file: BackupFile) -> str:
        in_past = file.changed_at <= self.now + self.skew_seconds
        return "an empty file" if in_past and not file.size_bytes else self._age_word(file.changed_at)

    def _age_word(self, made_at: float) -> str:
        if made_at > self.now + self.skew_seconds:
            return "from the future: a clock is wrong"
        age_seconds = self.now - made_at
        return FRESH if age_seconds <= self.age_hours * _HOUR_SECONDS else f"{in_hours(age_seconds)} old"

    def _size(self, part: str, file: BackupFile) -> int:
        """Of our own backup, of all its files that this account may see."""
        return sum(each.size_bytes for each in self._own[part].files) if part in self._own else file.size_bytes


def _is_of(file: BackupFile, pipelines: Iterable[str]) -> bool:
    """Whether the file is in a folder of our own backups of these pipelines, whole or not."""
    own = own_name(file.path.partition("/")[0])
    return own is not None and own[0] in pipelines


def _place(directory: Path, file: BackupFile) -> str:
    folder = file.path.rpartition("/")[0].split("/")[0]
    return str(directory / folder)


def _newest_by(files: Iterable[BackupFile], key: Callable[[BackupFile], str]) -> dict[str, BackupFile]:
    newest: dict[str, BackupFile] = {}
    for file in sorted(files, key=lambda file: (file.changed_at, file.path)):
        newest[key(file)] = file
    return newest
