"""Tables of every shape, on two real servers: the same rows match, and exactly what differs is named."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from psycopg import sql

from cdcproof.databases.names import TableName
from cdcproof.reconcile.checksums.strategy import Strategy
from cdcproof.reconcile.engine import Options
from cdcproof.reconcile.plan.columns import TablePair
from cdcproof.reconcile.report.result import TableResult, TableStatus
from tests.postgres_server import PASSWORD, USER
from tests.reconcile.sides import Sides

pytest_plugins = ["tests.postgres_server"]
pytestmark = pytest.mark.parametrize("strategy", Strategy, scope="module")

COUNTS = Options(validate_checksums=False)
WITH_ITS_PEAK = """
import atexit, pathlib, runpy
atexit.register(lambda: print(pathlib.Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]))
runpy.run_module("cdcproof", run_name="__main__", alter_sys=True)
"""
"""Runs the program, and at its end prints the most memory that it had, in KiB. What a child's usage says has its parent's in it."""


def _told(result: TableResult) -> tuple[TableStatus, tuple[str, ...]]:
    return result.status, result.example_keys


def _equal_but(sides: Sides, columns: str, key: Callable[[int], Any], **more: Any) -> TableResult:
    """300 rows whose key is made by `key`; rows 10, 20 and 30 of the source changed, missing, and there an extra one 300."""
    keys = [key(i) for i in range(301)]
    rows = [(*(k if isinstance(k, tuple) else (k,)), f"v{i}") for i, k in enumerate(keys)]
    there = [(*row[:-1], "other") if i == 10 else row for i, row in enumerate(rows) if i != 20]
    sides.table("t", columns, rows[:300], there, **more)
    return sides.result("t")


def _named(*keys: str) -> set[str]:
    changed, missing, extra = keys
    return {f"changed {changed} (v)", f"missing {missing}", f"extra {extra}"}


def test_an_integer_key(sides: Sides) -> None:
    result = _equal_but(sides, "id int PRIMARY KEY, v text", lambda i: i)
    assert set(result.example_keys) == _named("10", "20", "300")
    assert result.differences[0].key == {"id": "10"}


def test_a_negative_key(sides: Sides) -> None:
    result = _equal_but(sides, "id bigint PRIMARY KEY, v text", lambda i: 10 - i * 7)
    assert set(result.example_keys) == _named("-60", "-130", "-2090")


def test_a_sparse_key_of_64_bits(sides: Sides) -> None:
    """As snowflake numbers are made: milliseconds, worker, sequence."""
    result = _equal_but(sides, "id bigint PRIMARY KEY, v text", lambda i: (1_700_000_000_000 + i * 3_600_000) << 22 | i)
    assert set(result.example_keys) == _named(
        *(str((1_700_000_000_000 + i * 3_600_000) << 22 | i) for i in (10, 20, 300))
    )


def test_the_whole_range_of_a_bigint(sides: Sides) -> None:
    ends = [(-(2**63), "a"), (2**63 - 1, "b"), (0, "c")]
    sides.table("t", "id bigint PRIMARY KEY, v text", ends, [*ends[:1], (2**63 - 1, "x")])
    assert set(sides.result("t").example_keys) == {f"changed {2**63 - 1} (v)", "missing 0"}


def test_a_composite_key(sides: Sides) -> None:
    columns = "a text, b int, v text, PRIMARY KEY (a, b)"
    result = _equal_but(sides, columns, lambda i: (f"a{i % 7}", i // 7))
    assert set(result.example_keys) == _named("a3, 1", "a6, 2", "a6, 42")
    assert result.differences[0].key.keys() == {"a", "b"}


def test_a_text_key_that_the_sides_order_differently(sides: Sides) -> None:
    sides.source.execute("CREATE EXTENSION IF NOT EXISTS citext")
    result = _equal_but(
        sides,
        "id citext PRIMARY KEY, v text",
        lambda i: f"{'aAbBäÄ-'[i % 7]}{i}",
        target_columns='id text COLLATE "C" PRIMARY KEY, v text',
    )
    assert set(result.example_keys) == _named("B10", "-20", "-300")


def test_a_case_insensitive_key_that_is_two_rows_at_the_target(sides: Sides) -> None:
    sides.source.execute("CREATE EXTENSION IF NOT EXISTS citext")
    sides.table(
        "t",
        "id citext PRIMARY KEY, v int",
        [("Ab", 1), ("c", 2), ("D", 3)],
        [("Ab", 1), ("ab", 1), ("c", 2), ("d", 3)],
        target_columns="id text PRIMARY KEY, v int",
    )
    result = sides.result("t")
    assert set(result.example_keys) == {"extra ab", "missing D", "extra d"}
    assert (result.source_rows, result.target_rows) == (3, 4)


def test_a_uuid_key(sides: Sides) -> None:
    result = _equal_but(sides, "id uuid PRIMARY KEY, v text", lambda i: UUID(int=i << 100))
    assert set(result.example_keys) == _named(*(str(UUID(int=i << 100)) for i in (10, 20, 300)))


def test_a_key_of_money(sides: Sides) -> None:
    """Which has no operator for numbers."""
    result = _equal_but(sides, "id money PRIMARY KEY, v text", Decimal)
    assert set(result.example_keys) == _named("10", "20", "300")


def test_a_declared_key_may_hold_null(sides: Sides) -> None:
    rows = [(None, "x"), (1, "y"), (2, "z")]
    sides.table("t", "id int, v text", rows, rows[1:])
    assert sides.result("t", key=("id",)).example_keys == ("missing NULL",)


def test_a_null_in_a_column_that_is_not_null_in_name_only_hides_nothing(sides: Sides) -> None:
    rows = [(1, None, "x"), (2, None, "x"), (3, "a", "x")]
    sides.table("t", "id int PRIMARY KEY, v text, w text", rows, [(1, None, "y"), *rows[1:]])
    sides.both(f"ALTER TABLE {sides.name('t')} ADD CONSTRAINT later NOT NULL v NOT VALID")
    assert sides.result("t").example_keys == ("changed 1 (w)",)


def test_the_targets_key_counts_where_the_source_has_none(sides: Sides) -> None:
    sides.table("t", "id int, v text", [(1, "x")], [(1, "y")], target_columns="id int PRIMARY KEY, v text")
    assert sides.result("t").example_keys == ("changed 1 (v)",)


def test_a_key_that_is_twice_at_the_target(sides: Sides) -> None:
    sides.table(
        "t",
        "id int PRIMARY KEY, v text",
        [(1, "x"), (2, "y")],
        [(1, "x"), (1, "x"), (2, "y")],
        target_columns="id int, v text",
    )
    result = sides.result("t")
    assert (result.example_keys, result.extra_at_target, result.target_rows) == (("extra 1",), 1, 3)


def test_a_declared_key_that_is_not_unique_at_the_source(sides: Sides) -> None:
    sides.table("t", "id int, v text", [(7, "x"), (7, "y")], [(7, "x")])
    result = sides.result("t", key=("id",))
    assert result.status is TableStatus.ERROR
    assert "have the same key 7" in result.error


@pytest.mark.parametrize("first", ["a int NOT NULL", "a int"])
def test_no_key_at_all(sides: Sides, first: str) -> None:
    rows = [(1, "x"), (1, "x"), (2, None), (-3, "")]
    sides.table("t", f"{first}, b text", rows, rows[::-1])
    result = sides.result("t")
    assert (result.status, result.source_rows, result.target_rows) == (TableStatus.MATCH, 4, 4)
    sides.table("t", f"{first}, b text", rows, [(1, "x"), (2, None), (2, ""), (-3, ""), (-3, "")])
    result = sides.result("t")
    assert (result.missing_at_target, result.extra_at_target, result.changed) == (1, 2, 0)
    assert (result.source_rows, result.target_rows) == (4, 5)
    assert sorted((d.word, d.source_rows, d.target_rows) for d in result.differences) == [
        ("extra", 0, 1),
        ("extra", 1, 2),
        ("missing", 2, 1),
    ]


@pytest.mark.parametrize("name", ['or"der', "select", "Käufe 100%", "a.b", "x'); DROP TABLE t; --", "{0}"])
def test_names_that_have_to_be_quoted(sides: Sides, name: str) -> None:
    table, key, column = sides.name(name), *(sql.Identifier(one).as_string() for one in (f"{name} key", name))
    for server, value in ((sides.source, "x"), (sides.target, "y")):
        server.execute(
            f"CREATE TABLE {table} ({key} text PRIMARY KEY, {column} text)",
            f"INSERT INTO {table} VALUES ('k', '{value}')",
        )
    assert _told(sides.result(name)) == (TableStatus.MISMATCH, (f"changed k ({name})",))
    (counted,) = sides.results(sides.pair(name), options=COUNTS)
    assert (counted.status, counted.source_rows) == (TableStatus.MATCH, 1)


def test_other_schemas_and_names(sides: Sides) -> None:
    sides.source.execute(f"CREATE TABLE {sides.schema}.here (id int PRIMARY KEY, v text)")
    sides.target.execute(f"CREATE SCHEMA {sides.schema}_other")
    try:
        sides.target.execute(f'CREATE TABLE {sides.schema}_other."There" (id int PRIMARY KEY, v text)')
        sides.source.insert(f"{sides.schema}.here", [(1, "x")])
        sides.target.insert(f'{sides.schema}_other."There"', [(1, "x"), (2, "y")])
        pair = TablePair("t", TableName(sides.schema, "here"), TableName(f"{sides.schema}_other", "There"))
        (result,) = sides.results(pair)
    finally:
        sides.target.execute(f"DROP SCHEMA {sides.schema}_other CASCADE")
    assert _told(result) == (TableStatus.MISMATCH, ("extra 2",))


def test_renamed_columns_and_keys(sides: Sides) -> None:
    sides.table(
        "t",
        "cust_no int PRIMARY KEY, nm text",
        [(1, "x"), (2, "y")],
        [("x", 1), ("z", 2)],
        target_columns="name text, customer_number int PRIMARY KEY",
    )
    result = sides.result("t", rename={"cust_no": "customer_number", "nm": "name"})
    assert _told(result) == (TableStatus.MISMATCH, ("changed 2 (nm)",))
    assert result.not_compared == ()


@pytest.mark.parametrize("condition", ["region = 'EU'", "region = 'EU' -- 100% of Europe's"])
def test_a_filter_of_either_side(sides: Sides, condition: str) -> None:
    source = [(1, "EU"), (2, "US"), (3, "EU")]
    target = [(1, "EU", "a"), (3, "EU", "a"), (4, "EU", "b")]
    sides.table(
        "t",
        "id int PRIMARY KEY, region text",
        source,
        target,
        target_columns="id int PRIMARY KEY, region text, origin text",
    )
    filters = {"source_filter": condition, "target_filter": "origin = 'a'"}
    whole, counted = sides.result("t", **filters), sides.result("t", options=COUNTS, **filters)
    assert (whole.status, whole.source_rows, counted.status, counted.source_rows) == (
        TableStatus.MATCH,
        2,
        TableStatus.MATCH,
        2,
    )
    half = sides.result("t", source_filter=condition)
    assert _told(half) == (TableStatus.MISMATCH, ("extra 4",))


def test_a_filter_that_is_no_condition_is_an_error_not_a_match(sides: Sides) -> None:
    sides.table("t", "id int PRIMARY KEY", [(1,)], [(1,)])
    for filters in ({"source_filter": "nonsense = 1"}, {"target_filter": "id = 1) --"}):
        for options in (None, COUNTS):
            result = sides.result("t", options=options, **filters)
            assert result.status is TableStatus.ERROR
            assert result.error


def test_a_table_that_only_a_filter_names_is_not_taken_for_the_table(sides: Sides) -> None:
    sides.table("t", "id int PRIMARY KEY", [(1,)], [(1,)])
    result = sides.result("t", source_filter="id IN (SELECT id FROM gone)")
    assert result.status is TableStatus.ERROR
    assert 'relation "gone" does not exist' in result.error


def test_generated_and_excluded_columns_are_named_and_not_compared(sides: Sides) -> None:
    sides.table(
        "t",
        "id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED, note text",
        target_columns="id int PRIMARY KEY, a int, twice int, note text, loaded_at timestamptz DEFAULT now()",
    )
    sides.source.execute(f"INSERT INTO {sides.name('t')} (id, a, note) VALUES (1, 1, 'x')")
    sides.target.execute(f"INSERT INTO {sides.name('t')} (id, a, twice, note) VALUES (1, 1, 99, 'y')")
    result = sides.result("t", exclude=("note",))
    assert (result.status, result.unseen) == (TableStatus.INCOMPLETE, ("twice",))
    assert (result.columns_compared, result.columns) == (2, 4)
    assert sides.result("t", exclude=("note", "twice")).status is TableStatus.MATCH
    assert result.not_compared == (
        "twice (computed)",
        "note (excluded in the pipeline file)",
        "loaded_at (only at the target)",
    )


def test_a_column_that_the_target_lacks_is_a_mismatch(sides: Sides) -> None:
    sides.table("t", "id int PRIMARY KEY, b text", [(1, "x")], [(1,)], target_columns="id int PRIMARY KEY")
    result = sides.result("t")
    assert (result.status, result.checksums_match) == (TableStatus.MISMATCH, False)
    assert result.not_compared == ("b (not at the target)",)
    assert result.causes == ("1 column is not at the target: b",)


def test_nothing_but_the_key_compared_is_no_match(sides: Sides) -> None:
    columns = (
        "id int PRIMARY KEY, a jsonb, b int[], c interval, d inet, e money, f point, h int4range, i bit(4), "
        'j tsvector, k "char", l oid'
    )
    source = (1, '{"a":1}', "{1,2}", "1 day", "10.0.0.1", "12.5", "(1,2)", "[1,5)", "1010", "a b", "x", 42)
    sides.table("t", columns, [source], [source[:1]])
    result = sides.result("t")
    if result.status is not TableStatus.MISMATCH:  # of types that are compared
        assert result.status is TableStatus.INCOMPLETE
    assert set(result.unseen) == {text.partition(" ")[0] for text in result.not_compared} != set()
    sides.table("t", columns, [source[:1]], [source[:1]])
    assert (sides.result("t").status, sides.result("t").unseen) == (TableStatus.MATCH, ())


def test_data_is_looked_for_where_the_filters_hold(sides: Sides) -> None:
    sides.table("t", "id int PRIMARY KEY, doc point", [(1, None), (2, "(1,2)")], [(1, None)])
    assert sides.result("t", source_filter="id < 2 -- old").status is TableStatus.MATCH
    assert sides.result("t", source_filter="id = 2", target_filter="id = 2").unseen == ("doc",)


def test_a_composite_value_without_a_field_is_data(sides: Sides) -> None:
    sides.both(
        f"DROP TYPE IF EXISTS {sides.schema}.pair CASCADE",
        f"CREATE TYPE {sides.schema}.pair AS (x int, y int)",
    )
    sides.table("t", f"id int PRIMARY KEY, p {sides.schema}.pair")
    sides.both(f"INSERT INTO {sides.name('t')} VALUES (1, ROW(1, NULL))")
    assert (sides.result("t").status, sides.result("t").unseen) == (TableStatus.INCOMPLETE, ("p",))


def test_a_column_of_the_target_alone_is_named_and_leaves_a_match(sides: Sides) -> None:
    """Whatever the source holds was compared: nothing of it could be in there."""
    sides.table("t", "id int PRIMARY KEY", [(1,)], [(1, "x")], target_columns="id int PRIMARY KEY, own text")
    result = sides.result("t")
    assert (result.status, result.not_compared) == (TableStatus.MATCH, ("own (only at the target)",))


def test_a_column_is_not_taken_by_another_one_that_differs_in_case(sides: Sides) -> None:
    """The source has both "Name" and name, the target name alone: it is name's."""
    sides.table(
        "t",
        'id int PRIMARY KEY, "Name" text, name text',
        [(1, "a", "b")],
        [(1, "b")],
        target_columns="id int PRIMARY KEY, name text",
    )
    result = sides.result("t")
    assert (result.status, result.changed) == (TableStatus.MISMATCH, 0)
    assert result.causes[0] == "1 column is not at the target: Name"


def test_columns_of_other_names_at_the_target_are_hinted_at(sides: Sides) -> None:
    sides.table(
        "t",
        'id int PRIMARY KEY, "FirstName" text, "LastName" text, note text',
        [(1, "a", "b", "c")],
        target_columns="id int PRIMARY KEY, first_name text, last_name text",
    )
    result = sides.result("t")
    assert (result.status, result.changed) == (TableStatus.MISMATCH, 0)
    assert result.causes == (
        "3 columns are not at the target: FirstName, LastName, note",
        "if they only have other names there, in the pipeline file: "
        'rename = { FirstName = "first_name", LastName = "last_name" }',
    )


def test_a_partitioned_table_against_a_plain_one(sides: Sides) -> None:
    rows = [(i, i % 3, f"v{i}") for i in range(300)]
    sides.source.execute(
        f"CREATE TABLE {sides.schema}.parts (id int, region int, v text, PRIMARY KEY (id, region)) PARTITION BY LIST (region)",
        *(
            f"CREATE TABLE {sides.schema}.part{i} PARTITION OF {sides.schema}.parts FOR VALUES IN ({i})"
            for i in range(3)
        ),
    )
    sides.target.execute(f"CREATE TABLE {sides.schema}.parts (id int, region int, v text, PRIMARY KEY (id, region))")
    sides.source.insert(f"{sides.schema}.parts", rows)
    sides.target.insert(f"{sides.schema}.parts", [row for row in rows if row[0] != 100])
    result = sides.result("parts")
    assert _told(result) == (TableStatus.MISMATCH, ("missing 100, 1",))
    assert result.source_rows == 300


@pytest.mark.parametrize("columns", ["a int PRIMARY KEY", "a text PRIMARY KEY", "a int, b text"])
def test_no_rows(sides: Sides, columns: str) -> None:
    sides.table("t", columns)
    for options in (None, COUNTS):
        result = sides.result("t", options=options)
        assert (result.status, result.source_rows, result.target_rows) == (TableStatus.MATCH, 0, 0)


def test_no_rows_at_one_side(sides: Sides) -> None:
    sides.table("t", "a int PRIMARY KEY", [(1,), (2,)], [])
    result = sides.result("t")
    assert (result.missing_at_target, result.target_rows, result.example_keys) == (2, 0, ("missing 1", "missing 2"))


def test_a_thousand_columns(sides: Sides) -> None:
    columns = ", ".join(["id int PRIMARY KEY", *(f"c{i} int" for i in range(999))])
    values = ", ".join(f"i + {i}" for i in range(999))
    sides.table("wide", columns)
    sides.both(f"INSERT INTO {sides.name('wide')} SELECT i, {values} FROM generate_series(1, 200) AS i")
    sides.target.execute(f"UPDATE {sides.name('wide')} SET c0 = NULL, c998 = 0 WHERE id = 150")
    assert _told(sides.result("wide")) == (TableStatus.MISMATCH, ("changed 150 (c0, c998)",))


def test_values_of_a_hundred_megabytes_stay_at_their_servers(sides: Sides, strategy: Strategy, tmp_path: Path) -> None:
    """The program's own memory, as the kernel counted it, is bounded; the last byte of a value counts."""
    sides.table("huge", "id int PRIMARY KEY, word text, raw bytea")
    hundred = 100 << 20
    sides.both(
        f"INSERT INTO {sides.name('huge')} VALUES (1, repeat('x', {hundred}), NULL), (2, NULL, convert_to(repeat('y', {hundred}), 'UTF8'))",
    )
    sides.target.execute(f"UPDATE {sides.name('huge')} SET raw = set_byte(raw, {hundred - 1}, 0) WHERE id = 2")
    flags = [
        flag
        for side, server in (("source", sides.source), ("target", sides.target))
        for flag in (
            *(f"--{side}-type", "postgresql", f"--{side}-host", server.host, f"--{side}-port", str(server.port)),
            *(f"--{side}-database", "postgres", f"--{side}-user", USER, f"--{side}-schema", sides.schema),
        )
    ]
    done = subprocess.run(
        [
            *(sys.executable, "-c", WITH_ITS_PEAK, "reconcile", *flags, "--tables", "huge", "--validate-checksums"),
            *("--strategy", strategy, "--settle-seconds", "0", "--output-dir", str(tmp_path)),
        ],
        env={**os.environ, "POSTGRES_PASSWORD": PASSWORD},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "changed 2 (raw)" in done.stdout
    assert int(done.stdout.split()[-1]) < 200 << 10
