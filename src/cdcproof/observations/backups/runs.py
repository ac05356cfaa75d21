"""The runs of the backup job, by their logs, and the newest backup that is good. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cdcproof.core.durations import in_hours
from cdcproof.environments.base import BackupFile
from cdcproof.findings import Observation
from cdcproof.observations.backups.folders import SUMS, Backup, backups_of, kind_of
from cdcproof.observations.backups.logs import BackupLog, stamp_of

_HOUR_SECONDS = 3600.0
_WEEK_SECONDS = 7 * 86_400.0
_STILL_RUNNING_SECONDS = 3600.0
COMPLETE = "complete, and nothing failed"
_LEFT_NONE = "it ended early: it left no good backup"
FRESH = "fresh"


@dataclass(frozen=True)
class Run:
    """A run of the backup job: its log, by its path, and when that was last written to (Unix seconds)."""

    path: str
    ended_at: float
    log: BackupLog


@dataclass(frozen=True)
class GoodBackups:
    """The backups of a directory, judged by their manifests and by the logs of the runs that made them.

    One with a manifest is good if its sums are there too; any other is good if it is not empty and the log of its time says nothing bad.
    """

    directory: Path
    files: tuple[BackupFile, ...]
    complete: bool
    """Whether all files could be listed."""
    failed_stamps: frozenset[str]
    now: float
    age_hours: float
    skew_seconds: float
    damaged: Mapping[str, str]
    """Folder of a backup to what is wrong with it, as its manifest shows."""

    def observation(self) -> Observation:
        """Below each part of the directory lies a good backup of last night, and every file was seen."""
        return Observation(self.found(), self.expected(), self.details(), unknown=self.unknown())

    def expected(self) -> dict[str, str]:
        """Below each part of the directory lies a good backup of last night."""
        return dict.fromkeys(self._of_part or [str(self.directory)], FRESH)

    def found(self) -> dict[str, str]:
        """Part to ``fresh``, or to how old its newest good backup is."""
        return {part: self._word(self._newest_good(names)) for part, names in self._of_part.items()}

    def details(self) -> dict[str, str]:
        """Part to its newest backup, and why that is none, or not good."""
        return {
            part: f"newest: {names[0]}{f', not good: {why}' if (why := self._wrong(names[0])) else ''}"
            for part, names in self._of_part.items()
        }

    def unknown(self) -> dict[str, str]:
        """Whether a newer one may not have been seen."""
        sentence = f"There are more files below {self.directory} than could be listed in time."
        remedy = (
            "Delete old backups (cdcproof cleanup backups), or name the directory of the newest ones as paths.backups."
        )
        return {} if self.complete else {sentence: remedy}

    def newest_stamp(self) -> str:
        """The latest time in the name of a good backup; empty without any."""
        return max((stamp_of(name) for name in self._backups if not self._wrong(name)), default="")

    def rows(self) -> list[dict[str, object]]:
        """One row per part, for the report."""
        rows: list[dict[str, object]] = []
        for part, names in self._of_part.items():
            good = self._newest_good(names)
            hours = None if good is None else f"{(self.now - self._backups[good].made_at) / _HOUR_SECONDS:.1f}"
            rows.append({"part": part, "newest": names[0], "newest good": good or "none", "hours old": hours})
        return rows or [{"part": str(self.directory), "newest": "none", "newest good": "none", "hours old": None}]

    @cached_property
    def _backups(self) -> dict[str, Backup[BackupFile]]:
        """Backups by their names."""
        return {one.name: one for one in backups_of(self.files)}

    @cached_property
    def _of_part(self) -> dict[str, list[str]]:
        """Part to its backups, the newest first. A part is a kind of folder, or of backups with a manifest; else the directory itself."""
        parts: dict[str, list[str]] = defaultdict(list)
        for name, one in reversed(self._backups.items()):
            parts[self._part(one)].append(name)
        return dict(sorted(parts.items()))

    def _part(self, one: Backup[BackupFile]) -> str:
        first = one.name.partition("/")[0] if "/" in one.name or one.manifest else ""
        return str(self.directory / kind_of(first))

    def _newest_good(self, names: Collection[str]) -> str | None:
        return next((name for name in names if not self._wrong(name)), None)

    def _wrong(self, name: str) -> str:
        """Why a backup is not good; empty where it is."""
        one = self._backups[name]
        if one.made_at > self.now + self.skew_seconds:
            return "it is from the future: a clock is wrong"
        if one.manifest:
            has_sums = any(file.path == f"{name}/{SUMS}" for file in one.files)
            return self.damaged.get(name) or ("" if has_sums else f"it has no {SUMS}")
        if not one.files[0].size_bytes:
            return "it is empty"
        return "the log of its run has a line with ✗" if stamp_of(name) in self.failed_stamps else ""

    def _word(self, name: str | None) -> str:
        if name is None:
            return "no good backup"
        age_seconds = self.now - self._backups[name].made_at
        return FRESH if age_seconds <= self.age_hours * _HOUR_SECONDS else f"{in_hours(age_seconds)} old"


@dataclass(frozen=True)
class BackupRuns:
    """The runs that left a log, oldest first; `newest_good` is the latest time in the name of a good backup."""

    runs: Sequence[Run]
    newest_good: str
    now: float
    age_hours: float
    skew_seconds: float
    """How far a clock may be ahead."""

    def observation(self) -> Observation:
        """The last run is of last night, and complete; one of the last 7 days in which something failed is a concern."""
        if unknown := self.unknown():
            return Observation(unknown=unknown)
        return Observation(
            self.found(),
            self.expected(),
            self.details(),
            concerns=self.failed_before(),
            no_concern="nothing failed",
        )

    def unknown(self) -> dict[str, str]:
        """Whether there is no log, or the last run may still go on."""
        if not self.runs:
            remedy = (
                "Backups leave backup_YYYYMMDD_HHMMSS.log in paths.backups; another log is named by paths.backup_log."
            )
            return {"There is no log of a backup run.": remedy}
        if self.found()["last run"] == _LEFT_NONE and self._age_seconds < _STILL_RUNNING_SECONDS:
            sentence = f"The backup run of {self.runs[-1].path} may still go on."
            return {sentence: "Look again when it has ended."}
        return {}

    def expected(self) -> dict[str, str]:
        """The last run is of last night, and complete."""
        return {"last run": COMPLETE}

    def found(self) -> dict[str, str]:
        """That, or what is wrong with it; nothing without a run."""
        return {"last run": self._word(self.runs[-1])} if self.runs else {}

    def _word(self, last: Run) -> str:
        if last.log.bad:
            return f"{len(last.log.bad)} failed"
        if self._age_seconds < -self.skew_seconds:
            return "ended in the future: a clock is wrong"
        if not self._age_seconds <= self.age_hours * _HOUR_SECONDS:
            return f"ended {in_hours(self._age_seconds)} ago, and none since"
        if not last.log.good:
            return "nothing succeeded"
        if last.log.stamp and self.newest_good < last.log.stamp:
            return _LEFT_NONE
        return COMPLETE

    @property
    def _age_seconds(self) -> float:
        """Of the last run."""
        return self.now - self.runs[-1].ended_at

    def details(self) -> dict[str, str]:
        """The log, and its first bad line."""
        if not self.runs:
            return {}
        last = self.runs[-1]
        return {"last run": f"{last.path}{f': {last.log.bad[0]}' if last.log.bad else ''}"}

    def failed_before(self) -> dict[str, str]:
        """Earlier runs of the last 7 days of which a line has ✗."""
        return {
            run.path: run.log.bad[0]
            for run in self.runs[:-1]
            if run.log.bad and self.now - run.ended_at <= _WEEK_SECONDS
        }

    def rows(self) -> list[dict[str, object]]:
        """One row per run of the last 7 days, for the report."""
        recent = [run for run in self.runs if self.now - run.ended_at <= _WEEK_SECONDS]
        return [
            {
                "log": run.path,
                "✓": len(run.log.good),
                "✗": len(run.log.bad),
                "says": (run.log.bad or run.log.good or ("",))[-1],
            }
            for run in recent or self.runs[-1:]
        ] or [{"log": "none", "✓": None, "✗": None, "says": None}]
