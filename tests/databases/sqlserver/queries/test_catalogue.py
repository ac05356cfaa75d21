"""What SQL Server's catalogue is asked, run over views of these names that the tests fill: by DuckDB, in words that it knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import duckdb
import pytest
import sqlglot

from cdcproof.databases.sqlserver.queries import catalogue as queries

FUNCTIONS = (
    "quotename(name) AS '[' || replace(name, ']', ']]') || ']'",
    "object_id(full_name) AS (SELECT o.object_id FROM objects AS o WHERE quotename(o.schema) || '.' || quotename(o.name) = full_name)",
    "object_schema_name(id) AS (SELECT o.schema FROM objects AS o WHERE o.object_id = id)",
    "object_name(id) AS (SELECT o.name FROM objects AS o WHERE o.object_id = id)",
    "type_name(id) AS (SELECT t.name FROM sys.types AS t WHERE t.user_type_id = id)",
    "db_name() AS 'shop'",
    "may(whole, piece) AS (SELECT any_value(p.granted) FROM permissions AS p WHERE p.securable = whole AND p.part = piece)",
    "has_perms_by_name(a, b, c) AS may(coalesce(a, c), ''), (a, b, c, d, e) AS may(a, d)",
)
TABLES = (
    "objects (object_id int, schema text, name text)",
    "permissions (securable text, part text, granted int)",
    "sys.types (user_type_id int, system_type_id int, name text, is_user_defined int, is_assembly_type int)",
    "sys.columns (object_id int, column_id int, name text, user_type_id int, is_nullable int, scale int, precision int, "
    "is_computed int, max_length int, encryption_type int, is_masked int)",
    "sys.security_policies (object_id int, name text, is_enabled int)",
    "sys.security_predicates (object_id int, target_object_id int, predicate_type int)",
)
TABLE = "[dbo].[odd]]name]"


class Catalogue:
    """A database that has the table ``odd]name`` and another one beside it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        connection.execute("CREATE SCHEMA sys")
        for table in TABLES:
            connection.execute(f"CREATE TABLE {table}")
        for function in FUNCTIONS:
            connection.execute(f"CREATE MACRO {function}")
        self.add("objects", (1, "dbo", "odd]name"), (2, "dbo", "other"), (7, "safe", "p]7"), (8, "safe", "off"))
        self.add("sys.types", (56, 56, "int", 0, 0), (300, 56, "Number", 1, 0))

    def add(self, table: str, *rows: tuple[Any, ...]) -> None:
        """Rows of one of `TABLES`."""
        self._connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)

    def ask(self, statement: str, bound: Sequence[str] = ("dbo", "odd]name")) -> list[tuple[Any, ...]]:
        """What a statement of the catalogue finds of the table. Every + in these puts texts together."""
        (words,) = sqlglot.transpile(statement, read="tsql", write="duckdb")
        words = words.replace(" + ", " || ").replace("N'", "'")
        return self._connection.execute(words, list(bound)).fetchall()


@pytest.fixture
def catalogue() -> Iterator[Catalogue]:
    with duckdb.connect() as connection:
        yield Catalogue(connection)


@pytest.mark.parametrize(
    ("encrypted", "masked", "granted", "word"),
    [
        (None, 0, (None, 0), ""),
        (None, 1, (None, 0), "masked"),  # before SQL Server 2022
        (None, 1, (None, 1), ""),
        (None, 1, (0, 0), "masked"),
        (None, 1, (1, 0), ""),
        (None, 1, (0, 1), "masked"),  # granted for the database, denied for the column
        (None, 1, (None, None), "masked"),
        (2, 0, (1, 1), "encrypted"),
    ],
)
def test_a_column_is_withheld_unless_unmask_is_granted_for_it_or_else_for_the_database(
    catalogue: Catalogue, encrypted: int | None, masked: int, granted: tuple[int | None, int | None], word: str
) -> None:
    catalogue.add(
        "sys.columns",
        (1, 2, "mail", 300, 1, 0, 10, 0, 4, encrypted, masked),
        (1, 1, "id", 56, 0, 0, 10, 0, 4, None, 0),
        (2, 1, "elsewhere", 56, 0, 0, 10, 0, 4, None, 1),
    )
    catalogue.add("permissions", (TABLE, "mail", granted[0]), ("shop", "", granted[1]))
    assert catalogue.ask(queries.COLUMNS) == [
        ("id", "int", 0, 0, 10, 0, 4, ""),
        ("mail", "int", 1, 0, 10, 0, 4, word),
    ]


def test_policies_that_are_on_and_filter_the_table_are_found(catalogue: Catalogue) -> None:
    catalogue.add("sys.security_policies", (7, "p]7", 1), (8, "off", 0))
    assert catalogue.ask(queries.ROW_POLICIES) == []
    catalogue.add("sys.security_predicates", (7, 1, 1), (8, 1, 0), (7, 2, 0))
    assert catalogue.ask(queries.ROW_POLICIES) == [], "one that blocks, one that is off, and one of another table"
    catalogue.add("sys.security_predicates", (7, 1, 0), (7, 1, 0))
    assert catalogue.ask(queries.ROW_POLICIES) == [("safe.p]7",)]


@pytest.mark.parametrize(
    ("state", "performance", "may"),
    [(1, None, 1), (0, None, 0), (0, 1, 1), (1, 1, 1), (0, 0, 0)],
)
def test_of_a_servers_state_the_part_that_is_needed_is_enough_since_2022(
    catalogue: Catalogue, state: int, performance: int | None, may: int
) -> None:
    catalogue.add("permissions", ("VIEW SERVER STATE", "", state), ("VIEW SERVER PERFORMANCE STATE", "", performance))
    assert catalogue.ask(queries.MAY_VIEW_SERVER_STATE, ()) == [(may,)]
