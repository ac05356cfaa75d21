"""Known values of columns that are read as something else (`databases.values.conversions`), with the bytes that must come of them. Pure.

Of what the source has they are made here, by Python's own calendar and numbers; of what sinks write they are listed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from cdcproof.databases.values.reading import EPOCHS, How

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  a count of seconds, in whatever zone its values are
_NANOSECONDS = {
    How.SECONDS: 1_000_000_000,
    How.MILLISECONDS: 1_000_000,
    How.MICROSECONDS: 1_000,
    How.NANOSECONDS: 1,
}
_FOR_EVER, _SINCE_EVER = 9_223_372_036_825_200_000, -9_223_372_036_832_400_000
_LAST_DAY, _FIRST_DAY = 2**31 - 1, -(2**31)
_MOST_DAYS = 106_751_991


def converted(how: How, type_name: str, value: Any, ticks: int = 0) -> Any:
    """What a value of the source becomes. `ticks`: beyond its microseconds, of 100 nanoseconds each."""
    if type_name == "date" and how in EPOCHS and value in (math.inf, -math.inf) and how is not How.DAYS:
        return _units(how, (_MOST_DAYS if value > 0 else -_MOST_DAYS) * 86_400_000_000_000)
    if how in EPOCHS:
        return _count(how, value, ticks)
    return _CONVERTED[how](value, ticks)


def known(how: How, type_name: str) -> Iterator[tuple[str, Any]]:
    """What a sink may write, as text that its column's type reads, and what it stands for."""
    yield from _KNOWN_DOUBLES if how is How.DIGITS and type_name in ("double precision", "real") else _KNOWN[how]


def _count(how: How, value: Any, ticks: int) -> int:
    if isinstance(value, date) and not isinstance(value, datetime):
        days = (value - _EPOCH.date()).days
        return days if how is How.DAYS else _units(how, days * 86_400_000_000_000)
    if value in (math.inf, -math.inf):
        if how is How.DAYS:
            return _LAST_DAY if value > 0 else _FIRST_DAY
        whole = (_FOR_EVER if value > 0 else -_SINCE_EVER) * 1_000 // _NANOSECONDS[how]
        return _units(How.NANOSECONDS, whole if value > 0 else -whole)
    moment = datetime.combine(_EPOCH.date(), value) if isinstance(value, time) else value
    offset = moment.utcoffset()
    since = moment.replace(tzinfo=None) - _EPOCH - (offset or _EPOCH - _EPOCH)
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return _units(how, microseconds * 1_000 + ticks * 100)


def _units(how: How, nanoseconds: int) -> int:
    return (nanoseconds // _NANOSECONDS[how] + 2**63) % 2**64 - 2**63


def _iso(value: Any, ticks: int) -> str:
    if value in (math.inf, -math.inf):
        return "infinity" if value > 0 else "-infinity"
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    seconds = (
        value.replace(tzinfo=None).isoformat(" ", "seconds")
        if isinstance(value, datetime)
        else value.isoformat("seconds")
    )
    zone = " +00:00" if isinstance(value, datetime) and value.tzinfo else ""
    return f"{seconds}.{value.microsecond:06}{ticks}{zone}"


_CONVERTED: dict[How, Callable[[Any, int], Any]] = {
    How.ISO: _iso,
    How.ISO_WITH_OFFSET: _iso,
    How.UTC: lambda value, _: value if isinstance(value, float) else value.replace(tzinfo=None),
    How.WORD_OF_UUID: lambda value, _: str(value),
    How.ZERO_OR_ONE: lambda value, _: int(value),
    How.WORD_OF_BOOLEAN: lambda value, _: str(value).lower(),
    How.DOUBLE: lambda value, _: float(value),
    How.TRIMMED: lambda value, _: value.rstrip(" "),
}
_KNOWN_DOUBLES: tuple[tuple[str, Any], ...] = tuple(
    (text, Decimal(text)) for text in ("1.01", "-0.25", "1e+20", "1e-05", "0", "-0", "NaN", "Infinity", "-Infinity")
)
_DOCUMENTS: tuple[tuple[str, Any], ...] = (
    ('{"b": 1,  "a": [true,null]}', '{"a": [true, null], "b": 1}'),
    ('{"a": 1, "a": 1.50}', '{"a": 1.50}'),
    ('"\\u00e9"', '"é"'),
    ('"\\u0000 "', '"\\u0000 "'),
)
_KNOWN: dict[How, tuple[tuple[str, Any], ...]] = {
    How.DOCUMENT: _DOCUMENTS,
    How.PARSED: (*_DOCUMENTS, ("", ""), ('{"a": 1', '{"a": 1'), ("{'a': 1}", "{'a': 1}"), ("1 ", "1")),
    How.UUID_WORD: (
        ("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("A0EEBC999C0B4EF8BB6D6BB9BD380A11", "a0eebc999c0b4ef8bb6d6bb9bd380a11"),
        ("none", "none"),
        ("", ""),
    ),
    How.DATE_WORD: (
        ("2024-02-29", "2024-02-29"),
        ("2024-02-29Z", "2024-02-29"),
        ("2024-02-29T00:00:00Z", "2024-02-29"),
        ("2024-02-29T00:00:01Z", "2024-02-29T00:00:01Z"),
        ("29.2.2024", "29.2.2024"),
    ),
    How.TIME_WORD: (
        ("10:00", "10:00:00.0000000"),
        ("10:00:01.5Z", "10:00:01.5000000"),
        ("23:59:59.1234567", "23:59:59.1234567"),
        ("23:59:59.123456789", "23:59:59.123456789"),
        ("10 a.m.", "10 a.m."),
    ),
    How.TIMESTAMP_WORD: (
        ("2024-02-29T10:00", "2024-02-29 10:00:00.0000000"),
        ("2024-02-29T10:00:01.5Z", "2024-02-29 10:00:01.5000000"),
        ("2024-02-29 10:00:01.123456700+00", "2024-02-29 10:00:01.1234567"),
        ("2024-02-29T10:00:01+01:00", "2024-02-29T10:00:01+01:00"),
        ("today", "today"),
    ),
    How.INSTANT_WORD: (
        ("2024-02-29T10:00:01Z", "2024-02-29 10:00:01.0000000 +00:00"),
        ("2024-02-29T00:30:01.25+05:30", "2024-02-28 19:00:01.2500000 +00:00"),
        ("2024-02-29 10:00:01-05", "2024-02-29 15:00:01.0000000 +00:00"),
        ("2023-02-29T10:00:01+01:00", "2023-02-29T10:00:01+01:00"),
        ("2023-04-31T10:00:01+01:00", "2023-04-31T10:00:01+01:00"),
        ("2023-04-30T24:00:01+01:00", "2023-04-30T24:00:01+01:00"),
        ("now", "now"),
    ),
    How.OFFSET_WORD: (
        ("2024-02-29T10:00:01Z", "2024-02-29 10:00:01.0000000 +00:00"),
        ("2024-02-29T00:30:01.25+05:30", "2024-02-29 00:30:01.2500000 +05:30"),
        ("2024-02-29 10:00:01-05", "2024-02-29 10:00:01.0000000 -05:00"),
        ("2024-02-29T10:00:01", "2024-02-29T10:00:01"),
    ),
    How.BOOLEAN_WORD: (("true", "true"), ("F", "false"), ("1", "true"), ("0", "false"), ("yes", "yes")),
    How.DIGITS: (
        *((text, Decimal(text)) for text in ("12.30", "-0.5", "+7", "1E+3", "1.5e-7", "NaN", "0.00")),
        ("9" * 30 + ".125", Decimal("9" * 30 + ".125")),
        ("twelve", "twelve"),
        ("1.2.3", "1.2.3"),
        ("", ""),
    ),
    How.UNSCALED: (
        ("00", Decimal(0)),
        ("7f", Decimal(127)),
        ("0080", Decimal(128)),
        ("80", Decimal(-128)),
        ("ff", Decimal(-1)),
        ("4b3b4ca85a86c47a098a223fffffffff", Decimal(10**38 - 1)),
        ("b4c4b357a5793b85f675ddc000000001", Decimal(1 - 10**38)),
        ("", "bytes "),
        ("00" * 17, "bytes " + "00" * 17),
    ),
    How.BASE64: (
        ("AAEC/w==", b"\x00\x01\x02\xff"),
        ("AAEC_w", b"\x00\x01\x02\xff"),
        ("AAEC\n", b"\x00\x01\x02"),
        ("", b""),
        ("A", b"no base64: A"),
        ("a b", b"no base64: a b"),
    ),
    How.HEXADECIMAL: (
        ("00fF", b"\x00\xff"),
        ("\\x00ff", b"\x00\xff"),
        ("0x00FF", b"\x00\xff"),
        ("", b""),
        ("0", b"no hexadecimal: 0"),
        ("0g", b"no hexadecimal: 0g"),
    ),
}
LISTED = frozenset(_KNOWN)
"""Of what the values are listed: what only sinks make, and documents."""
