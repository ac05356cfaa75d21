"""Repairing single rows of a PostgreSQL target: SQL to be read first, each statement guarded by the values it expects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import psycopg
from psycopg import sql

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.database import PostgreSQL
from cdcproof.databases.postgresql.queries import catalogue
from cdcproof.databases.postgresql.queries.column_sql import Server, sent
from cdcproof.databases.sqlserver.queries.catalogue import quoted as bracketed
from cdcproof.databases.table_read import ColumnRead, Row, TableRead
from cdcproof.databases.values import canonical, stored_value
from cdcproof.databases.values.types import ENCODED_BY_HASH, Kind
from cdcproof.pipeline.engines import Engine


@dataclass(frozen=True)
class Repair:
    """One row's difference: its one row at the source and its one row at the target, None where there is none.

    `unread` are columns of the target whose values at the source were not read: a row that is inserted would lack them.
    """

    key: tuple[bytes | None, ...]
    source: Row | None
    target: Row | None
    unread: tuple[str, ...] = ()


class PostgreSQLRepairer(PostgreSQL):
    """A session that writes repairs, and nothing else. `source_engine` is the one whose way of writing a uuid the target keeps."""

    source_engine: Engine = "postgresql"

    def statement(self, scan: TableRead, repair: Repair) -> str:
        """The SQL that makes the target's row the source's. It does nothing unless the target's row is as it was seen.

        Raises `UnexpectedAnswerError` for a row of which some would be lost, and for a value so long that its bytes were never read.
        """
        return self._composed(scan, repair).as_string(self.driver)

    def apply(self, scan: TableRead, repair: Repair) -> bool:
        """Do it; whether the target's row was as it was seen."""
        statement = self._composed(scan, repair)
        with self.our_errors(scan.table), self.driver.transaction():
            self.driver.execute("SET TRANSACTION READ WRITE")
            rows = self.driver.execute(statement).rowcount
            if rows > 1:  # another row came whose key reads the same
                raise psycopg.Rollback
        return rows == 1

    def _composed(self, scan: TableRead, repair: Repair) -> sql.Composed:
        table = self._target_table(scan)
        lost = table.lost(scan, repair)
        if lost:
            act = "inserted" if repair.target is None else "deleted"
            key = ", ".join(
                "NULL" if part is None else stored_value.as_text(one, part)
                for one, part in zip(scan.key, repair.key, strict=True)
            )
            raise UnexpectedAnswerError(
                f"{scan.table}: row {key} is not {act}: {lost}.",
                "Let Debezium send the row again: cdcproof reconcile repair --signal"
                if repair.source
                else "Set its flag by hand, as the sink would have done.",
            )
        guard = _Guard(self.dialect(), table.by_bytes)
        return _composed(
            scan, repair, guard, upper=self.source_engine == "sqlserver", overriding=table.has_identity(scan)
        )

    def _target_table(self, scan: TableRead) -> _TargetTable:
        if scan.table not in self._target_tables:
            rows = self.query(catalogue.WRITTEN_COLUMNS, (scan.table.schema, scan.table.table))
            self._target_tables[scan.table] = _TargetTable(tuple(_Written(*row) for row in rows))
        return self._target_tables[scan.table]

    @cached_property
    def _target_tables(self) -> dict[TableName, _TargetTable]:
        return {}

    def _grant(self, table: TableName) -> str:
        grant = sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {};")
        user = sql.Identifier(self.database.user)
        return grant.format(sql.Identifier(table.schema, table.table), user).as_string()

    def __enter__(self) -> PostgreSQLRepairer:
        super().__enter__()
        self.driver.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        return self


class _Written(NamedTuple):
    """A column of the target as an INSERT meets it."""

    name: str
    not_null: bool
    fills_itself: bool
    """It has a default, or a value that is generated."""
    is_identity: bool
    """GENERATED ALWAYS AS IDENTITY: a value is refused unless it overrides."""
    is_generated: bool
    takes_others_for_equal: bool
    """By its collation, as one that does not mind the case of letters."""


@dataclass(frozen=True)
class _TargetTable:
    columns: tuple[_Written, ...]

    def has_identity(self, scan: TableRead) -> bool:
        """Whether a value that is inserted has to override one of the system's."""
        names = {field.column.name for field in scan.columns}
        return any(column.is_identity and column.name in names for column in self.columns)

    @property
    def by_bytes(self) -> frozenset[str]:
        """Columns whose own equality does not identify a value."""
        return frozenset(column.name for column in self.columns if column.takes_others_for_equal)

    def lost(self, scan: TableRead, repair: Repair) -> str:
        """What a row would be without that its sink writes; empty where it would be whole. An UPDATE leaves all else as it is."""
        if repair.source is not None and repair.target is not None:
            return ""
        names = {field.column.name for field in scan.columns}
        others = [column for column in self.columns if column.name not in names and not column.is_generated]
        flags = [column.name for column in others if column.name in _FLAGS or _is_in(column.name, scan.predicate)]
        if repair.source is None:
            return f"{', '.join(flags)} says there which rows are deleted" if flags else ""
        unwritten = [one.name for one in others if one.name in (*repair.unread, *flags) or _is_filled_by_sink(one)]
        return f"it would lack {', '.join(unwritten)}, which was not compared" if unwritten else ""


def _is_filled_by_sink(column: _Written) -> bool:
    """Of a column that the source does not have: Debezium's own begin with two underscores."""
    return (column.not_null and not column.fills_itself) or column.name.startswith("__")


def _is_in(name: str, predicate: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", predicate) is not None


_FLAGS = ("__deleted", "_deleted", "is_deleted", "deleted")
"""What sinks and their operators call the flag of a row that its source has deleted."""


@dataclass(frozen=True)
class _Guard:
    """Conditions for values of the target as they were seen, to the last bit."""

    server: Server
    by_bytes: frozenset[str]
    """Columns of which equality does not identify a value."""

    def as_seen(self, scan: TableRead, row: Row) -> sql.Composed:
        """The row has just these values."""
        return sql.SQL("\n   AND ").join(self.is_value(field, part) for field, part in _pairs(scan, row))

    def is_value(self, field: ColumnRead, part: bytes | None) -> sql.Composed:
        """The column has just this value: floats and long values by their canonical bytes."""
        if part is None:
            return sql.SQL("{} IS NULL").format(_name(field))
        by_bytes = field.form.kind in (Kind.FLOAT, Kind.SINGLE) or field.form.long or field.column.reading
        same_bytes = sql.SQL("{} = {}").format(sent(field, self.server), sql.Literal(f"\\x{part.hex()}"))
        if by_bytes or field.column.type in ("character", "citext", "money", "json", "xml"):
            return same_bytes  # the first two take other texts for equal, the others have no sign for it or a text of a server's own
        equal = sql.SQL("{} = {}").format(_name(field), sql.Literal(_text(field, part)))
        return sql.SQL("{} AND {}").format(equal, same_bytes) if field.column.name in self.by_bytes else equal


def _composed(scan: TableRead, repair: Repair, guard: _Guard, *, upper: bool, overriding: bool) -> sql.Composed:
    table = sql.Identifier(scan.table.schema, scan.table.table)
    if repair.source is None and repair.target is not None:
        return sql.SQL("DELETE FROM {}\n WHERE {};").format(table, guard.as_seen(scan, repair.target))
    if repair.source is not None and repair.target is None:
        return sql.SQL("INSERT INTO {} ({}){}\nSELECT {}\n WHERE NOT EXISTS (SELECT FROM {} WHERE {});").format(
            table,
            sql.SQL(", ").join(_name(field) for field in scan.columns),
            sql.SQL(" OVERRIDING SYSTEM VALUE" if overriding else ""),
            sql.SQL(", ").join(_value(scan, field, part, upper=upper) for field, part in _pairs(scan, repair.source)),
            table,
            sql.SQL(" AND ").join(
                guard.is_value(field, part) for field, part in zip(scan.key, repair.key, strict=True)
            ),
        )
    if repair.source is None or repair.target is None:
        raise ValueError("a repair needs a row at one side")
    changes = [
        sql.SQL("{} = {}").format(_name(field), _value(scan, field, ours, upper=upper))
        for field, ours, theirs in zip(scan.columns, repair.source.forms, repair.target.forms, strict=True)
        if ours != theirs
    ]
    return sql.SQL("UPDATE {}\n   SET {}\n WHERE {};").format(
        table, sql.SQL(", ").join(changes), guard.as_seen(scan, repair.target)
    )


def _value(scan: TableRead, field: ColumnRead, part: bytes | None, *, upper: bool) -> sql.Composable:
    if part is None:
        return sql.SQL("NULL")
    if field.form.long and part[:1] == ENCODED_BY_HASH:
        raise UnexpectedAnswerError(
            f"{scan.table}: a value of {field.column.name} is too long to be written here: {canonical.as_text(field.form, part)}.",
            "Let Debezium send the row again: cdcproof reconcile repair --signal",
        )
    text = stored_value.written(field, part, upper=upper)
    if field.column.type == "bytea":
        return sql.Literal(f"\\x{text}")
    return sql.SQL("{}::numeric").format(sql.Literal(text)) if field.column.type == "money" else sql.Literal(text)


def _text(field: ColumnRead, part: bytes) -> str:
    text = stored_value.as_text(field, part)
    return f"\\x{text}" if field.column.type == "bytea" else text


def _pairs(scan: TableRead, row: Row) -> Sequence[tuple[ColumnRead, bytes | None]]:
    return list(zip(scan.columns, row.forms, strict=True))


def _name(field: ColumnRead) -> sql.Identifier:
    return sql.Identifier(field.column.name)


def condition_of(engine: Engine, scan: TableRead, keys: Sequence[tuple[bytes | None, ...]]) -> str:
    """SQL of the source that holds for the rows of these keys."""
    return " OR ".join(
        " AND ".join(_equals(engine, field, part) for field, part in zip(scan.key, key, strict=True)) for key in keys
    )


def _equals(engine: Engine, field: ColumnRead, part: bytes | None) -> str:
    if engine == "sqlserver":
        name = bracketed(field.column.name)
        return f"{name} IS NULL" if part is None else f"{name} = {_national(stored_value.as_text(field, part))}"
    if part is None:
        return sql.SQL("{} IS NULL").format(_name(field)).as_string()
    return sql.SQL("{} = {}").format(_name(field), sql.Literal(_text(field, part))).as_string()


def _national(text: str) -> str:
    """A T-SQL string of any characters."""
    doubled = text.replace("'", "''")
    return f"N'{doubled}'"
