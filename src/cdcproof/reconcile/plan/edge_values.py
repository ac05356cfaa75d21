"""Values at the edges of what a column can hold, as text that its server reads and as the canonical bytes it must make of them. Pure."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Context, Decimal
from typing import Any
from uuid import UUID

from cdcproof.databases.names import Column
from cdcproof.databases.table_read import ColumnRead
from cdcproof.databases.values import canonical
from cdcproof.databases.values.reading import EPOCHS, How, Reading
from cdcproof.databases.values.types import LONG_BYTES, Form, Kind, entry_of
from cdcproof.pipeline.engines import Engine
from cdcproof.reconcile.plan.edge_values_as_read import LISTED, converted, known

INTEGERS = {
    "tinyint": (0, 2**8 - 1),
    "smallint": (-(2**15), 2**15 - 1),
    **dict.fromkeys(("int", "integer"), (-(2**31), 2**31 - 1)),
    "bigint": (-(2**63), 2**63 - 1),
}
_MONEY = {
    "money": (Decimal("-922337203685477.5808"), Decimal("922337203685477.5807")),
    "smallmoney": (Decimal("-214748.3648"), Decimal("214748.3647")),
}
_EXACT = Context(prec=2_000)
_DIGITS = tuple(map(Decimal, ("0", "1.10", "-0.5", "1E-20", "NaN", "Infinity", "-Infinity", "9" * 50 + ".9")))
"""Of a number without a limit."""
_TEXTS = (
    *("", " ", "  ", "a", "A", "a ", " a", "NULL", "'", "\\", "\t\n", "%_", "1.0"),
    *("é", "e\u0301", "ß", "中", "😀", "😀 ", "\u00a0", "\ufeffa"),
)
_DOCUMENTS = {
    **dict.fromkeys(("json", "jsonb"), ('{"a": 1, "b": [true, null]}', '"é"', "[]", "1.50", "null")),
    "xml": ("<a>1</a>", '<a b="é"/>', "<a><b>x</b><b>y</b></a>"),
}
_MOST_OF_A_DOUBLE = Decimal("1e300")
_MOMENTS = (
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1899, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(1900, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2000, 1, 1, tzinfo=UTC),
    datetime(2024, 2, 29, 12, 30, 0, 3000, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
)
_TICKS = (*_MOMENTS[2:3], *_MOMENTS[4:6], datetime(1753, 1, 1, 0, 0, 0, 7000, tzinfo=UTC))
_MINUTES = (*_MOMENTS[2:3], *_MOMENTS[4:5], datetime(2079, 6, 6, 23, 59, tzinfo=UTC))
_EAST = timezone(timedelta(hours=5, minutes=30))
_SEVENTH = (("1965-01-02", "12:00:00.1234565", 123457), ("2025-01-02", "12:00:00.1234564", 123456))
"""Day, time with a seventh digit, microseconds that it is rounded to."""


@dataclass(frozen=True)
class Literal:
    """Text (None for NULL) that a server casts to the column's type, and the canonical bytes that must come of it."""

    text: str | None
    part: bytes | None


def literals(engine: Engine, read: ColumnRead) -> tuple[Literal, ...]:
    """NULL and what is at the edges of the column's declared type. Empty for a type that is not compared."""
    kind = entry_of(engine, read.column).kind
    if kind is None:
        return ()
    if read.column.reading:
        return (Literal(None, None), *_read(engine, read, read.column.reading, kind))
    native = Form(kind, max(read.column.scale or 0, 0) if kind is Kind.NUMBER else 0)
    plain = [
        Literal(canonical.literal(native, value), canonical.encode(read.form, _stored(engine, read.column, value)))
        for value in _values(engine, read.column, kind, long=read.form.long)
    ]
    return (Literal(None, None), *plain, *_written(engine, read.column, read.form))


def _read(engine: Engine, read: ColumnRead, made: Reading, kind: Kind) -> Iterator[Literal]:
    """Of a column that is read as something else: what its values become, which may be a text in place of a number."""
    column, form = read.column, read.form

    def encoded(value: Any) -> bytes:
        is_left = isinstance(value, str) and form.kind is Kind.NUMBER
        return value.encode() if is_left else canonical.encode(form, value)

    if made.how in LISTED:
        for text, value in known(made.how, column.type):
            scaled = (
                value.scaleb(-made.size, _EXACT) if made.how is How.UNSCALED and isinstance(value, Decimal) else value
            )
            if column.type == "bytea" or _fits(engine, column, text):
                yield Literal(text, encoded(scaled))
        return
    native = Form(kind, max(column.scale or 0, 0) if kind is Kind.NUMBER else 0)
    for value in _values(engine, column, kind, long=form.long):
        if not (made.how is How.DOUBLE and value.is_finite() and value.copy_abs() > _MOST_OF_A_DOUBLE):
            stored = value if made.how is How.TRIMMED else _stored(engine, column, value)
            yield Literal(canonical.literal(native, value), encoded(converted(made.how, column.type, stored)))
    if engine == "sqlserver" and (column.scale or 0) >= 7 and made.how in (*EPOCHS, How.ISO, How.ISO_WITH_OFFSET):
        zone = "+00:00" if kind is Kind.INSTANT else ""
        for day, clock, _ in _SEVENTH:
            moment = datetime.fromisoformat(f"{day}T{clock[:-1]}{zone}")
            at = moment.time() if kind is Kind.TIME else moment
            text = clock if kind is Kind.TIME else f"{day}T{clock}{zone}"
            yield Literal(text, encoded(converted(made.how, column.type, at, int(clock[-1]))))


def _values(engine: Engine, column: Column, kind: Kind, *, long: bool) -> Iterator[Any]:
    match kind:
        case Kind.BOOLEAN:
            yield from (True, False)
        case Kind.INTEGER:
            yield from {*INTEGERS[column.type], 0, 1, 7}
        case Kind.NUMBER:
            yield from _numbers(engine, column)
        case Kind.FLOAT | Kind.SINGLE:
            yield from _floats(engine, kind)
        case Kind.TEXT if column.type in _DOCUMENTS:
            yield from _DOCUMENTS[column.type]
        case Kind.TEXT:
            texts = (*_TEXTS, *(text for letter in "xé😀" for text in _long(letter, long=long)))
            yield from (text for text in texts if _fits(engine, column, text))
        case Kind.BINARY:
            raws = (b"", b"\x00", b"\x00\xff", b"' ", *(text.encode() for text in _long("x", long=long)))
            yield from (raw for raw in raws if column.length is None or len(raw) <= column.length)
        case Kind.UUID:
            yield from (UUID(int=0), UUID(int=2**128 - 1), UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"))
        case Kind.DATE:
            yield from (date(1, 1, 1), date(1999, 12, 31), date(2024, 2, 29), date(9999, 12, 31), *_endless(engine))
        case Kind.TIME:
            yield from (_cut(moment, column).time() for moment in _MOMENTS)
        case Kind.TIMESTAMP:
            moments = {"datetime": _TICKS, "smalldatetime": _MINUTES}.get(column.type, _MOMENTS)
            yield from (_cut(moment, column).replace(tzinfo=None) for moment in moments)
            yield from _endless(engine)
        case Kind.INSTANT:
            yield from (_cut(moment, column) for moment in _MOMENTS)
            yield from _endless(engine)


def _numbers(engine: Engine, column: Column) -> Iterator[Decimal]:
    if (engine, column.type) == ("postgresql", "money"):  # of which digits depend on the server
        yield from map(Decimal, ("0", "1", "-92233720368547758"))
        return
    if column.type in _MONEY:
        yield from (*_MONEY[column.type], Decimal(0), Decimal("-0.0001"))
        return
    if column.precision is None:
        yield from _DIGITS
        return
    step = Decimal(1).scaleb(-(column.scale or 0), _EXACT)
    most = _EXACT.multiply(Decimal(10**column.precision - 1), step)
    yield from (Decimal(0), step, step.copy_negate(), most, most.copy_negate())  # `-` rounds to 28 digits
    if engine == "postgresql":
        yield Decimal("NaN")


def _floats(engine: Engine, kind: Kind) -> Iterator[float]:
    least, most = (1.17549435e-38, 3.4028235e38)
    if kind is Kind.FLOAT:
        least, most = (2.2250738585072014e-308, 1.7976931348623157e308)
    yield from (0.0, 0.1, -1.0, least, most, -most)
    if engine == "postgresql":  # SQL Server has none of these, and no literal of a negative zero
        yield from (-0.0, math.nan, math.inf, -math.inf, 1e-45 if kind is Kind.SINGLE else 5e-324)


def _long(letter: str, *, long: bool) -> Iterator[str]:
    """Where there are long values: a text of one byte less than a value that is sent whole may have, of as many, of one more."""
    width = len(letter.encode())
    for size in range(LONG_BYTES - 1, LONG_BYTES + 2) if long else ():
        yield letter * (size // width) + "x" * (size % width)


def _fits(engine: Engine, column: Column, text: str) -> bool:
    """Lengths count characters in PostgreSQL, and units of 16 bits in SQL Server."""
    if column.type == "name":
        return len(text.encode()) < 64
    size = len(text) if engine == "postgresql" else len(text.encode("utf-16-le")) // 2
    return column.length is None or size <= column.length


def _stored(engine: Engine, column: Column, value: Any) -> Any:
    """What becomes of a value in a column that pads (SQL Server's session pads no literal), or that holds singles."""
    if (engine, column.type) == ("postgresql", "character"):
        return value.ljust(column.length or 1)
    if column.type == "real":
        return struct.unpack(">f", struct.pack(">f", value))[0]
    return value


def _endless(engine: Engine) -> tuple[float, ...]:
    return (math.inf, -math.inf) if engine == "postgresql" else ()


def _cut(moment: datetime, column: Column) -> datetime:
    """Digits after the second that the column has no place for are left out: how they would be rounded is not asked here."""
    unit = 10 ** max(0, 6 - (6 if column.scale is None else column.scale))
    return moment.replace(microsecond=moment.microsecond // unit * unit)


def _written(engine: Engine, column: Column, form: Form) -> Iterator[Literal]:
    """What Python has no value or no text of its own for: a zone, and SQL Server's seventh digit."""
    midnight = datetime(2000, 1, 1, tzinfo=_EAST)
    if form.kind is Kind.INSTANT:
        yield Literal("2000-01-01T00:00:00+05:30", canonical.encode(form, midnight))
    if engine != "sqlserver" or (column.scale or 0) < 7 or form.kind not in (Kind.TIME, Kind.TIMESTAMP, Kind.INSTANT):
        return
    zone = "+00:00" if form.kind is Kind.INSTANT else ""
    for day, clock, microseconds in _SEVENTH:
        if form.kind is Kind.TIME:
            yield Literal(clock, canonical.encode(form, time(12, 0, 0, microseconds)))
        else:
            rounded = datetime.fromisoformat(f"{day}T12:00:00{zone}").replace(microsecond=microseconds)
            yield Literal(f"{day}T{clock}{zone}", canonical.encode(form, rounded))
