"""The written go or no-go of a window: what `pytest -m premaintenance` found, for this plan alone, and for as long as it holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cdcproof.core.errors import ConfigError
from cdcproof.core.stored import Kind
from cdcproof.findings import Verdict
from cdcproof.maintenance.window import Window, sha256
from cdcproof.reporting.record import Run

SUITE = "premaintenance"
_FILE = "go.json"
_RUN_IT = f"pytest -m {SUITE}"


@dataclass(frozen=True)
class Go:
    """The verdict. `reasons` says of a no-go which checks keep it from being a go; `plan` is the digest of the plan."""

    go: bool
    plan: str
    checked_at: str
    by: str
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """``GO`` or ``NO-GO``."""
        return "GO" if self.go else "NO-GO"


_STORED = Kind(Go, "The go cannot be read", _RUN_IT, mode=0o644)


def change_line(name: str, digest: str) -> str:
    """The line of a run's header that says which change it was about."""
    return f"change {name}, SHA-256 {digest}"


def plan_line(window: Window) -> str:
    """The line of a run's header that says which plan it was about."""
    return f"maintenance window {window.plan.id}, plan SHA-256 {window.digest}"


def judged(run: Run, window: Window) -> Go:
    """What a run of the suite means. Only a whole run about this plan, in which every check is green, is a go."""
    wrong = tuple(f"{step.step}: {step.verdict}" for step in run.steps if not step.verdict.is_green)
    is_whole = SUITE in run.suites and SUITE not in run.parts and not run.missing
    whole = () if is_whole else (f"not every check ran; run {_RUN_IT} without -k",)
    about = () if plan_line(window) in run.header else ("the checks were about another plan",)
    notes = tuple(f"{s.step}: {s.verdict}" for s in run.steps if s.verdict in (Verdict.WARNED, Verdict.WAIVED))
    at = datetime.fromtimestamp(run.started_at, UTC).isoformat(timespec="seconds")
    reasons = (*wrong, *whole, *about)
    return Go(not reasons, window.digest, at, window.journal.actor.who, reasons, notes)


def write(go: Go, window: Window) -> Path:
    """Write it into the window's folder, and journal it. Raises `OperationError`."""
    path = window.folder / _FILE
    _STORED.write(path, go)
    window.journal.append("check", "go", "done", "; ".join([go.word, *go.reasons, *go.notes]))
    return path


def read(window: Window) -> Go | None:
    """The newest one of this window; None where nothing was checked. Raises `ConfigError` for a file that cannot be read."""
    return _STORED.read(window.folder / _FILE)


def refusals(window: Window, go: Go | None, now: datetime, go_minutes: float) -> tuple[str, ...]:
    """Why the window must not be started now; nothing where it may."""
    plan = window.plan
    found = []
    if go is None:
        found.append(f"nobody has checked whether it may begin; {_RUN_IT} writes the go or no-go")
    elif go.plan != window.digest:
        found.append("the go is of another plan")
    elif not go.go:
        found.append(f"the answer of {go.checked_at} is NO-GO: {'; '.join(go.reasons)}")
    else:
        minutes = (now - datetime.fromisoformat(go.checked_at)).total_seconds() / 60
        if not 0 <= minutes <= go_minutes:
            found.append(f"the go is {minutes:.0f} minutes old, and holds for {go_minutes:g}; {_RUN_IT}")
    if not is_unchanged(Path(plan.change), plan.change_sha256):
        found.append(f"{plan.change} is not the file that was planned: it was edited, or is gone")
    if now < plan.begins:
        found.append(f"the window was announced for {plan.begins_at}, which has not come yet")
    elif now > plan.ends:
        found.append(f"the window was announced until {plan.ends_at}, which is over")
    return tuple(found)


def is_unchanged(path: Path, digest: str) -> bool:
    """Whether the change's file is the one that was planned."""
    try:
        return sha256(path) == digest
    except ConfigError:
        return False
