"""What a deployment asks of PostgreSQL, of a real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import psycopg
import pytest

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.core.secrets import Secret
from cdcproof.core.waiting import wait_until
from cdcproof.databases.connections import connect_for_deployment
from cdcproof.databases.contracts.deployment import CapturedTable, LogStart, Needs, Rights
from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.sessions.deployment import PostgreSQLDeployment
from cdcproof.databases.sqlserver.sessions.deployment import SQLServerDeployment
from tests.postgres_server import PASSWORD, Server, Servers

pytest_plugins = ["tests.postgres_server"]


@pytest.fixture
def source(postgres_servers: Servers) -> Iterator[Server]:
    server = postgres_servers.source
    yield server
    server.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")


def log_starts(server: Server) -> tuple[LogStart, ...]:
    with connect_for_deployment(server.config(), Secret(PASSWORD)) as database:
        return database.log_starts()


def test_the_session_is_chosen_by_type(postgres_servers: Servers) -> None:
    config = postgres_servers.source.config()
    assert isinstance(connect_for_deployment(config, Secret(PASSWORD)), PostgreSQLDeployment)
    assert isinstance(
        connect_for_deployment(postgres_servers.source.config(type="sqlserver"), Secret(PASSWORD)), SQLServerDeployment
    )


def test_how_far_the_log_was_read_is_told_by_offset_slot_and_session(source: Server) -> None:
    source.execute("SELECT pg_create_logical_replication_slot('deployment_slot', 'pgoutput')")
    with connect_for_deployment(source.config(), Secret(PASSWORD)) as database:
        unread = database.log_reading("deployment_slot", {"lsn_proc": 5}, [])
        assert (unread.stored, unread.session, unread.unread_seconds) == (5, "", None)
        assert 5 < unread.read <= unread.end
        source.execute("SELECT pg_logical_emit_message(true, 'x', repeat('x', 1000))")
        assert database.log_reading("deployment_slot", {}, []).end > unread.end
        assert database.log_reading("no_such_slot", {}, []).read == 0


@pytest.fixture
def reader(source: Server) -> Iterator[int]:
    """The pid of a session that reads the slot."""
    source.execute("SELECT pg_create_logical_replication_slot('deployment_slot', 'pgoutput')")
    where = {"host": source.host, "port": source.port, "user": "postgres", "password": PASSWORD, "dbname": "postgres"}
    with closing(psycopg.connect(**where, replication="database", autocommit=True)) as session:  # type: ignore[arg-type]
        start = "START_REPLICATION SLOT deployment_slot LOGICAL 0/0 (proto_version '1', publication_names 'p')"
        session.pgconn.send_query(start.encode())
        session.pgconn.flush()
        yield session.info.backend_pid
    with source.connect() as other:
        active = "SELECT count(*) FROM pg_replication_slots WHERE active"
        wait_until(
            lambda: other.execute(active).fetchone(), lambda row: row == (0,), what="its end", deadline_seconds=10
        )


def test_who_reads_the_log_is_told_and_that_it_may_not_be_seen(source: Server, reader: int) -> None:
    source.execute("CREATE ROLE deployment_reader LOGIN PASSWORD 'only reading'")
    try:
        with connect_for_deployment(source.config(), Secret(PASSWORD)) as database:
            look = partial(database.log_reading, "deployment_slot", {}, [])
            seen = wait_until(look, lambda one: bool(one.session), what="the session", deadline_seconds=10)
        with connect_for_deployment(source.config(user="deployment_reader"), Secret("only reading")) as database:
            hidden = database.log_reading("deployment_slot", {}, [])
    finally:
        source.execute("DROP ROLE deployment_reader")
    assert seen.session.startswith(f"{reader} since ")
    assert (hidden.session, hidden.grant) == (str(reader), 'GRANT pg_monitor TO "deployment_reader";')
    assert seen.grant == ""


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


def test_settings_publication_and_slot_are_told_in_the_servers_words(source: Server) -> None:
    source.execute("CREATE TABLE deployment_a (id int)", "CREATE TABLE deployment_b (id int)")
    source.execute("CREATE PUBLICATION deployment_p FOR TABLE deployment_a")
    source.execute("SELECT pg_create_logical_replication_slot('deployment_s', 'test_decoding')")
    try:
        with connect_for_deployment(source.config(), Secret(PASSWORD)) as database:
            seen = database.capture_state("deployment_p", "deployment_s")
            none = database.capture_state("deployment_none", "deployment_none")
    finally:
        source.execute("DROP PUBLICATION deployment_p", "DROP TABLE deployment_a, deployment_b")
    assert seen.settings == {
        "wal_level": "logical",
        "publication deployment_p": "present",
        "slot deployment_s": "test_decoding",
    }
    assert set(seen.captured) == {TableName("public", "deployment_a")}
    assert seen.operations == {"insert", "update", "delete", "truncate"}
    assert none.settings["publication deployment_none"] == "absent"
    assert none.settings["slot deployment_none"] == "absent, 9 free"
    assert (none.captured, none.operations) == ({}, frozenset())


HALF = TableName("public", "half")


@pytest.fixture
def half(source: Server) -> Iterator[Server]:
    source.execute(
        "CREATE TABLE half (id int PRIMARY KEY, name text, note text)", "CREATE PUBLICATION half FOR TABLE half"
    )
    yield source
    source.execute("DROP PUBLICATION half", "DROP TABLE half")


def captured(server: Server) -> dict[TableName, CapturedTable]:
    with connect_for_deployment(server.config(), Secret(PASSWORD)) as database:
        return dict(database.capture_state("half", "").captured)


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("ALTER PUBLICATION half SET TABLE half WHERE (id > 9)", {"condition": "(id > 9)"}),
        ("ALTER PUBLICATION half SET TABLE half (id, name)", {"left_out": ("note",)}),
    ],
)
def test_what_a_publication_leaves_out_is_told_and_the_statement_mends_it(half: Server, fault: str, found: Any) -> None:
    assert captured(half)[HALF] == CapturedTable(frozenset({HALF}), whole=captured(half)[HALF].whole)
    half.execute(fault)
    table = captured(half)[HALF]
    assert {key: getattr(table, key) for key in found} == found
    half.execute(table.whole)
    mended = captured(half)[HALF]
    assert (mended.left_out, mended.condition) == ((), "")


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ("ALTER TABLE half REPLICA IDENTITY NOTHING", "REPLICA IDENTITY NOTHING"),
        ("ALTER TABLE half DROP CONSTRAINT half_pkey", "no primary key and REPLICA IDENTITY DEFAULT"),
        (
            "CREATE UNIQUE INDEX half_id ON half (id); ALTER TABLE half REPLICA IDENTITY USING INDEX half_id; DROP INDEX half_id",
            "REPLICA IDENTITY of an index that is gone",
        ),
    ],
)
def test_rows_that_the_source_refuses_to_change_are_told_and_the_statement_mends_it(
    half: Server, fault: str, word: str
) -> None:
    half.execute("INSERT INTO half VALUES (1)")
    assert captured(half)[HALF].unidentified == ""
    half.execute(fault)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        half.execute("UPDATE half SET name = 'x'")
    table = captured(half)[HALF]
    assert table.unidentified == f"{word} (public.half)"
    half.execute(table.identified)
    half.execute("UPDATE half SET name = 'x'")
    assert captured(half)[HALF].unidentified == ""


def test_a_keyless_table_with_all_of_its_columns_or_an_index_as_identity_is_in_order(half: Server) -> None:
    half.execute("ALTER TABLE half DROP CONSTRAINT half_pkey", "ALTER TABLE half REPLICA IDENTITY FULL")
    assert captured(half)[HALF].unidentified == ""
    half.execute("CREATE UNIQUE INDEX half_id ON half (id)", "ALTER TABLE half ALTER id SET NOT NULL")
    half.execute("ALTER TABLE half REPLICA IDENTITY USING INDEX half_id")
    assert captured(half)[HALF].unidentified == ""


def test_a_partitioned_table_is_its_leaves_or_itself(source: Server) -> None:
    root, eu, us = (TableName("public", name) for name in ("ev", "ev_eu", "ev_us"))
    source.execute(
        "CREATE TABLE ev (id int, r text, v int, PRIMARY KEY (id, r)) PARTITION BY LIST (r)",
        "CREATE TABLE ev_eu PARTITION OF ev FOR VALUES IN ('eu')",
        "CREATE TABLE ev_us PARTITION OF ev FOR VALUES IN ('us')",
        "CREATE PUBLICATION half FOR TABLE ev_eu, ev_us (id, r)",
    )
    try:
        found = captured(source)
        assert {name: table.names for name, table in found.items()} == {eu: {eu}, us: {us}, root: {eu, us}}
        with connect_for_deployment(source.config(), Secret(PASSWORD)) as database:
            assert database.capture_state("not made yet", "").partitions[root] == {eu, us}
        assert found[root].left_out == found[us].left_out == ("v",)
        source.execute(found[root].whole, "ALTER TABLE ev_us REPLICA IDENTITY NOTHING")
        found = captured(source)
        assert (found[root].left_out, found[eu].unidentified) == ((), "")
        assert found[root].unidentified == found[us].unidentified == "REPLICA IDENTITY NOTHING (public.ev_us)"
        source.execute("ALTER PUBLICATION half DROP TABLE ev_us")
        assert captured(source).keys() == {eu}
        source.execute(
            "ALTER PUBLICATION half SET TABLE ev", "ALTER PUBLICATION half SET (publish_via_partition_root = true)"
        )
        found = captured(source)
        assert {name: table.names for name, table in found.items()} == {root: {root}}
        assert found[root].unidentified == "REPLICA IDENTITY NOTHING (public.ev_us)"
    finally:
        source.execute("DROP PUBLICATION half", "DROP TABLE ev")


def test_a_column_that_is_made_anew_is_not_left_out(half: Server) -> None:
    half.execute("ALTER TABLE half ADD COLUMN twice int GENERATED ALWAYS AS (id * 2) STORED")
    assert captured(half)[HALF].left_out == ()


A, B = TableName("deployment", "a"), TableName("deployment", 'odd "b"')


@pytest.fixture
def role(postgres_servers: Servers) -> Iterator[Server]:
    """A server with two tables and a role that may do nothing."""
    server = postgres_servers.target
    server.execute("CREATE ROLE deployment_role LOGIN PASSWORD 'x'", "CREATE SCHEMA deployment")
    server.execute("CREATE TABLE deployment.a (id int)", 'CREATE TABLE deployment."odd ""b""" (id int)')
    yield server
    server.execute("DROP SCHEMA deployment CASCADE", "DROP OWNED BY deployment_role", "DROP ROLE deployment_role")


def rights(server: Server, needs: Needs) -> Rights:
    with connect_for_deployment(server.config(), Secret(PASSWORD)) as database:
        return database.rights("deployment_role", needs)


READS = Needs(read=(A, B), reads_log=True)
WRITES = Needs(read=(A,), write=(A,), privileges=("INSERT", "UPDATE", "DELETE"))


def test_the_statements_offered_are_those_that_make_a_source_account_sufficient(role: Server) -> None:
    lacking = rights(role, READS)
    assert set(lacking.missing) == {
        "replication", "USAGE on schema deployment", "SELECT on deployment.a", 'SELECT on deployment.odd "b"',
    }  # fmt: skip
    assert lacking.excessive == {}
    role.execute(*lacking.missing.values())
    assert rights(role, READS) == Rights()


def test_the_statements_offered_are_those_that_make_a_sink_account_sufficient(role: Server) -> None:
    needs = Needs(read=(A,), write=(A,), privileges=("INSERT", "DELETE"), create_in=("deployment",))
    lacking = rights(role, needs)
    assert set(lacking.missing) == {
        "USAGE on schema deployment", "CREATE on schema deployment",
        "SELECT on deployment.a", "INSERT on deployment.a", "DELETE on deployment.a",
    }  # fmt: skip
    role.execute(*lacking.missing.values())
    assert rights(role, needs) == Rights()


POLICED = "ALTER TABLE deployment.a ENABLE ROW LEVEL SECURITY"
ALL_ROWS = "all rows of deployment.a, which a policy hides"


@pytest.mark.parametrize("needs", [READS, WRITES])
@pytest.mark.parametrize(
    "policy",
    [
        "",
        "FOR SELECT USING (id < 3)",
        "FOR SELECT TO pg_monitor USING (true)",
        "AS RESTRICTIVE FOR SELECT USING (true)",
    ],
)
def test_rows_that_a_policy_may_hide_from_an_account_are_a_right_that_it_lacks(
    role: Server, needs: Needs, policy: str
) -> None:
    """A snapshot would lack them without a word, and an update or a delete would miss them."""
    role.execute(*rights(role, needs).missing.values(), POLICED)
    role.execute("CREATE POLICY every ON deployment.a USING (true)") if "RESTRICTIVE" in policy else None
    role.execute(f"CREATE POLICY few ON deployment.a {policy}") if policy else None

    lacking = rights(role, needs).missing

    assert lacking == {ALL_ROWS: 'ALTER ROLE "deployment_role" BYPASSRLS;'}
    role.execute(*lacking.values())
    assert rights(role, needs) == Rights()  # and to bypass it is not too much


@pytest.mark.parametrize(
    "shown",
    [
        "CREATE POLICY every ON deployment.a TO deployment_role USING (true)",
        "CREATE POLICY every ON deployment.a USING (true)",
        "CREATE POLICY every ON deployment.a USING (true);"
        "CREATE POLICY few ON deployment.a AS RESTRICTIVE TO pg_monitor USING (id < 3)",
        "ALTER TABLE deployment.a OWNER TO deployment_role",
    ],
)
def test_a_policy_that_hides_no_row_from_an_account_is_no_right_that_it_lacks(role: Server, shown: str) -> None:
    role.execute(*rights(role, WRITES).missing.values(), POLICED, shown)

    assert ALL_ROWS not in rights(role, WRITES).missing


def test_the_owner_of_a_table_that_forces_its_policies_is_bound_by_them(role: Server) -> None:
    role.execute(
        *rights(role, WRITES).missing.values(),
        POLICED,
        "ALTER TABLE deployment.a OWNER TO deployment_role",
        "ALTER TABLE deployment.a FORCE ROW LEVEL SECURITY",
    )

    assert set(rights(role, WRITES).missing) == {ALL_ROWS}


def test_what_a_source_account_may_change_is_too_much_and_the_statements_offered_take_it_away(role: Server) -> None:
    role.execute(*rights(role, READS).missing.values())
    role.execute(
        "GRANT INSERT, UPDATE, DELETE, TRUNCATE ON deployment.a TO deployment_role",
        "ALTER ROLE deployment_role CREATEROLE CREATEDB BYPASSRLS",
        "GRANT pg_write_all_data, pg_read_server_files, pg_monitor TO deployment_role",
    )
    beyond = rights(role, READS)
    assert beyond.missing == {}
    assert set(beyond.excessive) == {
        "createrole", "createdb", "bypassrls", "member of pg_write_all_data", "member of pg_read_server_files",
        *(f"{privilege} on deployment.a" for privilege in ("INSERT", "UPDATE", "DELETE", "TRUNCATE")),
    }  # fmt: skip
    role.execute(*beyond.excessive.values())
    assert rights(role, READS) == Rights()


def test_a_sinks_own_tables_are_not_too_much_and_replication_is(role: Server) -> None:
    role.execute(
        "ALTER TABLE deployment.a OWNER TO deployment_role", "GRANT USAGE ON SCHEMA deployment TO deployment_role"
    )
    assert rights(role, WRITES) == Rights()
    role.execute("ALTER ROLE deployment_role REPLICATION")
    assert set(rights(role, WRITES).excessive) == {"replication"}


def test_a_superuser_is_told_as_that_alone(role: Server) -> None:
    role.execute("ALTER ROLE deployment_role SUPERUSER")
    found = rights(role, READS)
    assert (found.missing, set(found.excessive)) == ({}, {"superuser"})
    role.execute(*found.excessive.values())
    assert "superuser" not in rights(role, READS).excessive


def test_a_role_that_may_not_log_in_or_is_not_there(role: Server) -> None:
    role.execute("ALTER ROLE deployment_role NOLOGIN")
    assert "login" in rights(role, WRITES).missing
    with (
        connect_for_deployment(role.config(), Secret(PASSWORD)) as database,
        pytest.raises(UnexpectedAnswerError, match="no role nobody_here"),
    ):
        database.rights("nobody_here", WRITES)


@pytest.mark.parametrize(
    ("fault", "subject"),
    [
        ("ALTER ROLE deployment_role NOLOGIN", "login"),
        (
            "ALTER ROLE deployment_role VALID UNTIL '2020-01-01 UTC'",
            "login, its password has expired on 2020-01-01 00:00:00+00",
        ),
        (
            "ALTER DATABASE postgres SET default_transaction_read_only = on",
            "write: default_transaction_read_only is on",
        ),
        (
            "ALTER ROLE deployment_role SET default_transaction_read_only = on",
            "write: default_transaction_read_only is on",
        ),
        (
            "ALTER ROLE deployment_role IN DATABASE postgres SET default_transaction_read_only = true",
            "write: default_transaction_read_only is on",
        ),
        ("ALTER SYSTEM SET default_transaction_read_only = on", "write: default_transaction_read_only is on"),
    ],
)
def test_what_stops_the_next_session_is_told_even_of_a_superuser_and_the_statement_mends_it(
    role: Server, fault: str, subject: str
) -> None:
    role.execute("ALTER ROLE deployment_role SUPERUSER")
    assert rights(role, WRITES).missing == {}
    role.execute(fault, "SELECT pg_reload_conf()")
    try:
        found = wait_until(lambda: rights(role, WRITES).missing, bool, what="the setting", deadline_seconds=10)
        assert list(found) == [subject]
        assert not [what for what in rights(role, READS).missing if what.startswith("write")]
        [statement] = found.values()
        role.execute(*statement.splitlines())
        wait_until(lambda: rights(role, WRITES).missing, lambda left: not left, what="the setting", deadline_seconds=10)
    finally:
        role.execute("SET transaction_read_only = off; ALTER DATABASE postgres RESET default_transaction_read_only")
        role.execute("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")


def test_the_role_that_stands_for_replication_at_amazon_is_as_good(role: Server) -> None:
    needs = Needs(reads_log=True)
    assert list(rights(role, needs).missing) == ["replication"]
    role.execute("CREATE ROLE rds_replication", "GRANT rds_replication TO deployment_role")
    try:
        assert rights(role, needs) == Rights()
    finally:
        role.execute("DROP ROLE rds_replication")


def test_a_database_that_may_not_be_connected_to_is_told_and_the_statement_mends_it(role: Server) -> None:
    needs = Needs(reads_log=True)
    role.execute("ALTER ROLE deployment_role REPLICATION", "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
    try:
        [(subject, statement)] = rights(role, needs).missing.items()
        assert subject == "CONNECT on database postgres"
        role.execute(statement)
        assert rights(role, needs).missing == {}
    finally:
        role.execute(
            "GRANT CONNECT ON DATABASE postgres TO PUBLIC", "REVOKE CONNECT ON DATABASE postgres FROM deployment_role"
        )


def test_a_standby_takes_no_writes(role: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with PostgreSQLDeployment(role.config(), Secret(PASSWORD), 30) as database:
        ask = database.query
        in_recovery = "SELECT pg_is_in_recovery()"
        monkeypatch.setattr(
            database, "query", lambda text, *values: [(True,)] if text == in_recovery else ask(text, *values)
        )
        found = database.obstacles("deployment_role", writes=True)
        assert found == {"write: the server is a standby": "# Let the sink connector write to the primary."}
        assert database.obstacles("deployment_role", writes=False) == {}


def test_a_role_that_may_write_where_the_database_may_not_is_in_order(role: Server) -> None:
    role.execute(
        "ALTER ROLE deployment_role SUPERUSER", "ALTER ROLE deployment_role SET default_transaction_read_only = off"
    )
    role.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
    try:
        assert rights(role, WRITES).missing == {}
    finally:
        role.execute("SET transaction_read_only = off; ALTER DATABASE postgres RESET default_transaction_read_only")
