from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from cdcproof.databases.names import TableName
from cdcproof.validation.round_trip.journey import ARRIVED, REMOVED, Hop, Journey, same, travellers
from tests.pipelines import pipeline_of

CUSTOMERS = {
    "name": "customers",
    "source": "public.customers",
    "target": "public.customers",
    "topic": "t",
    "key": ["customer_id"],
    "target_filter": "__deleted IS DISTINCT FROM 'true'",
}
DAY = datetime.fromisoformat("2024-02-29T12:00:00")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Test", "Test"),
        ("AB", "AB  "),  # char(4)
        (99999, Decimal(99999)),
        ("12.50", Decimal("12.5000")),
        (0.1, Decimal("0.1")),
        (True, 1),
        ("true", True),
        (DAY, DAY.replace(tzinfo=UTC)),
        (DAY.replace(tzinfo=UTC), DAY.replace(tzinfo=timezone(timedelta(hours=1))) + timedelta(hours=1)),
        ("2024-02-29T12:00:00", DAY),
        ("2024-02-29", date(2024, 2, 29)),
        ("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
    ],
)
def test_values_that_are_the_same_whoever_gave_them(a: Any, b: Any) -> None:
    assert same(a, b)
    assert same(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Test", "test"),
        ("Test", " Test"),
        ("", None),
        (1, None),
        ("1", 2),
        ("x", 1),
        ("x", DAY),
        ("12.51", Decimal("12.50")),
        (date(2024, 2, 29), DAY),
        ("yes", True),
        ("no uuid", UUID(int=0)),
        (1.5, DAY),
    ],
)
def test_values_that_differ(a: Any, b: Any) -> None:
    assert not same(a, b)
    assert not same(b, a)


def customers(**more: Any):
    table = {"name": "customers", "source": "dbo.customers", "target": "public.customers", "topic": "t", **more}
    return pipeline_of(tables=[{"key": ["customer_id"], **table}])


def test_the_runbooks_row_is_the_one_of_customers() -> None:
    (row,) = travellers(customers())

    assert row.values == {"customer_id": 99999, "name": "Test", "email": "test@example.com"}
    assert row.source.key == {"customer_id": 99999}
    assert row.key == "customer_id = 99999"


def test_a_configured_row_takes_its_place_with_the_names_of_the_target() -> None:
    (row,) = travellers(
        customers(
            test_row={"customer_id": 7, "name": "x"},
            test_update={"name": "y"},
            rename={"name": "full_name", "customer_id": "id"},
        )
    )

    assert (row.source.columns, row.target.columns) == (("customer_id", "name"), ("id", "full_name"))
    assert (row.source.key, row.target.key) == ({"customer_id": 7}, {"id": 7})
    assert (row.source.table, row.target.table) == (TableName("dbo", "customers"), TableName("public", "customers"))


def test_tables_without_a_row_make_no_round_trip() -> None:
    assert travellers(pipeline_of("orders", "products")) == ()
    assert travellers(customers(key=["other"])) == ()


def test_a_row_is_ours_before_and_after_the_update_only() -> None:
    (row,) = travellers(customers())

    assert row.is_ours((99999, "Test", "test@example.com"))
    assert row.is_ours((99999, "Test, changed", "test@example.com"))
    assert not row.is_ours((99999, "Test", "somebody@example.com"))
    assert not row.is_ours((99999, None, "test@example.com"))


@pytest.mark.parametrize(
    ("found", "arrived", "reported"),
    [
        ([], ["delete"], "no row"),
        ([(99999, "Test", "test@example.com")], ["insert"], "the row as it was inserted"),
        ([(99999, "Test, changed", "test@example.com")], ["update"], "the row as it was updated"),
        ([(99999, "Bob", "bob@secret.com")], [], "a row with other values"),
        ([(99999, "Test", "test@example.com")] * 2, [], "2 rows with its key"),
    ],
)
def test_what_the_target_has_tells_which_act_has_arrived(
    found: list[tuple[Any, ...]], arrived: list[str], reported: str
) -> None:
    (row,) = travellers(customers())

    assert [act for act in ("insert", "update", "delete") if row.has_arrived(act, found)] == arrived
    assert row.described(found) == reported


def test_a_journey_names_what_did_not_arrive_and_what_remains() -> None:
    journey = Journey(
        (Hop("customers", "insert", 0.052), Hop("customers", "update", None, "the row as it was inserted")),
        waited_seconds=60,
        remains={"customers": "the target has the row as it was inserted"},
    )

    assert journey.expected() == {
        "customers: insert": ARRIVED,
        "customers: update": ARRIVED,
        "customers: test row": REMOVED,
    }
    assert journey.found() == {
        "customers: insert": ARRIVED,
        "customers: update": "not within 60 s: the row as it was inserted",
        "customers: test row": "the target has the row as it was inserted",
    }
    assert journey.seconds() == {"customers: insert": 0.052}
    assert [row["at the target after"] for row in journey.rows()] == ["52 ms", "never"]


@pytest.mark.parametrize(
    ("values", "is_ours"),
    [
        ((99999, "Test", "test@example.com"), True),
        ((99999, "Test, changed", "test@example.com"), True),
        ((99999, None, None), True),
        ((99999, "", ""), True),
        ((99999, "Somebody", None), False),
        ((99999, None, "somebody@example.com"), False),
    ],
)
def test_what_a_soft_delete_leaves_of_the_row_is_known(values: tuple[Any, ...], is_ours: bool) -> None:
    (row,) = travellers(pipeline_of(tables=[CUSTOMERS]))
    assert row.is_left_of_ours(values) is is_ours


@pytest.mark.parametrize(
    ("value", "is_nothing"),
    [
        (0, True), (0.0, True), (Decimal(0), True), (False, True), (b"", True), ("{}", True),
        (date(1970, 1, 1), True), (datetime.fromisoformat("1970-01-01T00:00:00"), True),
        (datetime.fromisoformat("1970-01-01T00:00:00+00:00"), True), (DAY.time().replace(hour=0), True),
        (1, False), ("0", False), (DAY, False), (date(2024, 2, 29), False), (True, False), ("x", False),
    ],
)  # fmt: skip
def test_what_debezium_has_in_place_of_null(value: Any, is_nothing: bool) -> None:
    table = {**CUSTOMERS, "test_row": {"customer_id": 99999, "name": "Test"}, "test_update": {"name": "x y"}}
    (row,) = travellers(pipeline_of(tables=[table]))
    assert row.is_left_of_ours((99999, value)) is is_nothing
