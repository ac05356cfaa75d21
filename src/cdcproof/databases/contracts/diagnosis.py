"""What a database is asked for diagnostics: named questions, each of which is answered with rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString, Protocol, Self

SESSIONS = "sessions"
BLOCKED_BY = "blocked_by"
"""The column of the sessions that names who blocks one; 0, ``{}`` or nothing where nobody does."""

Rows = list[dict[str, object]]


@dataclass(frozen=True)
class Question:
    """A query of the catalogue. `name` is short and may be the name of a file."""

    name: str
    title: str
    statement: LiteralString


class DiagnosisDatabase(Protocol):
    """A read-only session. Use as a context manager; errors as `cdcproof.databases.contracts.database.Database`."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def questions(self) -> Sequence[Question]:
        """What may be asked of this server as it is."""
        ...

    def rows(self, question: Question) -> Rows:
        """The answer, by column."""
        ...

    def blind(self) -> str:
        """What this account may not see of other accounts' sessions, and the GRANT that shows it; empty where it sees all."""
        ...
