"""Differences of values that are the same in another spelling have that as their cause, and no others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cdcproof.databases.names import Column
from cdcproof.databases.table_read import ColumnRead
from cdcproof.databases.values import canonical
from cdcproof.databases.values.types import Form, Kind
from cdcproof.reconcile.report.spelling import of_column, of_key

TEXT = ColumnRead(Column("v", "text", nullable=True), Form(Kind.TEXT))
LONG = ColumnRead(Column("v", "text", nullable=True), Form(Kind.TEXT, long=True))
FLAG = ColumnRead(Column("v", "boolean", nullable=True), Form(Kind.INTEGER))
NUMBER = ColumnRead(Column("v", "integer", nullable=True), Form(Kind.INTEGER))
MOMENT = ColumnRead(Column("v", "timestamp with time zone", nullable=True), Form(Kind.INSTANT))


def _of(read: ColumnRead, *pairs: tuple[Any, Any]) -> str:
    def part(value: Any) -> bytes | None:
        return None if value is None else canonical.encode(read.form, value)

    return of_column(read, read, [(part(ours), part(theirs)) for ours, theirs in pairs])


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([("ab   ", "ab      "), ("", "  ")], "in blanks at the end"),
        ([("A0EEBC999C0B4EF8BB6D6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")], "in hyphens, braces or the case of a uuid"),
        ([("{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")], "in hyphens, braces or the case of a uuid"),
        ([("true", "Y"), ("false", "N")], "in the word for true and false"),
        ([("true", "1"), ("f", "0"), ("on", "yes")], "in the word for true and false"),
        ([("straße", "STRASSE"), ("Bob", "bob")], "in the case of letters"),
        ([("a\r\nb", "a\nb"), ("a\rb", "a\nb")], "in line ends (CR LF and LF)"),
        ([("\tx", "x"), (" y", "y")], "in white space around the text"),
        ([("1.50", "1.5"), ("+07", "7"), ("-0.0", "0"), ("1,25", "1.25")], "in how a number is written"),
        ([("é", "e\u0301")], "in Unicode's composed and decomposed letters (NFC, NFD)"),
        ([("", None), (None, "")], "in NULL and the empty text"),
        ([(" A  b", "a B")], "in case and white space"),
    ],
)  # fmt: skip
def test_texts_that_are_the_same_in_another_spelling(pairs: list[tuple[Any, Any]], said: str) -> None:
    assert _of(TEXT, *pairs) == f"differs only {said}"
    assert _of(LONG, *pairs) == f"differs only {said}"


@pytest.mark.parametrize(
    "pairs",
    [
        [("ab", "abc")],
        [("true", "N")],
        [("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12")],
        [("x", None), (None, "y")],
        [("1.5", "1.51")],
        [("a ", "a"), ("b", "c"), ("d", "e")],
        [("a", " b ")],
    ],
)
def test_texts_that_differ_in_more_have_no_cause(pairs: list[tuple[Any, Any]]) -> None:
    assert _of(TEXT, *pairs) == ""


def test_what_explains_half_of_the_rows_is_not_all() -> None:
    assert _of(TEXT, ("a ", "a"), ("b ", "b"), ("c", "d")) == "differs mostly in blanks at the end"


def test_the_likeliest_spelling_is_tried_on_all_rows() -> None:
    upper = [(f"a{i}", f"A{i}") for i in range(199)]
    assert _of(TEXT, *upper, ("lost", "other"), ("lost", "another")) == "differs mostly in the case of letters"
    assert _of(TEXT, *upper, *[("lost", "other")] * 300) == ""


def test_of_values_that_are_known_by_their_hashes_nothing_is_known() -> None:
    assert _of(LONG, ("x" * 9000 + " ", "x" * 9000)) == ""


def test_another_number_than_one_for_true() -> None:
    assert _of(FLAG, (1, -1), (1, 2)) == "differs only in the number for true"
    assert _of(FLAG, (1, 0)) == ""
    assert _of(NUMBER, (1, 2)) == ""


def test_moments_that_are_a_time_zone_apart() -> None:
    at = datetime(2025, 7, 1, 10, tzinfo=UTC)
    apart = [(at, at + timedelta(hours=hours)) for hours in (2, -5.5, 1, 5.75)]
    assert _of(MOMENT, *apart) == "differs only by quarters of an hour, as a time zone makes it"
    assert _of(MOMENT, (at, at + timedelta(minutes=7))) == ""
    assert _of(MOMENT, (at, at + timedelta(days=3))) == ""


def test_a_key_in_another_spelling_is_missing_and_extra() -> None:
    missing = [(b"1", b"ab   "), (b"2", b"ab   "), (b"3", b"gone ")]
    extra = [(b"1", b"ab      "), (b"2", b"ab      ")]
    assert of_key(TEXT, 1, missing, extra) == "differs only in blanks at the end"
    assert of_key(TEXT, 1, missing, [(b"4", b"ab      ")]) == ""
    assert of_key(TEXT, 1, missing, []) == of_key(NUMBER, 1, missing, extra) == ""
    assert of_key(TEXT, 1, [(b"1", None)], [(b"1", b"")]) == ""
