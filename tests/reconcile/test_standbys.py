"""A target that is read from a standby: what is not replayed there yet is no loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.core.secrets import Secret
from cdcproof.core.waiting import wait_until
from cdcproof.databases.connections import connect_for_deployment
from cdcproof.databases.postgresql import database
from cdcproof.reconcile.engine import Options
from cdcproof.reconcile.report.result import TableResult, TableStatus
from tests.postgres_server import PASSWORD, Server, Servers, standby_of
from tests.reconcile.sides import FenceThen, Sides

pytest_plugins = ["tests.postgres_server"]


@pytest.fixture(scope="module")
def standby(sides: Sides) -> Iterator[Server]:
    with standby_of(sides.target) as server:
        yield server


def _replayed(sides: Sides, standby: Server) -> None:
    with sides.target.connect() as primary, standby.connect() as connection:
        [(end,)] = primary.execute("SELECT pg_current_wal_insert_lsn()").fetchall()
        wait_until(
            lambda: connection.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [end]).fetchall()[0][0],
            bool,
            what="the standby to replay",
            deadline_seconds=20,
        )


@pytest.mark.parametrize("contents", [True, False])
def test_what_a_standby_has_not_replayed_is_not_called_lost(sides: Sides, standby: Server, contents: bool) -> None:
    sides.table("t", "id int PRIMARY KEY, v text", [(1, "a")], [(1, "a")])
    _replayed(sides, standby)
    ends = replace(sides, servers=Servers(sides.source, standby))
    asked = Options(validate_checksums=contents)
    assert ends.result("t", options=asked).status is TableStatus.MATCH

    standby.execute("SELECT pg_wal_replay_pause()")
    try:
        sides.both(f"INSERT INTO {sides.name('t')} VALUES (2, 'b')")
        behind = ends.result("t", options=asked)
        by_timer = ends.result("t", options=asked, fence=FenceThen(method="timer"))
    finally:
        standby.execute("SELECT pg_wal_replay_resume()")
    assert behind.status is TableStatus.ERROR
    assert behind.error.splitlines() == [
        f"PostgreSQL database postgres at 127.0.0.1:{standby.port} is a standby: "
        "whether what differs is lost, or was not replayed there yet, cannot be seen.",
        "Name the primary under [target]: the sink writes to it.",
    ]
    assert by_timer.status is TableStatus.MISMATCH  # a timer proves nothing, and the report says so
    _replayed(sides, standby)
    assert ends.result("t", options=asked).status is TableStatus.MATCH


def test_a_source_that_is_a_standby_and_behind_is_no_match(
    sides: Sides, standby: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the primary wrote since and the pipeline lost would be lacking on both sides."""
    monkeypatch.setattr(database, "_MOST_BEHIND_SECONDS", 0.0)
    sides.both(f"DROP TABLE IF EXISTS {sides.name('s')}")
    sides.table("s", "id int PRIMARY KEY, v text", [(1, "a")], [(1, "a")])
    _replayed(sides, standby)
    ends = replace(sides, servers=Servers(standby, sides.source))
    current = _once(ends, lambda result: "is a standby that" not in result.error)  # the primary has been heard
    standby.execute("SELECT pg_wal_replay_pause()")
    try:
        sides.target.execute(f"INSERT INTO {sides.name('s')} VALUES (2, 'b')")
        behind = _once(ends, lambda result: result.status is TableStatus.ERROR)  # it has received the row
    finally:
        standby.execute("SELECT pg_wal_replay_resume()")
    assert current.status is TableStatus.MATCH
    assert behind.status is TableStatus.ERROR
    assert "is a standby that replayed its last transaction" in behind.error


def _once(ends: Sides, is_so: Callable[[TableResult], bool]) -> TableResult:
    return wait_until(lambda: ends.result("s"), is_so, what="the standby to hear its primary", deadline_seconds=60)


def test_a_standby_as_source_says_how_old_it_is(standby: Server) -> None:
    """What is read there may be old, whatever the lag of its readers."""
    with (
        connect_for_deployment(standby.config(), Secret(PASSWORD)) as session,
        pytest.raises(
            UnexpectedAnswerError, match=r"a standby, which (replayed the last one \d+ s ago|has replayed no)"
        ),
    ):
        session.log_reading("slot", {}, [])
