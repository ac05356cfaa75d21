"""SQL Server's log position, and whether a connector has read up to it: the views' answers are the test's, the change tables are run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.names import TableName
from cdcproof.databases.sqlserver.database import SQLServer
from cdcproof.databases.sqlserver.log import lsn
from cdcproof.databases.sqlserver.queries import catalogue, deployment
from cdcproof.databases.table_read import LogPosition
from tests import tsql_values
from tests.databases.sqlserver.test_database import _session

ORDERS = TableName("dbo", "orders")
F = "0000002d:00000b70:0010"


def at(record: int) -> bytes:
    """The log sequence number of a record near F."""
    return lsn.binary(lsn.of_text(F) - 0x10 + record)


def offset(commit: int, change: int, events: int = 1) -> dict[str, Any]:
    return {
        "commit_lsn": lsn.text(int.from_bytes(at(commit))),
        "change_lsn": lsn.text(int.from_bytes(at(change))),
        "event_serial_no": events,
    }


def sql_server(
    changes: Sequence[tuple[int, int]] = (),
    *,
    captured: int | None = 0x20,
    scans: Sequence[tuple[Any, ...]] = (),
    others: Sequence[tuple[int, int]] = (),
    in_group: int = 0,
    **known: Any,
) -> SQLServer:
    """`changes` and `others`: commit and place of each row in the change tables of dbo.orders and dbo.other."""
    tables = {
        f"cdc.dbo_{name}_CT": [
            {"__$start_lsn": tsql_values.Binary(at(commit)), "__$seqval": tsql_values.Binary(at(change))}
            for commit, change in rows
        ]
        for name, rows in (("orders", changes), ("other", others))
    }
    return _session(
        {
            catalogue.DATABASE_STATE: [(True, 0)],
            catalogue.LOG_END: [(F,)],
            catalogue.LOG_SCANS: scans,
            catalogue.CAPTURED_TO: [(captured and at(captured),)],
            catalogue.IS_IN_GROUP: [(in_group,)],
            catalogue.CHANGE_TABLES: [
                ("dbo", "Orders", "cdc", "dbo_orders_CT", at(0)),
                ("dbo", "other", "cdc", "dbo_other_CT", at(0)),
            ],
            **known,
        },
        tables,
    )


def test_the_position_is_the_end_of_the_log() -> None:
    assert sql_server().log.position() == LogPosition(lsn.of_text(F), F)


REDONE, SENT = 26000001014900001, 26000001014900009


@pytest.mark.parametrize(("redone", "sent"), [(REDONE, SENT), (SENT, SENT), (SENT, REDONE), (SENT, None)])
def test_at_a_secondary_it_is_what_it_was_sent(redone: int, sent: int | None) -> None:
    secondary = sql_server(**{catalogue.LOG_END: [(None,)], catalogue.LAST_REDONE: [(redone, sent, 0)]})
    assert secondary.log.position().text == "0000001a:000027a5:0009"


@pytest.mark.parametrize(
    ("redone", "waiting", "expected"), [(REDONE, 1, False), (SENT, 1, True), (REDONE, 0, True), (REDONE, None, False)]
)
def test_a_secondary_must_show_what_the_connector_has_read(redone: int, waiting: int | None, expected: bool) -> None:
    """Else the target may be ahead of the source, as it is read, and a row that stands still there is called changed."""
    state: list[tuple[int | None, ...]] = [(REDONE, SENT, 3)]
    secondary = sql_server(**{catalogue.LOG_END: [(None,)], catalogue.LAST_REDONE: state})
    position = secondary.log.position()
    state[:] = [(redone, SENT, waiting)]
    far = {"commit_lsn": "0000001b:00000001:0001", "change_lsn": "0000001b:00000001:0001", "event_serial_no": 1}
    assert secondary.log.read_by(position, far) is expected


def test_a_secondary_that_does_not_show_its_log_has_no_position() -> None:
    with pytest.raises(UnexpectedAnswerError, match="does not show where its log ends") as raised:
        sql_server(**{catalogue.LOG_END: [(None,)], catalogue.LAST_REDONE: []}).log.position()
    assert "GRANT VIEW SERVER STATE TO [reader];" in raised.value.remedy


@pytest.mark.parametrize(
    ("takes", "in_group", "found"), [("READ_WRITE", 1, ""), ("READ_ONLY", 0, ""), ("READ_ONLY", 1, "is a secondary")]
)
def test_a_secondary_reads_a_copy(takes: str, in_group: int, found: str) -> None:
    """What is read-only without a group was set so, and has nobody ahead of it."""
    copy = sql_server(in_group=in_group, **{deployment.UPDATEABILITY: [(takes,)]}).log.copy_of_another()
    assert found in copy
    assert bool(copy) is bool(found)


def test_without_change_data_capture_there_is_none() -> None:
    with pytest.raises(UnexpectedAnswerError, match="change data capture is off") as raised:
        sql_server(**{catalogue.DATABASE_STATE: [(False, 0)]}).log.position()
    assert "sp_cdc_enable_db" in raised.value.remedy


def test_what_is_no_log_sequence_number_is_said() -> None:
    with pytest.raises(UnexpectedAnswerError, match="'odd' is not a log sequence number"):
        sql_server(**{catalogue.LOG_END: [("odd",)]}).log.position()


@pytest.mark.parametrize(
    ("changes", "committed", "expected"),
    [
        # a connector behind the position has read everything, whatever lies there
        ([(8, 7), (0x12, 0x11)], offset(0x12, 0x11), True),
        # it stands at the last change before the position, and nothing is between
        ([(4, 3), (8, 7)], offset(8, 7), True),
        ([], offset(1, 1), True),
        # a later transaction, or a later change of the same one, is missing
        ([(4, 3), (8, 7)], offset(4, 3), False),
        ([(8, 6), (8, 7)], offset(8, 6), False),
        # one place has two changes (a key's update): both, or only the first
        ([(8, 7), (8, 7)], offset(8, 7, events=2), True),
        ([(8, 7), (8, 7)], offset(8, 7, events=1), False),
        # what was committed after the position need not be read
        ([(8, 7), (0x11, 0x11)], offset(8, 7), True),
        # at the position itself
        ([(8, 7), (0x10, 0x0F)], offset(8, 7), False),
        ([(8, 7), (0x10, 0x0F)], offset(0x10, 0x0F), True),
    ],
)
def test_it_has_read_what_the_change_tables_hold_up_to_the_position(
    changes: list[tuple[int, int]], committed: dict[str, Any], expected: bool
) -> None:
    session = sql_server(changes)
    assert session.log.read_by(session.log.position(), committed, [ORDERS]) is expected


def test_nothing_is_said_while_the_capture_job_has_not_passed_the_position() -> None:
    session = sql_server([(8, 7)], captured=8)
    assert not session.log.read_by(session.log.position(), offset(8, 7), [ORDERS])
    never = sql_server([(8, 7)], captured=None)
    assert not never.log.read_by(never.log.position(), offset(8, 7), [ORDERS])


def test_a_log_scan_that_passed_it_is_enough() -> None:
    session = sql_server([(8, 7)], captured=8, scans=[(5, 1, 0, F, 0)])
    assert session.log.read_by(session.log.position(), offset(8, 7), [ORDERS])


@pytest.mark.parametrize(("empty", "in_group", "expected"), [(5, 0, False), (6, 0, True), (6, 1, False)])
def test_a_job_that_found_nothing_since_has_passed_it_outside_of_an_availability_group(
    empty: int, in_group: int, expected: bool
) -> None:
    session = sql_server([(8, 7)], captured=8, scans=[(5, 1, 0, None, 4)], in_group=in_group)
    position = session.log.position()
    session._connection.known[catalogue.LOG_SCANS] = [(5, 1, 0, None, empty)]
    assert session.log.read_by(position, offset(8, 7), [ORDERS]) is expected
    another = LogPosition(position.value + 1, "")  # nobody looked at the job when that was asked for
    assert not session.log.read_by(another, offset(8, 7), [ORDERS])


def test_changes_of_other_tables_do_not_count_unless_none_are_named() -> None:
    session = sql_server([(8, 7)], others=[(9, 9)])
    position = session.log.position()
    assert session.log.read_by(position, offset(8, 7), [ORDERS])
    assert not session.log.read_by(position, offset(8, 7))


def test_a_table_that_is_not_captured_is_an_error_and_no_proof() -> None:
    session = sql_server()
    with pytest.raises(UnexpectedAnswerError, match=r"changes of dbo\.gone are not captured"):
        session.log.read_by(session.log.position(), offset(8, 7), [ORDERS, TableName("dbo", "gone")])


def test_a_snapshot_that_runs_has_read_nothing() -> None:
    session = sql_server()
    running = {"commit_lsn": F, "snapshot": "INITIAL", "snapshot_completed": False}
    assert not session.log.read_by(session.log.position(), running, [ORDERS])
    assert not session.log.read_by(session.log.position(), {}, [ORDERS])
