"""A value that was read as something else, back as its own column's type takes it: to find its row, name it, or write it. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from decimal import Context, Decimal

from cdcproof.databases.table_read import ColumnRead
from cdcproof.databases.values import canonical
from cdcproof.databases.values.reading import EPOCHS, How
from cdcproof.databases.values.types import ENCODED_WHOLE, Form, Kind

_DAYS_TO_2000, _MICROSECONDS_TO_2000 = 10_957, 946_684_800_000_000
_NANOSECONDS = {
    How.SECONDS: 1_000_000_000,
    How.MILLISECONDS: 1_000_000,
    How.MICROSECONDS: 1_000,
    How.NANOSECONDS: 1,
}
_DIGITS_OF = {How.SECONDS: 0, How.MILLISECONDS: 3, How.MICROSECONDS: 6, How.NANOSECONDS: 9, How.DAYS: 0}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ISO = re.compile(r"(?P<seconds>(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d)\.(?P<fraction>\d{7})(?P<offset> [+-]\d\d:\d\d)?")
_MOST_MICROSECONDS = 200_000_000_000_000_000


def as_text(one: ColumnRead, part: bytes) -> str:
    """A column's value as text that its own type reads, as `canonical.as_text` has it of a column that is taken as it is."""
    made = one.column.reading
    if made is not None and made.how in EPOCHS:
        return _moment(one, int.from_bytes(part, signed=True)) or canonical.as_text(one.form, part)
    return canonical.as_text(one.form, part)


def found_by(one: ColumnRead, part: bytes) -> tuple[str, ...] | None:
    """What the column holds of which this is made, as texts: one of them, where it was written as sinks write it.

    Empty where it holds no such value; None where only reading every row shows it.
    """
    made = one.column.reading
    if made is None:
        return None
    value = part[1:] if one.form.long and part.startswith(ENCODED_WHOLE) else part
    match made.how:
        case How.WORD_OF_UUID | How.UUID_WORD:
            text = value.decode("utf-8", "replace")
            if _UUID.fullmatch(text):
                return (text,) if made.how is How.WORD_OF_UUID else (text, text.upper())
            return () if made.how is How.WORD_OF_UUID else None
        case How.TRIMMED if not one.form.long or part.startswith(ENCODED_WHOLE):
            text = value.decode("utf-8", "replace")
            return None if "\ufffd" in text or "\x00" in text else tuple(dict.fromkeys((text, text.ljust(made.size))))
        case _ if made.how in EPOCHS and _is_exact(one):
            text = _moment(one, int.from_bytes(part, signed=True))
            return (text,) if text else None
        case _:
            return None


def is_found_for_sure(one: ColumnRead) -> bool:
    """Whether `found_by` finds every row: letters in mixed case it does not find, nor other padding, which only `character` ignores."""
    made = one.column.reading
    return made is None or not (
        made.how is How.UUID_WORD or (made.how is How.TRIMMED and one.column.type != "character")
    )


def written(one: ColumnRead, part: bytes, *, upper: bool = False) -> str:
    """A value as a sink writes it into this column. `upper`: a uuid in capitals, as SQL Server has it. Bytes in hexadecimal digits."""
    made = one.column.reading
    if made is None or made.how not in _WRITTEN:
        return as_text(one, part)
    text = _WRITTEN[made.how](one.form, part, made.size)
    return text.upper() if upper and made.how is How.UUID_WORD else text


def _is_exact(one: ColumnRead) -> bool:
    """Whether the unit loses none of the column's digits; nanoseconds of a moment may have lost their upper bits."""
    made, column = one.column.reading, one.column
    if made is None or (made.how is How.NANOSECONDS and column.type.partition(" ")[0] != "time"):
        return False
    digits = {"datetime": 3, "smalldatetime": 0, "date": 0}.get(column.type, column.scale)
    return _DIGITS_OF[made.how] >= (6 if digits is None else digits)


def _moment(one: ColumnRead, number: int) -> str:
    """The date, time or moment that a number stands for; empty where it is none that both engines know."""
    made, column = one.column.reading, one.column
    if made is None:
        return ""
    if made.how is How.DAYS:
        days = number - _DAYS_TO_2000
        return canonical.as_text(Form(Kind.DATE), days.to_bytes(4, signed=True)) if abs(days) < 1 << 30 else ""
    microseconds = number * _NANOSECONDS[made.how] // 1_000
    if column.type == "date":
        days = microseconds // 86_400_000_000 - _DAYS_TO_2000
        return canonical.as_text(Form(Kind.DATE), days.to_bytes(4, signed=True)) if abs(days) < 1 << 30 else ""
    if column.type.partition(" ")[0] == "time":
        in_a_day = 0 <= microseconds <= 86_400_000_000
        return canonical.as_text(Form(Kind.TIME), microseconds.to_bytes(8)) if in_a_day else ""
    since = microseconds - _MICROSECONDS_TO_2000
    kind = Kind.INSTANT if column.type in ("timestamp with time zone", "datetimeoffset") else Kind.TIMESTAMP
    return canonical.as_text(Form(kind), since.to_bytes(8, signed=True)) if abs(since) < _MOST_MICROSECONDS else ""


def _text(form: Form, part: bytes, _: int) -> str:
    return canonical.as_text(form, part)


def _iso(form: Form, part: bytes, _: int) -> str:
    """As Java writes it: T, no zeros at the end of the fraction, Z for the offset 0 where there is an offset."""
    text = canonical.as_text(form, part)
    found = _ISO.fullmatch(text)
    if not found:
        return text
    fraction = found["fraction"].rstrip("0")
    offset = (found["offset"] or "").strip()
    return (
        found["seconds"].replace(" ", "T")
        + (f".{fraction}" if fraction else "")
        + ("Z" if offset == "+00:00" else offset)
    )


def _unscaled(form: Form, part: bytes, size: int) -> str:
    number = int(Context(prec=100).scaleb(Decimal(canonical.as_text(form, part)), size))
    return number.to_bytes(((number if number >= 0 else ~number).bit_length()) // 8 + 1, signed=True).hex()


def _bytes(form: Form, part: bytes) -> bytes:
    return part[1:] if form.long else part


_WRITTEN: dict[How, Callable[[Form, bytes, int], str]] = {
    How.UUID_WORD: _text,
    How.TIME_WORD: _iso,
    How.TIMESTAMP_WORD: _iso,
    How.INSTANT_WORD: _iso,
    How.OFFSET_WORD: _iso,
    How.UNSCALED: _unscaled,
    How.BASE64: lambda form, part, _: base64.b64encode(_bytes(form, part)).decode(),
    How.HEXADECIMAL: lambda form, part, _: _bytes(form, part).hex(),
    How.UTC: lambda form, part, _: f"{canonical.as_text(form, part)}+00:00",
}
