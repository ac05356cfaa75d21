"""The type contract: what every type of SQL Server and PostgreSQL is compared as, and what that loses. docs/TYPES.md is made from it.

A value's canonical form depends on its kind alone, so that equal bytes mean equal data. The forms are PostgreSQL's own
binary wire forms (`int8send`, `textsend`, …), because they are exact, cheap to make in both servers and easy to read in Python:

| kind | canonical bytes |
|---|---|
| boolean | one byte, 0 or 1 |
| integer | 8 bytes, two's complement |
| number | decimal digits as text, with `scale` digits after the point (more where the value has more); ``NaN``, ``Infinity`` |
| float, single | the IEEE bytes, 8 or 4; every NaN is 7ff8…; -0.0 and 0.0 differ |
| text | UTF-8; case, blanks and padding count |
| binary | the bytes |
| uuid | its 16 bytes in the order they are written |
| date | days since 2000-01-01, 4 bytes; infinity is the largest value |
| time | microseconds since midnight, 8 bytes; what is rounded up to midnight is 0 |
| timestamp, instant | microseconds since 2000-01-01 (an instant: in UTC), 8 bytes; infinity is the largest value |

A long text or binary value (declared without a limit, or above 8,000 bytes) is 00 and its bytes up to 7,999 of them, else
01, its length in 8 bytes, and its SHA-256, so that no value of 100 MB ever leaves its server.

A row's frame is what `record_send` makes of a PostgreSQL row: the number of columns (4 bytes), then for every column the
number of its type (4 bytes, `OIDS`), its length (4 bytes, ffffffff for NULL) and its form.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from cdcproof.databases.names import Column
from cdcproof.databases.values.conversions import Meeting, meetings, read
from cdcproof.databases.values.reading import EPOCHS, How
from cdcproof.pipeline.engines import Engine

FORM_BYTES = 8000
"""No form has more: as much as a varbinary of SQL Server holds that is no large object, which its drivers fetch one by one."""
LONG_BYTES = FORM_BYTES - 1
"""The longest value that is encoded whole: its form has one byte more."""
ENCODED_WHOLE, ENCODED_BY_HASH = b"\x00", b"\x01"
"""The first byte of a long form: the value comes behind it, or its length and hash."""


class Kind(StrEnum):
    """What a value is, whatever the engine calls it."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    FLOAT = "float"
    SINGLE = "single"
    TEXT = "text"
    BINARY = "binary"
    UUID = "uuid"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    INSTANT = "instant"


OIDS: dict[Kind, int] = {
    Kind.BOOLEAN: 16,
    Kind.INTEGER: 20,
    Kind.NUMBER: 25,
    Kind.FLOAT: 701,
    Kind.SINGLE: 700,
    Kind.TEXT: 25,
    Kind.BINARY: 17,
    Kind.UUID: 2950,
    Kind.DATE: 1082,
    Kind.TIME: 1083,
    Kind.TIMESTAMP: 1114,
    Kind.INSTANT: 1184,
}
"""PostgreSQL's numbers of the types that stand for the kinds in a frame (pg_type.dat). A long form is binary, 17."""


MOST_COLUMNAR_DIGITS = 38
"""What DuckDB's DECIMAL holds."""
_COLUMNAR: dict[Kind, str] = {
    Kind.BOOLEAN: "BOOLEAN",
    Kind.INTEGER: "BIGINT",
    Kind.FLOAT: "BLOB",  # DuckDB takes -0.0 for 0.0
    Kind.SINGLE: "BLOB",
    Kind.TEXT: "VARCHAR",
    Kind.BINARY: "BLOB",
    Kind.UUID: "UUID",
    Kind.DATE: "DATE",
    Kind.TIME: "TIME",
    Kind.TIMESTAMP: "TIMESTAMP",
    Kind.INSTANT: "TIMESTAMPTZ",
}
INTEGER_DIGITS = {"tinyint": 3, "smallint": 5, "int": 10, "integer": 10, "bigint": 19}


class Fidelity(StrEnum):
    """What a comparison of a type is worth."""

    LOSSLESS = "lossless"
    LOSSY = "lossy by contract"
    NOT_COMPARED = "not compared"


@dataclass(frozen=True)
class Entry:
    """A type's line in the contract. `rule` says what is lost, or why it is not compared; empty when nothing is."""

    kind: Kind | None
    fidelity: Fidelity
    rule: str = ""


@dataclass(frozen=True)
class Form:
    """How both sides of a column are encoded: the same on source and target."""

    kind: Kind
    scale: int = 0
    """Number: digits after the point that are always written."""
    precision: int = 0
    """Number, integer: digits, with `scale` of them after the point, that hold every value of both columns; 0 without a limit."""
    long: bool = False
    """Text and binary that may take more than `FORM_BYTES`: values above `LONG_BYTES` are encoded by length and SHA-256."""

    @property
    def oid(self) -> int:
        """The number of its type in a frame."""
        return OIDS[Kind.BINARY if self.long else self.kind]

    @property
    def columnar(self) -> str:
        """The type that DuckDB holds and hashes such values in; canonical bytes or text where it would lose something.

        Of a number there is one digit more than it needs: a NaN is sent as the least number that the columns cannot hold.
        """
        if self.kind is Kind.NUMBER:
            fits = 0 < self.precision < MOST_COLUMNAR_DIGITS
            return f"DECIMAL({self.precision + 1}, {self.scale})" if fits else "VARCHAR"
        return "BLOB" if self.long else _COLUMNAR[self.kind]


def entry_of(engine: Engine, column: Column) -> Entry:
    """The contract's line for a column; a type that it does not hold is not compared, by its name."""
    unknown = Entry(None, Fidelity.NOT_COMPARED, "this type is not in the contract")
    entry = CONTRACT[engine].get(column.type, unknown)
    if entry.rule.startswith(_SEVENTH) and column.scale is not None and column.scale < _SEVEN:
        return Entry(entry.kind, Fidelity.LOSSLESS)
    return entry


_KINDS_READ: dict[How, Kind] = {
    **dict.fromkeys((*EPOCHS, How.ZERO_OR_ONE), Kind.INTEGER),
    How.UTC: Kind.TIMESTAMP,
    **dict.fromkeys((How.DIGITS, How.UNSCALED), Kind.NUMBER),
    How.DOUBLE: Kind.FLOAT,
    **dict.fromkeys((How.BASE64, How.HEXADECIMAL), Kind.BINARY),
}
"""Of what a column is read as; all else is text."""


def kind_of(engine: Engine, column: Column) -> Kind | None:
    """What the column's values are when they are compared; None for what is not."""
    if column.reading:
        return _KINDS_READ.get(column.reading.how, Kind.TEXT)
    return entry_of(engine, column).kind


def ways_of(source_engine: Engine, source: Column, target_engine: Engine, target: Column) -> tuple[Meeting, ...]:
    """How both columns can be compared, the likeliest way first; none where they cannot.

    Columns of one kind meet as they are; of other kinds, and where padding and JSON are in play, as sinks write them (`values.conversions`).
    """
    if target_engine == "postgresql" and (found := meetings(source_engine, source, target)):
        return found
    return (Meeting(None, None),) if form_of(source_engine, source, target_engine, target) else ()


def form_of(source_engine: Engine, source: Column, target_engine: Engine, target: Column) -> Form | None:
    """The form in which both columns, each as it is read, can be written without loss beyond the contract; None when there is none."""
    ours, theirs = kind_of(source_engine, source), kind_of(target_engine, target)
    if ours is None or theirs is None or _is_rewritten(source, target):
        return None
    kinds = {ours, theirs}
    if kinds == {Kind.FLOAT, Kind.SINGLE} and source.reading:
        return Form(Kind.SINGLE)
    if kinds <= {Kind.INTEGER, Kind.NUMBER}:
        return _number(source, target, Kind.NUMBER if Kind.NUMBER in kinds else Kind.INTEGER)
    if kinds <= {Kind.FLOAT, Kind.SINGLE}:
        return Form(Kind.FLOAT if Kind.FLOAT in kinds else Kind.SINGLE)
    if len(kinds) > 1:
        return None
    is_long = ours in (Kind.TEXT, Kind.BINARY) and may_be_long(source) | may_be_long(target)
    return Form(ours, long=is_long)


def _is_rewritten(source: Column, target: Column) -> bool:
    """Whether the target writes a text anew that the source has word for word."""
    return target.type == "jsonb" and not target.reading and source.type != "jsonb"


def narrowed(source: Column, target: Column, kind: Kind) -> str:
    """Both types, where the target's cannot hold every value of the source's as it is; else empty."""
    ours, theirs = read(source), read(target)
    match kind:
        case Kind.TEXT:
            is_word = target.reading is not None and target.reading.how is How.BOOLEAN_WORD  # one letter is enough
            is_narrower = (
                not is_word and theirs.length is not None and (ours.length is None or theirs.length < ours.length)
            )
        case Kind.INTEGER | Kind.NUMBER:
            is_narrower = _holds_fewer_digits(ours, theirs)
        case Kind.TIME | Kind.TIMESTAMP | Kind.INSTANT:
            is_narrower = _digits_of_seconds(theirs) < _digits_of_seconds(ours)
        case _:
            is_narrower = kind is Kind.FLOAT and theirs.type == "real" and ours.type != "real"
    return f"{declared(source)} at the source, {declared(target)} at the target" if is_narrower else ""


def holds(target: Column, kind: Kind, value: str) -> bool:
    """Whether the target's column can hold this value of the source, given as text, as it is."""
    theirs = read(target)
    match kind:
        case Kind.TEXT:
            return theirs.length is None or len(value) <= theirs.length
        case Kind.INTEGER | Kind.NUMBER:
            number = Decimal(value)
            if not number.is_finite() or not number:
                return True
            _, digits, exponent = number.normalize().as_tuple()
            most = _digits_before_the_point(theirs)
            scale = 0 if theirs.type in INTEGER_DIGITS else theirs.scale
            before = len(digits) + int(exponent)
            return (most is None or before <= most) and (scale is None or -int(exponent) <= scale)
        case Kind.TIME | Kind.TIMESTAMP | Kind.INSTANT:
            fraction = re.search(r"\.(\d+)", value)
            return fraction is None or len(fraction[1].rstrip("0")) <= _digits_of_seconds(theirs)
        case _:
            return bool(struct.unpack("f", struct.pack("f", float(value)))[0] == float(value))


def _holds_fewer_digits(ours: Column, theirs: Column) -> bool:
    if theirs.type not in INTEGER_DIGITS and theirs.precision is None:
        return False
    before = [_digits_before_the_point(column) for column in (ours, theirs)]
    least, most = 0 if before[1] is None else before[1], before[0]
    return most is None or least < most or (ours.scale or 0) > (theirs.scale or 0)


def _digits_of_seconds(column: Column) -> int:
    """Of those that can arrive: no more than PostgreSQL has."""
    declared = {"datetime": 3, "smalldatetime": 0}.get(column.type, column.scale)
    return min(_MICRO_DIGITS, _MICRO_DIGITS if declared is None else declared)


def declared(column: Column) -> str:
    """The type and its modifiers, for people."""
    if column.length is not None:
        return f"{column.type}({column.length})"
    if column.precision is not None and column.type in ("numeric", "decimal"):
        return f"{column.type}({column.precision}, {column.scale or 0})"
    if column.scale is not None and column.type.startswith(("time", "datetime2", "datetimeoffset")):
        base, _, rest = column.type.partition(" ")
        return f"{base}({column.scale}) {rest}".rstrip()
    return column.type


def _number(source: Column, target: Column, kind: Kind) -> Form:
    if How.DIGITS in _hows(source, target) or How.UNSCALED in _hows(source, target):
        return Form(kind, max(source.scale or 0, 0))  # what stands for no number is text
    source, target = read(source), read(target)
    scale = max(source.scale or 0, target.scale or 0, 0)
    before = [_digits_before_the_point(column) for column in (source, target)]
    return Form(kind, scale, precision=0 if None in before else max(filter(None, before), default=0) + scale)


def _hows(*columns: Column) -> list[How]:
    return [column.reading.how for column in columns if column.reading]


def _digits_before_the_point(column: Column) -> int | None:
    """None where there is no limit. PostgreSQL's catalogue gives an integer's precision in bits, so its name decides."""
    if column.type in INTEGER_DIGITS:
        return INTEGER_DIGITS[column.type]
    return None if column.precision is None else max(column.precision - (column.scale or 0), 0)


def may_be_long(column: Column) -> bool:
    """Whether a value can take more than `FORM_BYTES`: a character takes at most four."""
    length = read(column).length
    return length is None or length * 4 > FORM_BYTES


def _lossless(kind: Kind, rule: str = "") -> Entry:
    return Entry(kind, Fidelity.LOSSLESS, rule)


def _lossy(kind: Kind, rule: str) -> Entry:
    return Entry(kind, Fidelity.LOSSY, rule)


def _not_compared(rule: str) -> Entry:
    return Entry(None, Fidelity.NOT_COMPARED, rule)


_TICKS = "counts 1/300 s and is compared to the millisecond, as Debezium sends it (.000 .003 .007)"
# Seen on the embedded pipeline: Debezium 3.4's JDBC sink writes NanoTimestamp, NanoTime and ZonedTimestamp with every seventh
# digit into PostgreSQL's microseconds rounded half up, towards the later moment before 1970 too, and a time that reaches
# midnight as 00:00:00.
_SEVEN, _MICRO_DIGITS = 7, 6
_SEVENTH = "the seventh digit does not arrive: rounded half up to microseconds"
_PADDED = "padding counts"
_AS_TEXT = "compared by its text, as its server writes it"
_REWRITTEN = "the same content has many texts, and each side writes its own"
_LOCAL = "its meaning depends on its server"

CONTRACT: dict[Engine, dict[str, Entry]] = {
    "sqlserver": {
        "bit": _lossless(Kind.BOOLEAN),
        **dict.fromkeys(("tinyint", "smallint", "int", "bigint"), _lossless(Kind.INTEGER)),
        **dict.fromkeys(("decimal", "numeric", "money", "smallmoney"), _lossless(Kind.NUMBER)),
        "float": _lossless(Kind.FLOAT),
        "real": _lossless(Kind.SINGLE),
        **dict.fromkeys(("char", "nchar"), _lossless(Kind.TEXT, _PADDED)),
        **dict.fromkeys(("varchar", "nvarchar", "text", "ntext", "sysname"), _lossless(Kind.TEXT)),
        "binary": _lossless(Kind.BINARY, _PADDED),
        **dict.fromkeys(("varbinary", "image"), _lossless(Kind.BINARY)),
        "uniqueidentifier": _lossless(Kind.UUID),
        "date": _lossless(Kind.DATE),
        "time": _lossy(Kind.TIME, f"{_SEVENTH}, the last before midnight to 00:00"),
        "datetime": _lossy(Kind.TIMESTAMP, _TICKS),
        "smalldatetime": _lossless(Kind.TIMESTAMP),
        "datetime2": _lossy(Kind.TIMESTAMP, _SEVENTH),
        "datetimeoffset": _lossy(Kind.INSTANT, f"compared as the instant, its offset does not arrive; {_SEVENTH}"),
        "timestamp": _not_compared("rowversion: every server counts its own"),
        **dict.fromkeys(("xml", "json"), _lossless(Kind.TEXT, _AS_TEXT)),
        "sql_variant": _not_compared("every value has a type of its own"),
        **dict.fromkeys(
            ("hierarchyid", "geometry", "geography"), _not_compared("Debezium does not carry CLR types as they are")
        ),
        "vector": _not_compared("Debezium does not carry it"),
    },
    "postgresql": {
        "boolean": _lossless(Kind.BOOLEAN),
        **dict.fromkeys(("smallint", "integer", "bigint"), _lossless(Kind.INTEGER)),
        "numeric": _lossless(Kind.NUMBER),
        "double precision": _lossy(Kind.FLOAT, "every NaN is the same NaN"),
        "real": _lossy(Kind.SINGLE, "every NaN is the same NaN"),
        "character": _lossless(Kind.TEXT, _PADDED),
        **dict.fromkeys(("character varying", "text", "citext", "name"), _lossless(Kind.TEXT)),
        "enum": _lossless(Kind.TEXT, "compared by its label"),
        "bytea": _lossless(Kind.BINARY),
        "uuid": _lossless(Kind.UUID),
        "date": _lossless(Kind.DATE),
        "time without time zone": _lossless(Kind.TIME),
        "timestamp without time zone": _lossless(Kind.TIMESTAMP),
        "timestamp with time zone": _lossless(Kind.INSTANT),
        "time with time zone": _not_compared("Debezium sends it in UTC, without its zone"),
        "interval": _not_compared("Debezium sends a number of microseconds, in which months are estimated"),
        "money": _lossless(Kind.NUMBER),
        **dict.fromkeys(("json", "jsonb", "xml"), _lossless(Kind.TEXT, _AS_TEXT)),
        "hstore": _not_compared(_REWRITTEN),
        **dict.fromkeys(("bit", "bit varying"), _not_compared("Debezium sends bytes in an order of its own")),
        **dict.fromkeys(("inet", "cidr", "macaddr", "macaddr8"), _not_compared(_REWRITTEN)),
        **dict.fromkeys(
            ("point", "line", "lseg", "box", "path", "polygon", "circle"),
            _not_compared("Debezium does not carry geometric types as they are"),
        ),
        **dict.fromkeys(("tsvector", "tsquery"), _not_compared(_REWRITTEN)),
        **dict.fromkeys(("oid", "pg_lsn", "txid_snapshot", "pg_snapshot"), _not_compared(_LOCAL)),
        "array": _not_compared("SQL Server has no counterpart"),
        "composite": _not_compared("SQL Server has no counterpart"),
        **dict.fromkeys(("range", "multirange"), _not_compared("SQL Server has no counterpart")),
    },
}
