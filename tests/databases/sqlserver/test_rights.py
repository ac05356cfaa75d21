"""What an account of SQL Server has beyond its needs. No server runs here: its answers are those of Microsoft's reference."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cdcproof.databases.contracts.deployment import Needs, Rights
from cdcproof.databases.names import TableName
from cdcproof.databases.sqlserver.queries import catalogue
from cdcproof.databases.sqlserver.queries import rights as queries
from cdcproof.databases.sqlserver.rights import rights_of
from cdcproof.databases.sqlserver.session import Session

ORDERS = TableName("dbo", "odd]orders")
READS = Needs(read=(ORDERS,), reads_log=True, sees_server=True)
MAY_ALL = (
    catalogue.MAY_VIEW_DEFINITION,
    catalogue.MAY_VIEW_SERVER_STATE,
    queries.MAY_SEE_JOBS,
    queries.MAY_READ_CDC,
    queries.IS_BACKUP_OPERATOR,
    queries.READS_ALL,
    queries.MAY_VERIFY,
)


class Server:
    """A session whose account may read and look at all that a reader needs, and has what is given beside that."""

    database = SimpleNamespace(database="odd]w")

    def __init__(
        self, user: str = "u]x", login: str = "l]x", tables: tuple[str, ...] = ("SELECT",), **found: Any
    ) -> None:
        self._known: dict[str, Any] = {
            queries.USER: [(login, user)],
            queries.MAY: lambda _schema, _table, word: [(int(word in tables),)],
            **{statement: [(1,)] for statement in MAY_ALL},
            **{getattr(queries, name): value for name, value in found.items()},
        }

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        answer = self._known.get(statement, [])
        return cast("Callable[..., list[tuple[Any, ...]]]", answer)(*values) if callable(answer) else answer

    def rights(self, needs: Needs = READS) -> Rights:
        return rights_of(cast("Session", self), needs, {}, captures=True)


def test_an_account_that_reads_and_looks_is_as_needed() -> None:
    assert Server().rights() == Rights()


@pytest.mark.parametrize(
    ("server", "excessive"),
    [
        (Server(tables=("SELECT", "UPDATE")), {"UPDATE on dbo.odd]orders": "REVOKE UPDATE ON [dbo].[odd]]orders] FROM [u]]x];"}),
        (Server(SERVER_ROLES=[("sysadmin",), ("dbcreator",)]), {"server role sysadmin": "ALTER SERVER ROLE [sysadmin] DROP MEMBER [l]]x];"}),
        (
            Server(SERVER_PERMISSIONS=[("CONTROL SERVER",), ("ALTER ANY LOGIN",)]),
            {"CONTROL SERVER on the server": "USE master; REVOKE CONTROL SERVER FROM [l]]x];"},
        ),
        (
            Server(SERVER_PERMISSIONS=[("ALTER ANY LOGIN",)]),
            {"ALTER ANY LOGIN on the server": "USE master; REVOKE ALTER ANY LOGIN FROM [l]]x];"},
        ),
        # what the server's role gives, it gives
        (
            Server(SERVER_ROLES=[("securityadmin",)], SERVER_PERMISSIONS=[("ALTER ANY LOGIN",)]),
            {"server role securityadmin": "ALTER SERVER ROLE [securityadmin] DROP MEMBER [l]]x];"},
        ),
        (
            Server(tables=("SELECT", "INSERT"), DATABASE_ROLES=[("db_owner",)], OWN_ROLES=[("odd]role",)]),
            {
                "role db_owner": "ALTER ROLE [db_owner] DROP MEMBER [u]]x];",
                "role odd]role": "ALTER ROLE [odd]]role] DROP MEMBER [u]]x];",
            },
        ),
        (Server(user="dbo"), {"owner of database odd]w": "ALTER AUTHORIZATION ON DATABASE::[odd]]w] TO [sa];"}),
        (
            Server(tables=("SELECT", "INSERT"), DATABASE_PERMISSIONS=[("CONTROL",), ("INSERT",)]),
            {"CONTROL on the database": "REVOKE CONTROL FROM [u]]x];"},
        ),
        (
            Server(tables=("SELECT", "INSERT", "UPDATE"), DATABASE_PERMISSIONS=[("INSERT",)], SCHEMA_PERMISSIONS=[("UPDATE",), ("INSERT",)]),
            {
                "INSERT on the database": "REVOKE INSERT FROM [u]]x];",
                "UPDATE on schema dbo": "REVOKE UPDATE ON SCHEMA::[dbo] FROM [u]]x];",
            },
        ),
        (
            Server(tables=("SELECT", "ALTER", "INSERT"), OWNED=[("OBJECT",)]),
            {"owner of table dbo.odd]orders": "ALTER AUTHORIZATION ON OBJECT::[dbo].[odd]]orders] TO SCHEMA OWNER;"},
        ),
        (
            Server(tables=("SELECT", "ALTER", "INSERT"), OWNED=[("SCHEMA",)]),
            {"owner of schema dbo": "ALTER AUTHORIZATION ON SCHEMA::[dbo] TO [dbo];"},
        ),
    ],
)  # fmt: skip
def test_what_is_too_much_is_named_where_it_comes_from(server: Server, excessive: dict[str, str]) -> None:
    found = server.rights()
    assert (found.missing, found.excessive) == ({}, excessive)
    assert found.restoring == queries.grants("l]x", next(iter(server.query(queries.USER)))[1], READS)


def test_the_first_login_stays_what_it_is() -> None:
    found = Server(login="SA", SERVER_ROLES=[("sysadmin",)]).rights()
    assert found.excessive["server role sysadmin"].startswith("# sa stays a sysadmin")
    assert found.restoring == {}


def test_who_backs_up_is_in_the_role_for_it_and_in_no_other() -> None:
    server = Server(DATABASE_ROLES=[("db_backupoperator",), ("db_ddladmin",)])
    assert list(server.rights(Needs(backs_up=True)).excessive) == ["role db_ddladmin"]
    assert list(server.rights().excessive) == ["role db_backupoperator", "role db_ddladmin"]


def test_a_writer_may_have_its_rights_by_the_schema() -> None:
    writes = Needs((ORDERS,), (ORDERS,), ("INSERT",))
    granted = Server(tables=("SELECT", "INSERT"), SCHEMA_PERMISSIONS=[("INSERT",)], OWN_ROLES=[("writers",)])
    assert granted.rights(writes) == Rights()
