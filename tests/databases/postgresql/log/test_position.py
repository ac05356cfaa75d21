"""Positions in PostgreSQL's log against a real server, and what Debezium's offsets say of them.

What a running connector does to them: tests/integration/test_in_flight.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cdcproof.core.secrets import Secret
from cdcproof.databases.connections import connect
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.postgresql.log.wal import committed, end_of_log
from cdcproof.databases.table_read import LogPosition
from tests.postgres_server import PASSWORD, Server, Servers

pytest_plugins = ["tests.postgres_server"]

SLOT = "log_test"
PAGE = 8192


@pytest.fixture(scope="module")
def server(postgres_servers: Servers) -> Iterator[Server]:
    server = postgres_servers.source
    server.execute(
        "CREATE TABLE log_test (a int)",
        f"SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')",
    )
    yield server
    server.execute(f"SELECT pg_drop_replication_slot('{SLOT}')", "DROP TABLE log_test")


@pytest.fixture
def source(server: Server) -> Iterator[Database]:
    with connect(server.config(slot=SLOT), Secret(PASSWORD)) as opened:
        yield opened


def test_what_can_be_seen_lies_before_the_position_even_where_it_is_not_written_yet(
    server: Server, source: Database
) -> None:
    before = source.log.position()
    with server.connect() as session:
        session.execute("SET synchronous_commit = off")
        session.execute("INSERT INTO log_test VALUES (1)")
        after = source.log.position()
        written = session.execute("SELECT (pg_current_wal_lsn() - '0/0')::bigint").fetchall()[0][0]
    assert before.value < after.value
    assert written <= after.value
    assert after.text == f"{after.value >> 32:X}/{after.value & 0xFFFFFFFF:X}"


def test_a_slot_that_has_passed_the_position_has_read_it_and_one_byte_less_has_not(
    server: Server, source: Database
) -> None:
    server.execute("INSERT INTO log_test VALUES (2)")
    position = source.log.position()
    assert not source.log.read_by(position, {})
    server.execute(
        # A slot goes no further than what is flushed, and a session that only reads may have written last: it cleans up catalogues.
        "SELECT pg_logical_emit_message(false, '', '', true)",
        f"SELECT pg_replication_slot_advance('{SLOT}', '{position.text}')",
    )
    assert source.log.read_by(position, {})
    assert not source.log.read_by(LogPosition(position.value + 1, ""), {})
    assert source.log.received_by(position) == ""  # nobody reads the slot


def test_without_a_slot_in_the_pipeline_file_the_offset_alone_decides(server: Server) -> None:
    for slot in (None, "no_such_slot"):
        with connect(server.config(slot=slot), Secret(PASSWORD)) as source:
            position = source.log.position()
            assert not source.log.read_by(position, {})
            assert not source.log.read_by(position, {"lsn_proc": position.value - 1})
            assert source.log.read_by(position, {"lsn_proc": position.value})
            assert source.log.received_by(position) == ""


def test_the_end_of_the_log_is_not_behind_a_page_header(server: Server, source: Database) -> None:
    """PostgreSQL's own account of the same place, as the end of what is written, is the reference."""
    with server.connect() as session:

        def at(function: str) -> int:
            return int(session.execute(f"SELECT ({function}() - '0/0')::bigint").fetchall()[0][0])

        def emit(size: int) -> None:
            session.execute("SELECT pg_logical_emit_message(false, '', repeat('x', %s), true)", [size])

        # A session's first statement may clean up catalogues and write that, too; and into the next page, whose header is not measured then.
        emit(PAGE - at("pg_current_wal_insert_lsn") % PAGE)
        start = at("pg_current_wal_insert_lsn")
        emit(1000)
        overhead = at("pg_current_wal_insert_lsn") - start - 1000
        for _ in range(50):
            here = at("pg_current_wal_insert_lsn")
            if here % PAGE == 24:
                found, written = source.log.position().value, at("pg_current_wal_flush_lsn")
                if at("pg_current_wal_insert_lsn") == here:  # else the server's own processes wrote meanwhile
                    break
            left = PAGE - here % PAGE
            emit(left - overhead if left > overhead else 100)
        else:
            pytest.fail("no record ended with its page")
        assert found == written == here - 24


@pytest.mark.parametrize(
    ("insert", "end"),
    [
        (5 * PAGE + 24, 5 * PAGE),
        (5 * PAGE + 40, 5 * PAGE + 40),
        (5 * PAGE + 32, 5 * PAGE + 32),
        (3 * 2**24 + 40, 3 * 2**24),
        (3 * 2**24 + 48, 3 * 2**24 + 48),
    ],
)
def test_headers_are_those_of_pages_and_of_segments(insert: int, end: int) -> None:
    assert end_of_log(insert, PAGE, 2**24) == end


@pytest.mark.parametrize(
    ("offset", "position"),
    [
        ({"lsn_proc": 70, "lsn_commit": 60, "lsn": 70, "txId": 5}, 70),
        ({"lsn": 70, "txId": 5}, 0),
        ({}, 0),
        ({"lsn_proc": "00000027:00000ac0:0002"}, 0),
        ({"lsn_proc": 70, "snapshot": "INITIAL", "last_snapshot_record": False, "snapshot_completed": False}, 0),
        ({"lsn_proc": 70, "snapshot": True}, 0),
        ({"lsn_proc": 70, "snapshot": True, "last_snapshot_record": True}, 70),
        ({"lsn_proc": 70, "snapshot": "INITIAL", "last_snapshot_record": False, "snapshot_completed": True}, 70),
    ],
)
def test_an_offset_stands_for_what_it_completed_and_one_within_a_snapshot_for_nothing(
    offset: dict[str, Any], position: int
) -> None:
    assert committed(offset) == position
