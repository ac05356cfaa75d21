"""The parts of an emergency's answer: each is journalled before and after, and one that fails keeps no other from its turn."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from cdcproof.core.errors import CdcproofError, OperationError
from cdcproof.maintenance.journal import Journal


@dataclass(frozen=True)
class Part:
    """One thing to do. `act` returns a sentence about what it did; `what` says it before, also for a dry run."""

    name: str
    what: str
    act: Callable[[], str]


@dataclass(frozen=True)
class Outcome:
    """How a part ended."""

    part: Part
    held: bool
    text: str


@dataclass
class Parts:
    """Takes them one after the other. `report` is given a line for each."""

    journal: Journal
    command: str
    report: Callable[[str], None]
    outcomes: list[Outcome] = field(default_factory=list)

    def take(self, part: Part) -> None:
        """Take it; whatever it raises is noted, but for what ends the program."""
        with suppress(OperationError):  # what cannot be journalled is done all the same: here every minute counts
            self.journal.append(self.command, part.name, "begun", part.what)
        try:
            outcome = Outcome(part, True, part.act())
        except CdcproofError as error:
            outcome = Outcome(part, False, " ".join(str(error).split()))
        except Exception as error:  # noqa: BLE001  a defect in one part must not cost the others
            outcome = Outcome(part, False, f"{type(error).__name__}: {error}")
        with suppress(OperationError):
            self.journal.append(self.command, part.name, "done" if outcome.held else "failed", outcome.text)
        self.outcomes.append(outcome)
        self.report(f"{'✓' if outcome.held else '✗'} {part.name}: {outcome.text}")

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Those that did not do what they should."""
        return tuple(outcome for outcome in self.outcomes if not outcome.held)
