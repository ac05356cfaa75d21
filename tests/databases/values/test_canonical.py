"""Python's reference against bytes written down by hand, and against what PostgreSQL 18's send functions gave."""

from __future__ import annotations

import hashlib
import math
import struct
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from cdcproof.databases.table_read import Chunking
from cdcproof.databases.values.canonical import as_text, chunk_of, digest, encode, frame, literal, row_hash
from cdcproof.databases.values.types import Form, Kind

EAST = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (Kind.BOOLEAN, True, "01"),
        (Kind.BOOLEAN, False, "00"),
        (Kind.INTEGER, 0, "0000000000000000"),
        (Kind.INTEGER, -1, "ffffffffffffffff"),
        (Kind.INTEGER, 2**63 - 1, "7fffffffffffffff"),
        (Kind.INTEGER, -(2**63), "8000000000000000"),
        (Kind.FLOAT, 1.0, "3ff0000000000000"),
        (Kind.FLOAT, 0.0, "0000000000000000"),
        (Kind.FLOAT, -0.0, "8000000000000000"),
        (Kind.FLOAT, math.inf, "7ff0000000000000"),
        (Kind.FLOAT, math.nan, "7ff8000000000000"),
        (Kind.FLOAT, -math.nan, "7ff8000000000000"),
        (Kind.FLOAT, 5e-324, "0000000000000001"),
        (Kind.SINGLE, 0.1, "3dcccccd"),
        (Kind.SINGLE, -0.0, "80000000"),
        (Kind.SINGLE, -math.nan, "7fc00000"),
        (Kind.TEXT, "", ""),
        (Kind.TEXT, " ", "20"),
        (Kind.TEXT, "aB ", "614220"),
        (Kind.TEXT, "é", "c3a9"),
        (Kind.TEXT, "e\u0301", "65cc81"),
        (Kind.TEXT, "🚀", "f09f9a80"),
        (Kind.BINARY, b"\x00\xff", "00ff"),
        (Kind.UUID, UUID("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"), "a0eebc999c0b4ef8bb6d6bb9bd380a11"),
        (Kind.DATE, date(2000, 1, 1), "00000000"),
        (Kind.DATE, date(1999, 12, 31), "ffffffff"),
        (Kind.DATE, date(1, 1, 1), "fff4dbf9"),
        (Kind.DATE, date(9999, 12, 31), "002c95d3"),
        (Kind.DATE, math.inf, "7fffffff"),
        (Kind.DATE, -math.inf, "80000000"),
        (Kind.TIME, time(0, 0), "0000000000000000"),
        (Kind.TIME, time(23, 59, 59, 999999), "000000141dd75fff"),
        (Kind.TIMESTAMP, datetime(2000, 1, 1), "0000000000000000"),  # noqa: DTZ001
        (Kind.TIMESTAMP, datetime(2000, 1, 1, 0, 0, 0, 1), "0000000000000001"),  # noqa: DTZ001
        (Kind.TIMESTAMP, datetime(1999, 12, 31, 23, 59, 59, 999999), "ffffffffffffffff"),  # noqa: DTZ001
        (Kind.TIMESTAMP, datetime(9999, 12, 31, 23, 59, 59, 999999), "0380e70b913b7fff"),  # noqa: DTZ001
        (Kind.TIMESTAMP, math.inf, "7fffffffffffffff"),
        (Kind.TIMESTAMP, -math.inf, "8000000000000000"),
        (Kind.INSTANT, datetime(2000, 1, 1, tzinfo=UTC), "0000000000000000"),
        (Kind.INSTANT, datetime(2000, 1, 1, 5, 30, tzinfo=EAST), "0000000000000000"),
        (Kind.INSTANT, datetime(1, 1, 1, 0, 0, tzinfo=EAST), "ff1fe2fb29705a00"),  # in UTC it is the year 1 BC
    ],
)
def test_a_value_has_the_bytes_of_its_kind(kind: Kind, value: Any, expected: str) -> None:
    assert encode(Form(kind), value).hex() == expected


@pytest.mark.parametrize(
    ("scale", "value", "expected"),
    [
        (0, 0, b"0"),
        (0, 7, b"7"),
        (0, Decimal("7.00"), b"7"),
        (4, Decimal("1.5"), b"1.5000"),
        (4, Decimal("1.50000"), b"1.5000"),
        (2, Decimal("1.234"), b"1.234"),
        (2, Decimal("1.2340"), b"1.234"),
        (2, -5, b"-5.00"),
        (2, Decimal("-0.00"), b"0.00"),
        (0, Decimal("-0"), b"0"),
        (0, Decimal("0.10"), b"0.1"),
        (0, Decimal("1E+5"), b"100000"),
        (2, Decimal("1E-7"), b"0.0000001"),
        (38, Decimal("0." + "0" * 37 + "1"), b"0." + b"0" * 37 + b"1"),
        (0, Decimal("9" * 60), b"9" * 60),
        (2, Decimal("NaN"), b"NaN"),
        (2, Decimal("-NaN"), b"NaN"),
        (2, Decimal("Infinity"), b"Infinity"),
        (2, Decimal("-Infinity"), b"-Infinity"),
    ],
)
def test_a_number_has_as_many_digits_as_the_form_and_more_where_it_needs_them(
    scale: int, value: Any, expected: bytes
) -> None:
    assert encode(Form(Kind.NUMBER, scale), value) == expected


def test_a_long_value_is_told_whole_up_to_the_limit_and_by_its_hash_beyond() -> None:
    text, raw = Form(Kind.TEXT, long=True), Form(Kind.BINARY, long=True)
    assert encode(text, "") == b"\x00"
    assert encode(text, "é") == b"\x00\xc3\xa9"
    assert encode(text, "x" * 7999) == b"\x00" + b"x" * 7999
    hashed = encode(raw, b"x" * 8000)
    assert hashed[:9] == b"\x01\x00\x00\x00\x00\x00\x00\x1f\x40"
    assert hashed[9:] == hashlib.sha256(b"x" * 8000).digest()
    assert encode(text, "é" * 4000)[:9] == b"\x01\x00\x00\x00\x00\x00\x00\x1f\x40"  # bytes are counted, not characters


@pytest.mark.parametrize(
    ("kind", "part", "expected"),
    [
        (Kind.BOOLEAN, "01", "true"),
        (Kind.BOOLEAN, "00", "false"),
        (Kind.INTEGER, "8000000000000000", "-9223372036854775808"),
        (Kind.FLOAT, "3fb999999999999a", "0.1"),
        (Kind.FLOAT, "8000000000000000", "-0.0"),
        (Kind.FLOAT, "7ff8000000000000", "NaN"),
        (Kind.FLOAT, "fff0000000000000", "-Infinity"),
        (Kind.SINGLE, "3dcccccd", "0.1"),
        (Kind.SINGLE, "7f7fffff", "3.4028235e+38"),
        (Kind.SINGLE, "00000001", "1e-45"),
        (Kind.SINGLE, "80000000", "-0"),
        (Kind.TEXT, "c3a920", "é "),
        (Kind.TEXT, "ff41", "\\xffA"),
        (Kind.BINARY, "00ff", "00ff"),
        (Kind.UUID, "a0eebc999c0b4ef8bb6d6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        (Kind.DATE, "fff4dbf9", "0001-01-01"),
        (Kind.DATE, "fff4dbf8", "0001-12-31 BC"),
        (Kind.DATE, "fff4da8b", "0001-01-01 BC"),
        (Kind.DATE, "fff4da8a", "0002-12-31 BC"),
        (Kind.DATE, "ffda97a7", "4714-11-24 BC"),  # PostgreSQL's first day
        (Kind.DATE, "7fda970c", "5874897-12-31"),  # and its last
        (Kind.DATE, "7fffffff", "infinity"),
        (Kind.DATE, "80000000", "-infinity"),
        (Kind.TIME, "000000141dd75fff", "23:59:59.999999"),
        (Kind.TIME, "000000141dd76000", "24:00:00"),
        (Kind.TIME, "00000000000003e8", "00:00:00.001"),
        (Kind.TIMESTAMP, "ffffffffffffffff", "1999-12-31T23:59:59.999999"),
        (Kind.TIMESTAMP, "00000000000f4240", "2000-01-01T00:00:01"),
        (Kind.TIMESTAMP, "7fffffffffffffff", "infinity"),
        (Kind.TIMESTAMP, "fd0f7cc1411fa000", "4714-11-24T00:00:00 BC"),
        (Kind.INSTANT, "ffffffffffffffff", "1999-12-31T23:59:59.999999+00:00"),
        (Kind.INSTANT, "8000000000000000", "-infinity"),
    ],
)
def test_bytes_are_told_as_text(kind: Kind, part: str, expected: str) -> None:
    assert as_text(Form(kind), bytes.fromhex(part)) == expected


def test_a_long_value_is_told_by_itself_or_by_size_and_hash() -> None:
    form = Form(Kind.TEXT, long=True)
    assert as_text(form, b"\x00abc") == "abc"
    assert as_text(form, encode(form, "x" * 100_000)) == (
        f"100,000 bytes with SHA-256 {hashlib.sha256(b'x' * 100_000).hexdigest()}"
    )


@pytest.mark.parametrize(
    ("form", "value", "expected"),
    [
        (Form(Kind.NUMBER, 4), Decimal("1.5"), "1.5000"),
        (Form(Kind.TEXT, long=True), "it's \\ %s " * 2000, "it's \\ %s " * 2000),
        (Form(Kind.BINARY, long=True), b"\x00\xff", "00ff"),
        (Form(Kind.BOOLEAN), True, "true"),
        (Form(Kind.TIMESTAMP), datetime(2025, 1, 2, 3, 4, 5, 7000), "2025-01-02T03:04:05.007"),  # noqa: DTZ001
        (Form(Kind.INSTANT), datetime(2025, 1, 2, 3, 4, 5, tzinfo=EAST), "2025-01-01T21:34:05+00:00"),
    ],
)
def test_a_literal_is_text_for_both_engines(form: Form, value: Any, expected: str) -> None:
    assert literal(form, value) == expected


def test_a_frame_is_what_record_send_makes() -> None:
    forms = (Form(Kind.INTEGER), Form(Kind.TEXT), Form(Kind.TEXT), Form(Kind.TEXT, long=True), Form(Kind.NUMBER, 2))
    parts = (b"\x00\x00\x00\x00\x00\x00\x00\x05", b"", None, b"\x00ab", b"1.50")
    # PostgreSQL: SELECT record_send(ROW(5::bigint, ''::text, NULL::text, '\x006162'::bytea, '1.50'::text))
    assert frame(forms, parts).hex() == (
        "00000005"
        "00000014"
        "00000008"
        "0000000000000005"
        "00000019"
        "00000000"
        "00000019"
        "ffffffff"
        "00000011"
        "00000003"
        "006162"
        "00000019"
        "00000004"
        "312e3530"
    )


def test_a_frame_of_other_columns_is_another_frame() -> None:
    text = Form(Kind.TEXT)
    frames = {frame((text, text), parts) for parts in [(b"a", b"bc"), (b"ab", b"c"), (None, b"abc"), (b"", b"abc")]}
    assert len(frames) == 4
    with pytest.raises(ValueError, match="zip"):
        frame((text,), (b"a", b"b"))


def test_a_row_hash_is_the_first_half_of_the_digest_with_its_sign() -> None:
    assert digest(b"").hex() == "d41d8cd98f00b204e9800998ecf8427e"
    assert row_hash(b"") == struct.unpack(">q", bytes.fromhex("d41d8cd98f00b204"))[0] < 0
    assert row_hash(b"a") == struct.unpack(">q", bytes.fromhex("0cc175b9c0f1b6a8"))[0] > 0


@pytest.mark.parametrize(
    ("value", "chunk"),
    [(0, 0), (99, 0), (-99, 0), (100, 1), (-100, -1), (-199, -1), (-200, -2), (2**63 - 1, 92233720368547758)],
)
def test_a_chunk_of_a_width_is_cut_off_towards_zero(value: int, chunk: int) -> None:
    form = Form(Kind.INTEGER)
    assert chunk_of(Chunking(width=100), (form, form), (encode(form, value), b"x")) == chunk


def test_a_bucket_is_of_the_digest_of_the_first_columns() -> None:
    text = Form(Kind.TEXT)
    # PostgreSQL: SELECT ('x' || md5(record_send(ROW(''::text))))::bit(32)::bigint % 1000, and of ROW('', 'x')
    assert chunk_of(Chunking(buckets=1000), (text, text), (b"", b"x")) == 73
    assert chunk_of(Chunking(buckets=1000, columns=2), (text, text), (b"", b"x")) == 1
