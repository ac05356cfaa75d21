"""What the databases are asked for diagnostics: every question is answered, and a blocked session is seen with who blocks it."""

from __future__ import annotations

import threading
from typing import Any
from unittest.mock import patch

import pytest

from cdcproof.core.secrets import Secret
from cdcproof.core.waiting import wait_until
from cdcproof.databases.connections import connect_for_diagnosis
from cdcproof.databases.contracts.diagnosis import SESSIONS
from cdcproof.databases.sqlserver.queries import catalogue
from cdcproof.databases.sqlserver.sessions.diagnosis import SQLServerDiagnosis
from cdcproof.diagnostics.databases import blocked
from tests.postgres_server import PASSWORD, Servers

pytest_plugins = ["tests.postgres_server"]


def test_postgresql_answers_every_question(postgres_servers: Servers) -> None:
    with connect_for_diagnosis(postgres_servers.source.config(), Secret(PASSWORD)) as database:
        answers = {question.name: database.rows(question) for question in database.questions()}

    assert "PostgreSQL" in str(answers["server"][0]["version"])
    assert any(row["application_name"] == "cdcproof" for row in answers[SESSIONS])
    assert blocked(answers[SESSIONS]) == {}
    assert {row["name"]: row["setting"] for row in answers["settings"]}["wal_level"] == "logical"


def test_a_session_that_waits_for_a_lock_is_seen_with_who_holds_it(postgres_servers: Servers) -> None:
    server = postgres_servers.target
    server.execute("CREATE TABLE IF NOT EXISTS wanted (id int)")
    with server.connect() as holder, server.connect() as waiter:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE wanted")
        waiting = threading.Thread(target=lambda: waiter.execute("SELECT count(*) FROM wanted"), daemon=True)
        waiting.start()

        def look() -> dict[str, str]:
            with connect_for_diagnosis(server.config(), Secret(PASSWORD)) as database:
                question = next(one for one in database.questions() if one.name == SESSIONS)
                return blocked(database.rows(question))

        seen = wait_until(look, bool, what="a blocked session", deadline_seconds=20)
        assert seen == {str(waiter.info.backend_pid): f"{{{holder.info.backend_pid}}}"}
        holder.execute("ROLLBACK")
        waiting.join(20)


def test_an_account_that_sees_only_its_own_sessions_is_offered_the_grant(postgres_servers: Servers) -> None:
    server = postgres_servers.source
    server.execute("CREATE ROLE \"odd reader\" LOGIN PASSWORD 'reading'")
    with connect_for_diagnosis(server.config(user="odd reader"), Secret("reading")) as database:
        assert database.blind() == 'This account sees only its own sessions whole: GRANT pg_monitor TO "odd reader";'
        server.execute('GRANT pg_monitor TO "odd reader"')
        assert database.blind() == ""


class _Cursor:
    description = (("session_id",), ("blocked_by",))

    def fetchall(self) -> list[tuple[Any, ...]]:
        return [(52, 51)]


@pytest.mark.parametrize(("captures", "asked"), [(1, True), (0, False)])
def test_sql_server_is_asked_about_capture_only_where_it_captures(
    postgres_servers: Servers, captures: int, asked: bool
) -> None:
    session = SQLServerDiagnosis(postgres_servers.source.config(type="sqlserver"), Secret("x"), 5)
    with patch.object(session, "query", lambda *_: [(captures, 1)]):
        assert ("capture-jobs" in {question.name for question in session.questions()}) is asked


def test_rows_of_sql_server_have_the_names_of_the_columns(postgres_servers: Servers) -> None:
    session = SQLServerDiagnosis(postgres_servers.source.config(type="sqlserver"), Secret("x"), 5)
    with (
        patch.object(session, "query", lambda *_: [(1, 1)]),
        patch.object(session, "_connection") as connection,
    ):
        connection.execute.return_value = _Cursor()
        question = next(one for one in session.questions() if one.name == SESSIONS)
        assert blocked(session.rows(question)) == {"52": "51"}
    connection.execute.assert_called_once_with(question.statement)


@pytest.mark.parametrize(("sees", "offered"), [(1, ""), (0, "GRANT VIEW SERVER STATE TO [postgres];")])
def test_sql_server_says_what_its_account_cannot_see(postgres_servers: Servers, sees: int, offered: str) -> None:
    session = SQLServerDiagnosis(postgres_servers.source.config(type="sqlserver"), Secret("x"), 5)
    with patch.object(
        session, "query", lambda statement: [(sees,)] if statement == catalogue.MAY_VIEW_SERVER_STATE else []
    ):
        assert session.blind().endswith(offered)
        assert bool(session.blind()) is not bool(sees)
