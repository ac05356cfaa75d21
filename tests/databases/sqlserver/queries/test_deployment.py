"""What msdb and the catalogue are asked of change data capture, run over tables of these names that the tests fill: by DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
import sqlglot

from cdcproof.databases.sqlserver.queries import deployment

TABLES = (
    "msdb.dbo.cdc_jobs (database_id int, job_type text, job_id int, continuous int, pollinginterval int, retention int)",
    "msdb.dbo.sysjobs (job_id int, name text, enabled int)",
    "msdb.dbo.sysjobactivity (session_id int, job_id int, start_execution_date timestamp, stop_execution_date timestamp, job_history_id int)",
    "msdb.dbo.sysjobhistory (instance_id int, run_status int, message text)",
    "sys.columns (object_id int, column_id int, name text, is_computed int)",
    "cdc.change_tables (object_id int, source_object_id int, capture_instance text, start_lsn int)",
    "cdc.captured_columns (object_id int, column_name text)",
)
FUNCTIONS = (
    "db_id() AS 7",
    "object_schema_name(id) AS CASE WHEN id < 100 THEN 'dbo' END",
    "object_name(id) AS CASE WHEN id < 100 THEN 't' || id END",
)
NOON, LATER = "2026-01-02 12:00:00", "2026-01-02 13:00:00"


class Server:
    """A server whose tables are filled, row by row."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        for statement in (
            "ATTACH ':memory:' AS msdb",
            "CREATE SCHEMA msdb.dbo",
            "CREATE SCHEMA sys",
            "CREATE SCHEMA cdc",
        ):
            connection.execute(statement)
        for table in TABLES:
            connection.execute(f"CREATE TABLE {table}")
        for function in FUNCTIONS:
            connection.execute(f"CREATE MACRO {function}")

    def add(self, table: str, *rows: tuple[Any, ...]) -> None:
        self._connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        (words,) = sqlglot.transpile(statement, read="tsql", write="duckdb")
        return self._connection.execute(words).fetchall()


@pytest.fixture
def server() -> Iterator[Server]:
    with duckdb.connect() as connection:
        yield Server(connection)


def test_each_job_of_this_database_with_its_activity_since_the_agent_has_started(server: Server) -> None:
    server.add(
        "msdb.dbo.cdc_jobs", (7, "capture", 1, 1, 5, 0), (7, "cleanup", 2, 0, 0, 4320), (8, "capture", 3, 1, 5, 0)
    )
    server.add("msdb.dbo.sysjobs", (1, "cdc.w_capture", 1), (2, "cdc.w_cleanup", 0), (3, "cdc.other_capture", 1))
    server.add("msdb.dbo.sysjobhistory", (10, 0, "it failed"), (11, 0, "no room"), (12, 1, "all right"))
    # the activity of an Agent that was stopped stays: that job seems to run for ever
    server.add("msdb.dbo.sysjobactivity", (1, 1, NOON, None, 10), (2, 1, NOON, LATER, 12), (2, 2, NOON, LATER, 11))
    assert sorted(server.ask(deployment.JOBS)) == [
        ("capture", "cdc.w_capture", 1, 0, 1, 0, None),
        ("cleanup", "cdc.w_cleanup", 0, 0, 0, 4320, "no room"),
    ]
    server.add("msdb.dbo.sysjobactivity", (3, 1, NOON, None, None))
    assert sorted(server.ask(deployment.JOBS)) == [
        ("capture", "cdc.w_capture", 1, 1, 1, 0, None),
        ("cleanup", "cdc.w_cleanup", 0, 0, 0, 4320, None),
    ]


def test_a_job_that_msdb_does_not_know_any_more_has_no_name(server: Server) -> None:
    server.add("msdb.dbo.cdc_jobs", (7, "capture", 1, 1, 5, 0))
    assert server.ask(deployment.JOBS) == [("capture", None, None, 0, 1, 0, None)]


def test_the_columns_that_an_instance_lacks_and_tables_that_may_not_be_seen(server: Server) -> None:
    server.add("sys.columns", (1, 1, "id", 0), (1, 2, "note", 0), (1, 3, "twice", 1), (2, 1, "id", 0))
    # of table 1 an old instance and a new one, in which a column was renamed since; all of table 2; table 100 is hidden
    server.add(
        "cdc.change_tables",
        (51, 1, "dbo_t1", 10),
        (52, 1, "dbo_t1_new", 20),
        (53, 2, "dbo_t2", 5),
        (54, 100, "hidden", 1),
    )
    server.add("cdc.captured_columns", (51, "id"), (52, "id"), (52, "remark"), (53, "id"))
    assert server.ask(deployment.CAPTURE_INSTANCES) == [
        (None, None, "hidden", None),
        ("dbo", "t2", "dbo_t2", None),
        ("dbo", "t1", "dbo_t1", None),
        ("dbo", "t1", "dbo_t1", "note"),
        ("dbo", "t1", "dbo_t1_new", None),
        ("dbo", "t1", "dbo_t1_new", "note"),
    ]
