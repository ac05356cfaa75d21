"""What an account of a real PostgreSQL server has beyond its needs: each kind is named, and the statement offered ends it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from cdcproof.core.secrets import Secret
from cdcproof.databases.connections import connect_for_deployment
from cdcproof.databases.contracts.deployment import Needs, Rights
from cdcproof.databases.names import TableName
from tests.postgres_server import PASSWORD, USER, Server, Servers

pytest_plugins = ["tests.postgres_server"]

A, B = TableName("account", "a"), TableName("account", 'odd "b"')
READS = Needs(read=(A, B), sees_server=True)
ACCOUNT = 'odd "reader"'
QUOTED = '"odd ""reader"""'
TO = f"TO {QUOTED}"


@pytest.fixture
def server(postgres_servers: Servers) -> Iterator[Server]:
    """A server with two tables, and a role that may read them and no more."""
    target = postgres_servers.target
    target.execute(
        f"CREATE ROLE {QUOTED} LOGIN PASSWORD 'x'",
        "CREATE ROLE writers",
        "CREATE ROLE team",
        "GRANT writers TO team",
        "CREATE SCHEMA account",
        "CREATE TABLE account.a (id int, note text)",
        'CREATE TABLE account."odd ""b""" (id int)',
    )
    target.execute(*rights(target).missing.values())
    yield target
    target.execute(f"ALTER DATABASE postgres OWNER TO {USER}", f"ALTER SCHEMA account OWNER TO {USER}")
    for role in (QUOTED, "team", "writers"):
        target.execute(f"REASSIGN OWNED BY {role} TO {USER}", f"DROP OWNED BY {role}")
    target.execute("DROP SCHEMA account CASCADE", f"DROP ROLE {QUOTED}, team, writers")


def rights(server: Server, needs: Needs = READS, account: str = ACCOUNT) -> Rights:
    with connect_for_deployment(server.config(), Secret(PASSWORD)) as database:
        return database.rights(account, needs)


@pytest.mark.parametrize(
    ("faults", "named"),
    [
        ([f"GRANT UPDATE ON account.a {TO}"], {"UPDATE on account.a"}),
        ([f"GRANT UPDATE (note), TRIGGER ON account.a {TO}"], {"TRIGGER on account.a", "UPDATE on account.a"}),
        (["GRANT DELETE ON account.a TO PUBLIC"], {"DELETE on account.a, as everybody"}),
        (
            ["GRANT INSERT ON account.a TO writers", f"GRANT team {TO}"],
            {"INSERT on account.a, as member of team"},
        ),
        (
            ["ALTER TABLE account.a OWNER TO writers", f"GRANT team {TO}"],
            {"owner of table account.a, as member of team"},
        ),
        ([f"ALTER TABLE account.a OWNER {TO}"], {"owner of table account.a"}),
        ([f"ALTER SCHEMA account OWNER {TO}"], {"owner of schema account"}),
        ([f"ALTER DATABASE postgres OWNER {TO}"], {"owner of database postgres"}),
        ([f"GRANT pg_write_all_data {TO}"], {"member of pg_write_all_data"}),
        (
            ["GRANT pg_signal_backend TO writers", f"GRANT team {TO}"],
            {"member of team, by it of pg_signal_backend"},
        ),
        (["ALTER ROLE writers CREATEROLE", f"GRANT team {TO}"], {"member of team, by it of writers, which has CREATEROLE"}),
        ([f"GRANT {USER} {TO}"], None),
        ([f"ALTER ROLE {QUOTED} REPLICATION CREATEDB CREATEROLE"], {"replication", "createdb", "createrole"}),
        ([f"ALTER ROLE {QUOTED} BYPASSRLS"], {"bypassrls"}),
        ([f"ALTER ROLE {QUOTED} SUPERUSER"], {"superuser"}),
    ],
)  # fmt: skip
def test_what_is_too_much_is_named_and_ended_and_what_is_needed_stays(
    server: Server, faults: list[str], named: set[str] | None
) -> None:
    assert rights(server) == Rights()
    server.execute(*faults)
    try:
        found = rights(server)
        if named is not None:
            assert set(found.excessive) == named
        assert any("superuser" in what.lower() for what in found.excessive) or named
        # as the check offers it: in one transaction
        server.execute(" ".join(dict.fromkeys((*found.excessive.values(), *found.restoring.values()))))
        assert rights(server) == Rights()
        with (
            psycopg.connect(
                host=server.host, port=server.port, user=ACCOUNT, password="x", dbname="postgres"
            ) as session,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            session.execute("UPDATE account.a SET note = ''")
    finally:
        server.execute("ALTER ROLE writers NOCREATEROLE")


def test_to_bypass_policies_is_needed_where_a_table_has_them(server: Server) -> None:
    server.execute(f"ALTER ROLE {QUOTED} BYPASSRLS", "ALTER TABLE account.a ENABLE ROW LEVEL SECURITY")
    assert rights(server) == Rights()


def test_the_owner_that_alters_its_publication_owns_its_tables(server: Server) -> None:
    server.execute(f"ALTER TABLE account.a OWNER {TO}", f'ALTER TABLE account."odd ""b""" OWNER {TO}')
    assert rights(server, Needs(read=(A, B), owns=True)).excessive == {}
    assert len(rights(server, Needs(read=(A, B))).excessive) == 2


def test_the_first_superuser_cannot_be_made_less_so_that_there_is_only_advice(server: Server) -> None:
    found = rights(server, account=USER)
    assert list(found.excessive) == ["superuser"]
    assert found.excessive["superuser"].startswith(f"# {USER} is the server's first superuser")
    assert found.restoring == {}
