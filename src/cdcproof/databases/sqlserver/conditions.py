"""Whether a condition of the pipeline file answers alike at each look at the same row: by its text, and by what SQL Server knows of functions."""

from __future__ import annotations

from cdcproof.databases.contracts.condition import Unsteady
from cdcproof.databases.sqlserver.queries import catalogue, condition_text
from cdcproof.databases.sqlserver.session import Session


class Conditions:
    """Conditions on tables."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def unsteady(self, predicate: str) -> tuple[Unsteady, ...]:
        """The parts that may answer otherwise at the next look."""
        text = condition_text.read(predicate)
        asked = (function for function in text.functions if not self._is_deterministic(function))
        return (*text.unsteady, *map(condition_text.nondeterministic, asked))

    def _is_deterministic(self, function: tuple[str, ...]) -> bool:
        name = ".".join(map(catalogue.quoted, function))
        return bool(self._session.query(catalogue.IS_DETERMINISTIC, name, name)[0][0] == 1)
