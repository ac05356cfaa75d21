"""One side of a table under comparison, and working on both sides at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from cdcproof.databases.base import Column, Database, TableName
from cdcproof.pipeline import Engine
from cdcproof.reconcile.canonical import Encoder, encoder, framed
from cdcproof.reconcile.compare import Identified, Key, identified
from cdcproof.reconcile.plan import Structure
from cdcproof.reconcile.settle import State

_PATIENCE_SECONDS = 5
S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True)
class Side:
    """An open session, the table in it, and the columns to read, the `key_width` key columns first."""

    database: Database
    engine: Engine
    table: TableName
    columns: tuple[Column, ...]
    key_width: int

    @contextmanager
    def stream(self, buckets: Container[int] | None = None) -> Iterator[Iterator[Identified]]:
        """The rows of one snapshot, all of them or those in `buckets`."""
        with self.database.rows(self.table, self.columns) as rows:
            yield identified(rows, self._encoders(), self.key_width, buckets)

    def states(self, keys: list[Key]) -> dict[bytes, State]:
        """The rows with these keys, as they are now."""
        rows = self.database.rows_by_key(self.table, self.columns, self._key(), keys)
        found: dict[bytes, State] = {}
        for row in identified(rows, self._encoders(), self.key_width):
            found[row.name] = tuple(sorted((*found.get(row.name, ()), row.digest)))
        return found

    def forms(self, keys: list[Key]) -> dict[bytes, list[bytes]]:
        """The canonical bytes of each column of the rows with these keys, by the key's."""
        rows = self.database.rows_by_key(self.table, self.columns, self._key(), keys)
        encoders = self._encoders()
        forms = [[framed([encode], [value]) for encode, value in zip(encoders, row, strict=True)] for row in rows]
        return {b"".join(row[: self.key_width]): row for row in forms}

    def _key(self) -> tuple[Column, ...]:
        return self.columns[: self.key_width]

    def _encoders(self) -> list[Encoder]:
        return [encoder(self.engine, column) for column in self.columns]


def structure(engine: Engine, database: Database, table: TableName) -> Structure:
    """Ask the catalogue about a table."""
    return Structure(engine, table, database.columns(table), database.primary_key(table))


class StoppedError(Exception):
    """Work was given up because the other side's failed; that failure is the one to tell."""


def both(first: Callable[[threading.Event], S], second: Callable[[threading.Event], T]) -> tuple[S, T]:
    """Do two things at once, the second in a thread; when one fails, the event that both are given is set.

    Long work looks at the event and raises `StoppedError`. What cannot look (a server that is counting) is waited for
    a few seconds only, and does not keep the process alive after Ctrl-C.
    """
    stop = threading.Event()
    outcome: Future[T] = Future()

    def work() -> None:
        try:
            outcome.set_result(second(stop))
        except BaseException as error:  # noqa: BLE001  handed over to the caller's thread
            stop.set()
            outcome.set_exception(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        return first(stop), outcome.result()
    except StoppedError:
        thread.join()
        outcome.result()
        raise
    except BaseException:
        stop.set()
        thread.join(_PATIENCE_SECONDS)
        raise
