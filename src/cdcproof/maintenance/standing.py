"""Where a window stands: by its journal, by who is at work on it, and by what Kafka Connect reports now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cdcproof.clients.connect.client import Connect
from cdcproof.core.errors import CdcproofError
from cdcproof.maintenance import confirmations, go
from cdcproof.maintenance.journal import Entry, held_by
from cdcproof.maintenance.window import Phase, Window, Windows, ends, unfinished
from cdcproof.pipeline.model import Pipeline

_NEXT = {
    Phase.PLANNED: ("pytest -m premaintenance", "cdcproof maintenance start"),
    Phase.STARTING: (
        "cdcproof maintenance start      # goes on where it stopped",
        "cdcproof maintenance finish     # resumes the connectors",
        "cdcproof maintenance rollback   # puts everything back",
    ),
    Phase.OPEN: ("cdcproof maintenance finish", "cdcproof maintenance rollback"),
    Phase.FINISHING: (
        "cdcproof maintenance finish     # goes on",
        "cdcproof maintenance rollback   # puts everything back",
    ),
    Phase.ROLLING_BACK: ("cdcproof maintenance rollback   # goes on",),
}
_WORD = {"begun": "…", "done": "✓", "failed": "✗", "noted": "!"}


@dataclass(frozen=True)
class Standing:
    """`window` None where there never was one. `connectors` says of each what Connect reports, or why it does not."""

    window: Window | None
    phase: Phase | None
    entries: Sequence[Entry]
    holder: str
    connectors: Mapping[str, str]
    go: str

    @property
    def broken_off(self) -> Entry | None:
        """The step that was begun and never ended, where nobody is at work on it."""
        return None if self.holder else unfinished(self.entries)

    @property
    def last_failure(self) -> Entry | None:
        """The step that failed last, where nothing was done since."""
        acts = [e for e in self.entries if e.event in ("begun", "done", "failed")]
        return acts[-1] if acts and acts[-1].event == "failed" else None

    @property
    def exit_status(self) -> int:
        """1 where a step was broken off or failed, and the window is not over; else 0."""
        if self.window is None or (self.phase and self.phase.is_over):
            return 0
        return 1 if self.broken_off or self.last_failure else 0

    def lines(self) -> list[str]:
        """For a person."""
        if self.window is None or self.phase is None:
            return ["No maintenance window was ever planned for this pipeline."]
        plan = self.window.plan
        lines = [
            f"{plan.id}  {self.phase.upper()}  {plan.summary}",
            f"planned {plan.begins_at} to {plan.ends_at}, risk {plan.risk}; {self.go}",
            *(f"{c.what} by {c.by}, {c.on}" for c in confirmations.of(self.window).values()),
            "",
            *(
                f"  {_WORD[e.event]} {e.at}  {e.command} {e.step}  {e.who}@{e.host}  {e.text}".rstrip()
                for e in ends(self.entries)
                if e.command not in ("plan", "confirm")
            ),
        ]
        if self.broken_off:
            e = self.broken_off
            lines += ["", f"BROKEN OFF in {e.command} {e.step}, begun {e.at} by {e.who} on {e.host} (process {e.pid})."]
        if self.holder:
            lines += ["", self.holder]
        if not self.phase.is_over:
            lines += ["", *(f"now: {name} {state}" for name, state in self.connectors.items())]
            lines += ["", "next:", *(f"  {line}" for line in _NEXT[self.phase])] if not self.holder else []
        return lines

    def as_dict(self) -> dict[str, Any]:
        """For a program."""
        return {
            "window": self.window.plan.id if self.window else None,
            "phase": str(self.phase) if self.phase else None,
            "summary": self.window.plan.summary if self.window else None,
            "go": self.go,
            "at_work": self.holder,
            "broken_off": f"{self.broken_off.command} {self.broken_off.step}" if self.broken_off else None,
            "failed": self.last_failure.text if self.last_failure else None,
            "connectors": dict(self.connectors),
            "journal": [vars(entry) for entry in self.entries],
            "exit_status": self.exit_status,
        }


def look(windows: Windows, pipeline: Pipeline) -> Standing:
    """Read the newest window, and ask Connect. Never fails for what does not answer: that is what it says."""
    found = windows.all()
    if not found:
        return Standing(None, None, (), "", {}, "")
    window = found[-1]
    given = go.read(window)
    said = "no go yet" if given is None else f"{given.word} of {given.checked_at}, by {given.by}"
    entries = window.journal.entries()
    return Standing(window, window.phase(), entries, held_by(windows.folder), _connectors(pipeline), said)


def _connectors(pipeline: Pipeline) -> dict[str, str]:
    names = [connector.name for connector in pipeline.connectors]
    try:
        states = Connect(pipeline.connect).states(names)
    except CdcproofError as error:
        return dict.fromkeys(names, f"not known: {error.message}")
    found = {name: states.get(name) for name in names}
    return {
        name: ", ".join([c.state, *(f"task {t.id} {t.state}" for t in c.tasks)]) if c else "is not at Connect"
        for name, c in found.items()
    }
