"""A column's value in T-SQL as its reading makes it (`values.conversions`): what Debezium sends of it. Nothing is asked here.

Microsoft's Transact-SQL reference: "DATEDIFF_BIG" counts the boundaries that are crossed, so units are cut off downwards, before
1970 too; "CAST and CONVERT", style 121: date, time and as many digits as the type has, the offset after a blank;
"Data type precedence": of a decimal and an integer the decimal counts.
"""

from __future__ import annotations

from collections.abc import Callable

from cdcproof.databases.names import Column
from cdcproof.databases.values.reading import How

_UNITS = {
    How.SECONDS: "second",
    How.MILLISECONDS: "millisecond",
    How.MICROSECONDS: "microsecond",
}
_MIDNIGHT, _EPOCH = "CAST('00:00' AS time(7))", "CAST('19700101' AS datetime2(7))"
_IN_A_DAY = {How.SECONDS: "86400", How.MILLISECONDS: "86400000", How.MICROSECONDS: "CAST(86400000000 AS bigint)"}
# 16 times 2^64 and 2^63, so that a remainder is never negative
_WRAP = "CAST(({nanoseconds} + 304371277216207601664) % 18446744073709551616 - 9223372036854775808 AS bigint)"


def value(column: Column, stored: str) -> str:
    """`stored`, an expression of the column's type, as it is read."""
    made = column.reading
    if made is None:
        return stored
    if made.how in _UNITS or made.how is How.NANOSECONDS:
        return _counted(column, made.how, stored)
    return _MADE[made.how](column, stored)


def moment(column: Column, stored: str) -> str:
    """A date with a time as a datetime2, in UTC where it has an offset."""
    if column.type == "datetime":
        return f"CAST({stored} AS datetime2(3))"
    if column.type == "smalldatetime":
        return f"CAST({stored} AS datetime2(0))"
    if column.type == "datetimeoffset":
        return f"CAST(SWITCHOFFSET({stored}, '+00:00') AS datetime2({column.scale}))"
    return stored


def _counted(column: Column, how: How, stored: str) -> str:
    if column.type == "date":
        days = f"CAST({_days(column, stored)} AS bigint)"
        if how is How.NANOSECONDS:
            return _WRAP.format(nanoseconds=f"CAST({days} AS decimal(38, 0)) * 86400000000000")
        return f"{days} * {_IN_A_DAY[how]}"
    if column.type == "time":
        return f"DATEDIFF_BIG({_UNITS.get(how, 'nanosecond')}, {_MIDNIGHT}, {stored})"
    at = moment(column, stored)
    if how is not How.NANOSECONDS:
        return f"DATEDIFF_BIG({_UNITS[how]}, {_EPOCH}, {at})"
    whole = f"CAST(DATEDIFF_BIG(microsecond, {_EPOCH}, {at}) AS decimal(38, 0)) * 1000"
    return _WRAP.format(nanoseconds=f"{whole} + DATEPART(nanosecond, {at}) % 1000")


def _days(_: Column, stored: str) -> str:
    return f"DATEDIFF(day, '19700101', {stored})"


def _iso(column: Column, stored: str) -> str:
    if column.type == "date":
        return f"CONVERT(varchar(10), {stored}, 121)"
    if column.type == "time":
        return f"CONVERT(varchar(16), CAST({stored} AS time(7)), 121)"
    at = f"CAST({moment(column, stored)} AS datetime2(7))"
    zone = " + ' +00:00'" if column.type == "datetimeoffset" else ""
    return f"CONVERT(varchar(27), {at}, 121){zone}"


_MADE: dict[How, Callable[[Column, str], str]] = {
    How.DAYS: _days,
    How.ZERO_OR_ONE: lambda _, stored: f"CAST({stored} AS smallint)",
    How.WORD_OF_BOOLEAN: lambda _, stored: f"CASE WHEN {stored} = 1 THEN 'true' WHEN {stored} = 0 THEN 'false' END",
    How.WORD_OF_UUID: lambda _, stored: f"LOWER(CONVERT(char(36), {stored}))",
    How.DOUBLE: lambda _, stored: f"CAST({stored} AS float)",
    How.ISO: _iso,
    How.ISO_WITH_OFFSET: lambda _, stored: f"CONVERT(varchar(34), CAST({stored} AS datetimeoffset(7)), 121)",
    How.UTC: moment,
    How.TRIMMED: lambda _, stored: f"RTRIM({stored})",
}
