"""The steps of a command, each journalled before and after it: a command that was killed goes on behind the last one that ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from cdcproof.core.errors import OperationError
from cdcproof.maintenance.journal import Entry, Journal


@dataclass(frozen=True)
class StepResult:
    """What a step has to say of itself: a sentence, and facts for those that come later."""

    text: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def ended(entries: tuple[Entry, ...], command: str, step: str) -> Entry | None:
    """The last time that this step of a command was done."""
    return next(
        (e for e in reversed(entries) if (e.command, e.step, e.event) == (command, step, "done")),
        None,
    )


@dataclass(frozen=True)
class Steps:
    """Takes the steps of one command. `report` is given a line for each."""

    journal: Journal
    command: str
    report: Callable[[str], None]

    def once(self, step: str, act: Callable[[], StepResult]) -> Entry:
        """Take it, unless it was done before: then its entry from that time is returned."""
        before = ended(self.journal.entries(), self.command, step)
        if before:
            self.report(f"{step}: done already, {before.at} by {before.who}")
            return before
        return self.again(step, act)

    def again(self, step: str, act: Callable[[], StepResult]) -> Entry:
        """Take it, whether it was done before or not. What it raises is journalled and raised again."""
        self.journal.append(self.command, step, "begun")
        try:
            result = act()
        except BaseException as error:
            with suppress(OperationError):  # a journal that is full by now hides no reason
                self.journal.append(self.command, step, "failed", " ".join(str(error).split()) or type(error).__name__)
            raise
        entry = self.journal.append(self.command, step, "done", result.text, result.facts)
        self.report(f"{step}: {result.text or 'done'}")
        return entry

    def note(self, step: str, text: str) -> None:
        """Journal an issue that does not end the command."""
        self.journal.append(self.command, step, "noted", text)
        self.report(f"{step}: {text}")
