"""A table is not compared with itself, whatever names lead to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import psycopg
import pytest

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.core.secrets import Secret
from cdcproof.databases.connections import connect
from cdcproof.databases.contracts.identity import Identity
from cdcproof.databases.names import TableName
from cdcproof.reconcile.engine import Options
from cdcproof.reconcile.one_table import demand_two
from cdcproof.reconcile.plan.columns import TablePair
from cdcproof.reconcile.report.result import TableStatus
from tests.postgres_server import PASSWORD, Server, Servers, standby_of
from tests.reconcile.sides import Sides

pytest_plugins = ["tests.postgres_server"]

SHOP = Identity("7412", "shop", "16384", "1")
ORDERS, OLD = TableName("public", "orders"), TableName("public", "orders_old")


@dataclass(frozen=True)
class Session:
    """What of a session counts here."""

    of: Identity
    start: str = ""
    number: str = "16401 16401 2"

    @property
    def catalogue(self) -> Self:
        return self

    def table_identity(self, table: TableName) -> str:
        assert table == ORDERS
        return self.number

    def identity(self) -> Identity:
        return self.of

    def started(self) -> str:
        return self.start


def one_table(source: Session, target: Session, at_target: TableName = ORDERS) -> bool:
    try:
        demand_two(TablePair("orders", ORDERS, at_target), source, target)  # type: ignore[arg-type]
    except UnexpectedAnswerError:
        return True
    return False


@pytest.mark.parametrize(
    ("source", "target", "is_one"),
    [
        (Session(SHOP, "06:00:00.000001"), Session(SHOP, "06:00:00.000001"), True),
        # by an address each, where the account may not read the server's identifier
        (Session(replace(SHOP, server="a:1"), "06:00:00.1"), Session(replace(SHOP, server="b:1"), "06:00:00.1"), True),
        # a copy of the server's files that runs beside it
        (Session(SHOP, "06:00:00.1"), Session(SHOP, "06:00:00.2"), False),
        # a standby, of this server and of another one, and what was a standby once
        (Session(SHOP, "06:00:00.1"), Session(SHOP), True),
        (Session(SHOP), Session(replace(SHOP, server="9"), "06:00:00.1"), False),
        (Session(SHOP), Session(replace(SHOP, history="2")), False),
        # a standby of a server that was made from one image with this one
        (Session(SHOP, "06:00:00.1"), Session(SHOP, number="16388 16388 2"), False),
        # another database of the server
        (Session(SHOP, "06:00:00.1"), Session(replace(SHOP, made="16385"), "06:00:00.1"), False),
        (Session(SHOP, "06:00:00.1"), Session(replace(SHOP, database="copy"), "06:00:00.1"), False),
    ],
)
def test_two_names_of_one_server_and_a_standby_lead_to_one_table(
    source: Session, target: Session, is_one: bool
) -> None:
    assert one_table(source, target) is is_one
    assert one_table(target, source) is is_one


def test_two_tables_of_one_database_may_be_compared() -> None:
    assert not one_table(Session(SHOP, "06:00:00.1"), Session(SHOP, "06:00:00.1"), OLD)


@pytest.mark.parametrize("contents", [True, False])
def test_a_table_is_an_error_beside_itself(sides: Sides, contents: bool) -> None:
    sides.table("t", "id int PRIMARY KEY, v text", [(1, "a")], [(1, "a")])
    again = replace(sides.source, host="localhost")
    ends = replace(sides, servers=Servers(sides.source, again))
    found = ends.result("t", options=Options(validate_checksums=contents))
    assert (found.status, found.error.splitlines()[0].startswith("Source and target are one table")) == (
        TableStatus.ERROR,
        True,
    )


def test_a_standby_beside_its_primary_is_one_table(sides: Sides) -> None:
    sides.table("s", "id int PRIMARY KEY", [], [])
    table = TableName("test_one_table", "s")
    with (
        standby_of(sides.source) as standby,
        connect(sides.source.config(), Secret(PASSWORD)) as source,
        connect(standby.config(), Secret(PASSWORD)) as target,
        pytest.raises(UnexpectedAnswerError, match="Source and target are one table"),
    ):
        demand_two(TablePair("s", table, table), source, target)


def test_a_variable_of_the_shell_leads_no_session_elsewhere(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    """$PGHOSTADDR stands before the host with libpq: source and target would be one server where their ports are."""
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.9")
    start = _start_of(sides.target)
    with connect(sides.target.config(), Secret(PASSWORD)) as session:
        assert session.started() == start


def _start_of(server: Server) -> str:
    address: dict[str, Any] = {"host": server.host, "hostaddr": server.host, "port": server.port}
    with psycopg.connect(**address, user="postgres", password=PASSWORD, options="-c TimeZone=UTC") as connection:
        return str(connection.execute("SELECT pg_postmaster_start_time()::text").fetchall()[0][0])
