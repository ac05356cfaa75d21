"""Dead letters, as a sink writes them."""

from __future__ import annotations

import pytest

from cdcproof.clients.kafka.dead_letters import Record, all_put_aside, counted

PLACE = ("t.orders", 0)


def record(key: bytes | None, value: bytes | None, **headers: str) -> Record:
    named = {f"__connect.errors.{name.replace('_', '.')}": text for name, text in headers.items()}
    return Record(PLACE, 0, key, value, named)


A, B, DELETED = record(b"1", b"a"), record(b"1", b"b"), record(b"1", None)


@pytest.mark.parametrize(
    ("unread", "aside", "answer"),
    [
        ([A], [A], True),
        ([A, B], [B, A], True),
        ([A, B], [A], False),
        ([A], [], False),
        ([], [A], False),
        ([DELETED], [A], False),
        ([DELETED], [record(b"1", b"")], False),
    ],
)
def test_only_what_is_there_byte_for_byte_was_put_aside(
    unread: list[Record], aside: list[Record], answer: bool
) -> None:
    assert all_put_aside(unread, aside) is answer


def test_the_origin_and_the_reason_come_from_the_headers() -> None:
    told = record(
        b"1",
        b"a",
        topic="t.orders",
        partition="0",
        offset="17",
        exception_class_name="org.apache.kafka.connect.errors.DataException",
        exception_message="not a number",
    )
    assert (told.origin, told.error) == ("t.orders/0, offset 17", "DataException: not a number")
    assert (A.origin, A.error) == ("", "")


def test_a_count_is_a_sentence() -> None:
    assert (counted(1, "dlq"), counted(1_234, "dlq")) == ("1 record is in dlq", "1,234 records are in dlq")
