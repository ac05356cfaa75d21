"""What an account may do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cdcproof.databases.names import TableName


class Permissions(Protocol):
    """The session's own account. Errors as `contracts.database.Database`."""

    def missing(self, tables: Sequence[TableName]) -> dict[str, str]:
        """What this account may not do but the checks need: subject to the statement that grants it."""
        ...

    def hidden(self) -> dict[str, str]:
        """What it may not see that no check needs, and the exporter or diagnostics show: as `missing`."""
        ...
