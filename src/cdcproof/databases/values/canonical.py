"""Python's own reference of the canonical bytes (types.py): what calibration measures both servers by. Pure."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from cdcproof.databases.table_read import Chunking
from cdcproof.databases.values.types import ENCODED_BY_HASH, ENCODED_WHOLE, LONG_BYTES, Form, Kind

_DAYS_TO_2000 = date(2000, 1, 1).toordinal()
_DAYS_IN_400_YEARS = 146_097
_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001  a count of microseconds, in whatever zone its values are
_MICROSECOND = timedelta(microseconds=1)
_MICROSECONDS_A_DAY = 86_400_000_000
_NULL = b"\xff\xff\xff\xff"


def encode(form: Form, value: Any) -> bytes:
    """The canonical bytes of a value that is not NULL.

    Takes bool, int, int or Decimal, float, str, bytes, UUID, date, time and datetime, as the form's kind is; an instant
    has a zone and a timestamp none. An infinite date, timestamp or instant is ``math.inf`` or ``-math.inf``.
    """
    part = _encode(form, value)
    return _long(part) if form.long else part


def as_text(form: Form, part: bytes) -> str:
    """Canonical bytes as text: what both engines read as a value of the kind (binary: hexadecimal digits).

    A long value that was hashed is written as its size and SHA-256, for people only.
    """
    if form.long and part[:1] == ENCODED_BY_HASH:
        return f"{int.from_bytes(part[1:9]):,} bytes with SHA-256 {part[9:].hex()}"
    return _PRINT[form.kind](part[1:] if form.long else part)


def literal(form: Form, value: Any) -> str:
    """A value as text that both engines' casts read (binary: hexadecimal digits)."""
    return str(value) if form.kind is Kind.TEXT else _PRINT[form.kind](_encode(form, value))


def frame(forms: Sequence[Form], parts: Sequence[bytes | None]) -> bytes:
    """A row's frame from its columns' canonical bytes."""
    pieces = [struct.pack(">i", len(forms))]
    for form, part in zip(forms, parts, strict=True):
        pieces.append(struct.pack(">i", form.oid))
        pieces.append(_NULL if part is None else struct.pack(">i", len(part)) + part)
    return b"".join(pieces)


def digest(of_frame: bytes) -> bytes:
    """The MD5 of a frame."""
    return hashlib.md5(of_frame, usedforsecurity=False).digest()


def row_hash(of_frame: bytes) -> int:
    """What is summed for a row: the first 8 bytes of its digest, as a signed number."""
    return int.from_bytes(digest(of_frame)[:8], signed=True)


def chunk_of(chunking: Chunking, forms: Sequence[Form], parts: Sequence[bytes | None]) -> int:
    """The chunk a row falls into."""
    if not chunking.width:
        columns = slice(chunking.columns)
        return int.from_bytes(digest(frame(forms[columns], parts[columns]))[:4]) % chunking.buckets
    if parts[0] is None:
        raise ValueError("a column that chunks are cut by is never NULL")
    value = int.from_bytes(parts[0], signed=True)
    return value // chunking.width if value >= 0 else -(-value // chunking.width)


def _encode(form: Form, value: Any) -> bytes:
    if form.kind is Kind.NUMBER:
        return _number(Decimal(value), form.scale).encode()
    return _ENCODE[form.kind](value)


def _number(value: Decimal, scale: int) -> str:
    if not value.is_finite():
        return "NaN" if value.is_nan() else f"{'-' if value < 0 else ''}Infinity"
    whole, _, fraction = format(value.copy_abs(), "f").partition(".")
    fraction = fraction.rstrip("0").ljust(scale, "0")
    text = (whole.lstrip("0") or "0") + (f".{fraction}" if fraction else "")
    return f"-{text}" if value < 0 else text


def _float(layout: str, value: float) -> bytes:
    return struct.pack(layout, math.nan if math.isnan(value) else value)


def _date(value: Any) -> bytes:
    return _endless(">i", 31, value) or struct.pack(">i", value.toordinal() - _DAYS_TO_2000)


def _timestamp(value: Any) -> bytes:
    return _endless(">q", 63, value) or struct.pack(">q", (value - _EPOCH) // _MICROSECOND)


def _instant(value: Any) -> bytes:
    """Without `astimezone`, which fails where the year in UTC would be 0 or 10000."""
    if endless := _endless(">q", 63, value):
        return endless
    offset = value.utcoffset()
    if offset is None:
        raise ValueError("an instant has a zone")
    return struct.pack(">q", (value.replace(tzinfo=None) - _EPOCH - offset) // _MICROSECOND)


def _endless(layout: str, bits: int, value: Any) -> bytes:
    """The largest or smallest number of so many bits, for what is infinite; nothing for all else."""
    if value in (math.inf, -math.inf):
        return struct.pack(layout, 2**bits - 1 if value > 0 else -(2**bits))
    return b""


def _long(part: bytes) -> bytes:
    if len(part) <= LONG_BYTES:
        return ENCODED_WHOLE + part
    return ENCODED_BY_HASH + struct.pack(">q", len(part)) + hashlib.sha256(part).digest()


def _printed_float(value: float, finite: Callable[[float], str]) -> str:
    if math.isnan(value):
        return "NaN"
    return finite(value) if math.isfinite(value) else f"{'-' if value < 0 else ''}Infinity"


def _shortest_single(value: float) -> str:
    """The fewest digits that read as this single again; nine always do."""
    texts = (f"{value:.{digits}g}" for digits in range(1, 10))
    return next(text for text in texts if struct.pack(">d", _as_single(text)) == struct.pack(">d", value))


def _as_single(text: str) -> float:
    try:
        return float(struct.unpack(">f", struct.pack(">f", float(text)))[0])
    except OverflowError:  # rounded up beyond the largest
        return math.inf


def _infinite(part: bytes) -> str:
    """A date or moment that is infinite, as both are written; empty for all others."""
    number, most = int.from_bytes(part, signed=True), 2 ** (len(part) * 8 - 1)
    return "infinity" if number == most - 1 else "-infinity" if number == -most else ""


def _day(days: int) -> tuple[str, str]:
    """A day counted from 2000-01-01, in years beyond Python's too: its ISO text, and `` BC`` where it needs that."""
    cycles, rest = divmod(days + _DAYS_TO_2000 - 1, _DAYS_IN_400_YEARS)
    day = date.fromordinal(rest + 1)
    year = day.year + cycles * 400
    return f"{year if year > 0 else 1 - year:04}-{day:%m-%d}", "" if year > 0 else " BC"


def _moment(part: bytes, zone: str) -> str:
    days, rest = divmod(int.from_bytes(part, signed=True), _MICROSECONDS_A_DAY)
    day, era = _day(days)
    return f"{day}T{_clock(rest)}{zone}{era}"


def _clock(microseconds: int) -> str:
    """Three digits after the second where they are enough: SQL Server's datetime reads no more."""
    seconds, rest = divmod(microseconds, 1_000_000)
    fraction = f".{rest:06}".removesuffix("000") if rest else ""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"


_ENCODE: dict[Kind, Callable[[Any], bytes]] = {
    Kind.BOOLEAN: lambda value: b"\x01" if value else b"\x00",
    Kind.INTEGER: lambda value: struct.pack(">q", value),
    Kind.FLOAT: lambda value: _float(">d", value),
    Kind.SINGLE: lambda value: _float(">f", value),
    Kind.TEXT: lambda value: str(value).encode(),
    Kind.BINARY: bytes,
    Kind.UUID: lambda value: UUID(str(value)).bytes,
    Kind.DATE: _date,
    Kind.TIME: lambda value: struct.pack(">q", (datetime.combine(_EPOCH, value) - _EPOCH) // _MICROSECOND),
    Kind.TIMESTAMP: _timestamp,
    Kind.INSTANT: _instant,
}
_PRINT: dict[Kind, Callable[[bytes], str]] = {
    Kind.BOOLEAN: lambda part: "true" if part == b"\x01" else "false",
    Kind.INTEGER: lambda part: str(int.from_bytes(part, signed=True)),
    Kind.NUMBER: bytes.decode,
    Kind.FLOAT: lambda part: _printed_float(struct.unpack(">d", part)[0], repr),
    Kind.SINGLE: lambda part: _printed_float(struct.unpack(">f", part)[0], _shortest_single),
    Kind.TEXT: lambda part: part.decode("utf-8", "backslashreplace"),
    Kind.BINARY: bytes.hex,
    Kind.UUID: lambda part: str(UUID(bytes=part)),
    Kind.DATE: lambda part: _infinite(part) or "{}{}".format(*_day(int.from_bytes(part, signed=True))),
    Kind.TIME: lambda part: _clock(int.from_bytes(part)),
    Kind.TIMESTAMP: lambda part: _infinite(part) or _moment(part, ""),
    Kind.INSTANT: lambda part: _infinite(part) or _moment(part, "+00:00"),
}
