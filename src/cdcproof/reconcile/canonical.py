"""The type contract: one canonical form for each value, so that equal bytes mean equal data on both sides.

A value's form depends on its kind alone, not on the engine or driver that gave it. A type without a kind is not
compared, and is named. Losses that replication itself brings are stated here:

- SQL Server's `datetime` counts 1/300 s and is known to the millisecond (.000 .003 .007): it is compared as such.
- `datetime2(7)` and `time(7)`: the seventh digit is cut off, since the target and Python hold microseconds.
- `datetimeoffset` is compared as the instant; the offset it was written with is lost at the target.
- Padding of `char(n)` and trailing blanks count. '' and ' ' and NULL are three different values.
- Floats are compared by their IEEE bytes, so -0.0 and 0.0 differ; every NaN is the same NaN.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from cdcproof.databases.base import Column
from cdcproof.pipeline import Engine

Encoder = Callable[[Any], bytes]

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  instants are counted from here without a zone, so that none overflows
_NULL = b"\xff\xff\xff\xff"  # no value is as long as this, so no length looks like it
_MICROSECOND = timedelta(microseconds=1)


class Kind(StrEnum):
    """What a value is, whatever the engine calls it. Only values of one kind are compared."""

    BOOLEAN = "boolean"
    NUMBER = "number"
    FLOAT = "float"
    TEXT = "text"
    BINARY = "binary"
    UUID = "uuid"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    INSTANT = "instant"


_KINDS: dict[Engine, dict[str, Kind]] = {
    "sqlserver": {
        "bit": Kind.BOOLEAN,
        **dict.fromkeys(("tinyint", "smallint", "int", "bigint"), Kind.NUMBER),
        **dict.fromkeys(("decimal", "numeric", "money", "smallmoney"), Kind.NUMBER),
        **dict.fromkeys(("float", "real"), Kind.FLOAT),
        **dict.fromkeys(("char", "nchar", "varchar", "nvarchar", "text", "ntext", "sysname"), Kind.TEXT),
        **dict.fromkeys(("binary", "varbinary", "image"), Kind.BINARY),
        "uniqueidentifier": Kind.UUID,
        "date": Kind.DATE,
        "time": Kind.TIME,
        **dict.fromkeys(("datetime", "smalldatetime", "datetime2"), Kind.TIMESTAMP),
        "datetimeoffset": Kind.INSTANT,
    },
    "postgresql": {
        "boolean": Kind.BOOLEAN,
        **dict.fromkeys(("smallint", "integer", "bigint", "numeric"), Kind.NUMBER),
        **dict.fromkeys(("real", "double precision"), Kind.FLOAT),
        **dict.fromkeys(("character", "character varying", "text"), Kind.TEXT),
        "bytea": Kind.BINARY,
        "uuid": Kind.UUID,
        "date": Kind.DATE,
        "time without time zone": Kind.TIME,
        "timestamp without time zone": Kind.TIMESTAMP,
        "timestamp with time zone": Kind.INSTANT,
    },
}


def kind_of(engine: Engine, column: Column) -> Kind | None:
    """The kind of a column's values; None for a type that the contract does not hold."""
    return _KINDS[engine].get(column.type)


def encoder(engine: Engine, column: Column) -> Encoder:
    """The function from a value of this column, as the driver gives it and not None, to its canonical bytes.

    Raises KeyError for a column that has no kind.
    """
    if engine == "sqlserver" and column.type == "datetime":
        return _millisecond_timestamp
    if column.type == "real":
        return _single
    return _ENCODERS[_KINDS[engine][column.type]]


def framed(encoders: Sequence[Encoder], values: Sequence[Any]) -> bytes:
    """Values as one string of bytes that no other values give: NULL is tagged, the rest carry their length."""
    parts = []
    for encode, value in zip(encoders, values, strict=True):
        if value is None:
            parts.append(_NULL)
        else:
            form = encode(value)
            parts.append(len(form).to_bytes(4, "big"))
            parts.append(form)
    return b"".join(parts)


def digest(frame: bytes) -> bytes:
    """128 bits that stand for a row."""
    return hashlib.blake2b(frame, digest_size=16).digest()


def _boolean(value: bool) -> bytes:
    return b"1" if value else b"0"


def _number(value: int | Decimal) -> bytes:
    """Exact decimal digits without trailing zeros: 1.5 and 1.5000 are the same number at any declared scale."""
    text = str(value) if isinstance(value, int) else format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return b"0" if text == "-0" else text.encode()


def _float(value: float) -> bytes:
    return b"nan" if math.isnan(value) else struct.pack(">d", value)


def _single(value: float) -> bytes:
    """Through four bytes first: ODBC drivers read a real's text as a double, and then 0.1 is not that real."""
    return _float(struct.unpack(">f", struct.pack(">f", value))[0])


def _text(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")  # nvarchar may hold half a surrogate pair


def _binary(value: bytes) -> bytes:
    return bytes(value)


def _uuid(value: UUID | str) -> bytes:
    return str(value).lower().encode()


def _date_or_time(value: date | time) -> bytes:
    return value.isoformat().encode()


def _millisecond_timestamp(value: datetime) -> bytes:
    milliseconds = round(value.microsecond / 1000)
    return (value.replace(microsecond=0) + timedelta(milliseconds=milliseconds)).isoformat().encode()


def _instant(value: datetime) -> bytes:
    offset = value.utcoffset() or timedelta()
    return b"%d" % ((value.replace(tzinfo=None) - _EPOCH - offset) // _MICROSECOND)


_ENCODERS: dict[Kind, Encoder] = {
    Kind.BOOLEAN: _boolean,
    Kind.NUMBER: _number,
    Kind.FLOAT: _float,
    Kind.TEXT: _text,
    Kind.BINARY: _binary,
    Kind.UUID: _uuid,
    Kind.DATE: _date_or_time,
    Kind.TIME: _date_or_time,
    Kind.TIMESTAMP: _date_or_time,
    Kind.INSTANT: _instant,
}
