"""What becomes of a column's value when it is read as something else. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class How(StrEnum):
    """What becomes of a column's value when it is read. The first group is of native types, the second of what sinks write."""

    SECONDS = "seconds since 1970 or midnight"
    MILLISECONDS = "milliseconds since 1970 or midnight"
    MICROSECONDS = "microseconds since 1970 or midnight"
    NANOSECONDS = "nanoseconds since 1970 or midnight"
    DAYS = "days since 1970"
    ISO = "ISO text"
    ISO_WITH_OFFSET = "ISO text with its offset"
    UTC = "date and time in UTC"
    WORD_OF_UUID = "uuid as text"
    ZERO_OR_ONE = "0 or 1"
    WORD_OF_BOOLEAN = "true or false as text"
    DOUBLE = "double"
    DOCUMENT = "JSON as jsonb writes it"

    UUID_WORD = "text with a uuid"
    DATE_WORD = "text with a date"
    TIME_WORD = "text with a time"
    TIMESTAMP_WORD = "text with a date and time"
    INSTANT_WORD = "text with a date, a time and an offset"
    OFFSET_WORD = "text with a date, a time and an offset that counts"
    BOOLEAN_WORD = "text with true or false"
    DIGITS = "text or double with a number"
    UNSCALED = "bytes with an unscaled number"
    BASE64 = "base64 text"
    HEXADECIMAL = "hexadecimal text"
    PARSED = "text with JSON, as jsonb writes it"

    TRIMMED = "text without blanks at its end"


@dataclass(frozen=True)
class Reading:
    """`size`: an unscaled number's digits after the point; the characters that a text may be padded to."""

    how: How
    size: int = 0


UNITS = {
    "seconds": How.SECONDS,
    "milliseconds": How.MILLISECONDS,
    "microseconds": How.MICROSECONDS,
    "nanoseconds": How.NANOSECONDS,
    "days": How.DAYS,
}
EPOCHS = frozenset(UNITS.values())
