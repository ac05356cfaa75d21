"""What a deployment asks of SQL Server. None runs here: its answers are those of its references."""

from __future__ import annotations

import math
from typing import Any

import pytest

from cdcproof.core.errors import RefusedError, UnexpectedAnswerError, UsageError
from cdcproof.core.secrets import Secret
from cdcproof.databases.contracts.deployment import CaptureHealth, CaptureJob, CaptureState, LogStart, Needs, Rights
from cdcproof.databases.names import TableName
from cdcproof.databases.sqlserver.log import lsn
from cdcproof.databases.sqlserver.queries import catalogue as catalogue_tsql
from cdcproof.databases.sqlserver.queries import deployment
from cdcproof.databases.sqlserver.queries import rights as rights_queries
from cdcproof.databases.sqlserver.sessions.deployment import SQLServerDeployment
from cdcproof.pipeline import model as pipeline
from tests import tsql_engine, tsql_values

ORDERS = TableName("dbo", "orders")


def sql_server(monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any]) -> SQLServerDeployment:
    """A session whose server answers each statement so; a statement that has no answer is a KeyError."""
    config = pipeline.Database.model_validate(
        {
            "type": "sqlserver",
            "host": "h",
            "port": 1433,
            "database": "w",
            "user": "u",
            "password_env": "P",
            "schema": "dbo",
        }
    )
    made = SQLServerDeployment(config, Secret("deployment-pw"), 30)

    def query(statement: str, *values: object, grant: str = "") -> list[tuple[Any, ...]]:
        told = answers[statement]
        return told(*values) if callable(told) else told

    monkeypatch.setattr(made, "query", query)
    return made


def test_each_capture_instance_tells_its_oldest_change(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, list[tuple[Any, ...]]] = {
        catalogue_tsql.DATABASE_STATE: [(True, 1)],
        deployment.LOG_STARTS: [
            ("dbo_orders", bytes.fromhex("0000002500000d9800a2"), "dbo", "orders"),
            ("dbo_hidden", bytes(10), "dbo", "hidden"),
            ("dbo_none", None, "dbo", "none"),
        ],
    }
    assert sql_server(monkeypatch, answers).log_starts() == (
        LogStart("dbo_orders", 0x25_00000D98_00A2, TableName("dbo", "orders")),
        LogStart("dbo_hidden", 0, TableName("dbo", "hidden")),
        LogStart("dbo_none", 0, TableName("dbo", "none")),
    )


def test_without_cdc_there_is_no_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sql_server(monkeypatch, {catalogue_tsql.DATABASE_STATE: [(False, 1)]}).log_starts() == ()


INSTANCES: list[tuple[Any, ...]] = [
    ("dbo", "orders", "dbo_orders", "note"),
    ("dbo", "orders", "dbo_orders", "added"),
    ("dbo", "it's", "dbo_it's", None),
]


def captured(monkeypatch: pytest.MonkeyPatch, instances: list[tuple[Any, ...]]) -> CaptureState:
    user = {catalogue_tsql.USER: [("shop reader",)]}
    answers = {catalogue_tsql.DATABASE_STATE: [(True, 1)], deployment.CAPTURE_INSTANCES: instances, **user}
    return sql_server(monkeypatch, answers).capture_state("", "")


def test_cdc_is_told_of_database_and_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = captured(monkeypatch, INSTANCES)
    assert (seen.settings, seen.hidden) == ({"CDC of the database": "on"}, "")
    assert {table: found.left_out for table, found in seen.captured.items()} == {
        ORDERS: ("note", "added"),
        TableName("dbo", "it's"): (),
    }
    off = sql_server(monkeypatch, {catalogue_tsql.DATABASE_STATE: [(False, 1)]}).capture_state("", "")
    assert (off.settings, off.captured) == ({"CDC of the database": "off"}, {})


def test_a_table_that_has_changed_gets_another_instance_and_the_oldest_of_two_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enable = "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'orders', @role_name = NULL, @capture_instance = "
    assert captured(monkeypatch, INSTANCES).captured[ORDERS].whole == f"{enable}N'dbo_orders_new';"
    two = [*INSTANCES, ("dbo", "orders", "dbo_orders_new", "added")]
    newest = captured(monkeypatch, two).captured[ORDERS]
    assert newest.left_out == ("added",)
    assert newest.whole == (
        "EXEC sys.sp_cdc_disable_table @source_schema = N'dbo', @source_name = N'orders', @capture_instance = N'dbo_orders'; "
        f"{enable}N'dbo_orders';"
    )
    assert "@source_name = N'it''s'" in captured(monkeypatch, INSTANCES).captured[TableName("dbo", "it's")].whole


def test_tables_that_this_account_may_not_see_are_told_with_the_grant(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = captured(monkeypatch, [(None, None, "dbo_secret", None)])
    assert (seen.captured, seen.hidden) == ({}, "GRANT VIEW DEFINITION TO [shop reader];")


@pytest.mark.parametrize(
    ("login", "subjects"),
    [
        ((0, 0, 0), []),
        ((1, 0, 0), ["login, its password has expired"]),
        ((0, 0, 1), ["login, its password must be changed first"]),
        ((0, 1, 0), ["login, it is locked"]),
    ],
)
def test_what_keeps_a_login_out_is_told(monkeypatch: pytest.MonkeyPatch, login: Any, subjects: list[str]) -> None:
    found = sql_server(monkeypatch, {deployment.LOGIN: lambda *_: [login]}).obstacles("cdc", writes=False)
    assert list(found) == subjects
    assert all(text.startswith("#") for text in found.values())


def test_a_login_that_may_not_be_seen_is_not_called_good(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RefusedError, match="cdc has expired may not be seen by u") as raised:
        sql_server(monkeypatch, {deployment.LOGIN: lambda *_: [(None, None, None)]}).obstacles("cdc", writes=False)
    assert raised.value.remedy == "USE master; GRANT VIEW DEFINITION ON LOGIN::[cdc] TO [u];"


def test_a_database_that_takes_no_writes_is_told_to_who_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = may("SELECT", "INSERT", LOGIN=lambda *_: [(0, 0, 0)], UPDATEABILITY=[("READ_ONLY",)])
    expected = {"write: the database is read-only": "ALTER DATABASE [w] SET READ_WRITE;"}
    assert sql_server(monkeypatch, answers).obstacles("sink", writes=True) == expected
    assert (
        sql_server(monkeypatch, answers).rights("u", Needs(write=(ORDERS,), privileges=("INSERT",))).missing == expected
    )
    assert sql_server(monkeypatch, answers).rights("u", READS).missing == {}


READS = Needs(read=(ORDERS,), reads_log=True)


def may(*granted: str, **more: Any) -> dict[str, Any]:
    """Answers of a server on which the account has these privileges on tables, is in no role and reads the change tables."""
    return {
        rights_queries.USER: [("login]x", "user]x")],
        rights_queries.SERVER_ROLES: [],
        rights_queries.SERVER_PERMISSIONS: [],
        rights_queries.DATABASE_ROLES: [],
        rights_queries.OWN_ROLES: [],
        rights_queries.DATABASE_PERMISSIONS: [],
        rights_queries.SCHEMA_PERMISSIONS: lambda _schema: [],
        rights_queries.OWNED: lambda _schema, _table: [],
        rights_queries.MAY: lambda _schema, _table, privilege: [(int(privilege in granted),)],
        catalogue_tsql.DATABASE_STATE: [(True, 1)],
        rights_queries.MAY_READ_CDC: [(1,)],
        **{getattr(rights_queries, name, None) or getattr(deployment, name): value for name, value in more.items()},
    }


def test_an_account_that_reads_and_no_more_is_as_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sql_server(monkeypatch, may("SELECT")).rights("U", READS) == Rights()


def test_what_is_missing_is_told_with_its_grant(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sql_server(monkeypatch, may(MAY_READ_CDC=[(0,)])).rights("u", READS).missing == {
        "SELECT on dbo.orders": "GRANT SELECT ON [dbo].[orders] TO [user]]x];",
        "SELECT on schema cdc": "GRANT SELECT ON SCHEMA::cdc TO [user]]x];",
    }


def test_a_sink_that_makes_tables_needs_to_be_let(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = may("SELECT", UPDATEABILITY=[("READ_WRITE",)], MAY_CREATE=[(0,)], MAY_ALTER_SCHEMA=lambda _: [(0,)])
    needs = Needs(read=(ORDERS,), write=(ORDERS,), privileges=("INSERT",), create_in=("dbo",))
    assert sql_server(monkeypatch, answers).rights("u", needs).missing == {
        "INSERT on dbo.orders": "GRANT INSERT ON [dbo].[orders] TO [user]]x];",
        "CREATE TABLE": "GRANT CREATE TABLE TO [user]]x];",
        "ALTER on schema dbo": "GRANT ALTER ON SCHEMA::[dbo] TO [user]]x];",
    }


def test_what_is_too_much_is_told_with_what_takes_it_away(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sql_server(monkeypatch, may("SELECT", "DELETE")).rights("u", READS).excessive == {
        "DELETE on dbo.orders": "REVOKE DELETE ON [dbo].[orders] FROM [user]]x];"
    }
    by_role = may("SELECT", "INSERT", SERVER_ROLES=[("securityadmin",)], DATABASE_ROLES=[("db_datawriter",)])
    assert sql_server(monkeypatch, by_role).rights("u", READS).excessive == {
        "server role securityadmin": "ALTER SERVER ROLE [securityadmin] DROP MEMBER [login]]x];",
        "role db_datawriter": "ALTER ROLE [db_datawriter] DROP MEMBER [user]]x];",
    }


def test_a_sysadmin_is_told_as_that_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = may("SELECT", "INSERT", SERVER_ROLES=[("sysadmin",), ("serveradmin",)], DATABASE_ROLES=[("db_owner",)])
    assert set(sql_server(monkeypatch, answers).rights("u", READS).excessive) == {"server role sysadmin"}


def test_another_account_is_not_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="other is not the one logged in"):
        sql_server(monkeypatch, {}).rights("other", READS)


HEALTH: dict[str, list[tuple[Any, ...]]] = {
    deployment.AGENT: [("Running",)],
    deployment.JOBS: [("capture", "cdc.w_capture", 1, 1, 1, 0, None), ("cleanup", None, None, 0, 0, 4320, "no room")],
    deployment.SCANS: [(1, 1, 0, 5, 2), (2, 1, 1, 0, 0), (3, 1, 0, 7, 4), (4, 0, 0, 0, 0)],
    deployment.ERRORS: [(2, 22859, "old"), (4, 18805, "now")],
    deployment.CAPTURED_AGE: [(17,)],
    deployment.LOG_SPACE: [("REPLICATION", 12.5)],
}


def test_the_capture_job_is_told_with_what_failed_since_the_last_scan_that_did_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert sql_server(monkeypatch, HEALTH).capture_health() == CaptureHealth(
        "Running",
        (
            CaptureJob("capture", "cdc.w_capture", enabled=True, running=True, continuous=True, retention_minutes=0),
            CaptureJob(
                "cleanup", "", enabled=False, running=False, continuous=False, retention_minutes=4320, failure="no room"
            ),
        ),
        captured_seconds=17.0,
        latency_seconds=4.0,
        errors=("18805: now",),
        log_wait="REPLICATION",
        log_percent=12.5,
    )
    nothing = HEALTH | {
        deployment.AGENT: [],
        deployment.SCANS: [],
        deployment.ERRORS: [],
        deployment.CAPTURED_AGE: [(None,)],
    }
    found = sql_server(monkeypatch, nothing).capture_health()
    assert (found.agent, found.captured_seconds, found.latency_seconds, found.errors) == ("", None, None, ())


F = "0000002d:00000b70:0010"


def at(place: int) -> tsql_values.Binary:
    return tsql_values.Binary(lsn.binary(lsn.of_text(F) + place))


@pytest.mark.parametrize(
    ("changes", "oldest"),
    [
        ([(1, 1), (2, 5)], None),
        ([(2, 6)], 2),
        ([(2, 5), (9, 1), (7, 1)], 7),
        ([], None),
    ],
)
def test_the_oldest_change_that_was_not_read_has_an_age(
    monkeypatch: pytest.MonkeyPatch, changes: list[tuple[int, int]], oldest: int | None
) -> None:
    rows = [{"__$start_lsn": at(commit), "__$seqval": at(change)} for commit, change in changes]
    statement = deployment.oldest_unread_statement(TableName("cdc", "dbo_orders_CT"))

    def unread(*bound: bytes) -> list[tuple[Any, ...]]:
        found = tsql_engine.run(statement, {"cdc.dbo_orders_CT": rows}, [tsql_values.Binary(one) for one in bound])
        return [(row[0].data,) for row in found]

    asked: list[bytes] = []
    answers = {
        statement: unread,
        deployment.AGE: lambda value: asked.append(value) or [(400,)],
        catalogue_tsql.CHANGE_TABLES: [("dbo", "orders", "cdc", "dbo_orders_CT", at(0).data)],
        catalogue_tsql.LOG_END: [(F,)],
    }
    read = {
        "commit_lsn": lsn.text(lsn.of_text(F) + 2),
        "change_lsn": lsn.text(lsn.of_text(F) + 5),
        "event_serial_no": 1,
    }
    found = sql_server(monkeypatch, answers).log_reading("", read, [ORDERS, TableName("dbo", "not_captured")])
    assert found.unread_seconds == (0.0 if oldest is None else 400.0)
    assert asked == ([] if oldest is None else [at(oldest).data])
    assert (found.end, found.stored) == (lsn.of_text(F), lsn.of_text(F) + 2)


@pytest.mark.parametrize(("age", "known"), [(400, 400.0), (0, 0.0), (-1, math.nan), (-3000, math.nan), (None, None)])
def test_an_age_below_zero_is_not_known(monkeypatch: pytest.MonkeyPatch, age: int | None, known: float | None) -> None:
    """The server keeps local time, which is set back by an hour when daylight saving ends."""
    found = sql_server(monkeypatch, {deployment.CAPTURED_AGE: [(age,)]}).age_seconds(deployment.CAPTURED_AGE)
    assert found is known or found == known or (math.isnan(found) and math.isnan(known))


def test_a_connector_that_has_not_begun_to_stream_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnexpectedAnswerError, match="not begun to stream"):
        sql_server(monkeypatch, {}).log_reading("", {}, [ORDERS])
