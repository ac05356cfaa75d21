"""What the checks' own account may not see: a look that is not allowed must not pass for one that found nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cdcproof.findings import Observation

_ALL = "may see all that the checks need"


@dataclass(frozen=True)
class OwnRights:
    """What this account lacks at one side: by subject, with the statement that grants it. `command` runs them all."""

    account: str
    missing: Mapping[str, str]
    command: str
    hidden: Mapping[str, str] = field(default_factory=dict)
    """What no check needs to see, and the exporter or diagnostics would show: as `missing`."""
    showing: str = ""
    """The command that grants what is hidden."""

    def observation(self) -> Observation:
        """Nothing is missing: what may not be seen is not known. What is hidden is a concern."""
        if self.missing:
            return Observation(unknown={f"{self.account} may not see: {', '.join(self.missing)}.": self.command})
        concerns = {self.account: f"may not see {', '.join(self.hidden)}"} if self.hidden else {}
        return Observation(
            {self.account: _ALL},
            {self.account: _ALL},
            concerns=concerns,
            no_concern="may see all that its role does",
        )

    def concern_action(self) -> tuple[str, ...]:
        """The command that ends the concern."""
        return (self.showing,) if self.hidden else ()

    def rows(self) -> list[dict[str, object]]:
        """One row for each thing that is missing, for the report."""
        lacking = {**self.missing, **self.hidden}
        rows: list[dict[str, object]] = [{"missing": what, "grant": grant} for what, grant in lacking.items()]
        return rows or [{"missing": "nothing", "grant": None}]
