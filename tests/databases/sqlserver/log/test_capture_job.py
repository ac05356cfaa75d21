"""How far the log was read: the capture job's sessions and Debezium's offsets."""

from __future__ import annotations

from typing import Any

import pytest

from cdcproof.databases.sqlserver.log.capture_job import LogScan, Read, drained, passed, read_of


def scan(session: int, empty: int = 0, *, ended: bool = True, errors: int = 0, commit: int = 0) -> LogScan:
    return LogScan(session, ended, errors, commit, empty)


def test_a_session_that_ended_behind_the_position_has_passed_it() -> None:
    assert passed([scan(1, commit=5), scan(2, commit=7)], 6)
    assert passed([scan(2, commit=6)], 6)
    assert not passed([scan(1, commit=5)], 6)
    assert not passed([scan(1, commit=7, ended=False)], 6)
    assert not passed([scan(1, commit=7, errors=1)], 6)
    assert not passed([], 6)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        # one empty session more may have begun before; the second has begun after
        ([scan(3, 7)], [scan(3, 8)], False),
        ([scan(3, 7)], [scan(3, 9)], True),
        # a first empty session of a new row may have been under way
        ([scan(3)], [scan(3), scan(4, 1)], False),
        ([scan(3)], [scan(3), scan(4, 2)], True),
        # behind another new session it has begun after that ended
        ([scan(3)], [scan(3), scan(4), scan(5, 1)], True),
        ([scan(3)], [scan(3), scan(4), scan(5)], False),
        # still running, or failed
        ([scan(3, 7)], [scan(3, 9, ended=False)], False),
        ([scan(3, 7)], [scan(3, 9, errors=1)], False),
        # the server was started again: sessions count from one
        ([scan(30, 7)], [scan(1, 9)], False),
        ([], [scan(1, 1)], False),
        ([], [scan(1, 2)], True),
        ([scan(3, 7)], [], False),
    ],
)
def test_only_an_empty_session_that_surely_began_later_is_a_proof(
    before: list[LogScan], after: list[LogScan], expected: bool
) -> None:
    assert drained(before, after) is expected


COMMIT, CHANGE = "0000002d:00000b70:0003", "0000002d:00000b70:0002"
NUMBERS = (0x2D_00000B70_0003, 0x2D_00000B70_0002)


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        ({"commit_lsn": COMMIT, "change_lsn": CHANGE, "event_serial_no": 2}, Read(*NUMBERS, 2)),
        ({"commit_lsn": COMMIT, "change_lsn": CHANGE}, Read(*NUMBERS, 0)),
        # a finished snapshot: all of its last transaction, however many changes that had
        (
            {"commit_lsn": COMMIT, "change_lsn": None, "snapshot": "INITIAL", "snapshot_completed": True},
            Read(NUMBERS[0], (1 << 80) - 1, 0),
        ),
        ({"commit_lsn": COMMIT, "change_lsn": "NULL", "event_serial_no": 1}, Read(NUMBERS[0], (1 << 80) - 1, 0)),
        ({"commit_lsn": COMMIT, "snapshot": "INITIAL", "snapshot_completed": False}, None),
        ({"commit_lsn": COMMIT, "snapshot": True}, None),
        ({"commit_lsn": "NULL"}, None),
        ({}, None),
    ],
)
def test_an_offset_says_what_was_read(offset: dict[str, Any], expected: Read | None) -> None:
    assert read_of(offset) == expected


def test_an_offset_that_is_none_of_sql_servers_is_refused() -> None:
    with pytest.raises(ValueError, match="not a log sequence number"):
        read_of({"commit_lsn": "16/B374D848"})
