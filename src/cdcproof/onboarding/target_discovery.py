"""The target's catalogue, as far as it can be asked while a pipeline file is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from cdcproof.core.errors import CdcproofError
from cdcproof.databases.connections import connect as open_database
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.names import TableName
from cdcproof.onboarding.addresses import AddNote
from cdcproof.onboarding.capture_discovery import alike
from cdcproof.pipeline import model


class Target:
    """The target's catalogue, each schema asked once; `database` is None where it cannot be asked."""

    def __init__(self, database: Database | None, note: AddNote) -> None:
        self.database = database
        self._note = note
        self._tables: dict[str, frozenset[TableName]] = {}

    def has(self, name: TableName) -> TableName | None:
        """The table of that name, else the only one that differs in case alone; None where it is not there, or nobody knows."""
        if self.database is None:
            return None
        if name.schema not in self._tables:
            try:
                self._tables[name.schema] = self.database.catalogue.tables(name.schema)
            except CdcproofError as error:
                self._note("tables", f"The target could not be asked for the tables of {name.schema}: {error.message}")
                self._tables[name.schema] = frozenset()
        return alike(name, self._tables[name.schema])

    def columns(self, written: str) -> Sequence[str] | None:
        """The columns of a table that is there."""
        name = TableName.parse(written)
        if self.database is None or self.has(name) != name:
            return None
        try:
            return [column.name for column in self.database.catalogue.columns(name)]
        except CdcproofError:
            return None


@contextmanager
def open_target(database: model.Database, note: AddNote) -> Iterator[Target]:
    """A session for as long as it is needed."""
    with ExitStack() as stack:
        try:
            session: Database | None = stack.enter_context(open_database(database))
        except CdcproofError as error:
            note("tables", f"The target could not be asked for its tables: {error.message}")
            session = None
        yield Target(session, note)
