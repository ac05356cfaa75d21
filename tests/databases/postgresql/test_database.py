"""The PostgreSQL session against real servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from cdcproof.core.errors import CouldNotLookError, RefusedError, UnexpectedAnswerError, UnreachableError, UsageError
from cdcproof.core.secrets import Secret
from cdcproof.databases.connections import connect
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.postgresql.sessions.deployment import set_logged
from cdcproof.databases.table_read import ColumnRead
from cdcproof.databases.values.types import form_of
from cdcproof.reconcile.plan.calibration import Calibration
from tests.postgres_server import PASSWORD, Server, Servers

pytest_plugins = ["tests.postgres_server"]

SCHEMA = "reading"


@pytest.fixture(scope="module")
def server(postgres_servers: Servers) -> Server:
    server = postgres_servers.source
    server.execute(
        f"CREATE SCHEMA {SCHEMA}",
        "CREATE EXTENSION IF NOT EXISTS citext SCHEMA public",
        f"CREATE DOMAIN {SCHEMA}.price AS numeric(7, 3)",
        f"CREATE DOMAIN {SCHEMA}.low_price AS {SCHEMA}.price CHECK (value < 10)",
        f"CREATE TYPE {SCHEMA}.size AS ENUM ('small', 'LARGE')",
        f"CREATE TYPE {SCHEMA}.pair AS (a int, b int)",
        f"""CREATE TABLE {SCHEMA}.kinds (
            b text, a bigint, amount numeric(12, 2) NOT NULL, bare numeric, at timestamptz(3), fixed char(4),
            price {SCHEMA}.price, twice bigint GENERATED ALWAYS AS (a * 2) STORED, gone int, list int[], PRIMARY KEY (b, a))""",
        f"""CREATE TABLE {SCHEMA}.rare (
            low {SCHEMA}.low_price, size {SCHEMA}.size, pair {SCHEMA}.pair, span int4range, spans int4multirange,
            words varchar(20)[], word varchar(20), any_word citext, round numeric(5, -2), tiny numeric(3, 5))""",
        f"ALTER TABLE {SCHEMA}.kinds DROP COLUMN gone",
        f"INSERT INTO {SCHEMA}.kinds SELECT 'row ' || i, i, i FROM generate_series(1, 12000) AS i",
        f"CREATE TABLE {SCHEMA}.parts (a int) PARTITION BY RANGE (a)",
        f"CREATE TABLE {SCHEMA}.parts_1 PARTITION OF {SCHEMA}.parts FOR VALUES FROM (0) TO (10)",
        f"CREATE VIEW {SCHEMA}.look AS SELECT 1 AS a",
        f"CREATE TABLE {SCHEMA}.nullable (a int, b text)",
        f"INSERT INTO {SCHEMA}.nullable VALUES (NULL, 'x'), (1, NULL), (1, 'y')",
        f"CREATE TABLE {SCHEMA}.policed (a int)",
        f"INSERT INTO {SCHEMA}.policed VALUES (1), (2)",
        f"ALTER TABLE {SCHEMA}.policed ENABLE ROW LEVEL SECURITY",
        f"CREATE POLICY odd ON {SCHEMA}.policed USING (a % 2 = 1)",
        "CREATE ROLE reader LOGIN PASSWORD 'only reading'",
        "CREATE ROLE sleeper NOLOGIN PASSWORD 'only reading'",
    )
    return server


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    with connect(server.config(publication="pub"), Secret(PASSWORD)) as opened:
        yield opened


def _table(name: str) -> TableName:
    return TableName(SCHEMA, name)


def test_columns_are_told_as_the_standard_names_them(database: Database) -> None:
    assert database.catalogue.columns(_table("kinds")) == (
        Column("b", "text", nullable=False),
        Column("a", "bigint", nullable=False, precision=64),
        Column("amount", "numeric", nullable=False, scale=2, precision=12),
        Column("bare", "numeric", nullable=True),
        Column("at", "timestamp with time zone", nullable=True, scale=3),
        Column("fixed", "character", nullable=True, length=4),
        Column("price", "numeric", nullable=True, scale=3, precision=7),
        Column("twice", "bigint", nullable=True, precision=64, computed=True),
        Column("list", "array", nullable=True),
    )
    assert database.catalogue.columns(_table("rare")) == (
        Column("low", "numeric", nullable=True, scale=3, precision=7),
        Column("size", "enum", nullable=True),
        Column("pair", "composite", nullable=True),
        Column("span", "range", nullable=True),
        Column("spans", "multirange", nullable=True),
        Column("words", "array", nullable=True),
        Column("word", "character varying", nullable=True, length=20),
        Column("any_word", "citext", nullable=True),
        Column("round", "numeric", nullable=True, scale=-2, precision=5),
        Column("tiny", "numeric", nullable=True, scale=5, precision=3),
    )


def test_what_is_not_null_in_name_only_may_be_null(server: Server, database: Database) -> None:
    server.execute(
        f"CREATE TABLE {SCHEMA}.unproven (id int PRIMARY KEY, v text)",
        f"INSERT INTO {SCHEMA}.unproven VALUES (1, NULL)",
        f"ALTER TABLE {SCHEMA}.unproven ADD CONSTRAINT later NOT NULL v NOT VALID",
        f"CREATE TABLE {SCHEMA}.parent (id int NOT NULL, v text NOT NULL NO INHERIT)",
        f"CREATE TABLE {SCHEMA}.child () INHERITS ({SCHEMA}.parent)",
        f"INSERT INTO {SCHEMA}.child VALUES (1, NULL)",
        "CREATE FOREIGN DATA WRAPPER elsewhere",
        "CREATE SERVER elsewhere FOREIGN DATA WRAPPER elsewhere",
        f"CREATE FOREIGN TABLE {SCHEMA}.far (v text NOT NULL) SERVER elsewhere",
        f"CREATE TABLE {SCHEMA}.parted (v text NOT NULL) PARTITION BY LIST (v)",
        f"CREATE TABLE {SCHEMA}.near PARTITION OF {SCHEMA}.parted FOR VALUES IN ('x')",
    )

    def nullable(table: str) -> list[bool]:
        return [column.nullable for column in database.catalogue.columns(_table(table))]

    try:
        assert nullable("unproven") == [False, True]
        assert nullable("parent") == [True, True]
        assert nullable("far") == [True]
        assert nullable("parted") == nullable("near") == [False]
        server.execute(
            f"CREATE FOREIGN TABLE {SCHEMA}.farther PARTITION OF {SCHEMA}.parted FOR VALUES IN ('y') SERVER elsewhere"
        )
        assert nullable("parted") == [True]
        server.execute(
            f"UPDATE {SCHEMA}.unproven SET v = 'x'", f"ALTER TABLE {SCHEMA}.unproven VALIDATE CONSTRAINT later"
        )
        assert nullable("unproven") == [False, False]
    finally:
        server.execute(
            f"DROP TABLE {SCHEMA}.unproven, {SCHEMA}.parent, {SCHEMA}.child, {SCHEMA}.parted",
            "DROP FOREIGN DATA WRAPPER elsewhere CASCADE",
        )


def test_the_primary_key_comes_in_key_order_and_is_empty_without_one(database: Database) -> None:
    assert database.catalogue.primary_key(_table("kinds")) == ("b", "a")
    assert database.catalogue.primary_key(_table("nullable")) == ()


def test_tables_are_base_tables_and_partitions(database: Database) -> None:
    assert database.catalogue.tables(SCHEMA) == {
        _table(name) for name in ("kinds", "rare", "parts", "parts_1", "nullable", "policed")
    }


def test_what_a_crash_empties_is_the_unlogged_table_or_its_unlogged_partitions(
    server: Server, database: Database
) -> None:
    server.execute(
        f"CREATE UNLOGGED TABLE {SCHEMA}.unlogged (a int)",
        f"CREATE UNLOGGED TABLE {SCHEMA}.parts_2 PARTITION OF {SCHEMA}.parts FOR VALUES FROM (10) TO (20)",
    )
    tables = [_table(name) for name in ("unlogged", "parts", "parts_1", "kinds")]
    emptied = {_table("unlogged"): (_table("unlogged"),), _table("parts"): (_table("parts_2"),)}
    try:
        assert database.catalogue.emptied_by_a_crash(tables) == emptied
        server.execute(*(set_logged(part) for [part] in emptied.values()))
        assert database.catalogue.emptied_by_a_crash(tables) == {}
    finally:
        server.execute(f"DROP TABLE {SCHEMA}.unlogged, {SCHEMA}.parts_2")


def test_estimates_and_ranges_are_there_before_anything_was_analyzed(server: Server, database: Database) -> None:
    assert (
        1_200 < database.catalogue.estimated_rows(_table("kinds")) < 120_000
    )  # there are 12,000; the size tells about
    assert database.catalogue.value_range(_table("kinds"), database.catalogue.columns(_table("kinds"))[1]) == (1, 12000)
    assert database.catalogue.value_range(_table("parts"), database.catalogue.columns(_table("parts"))[0]) is None
    server.execute(f"ANALYZE {SCHEMA}.kinds")
    assert database.catalogue.estimated_rows(_table("kinds")) == 12_000


def test_a_snapshot_is_of_one_moment(server: Server, database: Database) -> None:
    with database.snapshot():
        assert database.catalogue.count_rows(_table("kinds")) == 12000
        server.execute(f"INSERT INTO {SCHEMA}.kinds VALUES ('late', 99999, 0)")
        assert database.catalogue.count_rows(_table("kinds")) == 12000
    assert database.catalogue.count_rows(_table("kinds")) == 12001
    server.execute(f"DELETE FROM {SCHEMA}.kinds WHERE a = 99999")


def test_an_account_that_may_see_some_rows_only_is_told_so(server: Server) -> None:
    server.execute(
        "CREATE ROLE half_blind LOGIN PASSWORD 'only reading'",
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO half_blind",
        f"GRANT SELECT ON {SCHEMA}.policed TO half_blind",
    )
    with connect(server.config(user="half_blind"), Secret("only reading")) as database:
        with pytest.raises(RefusedError, match="only some of the rows") as refused:
            database.catalogue.count_rows(_table("policed"))
        server.execute(refused.value.remedy)
    with connect(server.config(user="half_blind"), Secret("only reading")) as database:
        assert database.catalogue.count_rows(_table("policed")) == 2


def test_the_session_cannot_write_and_the_server_sees_to_it(server: Server, database: Database) -> None:
    # the session has no method that writes, so this writes by another one
    session: psycopg.Connection = database.driver  # type: ignore[attr-defined]
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        session.execute(f"DELETE FROM {SCHEMA}.kinds")  # type: ignore[arg-type]
    with server.connect() as other:
        shown = other.execute(
            "SELECT application_name FROM pg_stat_activity WHERE pid = %s", (session.info.backend_pid,)
        )
        assert shown.fetchall() == [("cdcproof",)]


def test_captured_tables_are_the_publications_tables(server: Server, database: Database) -> None:
    assert database.log.captured_tables() == frozenset()  # it does not exist: nothing is captured
    server.execute(f"CREATE PUBLICATION pub FOR TABLE {SCHEMA}.kinds")
    assert database.log.captured_tables() == {_table("kinds")}
    server.execute("DROP PUBLICATION pub", "CREATE PUBLICATION pub FOR ALL TABLES")
    assert {_table("kinds"), _table("nullable")} <= database.log.captured_tables()
    server.execute("DROP PUBLICATION pub")


def test_partitions_are_tables_and_are_captured_by_their_own_names(server: Server, database: Database) -> None:
    root, eu, us = (_table(name) for name in ("ev", "ev_eu", "ev_us"))
    server.execute(
        f"CREATE TABLE {root} (id int, r text, PRIMARY KEY (id, r)) PARTITION BY LIST (r)",
        f"CREATE TABLE {eu} PARTITION OF {root} FOR VALUES IN ('eu')",
        f"CREATE TABLE {us} PARTITION OF {root} FOR VALUES IN ('us')",
        f"CREATE PUBLICATION pub FOR TABLE {root}",
    )
    try:
        assert {root, eu, us} <= database.catalogue.tables(SCHEMA)
        assert database.log.captured_tables() == {eu, us}
        server.execute("ALTER PUBLICATION pub SET (publish_via_partition_root = true)")
        assert database.log.captured_tables() == {root}
    finally:
        server.execute("DROP PUBLICATION pub", f"DROP TABLE {root}")


def test_a_pipeline_that_names_no_publication_is_told(server: Server) -> None:
    with connect(server.config(), Secret(PASSWORD)) as database, pytest.raises(UsageError, match="publication"):
        database.log.captured_tables()


def test_slots_are_those_of_the_whole_server_with_what_they_retain(server: Server, database: Database) -> None:
    server.execute("SELECT pg_create_logical_replication_slot('slot_here', 'pgoutput')", "CREATE DATABASE elsewhere")
    server.execute("SELECT pg_create_logical_replication_slot('slot_there', 'pgoutput')", database="elsewhere")
    try:
        server.execute(
            "SELECT pg_create_physical_replication_slot('standby', true)",
            "SELECT pg_create_physical_replication_slot('keeps_nothing')",
        )
        # a whole segment between two switches: the first one may leave only the little that was free in its own
        server.execute(
            "SELECT pg_switch_wal()", "SELECT pg_logical_emit_message(true, '', '')", "SELECT pg_switch_wal()"
        )
        slots = database.log.slots()
        assert [(s.name, s.active, s.wal_status, s.database) for s in slots] == [
            ("slot_here", False, "reserved", "postgres"),
            ("slot_there", False, "reserved", "elsewhere"),
            ("standby", False, "reserved", ""),
        ]
        assert all(slot.retained_bytes >= 16 * 1024**2 for slot in slots)
    finally:
        server.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name <> 'slot_there'"
        )
        server.execute("SELECT pg_drop_replication_slot('slot_there')", database="elsewhere")
        server.execute("DROP DATABASE elsewhere")


def test_missing_permissions_come_with_the_grant_that_gives_them(server: Server) -> None:
    tables = [_table("kinds"), _table("no_such_table")]
    config = server.config(user="reader")
    sessions = {"the sessions of other accounts (pg_monitor)": 'GRANT "pg_monitor" TO "reader";'}
    with connect(config, Secret("only reading")) as database:
        missing = database.permissions.missing(tables)
        assert missing == {
            f"schema {SCHEMA}": f'GRANT USAGE ON SCHEMA "{SCHEMA}" TO "reader";',
            f"{SCHEMA}.kinds": f'GRANT SELECT ON "{SCHEMA}"."kinds" TO "reader";',
        }
        with pytest.raises(RefusedError) as refused:
            database.catalogue.count_rows(_table("kinds"))
        server.execute(*refused.value.remedy.split("; "))  # the remedy is what it says
        assert database.catalogue.count_rows(_table("kinds")) == 12000
        assert database.permissions.missing(tables) == {}
        assert database.permissions.hidden() == sessions

    slot = {"what the connector's slot has not sent (REPLICATION)": 'ALTER ROLE "reader" REPLICATION;'}
    with connect(config.model_copy(update={"slot": "s"}), Secret("only reading")) as database:
        assert database.permissions.hidden() == sessions | slot
        server.execute(*sessions.values(), *slot.values())
        try:
            assert database.permissions.hidden() == {}
        finally:
            server.execute("REVOKE pg_monitor FROM reader", "ALTER ROLE reader NOREPLICATION")
    with connect(server.config(slot="s"), Secret(PASSWORD)) as database:
        assert database.permissions.hidden() == {}, "a superuser needs no attribute"


@pytest.mark.parametrize(
    ("changes", "password", "error", "words"),
    [
        ({}, "wrong password", RefusedError, ["password authentication failed", "POSTGRES_PASSWORD"]),
        ({"user": "nobody_here"}, PASSWORD, RefusedError, ["nobody_here"]),
        ({"user": "sleeper"}, "only reading", RefusedError, ["not permitted to log in"]),
        ({"database": "no_database"}, PASSWORD, RefusedError, ['"no_database" does not exist']),
        ({"port": 1}, PASSWORD, UnreachableError, ["127.0.0.1:1", "refused"]),
        ({"host": "no.such.host.invalid"}, PASSWORD, UnreachableError, ["no.such.host.invalid"]),
    ],
)
def test_a_session_that_cannot_be_opened_says_why_and_what_to_do(
    server: Server, changes: dict[str, Any], password: str, error: type[CouldNotLookError], words: list[str]
) -> None:
    with pytest.raises(error) as raised, connect(server.config(**changes), Secret(password)):
        pass
    told = str(raised.value)
    assert all(word in told for word in words)
    assert raised.value.remedy
    assert password not in told


def test_the_password_is_read_from_the_environment_and_its_absence_named(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD)
    with connect(server.config()) as database:
        assert database.version().startswith("PostgreSQL 1")
    monkeypatch.delenv("POSTGRES_PASSWORD")
    with pytest.raises(UsageError, match="POSTGRES_PASSWORD"):
        connect(server.config())


def test_a_table_that_is_not_there_is_named(database: Database) -> None:
    for ask in (database.catalogue.columns, database.catalogue.count_rows):
        with pytest.raises(UnexpectedAnswerError, match=rf"no table {SCHEMA}\.missing"):
            ask(_table("missing"))


def test_a_locked_table_is_not_waited_for_forever(
    server: Server, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.driver.execute("SET lock_timeout = 50")  # type: ignore[attr-defined]
    with server.connect() as other, other.transaction():
        other.execute(f"LOCK TABLE {SCHEMA}.nullable")
        with pytest.raises(UnexpectedAnswerError, match=rf"{SCHEMA}\.nullable was locked") as raised:
            database.catalogue.count_rows(_table("nullable"))
    assert "pg_locks" in raised.value.remedy


def test_a_statement_has_a_limit_at_the_server(server: Server) -> None:
    with (
        connect(server.config(), Secret(PASSWORD), statement_timeout_seconds=0.05) as database,
        server.connect() as other,
        other.transaction(),
    ):
        other.execute(f"LOCK TABLE {SCHEMA}.nullable")
        with pytest.raises(UnexpectedAnswerError, match=r"the limit is 0\.05 s"):
            database.catalogue.count_rows(_table("nullable"))


def test_a_connection_that_the_server_closed_is_unreachable(server: Server, database: Database) -> None:
    server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cdcproof'")
    with pytest.raises(UnreachableError, match="closed the connection"):
        database.catalogue.count_rows(_table("kinds"))


def test_a_table_without_columns_is_not_a_missing_one(server: Server, database: Database) -> None:
    server.execute(f"CREATE TABLE {SCHEMA}.bare ()")
    with pytest.raises(UnexpectedAnswerError) as raised:
        database.catalogue.columns(TableName(SCHEMA, "bare"))
    assert raised.value.message.endswith(f": {SCHEMA}.bare has no columns.")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(("array_nulls", "off"), ("bytea_output", "escape"), ("DateStyle", "SQL, DMY"), ("IntervalStyle", "iso_8601")),
        *(("TimeZone", "Asia/Kolkata"), ("extra_float_digits", "0"), ("xmlbinary", "hex"), ("xmloption", "document")),
        *(("standard_conforming_strings", "off"), ("transform_null_equals", "on")),
    ],
)
def test_a_database_s_own_settings_change_no_form(server: Server, setting: str, value: str) -> None:
    """Of each type the forms must be those of Python's reference, whatever the database's defaults are."""
    server.execute(f"ALTER DATABASE postgres SET {setting} = '{value}'")
    try:
        with connect(server.config(), Secret(PASSWORD)) as database:
            calibration = Calibration("postgresql")
            told = [
                ColumnRead(column, form)
                for column in (
                    *(Column("v", "text", True), Column("v", "bytea", True), Column("v", "double precision", True)),
                    *(Column("v", "timestamp with time zone", True), Column("v", "date", True)),
                )
                if (form := form_of("postgresql", column, "postgresql", column))
            ]
            calibration.look(database, told)
            assert [calibration.reason(one) for one in told] == [""] * 5
    finally:
        server.execute(f"ALTER DATABASE postgres RESET {setting}")


def test_a_database_s_own_settings_neither_rename_types_nor_end_our_snapshot(server: Server) -> None:
    server.execute(
        f"CREATE TABLE {SCHEMA}.quoted (a text, b bytea, c numeric(5, 2), d timestamp)",
        "ALTER DATABASE postgres SET quote_all_identifiers = on",
        "ALTER DATABASE postgres SET idle_in_transaction_session_timeout = '1ms'",
    )
    try:
        with connect(server.config(), Secret(PASSWORD)) as database:
            seen = database.catalogue.columns(TableName(SCHEMA, "quoted"))
            limit = database.query("SELECT current_setting('idle_in_transaction_session_timeout')")
    finally:
        server.execute(
            "ALTER DATABASE postgres RESET quote_all_identifiers",
            "ALTER DATABASE postgres RESET idle_in_transaction_session_timeout",
        )
    assert [column.type for column in seen] == ["text", "bytea", "numeric", "timestamp without time zone"]
    assert limit == [("0",)]


def test_functions_and_operators_are_postgresqls_own_whatever_comes_first_on_the_search_path(server: Server) -> None:
    """As orafce has its own substr and others, to be put before pg_catalog."""
    server.execute(
        f"CREATE FUNCTION {SCHEMA}.sha256(bytea) RETURNS bytea LANGUAGE sql IMMUTABLE RETURN '\\x00'::bytea",
        f"CREATE FUNCTION {SCHEMA}.same(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN true",
        f"CREATE OPERATOR {SCHEMA}.= (LEFTARG = int, RIGHTARG = int, FUNCTION = {SCHEMA}.same)",
        f"ALTER DATABASE postgres SET search_path = {SCHEMA}, pg_catalog, public",
    )
    try:
        with connect(server.config(), Secret(PASSWORD)) as database:
            [row] = database.query("SELECT length(sha256('x')), 1 = 2, current_setting('search_path')")
    finally:
        server.execute(
            "ALTER DATABASE postgres RESET search_path",
            f"DROP FUNCTION {SCHEMA}.sha256",
            f"DROP OPERATOR {SCHEMA}.= (int, int)",
            f"DROP FUNCTION {SCHEMA}.same",
        )
    assert row == (32, False, f"pg_catalog, {SCHEMA}, pg_catalog, public"), "its own schemas are still found"


def test_an_account_without_a_search_path_has_sessions(server: Server) -> None:
    server.execute("ALTER DATABASE postgres SET search_path = ''")
    try:
        with connect(server.config(), Secret(PASSWORD)) as database:
            assert database.query("SELECT 1 = 2") == [(False,)]
    finally:
        server.execute("ALTER DATABASE postgres RESET search_path")


def test_a_database_s_own_limits_of_idle_sessions_and_long_transactions_end_no_comparison(server: Server) -> None:
    limits = ("idle_session_timeout", "transaction_timeout")
    server.execute(*(f"ALTER DATABASE postgres SET {limit} = '1min'" for limit in limits))
    try:
        with connect(server.config(), Secret(PASSWORD)) as database, database.snapshot():
            seen = [database.query(f"SELECT current_setting('{limit}')")[0][0] for limit in limits]
    finally:
        server.execute(*(f"ALTER DATABASE postgres RESET {limit}" for limit in limits))
    assert seen == ["0", "0"]
