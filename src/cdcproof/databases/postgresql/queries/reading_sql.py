"""A column's value in PostgreSQL's SQL as its reading makes it (`values.conversions`). Composed by psycopg; nothing is asked here.

No expression fails on any value. What the target holds and what stands for nothing keeps a text that no value of the source has.
A pattern decides before anything is cast: pg_input_is_valid exists since PostgreSQL 16 only.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import LiteralString

from psycopg import sql

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.names import Column
from cdcproof.databases.values.reading import How, Reading

_BYTEA_IS_BIGINT, _KNOWS_VALID = 180_000, 160_000
_CLOCK = r"\d\d:\d\d(:\d\d(\.\d{1,7}0*)?)?"
_UTC = r"(Z|[+-]00(:?00)?)?"
_OFFSET = r"(Z|[+-]\d\d(:?\d\d)?)"
_DAY = r"\d{4}-\d\d-\d\d"
# days that there are, at times that there are: PostgreSQL would refuse all others
_REAL_DAY = (
    r"((?!0000)\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))"
    r"|(\d\d(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)-02-29)"
)
_REAL_CLOCK = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,7}0*)?)?"
_REAL_OFFSET = r"[+-](0\d|1[0-4])(:?[0-5]\d)?"
_NUMBER = r"^[+-]?\d{1,200}(\.\d{0,200})?([eE][+-]?\d{1,3})?$"
_ALPHABET = "^[A-Za-z0-9+/]*$"
_DIGITS = "^[0-9A-Fa-f]*$"
# Debezium's documentation of its PostgreSQL connector, "Temporal types": what stands for the infinite
_FOR_EVER, _SINCE_EVER = 9_223_372_036_825_200_000, -9_223_372_036_832_400_000
_WRAP = sql.SQL("(mod({0} * 1000 + 18455967445746406391808, 18446744073709551616) - 9223372036854775808)::bigint")
"""Nanoseconds in 64 bits, the upper ones lost as in Java: 1,000 times 2^64 and 2^63 are added, so that the remainder is never negative."""


def stored(column: Column) -> sql.Composed:
    """A column's value as it is, but for money, which is a number that is written in a server's own way."""
    name = sql.Identifier(column.name)
    return sql.SQL("{}::numeric").format(name) if column.type == "money" else sql.SQL("{}").format(name)


def value(column: Column, version: int, scale: int = 0) -> sql.Composed:
    """A column's value as it is read. `version` is the server's, as a number; `scale` that of the form, where it is a number's."""
    made, name = column.reading, stored(column)
    if made is None:
        return name
    if made.how in _INTEGERS:
        return _INTEGERS[made.how](column, name, version)
    if made.how in _OF_COLUMNS:
        return _OF_COLUMNS[made.how](column, name, made)
    # else the column's collation decides what a pattern matches and which letters are the same; some refuse patterns
    text = sql.SQL('({}::text COLLATE "C")').format(name)
    if made.how is How.PARSED:
        return _json_word(text, column, version)
    return _number(text, scale) if made.how is How.DIGITS else _MADE[made.how](text)


def _microseconds(column: Column, name: sql.Composed, version: int) -> sql.Composed:
    """Since midnight or 1970; the bits of the send function are exact in every version, `extract` is not before 14."""
    if column.type == "date":
        days: LiteralString = "CASE WHEN {0} > '294000-01-01' THEN 106751991 WHEN {0} < '4713-01-01 BC' THEN -106751991 ELSE {0} - '1970-01-01'::date END"
        return sql.SQL(f"(({days})::bigint * 86400000000)").format(name)
    send = "time_send" if column.type.startswith("time ") else "timestamp_send"
    if column.type == "timestamp with time zone":
        send = "timestamptz_send"
    bits: LiteralString = (
        "{}({})::bigint" if version >= _BYTEA_IS_BIGINT else "('x' || encode({}({}), 'hex'))::bit(64)::bigint"
    )
    counted = sql.SQL(bits).format(sql.SQL(send), name)
    if send == "time_send":
        return counted
    return sql.SQL(
        "CASE WHEN {0} < '294000-01-01' AND {0} > '-infinity' THEN {1} + 946684800000000 "
        "WHEN {0} >= '294000-01-01' THEN {2} WHEN {0} <= '-infinity' THEN {3} END"
    ).format(name, counted, sql.Literal(_FOR_EVER), sql.Literal(_SINCE_EVER))


def _whole(field: LiteralString, microseconds: int) -> Callable[[Column, sql.Composed, int], sql.Composed]:
    """Units of so many microseconds, cut off towards the past."""

    def units(column: Column, name: sql.Composed, version: int) -> sql.Composed:
        cut = name
        if column.type.startswith("timestamp"):
            cut = sql.SQL("date_trunc({}, {})").format(sql.Literal(field), name)
        return sql.SQL("(({}) / {})").format(_microseconds(column, cut, version), sql.Literal(microseconds))

    return units


def _nanoseconds(column: Column, name: sql.Composed, version: int) -> sql.Composed:
    return _WRAP.format(sql.SQL("({})::numeric").format(_microseconds(column, name, version)))


def _days(_: Column, name: sql.Composed, __: int) -> sql.Composed:
    return sql.SQL(
        "CASE WHEN isfinite({0}) THEN {0} - '1970-01-01'::date "
        "WHEN {0} > '2000-01-01' THEN 2147483647 WHEN {0} < '2000-01-01' THEN -2147483648 END"
    ).format(name)


def _zero_or_one(_: Column, name: sql.Composed, __: int) -> sql.Composed:
    return sql.SQL("{}::integer").format(name)


_INTEGERS: dict[How, Callable[[Column, sql.Composed, int], sql.Composed]] = {
    How.SECONDS: _whole("second", 1_000_000),
    How.MILLISECONDS: _whole("milliseconds", 1_000),
    How.MICROSECONDS: _microseconds,
    How.NANOSECONDS: _nanoseconds,
    How.DAYS: _days,
    How.ZERO_OR_ONE: _zero_or_one,
}


def _iso_moment(zone: LiteralString) -> Callable[[sql.Composed], sql.Composed]:
    def made(name: sql.Composed) -> sql.Composed:
        moment = sql.SQL("({} AT TIME ZONE 'UTC')").format(name) if zone else name
        return sql.SQL(
            "CASE WHEN isfinite({0}) THEN to_char({1}, 'YYYY-MM-DD HH24:MI:SS.US\"0\"') || {2} "
            "|| CASE WHEN {1} < '0001-01-01' THEN ' BC' ELSE '' END ELSE {0}::text END"
        ).format(name, moment, sql.Literal(zone))

    return made


def _iso_clock(name: sql.Composed) -> sql.Composed:
    return sql.SQL("rpad({0}::text || CASE WHEN strpos({0}::text, '.') > 0 THEN '' ELSE '.' END, 16, '0')").format(name)


_ISO: dict[str, Callable[[sql.Composed], sql.Composed]] = {
    "date": lambda name: sql.SQL("{}::text").format(name),
    "time without time zone": _iso_clock,
    "timestamp without time zone": _iso_moment(""),
    "timestamp with time zone": _iso_moment(" +00:00"),
}


def _matching(text: sql.Composed, pattern: str, made: sql.Composable) -> sql.Composed:
    """Of a text of that pattern what is made of it, else the text."""
    return sql.SQL("CASE WHEN {0} ~ {1} THEN {2} ELSE {0} END").format(text, sql.Literal(f"^{pattern}$"), made)


def _seven_digits(text: sql.Composed) -> sql.Composed:
    return sql.SQL(r"rpad(coalesce(substring({} from '\.(\d+)'), ''), 7, '0')").format(text)


def _seconds(text: sql.Composed) -> sql.Composed:
    """Of a text that is a day, a character and a time: without what comes after the seconds."""
    return sql.SQL(
        r"left({0}, 10) || ' ' || substr({0}, 12, 5) || ':' || coalesce(substring({0} from '^.{{16}}:(\d\d)'), '00')"
    ).format(text)


def _of_moment(text: sql.Composed) -> sql.Composed:
    made = sql.SQL("{} || '.' || {}").format(_seconds(text), _seven_digits(text))
    return _matching(text, f"{_DAY}[T ]{_CLOCK}{_UTC}", made)


def _of_instant(text: sql.Composed) -> sql.Composed:
    """Of an instant with an offset: what it is in UTC."""
    fraction = _seven_digits(text)
    offset = sql.SQL(r"substring({} from '[+-][0-9:]+$')").format(text)
    return sql.SQL(
        "CASE WHEN {0} ~ {1} THEN {2} || '.' || {3} || ' +00:00' WHEN {0} ~ {4} THEN "
        "to_char((({2}) || {5})::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || '.' || {3} || ' +00:00' ELSE {0} END"
    ).format(
        text,
        sql.Literal(f"^{_DAY}[T ]{_CLOCK}{_UTC}$"),
        _seconds(text),
        fraction,
        sql.Literal(f"^{_REAL_DAY}[T ]{_REAL_CLOCK}{_REAL_OFFSET}$"),
        offset,
    )


def _of_offset(text: sql.Composed) -> sql.Composed:
    """The time as it is written, and its offset as hours and minutes."""
    made = sql.SQL(
        r"{0} || '.' || {1} || ' ' || CASE WHEN right({2}, 1) = 'Z' THEN '+00:00' "
        r"ELSE regexp_replace(rpad(replace(substring({2} from '[+-][0-9:]+$'), ':', ''), 5, '0'), '(..)$', ':\1') END"
    ).format(_seconds(text), _seven_digits(text), text)
    return _matching(text, f"{_DAY}[T ]{_CLOCK}{_OFFSET}", made)


def _of_day(text: sql.Composed) -> sql.Composed:
    made = sql.SQL("left({}, 10)").format(text)
    return _matching(text, rf"{_DAY}(Z|[T ]00:00(:00(\.0+)?)?Z?)?", made)


def _of_clock(text: sql.Composed) -> sql.Composed:
    made = sql.SQL(r"left({0}, 5) || ':' || coalesce(substring({0} from '^.{{5}}:(\d\d)'), '00') || '.' || {1}").format(
        text, _seven_digits(text)
    )
    return _matching(text, f"{_CLOCK}{_UTC}", made)


def _of_boolean(text: sql.Composed) -> sql.Composed:
    return sql.SQL(
        "CASE WHEN lower({0}) IN ('true', 't', '1') THEN 'true' WHEN lower({0}) IN ('false', 'f', '0') THEN 'false' ELSE {0} END"
    ).format(text)


def _number(text: sql.Composed, scale: int) -> sql.Composed:
    return sql.SQL(
        "CASE WHEN {0} ~ {1} THEN round({0}::numeric, {2})::text WHEN {0} ~ {3} THEN "
        "CASE WHEN scale(trim_scale({0}::numeric)) <= {2} THEN round({0}::numeric, {2}) ELSE trim_scale({0}::numeric) END::text "
        "ELSE {0} END"
    ).format(
        text,
        sql.Literal(rf"^[+-]?\d{{1,200}}(\.\d{{0,{min(scale, 200)}}}0{{0,200}})?$"),
        sql.Literal(scale),
        sql.Literal(_NUMBER),
    )


def _unscaled(_: Column, name: sql.Composed, made: Reading) -> sql.Composed:
    """A number in two's complement, the highest byte first, of up to 16 bytes."""
    filled = sql.SQL("lpad(encode({0}, 'hex'), 32, CASE WHEN get_byte({0}, 0) >= 128 THEN 'f' ELSE '0' END)").format(
        name
    )
    return sql.SQL(
        "CASE WHEN octet_length({0}) BETWEEN 1 AND 16 THEN (("
        "('x' || substr({1}, 1, 16))::bit(64)::bigint::numeric * 18446744073709551616 "
        "+ ('x' || substr({1}, 17, 8))::bit(32)::bigint::numeric * 4294967296 + ('x' || substr({1}, 25))::bit(32)::bigint"
        ") * {2})::text ELSE 'bytes ' || encode({0}, 'hex') END"
    ).format(name, filled, sql.Literal(Decimal(1).scaleb(-made.size)))


def _double(column: Column, name: sql.Composed, _: Reading) -> sql.Composed:
    """A number without a limit may lie beyond a double's, or below its least."""
    if column.precision is not None:
        return sql.SQL("{}::float8").format(name)
    return sql.SQL(
        "CASE WHEN abs({0}) < 1e308 AND abs({0}) > 1e-300 OR {0} = 'NaN' THEN {0}::float8 "
        "WHEN abs({0}) > 1 THEN sign({0})::float8 * 'Infinity'::float8 WHEN abs({0}) < 1 THEN 0 END"
    ).format(name)


def _of_base64(text: sql.Composed) -> sql.Composed:
    """In either alphabet, with or without padding and line breaks."""
    bare = sql.SQL(r"rtrim(translate({}, E'-_\n\r', '+/'), '=')").format(text)
    return sql.SQL(
        "CASE WHEN {0} ~ {1} AND length({0}) % 4 <> 1 THEN decode(rpad({0}, (length({0}) + 3) / 4 * 4, '='), 'base64') "
        "ELSE textsend('no base64: ' || {2}) END"
    ).format(bare, sql.Literal(_ALPHABET), text)


def _of_hexadecimal(text: sql.Composed) -> sql.Composed:
    bare = sql.SQL(r"regexp_replace({}, '^(\\x|0x)', '')").format(text)
    return sql.SQL(
        "CASE WHEN {0} ~ {1} AND length({0}) % 2 = 0 THEN decode({0}, 'hex') ELSE textsend('no hexadecimal: ' || {2}) END"
    ).format(bare, sql.Literal(_DIGITS), text)


def _document(text: sql.Composed) -> sql.Composed:
    """As jsonb writes it, which refuses some characters that are written as escapes."""
    return sql.SQL(r"CASE WHEN {0} !~* '\\u(0000|d[89a-f])' THEN {0}::jsonb::text ELSE {0} END").format(text)


def _json_word(text: sql.Composed, column: Column, version: int) -> sql.Composed:
    """A text that is no JSON stays as it is; no pattern distinguishes them."""
    if version < _KNOWS_VALID:
        raise UnexpectedAnswerError(
            f"{column.name} is written_as json, and whether a text is JSON only PostgreSQL 16 and newer can say.",
            f"Exclude {column.name} in the pipeline file, or make it json or jsonb.",
        )
    return sql.SQL("CASE WHEN pg_input_is_valid({0}, 'jsonb') THEN {0}::jsonb::text ELSE {0} END").format(text)


_MADE: dict[How, Callable[[sql.Composed], sql.Composed]] = {
    How.WORD_OF_UUID: lambda text: text,
    How.WORD_OF_BOOLEAN: lambda text: text,
    How.DOCUMENT: _document,
    How.UUID_WORD: lambda text: sql.SQL("translate({}, 'ABCDEF', 'abcdef')").format(text),
    How.DATE_WORD: _of_day,
    How.TIME_WORD: _of_clock,
    How.TIMESTAMP_WORD: _of_moment,
    How.INSTANT_WORD: _of_instant,
    How.OFFSET_WORD: _of_offset,
    How.BOOLEAN_WORD: _of_boolean,
    How.BASE64: _of_base64,
    How.HEXADECIMAL: _of_hexadecimal,
    How.TRIMMED: lambda text: sql.SQL("rtrim({}, ' ')").format(text),
}
_OF_COLUMNS: dict[How, Callable[[Column, sql.Composed, Reading], sql.Composed]] = {
    How.ISO: lambda column, name, _: _ISO[column.type](name),
    How.UNSCALED: _unscaled,
    How.UTC: lambda _, name, __: sql.SQL("({} AT TIME ZONE 'UTC')").format(name),
    How.DOUBLE: _double,
}
