"""The runbook's checklist before a window: what was looked at, and what it had to be. Each `look` observes, the rest is pure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cdcproof.backup import manifest
from cdcproof.core.errors import CdcproofError, ConfigError
from cdcproof.diagnostics.archive import Archive
from cdcproof.environments.base import Environment
from cdcproof.findings import Observation
from cdcproof.maintenance import confirmations
from cdcproof.maintenance.confirmations import Confirmation
from cdcproof.maintenance.window import Window, sha256
from cdcproof.pipeline.model import Pipeline
from cdcproof.reporting import journal
from cdcproof.reporting.record import Run
from cdcproof.validation.baseline.comparison import DEPLOYMENT, Change
from cdcproof.validation.change import wanted

_ANNOUNCED_BEFORE = timedelta(days=7)
_PROOF_HOLDS = timedelta(days=92)
"""A quarter: as often as the runbook wants a disaster recovery drill."""
_AS_PLANNED, _KEPT, _PASSED = "as planned", "kept, and what runs now", "passed, whole and green"


@dataclass(frozen=True)
class People:
    """Who has announced and approved the window."""

    confirmed: Mapping[str, Confirmation]
    begins: datetime

    @classmethod
    def look(cls, window: Window) -> People:
        """From the window's journal."""
        return cls(confirmations.of(window), window.plan.begins)

    def announced(self) -> Observation:
        """The window was announced; less than a week before is a concern."""
        return replace(self._done("announced"), concerns=self.late(), no_concern="announced a week before")

    def approved(self) -> Observation:
        """The change was approved."""
        return self._done("approved")

    def _done(self, what: str) -> Observation:
        found = "confirmed" if what in self.confirmed else "nobody has confirmed it"
        return Observation({what: found}, {what: "confirmed"})

    def late(self) -> dict[str, str]:
        """What came later than the runbook wants."""
        found = self.confirmed.get("announced")
        if found is None or datetime.fromisoformat(found.on) <= self.begins - _ANNOUNCED_BEFORE:
            return {}
        return {"announced": f"{found.on}, less than a week before {self.begins.isoformat()}"}

    def rows(self) -> list[dict[str, object]]:
        """One row per confirmation."""
        return [
            {"what": c.what, "by": c.by, "on": c.on, "recorded by": c.recorded_by} for c in self.confirmed.values()
        ] or [{"what": "nothing is confirmed", "by": None, "on": None, "recorded by": None}]


@dataclass(frozen=True)
class GateRun:
    """A run of the staging gate, as far as it matters: `word` is its result, and `is_whole` whether every step of the gate ran."""

    pipeline: str
    started_at: float
    word: str
    is_right: bool
    is_whole: bool
    checks: int

    @classmethod
    def of(cls, run: Run) -> GateRun:
        """From the run's record."""
        is_whole = "staging" not in run.parts and not run.missing
        return cls(run.pipeline, run.started_at, run.word, run.is_right, is_whole, len(run.steps))


@dataclass(frozen=True)
class Staged:
    """Runs of the staging gate with this change, the newest first."""

    change: str
    digest: str
    runs: tuple[GateRun, ...]
    looked_at: int

    @classmethod
    def look(cls, window: Window, reports: Path) -> Staged:
        """From every run that is kept in the reports' folder, or in a folder in it: staging is another pipeline."""
        every = [run for folder in (reports, *_folders(reports)) for run in journal.runs_of("staging", folder)]
        mine = [
            run
            for run in every
            if any(line.endswith(window.plan.change_sha256) for line in run.header)
            and (run.pipeline, run.environment) != (window.plan.pipeline, "live")  # production is no staging
        ]
        newest = sorted(mine, key=lambda run: run.started_at, reverse=True)
        return cls(window.plan.change, window.plan.change_sha256, tuple(map(GateRun.of, newest)), len(every))

    def observation(self) -> Observation:
        """The newest run of the gate with this change is whole and green."""
        return Observation(self.found(), self.expected())

    def found(self) -> dict[str, str]:
        """The newest run's result."""
        if not self.runs:
            return {Path(self.change).name: "no run of the staging gate was about this change"}
        newest = self.runs[0]
        is_green = newest.is_right and newest.is_whole
        word = _PASSED if is_green else newest.word if not newest.is_right else "only a part ran"
        return {Path(self.change).name: word}

    def expected(self) -> dict[str, str]:
        """What `found` must be."""
        return {Path(self.change).name: _PASSED}

    def rows(self) -> list[dict[str, object]]:
        """One row per run."""
        return [
            {"pipeline": run.pipeline, "at": _at(run.started_at), "result": run.word, "checks": run.checks}
            for run in self.runs[:5]
        ] or [{"pipeline": "none", "at": None, "result": f"of {self.looked_at} runs that are kept", "checks": None}]


@dataclass(frozen=True)
class RollbackFiles:
    """The change's file and the files that it will edit. `differing` is what they would change of what runs."""

    files: Mapping[str, str]
    """File to what it is now."""
    differing: tuple[Change, ...] = ()
    uncompared: Mapping[str, str] = field(default_factory=dict)
    intends_deployment: bool = False

    @classmethod
    def look(cls, window: Window, environment: Environment, pipeline: Pipeline) -> RollbackFiles:
        """Read the files, and let Compose compare them with what runs. Raises `CdcproofError`."""
        plan = window.plan
        files = {plan.change: _AS_PLANNED if _is(Path(plan.change), plan.change_sha256) else "was edited, or is gone"}
        for file in plan.compose:
            if not _is(window.folder / file.kept, file.sha256):
                files[file.original] = "the copy was changed, or is gone"
            elif not _is(Path(file.original), file.sha256):
                files[file.original] = "was edited since it was kept"
            else:
                files[file.original] = _KEPT
        compose = tuple(Path(file.original) for file in plan.compose if not file.original.endswith(".env"))
        intends = any(text.startswith(f"{DEPLOYMENT}/") for text in plan.expect)
        if not compose or set(files.values()) - {_AS_PLANNED, _KEPT}:
            return cls(files, intends_deployment=intends and not compose)
        found = wanted.classified(environment, pipeline, wanted.Files(None, compose, None), 0.0)
        differing = tuple(one.change for one in found.classified.judged)
        return cls(files, differing, {str(n): text for n, text in enumerate(found.not_compared, start=1)})

    def observation(self) -> Observation:
        """Every file is as planned and kept, and is what runs; one that was not compared is a concern."""
        return Observation(
            self.found(),
            self.expected(),
            self.details(),
            concerns=self.not_compared(),
            no_concern="compared with what runs",
        )

    def found(self) -> dict[str, str]:
        """File, or fact, to what it is."""
        missing = {"the compose files": "none is kept, and the change intends another deployment"}
        return {
            **self.files,
            **{change.subject: f"the kept files say {change.after}" for change in self.differing},
            **(missing if self.intends_deployment else {}),
        }

    def expected(self) -> dict[str, str]:
        """What `found` must be."""
        change, *kept = self.files
        return {
            change: _AS_PLANNED,
            **dict.fromkeys(kept, _KEPT),
            **{one.subject: f"what runs: {one.before}" for one in self.differing},
            **({"the compose files": "kept by plan --compose"} if self.intends_deployment else {}),
        }

    def details(self) -> dict[str, str]:
        """What a fact that differs means."""
        return {one.subject: "a rollback by these files would not bring back what runs" for one in self.differing}

    def not_compared(self) -> dict[str, str]:
        """What could not be compared with what runs."""
        return dict(self.uncompared)

    def rows(self) -> list[dict[str, object]]:
        """One row per file."""
        rows: list[dict[str, object]] = [{"file": file, "is": word} for file, word in self.files.items()]
        return [*rows, {"file": "connectors' configurations and positions", "is": "kept by `maintenance start`"}]


@dataclass(frozen=True)
class KeptDiagnostics:
    """The archive of before the window."""

    archive: Archive

    def observation(self) -> Observation:
        """The archive is written; what is missing in it is a concern."""
        return Observation(self.found(), self.expected(), concerns=self.not_collected(), no_concern="collected")

    def found(self) -> dict[str, str]:
        """Whether something was collected at all."""
        return {"the archive": "written" if len(self.archive.files) > 1 else "empty"}

    def expected(self) -> dict[str, str]:
        """What `found` must be."""
        return {"the archive": "written"}

    def not_collected(self) -> dict[str, str]:
        """What is missing, and why."""
        return {one.what: one.why for one in self.archive.missing}

    def rows(self) -> list[dict[str, object]]:
        """The archive, and what stands out in it."""
        rows: list[dict[str, object]] = [{"what": str(self.archive.path), "is": f"{len(self.archive.files)} files"}]
        rows += [{"what": "stands out", "is": remark} for remark in self.archive.remarks]
        return rows


@dataclass(frozen=True)
class FreshBackup:
    """A backup that was made just now: its folder and log, or what failed."""

    folder: Path | None
    failures: tuple[str, ...]

    def observation(self) -> Observation:
        """It was made, and nothing failed."""
        return Observation(self.found(), self.expected())

    def found(self) -> dict[str, str]:
        """``made``, or what failed."""
        return {"backup": "made" if self.folder and not self.failures else "; ".join(self.failures) or "not made"}

    def expected(self) -> dict[str, str]:
        """What `found` must be."""
        return {"backup": "made"}

    def rows(self) -> list[dict[str, object]]:
        """The folder, and each failure."""
        rows: list[dict[str, object]] = [{"what": "folder", "is": str(self.folder) if self.folder else "none"}]
        rows += [{"what": "✗", "is": failure} for failure in self.failures]
        return rows


@dataclass(frozen=True)
class Restorable:
    """The newest backup, read as a whole, and when a restore of this pipeline was proven last."""

    folder: Path | None
    taken_at: float | None
    wrong: str
    proof: str
    now: float
    age_hours: float

    @classmethod
    def look(cls, window: Window, pipeline: Pipeline, newest: Path | None, proofs: Iterable[str]) -> Restorable:
        """Read every file of the newest backup. `proofs` are sentences about restores that were proven."""
        taken, wrong = None, "there is no backup"
        if newest is not None:
            try:
                made = manifest.verify(newest)
                taken, wrong = datetime.fromisoformat(made.finished_at).timestamp(), ""
            except ConfigError as error:
                wrong = error.message
        reasons = [*proofs, *_confirmed(window)]
        limit = pipeline.maintenance.backup_age_hours
        return cls(newest, taken, wrong, reasons[0] if reasons else "", time.time(), limit)

    def observation(self) -> Observation:
        """The newest backup is young and as it was written, and a restore was proven."""
        return Observation(self.found(), self.expected())

    def found(self) -> dict[str, str]:
        """What is wrong with it, by what must hold."""
        hours = None if self.taken_at is None else (self.now - self.taken_at) / 3600
        young = hours is not None and 0 <= hours <= self.age_hours
        return {
            "files": self.wrong or "as written",
            "age": f"at most {self.age_hours:g} h"
            if young
            else f"{hours:,.1f} h"
            if hours is not None
            else "not known",
            "restore": "proven" if self.proof else "never proven, or longer ago than a quarter",
        }

    def expected(self) -> dict[str, str]:
        """What `found` must be."""
        return {"files": "as written", "age": f"at most {self.age_hours:g} h", "restore": "proven"}

    def rows(self) -> list[dict[str, object]]:
        """The backup and the proof."""
        return [
            {"what": "newest backup", "is": str(self.folder) if self.folder else "none"},
            {"what": "finished", "is": None if self.taken_at is None else _at(self.taken_at)},
            {"what": "restore", "is": self.proof or "no proof"},
        ]


def _confirmed(window: Window) -> list[str]:
    found = confirmations.of(window).get("restored")
    if found is None or datetime.fromisoformat(found.on) < datetime.now(UTC) - _PROOF_HOLDS:
        return []
    return [f"restored by {found.by}, {found.on}"]


def _folders(reports: Path) -> list[Path]:
    try:
        return [path for path in reports.iterdir() if path.is_dir() and path.name != "runs"]
    except OSError:
        return []


def _is(path: Path, digest: str) -> bool:
    try:
        return sha256(path) == digest
    except CdcproofError:
        return False


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
