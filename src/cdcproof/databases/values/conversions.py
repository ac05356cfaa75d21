"""How columns of different kinds meet: what sinks make of a source's types, and as what each side is then read. Pure.

A sink that does not know a logical type writes what it is made of: Debezium's `time.precision.mode`, `decimal.handling.mode` and
`binary.handling.mode` decide which. Either the source's value is turned into what the sink writes, which cannot fail, or the
target's into what it stands for; then a value that stands for nothing keeps a form that no value of the source has.

Debezium's documentation, "Data type mappings" of its connectors for SQL Server and PostgreSQL. Seen in its classes of 3.4 (io.debezium.time):
units are cut off towards the past, nanoseconds overflow as Java's do, ISO text has no zeros at its end and always a zone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from cdcproof.databases.names import Column
from cdcproof.databases.values.reading import UNITS, How, Reading
from cdcproof.pipeline.engines import Engine

ISO_LENGTH = 34
"""``2024-01-31 23:59:59.1234567 +05:30``"""
UUID_LENGTH = 36
_MICRO_DIGITS = 6
_MILLI_DIGITS = 3
EXACT_DIGITS = {"double precision": 15, "real": 6}
"""Decimal digits that a float of PostgreSQL keeps, whatever they are: 15 of a double."""
MOST_UNSCALED_DIGITS = 38
"""What 16 bytes hold."""
_OFFSET_LOST = "its offset does not arrive"
_TEXTS = ("text", "character varying", "character", "citext")
_JSON = ("json", "jsonb")
_REWRITTEN = "compared as jsonb writes it: white space and the order of names do not count, and of one name the last value counts"
_INTEGERS = ("smallint", "integer", "bigint", "numeric")


@dataclass(frozen=True)
class Meeting:
    """One way in which two columns can be compared: each side's reading, None as it is. `rule` says what that loses.

    `written_as` is its name in a pipeline file, empty where there is no other way. What `must_be_said` is never tried on the data: word
    for word is what a text is, until the pipeline file says that a transform writes it anew.
    """

    source: Reading | None
    target: Reading | None
    rule: str = ""
    written_as: str = ""
    must_be_said: bool = False


def read(column: Column) -> Column:
    """The column as its reading makes it: of the type that is then compared."""
    return column if column.reading is None else _READ_AS.get(column.reading.how, _as_text)(column)


def meetings(source_engine: Engine, source: Column, target: Column) -> tuple[Meeting, ...]:
    """How a source's column can meet a PostgreSQL column of another type, the likeliest first; none where they cannot.

    Which it is of several has to be looked up in the data: a column of integers does not say its unit, nor a text its alphabet.
    """
    found = _MEETINGS.get(_family(source_engine, source.type))
    return tuple(found(source, target)) if found else ()


def _family(engine: Engine, type_name: str) -> str:
    """What a type is, of those that sinks write as something else; empty for others."""
    if engine == "sqlserver":
        families = {
            "bit": "boolean",
            **dict.fromkeys(("decimal", "numeric", "money", "smallmoney"), "number"),
            **dict.fromkeys(("binary", "varbinary", "image"), "binary"),
            "uniqueidentifier": "uuid",
            **dict.fromkeys(("date", "time", "datetime", "datetime2", "smalldatetime"), "moment"),
            "datetimeoffset": "instant",
            **dict.fromkeys(("char", "nchar"), "padded"),
            **dict.fromkeys(("varchar", "nvarchar"), "text"),
        }
    else:
        families = {
            "boolean": "boolean",
            **dict.fromkeys(("numeric", "money"), "number"),
            "bytea": "binary",
            "uuid": "uuid",
            **dict.fromkeys(("date", "time without time zone", "timestamp without time zone"), "moment"),
            "timestamp with time zone": "instant",
            "character": "padded",
            **dict.fromkeys(("character varying", "text"), "text"),
            **dict.fromkeys(("json", "jsonb"), "json"),
        }
    return families.get(type_name, "")


def _of_moment(source: Column, target: Column) -> Iterator[Meeting]:
    """A date, a time, or both."""
    if target.type in _INTEGERS:
        yield from _epochs(source)
    elif target.type in _TEXTS:
        base = source.type.partition(" ")[0]
        yield Meeting(
            Reading(How.ISO), Reading({"date": How.DATE_WORD, "time": How.TIME_WORD}.get(base, How.TIMESTAMP_WORD))
        )
    elif target.type == "timestamp with time zone" and source.type not in ("date", "time", "time without time zone"):
        yield Meeting(None, Reading(How.UTC))


def _of_instant(source: Column, target: Column) -> Iterator[Meeting]:
    if target.type in _INTEGERS:
        yield from _epochs(source)
    elif target.type in _TEXTS and source.type == "datetimeoffset":
        yield Meeting(Reading(How.ISO_WITH_OFFSET), Reading(How.OFFSET_WORD), written_as="iso")
        yield Meeting(Reading(How.ISO), Reading(How.INSTANT_WORD), _OFFSET_LOST, "iso-utc")
    elif target.type in _TEXTS:
        yield Meeting(Reading(How.ISO), Reading(How.INSTANT_WORD))
    elif target.type == "timestamp without time zone":
        is_offset = source.type == "datetimeoffset"
        yield Meeting(
            Reading(How.UTC), None, f"{_OFFSET_LOST}, nor does its seventh digit: rounded half up" if is_offset else ""
        )


def _of_uuid(_: Column, target: Column) -> Iterator[Meeting]:
    if target.type in _TEXTS:
        yield Meeting(Reading(How.WORD_OF_UUID), Reading(How.UUID_WORD))


def _of_boolean(_: Column, target: Column) -> Iterator[Meeting]:
    if target.type in _INTEGERS:
        yield Meeting(Reading(How.ZERO_OR_ONE), None)
    elif target.type in _TEXTS:
        yield Meeting(Reading(How.WORD_OF_BOOLEAN), Reading(How.BOOLEAN_WORD))


def _of_number(source: Column, target: Column) -> Iterator[Meeting]:
    if target.type in EXACT_DIGITS and source.precision and source.precision <= EXACT_DIGITS[target.type]:
        yield Meeting(None, Reading(How.DIGITS))
    elif target.type in EXACT_DIGITS:
        yield Meeting(Reading(How.DOUBLE), None, f"compared as the {target.type} that arrives")
    elif target.type in _TEXTS:
        yield Meeting(None, Reading(How.DIGITS))
    elif target.type == "bytea" and source.precision and source.precision <= MOST_UNSCALED_DIGITS:
        yield Meeting(None, Reading(How.UNSCALED, source.scale or 0))


def _of_binary(_: Column, target: Column) -> Iterator[Meeting]:
    if target.type in _TEXTS:
        yield Meeting(None, Reading(How.BASE64), written_as="base64")
        yield Meeting(None, Reading(How.HEXADECIMAL), written_as="hex")


def _of_padded(source: Column, target: Column) -> Iterator[Meeting]:
    if target.type in _TEXTS and target.type != "character":
        yield _trimmed(source, target)


def _of_text(source: Column, target: Column) -> Iterator[Meeting]:
    if target.type == "character":
        yield _trimmed(source, target)
    elif source.type in ("text", "character varying") and target.type in (*_TEXTS, *_JSON):  # of PostgreSQL
        if target.type != "jsonb":
            yield Meeting(None, None)
        yield _documents(source, target)


def _of_json(source: Column, target: Column) -> Iterator[Meeting]:
    if target.type in _JSON:
        is_kept = source.type == target.type == "jsonb"
        yield Meeting(Reading(How.DOCUMENT), Reading(How.DOCUMENT), "" if is_kept else _REWRITTEN, "json")
    elif target.type in _TEXTS:
        yield Meeting(None, None)
        yield _documents(source, target)


def _documents(source: Column, target: Column) -> Meeting:
    """Both as documents: a transform that parses JSON writes the same document in its own way."""
    ours, theirs = (Reading(How.DOCUMENT if one.type in _JSON else How.PARSED) for one in (source, target))
    return Meeting(ours, theirs, _REWRITTEN, "json", must_be_said=True)


_MEETINGS: dict[str, Callable[[Column, Column], Iterator[Meeting]]] = {
    "moment": _of_moment,
    "instant": _of_instant,
    "uuid": _of_uuid,
    "boolean": _of_boolean,
    "number": _of_number,
    "binary": _of_binary,
    "padded": _of_padded,
    "text": _of_text,
    "json": _of_json,
}


def _epochs(source: Column) -> Iterator[Meeting]:
    """The unit of `time.precision.mode=adaptive` first, then all others: `connect`, `adaptive_time_microseconds` and what transforms make."""
    digits = {"datetime": _MILLI_DIGITS, "smalldatetime": 0}.get(source.type, source.scale)
    digits = _MICRO_DIGITS if digits is None else digits
    is_date = source.type == "date"
    if is_date:
        first = "days"
    elif digits <= _MILLI_DIGITS:
        first = "milliseconds"
    else:
        first = "microseconds" if digits <= _MICRO_DIGITS else "nanoseconds"
    places = {"seconds": 0, "milliseconds": 3, "microseconds": 6, "nanoseconds": 9}
    units = [first, *(unit for unit in ("milliseconds", "microseconds", "nanoseconds", "seconds") if unit != first)]
    for unit in units:
        rules = []
        if not is_date and places[unit] < digits:
            rules.append(f"compared in whole {unit}, as they arrive")
        if unit == "nanoseconds" and source.type.startswith(("timestamp", "date")):
            rules.append("before 1677 and after 2262 its 64 bits overflow, as Debezium's do")
        if source.type == "datetimeoffset":
            rules.append(_OFFSET_LOST)
        yield Meeting(Reading(UNITS[unit]), None, "; ".join(rules), unit)


def _trimmed(source: Column, target: Column) -> Meeting:
    size = max(column.length or 0 for column in (source, target) if column.type in ("char", "nchar", "character"))
    rule = "its padding does not count: blanks at the end of either side are cut off"
    return Meeting(Reading(How.TRIMMED, size), Reading(How.TRIMMED, size), rule)


def _typed(column: Column, type_name: str) -> Column:
    return replace(column, type=type_name, scale=None, precision=None, length=None)


def _text(column: Column, length: int) -> Column:
    return replace(_typed(column, "text"), length=length)


def _as_text(column: Column) -> Column:
    return replace(column, type="text", scale=None, precision=None)


def _in_utc(column: Column) -> Column:
    return replace(column, type="datetime2" if column.type == "datetimeoffset" else "timestamp without time zone")


def _unpadded(column: Column) -> Column:
    kin = {"char": "varchar", "varchar": "varchar", "nchar": "nvarchar", "nvarchar": "nvarchar"}
    return replace(column, type=kin.get(column.type, "text"))


def _counted(column: Column) -> Column:
    """Seconds and milliseconds of a day are few."""
    fine = column.reading is not None and column.reading.how in (How.MICROSECONDS, How.NANOSECONDS)
    return _typed(column, "integer" if column.type.partition(" ")[0] == "time" and not fine else "bigint")


_READ_AS: dict[How, Callable[[Column], Column]] = {
    How.DAYS: lambda column: _typed(column, "integer"),
    **dict.fromkeys((How.SECONDS, How.MILLISECONDS, How.MICROSECONDS, How.NANOSECONDS), _counted),
    How.ZERO_OR_ONE: lambda column: _typed(column, "smallint"),
    How.ISO: lambda column: _text(column, ISO_LENGTH),
    How.ISO_WITH_OFFSET: lambda column: _text(column, ISO_LENGTH),
    How.WORD_OF_UUID: lambda column: _text(column, UUID_LENGTH),
    How.WORD_OF_BOOLEAN: lambda column: _text(column, len("false")),
    How.UTC: _in_utc,
    How.DOUBLE: lambda column: _typed(column, "float"),
    How.DIGITS: lambda column: _typed(column, "numeric"),
    How.UNSCALED: lambda column: _typed(column, "numeric"),
    How.BASE64: lambda column: _typed(column, "bytea"),
    How.HEXADECIMAL: lambda column: _typed(column, "bytea"),
    How.TRIMMED: _unpadded,
    How.PARSED: lambda column: _typed(column, "text"),
}
"""All other readings are text as long as the column."""
