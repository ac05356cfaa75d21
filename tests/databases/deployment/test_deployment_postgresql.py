"""What a deployment asks of PostgreSQL, of a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cdcproof.databases.deployment import connect
from cdcproof.databases.deployment.base import LogStart
from cdcproof.databases.deployment.postgresql import PostgreSQLDeployment
from cdcproof.databases.deployment.sqlserver import SQLServerDeployment
from cdcproof.secrets import Secret
from tests.postgres_server import PASSWORD, Server, Servers

pytest_plugins = ["tests.postgres_server"]


@pytest.fixture
def source(postgres_servers: Servers) -> Iterator[Server]:
    server = postgres_servers.source
    yield server
    server.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")


def log_starts(server: Server) -> tuple[LogStart, ...]:
    with connect(server.config(), Secret(PASSWORD)) as database:
        return database.log_starts()


def test_the_door_is_chosen_by_type(postgres_servers: Servers) -> None:
    config = postgres_servers.source.config()
    assert isinstance(connect(config, Secret(PASSWORD)), PostgreSQLDeployment)
    assert isinstance(connect(postgres_servers.source.config(type="sqlserver"), Secret(PASSWORD)), SQLServerDeployment)


def test_a_slot_tells_from_where_the_log_is_kept(source: Server) -> None:
    source.execute("SELECT pg_create_logical_replication_slot('deployment_slot', 'pgoutput')")
    with source.connect() as session:
        row = session.execute("SELECT restart_lsn - '0/0' FROM pg_replication_slots").fetchone()
    assert row
    assert log_starts(source) == (LogStart("deployment_slot", int(row[0])),)


def test_a_slot_that_has_lost_its_log_is_not_told(source: Server) -> None:
    source.execute("SELECT pg_create_logical_replication_slot('deployment_lost', 'pgoutput')")
    source.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'", "SELECT pg_reload_conf()")
    try:
        for _ in range(3):
            source.execute("SELECT pg_logical_emit_message(true, 'x', repeat('x', 1000))", "SELECT pg_switch_wal()")
        source.execute("CHECKPOINT")
        with source.connect() as session:
            assert session.execute("SELECT wal_status FROM pg_replication_slots").fetchall() == [("lost",)]
        assert log_starts(source) == ()
    finally:
        source.execute("ALTER SYSTEM RESET max_slot_wal_keep_size", "SELECT pg_reload_conf()")
