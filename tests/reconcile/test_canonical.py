"""The type contract: what is equal, and the known defects of other tools, each of which must be seen here."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdcproof.databases.base import Column
from cdcproof.reconcile.canonical import Engine, encoder, framed, kind_of

_at = datetime.fromisoformat


def _form(engine: Engine, type_name: str, value: Any) -> bytes:
    return framed([encoder(engine, Column("c", type_name, nullable=True))], [value])


# what pyodbc gives for a SQL Server type, and what psycopg gives for the type it arrives as
SAME = [
    ("bit", True, "boolean", True),
    ("bit", False, "boolean", False),
    ("tinyint", 255, "smallint", 255),
    ("bigint", -(2**63), "bigint", -(2**63)),
    ("bigint", 10**15, "numeric", Decimal("1E+15")),
    ("decimal", Decimal("1.5000"), "numeric", Decimal("1.5")),
    ("decimal", Decimal("-0.00"), "numeric", Decimal("0")),
    ("numeric", Decimal("1234567890123456789012345678901234.5678"), "numeric", Decimal("1234567890123456789012345678901234.5678")),
    ("money", Decimal("922337203685477.5807"), "numeric", Decimal("922337203685477.5807")),
    ("float", 0.1, "double precision", 0.1),
    ("real", 0.1, "real", 0.10000000149011612),
    ("nvarchar", "Grüße 🚀\u0301", "text", "Grüße 🚀\u0301"),
    ("char", "ab  ", "character", "ab  "),
    ("varbinary", b"\x00\xff", "bytea", b"\x00\xff"),
    ("uniqueidentifier", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "uuid", UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
    ("date", date(1, 1, 1), "date", date(1, 1, 1)),
    ("date", date(9999, 12, 31), "date", date(9999, 12, 31)),
    ("time", time(23, 59, 59, 999999), "time without time zone", time(23, 59, 59, 999999)),
    ("datetime", _at("2025-01-02T03:04:05.003333"), "timestamp without time zone", _at("2025-01-02T03:04:05.003")),
    ("datetime", _at("2025-01-02T03:04:05.006667"), "timestamp without time zone", _at("2025-01-02T03:04:05.007")),
    ("datetime", _at("2025-12-31T23:59:59.999600"), "timestamp without time zone", _at("2026-01-01T00:00:00")),
    ("datetime2", _at("2025-01-02T03:04:05.123456"), "timestamp without time zone", _at("2025-01-02T03:04:05.123456")),
    ("datetimeoffset", datetime(2025, 7, 1, 2, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))), "timestamp with time zone", datetime(2025, 6, 30, 21, tzinfo=UTC)),
    ("datetimeoffset", datetime(1, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), "timestamp with time zone", datetime(1, 1, 1, tzinfo=UTC)),
    ("nvarchar", None, "text", None),
]  # fmt: skip


@pytest.mark.parametrize(("source_type", "at_source", "target_type", "at_target"), SAME)
def test_the_same_data_has_the_same_form_on_both_sides(
    source_type: str, at_source: Any, target_type: str, at_target: Any
) -> None:
    source, target = Column("c", source_type, nullable=True), Column("c", target_type, nullable=True)
    assert kind_of("sqlserver", source) == kind_of("postgresql", target)
    assert _form("sqlserver", source_type, at_source) == _form("postgresql", target_type, at_target)


DIFFERENT = {
    "NULL is not ''": ("text", None, ""),
    "NULL is not ' '": ("text", None, " "),
    "'' is not ' '": ("text", "", " "),
    "leading blanks count": ("text", " a", "a"),
    "trailing blanks count": ("text", "a ", "a"),
    "case counts": ("text", "Alice", "alice"),
    "accents count": ("text", "é", "e"),
    "composition counts": ("text", "é", "e\u0301"),
    "outside the code page is not '?'": ("text", "漢", "?"),
    "microseconds count": ("timestamp without time zone", _at("2025-01-01T00:00:00.000001"), _at("2025-01-01")),
    "milliseconds count": ("timestamp without time zone", _at("2025-01-01T00:00:00.003"), _at("2025-01-01")),
    "an instant's microsecond counts": (
        "timestamp with time zone",
        datetime(2025, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        datetime(2025, 1, 1, tzinfo=UTC),
    ),
    "the last digit of a decimal counts": ("numeric", Decimal("1.2345"), Decimal("1.2346")),
    "digits beyond a float's count": (
        "numeric",
        Decimal("12345678901234567890.1"),
        Decimal("12345678901234567890.2"),
    ),
    "booleans are compared": ("boolean", True, False),
    "false is not NULL": ("boolean", False, None),
    "zero is not NULL": ("integer", 0, None),
    "uuids are compared": ("uuid", UUID(int=1), UUID(int=2)),
    "minus zero is not zero": ("double precision", -0.0, 0.0),
    "the last bit of a float counts": ("double precision", 0.1, math.nextafter(0.1, 1)),
    "empty bytes are not NULL": ("bytea", b"", None),
}


@pytest.mark.parametrize("defect", DIFFERENT)
def test_a_difference_that_other_tools_miss_is_seen(defect: str) -> None:
    type_name, one, other = DIFFERENT[defect]
    assert _form("postgresql", type_name, one) != _form("postgresql", type_name, other)


def test_every_nan_is_the_same_nan_and_decimals_know_theirs() -> None:
    assert _form("postgresql", "double precision", math.nan) == _form("postgresql", "double precision", -math.nan)
    assert _form("postgresql", "numeric", Decimal("NaN")) != _form("postgresql", "numeric", Decimal(0))


def test_thousands_have_no_separators_and_no_exponent() -> None:
    assert _form("sqlserver", "money", Decimal("1234567.8900")).endswith(b"1234567.89")
    assert _form("postgresql", "numeric", Decimal("1E+6")).endswith(b"1000000")


def test_half_a_surrogate_pair_is_compared_not_refused() -> None:
    assert _form("sqlserver", "nvarchar", "\ud83d") != _form("sqlserver", "nvarchar", "\ud83e")


@pytest.mark.parametrize(
    ("one", "other"),
    [(("a", "bc"), ("ab", "c")), (("", "a"), ("a", "")), ((None, "a"), ("a", None)), (("a|", "b"), ("a", "|b"))],
)
def test_a_text_that_moves_to_the_next_column_is_seen(
    one: tuple[str | None, ...], other: tuple[str | None, ...]
) -> None:
    assert framed([_text] * 2, one) != framed([_text] * 2, other)


_values = st.one_of(st.none(), st.text())
_text = encoder("postgresql", Column("c", "text", nullable=True))


@given(st.lists(_values, max_size=4), st.lists(_values, max_size=4))
def test_no_two_rows_share_a_form(one: list[str | None], other: list[str | None]) -> None:
    same = framed([_text] * len(one), one) == framed([_text] * len(other), other)
    assert same == (one == other)


@given(st.decimals(allow_nan=False, allow_infinity=False), st.decimals(allow_nan=False, allow_infinity=False))
def test_numbers_have_one_form_exactly_when_they_are_equal(one: Decimal, other: Decimal) -> None:
    assert (_form("postgresql", "numeric", one) == _form("postgresql", "numeric", other)) == (one == other)


@given(st.datetimes(timezones=st.timezones()), st.integers(-14 * 60, 14 * 60))
def test_an_instant_has_one_form_in_every_zone(value: datetime, minutes: int) -> None:
    offset = timezone(timedelta(minutes=minutes))
    try:
        elsewhere = value.astimezone(offset)
    except OverflowError:
        return
    form = _form("postgresql", "timestamp with time zone", elsewhere)
    assert form == _form("sqlserver", "datetimeoffset", value)


@pytest.mark.parametrize(
    ("engine", "type_name"),
    [
        *(
            ("sqlserver", t)
            for t in ("xml", "sql_variant", "hierarchyid", "geometry", "geography", "timestamp", "json")
        ),
        *(("postgresql", t) for t in ("json", "jsonb", "xml", "integer[]", "interval", "point", "money")),
    ],
)
def test_a_type_outside_the_contract_has_no_kind(engine: Engine, type_name: str) -> None:
    assert kind_of(engine, Column("c", type_name, nullable=True)) is None
