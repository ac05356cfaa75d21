"""A column's value in SQL: in its canonical form (`values.types`), and as DuckDB reads it. Composed by psycopg; nothing is asked here.

Functions: PostgreSQL's pg_proc (the send functions); `trim_scale` exists since PostgreSQL 13.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from cdcproof.databases.postgresql.queries.reading_sql import value as value_read
from cdcproof.databases.table_read import ColumnRead
from cdcproof.databases.values.reading import How
from cdcproof.databases.values.types import INTEGER_DIGITS, LONG_BYTES, Kind

_TYPES: dict[Kind, LiteralString] = {
    Kind.BOOLEAN: "boolean",
    Kind.INTEGER: "bigint",
    Kind.NUMBER: "text",
    Kind.FLOAT: "float8",
    Kind.SINGLE: "float4",
    Kind.TEXT: "text",
    Kind.BINARY: "bytea",
    Kind.UUID: "uuid",
    Kind.DATE: "date",
    Kind.TIME: "time",
    Kind.TIMESTAMP: "timestamp",
    Kind.INSTANT: "timestamptz",
}
_SENDS: dict[Kind, LiteralString] = {
    Kind.BOOLEAN: "boolsend",
    Kind.INTEGER: "int8send",
    Kind.NUMBER: "textsend",
    Kind.FLOAT: "float8send",
    Kind.SINGLE: "float4send",
    Kind.TEXT: "textsend",
    Kind.BINARY: "byteasend",
    Kind.UUID: "uuid_send",
    Kind.DATE: "date_send",
    Kind.TIME: "time_send",
    Kind.TIMESTAMP: "timestamp_send",
    Kind.INSTANT: "timestamptz_send",
}


@dataclass(frozen=True)
class Server:
    """What of a server decides how it is asked: its version as a number (180006), and its encoding."""

    version: int
    encoding: str

    @property
    def counts_utf8(self) -> bool:
        """Whether the bytes of a text are counted as they are sent."""
        return self.encoding in ("UTF8", "SQL_ASCII")


def sent(field: ColumnRead, server: Server) -> sql.Composed:
    """The canonical bytes of a column, as bytea."""
    send = _SENDS[Kind.BINARY if field.form.long else field.form.kind]
    return sql.SQL("{}({})").format(sql.SQL(send), as_sent(field, server))


def value(field: ColumnRead, server: Server) -> sql.Composed:
    """A column's value as it is read (`Column.reading`)."""
    return value_read(field.column, server.version, field.form.scale)


def as_sent(field: ColumnRead, server: Server) -> sql.Composed:
    """A column as a value of the type whose send function gives its canonical bytes."""
    name, kind = value(field, server), field.form.kind
    if kind is Kind.NUMBER:
        return _digits(field, name)
    if kind in (Kind.FLOAT, Kind.SINGLE):  # of a NaN there are many, and some come from arithmetic
        return sql.SQL("CASE WHEN {0} = 'NaN' THEN 'NaN' ELSE {0} END::{1}").format(name, sql.SQL(_TYPES[kind]))
    made = sql.SQL("{}::{}").format(name, sql.SQL(_TYPES[kind]))
    if kind is Kind.TEXT and field.read.type == "character":  # a cast to text would cut the padding off
        made = sql.SQL("textin(bpcharout({}))").format(name)
    return _long(field, made, server) if field.form.long else made


def _digits(field: ColumnRead, name: sql.Composed) -> sql.Composed:
    scale, column = sql.Literal(field.form.scale), field.read
    if field.column.reading and field.column.reading.how in (How.DIGITS, How.UNSCALED):
        return name
    if column.type in INTEGER_DIGITS or (column.scale is not None and column.scale >= 0):
        if (column.scale or 0) == field.form.scale:
            return sql.SQL("{}::text").format(name)
        return sql.SQL("round({}::numeric, {})::text").format(name, scale)
    return sql.SQL(
        "CASE WHEN scale(trim_scale({0})) <= {1} THEN round({0}, {1}) ELSE trim_scale({0}) END::text"
    ).format(name, scale)


def _long(field: ColumnRead, value: sql.Composed, server: Server) -> sql.Composed:
    raw = value if field.form.kind is Kind.BINARY else sql.SQL("textsend({})").format(value)
    length = sql.SQL("octet_length({})").format(value if server.counts_utf8 else raw)
    return sql.SQL(
        "CASE WHEN {0} <= {1} THEN '\\x00'::bytea || {2} ELSE '\\x01'::bytea || int8send({0}) || sha256({2}) END"
    ).format(length, sql.Literal(LONG_BYTES), raw)


def columnar(field: ColumnRead, server: Server) -> sql.Composed:
    """A column as a value of a type that DuckDB reads without loss (`Form.columnar`)."""
    form, name = field.form, value(field, server)
    if form.kind is Kind.INTEGER:
        return sql.SQL("{}").format(name)  # as narrow as it is
    if form.kind in (Kind.FLOAT, Kind.SINGLE):
        return sent(field, server)
    if form.kind is not Kind.NUMBER or form.columnar == "VARCHAR":
        return as_sent(field, server)
    decimal = sql.SQL("numeric({}, {})").format(sql.Literal(form.precision + 1), sql.Literal(form.scale))
    if field.read.type in INTEGER_DIGITS:
        return sql.SQL("{}::{}").format(name, decimal)
    beyond = sql.Literal(10 ** (form.precision - form.scale))
    return sql.SQL("CASE WHEN {0} = 'NaN' THEN {1} ELSE {0} END::{2}").format(name, beyond, decimal)
