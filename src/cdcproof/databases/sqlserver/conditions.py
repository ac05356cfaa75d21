"""Whether a condition of the pipeline file answers alike at each look at the same row: by its text, and by what SQL Server knows of functions."""

from __future__ import annotations

from cdcproof.databases.contracts.condition import THE_TABLE, Unsteady
from cdcproof.databases.names import TableName
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

    def unsteady_view(self, table: TableName) -> tuple[Unsteady, ...]:
        """The parts by which a view, or one that it names, may show a row at one look and not at the next; none of a table.

        By the text of its definition. What shows none is not known, and so it may.
        """
        if not self._session.query(catalogue.IS_VIEW, table.schema, table.table):
            return ()
        if self._session.query(catalogue.MAY_VIEW_DEFINITION)[0][0] != 1:  # nor the views that it reads
            return self._of_view(table, None)
        texts = {TableName(schema, name): text for schema, name, text in self._session.query(catalogue.VIEWS)}
        left, judged = [table], dict[TableName, tuple[Unsteady, ...]]()
        while left:
            view = left.pop()
            text = texts.get(view)
            judged[view] = self._of_view(view, text)
            named = condition_text.names(text or "")
            left += [one for one in texts if one.table.lower() in named and one not in judged and one not in left]
        return tuple(part for parts in judged.values() for part in parts)

    def _of_view(self, view: TableName, text: str | None) -> tuple[Unsteady, ...]:
        if text is None:
            hidden = "is not shown to this account, so its rows may be others at each look"
            instead = f"GRANT VIEW DEFINITION to the account, unless it is encrypted or a synonym. {THE_TABLE}"
            return (Unsteady(f"the definition of {view}", hidden, instead),)
        found = condition_text.read_view(text)
        asked = [condition_text.nondeterministic(one) for one in found.functions if not self._is_deterministic(one)]
        return tuple(
            part._replace(part=f"{part.part} in the view {view}", instead=THE_TABLE)
            for part in (*found.unsteady, *asked)
        )

    def _is_deterministic(self, function: tuple[str, ...]) -> bool:
        name = ".".join(map(catalogue.quoted, function))
        return bool(self._session.query(catalogue.IS_DETERMINISTIC, name, name)[0][0] == 1)
