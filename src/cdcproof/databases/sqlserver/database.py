"""The door to SQL Server: the contract is `contracts.database.Database`.

What is compared goes through `queries.column_sql` and `queries.statements`. A server before 2019 has no collation in UTF-8 and so cannot make
the form of text: short text is then fetched as it is and encoded here, and what would have to be hashed there is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

from cdcproof.databases.column_data import columns_found
from cdcproof.databases.contracts.database import ByPlace, Slot
from cdcproof.databases.contracts.identity import Identity
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.sqlserver.arrow import ArrowSession
from cdcproof.databases.sqlserver.log.position import Log
from cdcproof.databases.sqlserver.queries import catalogue, column_sql, statements
from cdcproof.databases.table_read import WHOLE, ChunkSum, ColumnRead, LiteralForm, Row, Segment, Stream, TableRead
from cdcproof.databases.values import canonical
from cdcproof.databases.values.types import TOLD_WHOLE, Form
from cdcproof.errors import UnexpectedAnswerError

_CHUNKS_PER_QUERY = 500
_KEYS_PER_QUERY = 100
_PARAMETERS_PER_QUERY = 2_000  # SQL Server takes 2,100
_CHARACTERS_OF_TWO_BYTES = ("nchar", "nvarchar", "sysname")
_LIMITED_BYTES = ("char", "varchar", "binary", "varbinary")
UNSEEN_POLICIES = "any security policy (not shown without VIEW DEFINITION)"
_WITHHELD = {
    "masked": "masked for this account, which has no UNMASK",
    "encrypted": "Always Encrypted: the server itself cannot read it",
}


class SQLServer(Log):
    """A session that only reads; connects when entered."""

    def __enter__(self) -> Self:
        self._connect()
        return self

    def version(self) -> str:
        """One line: product, version and edition."""
        version, edition = self._query(catalogue.VERSION)[0]
        return f"Microsoft SQL Server {version} {edition}"

    def identity(self) -> Identity:
        """By the catalogue. The recovery fork is shown to the database's owner, and with VIEW ANY DATABASE."""
        found = self._query(catalogue.IDENTITY)
        if not found:
            raise self._errors.no_such_database()
        server, database, made, tells_fork = found[0]
        forks = self._query(catalogue.RECOVERY_FORK) if tells_fork else []
        if forks and forks[0][0]:
            return Identity(str(server), str(database), str(made), str(forks[0][0]))
        unknown = f"{self._database.user} may not see the recovery fork, which changes with a restore"
        return Identity(str(server), str(database), str(made), "", unknown)

    def table_identity(self, table: TableName) -> str:
        """Its number and when it was made."""
        rows = self._query(catalogue.TABLE_IDENTITY, table.schema, table.table)
        if not rows:
            raise self._errors.no_such_table(table)
        return str(rows[0][0])

    def tables(self, schema: str) -> frozenset[TableName]:
        """User tables of a schema."""
        return frozenset(TableName(*row) for row in self._query(catalogue.TABLES, schema))

    def columns(self, table: TableName) -> tuple[Column, ...]:
        """Columns in order; a column the account may not see is not among them."""
        columns = tuple(_column(row) for row in self._query(catalogue.COLUMNS, table.schema, table.table))
        if not columns:
            raise self._errors.no_such_table(table)
        return columns

    def primary_key(self, table: TableName) -> tuple[str, ...]:
        """Key columns in key order, empty when there is no primary key."""
        return tuple(row[0] for row in self._query(catalogue.PRIMARY_KEY, table.schema, table.table))

    def row_policies(self, table: TableName) -> tuple[str, ...]:
        """Security policies that are on and filter the table. Whether they let this account see every row is not known.

        An account without VIEW DEFINITION is shown none: then `UNSEEN_POLICIES` stands for those that there may be.
        """
        seen = tuple(row[0] for row in self._query(catalogue.ROW_POLICIES, table.schema, table.table))
        return seen if self._may_view_definition else (*seen, UNSEEN_POLICIES)

    @cached_property
    def _may_view_definition(self) -> bool:
        return bool(self._query(catalogue.MAY_VIEW_DEFINITION)[0][0] == 1)

    def count_rows(self, table: TableName, predicate: str = "") -> int:
        """Exact number of rows, of those that the condition holds for when there is one."""
        with self._our_errors(table):
            return int(self._session.execute(catalogue.count_statement(table, predicate)).fetchval())

    def columns_with_data(self, table: TableName, columns: Sequence[str], predicate: str = "") -> frozenset[str]:
        """Those of the columns in which a row is not NULL: what is masked or encrypted shows that too."""
        with self._our_errors(table):
            return columns_found(
                columns,
                lambda some: self._session.execute(catalogue.data_in_statement(table, some, predicate)).fetchone(),
            )

    def estimated_rows(self, table: TableName) -> int:
        """What the catalogue counts in the table's partitions; 0 for a table it does not show."""
        return int(self._query(catalogue.ESTIMATED_ROWS, table.schema, table.table)[0][0] or 0)

    def value_range(self, table: TableName, column: Column) -> tuple[int, int] | None:
        """Least and greatest value of an integer column; None for an empty table."""
        with self._our_errors(table):
            low, high = self._session.execute(catalogue.range_statement(table, column)).fetchone()
        return None if low is None else (int(low), int(high))

    def latest(self, table: TableName, column: str) -> str | None:
        """The greatest value of a column, None for an empty table. Of a rowversion: 0x and its digits."""
        rising = (one for one in self.columns(table) if one.type in catalogue.RISING and not one.withheld)
        found = next((one for one in rising if one.name == column), None)
        if found is None:
            raise UnexpectedAnswerError(
                f"{self._place}: {table} has no column {column} that this account reads as it is, of a type that can rise with every change.",
                "Name a rowversion, a date and time or a number as the table's update_column in the pipeline file.",
            )
        with self._our_errors(table):
            value = self._session.execute(catalogue.latest_statement(table, found)).fetchval()
        return None if value is None else str(value)

    def segments(self, scan: TableRead, rows: int) -> tuple[Segment, ...]:
        """Ranges of the column that chunks are cut by, if the table lies in its order; else one part, since each would scan it all."""
        if scan.slice or scan.since:
            return (WHOLE,)
        table, column = scan.table, scan.columns[0].column
        clustered_by = [row[0] for row in self._query(catalogue.CLUSTERED_BY, table.schema, table.table)]
        parts = -(-self.estimated_rows(table) // rows)
        if not scan.chunking.width or clustered_by != [column.name] or parts <= 1:
            return (WHOLE,)
        values = self.value_range(table, column)
        return divided(*values, parts) if values else (WHOLE,)

    def beside(self) -> Callable[[], AbstractContextManager[Self]]:
        """What it returns opens a session with a snapshot of its own: segments are ranges of the key, which a row does not leave."""

        @contextmanager
        def opened() -> Iterator[Self]:
            with type(self)(self._database, self._password, self._statement_timeout_seconds) as other, other.snapshot():
                yield other

        return opened

    def by_place(self, scan: TableRead) -> ByPlace | None:  # noqa: ARG002  of the contract
        """Never: a row's place is not told."""
        return None

    def mark(self, table: TableName) -> str:  # noqa: ARG002  of the contract
        """Nothing: a row stays in its range of the key."""
        return ""

    def chunks_written_since(self, mark: str, scan: TableRead, part: Segment) -> frozenset[int]:  # noqa: ARG002  of the contract
        """None: a row whose key is changed is another row."""
        return frozenset()

    def chunk_sums(self, scan: TableRead, segment: Segment) -> Iterator[ChunkSum]:
        """Push-down: one scan, hashed and summed by the server."""
        return self._sums(scan, statements.chunk_sums(scan, segment))

    def sums_of_chunks(self, scan: TableRead, chunks: Sequence[int], width: int) -> Iterator[ChunkSum]:
        """By ranges of the column, which an index finds."""
        for start in range(0, len(chunks), _CHUNKS_PER_QUERY):
            some = chunks[start : start + _CHUNKS_PER_QUERY]
            yield from self._sums(scan, statements.sums_of_chunks(scan, some, width))

    def stream_select(self, scan: TableRead, segment: Segment) -> Stream:
        """A segment as `sqlserver.arrow` reads it, which opens a session of its own."""
        self._demand_utf8(_made_at_the_server(scan))
        return statements.stream(scan, segment)

    def stream_literals(self, columns: Sequence[ColumnRead], literals: Sequence[Sequence[str | None]]) -> Stream:
        """Rows of literals as `stream_select` would give them, a list of them for each column; ``chunk`` is the row's number."""
        return statements.stream_literals(columns, literals, utf8=self._has_utf8)

    def stream_session(self) -> ArrowSession:
        """A session of its own for what `stream_select` and `stream_literals` say. Use as a context manager."""
        return ArrowSession(self._database, self._password, self._statement_timeout_seconds)

    @contextmanager
    def chunk_rows(self, scan: TableRead, chunks: Sequence[int]) -> Iterator[Iterator[Row]]:
        """All rows of these chunks, one after the other from the driver."""
        self._demand_utf8(_made_at_the_server(scan))
        with closing(self._chunk_rows(scan, chunks)) as rows:
            yield rows

    def rows_by_key(
        self,
        scan: TableRead,
        keys: Sequence[tuple[bytes | None, ...]],
        *,
        as_written: bool = False,  # noqa: ARG002  its = finds every spelling of a key that is not read by its hash
    ) -> Iterator[Row]:
        """The rows with these keys, and no others that SQL Server's ``=`` may find."""
        by_value = self._by_value(scan)
        most = (
            max(1, min(_KEYS_PER_QUERY, _PARAMETERS_PER_QUERY // scan.key_width)) if by_value else _PARAMETERS_PER_QUERY
        )
        distinct = list(dict.fromkeys(keys))
        version = self._version_column(scan.table)
        ask = self._rows_by_value if by_value else self._rows_by_hash
        for start in range(0, len(distinct), most):
            batch = distinct[start : start + most]
            wanted = set(batch)
            rows = ask(scan, batch, version)
            yield from (row for row in rows if row.forms[: scan.key_width] in wanted)

    def sample(self, scan: TableRead, rows: int) -> list[Row]:
        """The rows that a scan gives first."""
        self._demand_utf8(filter(column_sql.may_be_hashed, scan.columns))
        statement = statements.sample(scan, rows, utf8=self._has_utf8)
        return list(_rows(scan, self._streamed(scan.table, statement)))

    def literal_forms(self, column: Column, form: Form, literals: Sequence[str | None]) -> tuple[LiteralForm, ...]:
        """Calibration. Without UTF-8, text has no MD5 and long text no form either."""
        utf8 = self._has_utf8
        told = ColumnRead(column, form)
        if column_sql.may_be_hashed(told) and column_sql.needs_utf8(told) and not utf8:
            return tuple(LiteralForm(None, b"") for _ in literals)
        forms: list[LiteralForm] = []
        for start in range(0, len(literals), _PARAMETERS_PER_QUERY):  # a scrub has as many as keys that were changed
            some = literals[start : start + _PARAMETERS_PER_QUERY]
            statement = statements.literal_forms(column, form, [text is not None for text in some], utf8=utf8)
            found = self._query(statement, *(text for text in some if text is not None))
            forms += [LiteralForm(_bytes(told, part), bytes(md5)) for part, md5 in found]
        return tuple(forms)

    def statements(self, scan: TableRead) -> dict[str, str]:
        """What is done to its T-SQL, for the whole table, chunk 0 and one key."""
        version = self._version_column(scan.table)
        utf8 = self._has_utf8
        by_key = statements.rows_by_value(scan, 1, self._collations(scan), version, utf8=utf8)
        narrowing = {"narrowing": statements.sums_of_chunks(scan, [0], 1)} if scan.chunking.width else {}
        return {
            "push-down": statements.chunk_sums(scan, WHOLE),
            "stream": statements.stream(scan, WHOLE).select,
            **narrowing,
            "rows of a chunk": statements.rows_of_chunks(scan, [0], version, utf8=utf8),
            "rows by key": by_key if self._by_value(scan) else statements.rows_by_hash(scan, 1, version),
        }

    def captured_tables(self) -> frozenset[TableName]:
        """Tables with a CDC capture instance; empty when CDC is off."""
        if not self._database_state()[0]:
            return frozenset()
        return frozenset(TableName(*row) for row in self._query(catalogue.CAPTURED))

    def slots(self) -> tuple[Slot, ...]:
        """None: SQL Server has no replication slots."""
        return ()

    def permissions_missing(self, tables: Sequence[TableName]) -> dict[str, str]:
        """What the checks need and this account may not do, each with its GRANT; a table it cannot even see included."""
        user = catalogue.quoted(self._user)
        missing = {
            str(table): f"GRANT SELECT ON {catalogue.name(table)} TO {user};"
            for table in tables
            if self._query(catalogue.MAY_SELECT, table.schema, table.table)[0][0] != 1
        }
        seen = (column for table in tables if str(table) not in missing for column in self.columns(table))
        if any(column.withheld == _WITHHELD["masked"] for column in seen):
            missing["masked columns"] = f"GRANT UNMASK TO {user};"
        if not self._may_view_definition:
            missing["security policies, by which rows may be hidden"] = f"GRANT VIEW DEFINITION TO {user};"
        if self._database_state()[0] and self._query(catalogue.MAY_READ_CDC)[0][0] != 1:
            missing["schema cdc"] = f"GRANT SELECT ON SCHEMA::cdc TO {user};"
        if self._query(catalogue.MAY_VIEW_SERVER_STATE)[0][0] != 1:
            missing["server state (capture job, log scan)"] = self._grant_of_state()
        return missing

    @cached_property
    def _has_utf8(self) -> bool:
        """Whether the server has collations in UTF-8: SQL Server 2019 and newer."""
        return self._query(catalogue.HAS_UTF8)[0][0] is not None

    def _demand_utf8(self, columns: Iterable[ColumnRead]) -> None:
        names = [told.column.name for told in columns if column_sql.needs_utf8(told)]
        if names and not self._has_utf8:
            raise UnexpectedAnswerError(
                f"{self._place} has no collation in UTF-8 (SQL Server 2019 has them) and cannot hash text: {', '.join(names)}.",
                "Let the table be streamed, which hashes short text here; exclude long text, and text in a key, in the pipeline file.",
            )

    def _version_column(self, table: TableName) -> str:
        """The table's rowversion column, empty when it has none."""
        found = self._query(catalogue.ROWVERSION_COLUMN, table.schema, table.table)
        return str(found[0][0]) if found else ""

    def _sums(self, scan: TableRead, statement: str) -> Iterator[ChunkSum]:
        self._demand_utf8(scan.columns)
        for chunk, rows, total in self._streamed(scan.table, statement):
            yield ChunkSum(int(chunk), int(rows), int(total))

    def _chunk_rows(self, scan: TableRead, chunks: Sequence[int]) -> Generator[Row, None, None]:
        version = self._version_column(scan.table)
        for start in range(0, len(chunks), _CHUNKS_PER_QUERY):
            batch = chunks[start : start + _CHUNKS_PER_QUERY]
            statement = statements.rows_of_chunks(scan, batch, version, utf8=self._has_utf8)
            yield from _rows(scan, self._streamed(scan.table, statement))

    def _by_value(self, scan: TableRead) -> bool:
        """Whether keys are asked for by their values. Whole rows (a multiset) rather by their hash: no index helps there."""
        is_part = scan.key_width < len(scan.columns) or not self._has_utf8
        return is_part and all(column_sql.found_by_value(told) for told in scan.key)

    def _rows_by_value(self, scan: TableRead, keys: Sequence[tuple[bytes | None, ...]], version: str) -> Iterator[Row]:
        self._demand_utf8(filter(column_sql.may_be_hashed, scan.columns))
        utf8, collations = self._has_utf8, self._collations(scan)
        whole = [key for key in keys if None not in key]
        if whole:
            statement = statements.rows_by_value(scan, len(whole), collations, version, utf8=utf8)
            yield from self._found_by_value(scan, whole, statement)
        others = [key for key in keys if None in key]
        if others:
            nulls = [[part is None for part in key] for key in others]
            statement = statements.rows_by_value_or_null(scan, nulls, collations, version, utf8=utf8)
            yield from self._found_by_value(scan, others, statement)

    def _found_by_value(
        self, scan: TableRead, keys: Sequence[tuple[bytes | None, ...]], statement: str
    ) -> Iterator[Row]:
        bound = [
            column_sql.key_text(told, part)
            for key in keys
            for told, part in zip(scan.key, key, strict=True)
            if part is not None
        ]
        return _rows(scan, self._streamed(scan.table, statement, *bound))

    def _collations(self, scan: TableRead) -> dict[str, str]:
        """The table's text columns and their collations, where text is looked for."""
        if not any(told.column.type in catalogue.TEXTS for told in scan.key):
            return {}
        return dict(self._query(catalogue.COLLATIONS, scan.table.schema, scan.table.table))

    def _rows_by_hash(self, scan: TableRead, keys: Sequence[tuple[bytes | None, ...]], version: str) -> Iterator[Row]:
        self._demand_utf8(scan.columns)
        statement = statements.rows_by_hash(scan, len(keys), version)
        forms = [told.form for told in scan.key]
        bound = [canonical.digest(canonical.frame(forms, key)) for key in keys]
        return _rows(scan, self._streamed(scan.table, statement, *bound))


def divided(low: int, high: int, parts: int) -> tuple[Segment, ...]:
    """About so many ranges of equal width from `low` to `high`; the first and the last have no bound."""
    width = -(-(high - low + 1) // parts)
    cuts: list[int | None] = [None, *range(low + width, high + 1, width), None]
    return tuple(Segment(first, last) for first, last in pairwise(cuts))


def _column(row: tuple[Any, ...]) -> Column:
    """A row of `catalogue.COLUMNS`; the catalogue has 0 for what a type does not have, and -1 bytes for (max)."""
    name, type_name, nullable, scale, precision, computed, size, withheld = row
    length = None
    if type_name in (*_CHARACTERS_OF_TWO_BYTES, *_LIMITED_BYTES) and size > 0:
        length = size // 2 if type_name in _CHARACTERS_OF_TWO_BYTES else size
    reason = _WITHHELD.get(withheld, "")
    return Column(name, type_name, bool(nullable), scale, precision or None, bool(computed), length, reason)


def _made_at_the_server(scan: TableRead) -> Sequence[ColumnRead]:
    """The columns of which no text will do: their hash says which chunk a row falls into, or stands for a long value."""
    hashed = () if scan.chunking.width else scan.columns[: scan.chunking.columns]
    return (*hashed, *filter(column_sql.may_be_hashed, scan.columns))


def _rows(scan: TableRead, found: Iterable[tuple[Any, ...]]) -> Iterator[Row]:
    for version, *parts in found:
        yield Row(bytes(version), tuple(map(_bytes, scan.columns, parts)))


def _bytes(told: ColumnRead, part: str | bytes | None) -> bytes | None:
    """A form as the server made it, or text that it cannot make it of. Half a surrogate pair stays what it is."""
    if not isinstance(part, str):
        return part
    return (TOLD_WHOLE if told.form.long else b"") + part.encode("utf-8", "surrogatepass")
