"""A maintenance window: its plan, its folder, and where it stands by its journal."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cdcproof.core import bounded
from cdcproof.core.errors import ConfigError, OperationError, UsageError
from cdcproof.core.files import sha256_of
from cdcproof.core.stored import Kind
from cdcproof.maintenance.journal import Actor, Entry, Journal
from cdcproof.pipeline.model import Pipeline
from cdcproof.validation.change import change_file

CLOSED = "closed"
OPENED = "opened"
_HARMLESS = ("go", "save")
"""Steps of a start that halt nothing: when it ended there, the window is as if it had only been planned."""


class Phase(StrEnum):
    """How far a window has come."""

    PLANNED = "planned"
    STARTING = "starting"
    OPEN = "open"
    FINISHING = "finishing"
    ROLLING_BACK = "rolling back"
    FINISHED = "finished"
    ROLLED_BACK = "rolled back"

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return self in (Phase.FINISHED, Phase.ROLLED_BACK)


@dataclass(frozen=True)
class KeptFile:
    """A file that the change will replace, as it was when the window was planned: `kept` is its name in the window's folder."""

    original: str
    kept: str
    sha256: str


@dataclass(frozen=True)
class Plan:
    """What is to be done when. Times are ISO 8601 with their offset; `expect` is what the change intends."""

    id: str
    pipeline: str
    made_at: str
    made_by: str
    begins_at: str
    ends_at: str
    change: str
    change_sha256: str
    summary: str
    risk: str
    downtime_minutes: float
    expect: tuple[str, ...] = ()
    compose: tuple[KeptFile, ...] = ()

    @property
    def begins(self) -> datetime:
        """When the announced window begins."""
        return datetime.fromisoformat(self.begins_at)

    @property
    def ends(self) -> datetime:
        """When it ends."""
        return datetime.fromisoformat(self.ends_at)


_PLAN = Kind(Plan, "This plan cannot be read", "Move its folder away.", mode=0o644)


@dataclass(frozen=True)
class Window:
    """One window of a pipeline, in a folder of its own. `digest` is that of the plan's file: a go is of that plan alone."""

    folder: Path
    plan: Plan
    digest: str
    journal: Journal

    def phase(self) -> Phase:
        """How far it has come."""
        return phase(self.journal.entries())


def phase(entries: Iterable[Entry]) -> Phase:
    """The phase that these entries describe."""
    found = tuple(entries)
    commands = {entry.command for entry in found}
    for command, over, going in (
        ("rollback", Phase.ROLLED_BACK, Phase.ROLLING_BACK),
        ("finish", Phase.FINISHED, Phase.FINISHING),
    ):
        if command in commands:
            closed = any((e.command, e.step, e.event) == (command, CLOSED, "done") for e in found)
            return over if closed else going
    if any(entry.command == "start" and entry.step not in _HARMLESS for entry in found):
        opened = any((e.command, e.step, e.event) == ("start", OPENED, "done") for e in found)
        return Phase.OPEN if opened else Phase.STARTING
    return Phase.PLANNED


def unfinished(entries: Iterable[Entry]) -> Entry | None:
    """The step that began last and never ended: whoever took it was killed, or takes it now."""
    steps = [entry for entry in entries if entry.event in ("begun", "done", "failed")]
    return steps[-1] if steps and steps[-1].event == "begun" else None


def ends(entries: Sequence[Entry]) -> list[Entry]:
    """Without the beginning of each step whose end is there too."""
    return [e for n, e in enumerate(entries) if e.event != "begun" or not _has_ended(e, entries[n + 1 :])]


def broken_off(entries: Sequence[Entry]) -> list[Entry]:
    """The steps that were begun, and never ended before another one was begun; the last of all may be at work still."""
    return [e for e in ends(entries[: _last_begun(entries)]) if e.event == "begun"]


def _last_begun(entries: Sequence[Entry]) -> int:
    return max((n for n, e in enumerate(entries) if e.event == "begun"), default=0)


def _has_ended(entry: Entry, following: Iterable[Entry]) -> bool:
    for later in following:
        if (later.command, later.step) == (entry.command, entry.step) and later.event in ("done", "failed"):
            return True
        if later.event == "begun":
            return False
    return False


@dataclass(frozen=True)
class Windows:
    """All windows of one pipeline."""

    folder: Path
    actor: Actor

    @classmethod
    def of(cls, pipeline: Pipeline, actor: Actor) -> Windows:
        """Where they are kept: beside the reports."""
        return cls(pipeline.paths.reports / "maintenance" / pipeline.name, actor)

    def all(self) -> tuple[Window, ...]:
        """Every window, oldest first. Raises `ConfigError` for a plan or a folder that cannot be read."""
        try:
            # `glob` hides what may not be listed
            plans = [plan for one in sorted(self.folder.iterdir()) if (plan := one / "plan.json").exists()]
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise ConfigError(
                f"The maintenance windows cannot be listed: {error.strerror}.", path=self.folder
            ) from None
        return tuple(self._read(path) for path in plans)

    def current(self) -> Window | None:
        """The newest one that is not over; None where there is none."""
        found = self.all()
        return found[-1] if found and not found[-1].phase().is_over else None

    def demand(self) -> Window:
        """The same. Raises `UsageError` where nothing is planned."""
        window = self.current()
        if window is None:
            over = self.all()
            last = f" The last one, {over[-1].plan.id}, is {over[-1].phase()}." if over else ""
            raise UsageError(
                f"No maintenance window is planned.{last}",
                "Plan one: cdcproof maintenance plan --change change.toml --begins 2026-12-06T02:00Z",
            )
        return window

    def make(
        self,
        pipeline: Pipeline,
        change: Path,
        *,
        begins: datetime,
        length: timedelta,
        compose: Iterable[Path],
    ) -> Window:
        """Plan a window; one that is planned and was never started is replaced. Raises `UsageError` while one is open."""
        earlier = self.current()
        if earlier and earlier.phase() is not Phase.PLANNED:
            raise UsageError(
                f"The window {earlier.plan.id} is {earlier.phase()}, so no other one can be planned.",
                "End it first: cdcproof maintenance status says how.",
            )
        declared = change_file.load(change)
        now = datetime.now(UTC)
        if begins + length <= now:
            raise UsageError(f"The window would have ended already, at {(begins + length).isoformat()}.")
        name = f"{now:%Y%m%dT%H%M%S.%f}"[:-3] + "Z"
        folder = self.folder / name
        plan = Plan(
            id=name,
            pipeline=pipeline.name,
            made_at=now.isoformat(timespec="seconds"),
            made_by=self.actor.who,
            begins_at=begins.isoformat(timespec="seconds"),
            ends_at=(begins + length).isoformat(timespec="seconds"),
            change=str(change.resolve()),
            change_sha256=sha256(change),
            summary=declared.summary,
            risk=str(declared.risk),
            downtime_minutes=declared.downtime_minutes,
            expect=declared.expect,
            compose=_kept(folder, compose),
        )
        _PLAN.write(folder / "plan.json", plan)
        window = self._read(folder / "plan.json")
        window.journal.append("plan", "planned", "done", f"{plan.summary}, {plan.begins_at} to {plan.ends_at}")
        return window

    def _read(self, path: Path) -> Window:
        try:
            text = bounded.read_bytes(path)
        except OSError as error:
            _PLAN.refuse(path, error.strerror or str(error))
        plan = _PLAN.parse(text, path)
        return Window(path.parent, plan, hashlib.sha256(text).hexdigest(), Journal(path.parent, self.actor))


def sha256(path: Path) -> str:
    """The hash of a file's contents. Raises `ConfigError` where it cannot be read."""
    try:
        return sha256_of(path)
    except OSError as error:
        raise ConfigError(f"The file cannot be read: {error.strerror}.", path=path) from None


def _kept(folder: Path, files: Iterable[Path]) -> tuple[KeptFile, ...]:
    """Copy the files into the window's folder: what they are now is what a rollback needs."""
    kept = []
    for number, file in enumerate(files, start=1):
        name = f"rollback/{number}-{file.name}"
        found = sha256(file)
        try:
            (folder / "rollback").mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copy2(file, folder / name)
        except OSError as error:
            raise OperationError(f"{file} cannot be copied to {folder / name}: {error.strerror}.") from None
        kept.append(KeptFile(str(file.resolve()), name, found))
    return tuple(kept)
