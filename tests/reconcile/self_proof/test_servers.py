"""The self-proof on real servers: equal tables match, and a comparison that loses something is not checked, for exactly that reason.

What is lost is lost behind the calibration, which would leave out most of it by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from cdcproof.databases.duckdb import row_hash as streamed_hash
from cdcproof.databases.duckdb.stream import ColumnarSide
from cdcproof.databases.postgresql import checksums
from cdcproof.databases.postgresql.queries import column_sql, statements
from cdcproof.databases.postgresql.queries import row_hash as native_hash
from cdcproof.databases.table_read import ChunkSum, ColumnRead, Segment, TableRead
from cdcproof.databases.values.types import Kind
from cdcproof.reconcile import contents
from cdcproof.reconcile.checksums import table as checksums_of_a_table
from cdcproof.reconcile.checksums.parts import _Work, divided
from cdcproof.reconcile.checksums.strategy import Strategy
from cdcproof.reconcile.checksums.sums import Summing
from cdcproof.reconcile.plan import planning
from cdcproof.reconcile.plan.calibration import Calibration
from cdcproof.reconcile.report.result import TableResult, TableStatus
from cdcproof.reconcile.self_proof.mutants import Mutant
from tests.reconcile.sides import Sides
from tests.reconcile.test_properties import KEYS, VALUES

pytest_plugins = ["tests.postgres_server"]
pytestmark = pytest.mark.parametrize("strategy", Strategy, scope="module")

COLUMNS = "name text, mail varchar(20), cash numeric(12, 4), at timestamp, ratio float8"
ROW = ("a", "b", 1, "2024-01-31", 1.5)
Sabotage = Callable[[pytest.MonkeyPatch], None]


def survivors(result: TableResult) -> dict[str, tuple[str, ...]]:
    assert result.self_proof
    return {one.mutant: one.columns for one in result.self_proof.mutants if one.result == "survived"}


def values_lose(kind: Kind, expression: str) -> Sabotage:
    """Of each value of a kind the statements make this."""

    def broken(patch: pytest.MonkeyPatch) -> None:
        right = column_sql.value

        def value(field: ColumnRead, server: column_sql.Server) -> sql.Composed:
            made = right(field, server)
            return sql.SQL(expression).format(made) if field.form.kind is kind else made

        patch.setattr(column_sql, "value", value)
        patch.setattr(statements, "value", value)

    return broken


def hashes_lack_the_last_column(patch: pytest.MonkeyPatch) -> None:
    right, right_here = statements.row_hash, streamed_hash.row_hash

    def row_hash(scan: TableRead, server: column_sql.Server) -> sql.Composable:
        last = len(scan.columns) - 1
        chained = tuple(place for place in scan.chained if place < last)
        return right(replace(scan, columns=scan.columns[:last], chained=chained), server)

    patch.setattr(statements, "row_hash", row_hash)
    patch.setattr(streamed_hash, "row_hash", lambda columns: right_here(columns[:-1]))


def rows_lack_the_last_column(patch: pytest.MonkeyPatch) -> None:
    right = column_sql.sent

    def sent(field: ColumnRead, server: column_sql.Server) -> sql.Composed:
        return sql.SQL("'\\x00'::bytea").format() if field.column.name == "ratio" else right(field, server)

    patch.setattr(statements, "sent", sent)


def hashes_are_joined_without_carry(patch: pytest.MonkeyPatch) -> None:
    def summed(rows: sql.Composable) -> sql.Composed:
        return sql.SQL("SELECT chunk, count(*), bit_xor(hash) FROM {} GROUP BY chunk").format(rows)

    patch.setattr(statements, "summed", summed)
    right = streamed_hash.sums
    patch.setattr(streamed_hash, "sums", lambda *of: right(*of).replace("(sum(", "(bit_xor("))


def columns_are_hashed_alike(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(native_hash, "seed", lambda _: 1)


def the_last_chunk_is_passed_over(patch: pytest.MonkeyPatch) -> None:
    def chunk_sums(right: Callable[..., Iterator[ChunkSum]]) -> Callable[..., Iterator[ChunkSum]]:
        return lambda self, scan, segment: iter(sorted(right(self, scan, segment))[:-1])

    patch.setattr(checksums.Checksums, "chunk_sums", chunk_sums(checksums.Checksums.chunk_sums))
    patch.setattr(ColumnarSide, "chunk_sums", chunk_sums(ColumnarSide.chunk_sums))


@pytest.fixture
def behind_the_plan(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sabotage], None]:
    """Break the code once a table is planned."""

    def begin(broken: Sabotage) -> None:
        def planned(*of: Any) -> Any:
            found = planning.planned(*of)
            broken(monkeypatch)
            return found

        monkeypatch.setattr(contents, "planned", planned)

    return begin


@pytest.fixture(scope="module")
def table(sides: Sides) -> str:
    columns = f"id int PRIMARY KEY, {COLUMNS}"
    sides.table("kinds", columns, [(1, *ROW), (2, *ROW)], [(1, *ROW), (2, *ROW)])
    return "kinds"


def test_equal_tables_match_and_each_mutant_is_caught(sides: Sides, table: str) -> None:
    result = sides.result(table)
    assert (result.status, result.error) == (TableStatus.MATCH, "")
    assert result.self_proof
    assert (result.self_proof.control, {one.result for one in result.self_proof.mutants}) == ("equal", {"caught"})


LOSSES: dict[str, tuple[Sabotage, dict[str, tuple[str, ...]]]] = {
    "rtrim": (values_lose(Kind.TEXT, "rtrim({})"), {Mutant.TRAILING_BLANK: ("name", "mail")}),
    "lower": (values_lose(Kind.TEXT, "lower({})"), {Mutant.LETTER_CASE: ("name", "mail")}),
    "coalesce": (values_lose(Kind.TEXT, "coalesce({}, '')"), {Mutant.NULL_FOR_EMPTY: ("name", "mail")}),
    "milliseconds": (
        values_lose(Kind.TIMESTAMP, "date_trunc('milliseconds', {})"),
        {Mutant.MICROSECOND: ("at",)},
    ),
    "cents": (values_lose(Kind.NUMBER, "round({}, 2)"), {Mutant.MONEY: ("cash",)}),
    "a coarser type": (values_lose(Kind.FLOAT, "{}::float4::float8"), {Mutant.STALE: ("ratio",)}),
    "no carry": (hashes_are_joined_without_carry, {Mutant.DOUBLED: ()}),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_what_the_comparison_loses_is_not_checked_for_exactly_that_reason(
    sides: Sides, table: str, behind_the_plan: Callable[[Sabotage], None], loss: str
) -> None:
    broken, hidden = LOSSES[loss]
    behind_the_plan(broken)
    result = sides.result(table)
    assert survivors(result) == hidden
    assert result.status is TableStatus.ERROR
    assert all(mutant in result.error for mutant in hidden)


@pytest.mark.parametrize("broken", [hashes_lack_the_last_column, rows_lack_the_last_column])
def test_a_column_that_is_not_looked_at_is_named(
    sides: Sides, table: str, behind_the_plan: Callable[[Sabotage], None], broken: Sabotage
) -> None:
    behind_the_plan(broken)
    result = sides.result(table)
    assert result.status is TableStatus.ERROR
    assert set(survivors(result).values()) == {("ratio",)}
    assert Mutant.STALE in survivors(result)


def test_columns_that_are_hashed_alike_are_not_checked(
    sides: Sides, table: str, behind_the_plan: Callable[[Sabotage], None], strategy: Strategy
) -> None:
    if strategy is Strategy.STREAM:
        pytest.skip("DuckDB's hash takes columns in turn")
    behind_the_plan(columns_are_hashed_alike)
    assert survivors(sides.result(table)) == {Mutant.SWAPPED_COLUMNS: ("name", "mail")}


def test_a_chunk_that_is_passed_over_is_not_checked(
    sides: Sides, table: str, behind_the_plan: Callable[[Sabotage], None]
) -> None:
    behind_the_plan(the_last_chunk_is_passed_over)
    result = sides.result(table)
    assert result.status is TableStatus.ERROR
    assert result.self_proof
    assert result.self_proof.control == "not read whole"


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    key=st.sampled_from(sorted(KEYS)),
    types=st.lists(
        st.sampled_from([*sorted(VALUES), "char(3)", "json", "jsonb", "name", "time(0)"]),
        min_size=1,
        max_size=8,
    ),
    options=st.tuples(st.booleans(), st.booleans()),
)
def test_of_any_table_all_mutants_are_caught_and_equal_tables_match(
    sides: Sides, monkeypatch: pytest.MonkeyPatch, key: str, types: list[str], options: tuple[bool, bool]
) -> None:
    """`options`: whether columns are never NULL; whether rows may be hashed by PostgreSQL's own functions, else by MD5, as beside a SQL Server."""
    never_null, native = options
    keys = [f"k{i} {name}" for i, name in enumerate(KEYS[key])]
    others = [f"c{i} {name}{' NOT NULL' if never_null else ''}" for i, name in enumerate(types)]
    primary = [f"PRIMARY KEY ({', '.join(f'k{i}' for i in range(len(keys)))})"] if keys else []
    sides.table("any_table", ", ".join([*keys, *others, *primary]))
    with monkeypatch.context() as patch:
        if not native:
            patch.setattr(Calibration, "hashes_natively", lambda *_: False)
        result = sides.result("any_table")
    assert (result.status, result.error) == (TableStatus.MATCH, "")
    assert result.self_proof
    assert result.self_proof.control == "equal"
    assert survivors(result) == {}
    assert {one.result for one in result.self_proof.mutants if one.mutant == Mutant.DROPPED} == {"caught"}


def test_all_parts_of_a_table_are_read(sides: Sides, strategy: Strategy) -> None:
    """Rows are planted in each part, where it begins and where it ends: one that is not read would hide them."""
    columns = "id int PRIMARY KEY, filler text"
    sides.table("large", columns)
    sides.both(
        f"INSERT INTO {sides.name('large')} SELECT g, repeat('x', 500) FROM generate_series(1, 2000) g",
        f"ANALYZE {sides.name('large')}",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checksums_of_a_table, "rows_a_part", lambda _: 400)
        assert sides.result("large").status is TableStatus.MATCH
        patch.setattr(checksums_of_a_table, "divided", lambda *segments: divided(*segments)[:-1])
        results = [sides.result("large")]
        patch.setattr(checksums_of_a_table, "divided", divided)
        right = _Work._whole

        def whole(work: _Work, side: Summing, scan: TableRead, segment: Segment | None) -> list[ChunkSum]:
            """What is in the middle is passed over, on both sides alike."""
            is_middle = segment is not None and None not in (segment.low, segment.high)
            return [] if is_middle else right(work, side, scan, segment)

        patch.setattr(_Work, "_whole", whole)
        results.append(sides.result("large"))
    for result in results:
        assert result.status is TableStatus.ERROR
        assert result.self_proof
        assert result.self_proof.control == "not read whole"
