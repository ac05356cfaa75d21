"""What people have done for a window, as they have confirmed it: announced it, approved it, restored a backup to prove that one can be. Who, when, and who recorded it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from cdcproof.core.errors import UsageError
from cdcproof.maintenance.window import Phase, Window

What = Literal["announced", "approved", "restored"]
COMMAND = "confirm"


@dataclass(frozen=True)
class Confirmation:
    """`on` is when it was done, ISO 8601; `recorded_by` who has recorded it."""

    what: str
    by: str
    on: str
    recorded_by: str


def record(window: Window, what: What, by: str, on: datetime | None) -> Confirmation:
    """Journal it: `restored` is of a backup, the others of the window. Raises `UsageError` for a time to come, for nobody, and for a window that has begun."""
    now = datetime.now(UTC)
    if not by.strip():
        raise UsageError("--by names nobody.", f'Say who has {what} it: --by "Ann Smith"')
    if on and on > now:
        raise UsageError(f"--on is to come: {on.isoformat()}.", "Confirm it once it is done.")
    if window.phase() is not Phase.PLANNED:
        raise UsageError(f"The window {window.plan.id} is {window.phase()}: nothing is left to confirm.")
    at = (on or now).isoformat(timespec="seconds")
    window.journal.append(COMMAND, what, "done", f"{what} by {by}, {at}", {"by": by.strip(), "on": at})
    return Confirmation(what, by.strip(), at, window.journal.actor.who)


def of(window: Window) -> dict[str, Confirmation]:
    """What was confirmed of this window, the newest of each kind."""
    return {
        entry.step: Confirmation(entry.step, str(entry.facts.get("by")), str(entry.facts.get("on")), entry.who)
        for entry in window.journal.entries()
        if entry.command == COMMAND
    }
