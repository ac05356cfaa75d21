"""The stream: DuckDB reads both sides of a table as columns, hashes the rows here and sums the hashes by chunk.

From PostgreSQL it reads one binary COPY through its own extension, from SQL Server Arrow batches of Microsoft's driver.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Protocol

from cdcproof.core.errors import CouldNotLookError, RefusedError, UnexpectedAnswerError, UnreachableError
from cdcproof.core.secrets import scrub
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.duckdb import row_hash
from cdcproof.databases.duckdb.engine import MEMORY_MEGABYTES, Loading, module, quoted
from cdcproof.databases.duckdb.watch import watched
from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.database import PostgreSQL
from cdcproof.databases.table_read import ChunkSum, ColumnRead, Segment, Stream, TableRead
from cdcproof.databases.values import canonical

if TYPE_CHECKING:
    from cdcproof.databases.sqlserver.database import SQLServer


class TooWideError(UnexpectedAnswerError):
    """Rows of this table do not fit into the memory that a stream may take; push-down needs none."""


class _Rows(Protocol):
    """How one engine's rows come into DuckDB."""

    def snapshot(self) -> AbstractContextManager[None]: ...

    def select(self, scan: TableRead, segment: Segment) -> Stream: ...

    def literals(self, columns: Sequence[ColumnRead], literals: Sequence[Sequence[str | None]]) -> Stream: ...

    def relation(self, table: TableName | None, stream: Stream) -> AbstractContextManager[tuple[str, list[str]]]:
        """What to write after FROM, and what is bound in it."""
        ...

    def watch(self) -> AbstractContextManager[None]:
        """Within it, a server that stops answering raises `UnreachableError`."""
        ...

    def interrupt(self) -> None: ...


class ColumnarSide:
    """One side that is streamed. Implements `reconcile.checksums.sums.Summing`."""

    def __init__(self, cursor: Any, rows: _Rows) -> None:
        self._cursor = cursor
        self._rows = rows

    def snapshot(self) -> AbstractContextManager[None]:
        """One snapshot, where the server gives one."""
        return self._rows.snapshot()

    def chunk_sums(self, scan: TableRead, segment: Segment) -> Iterator[ChunkSum]:
        """One scan of the segment. Raises `TooWideError` when its rows do not fit into memory."""
        stream = self._rows.select(scan, segment)
        with self._rows.watch(), our_errors(scan.table), self._rows.relation(scan.table, stream) as (relation, bound):
            rows = self._cursor.execute(row_hash.sums(scan, relation), bound).fetchall()
        yield from map(ChunkSum._make, rows)

    def literal_hashes(
        self, columns: Sequence[ColumnRead], literals: Sequence[Sequence[str | None]]
    ) -> list[tuple[int, ...]]:
        """For calibration: rows of literals, a list for each column, the way of the table's rows; each column's hash in each row."""
        stream = self._rows.literals(columns, literals)
        with self._rows.watch(), our_errors(), self._rows.relation(None, stream) as (relation, bound):
            return list(self._cursor.execute(row_hash.each(columns, relation), bound).fetchall())

    def beside(self) -> None:
        """None: one reading takes all processors of this machine, and the memory that there is for a stream."""

    def interrupt(self) -> None:
        """End the statement that runs, at the server too; it raises. For another thread."""
        self._cursor.interrupt()
        self._rows.interrupt()


class Columnar:
    """DuckDB in memory, for all tables of a run. Use as a context manager; safe to use from several threads.

    It takes over what `Loading` loads, and closes it; without one it loads when it is first used.
    """

    def __init__(self, loading: Loading | None = None) -> None:
        self._begun = loading
        self._lock = threading.Lock()
        self._attached: dict[str, str] = {}

    def __enter__(self) -> Columnar:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._begun:
            self._begun.close()

    @property
    def _loading(self) -> Loading:
        with self._lock:
            self._begun = self._begun or Loading()
            return self._begun

    def demand(self) -> None:
        """Raise `NoStreamError` saying what is missing when this machine cannot stream."""
        self._loading.connection()

    def reference_hashes(
        self, columns: Sequence[ColumnRead], parts: Sequence[Sequence[bytes | None]]
    ) -> list[tuple[int, ...]]:
        """What `literal_hashes` must be: the hashes of values from here, given by their canonical bytes, a list for each column."""
        values = [[_value(field, part) for part in one] for field, one in zip(columns, parts, strict=True)]
        lists = ", ".join(f"unnest(?) AS c{place}" for place in range(len(columns)))
        numbered = f"(SELECT unnest(range({max(map(len, parts))})) AS chunk, {lists})"
        with our_errors(), self._loading.cursor() as cursor:
            return list(cursor.execute(row_hash.each(columns, numbered), values).fetchall())

    @contextmanager
    def side(self, database: Database) -> Iterator[ColumnarSide]:
        """A side to be streamed, beside an open session with the same database, in a session of its own."""
        cursor = self._loading.cursor()
        try:
            if isinstance(database, PostgreSQL):
                yield ColumnarSide(cursor, _CopiedRows(cursor, database, self._attach(database)))
                return
            from cdcproof.databases.sqlserver.database import SQLServer  # noqa: PLC0415  much code, and most sides have none

            if not isinstance(database, SQLServer):
                raise TypeError(f"{type(database).__name__} cannot be streamed")
            with database.stream_session() as session:
                yield ColumnarSide(cursor, _ArrowRows(cursor, database, session))
        finally:
            cursor.close()

    def _attach(self, database: PostgreSQL) -> str:
        """The name under which a server is attached."""
        address = database.address().reveal()
        connection = self._loading.connection()
        with self._lock:
            if address not in self._attached:
                name = f"side{len(self._attached)}"
                with our_errors(hidden=address):
                    connection.execute(f"ATTACH {quoted(address)} AS {name} (TYPE postgres, READ_ONLY)")
                self._attached[address] = name
            return self._attached[address]


class _CopiedRows:
    """PostgreSQL, by COPY. Inside `snapshot` DuckDB's extension holds one REPEATABLE READ transaction."""

    def __init__(self, cursor: Any, database: PostgreSQL, name: str) -> None:
        self._cursor = cursor
        self._database = database
        self._name = name
        self._backend = 0

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        with self.watch(), our_errors():
            self._cursor.execute("BEGIN")
            wanted = self._database.settings_of_a_transaction()
            self._cursor.execute("FROM postgres_query(?, ?)", [self._name, wanted]).fetchall()
            backend = "SELECT pid FROM postgres_query(?, 'SELECT pg_backend_pid() AS pid')"
            self._backend = self._cursor.execute(backend, [self._name]).fetchall()[0][0]
        try:
            yield
        finally:
            self._backend = 0
            with suppress(module().Error):  # the connection is gone, and the error that says so is on its way
                self._cursor.execute("ROLLBACK")

    def select(self, scan: TableRead, segment: Segment) -> Stream:
        return self._database.checksums.stream_select(scan, segment)

    def literals(self, columns: Sequence[ColumnRead], literals: Sequence[Sequence[str | None]]) -> Stream:
        return self._database.checksums.stream_literals(columns, literals)

    @contextmanager
    def relation(self, table: TableName | None, stream: Stream) -> Iterator[tuple[str, list[str]]]:  # noqa: ARG002
        yield "postgres_query(?, ?)", [self._name, stream.select]

    def watch(self) -> AbstractContextManager[None]:
        return watched(self._database)

    def interrupt(self) -> None:
        if self._backend:
            self._database.interrupt_session(self._backend)


class _ArrowRows:
    """SQL Server, by Arrow batches."""

    def __init__(self, cursor: Any, database: SQLServer, session: Any) -> None:
        self._cursor = cursor
        self._database = database
        self._session = session

    def snapshot(self) -> AbstractContextManager[None]:
        snapshot: AbstractContextManager[None] = self._session.snapshot()
        return snapshot

    def select(self, scan: TableRead, segment: Segment) -> Stream:
        return self._database.checksums.stream_select(scan, segment)

    def literals(self, columns: Sequence[ColumnRead], literals: Sequence[Sequence[str | None]]) -> Stream:
        return self._database.checksums.stream_literals(columns, literals)

    @contextmanager
    def relation(self, table: TableName | None, stream: Stream) -> Iterator[tuple[str, list[str]]]:
        with self._session.batches(table, stream) as reader:
            self._cursor.register("batches", reader)
            try:
                yield "batches", []
            finally:
                self._cursor.unregister("batches")

    def watch(self) -> AbstractContextManager[None]:
        return nullcontext()  # Microsoft's driver has a limit of its own

    def interrupt(self) -> None:
        self._session.interrupt()


@contextmanager
def our_errors(table: TableName | None = None, hidden: str = "") -> Iterator[None]:
    """What DuckDB raises leaves as our error, without `hidden`, in which it may quote a password in a form of its own."""
    duckdb = module()
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise TooWideError(
            f"Rows of {table} do not fit into the {MEMORY_MEGABYTES} MB that a stream may take.",
            "Let the servers compare it: --strategy push-down",
        ) from None
    except duckdb.Error as error:
        raise _translated(str(error).replace(hidden, "…") if hidden else str(error), table) from None


def _translated(text: str, table: TableName | None) -> CouldNotLookError:
    answer = re.search(r"\w+:  (.*)", text)  # a server's own words: "SEVERITY:  text", whatever its language
    message = scrub(answer[1] if answer else text.rpartition('": ')[2].partition("\n")[0])
    place = f"{table}: " if table else ""
    if "connection to server" in text or "server closed the connection" in text:
        return UnreachableError(f"{place}{message}", "Read the server's log.")
    if "permission denied" in message:
        return RefusedError(f"{place}{message}", "GRANT SELECT on it to the account that cdcproof uses.")
    return UnexpectedAnswerError(f"{place}{message}")


def _value(field: ColumnRead, part: bytes | None) -> str | bytes | None:
    """What DuckDB casts to `Form.columnar` to have the value of these canonical bytes."""
    form = field.form
    if part is None or form.columnar == "BLOB":
        return part
    if form.columnar.startswith("DECIMAL") and part == b"NaN":
        return str(10 ** (form.precision - form.scale))
    return canonical.as_text(form, part)
