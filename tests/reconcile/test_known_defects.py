"""Each known defect of public tools (they take these for equal, or call these lost) is one that ours does not have."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from cdcproof.reconcile.report.result import TableStatus
from tests.reconcile.sides import FenceThen, Sides

pytest_plugins = ["tests.postgres_server"]


def _differ(sides: Sides, column: str, *pairs: tuple[Any, Any]) -> None:
    """Each pair is one row that differs, named by key and column, among rows of the same values that are equal."""
    here = [(2 * i, pair[0]) for i, pair in enumerate(pairs)]
    there = [(2 * i, pair[1]) for i, pair in enumerate(pairs)]
    equal = [(2 * i + 1, pair[i % 2]) for i, pair in enumerate(pairs)]
    sides.table("v", f"id int PRIMARY KEY, v {column}", [*here, *equal], [*there, *equal])
    result = sides.result("v")
    assert (result.status, result.checksums_match) == (TableStatus.MISMATCH, False)
    assert result.example_keys == tuple(f"changed {2 * i} (v)" for i in range(len(pairs)))


def test_null_and_the_empty_text_and_a_blank_are_three_things(sides: Sides) -> None:
    _differ(sides, "text", (None, ""), ("", " "), (" ", None), ("", None))


def test_no_word_stands_for_null(sides: Sides) -> None:
    _differ(sides, "text", *((word, None) for word in ("NULL", "null", "<null>", "None", "\\N", "ffffffff")))


def test_blanks_around_a_text_are_not_trimmed(sides: Sides) -> None:
    _differ(sides, "text", *(("x", there) for there in (" x", "x ", "x\t", "x\n", "x\u00a0")))


def test_the_padding_of_char_counts(sides: Sides) -> None:
    sides.table(
        "v", "id int PRIMARY KEY, v char(4)", [(1, "x")], [(1, "x")], target_columns="id int PRIMARY KEY, v char(5)"
    )
    assert sides.result("v").example_keys == ("changed 1 (v)",)


def test_case_is_not_folded(sides: Sides) -> None:
    _differ(sides, "varchar(20)", ("Alice", "alice"), ("straße", "STRASSE"), ("ß", "ẞ"))


def test_unicode_is_neither_lost_nor_normalised(sides: Sides) -> None:
    _differ(
        sides,
        "text",
        *(("漢字", "??"), ("Grüße", "Gr??e"), ("🚀", "\ufffd"), ("é", "e\u0301"), ("\u200b", ""), ("ﬁ", "fi")),
    )


@pytest.mark.parametrize("zone", ["timestamp", "timestamptz"])
def test_parts_of_a_second_count(sides: Sides, zone: str) -> None:
    at = datetime(2025, 1, 2, 3, 4, 5)  # noqa: DTZ001
    _differ(sides, zone, *((at, at.replace(microsecond=part)) for part in (1, 1_000, 999_999)))


def test_a_boolean_is_compared(sides: Sides) -> None:
    _differ(sides, "boolean", (True, False), (False, None))


def test_a_uuid_is_compared(sides: Sides) -> None:
    _differ(sides, "uuid", (UUID(int=1 << 127), UUID(int=(1 << 127) + 1)))


def test_decimals_are_compared_to_their_last_digit(sides: Sides) -> None:
    pairs = (("1234567.8900", "1234567.8901"), ("99999999999999.9999", "99999999999999.9998"), ("-1", "1"))
    _differ(sides, "numeric(18, 4)", *((Decimal(here), Decimal(there)) for here, there in pairs))


def test_decimals_are_equal_whatever_their_written_scale(sides: Sides) -> None:
    sides.table(
        "v",
        "id int PRIMARY KEY, v numeric(12, 1)",
        [(1, "1.5"), (2, "1000000")],
        [(1, "1.50"), (2, "1000000")],
        target_columns="id int PRIMARY KEY, v numeric(18, 4)",
    )
    assert sides.result("v").status is TableStatus.MATCH


def test_a_separator_in_a_value_does_not_move_it_into_the_next_column(sides: Sides) -> None:
    columns = "id int PRIMARY KEY, a text, b text"
    sides.table(
        "v",
        columns,
        [(1, "a", "bc"), (2, "a|b", "c"), (3, "a,", "b"), (4, None, "x")],
        [(1, "ab", "c"), (2, "a", "b|c"), (3, "a", ",b"), (4, "x", None)],
    )
    assert sides.result("v").example_keys == tuple(f"changed {i} (a, b)" for i in range(1, 5))


def test_two_values_that_change_places_are_seen(sides: Sides) -> None:
    sides.table("v", "id int PRIMARY KEY, v int", [(1, 10), (2, 20)], [(1, 20), (2, 10)])
    assert sides.result("v").example_keys == ("changed 1 (v)", "changed 2 (v)")


def test_minus_zero_and_zero_are_two_floats_and_every_nan_is_one(sides: Sides) -> None:
    _differ(sides, "double precision", (0.0, -0.0))
    sides.table("v", "id int PRIMARY KEY, v double precision", [(1, "NaN")], [(1, "NaN")])
    assert sides.result("v").status is TableStatus.MATCH


def test_every_one_of_two_hundred_differences_is_found(sides: Sides) -> None:
    """As in case c of the published comparison: 100 changed, 50 missing, 50 extra, at random places."""
    sides.table("many", "id int PRIMARY KEY, v int")
    fill = f"INSERT INTO {sides.name('many')} SELECT i * 2, i FROM generate_series(1, 30000) AS i"
    sides.both(fill)
    sides.target.execute(
        f"UPDATE {sides.name('many')} SET v = -v WHERE id % 600 = 4",
        f"DELETE FROM {sides.name('many')} WHERE id % 1200 = 8",
        f"INSERT INTO {sides.name('many')} SELECT i * 1200 + 1, 0 FROM generate_series(1, 50) AS i",
    )
    result = sides.result("many")
    assert (result.changed, result.missing_at_target, result.extra_at_target) == (100, 50, 50)
    found = {(d.word, d.key["id"]) for d in result.differences}
    assert found == {
        *(("changed", str(i)) for i in range(4, 60_000, 600)),
        *(("missing", str(i)) for i in range(8, 60_000, 1200)),
        *(("extra", str(i * 1200 + 1)) for i in range(1, 51)),
    }


def test_a_row_in_flight_is_not_called_lost(sides: Sides) -> None:
    sides.table(
        "v", "id int PRIMARY KEY, v text", [(1, "a"), (2, "new"), (3, "c")], [(1, "a"), (2, "old"), (4, "gone")]
    )
    arrives = [
        f"INSERT INTO {sides.name('v')} VALUES (3, 'c')",
        f"UPDATE {sides.name('v')} SET v = 'new' WHERE id = 2",
        f"DELETE FROM {sides.name('v')} WHERE id = 4",
    ]
    result = sides.result("v", fence=FenceThen(then=lambda: sides.target.execute(*arrives)))
    assert (result.status, result.method, result.source_rows, result.target_rows) == (
        TableStatus.MATCH,
        "position",
        3,
        3,
    )


def test_a_type_that_is_not_compared_is_named_and_the_rest_compared(sides: Sides) -> None:
    sides.table("v", "id int PRIMARY KEY, doc point, v text", [(1, "(1,2)", "x")], [(1, "(1,3)", "x")])
    result = sides.result("v")
    assert (result.status, result.unseen) == (TableStatus.INCOMPLETE, ("doc",))
    assert sides.result("v", exclude=("doc",)).status is TableStatus.MATCH
    assert result.not_compared == ("doc (point: Debezium does not carry geometric types as they are)",)
