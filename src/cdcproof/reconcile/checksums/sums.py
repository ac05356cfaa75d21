"""The strategies' common interface: one side of a table as sums of row hashes by chunk.

A `databases.base.Database` is the push-down strategy as it is; `databases.columnar` is the stream. Both sides of one
comparison use the same strategy, since the two hash differently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from cdcproof.databases.contracts.database import Database
from cdcproof.databases.table_read import ChunkSum, Segment, TableRead


class Summing(Protocol):
    """One open side."""

    def snapshot(self) -> AbstractContextManager[None]:
        """All sums made inside are of one moment, where the database allows it."""
        ...

    def beside(self) -> Callable[[], AbstractContextManager[Summing]] | None:
        """Within `snapshot`: how a further session is opened, for other segments of the same moment. None where this one is to read alone."""
        ...

    def chunk_sums(self, scan: TableRead, segment: Segment) -> Iterator[ChunkSum]:
        """One scan of the segment. A chunk may come more than once; its sums are then added."""
        ...

    def interrupt(self) -> None:
        """End the statement that runs, at the server too, from another thread: it raises."""
        ...


@dataclass(frozen=True)
class PushDown:
    """A database whose server sums up its rows itself. Implements `Summing`."""

    database: Database

    def snapshot(self) -> AbstractContextManager[None]:
        """The database's own."""
        return self.database.snapshot()

    def beside(self) -> Callable[[], AbstractContextManager[PushDown]]:
        """A further session of the database."""
        another = self.database.beside()

        @contextmanager
        def opened() -> Iterator[PushDown]:
            with another() as database:
                yield PushDown(database)

        return opened

    def chunk_sums(self, scan: TableRead, segment: Segment) -> Iterator[ChunkSum]:
        """As the server makes them."""
        return self.database.checksums.chunk_sums(scan, segment)

    def interrupt(self) -> None:
        """The database's own."""
        self.database.interrupt()
