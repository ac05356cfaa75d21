"""Columns of every type of SQL Server that is compared, with values, what they are in T-SQL and their canonical bytes."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from cdcproof.databases.contracts.database import Database
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.table_read import Chunking, ChunkSum, ColumnRead, TableRead
from cdcproof.databases.values import canonical
from cdcproof.databases.values.types import Form, Kind, form_of
from tests import tsql_values as tsql

_TO_2000 = (date(2000, 1, 1).toordinal() - 1) * tsql.DAY
_LAST = date.max.toordinal() * tsql.DAY - 1


@dataclass(frozen=True)
class Sort:
    """A column, the form it is told in, its values as T-SQL has them, and what their canonical bytes are."""

    told: ColumnRead
    values: st.SearchStrategy[Any]

    def form(self, value: Any) -> bytes | None:
        """Worked out in Python, from the contract's words."""
        return None if value is None else _form(self.told, value)


def _form(told: ColumnRead, value: Any) -> bytes:
    form = told.form
    if isinstance(value, tsql.Clock):
        return struct.pack(">q", (value.ticks + 5) // 10 % (tsql.DAY // 10))
    if isinstance(value, tsql.Moment | tsql.Instant):
        return struct.pack(">q", (value.ticks - _TO_2000 + 5) // 10)
    if isinstance(value, tsql.Thirds):
        milliseconds = round(Decimal(value.count * 10) / 3)  # .000 .003 .007, never half of one
        return struct.pack(">q", milliseconds * 1000 - _TO_2000 // 10)
    if isinstance(value, tsql.Minutes):
        return struct.pack(">q", value.count * 60_000_000 - _TO_2000 // 10)
    if isinstance(value, tsql.Day):
        return struct.pack(">i", value.days - _TO_2000 // tsql.DAY)
    plain = {
        tsql.Int: lambda: value.value,
        tsql.Money: lambda: value.value,
        tsql.Float: lambda: value.value,
        tsql.Text: lambda: value.text,
        tsql.Binary: lambda: value.data,
    }.get(type(value), lambda: value)()
    return canonical.encode(form, plain)


def _sort(type_name: str, form: Form, values: st.SearchStrategy[Any], **details: Any) -> Sort:
    return Sort(ColumnRead(Column(type_name, type_name, nullable=True, **details), form), values)


def _integers(bits: int) -> st.SearchStrategy[Any]:
    low, high = (0, 255) if bits == 8 else (-(1 << bits - 1), (1 << bits - 1) - 1)
    return st.integers(low, high).map(lambda value: tsql.Int(value, bits))


def _decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    most = 10**precision - 1
    return st.integers(-most, most).map(lambda digits: Decimal(digits).scaleb(-scale, tsql.EXACT))


def _text(length: int, *, wide: bool) -> st.SearchStrategy[Any]:
    letters = st.characters(codec="utf-8" if wide else "cp1252", exclude_characters="\0")
    fits = st.text(letters, max_size=length).filter(lambda text: len(text.encode("utf-16-le")) <= 2 * length)
    return st.one_of(fits, st.sampled_from(["", " ", "a ", " a"])).map(lambda text: tsql.Text(text, wide))


def _bytes(length: int) -> st.SearchStrategy[Any]:
    return st.binary(max_size=length).map(tsql.Binary)


def _moments(scale: int) -> st.SearchStrategy[int]:
    unit = 10 ** (7 - scale)
    near = st.sampled_from([0, _TO_2000 - 5, _TO_2000 - 6, _TO_2000 + 4, _LAST, _LAST - 5]).map(
        lambda t: t // unit * unit
    )
    return st.one_of(st.integers(0, _LAST // unit).map(lambda count: count * unit), near)


def _times(scale: int) -> st.SearchStrategy[int]:
    unit = 10 ** (7 - scale)
    return st.one_of(st.integers(0, tsql.DAY // unit - 1), st.sampled_from([0, tsql.DAY // unit - 1])).map(
        lambda c: c * unit
    )


_FLOATS = st.floats(allow_nan=False, allow_infinity=False)
_SINGLES = st.floats(allow_nan=False, allow_infinity=False, width=32)

SORTS: dict[str, Sort] = {
    sort.told.column.name: sort
    for sort in (
        _sort("bit", Form(Kind.BOOLEAN), st.booleans()),
        _sort("tinyint", Form(Kind.INTEGER), _integers(8), precision=3, scale=0),
        _sort("smallint", Form(Kind.NUMBER, 2, 7), _integers(16), precision=5, scale=0),
        _sort("int", Form(Kind.INTEGER), _integers(32), precision=10, scale=0),
        _sort("bigint", Form(Kind.NUMBER, 0, 19), _integers(64), precision=19, scale=0),
        _sort("decimal", Form(Kind.NUMBER, 10, 38), _decimals(38, 10), precision=38, scale=10),
        _sort("numeric", Form(Kind.NUMBER, 4, 12), _decimals(9, 2), precision=9, scale=2),
        _sort("money", Form(Kind.NUMBER, 6, 21), _decimals(18, 4).map(tsql.Money), precision=19, scale=4),
        _sort("smallmoney", Form(Kind.NUMBER, 4, 10), _decimals(9, 4).map(tsql.Money), precision=10, scale=4),
        _sort("float", Form(Kind.FLOAT), _FLOATS.map(tsql.Float), precision=53),
        _sort("real", Form(Kind.SINGLE), _SINGLES.map(lambda v: tsql.Float(v, single=True)), precision=24),
        _sort("char", Form(Kind.TEXT), _text(8, wide=False).map(lambda t: tsql.cast(t, "char", 8)), length=8),
        _sort("varchar", Form(Kind.TEXT), _text(20, wide=False), length=20),
        _sort("nchar", Form(Kind.TEXT), _text(8, wide=True).map(lambda t: tsql.cast(t, "nchar", 8)), length=8),
        _sort("nvarchar", Form(Kind.TEXT), _text(20, wide=True), length=20),
        _sort("sysname", Form(Kind.TEXT), _text(20, wide=True), length=128),
        _sort("text", Form(Kind.TEXT, long=True), _text(20, wide=False)),
        _sort("ntext", Form(Kind.TEXT, long=True), st.one_of(_text(20, wide=True), st.just(tsql.Text("🚀" * 3000)))),
        _sort("xml", Form(Kind.TEXT, long=True), st.sampled_from(["<a/>", "<a>é</a>"]).map(tsql.Text)),
        _sort("json", Form(Kind.TEXT, long=True), st.sampled_from(['{"a":1}', "[]"]).map(tsql.Text)),
        _sort("binary", Form(Kind.BINARY), _bytes(8).map(lambda b: tsql.cast(b, "binary", 8)), length=8),
        _sort("varbinary", Form(Kind.BINARY), _bytes(20), length=20),
        _sort("image", Form(Kind.BINARY, long=True), st.one_of(_bytes(20), st.sampled_from([7999, 8000]).map(bytes).map(tsql.Binary))),
        _sort("uniqueidentifier", Form(Kind.UUID), st.uuids()),
        _sort("date", Form(Kind.DATE), st.integers(0, date.max.toordinal() - 1).map(tsql.Day), scale=0),
        _sort("time", Form(Kind.TIME), _times(7).map(tsql.Clock), scale=7),
        _sort("datetime", Form(Kind.TIMESTAMP), st.integers(53_690 * 86_400 * 300, 3_652_058 * 86_400 * 300).map(lambda c: c + 690_000 * 86_400 * 300).filter(lambda c: c < date.max.toordinal() * 86_400 * 300).map(tsql.Thirds), scale=3),
        _sort("smalldatetime", Form(Kind.TIMESTAMP), st.integers(998_878_080, 1_093_000_000).map(tsql.Minutes), scale=0),
        _sort("datetime2", Form(Kind.TIMESTAMP), _moments(7).map(tsql.Moment), scale=7),
        _sort("datetimeoffset", Form(Kind.INSTANT), st.builds(tsql.Instant, _moments(7), st.integers(-840, 840)).filter(lambda i: 0 <= i.ticks + i.minutes * 60 * tsql.SECOND <= _LAST), scale=7),
    )
}  # fmt: skip
"""By the name of the type, which is the column's too."""


IN_POSTGRESQL = {
    "bit": "boolean",
    "tinyint": "smallint",
    "smallint": "numeric(7, 2)",
    "int": "integer",
    "bigint": "numeric(19, 0)",
    "decimal": "numeric(38, 10)",
    "numeric": "numeric(12, 4)",
    "money": "numeric(21, 6)",
    "smallmoney": "numeric(10, 4)",
    "float": "double precision",
    "real": "real",
    "char": "character varying(8)",
    "varchar": "character varying(20)",
    "nchar": "character varying(8)",
    "nvarchar": "character varying(20)",
    "sysname": "text",
    "text": "text",
    "ntext": "text",
    "xml": "text",
    "json": "text",
    "binary": "bytea",
    "varbinary": "bytea",
    "image": "bytea",
    "uniqueidentifier": "uuid",
    "date": "date",
    "time": "time(6)",
    "datetime": "timestamp(6)",
    "smalldatetime": "timestamp(6)",
    "datetime2": "timestamp(6)",
    "datetimeoffset": "timestamptz(6)",
}
"""What PostgreSQL holds them in."""
NAMES = list(IN_POSTGRESQL)
ID = Column("id", "bigint", nullable=False, precision=19, scale=0)


def scans(
    target: Database, source_table: TableName, target_table: TableName, chunking: Chunking
) -> tuple[TableRead, TableRead]:
    """Both sides of a table with a column ``id`` and one of every type, in the forms that a plan would choose."""
    theirs = {column.name: column for column in target.catalogue.columns(target_table)}
    pairs = [(ID, theirs["id"]), *((SORTS[name].told.column, theirs[name]) for name in NAMES)]
    forms = [form_of("sqlserver", ours, "postgresql", other) for ours, other in pairs]
    told = [
        (ColumnRead(ours, form), ColumnRead(other, form))
        for (ours, other), form in zip(pairs, forms, strict=True)
        if form
    ]
    assert len(told) == len(pairs)
    ours, others = zip(*told, strict=True)
    return TableRead(source_table, ours, 1, chunking), TableRead(target_table, others, 1, chunking)


def added(sums: Iterable[ChunkSum]) -> dict[int, tuple[int, int]]:
    """Chunk to its rows and its sum modulo 2^64."""
    rows, totals = Counter[int](), Counter[int]()
    for one in sums:
        rows[one.chunk] += one.rows
        totals[one.chunk] = (totals[one.chunk] + one.sum) % (1 << 64)
    return {chunk: (rows[chunk], totals[chunk]) for chunk in rows}
