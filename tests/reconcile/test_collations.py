"""A target whose collation takes texts for equal that are not: such letters differ all the same, and nothing that is written by us goes by them.

The embedded server has no ICU, without which PostgreSQL has no such collation; that of the machine is used where there is one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cdcproof.core.secrets import Secret
from cdcproof.databases.duckdb.stream import Columnar
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.postgresql.sessions.repair import PostgreSQLRepairer, Repair
from cdcproof.databases.table_read import Chunking, ColumnRead, Row, TableRead
from cdcproof.databases.values.types import Form, Kind
from cdcproof.reconcile.checksums.strategy import Strategy
from cdcproof.reconcile.report.result import TableStatus
from tests.postgres_server import PASSWORD, Server, Servers, running_server
from tests.reconcile.sides import Sides

pytest_plugins = ["tests.postgres_server"]

ALIKE = "(provider = icu, locale = 'und-u-ks-level1', deterministic = false)"
"""Neither case nor accents count."""


@pytest.fixture(scope="module")
def icu() -> Iterator[Server]:
    """A server that knows ICU's collations."""
    beside = [Path(folder).parent / "lib/postgresql" for folder in os.environ["PATH"].split(os.pathsep)]
    installed = sorted({one for folder in beside for one in folder.glob("*") if (one / "bin/initdb").exists()})
    if not installed:
        pytest.skip("no server of PostgreSQL with ICU is beside a folder of PATH (apt-get install postgresql)")
    with tempfile.TemporaryDirectory(prefix="cdcproof-tests-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        with running_server(installed[-1], home / "icu", scram_iterations=None) as server:
            server.execute(f"CREATE COLLATION public.alike {ALIKE}")
            yield server


@pytest.fixture(scope="module")
def collated(postgres_servers: Servers, icu: Server, columnar: Columnar) -> Iterator[Sides]:
    """The embedded server as the source, and that one as the target."""
    found = Sides(Servers(postgres_servers.source, icu), "collated", columnar, None)
    found.both("CREATE SCHEMA collated")
    yield found
    found.both("DROP SCHEMA collated CASCADE")


KEYS, COLLATED = "id text PRIMARY KEY, v varchar(20)", "id text COLLATE alike PRIMARY KEY, v varchar(20) COLLATE alike"


def test_letters_that_the_target_takes_for_equal_differ(collated: Sides) -> None:
    source = [("Ab", "x"), ("c", "Y"), ("d", "é"), ("E", "e")]
    collated.table("t", KEYS, source, source, target_columns=COLLATED)
    assert collated.result("t").status is TableStatus.MATCH

    collated.table("t", KEYS, source, [("Ab", "X"), ("c", "Y"), ("d", "e"), ("e", "e")], target_columns=COLLATED)
    found = collated.result("t")

    assert found.status is TableStatus.MISMATCH
    assert set(found.example_keys) == {"changed Ab (v)", "changed d (v)", "missing E", "extra e"}


@pytest.mark.parametrize(
    ("strategy", "value"),
    [
        (Strategy.PUSH_DOWN, ("boolean", True, "TRUE", "trüe")),
        (Strategy.STREAM, ("boolean", True, "TRUE", "trüe")),
        (Strategy.PUSH_DOWN, ("timestamp", "2024-01-02 03:04:05", "2024-01-02T03:04:05Z", "2024-01-02T03:04:06Z")),
        (Strategy.PUSH_DOWN, ("numeric(10, 2)", 1.5, "1.50", "1.51")),
        (Strategy.PUSH_DOWN, ("bytea", b"ab", "YWI=", "ywi=")),
    ],
)
def test_a_value_that_is_written_as_text_is_read_by_its_bytes(
    collated: Sides, strategy: Strategy, value: tuple[str, object, str, str]
) -> None:
    """Such a collation refuses patterns, and takes ü for u."""
    type_, here, there, other = value
    sides = replace(collated, strategy=strategy)
    columns = "id int PRIMARY KEY, v text COLLATE alike"
    rows = [(1, here), (2, here)]
    sides.table("r", f"id int PRIMARY KEY, v {type_}", rows, [(1, there), (2, other)], target_columns=columns)

    found = sides.result("r")

    assert (found.status, found.example_keys) == (TableStatus.MISMATCH, ("changed 2 (v)",)), found.error


def test_a_key_that_is_looked_up_by_such_a_column_is_the_one_that_was_asked_for(collated: Sides) -> None:
    """Rows that differ are looked at again by their keys."""
    rows = [(f"k{n}", "x") for n in range(50)]
    collated.table("k", KEYS, rows, [(key, "y" if key == "k7" else "x") for key, _ in rows], target_columns=COLLATED)

    assert collated.result("k").example_keys == ("changed k7 (v)",)


def test_a_repair_overwrites_no_row_that_has_only_other_letters_by_now(collated: Sides) -> None:
    """What it expects of the row is compared by bytes, though the column takes both for equal."""
    collated.table("f", KEYS, [("a", "new")], [("a", "old")], target_columns=COLLATED)
    scan = TableRead(
        TableName("collated", "f"),
        tuple(ColumnRead(Column(n, "text", nullable=False), Form(Kind.TEXT)) for n in ("id", "v")),
        1,
        Chunking(buckets=1),
    )
    repair = Repair((b"a",), Row(b"", (b"a", b"new")), Row(b"", (b"a", b"old")))
    config, password = collated.target.config(), Secret(PASSWORD)
    with PostgreSQLRepairer(config, password, 30.0) as repairer:
        collated.target.execute("UPDATE collated.f SET v = 'OLD'")
        assert repairer.apply(scan, repair) is False
        collated.target.execute("UPDATE collated.f SET v = 'old'")
        assert repairer.apply(scan, repair) is True
