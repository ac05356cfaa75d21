"""A value's canonical bytes (`values.types`) and its columnar value (`table_read.Stream`) as T-SQL expressions.

What they rest on, in Microsoft's Transact-SQL reference:

- "CAST and CONVERT": an integer becomes big-endian bytes; style 2 reads hexadecimal digits; money shows two of its four
  digits unless it is a decimal first; text, ntext and image want a cast to their (max) type.
- "Collation precedence": CAST from text to text keeps the collation, so COLLATE before the last CAST decides the bytes.
- "Collation and Unicode support": collations in UTF-8 exist since SQL Server 2019.
- "DATEDIFF_BIG" (since 2016): boundaries crossed, so microseconds are cut off downwards, before 2000 too; it leaves the
  offset of a datetimeoffset out of account, so SWITCHOFFSET comes first.
- "datetime": converted to datetime2(3) its thirds of a millisecond are rounded to .000 .003 .007.
- "HASHBYTES": inputs above 8,000 bytes since 2016.

float and real are IEEE 754 and CAST to binary gives their bytes, big-endian: no page says so, calibration shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cdcproof.databases.names import Column
from cdcproof.databases.sqlserver.queries import catalogue, reading_sql
from cdcproof.databases.table_read import TEXT_IN_LONG_FORM, ColumnRead
from cdcproof.databases.values import stored_value
from cdcproof.databases.values.reading import How
from cdcproof.databases.values.types import FORM_BYTES, INTEGER_DIGITS, LONG_BYTES, Form, Kind, may_be_long

UTF8 = "Latin1_General_100_BIN2_UTF8"
_MAX = {"text": "varchar(max)", "ntext": "nvarchar(max)", "image": "varbinary(max)"}
_MONEY = ("money", "smallmoney")
_WITH_LENGTH = ("char", "varchar", "nchar", "nvarchar", "binary", "varbinary")
_WITH_SCALE = ("time", "datetime2", "datetimeoffset")
_DIGITS = 41  # 38, a sign, a point, a zero before it
_UTF8_BYTES = 3  # at most, for what takes 2 bytes in nvarchar or 1 in varchar
_SECONDS_DIGITS = 6
_DAY = "CAST(86400000000 AS bigint)"  # without the cast the number is a decimal, and so is the remainder
_LENGTHS = {
    Kind.BOOLEAN: 1,
    Kind.INTEGER: 8,
    Kind.FLOAT: 8,
    Kind.SINGLE: 4,
    Kind.UUID: 16,
    Kind.DATE: 4,
    Kind.TIME: 8,
    Kind.TIMESTAMP: 8,
    Kind.INSTANT: 8,
}


def declared(column: Column) -> str:
    """The column's type as CAST takes it."""
    if column.type in _MAX:
        return _MAX[column.type]
    if column.type == "sysname":
        return "nvarchar(128)"
    if column.type in ("decimal", "numeric"):
        return f"decimal({column.precision}, {column.scale})"
    if column.type in _WITH_LENGTH:
        return f"{column.type}({'max' if column.length is None else column.length})"
    if column.type in _WITH_SCALE:
        return f"{column.type}({column.scale})"
    return column.type


def value(field: ColumnRead, stored: str) -> str:
    """`stored`, an expression of the column's type, as the column is read."""
    return reading_sql.value(field.column, stored)


def fixed_length(form: Form) -> int | None:
    """How many bytes the canonical form of every value has; None where that depends on the value."""
    return None if form.long else _LENGTHS.get(form.kind)


def may_be_hashed(field: ColumnRead) -> bool:
    """Whether a value may be so long that its form is a hash: where the other side's column alone is long, none is."""
    return field.form.long and may_be_long(field.column)


def most_bytes(field: ColumnRead) -> int | None:
    """How many bytes the canonical form has at most; None where it takes a (max) type."""
    if may_be_hashed(field):
        return None
    if field.form.kind is Kind.NUMBER:
        return _DIGITS + 1 + field.form.scale
    if field.form.kind in (Kind.TEXT, Kind.BINARY):
        return _most_raw_bytes(field) + (1 if field.form.long else 0)
    return _LENGTHS[field.form.kind]


def _most_raw_bytes(field: ColumnRead) -> int:
    return (field.read.length or 0) * (_UTF8_BYTES if field.form.kind is Kind.TEXT else 1)


def canonical(field: ColumnRead, value: str) -> str:
    """The canonical bytes of `value`, an expression of the column's type; all its bytes where they may be hashed. NULL for NULL."""
    made = _CANONICAL[field.form.kind](field, value)
    return f"0x00 + {made}" if field.form.long and not may_be_hashed(field) else made


def long_form(whole: str) -> str:
    """The long form of bytes that stand in the column `whole`."""
    length = f"CAST(CAST(DATALENGTH({whole}) AS bigint) AS binary(8))"
    return (
        f"CASE WHEN DATALENGTH({whole}) <= {LONG_BYTES} THEN 0x00 + {whole} "
        f"WHEN DATALENGTH({whole}) > {LONG_BYTES} THEN 0x01 + {length} + HASHBYTES('SHA2_256', {whole}) END"
    )


def columnar(field: ColumnRead, value: str) -> str:
    """`value`, which is never hashed, as it is streamed (`streamed_type`): dates and times as numbers of days and microseconds since 1970 or midnight.

    `sqlserver.arrow` takes those for what they are, so that no driver's idea of a date comes between; the rest is cast
    by DuckDB to `Form.columnar`.
    """
    made = _COLUMNAR.get(field.form.kind)
    return made(field, value) if made else value


def streamed_type(field: ColumnRead) -> str:
    """What `columnar` is to become (`table_read.Stream`): text stays text until it is here, whatever its form, so that the server has no work with it."""
    is_text = field.form.kind is Kind.TEXT and field.form.long and not may_be_hashed(field)
    return TEXT_IN_LONG_FORM if is_text else field.form.columnar


def unicode_text(column: Column, value: str) -> str:
    """Text as nvarchar: the server knows the code page of every column, a driver may not."""
    if column.type in ("nchar", "nvarchar", "sysname"):
        return value
    if column.type == "text" and column.length is None:
        value = f"CAST({value} AS varchar(max))"
    # nvarchar(n) holds no more than 4,000
    size = column.length if column.length is not None and column.length <= 4000 else "max"
    return f"CAST({value} AS nvarchar({size}))"


def needs_utf8(field: ColumnRead) -> bool:
    """Whether a server without a UTF-8 collation cannot make the form: of letters that every code page has, it can."""
    return field.form.kind is Kind.TEXT and not _is_ascii(field)


def _is_ascii(field: ColumnRead) -> bool:
    return field.column.reading is not None and field.column.reading.how is not How.TRIMMED


def wide(column: Column, form: Form) -> Column:
    """The column as it would have to be for any literal of its kind: without padding, and with room."""
    kin = {"char": "varchar", "text": "varchar", "nchar": "nvarchar", "ntext": "nvarchar", "sysname": "nvarchar"}
    kin |= {"binary": "varbinary", "image": "varbinary"}
    if column.type not in (*kin, *kin.values()):
        return column
    return replace(
        column,
        type=kin.get(column.type, column.type),
        length=None if may_be_hashed(ColumnRead(column, form)) else FORM_BYTES // 4,
    )


def literal(column: Column, form: Form, text: str = "?", *, utf8: bool = True) -> str:
    """A literal (`canonical.literal`; bound, or a constant) as a value of the column's type; text in a collation that can write it."""
    if column.type in ("binary", "varbinary", "image"):
        return f"CONVERT({declared(column)}, {text}, 2)"
    if form.kind is Kind.TEXT and column.type == "varchar":
        most = "max" if column.length is None else column.length * _UTF8_BYTES
        wide_text = f"CAST({text} AS nvarchar(max))"
        return f"CAST({wide_text} COLLATE {UTF8} AS varchar({most}))" if utf8 else wide_text
    return f"CAST({text} AS {declared(column)})"


def stored_literal(column: Column, text: str | None) -> str:
    """A text of letters that every code page has (binary: hexadecimal digits; None for NULL) as the column stores it, padding included."""
    if text is None:
        return f"CAST(NULL AS {declared(column)})"
    if column.type in ("binary", "varbinary", "image"):
        return f"CONVERT({declared(column)}, {catalogue.constant(text)}, 2)"
    return f"CAST({catalogue.constant(text)} AS {declared(column)})"


def sought(field: ColumnRead, collation: str) -> str:
    """A key's bound text (`key_text`) as something of the column's own type, so that an index finds it. `collation` is the column's.

    TRY_: what the target has need not be a value of this type, and is then nobody's key. What the collation's code page cannot
    hold becomes another text, and what is too long is cut off: they find other rows, or none.
    """
    if field.form.kind is Kind.TEXT and field.column.type != "uniqueidentifier":
        text = f"? COLLATE {collation}"
        return f"CAST({text} AS varchar({field.column.length}))" if field.column.type in ("char", "varchar") else text
    if field.form.kind is Kind.BINARY:
        return f"TRY_CONVERT(varbinary({field.column.length}), ?, 2)"
    return f"TRY_CAST(? AS {declared(field.column)})"


def key_text(field: ColumnRead, part: bytes) -> str:
    """A key's canonical bytes as the text to be bound. An integer does not read a point: of 5.5 it is asked for 5."""
    text = stored_value.as_text(field, part)
    return text.partition(".")[0] if field.column.type in INTEGER_DIGITS else text


def found_by_value(field: ColumnRead) -> bool:
    """Whether ``=`` finds a value by what the contract keeps of it, so that an index can be used.

    Not a value of which there may be only a hash, nor one whose seventh digit is rounded, nor a float, which text
    may miss by a bit.
    """
    column, form = field.column, field.form
    if column.reading and column.reading.how not in (How.WORD_OF_UUID, How.TRIMMED):
        return False
    rounded = column.type in _WITH_SCALE and (column.scale or 0) > _SECONDS_DIGITS
    return not (may_be_hashed(field) or rounded or form.kind in (Kind.FLOAT, Kind.SINGLE))


def integer(value: int) -> str:
    """A number as a constant that is an integer: one that an int does not hold would be a decimal."""
    return str(value) if -(1 << 31) < value < 1 << 31 else f"CAST({value} AS bigint)"


def _number(field: ColumnRead, value: str) -> str:
    if field.form.columnar == "VARCHAR":
        return _digits(field.read, field.form.scale, value)
    return f"CAST({value} AS decimal(19, 4))" if field.read.type in _MONEY else value


def _sized(field: ColumnRead, value: str, first: str | None) -> str:
    """As varbinary, by way of the type `first`."""
    size = "max" if may_be_hashed(field) else _most_raw_bytes(field)
    return f"CAST({f'CAST({value} AS {first}({size}))' if first else value} AS varbinary({size}))"


def _digits(column: Column, scale: int, value: str) -> str:
    """Decimal digits with `scale` of them after the point. Zeros are added as text: a wider decimal might not hold them."""
    if column.type in INTEGER_DIGITS:
        has, number = 0, value
    elif column.type in _MONEY:
        has, number = 4, f"CAST({value} AS decimal(19, 4))"
    else:
        has, number = column.scale or 0, value
    zeros = ("" if has else ".") + "0" * (scale - has)
    return f"CONVERT(varchar({_DIGITS}), {number})" + (f" + '{zeros}'" if scale > has else "")


def _uuid(mixed: str) -> str:
    """The bytes as they are written: CAST to binary turns those of each of the first three groups round."""
    turned = (f"SUBSTRING({mixed}, {place}, 1)" for place in (4, 3, 2, 1, 6, 5, 8, 7))
    return f"CAST({' + '.join(turned)} + SUBSTRING({mixed}, 9, 8) AS binary(16))"


def _microseconds_of_day(column: Column, value: str) -> str:
    whole = f"DATEDIFF_BIG(microsecond, CAST('00:00' AS time(7)), {value})"
    return f"({whole}{_seventh(column, value)}) % {_DAY}" if _seventh(column, value) else whole


def _microseconds_since(day: str, column: Column, value: str) -> str:
    value = reading_sql.moment(column, value)
    whole = f"DATEDIFF_BIG(microsecond, CAST('{day}' AS datetime2(7)), {value})"
    return whole + _seventh(column, value)


def _seventh(column: Column, value: str) -> str:
    """Half of a microsecond and more counts as one, as the contract has it."""
    if column.type not in _WITH_SCALE or (column.scale or 0) <= _SECONDS_DIGITS:
        return ""
    return f" + CASE WHEN DATEPART(nanosecond, {value}) % 1000 >= 500 THEN 1 ELSE 0 END"


_CANONICAL: dict[Kind, Callable[[ColumnRead, str], str]] = {
    Kind.BOOLEAN: lambda _, value: f"CAST({value} AS binary(1))",
    Kind.INTEGER: lambda _, value: f"CAST(CAST({value} AS bigint) AS binary(8))",
    Kind.NUMBER: lambda field, value: (
        f"CAST({_digits(field.read, field.form.scale, value)} AS varbinary({most_bytes(field)}))"
    ),
    Kind.FLOAT: lambda _, value: f"CAST(CAST({value} AS float) AS binary(8))",
    Kind.SINGLE: lambda _, value: f"CAST(CAST({value} AS real) AS binary(4))",
    Kind.TEXT: lambda field, value: (
        f"CAST({value} AS varbinary({field.read.length}))"
        if _is_ascii(field)
        else _sized(field, f"{unicode_text(field.read, value)} COLLATE {UTF8}", "varchar")
    ),
    Kind.BINARY: lambda field, value: _sized(field, value, None),
    Kind.UUID: lambda _, value: _uuid(f"CAST({value} AS binary(16))"),
    Kind.DATE: lambda _, value: f"CAST(DATEDIFF(day, '20000101', {value}) AS binary(4))",
    Kind.TIME: lambda field, value: f"CAST({_microseconds_of_day(field.read, value)} AS binary(8))",
    Kind.TIMESTAMP: lambda field, value: f"CAST({_microseconds_since('20000101', field.read, value)} AS binary(8))",
    Kind.INSTANT: lambda field, value: f"CAST({_microseconds_since('20000101', field.read, value)} AS binary(8))",
}
_COLUMNAR: dict[Kind, Callable[[ColumnRead, str], str]] = {
    Kind.NUMBER: _number,
    Kind.TEXT: lambda field, value: unicode_text(field.read, value),
    Kind.BINARY: lambda field, value: canonical(field, value) if field.form.long else value,
    Kind.FLOAT: canonical,
    Kind.SINGLE: canonical,
    Kind.DATE: lambda _, value: f"DATEDIFF(day, '19700101', {value})",
    Kind.TIME: lambda field, value: _microseconds_of_day(field.read, value),
    Kind.TIMESTAMP: lambda field, value: _microseconds_since("19700101", field.read, value),
    Kind.INSTANT: lambda field, value: _microseconds_since("19700101", field.read, value),
}
