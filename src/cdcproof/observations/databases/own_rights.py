"""What the checks' own account may not see: a look that is not allowed must not pass for one that found nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cdcproof.findings import Observation

_ALL = "may see all that the checks need"


@dataclass(frozen=True)
class OwnRights:
    """What this account lacks at one side: by subject, with the statement that grants it. `command` runs them all."""

    account: str
    missing: Mapping[str, str]
    command: str

    def observation(self) -> Observation:
        """Nothing is missing: what may not be seen is not known."""
        if self.missing:
            return Observation(unknown={f"{self.account} may not see: {', '.join(self.missing)}.": self.command})
        return Observation({self.account: _ALL}, {self.account: _ALL})

    def rows(self) -> list[dict[str, object]]:
        """One row for each thing that is missing, for the report."""
        rows: list[dict[str, object]] = [{"missing": what, "grant": grant} for what, grant in self.missing.items()]
        return rows or [{"missing": "nothing", "grant": None}]
