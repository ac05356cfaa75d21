"""The only module that imports mssql-python, Microsoft's own driver: rows of a SELECT as Arrow record batches, for the stream.

It wraps the same ODBC driver as pyodbc, but hands over columns instead of Python objects. Its sessions are as `Session`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from cdcproof.core.errors import CouldNotLookError
from cdcproof.core.secrets import Secret, scrub
from cdcproof.core.waiting import Deadline
from cdcproof.databases.names import TableName
from cdcproof.databases.sqlserver import odbc
from cdcproof.databases.sqlserver.errors import LOCK_TIMEOUT_SECONDS, TIMED_OUT, DriverError, Errors, without_makers
from cdcproof.databases.sqlserver.queries import catalogue
from cdcproof.databases.sqlserver.session import LOGIN_TIMEOUT_SECONDS, demand_port
from cdcproof.databases.table_read import TEXT_IN_LONG_FORM, Stream
from cdcproof.databases.values.types import ENCODED_WHOLE
from cdcproof.pipeline.engines import DatabaseAddress

_VALUES_PER_BATCH = 200_000
_CONNECTION_TIMEOUT = 113  # SQL_ATTR_CONNECTION_TIMEOUT
_LONG_COUNTS = 64  # a long form has up to 8,000 bytes
_MOST_ROWS_PER_BATCH = 16_384
# mssql-python turns the SQLSTATE into words (its exceptions.py) and drops the number; these are the ones that are judged
_STATES = {
    "Client unable to establish connection": "08001",
    "Connection not open": "08003",
    "Connection failure during transaction": "08007",
    "Communication link failure": "08S01",
    "Invalid authorization specification": "28000",
    "Base table or view not found": "42S02",
    "Timeout expired": "HYT00",
    "Specified driver could not be loaded": "IM003",
    "Function sequence error": "HY010",
}
_NO_CAUSE = ("", "HY010")
"""What it says, too, when the time is over while rows are on their way."""


class ArrowSession:
    """Connects when entered; reads only. Outside `snapshot` every statement is its own transaction."""

    def __init__(self, database: DatabaseAddress, password: Secret, statement_timeout_seconds: float) -> None:
        self._database = database
        self._password = password
        self._statement_timeout_seconds = statement_timeout_seconds
        self._errors = Errors(database, statement_timeout_seconds)
        self._connection: Any = None
        self._reader: Any = None
        self._ended = False

    def __enter__(self) -> ArrowSession:
        driver = _driver()
        text = odbc.driverless_connection_string(self._database, self._password)
        demand_port(self._errors)
        try:
            self._connection = driver.connect(text, autocommit=True, timeout=LOGIN_TIMEOUT_SECONDS)
        except (driver.Error, RuntimeError) as error:
            raise self._errors.not_connected(_reported(error)) from None
        self._connection.timeout = seconds = round(self._statement_timeout_seconds)
        # else it waits for ever for a server that does not even end the statement
        self._connection.set_attr(_CONNECTION_TIMEOUT, seconds)
        self._execute(catalogue.SESSION.format(milliseconds=LOCK_TIMEOUT_SECONDS * 1000))
        return self

    def __exit__(self, *exc: object) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def interrupt(self) -> None:
        """End the stream that runs, at the server too; reading on raises. For another thread."""
        reader = self._reader
        if reader is not None:
            self._ended = True
            reader.close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """One SNAPSHOT transaction where the database allows it, as `SQLServer.snapshot`."""
        with self._our_errors():
            cursor = self._connection.execute(catalogue.DATABASE_STATE)
            found = cursor.fetchone()
            cursor.close()
        if found is None:
            raise self._errors.no_such_database()
        allowed = found[1] == 1
        if not allowed:
            yield
            return
        self._execute(catalogue.SNAPSHOT)
        self._connection.autocommit = False
        try:
            yield
        finally:
            driver = _driver()
            with suppress(driver.Error, RuntimeError):  # the connection is gone, and the error that says so on its way
                self._connection.rollback()
                self._connection.autocommit = True
                self._execute(catalogue.READ_COMMITTED)

    @contextmanager
    def batches(self, table: TableName | None, stream: Stream) -> Iterator[Any]:
        """A `pyarrow.RecordBatchReader` of the stream's rows, in columns that DuckDB casts to `stream.types` without loss.

        What goes wrong while it is read leaves this block as our error, whatever its reader made of it.
        """
        import pyarrow  # noqa: PLC0415  pyarrow takes a third of a second, and a PostgreSQL pipeline needs none

        failures: list[CouldNotLookError] = []
        deadline = Deadline(self._statement_timeout_seconds)

        def read(arrow: Any, adapt: Callable[[Any], Any]) -> Iterator[Any]:
            try:
                with self._our_errors(table, deadline):
                    yield from map(adapt, arrow)
                if self._ended:  # which may look like the end of the rows
                    raise self._errors.ended(table)
            except (CouldNotLookError, pyarrow.ArrowInvalid) as error:
                failures.append(error if isinstance(error, CouldNotLookError) else self._errors.ended(table))
                raise failures[-1] from None

        self._ended = False
        with self._our_errors(table):
            cursor = self._connection.cursor()
            cursor.execute(stream.select)
            arrow = self._reader = cursor.arrow_reader(rows_per_batch(stream.types))
        adapt = adapter(arrow.schema, stream.types)
        empty = pyarrow.RecordBatch.from_arrays(
            [pyarrow.array([], field.type) for field in arrow.schema], schema=arrow.schema
        )
        try:
            yield pyarrow.RecordBatchReader.from_batches(adapt(empty).schema, read(arrow, adapt))
        except Exception:
            if failures:
                raise failures[0] from None
            raise
        finally:
            self._reader = None
            arrow.close()
            cursor.close()

    def _execute(self, statement: str) -> None:
        with self._our_errors():
            self._connection.execute(statement).close()

    @contextmanager
    def _our_errors(self, table: TableName | None = None, deadline: Deadline | None = None) -> Iterator[None]:
        """`deadline` is the statement's, which shows the cause where the driver names none."""
        driver = _driver()
        try:
            yield
        except (driver.Error, RuntimeError) as error:
            reported = _reported(error)
            if reported.state in _NO_CAUSE and deadline and deadline.passed:
                reported = replace(reported, state=TIMED_OUT)
            raise self._errors.translated(reported, table) from None


def rows_per_batch(types: tuple[str, ...]) -> int:
    """So many that a batch takes some tens of megabytes at most."""
    weight = sum(_LONG_COUNTS if kind == "BLOB" else 1 for kind in types)
    return max(1, min(_MOST_ROWS_PER_BATCH, _VALUES_PER_BATCH // max(1, weight)))


def adapter(schema: Any, types: tuple[str, ...]) -> Callable[[Any], Any]:
    """What takes `column_sql.columnar`'s numbers of days and microseconds in a batch for the dates and times they are.

    These values stay where they are in memory; a text in the long form gets its first byte. A column before the first of
    `types` (the chunk) is left as it is.
    """
    import pyarrow  # noqa: PLC0415
    from pyarrow import compute  # noqa: PLC0415

    meant = {
        "DATE": pyarrow.date32(),
        "TIME": pyarrow.time64("us"),
        "TIMESTAMP": pyarrow.timestamp("us"),
        "TIMESTAMPTZ": pyarrow.timestamp("us", "UTC"),
    }
    before = len(schema) - len(types)
    as_type = {before + i: meant[kind] for i, kind in enumerate(types) if kind in meant}
    as_form = {before + i for i, kind in enumerate(types) if kind == TEXT_IN_LONG_FORM}

    def adapted(place: int, array: Any) -> Any:
        if place in as_type:
            return array.view(as_type[place])
        if place in as_form:
            return compute.binary_join_element_wise(ENCODED_WHOLE, array.cast(pyarrow.binary()), b"")
        return array

    def adapt(batch: Any) -> Any:
        arrays = [adapted(place, array) for place, array in enumerate(batch.columns)]
        return pyarrow.RecordBatch.from_arrays(arrays, names=batch.schema.names)

    return adapt


def _reported(error: Exception) -> DriverError:
    state = _STATES.get(getattr(error, "driver_error", ""), "")
    text = without_makers(getattr(error, "ddbc_error", "") or str(error)).strip().partition("\n")[0]
    return DriverError(state, 0, scrub(text or type(error).__name__))


def _driver() -> Any:
    try:
        import mssql_python  # noqa: PLC0415  a PostgreSQL pipeline must run without it
    except ModuleNotFoundError:
        raise CouldNotLookError(
            "SQL Server cannot be streamed: Microsoft's driver for Python is not installed.",
            "Install it with: pip install 'cdcproof[sqlserver]'",
        ) from None
    except ImportError as error:
        raise CouldNotLookError(
            f"SQL Server cannot be streamed: Microsoft's driver for Python does not load: {error}",
            "pip install --force-reinstall mssql-python pyarrow   (it needs libkrb5: apt-get install libgssapi-krb5-2), "
            "or let the servers push the comparison down.",
        ) from None
    mssql_python.pooling(enabled=False)  # a pooled session would keep its isolation level
    return mssql_python
