"""docs/TYPES.md, made from the type contract: `python -m cdcproof.databases.values.types_page > docs/TYPES.md`."""

from __future__ import annotations

from collections.abc import Iterator

from cdcproof.databases.names import Column
from cdcproof.databases.values import types
from cdcproof.databases.values.reading import EPOCHS, How
from cdcproof.databases.values.types import CONTRACT, Entry, Fidelity, ways_of
from cdcproof.pipeline.engines import Engine

_HEAD = """# What equal means, type by type

Made from `src/cdcproof/databases/values/types.py` by `python -m cdcproof.databases.values.types_page > docs/TYPES.md`; a test compares the two.

A column is compared when both sides' types are of the same kind (numbers with numbers, whole or not; floats with floats), or where
the target holds what a sink makes of the source's type ([below](#what-sinks-write)), and then by its canonical bytes, which each database makes itself. Before a table is compared, both databases make the bytes and the
hashes of known values of every type in use, and they must be those that Python computes; a type that fails this is left out by
its name. What is not compared is named in every report, on the screen and on its page. A table in which a column was left out
that holds data on either side is INCOMPLETE and no MATCH, until the pipeline file excludes the column. A column that only the target
has, as sinks and transforms add them, is named and makes nothing incomplete: all that the source holds was compared.

A column of SQL Server that is masked for the account (dynamic data masking, no UNMASK) or Always Encrypted is not compared, whatever
its type. A table that a security policy of SQL Server filters is INCOMPLETE, because rows may be hidden, until the pipeline file says
that the policy hides none (`row_policies`); so is every table where the account lacks VIEW DEFINITION, without which SQL Server
shows no policy. PostgreSQL is made to refuse rather than to hide any.

NULL, an empty text and a blank are three different values; case, trailing blanks and every character count.

Values that are the same in another spelling differ too: padding of `char(5)` and `char(8)`, `Y` for true, a uuid without hyphens, other case, line ends, a time
zone. Where that explains at least half of the differences in a column, the report names it once as their cause (`reconcile/report/spelling.py`).
"""


_SINKS = """
## What sinks write

A sink that does not know what a number or a text of Debezium stands for writes it as it comes. The value is then compared as what it stands
for, in both strategies and in keys. Date and time without a zone are read as UTC, as Debezium does. A value at the target that stands for
nothing (a text that is no date) equals no value of the source.

A column of integers does not say its unit, nor a text its alphabet. Unless the pipeline file says it (`written_as`), rows that both sides have
are looked up, and the way in which most of them agree is the way that the column is written in; where none agree, the likeliest is taken, the
first in this table, and the report names the column as the cause of its differences, with the key to set.

| source | target | written as | what makes it so | worth | rule |
|---|---|---|---|---|---|
"""
_SETTINGS: dict[How, str] = {
    How.SECONDS: "TimestampConverter with `unix.precision=seconds`",
    How.MILLISECONDS: "`time.precision.mode=adaptive` for up to 3 digits, `connect` for all",
    How.MICROSECONDS: "`time.precision.mode=adaptive` for 4 to 6 digits, `microseconds` for all, `adaptive_time_microseconds` for every time",
    How.NANOSECONDS: "`time.precision.mode=adaptive` for 7 digits, `nanoseconds` for all",
    How.DAYS: "every `time.precision.mode` but `isostring`",
    How.ISO: "`time.precision.mode=isostring`",
    How.ISO_WITH_OFFSET: "every `time.precision.mode`",
    How.UTC: "a target table made by hand, or by another sink",
    How.WORD_OF_UUID: "every mode: a uuid travels as text",
    How.ZERO_OR_ONE: "a Cast transform, or a target table made by hand",
    How.WORD_OF_BOOLEAN: "a Cast transform, or a target table made by hand",
    How.DOUBLE: "`decimal.handling.mode=double`",
    How.DIGITS: "`decimal.handling.mode=double`",
    How.UNSCALED: "`decimal.handling.mode=precise`, and a sink that does not know Decimal",
    How.BASE64: "`binary.handling.mode=base64` or `base64-url-safe`",
    How.HEXADECIMAL: "`binary.handling.mode=hex`",
    How.TRIMMED: "a transform, or a database, that cuts off or adds padding",
    How.DOCUMENT: "a sink that knows io.debezium.data.Json",
    How.PARSED: "a transform that parses JSON and writes it anew",
}
_TARGETS: dict[str, str] = {
    "bigint": "any integer, `numeric`",
    "text": "`text`, `character varying`",
    "timestamp without time zone": "`timestamp without time zone`",
    "timestamp with time zone": "`timestamp with time zone`",
    "double precision": "`double precision`",
    "bytea": "`bytea`",
    "character": "`character`",
    "json": "`json`",
    "jsonb": "`jsonb`",
}
_BY_HAND = "a TimestampConverter, or a target that is filled by hand"
_SHAPES: dict[str, tuple[int | None, int]] = {
    **dict.fromkeys(("decimal", "numeric"), (18, 2)),
    "money": (19, 4),
    "smallmoney": (10, 4),
    **dict.fromkeys(("time", "datetime2", "datetimeoffset"), (None, 7)),
    "datetime": (None, 3),
    "smalldatetime": (None, 0),
}
"""Precision and scale of the types of SQL Server whose digits decide."""


def page() -> str:
    """The document."""
    return "".join(_parts())


def _parts() -> Iterator[str]:
    yield _HEAD
    documented = (types.__doc__ or "").partition("| kind |")
    yield f"\n## Kinds\n\n{documented[1]}{documented[2].partition(chr(10) * 2)[0]}\n"
    long_values = documented[2].partition("\n\n")[2]
    yield f"\n{long_values.strip()}\n"
    names: dict[Engine, str] = {"sqlserver": "SQL Server", "postgresql": "PostgreSQL"}
    for engine, name in names.items():
        yield f"\n## {name}\n\n| type | kind | worth | rule |\n|---|---|---|---|\n"
        yield from (_line(type_name, entry) for type_name, entry in CONTRACT[engine].items())
    yield _SINKS
    pairs: dict[str, list[str]] = {}
    for engine, name in names.items():
        for type_name in CONTRACT[engine]:
            for line in _of_sinks(engine, type_name):
                pairs.setdefault(line, []).append(f"{name} `{type_name}`")
    yield from (f"| {', '.join(sources)} {line}" for line, sources in pairs.items())
    yield "\nA type that is in neither table is not compared either, and named.\n"


def _line(type_name: str, entry: Entry) -> str:
    worth = f"**{entry.fidelity}**" if entry.fidelity is Fidelity.NOT_COMPARED else str(entry.fidelity)
    return f"| `{type_name}` | {entry.kind or ''} | {worth} | {entry.rule} |\n"


def _of_sinks(engine: Engine, type_name: str) -> Iterator[str]:
    """The rest of the line of every pair that a source's type is in."""
    has_shape = engine == "sqlserver" or type_name == "numeric"
    precision, scale = _SHAPES.get(type_name, (None, None)) if has_shape else (None, None)
    source = Column("v", type_name, nullable=True, precision=precision, scale=scale)
    for target, label in _TARGETS.items():
        for way in ways_of(engine, source, "postgresql", Column("v", target, nullable=True)):
            made = way.source or way.target
            if made and ((target == "character") <= (made.how is How.TRIMMED)):
                written_as = f"`{way.written_as}`" if way.written_as else ""
                worth = Fidelity.LOSSY if way.rule else Fidelity.LOSSLESS
                yield f"| {label} | {written_as} | {_setting(How.PARSED if way.must_be_said else made.how, type_name, target)} | {worth} | {way.rule} |\n"


def _setting(how: How, source: str, target: str) -> str:
    if source == "date" and how in EPOCHS - {How.DAYS}:
        return _BY_HAND
    if how is How.ISO and source in ("timestamp with time zone", "datetimeoffset"):
        return (
            "a transform that turns instants into UTC" if source == "datetimeoffset" else "every `time.precision.mode`"
        )
    if how is How.DIGITS and target == "text":
        return "`decimal.handling.mode=string`"
    return _SETTINGS[how]


if __name__ == "__main__":
    print(page(), end="")
