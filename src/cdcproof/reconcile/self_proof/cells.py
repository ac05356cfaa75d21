"""Values that both columns of a pair hold: the text that each side's type reads, and the canonical bytes that both must make of it. Pure.

The contract of the two types decides: values have no more digits, letters or precision than the smaller of both columns keeps.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

from cdcproof.databases.names import Column
from cdcproof.databases.table_read import ColumnRead
from cdcproof.databases.values import canonical, stored_value
from cdcproof.databases.values.reading import How, Reading
from cdcproof.databases.values.types import ENCODED_BY_HASH, INTEGER_DIGITS, Form, Kind, entry_of, holds
from cdcproof.pipeline.engines import Engine
from cdcproof.reconcile.plan.edge_values import INTEGERS
from cdcproof.reconcile.plan.edge_values_as_read import converted

_EXACT = Context(prec=200)
_MOST_DIGITS = 30
"""Of numbers without a limit."""
_UNLIMITED_SCALE = 4
_WHOLE = 10
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_PADDED = ("char", "nchar", "character")
_DOCUMENTS = (How.DOCUMENT, How.PARSED)
_PLACES = {How.SECONDS: 0, How.MILLISECONDS: 3, How.MICROSECONDS: 6, How.NANOSECONDS: 6, How.DAYS: 0}
_NOON = datetime(2024, 1, 31, 12)  # noqa: DTZ001  in whatever zone the column's values are
_FROM_ONE_TO_NOON = timedelta(hours=11)
_SEVEN_DIGITS = ("time", "datetime2", "datetimeoffset")
_IN_UTC = Reading(How.UTC)
_MOST_IN_VAIN = 20
_LONG_LETTERS = 9_000
"""More than a value may have that is sent whole."""


@dataclass(frozen=True)
class Cell:
    """A value as the text that each side reads, and its canonical bytes; None for NULL."""

    source: str | None
    target: str | None
    part: bytes | None


NULL = Cell(None, None, None)


@dataclass(frozen=True)
class Columns:
    """Two columns that meet, each with its engine."""

    source_engine: Engine
    source: ColumnRead
    target_engine: Engine
    target: ColumnRead

    @cached_property
    def kind(self) -> Kind:
        """Of the source's values, before they are read."""
        return _kind(self.source_engine, self.source.column)

    @property
    def form(self) -> Form:
        """The form of both."""
        return self.source.form

    @cached_property
    def is_document(self) -> bool:
        """Whether values have to be JSON."""
        reading = self.source.column.reading
        return (reading is not None and reading.how in _DOCUMENTS) or self._is_a("json", "jsonb")

    @cached_property
    def is_xml(self) -> bool:
        """Whether values have to be XML."""
        return self._is_a("xml")

    @cached_property
    def is_trimmed(self) -> bool:
        """Whether blanks at the end do not count, or are always there."""
        reading = self.source.column.reading
        return (reading is not None and reading.how is How.TRIMMED) or self._is_a(*_PADDED)

    @cached_property
    def is_fixed(self) -> bool:
        """Whether a binary value has always the same length."""
        return self._is_a("binary")

    @cached_property
    def room(self) -> int | None:
        """How many letters or bytes both columns hold; None without a limit."""
        lengths = [63 if one.type == "name" else one.length for one in (self.source.column, self.target.column)]
        reading = self.target.column.reading
        if self.kind is Kind.BINARY and reading is not None:  # base64 or hexadecimal digits
            lengths[1] = None if lengths[1] is None else lengths[1] // 3
        return min((length for length in lengths if length is not None), default=None)

    @cached_property
    def places(self) -> int:
        """Digits after the point of a number that both sides keep; below 0 where there are only hundreds."""
        found = [_scale(self.source_engine, self.source.column)]
        if not self.target.column.reading:
            found.append(_scale(self.target_engine, self.target.column))
        known = [places for places in found if places is not None]
        return min(known) if known else _UNLIMITED_SCALE

    @cached_property
    def step(self) -> timedelta:
        """The smallest difference of two times that both sides keep."""
        if self._is_a("smalldatetime"):
            return timedelta(minutes=1)
        digits = [3 if one.type == "datetime" else 6 if one.scale is None else one.scale for one in self._moments]
        reading = self.source.column.reading
        digits.append(_PLACES.get(reading.how, 6) if reading else 6)
        microseconds = 10 ** (6 - min(6, *digits))
        return timedelta(microseconds=3_000 if microseconds == 1_000 and self._is_a("datetime") else microseconds)

    @property
    def _moments(self) -> list[Column]:
        return [one for one in (self.source.column, self.target.column) if one.type.startswith(("time", "datetime"))]

    def _is_a(self, *types: str) -> bool:
        return self.source.column.type in types or self.target.column.type in types

    def cell(self, value: Any) -> Cell | None:
        """A value of the source's kind in both columns; None where one of them does not hold it as it is."""
        source, target = self.source.column, self.target.column
        scale = max(source.scale or 0, 0) if self.kind is Kind.NUMBER else 0
        text = canonical.literal(Form(self.kind, scale), value)
        if not _fits(self.source_engine, source, text):
            return None
        part = canonical.encode(self.form, self._compared(value))
        if self.form.long and part.startswith(ENCODED_BY_HASH):
            if target.reading:
                return None
            written = text  # of a hash nothing can be written
        else:
            written = stored_value.written(self.target, part)
        if self.kind is Kind.BOOLEAN and target.reading:
            written = written[:1]  # the column may have room for no more
        if not _fits(self.target_engine, target, written):
            return None
        if target.type in _PADDED and not target.reading and len(written) != (target.length or 1):
            return None
        return Cell(text, written, part)

    def _compared(self, value: Any) -> Any:
        """What is compared of a value that the source's column holds."""
        column, reading = self.source.column, self.source.column.reading
        if column.type == "real":
            value = _as_single(value)
        if reading is None:
            return value.ljust(column.length or 1) if column.type in _PADDED else value
        if reading.how in _DOCUMENTS:
            return value
        return converted(reading.how, column.type, value)


def values(columns: Columns) -> Iterator[Cell]:
    """Different values, the plainest first."""
    parts: set[bytes | None] = set()
    in_vain = 0
    for value in _VALUES[columns.kind](columns):
        cell = columns.cell(value)
        in_vain = 0 if cell else in_vain + 1
        if cell and cell.part not in parts:
            parts.add(cell.part)
            yield cell
        elif in_vain == _MOST_IN_VAIN:
            return


def pair(columns: Columns, *candidates: tuple[Any, Any]) -> tuple[Cell, Cell] | None:
    """The first two values of which both columns hold either, and that differ when they are compared."""
    for one, other in candidates:
        first, second = columns.cell(one), columns.cell(other)
        if first and second and first.part != second.part:
            return first, second
    return None


def neighbours(columns: Columns) -> tuple[Cell, Cell] | None:
    """Two values with the smallest difference that both columns keep; None for kinds that have none such."""
    match columns.kind:
        case Kind.INTEGER:
            greatest = min(_most(columns.source.column), _most(columns.target.column))
            return pair(columns, (greatest - 2, greatest - 1), (1, 2))
        case Kind.NUMBER:
            step = _step(columns)
            most = _EXACT.multiply(step, Decimal(10 ** max(_digits(columns), 1) - 1))
            return pair(columns, (_EXACT.subtract(most, step), most), (step, _EXACT.add(step, step)))
        case Kind.FLOAT | Kind.SINGLE:
            return pair(columns, (1.5, _next(columns)))
        case Kind.TIME | Kind.TIMESTAMP | Kind.INSTANT:
            at = _moment(columns, timedelta())
            return pair(columns, (at, _moment(columns, columns.step)))
        case _:
            return None


def seventh_digits(columns: Columns) -> tuple[Cell, Cell] | None:
    """Two times with 100 ns between them that the contract rounds to two microseconds; None where no side has a seventh digit."""
    ends = ((columns.source_engine, columns.source.column), (columns.target_engine, columns.target.column))
    has_seven = [
        engine == "sqlserver" and one.type in _SEVEN_DIGITS and one.scale == 7 and one.reading in (None, _IN_UTC)
        for engine, one in ends
    ]
    if not any(has_seven) or columns.step != timedelta(microseconds=1):
        return None
    low, high = (columns.cell(_moment(columns, timedelta(microseconds=number))) for number in (123_456, 123_457))
    if low is None or high is None:
        return None

    def with_seventh(cell: Cell, rounded: str, digits: str) -> Cell:
        texts = zip(has_seven, (cell.source, cell.target), strict=True)
        ours, theirs = (text.replace(rounded, digits) if seven and text else text for seven, text in texts)
        return replace(cell, source=ours, target=theirs)

    return with_seventh(low, ".123456", ".1234564"), with_seventh(high, ".123457", ".1234565")


def long_texts(columns: Columns) -> tuple[Cell, Cell] | None:
    """Two long texts that differ at their end alone."""
    if columns.kind is not Kind.TEXT or not columns.form.long or columns.is_document or columns.is_xml:
        return None
    text = "x" * _LONG_LETTERS
    return pair(columns, (f"{text}a", f"{text}b"))


def _booleans(_: Columns) -> Iterator[Any]:
    yield from (False, True)


def _integers(_: Columns) -> Iterator[Any]:
    number = 1
    while True:
        yield number
        number += 1


def _numbers(columns: Columns) -> Iterator[Any]:
    step = _step(columns)
    yield from map(Decimal, range(1, _WHOLE))  # as far as there is room before the point
    for number in _integers(columns):
        yield _EXACT.multiply(step, Decimal(number))


def _floats(columns: Columns) -> Iterator[Any]:
    for number in _integers(columns):
        yield number + 0.5


def _texts(columns: Columns) -> Iterator[Any]:
    room = columns.room
    for word in _words(room if room is not None and not (columns.is_document or columns.is_xml) else None):
        yield text_of(columns, word)


def text_of(columns: Columns, word: str) -> str:
    """A word as a text of these columns."""
    if columns.is_document:
        return f'"{word}"'
    return f"<a>{word}</a>" if columns.is_xml else word


def _words(room: int | None) -> Iterator[str]:
    yield from _LETTERS
    for number in range(len(_LETTERS) ** min(room or 4, 4)):
        letters, rest = "", number
        while rest or len(letters) < 2:
            rest, place = divmod(rest, len(_LETTERS))
            letters = _LETTERS[place] + letters
        if room is None or len(letters) <= room:
            yield letters


def _binaries(columns: Columns) -> Iterator[Any]:
    room = columns.room or 4
    width = room if columns.is_fixed else min(room, 4)
    for number in range(1, 256 ** min(width, 2)):
        yield number.to_bytes(width)


def _uuids(_: Columns) -> Iterator[Any]:
    for number in range(1 << 16):
        yield UUID(int=0xA0EEBC99_9C0B_4EF8_BB6D_6BB9BD380000 + number)


def _dates(_: Columns) -> Iterator[Any]:
    for number in range(1 << 16):
        yield date(2024, 1, 31) + timedelta(days=number)


def _moments(columns: Columns) -> Iterator[Any]:
    for number in range(22 * 60 if columns.kind is Kind.TIME else 1 << 16):
        yield _moment(columns, timedelta(minutes=number))


def _moment(columns: Columns, later: timedelta) -> Any:
    at = _NOON + later
    if columns.kind is Kind.TIME:
        return (at - _FROM_ONE_TO_NOON).time()  # early: few seconds fit into a small integer
    return at.replace(tzinfo=UTC) if columns.kind is Kind.INSTANT else at


_VALUES: dict[Kind, Callable[[Columns], Iterator[Any]]] = {
    Kind.BOOLEAN: _booleans,
    Kind.INTEGER: _integers,
    Kind.NUMBER: _numbers,
    Kind.FLOAT: _floats,
    Kind.SINGLE: _floats,
    Kind.TEXT: _texts,
    Kind.BINARY: _binaries,
    Kind.UUID: _uuids,
    Kind.DATE: _dates,
    Kind.TIME: _moments,
    Kind.TIMESTAMP: _moments,
    Kind.INSTANT: _moments,
}


def _kind(engine: Engine, column: Column) -> Kind:
    kind = entry_of(engine, column).kind
    if kind is None:
        raise TypeError(f"{column.type} is not compared")
    return kind


def _fits(engine: Engine, column: Column, text: str) -> bool:
    """Whether a column holds what it is given as this text, as it is."""
    bare = replace(column, reading=None)
    kind = _kind(engine, bare)
    match kind:
        case Kind.TEXT:
            return holds(bare, kind, text) and (column.type != "name" or len(text) < 64)
        case Kind.BINARY:
            size = len(text) // 2
            return column.length is None or (
                size == column.length if column.type == "binary" else size <= column.length
            )
        case Kind.INTEGER:
            number = Decimal(text)
            low, high = INTEGERS[column.type]
            return number == number.to_integral_value() and low <= number <= high
        case Kind.NUMBER:
            return abs(Decimal(text)) <= _most(bare) and holds(bare, kind, text)
        case Kind.TIME | Kind.TIMESTAMP | Kind.INSTANT:
            return holds(bare, kind, text)
        case _:
            return True


def _scale(engine: Engine, column: Column) -> int | None:
    """Digits after the point that a column keeps; None without a limit."""
    if column.type in INTEGER_DIGITS:
        return 0
    if column.type in ("money", "smallmoney"):
        return 4 if engine == "sqlserver" else 0  # PostgreSQL's money has as many as its server says
    return None if column.precision is None else column.scale or 0


def _most(column: Column) -> int:
    """About the greatest whole number that a column holds."""
    if column.type in INTEGERS:
        return int(INTEGERS[column.type][1])
    if column.type in ("money", "smallmoney"):
        return 100_000 if column.type == "smallmoney" else 100_000_000_000_000
    if column.precision is None:
        return int(10**_MOST_DIGITS)
    return int(10 ** max(column.precision - (column.scale or 0), 0))


def _step(columns: Columns) -> Decimal:
    return Decimal(1).scaleb(-columns.places, _EXACT)


def _digits(columns: Columns) -> int:
    """Digits of a number that both columns hold."""
    ends = (columns.source.column, *(() if columns.target.column.reading else (columns.target.column,)))
    return min(len(str(_most(one) - 1)) if _most(one) > 1 else 0 for one in ends) + columns.places


def _next(columns: Columns) -> float:
    """The float after 1.5 that both sides keep; SQL Server reads no more than about 15 digits for sure."""
    ends = ((columns.source_engine, columns.source.column), (columns.target_engine, columns.target.column))
    if any(_kind(*end) is Kind.SINGLE for end in ends):
        return 1.5 + 2**-23
    return 1.5 + 2**-40 if any(engine == "sqlserver" for engine, _ in ends) else math.nextafter(1.5, 2)


def _as_single(value: float) -> float:
    return float(struct.unpack(">f", struct.pack(">f", value))[0])
