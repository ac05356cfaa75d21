"""SQL Server's values and CAST, as far as a comparison needs them: written from Microsoft's reference, apart from the code under test.

For `tests/tsql_engine.py`. What is not known here is an error, so that no test passes for want of knowledge.
"""

from __future__ import annotations

import math
import re
import reprlib
import struct
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any
from uuid import UUID

SECOND = 10_000_000
"""In ticks of 100 ns, which date 1 of January of the year 1 is 0 of."""
DAY = 86_400 * SECOND
EXACT = Context(prec=80)


class SqlError(Exception):
    """What the server would answer with an error."""


@dataclass(frozen=True)
class Int:
    value: int
    bits: int = 32


@dataclass(frozen=True)
class Money:
    value: Decimal


@dataclass(frozen=True)
class Float:
    value: float
    single: bool = False


@dataclass(frozen=True)
class Text:
    """`wide`: nvarchar. A varchar is in code page 1252, or in UTF-8 if its collation is."""

    text: str
    wide: bool = True
    utf8: bool = False
    large: bool = False

    def __repr__(self) -> str:
        return f"Text({reprlib.repr(self.text)}, wide={self.wide})"

    @property
    def raw(self) -> bytes:
        if self.wide:
            return self.text.encode("utf-16-le", "surrogatepass")
        return self.text.encode("utf-8" if self.utf8 else "cp1252", "replace")


@dataclass(frozen=True)
class Binary:
    data: bytes
    large: bool = False

    def __repr__(self) -> str:
        return f"Binary({reprlib.repr(self.data)})"


@dataclass(frozen=True)
class Day:
    days: int


@dataclass(frozen=True)
class Clock:
    ticks: int
    scale: int = 7


@dataclass(frozen=True)
class Moment:
    """datetime2"""

    ticks: int
    scale: int = 7


@dataclass(frozen=True)
class Instant:
    """datetimeoffset: `ticks` in UTC"""

    ticks: int
    minutes: int
    scale: int = 7


@dataclass(frozen=True)
class Thirds:
    """datetime: 1/300 s"""

    count: int


@dataclass(frozen=True)
class Minutes:
    """smalldatetime"""

    count: int


BITS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
MAX = "max"


def cast(value: Any, kind: str, *sizes: Any) -> Any:
    """CAST(value AS kind(sizes)). `sizes` are numbers, or "max"."""
    if value is None:
        return None
    size = sizes[0] if sizes else None
    if kind in BITS:
        return _integer(value, BITS[kind])
    if kind in ("decimal", "numeric"):
        return _decimal(value, *(sizes or (18, 0)))
    return _CASTS[kind](value, size)


def shown_at_length(value: Any, kind: str, size: Any) -> Text | None:
    """CONVERT(varchar(size), value, 121): a date, a time or both, with all the digits that its type has."""
    if value is None:
        return None
    assert kind == "varchar"
    digits = getattr(value, "scale", 0)
    ticks = value.days * DAY if isinstance(value, Day) else value.ticks
    if isinstance(value, Instant):
        ticks += value.minutes * 60 * SECOND
    day, rest = date.fromordinal(ticks // DAY + 1).isoformat(), ticks % DAY
    seconds, fraction = divmod(rest, SECOND)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    clock += f".{fraction:07}"[: digits + 1] if digits else ""
    made = day if isinstance(value, Day) else clock if isinstance(value, Clock) else f"{day} {clock}"
    if isinstance(value, Instant):
        made += f" {'-' if value.minutes < 0 else '+'}{abs(value.minutes) // 60:02}:{abs(value.minutes) % 60:02}"
    return _text(Text(made, wide=False), size, wide=False)


def _integer(value: Any, bits: int) -> Int:
    if isinstance(value, bool):
        return Int(int(value), bits)
    low, high = (0, 255) if bits == 8 else (-(1 << bits - 1), (1 << bits - 1) - 1)
    if isinstance(value, Int):
        number = value.value
    elif isinstance(value, Decimal):
        number = int(value)
    elif isinstance(value, Text) and re.fullmatch(r"\s*[+-]?\d+\s*", value.text):
        number = int(value.text)
    elif isinstance(value, Binary):  # the last bytes count, without a sign unless they are all there
        number = int.from_bytes(value.data[-bits // 8 :], signed=len(value.data) >= bits // 8)
    else:
        raise SqlError(f"conversion of {value} to an integer")
    if not low <= number <= high:
        raise SqlError(f"arithmetic overflow: {number} in {bits} bits")
    return Int(number, bits)


def _decimal(value: Any, precision: int, scale: int = 0) -> Decimal:
    source: Any = value.value if isinstance(value, Int | Money) else value.text if isinstance(value, Text) else value
    if isinstance(value, Text) and not re.fullmatch(r"[+-]?\d+(\.\d*)?", value.text):
        raise SqlError(f"conversion of {value.text!r} to decimal")
    number = Decimal(source).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, EXACT)
    if number and number.adjusted() >= precision - scale:
        raise SqlError(f"arithmetic overflow: {number} in decimal({precision}, {scale})")
    return EXACT.add(number, Decimal(0))  # a zero has no sign


def _money(value: Any, _: Any) -> Money:
    return Money(_decimal(value, 19, 4))


def _bit(value: Any, _: Any) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    if isinstance(value, Text) and value.text.lower() in words:
        return words[value.text.lower()]
    raise SqlError(f"conversion of {value} to bit")


def _float(value: Any, single: bool) -> Float:
    try:
        number = float(value.text if isinstance(value, Text) else value if isinstance(value, Decimal) else value.value)
        number = struct.unpack("<f", struct.pack("<f", number))[0] if single else number
    except (ValueError, OverflowError, AttributeError) as error:
        raise SqlError(f"conversion of {value} to float: {error}") from None
    if not math.isfinite(number):
        raise SqlError("float has no NaN and no infinity")
    return Float(number, single)


def _text(value: Any, size: Any, *, wide: bool, padded: bool = False) -> Text:
    if isinstance(value, Text):
        made = replace(value, wide=wide, large=size == MAX)
    else:
        made = Text(_shown(value), wide, large=size == MAX)
    if size != MAX:
        limit = int(size) * (2 if wide else 1)
        if not isinstance(value, Text) and len(made.raw) > limit:
            raise SqlError("result is too short to display")
        encoding = "utf-16-le" if wide else "utf-8" if made.utf8 else "cp1252"
        made = replace(made, text=made.raw[:limit].decode(encoding, "ignore" if made.utf8 else "surrogatepass"))
        if padded:
            made = replace(made, text=made.text.ljust(int(size)))
    return made


def _shown(value: Any) -> str:
    if isinstance(value, Int):
        return str(value.value)
    if isinstance(value, Money):
        return f"{value.value:.2f}"  # style 0
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, UUID):
        return str(value).upper()
    raise SqlError(f"conversion of {value} to text is not known here")


def _binary(value: Any, size: Any, *, padded: bool = False) -> Binary:
    if isinstance(value, Int):
        raw = value.value.to_bytes(value.bits // 8, signed=value.bits > 8)
        return Binary(raw.rjust(int(size), b"\0")[-int(size) :])  # zeros, whatever the sign
    if isinstance(value, bool):
        return Binary(bytes([value]).rjust(int(size), b"\0"))
    if isinstance(value, Float):
        return Binary(struct.pack(">f" if value.single else ">d", value.value)[: int(size)])
    if isinstance(value, UUID):
        return Binary(value.bytes_le)
    raw = value.raw if isinstance(value, Text) else value.data if isinstance(value, Binary) else None
    if raw is None:
        raise SqlError(f"the bytes of {value} are not promised to be the same in every version")
    raw = raw if size == MAX else raw[: int(size)]
    return Binary(raw.ljust(int(size), b"\0") if padded else raw, large=size == MAX)


def from_hexadecimal(value: Any, kind: str, size: Any) -> Binary | None:
    """CONVERT(binary, text, 2)."""
    if value is None:
        return None
    try:
        raw = bytes.fromhex(value.text) if not re.search(r"\s", value.text) else None
    except ValueError:
        raw = None
    if raw is None:
        raise SqlError(f"conversion of {value.text!r} from hexadecimal")
    return _binary(Binary(raw), size, padded=kind == "binary")


def _day(value: Any, _: Any) -> Day:
    return Day(_moment(value, 7).ticks // DAY)


def _clock(value: Any, scale: Any) -> Clock:
    if isinstance(value, Text):
        return Clock(_round(_ticks_of_day(value.text), scale) % DAY, scale)
    if isinstance(value, Clock):
        return Clock(_round(value.ticks, scale) % DAY, scale)
    raise SqlError(f"conversion of {value} to time is not known here")


def _moment(value: Any, scale: Any) -> Moment:
    if isinstance(value, Moment):
        ticks = value.ticks
    elif isinstance(value, Thirds):
        ticks = (2 * value.count * SECOND // 300 + 1) // 2  # to the nearest of 100 ns
    elif isinstance(value, Minutes):
        ticks = value.count * 60 * SECOND
    elif isinstance(value, Day):
        ticks = value.days * DAY
    elif isinstance(value, Instant):  # the offset is dropped: local time
        ticks = value.ticks + value.minutes * 60 * SECOND
    elif isinstance(value, Text):
        ticks = _parsed(value.text)
    else:
        raise SqlError(f"conversion of {value} to datetime2 is not known here")
    return Moment(_in_range(_round(ticks, scale)), scale)


def _thirds(value: Any, _: Any) -> Thirds:
    if isinstance(value, Text) and re.search(r"\.\d{4,}", value.text):
        raise SqlError("datetime reads three digits after the second")
    ticks = _moment(value, 7).ticks
    if ticks < date(1753, 1, 1).toordinal() * DAY - DAY:
        raise SqlError("out of range for datetime")
    return Thirds((ticks * 300 * 2 // SECOND + 1) // 2)


def _minutes(value: Any, _: Any) -> Minutes:
    ticks = _moment(value, 7).ticks
    if not (date(1900, 1, 1).toordinal() - 1) * DAY <= ticks < date(2079, 6, 7).toordinal() * DAY:
        raise SqlError("out of range for smalldatetime")
    return Minutes((ticks // (30 * SECOND) + 1) // 2)


def _instant(value: Any, scale: Any) -> Instant:
    if isinstance(value, Instant):
        return Instant(_round(value.ticks, scale), value.minutes, scale)
    found = re.fullmatch(r"(.*?)([+-])(\d\d):(\d\d)", value.text) if isinstance(value, Text) else None
    if not found:
        raise SqlError(f"conversion of {value} to datetimeoffset")
    minutes = (int(found[3]) * 60 + int(found[4])) * (-1 if found[2] == "-" else 1)
    return Instant(_in_range(_round(_parsed(found[1]) - minutes * 60 * SECOND, scale)), minutes, scale)


def _uuid(value: Any, _: Any) -> UUID:
    if isinstance(value, Text) and re.fullmatch(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", value.text):
        return UUID(value.text)
    raise SqlError(f"conversion of {value} to uniqueidentifier")


def _parsed(text: str) -> int:
    found = re.fullmatch(r"(\d{4})-?(\d\d)-?(\d\d)(?:[T ](.*))?", text)
    try:
        days = date(int(found[1]), int(found[2]), int(found[3])).toordinal() - 1 if found else None
    except ValueError:
        days = None
    if found is None or days is None:
        raise SqlError(f"conversion of {text!r} to a date")
    return days * DAY + (_ticks_of_day(found[4]) if found[4] else 0)


def _ticks_of_day(text: str) -> int:
    found = re.fullmatch(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,7}))?)?", text)
    if not found or int(found[1]) > 23:
        raise SqlError(f"conversion of {text!r} to a time")
    seconds = int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3] or 0)
    return seconds * SECOND + int((found[4] or "").ljust(7, "0"))


def _round(ticks: int, scale: Any) -> int:
    unit = 10 ** (7 - (7 if scale is None else int(scale)))
    return (2 * ticks // unit + 1) // 2 * unit


def _in_range(ticks: int) -> int:
    if not 0 <= ticks < date.max.toordinal() * DAY:
        raise SqlError("out of range")
    return ticks


_CASTS: dict[str, Any] = {
    "bit": _bit,
    "money": _money,
    "smallmoney": _money,
    "float": lambda value, _: _float(value, single=False),
    "real": lambda value, _: _float(value, single=True),
    "char": lambda value, size: _text(value, size, wide=False, padded=True),
    "varchar": lambda value, size: _text(value, size, wide=False),
    "nchar": lambda value, size: _text(value, size, wide=True, padded=True),
    "nvarchar": lambda value, size: _text(value, size, wide=True),
    "text": lambda value, _: _text(value, MAX, wide=False),
    "ntext": lambda value, _: _text(value, MAX, wide=True),
    "binary": lambda value, size: _binary(value, size, padded=True),
    "varbinary": _binary,
    "image": lambda value, _: _binary(value, MAX),
    "uniqueidentifier": _uuid,
    "xml": lambda value, _: _text(value, MAX, wide=True),
    "json": lambda value, _: _text(value, MAX, wide=True),
    "date": _day,
    "time": _clock,
    "datetime": _thirds,
    "smalldatetime": _minutes,
    "datetime2": _moment,
    "datetimeoffset": _instant,
}
