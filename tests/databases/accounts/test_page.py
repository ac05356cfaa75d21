"""docs/ACCOUNTS.md: an account with just its statements is as the rights checks want it, and each one left out is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from cdcproof.core.errors import RefusedError
from cdcproof.core.secrets import Secret
from cdcproof.databases.accounts import page
from cdcproof.databases.accounts.roles import ROLES, Role
from cdcproof.databases.connections import connect, connect_for_deployment
from cdcproof.databases.contracts.deployment import Needs, Rights
from cdcproof.databases.names import TableName
from tests.databases.sqlserver import test_rights as recorded
from tests.postgres_server import PASSWORD, Server, Servers

pytest_plugins = ["tests.postgres_server"]
DOCUMENT = (Path(__file__).parents[3] / "docs" / "ACCOUNTS.md").read_text(encoding="utf-8")
OF_POSTGRESQL = [role for role in ROLES if "postgresql" in role.engines]
OF_SQLSERVER = [role for role in ROLES if "sqlserver" in role.engines]


def needs(role: Role, schema: str) -> Needs:
    return role.needs((TableName(schema, "orders"),), (TableName(schema, "cdcproof_heartbeat"),))


def test_the_page_is_made_from_the_roles() -> None:
    assert page.page() == DOCUMENT, "make generate"


@pytest.mark.parametrize("role", OF_SQLSERVER, ids=lambda role: role.title)
def test_sql_server_is_said_to_miss_just_what_the_page_grants(role: Role) -> None:
    """Of an account that may do nothing: HAS_PERMS_BY_NAME answers 0."""
    nothing = {statement: [(0,)] for statement in recorded.MAY_ALL}
    server = recorded.Server(
        user="cdc_connector" if role.account == "cdc" else role.account, login=role.account, tables=()
    )
    server._known |= nothing
    assert server.rights(needs(role, "dbo")).missing == page.example(role, "sqlserver")


@pytest.fixture
def server(postgres_servers: Servers) -> Iterator[Server]:
    """A server with the page's databases, and their two tables, closed to PUBLIC."""
    target = postgres_servers.target
    for database in page.DATABASES.values():
        target.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")  # other tests leave theirs of this name
        target.execute(f"CREATE DATABASE {database}", f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
        target.execute(
            "REVOKE ALL ON SCHEMA public FROM PUBLIC",
            "CREATE TABLE orders (id int)",
            "CREATE TABLE cdcproof_heartbeat (id int)",
            database=database,
        )
    yield target
    for database in page.DATABASES.values():
        target.execute(f"DROP DATABASE {database} WITH (FORCE)")


@pytest.mark.parametrize("role", OF_POSTGRESQL, ids=lambda role: role.title)
def test_with_the_pages_statements_nothing_is_missing_or_too_much_and_each_left_out_is_named(
    server: Server, role: Role
) -> None:
    statements, database = page.example(role, "postgresql"), page.DATABASES[role.side]
    assert all(statement in DOCUMENT for statement in statements.values())

    def rights() -> Rights:
        with connect_for_deployment(server.config(database=database), Secret(PASSWORD)) as session:
            return session.rights(role.account, needs(role, "public"))

    for left_out in (None, *statements):
        server.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(sql.Identifier(role.account)))
        try:
            server.execute(*(text for subject, text in statements.items() if subject != left_out), database=database)
            assert rights() == (Rights({left_out: statements[left_out]}) if left_out else Rights())
        finally:
            server.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role.account)), database=database)
            server.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role.account)))


def test_the_checks_name_a_database_that_they_may_not_enter_with_its_grant(server: Server) -> None:
    server.execute("CREATE ROLE cdcproof LOGIN PASSWORD 'x'")
    try:
        entering = connect(server.config(database="warehouse_source", user="cdcproof"), Secret("x"))
        with pytest.raises(RefusedError, match="permission denied for database") as refused, entering:
            pass
        server.execute(refused.value.remedy)
        with entering:
            pass
    finally:
        server.execute("DROP OWNED BY cdcproof")
        server.execute("DROP ROLE cdcproof")
