"""What the checks' own account may not see: a look that is not allowed must not pass for one that found nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cdcproof.core.errors import CouldNotLookError


@dataclass(frozen=True)
class OwnRights:
    """What this account lacks at one side: by subject, with the statement that grants it. `command` runs them all."""

    account: str
    missing: Mapping[str, str]
    command: str

    def demand_seen(self) -> None:
        """Raise `CouldNotLookError` naming everything that is missing."""
        if self.missing:
            raise CouldNotLookError(f"{self.account} may not see: {', '.join(self.missing)}.", self.command)

    def rows(self) -> list[dict[str, object]]:
        """One row for each thing that is missing, for the report."""
        rows: list[dict[str, object]] = [{"missing": what, "grant": grant} for what, grant in self.missing.items()]
        return rows or [{"missing": "nothing", "grant": None}]
