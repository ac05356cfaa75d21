"""Rows that lie elsewhere at one side, were written in another order, or moved: what is found does not depend on their places."""

from __future__ import annotations

import random

import pytest

from cdcproof.reconcile.checksums import parts
from cdcproof.reconcile.checksums.strategy import Strategy
from cdcproof.reconcile.engine import Options
from cdcproof.reconcile.report.result import TableResult
from tests.reconcile.sides import Sides

pytest_plugins = ["tests.postgres_server"]

ROWS = 6_000
COLUMNS = "id int PRIMARY KEY, note text NOT NULL, n int"
FILL = f"INSERT INTO {{t}} SELECT i, repeat('x', 80) || i, i % 7 FROM generate_series(1, {ROWS}) AS i"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tables are read in parts, too."""
    monkeypatch.setattr(parts, "_LEAST_ROWS", ROWS // 3)


@pytest.fixture(scope="module")
def strategy() -> Strategy:
    return Strategy.PUSH_DOWN


def _filled(sides: Sides, table: str, *more: str, order: str = "i") -> str:
    sides.table(table, COLUMNS)
    name = sides.name(table)
    sides.both(f"{FILL.format(t=name)} ORDER BY {order}", f"VACUUM ANALYZE {name}")
    if more:
        sides.target.execute(*(one.format(t=name) for one in more))
    return name


def _found(result: TableResult) -> tuple[object, ...]:
    return (result.error, result.source_rows, result.target_rows, sorted(result.example_keys))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE {t} SET n = -1 WHERE id = 3000", ["changed 3000 (n)"]),  # the row's new version lies at the end
        ("DELETE FROM {t} WHERE id = 1", ["missing 1"]),
        ("DELETE FROM {t} WHERE id = 6000", ["missing 6000"]),
        ("INSERT INTO {t} VALUES (0, '', 0)", ["extra 0"]),
        ("INSERT INTO {t} VALUES (9000, '', 0)", ["extra 9000"]),
        ("UPDATE {t} SET id = id + 3500 WHERE id = 2501", ["extra 6001", "missing 2501"]),
    ],
)
def test_what_differs_is_found(sides: Sides, change: str, found: list[str]) -> None:
    _filled(sides, "differs", change)
    result = sides.result("differs")
    assert sorted(result.example_keys) == found


def test_a_row_that_is_changed_where_it_lies_is_found(sides: Sides) -> None:
    name = _filled(sides, "clustered", "UPDATE {t} SET n = -1 WHERE id = 3000")
    sides.target.execute(f"CLUSTER {name} USING clustered_pkey")
    assert sides.result("clustered").example_keys == ("changed 3000 (n)",)


def test_a_block_that_one_side_lacks_is_found(sides: Sides) -> None:
    _filled(sides, "block", "DELETE FROM {t} WHERE id BETWEEN 2000 AND 2999")
    result = sides.result("block")
    assert (result.missing_at_target, result.extra_at_target, result.changed) == (1000, 0, 0)


def test_rows_that_lie_elsewhere_at_one_side_are_no_difference(sides: Sides) -> None:
    name = _filled(sides, "moved")
    sides.target.execute(f"UPDATE {name} SET n = n WHERE id % 1500 = 0")
    result = sides.result("moved")
    assert _found(result) == ("", ROWS, ROWS, [])


@pytest.mark.parametrize(
    "elsewhere",
    ["UPDATE {t} SET n = n", "DELETE FROM {t} WHERE id <= 3000; INSERT INTO {t} SELECT * FROM kept"],
    ids=["written again", "half of it"],
)
def test_what_was_written_in_another_order_is_found_equal(sides: Sides, elsewhere: str) -> None:
    name = _filled(sides, "rewritten")
    sides.target.execute(
        f"CREATE TEMP TABLE kept AS SELECT * FROM {name} WHERE id <= 3000; {elsewhere.format(t=name)}; DROP TABLE kept"
    )
    assert _found(sides.result("rewritten")) == ("", ROWS, ROWS, [])


def test_much_that_differs_is_found(sides: Sides) -> None:
    _filled(sides, "much", "UPDATE {t} SET n = -1 WHERE id % 300 = 0")
    result = sides.result("much")
    assert (result.changed, result.missing_at_target, result.extra_at_target) == (20, 0, 0)


@pytest.mark.parametrize(
    "target",
    [
        "ALTER TABLE {t} DROP CONSTRAINT {i}_pkey",
        "ALTER TABLE {t} DROP CONSTRAINT {i}_pkey; CREATE INDEX ON {t} (n, id)",
        "ALTER TABLE {t} DROP CONSTRAINT {i}_pkey; CREATE INDEX ON {t} (id) WHERE n > 0",
        "ALTER TABLE {t} DROP CONSTRAINT {i}_pkey; CREATE INDEX ON {t} USING hash (id)",
        "ALTER TABLE {t} RENAME TO {i}_below; CREATE VIEW {t} AS SELECT * FROM {t}_below",
        "CREATE TABLE {t}_heir () INHERITS ({t})",
        "CREATE TABLE other AS SELECT * FROM {t} ORDER BY md5(id::text); TRUNCATE {t};"
        " INSERT INTO {t} SELECT * FROM other; DROP TABLE other",
    ],
    ids=["no index", "key not first", "partial index", "hash index", "view", "inherited from", "no order"],
)
def test_a_target_of_another_shape_is_read(sides: Sides, target: str) -> None:
    table = f"whole{len(target)}"  # a view cannot be made anew as a table
    name = _filled(sides, table)
    sides.target.execute(*target.format(t=f"{sides.schema}.{table}", i=table).split(";"))
    sides.target.execute(f"DELETE FROM {name} WHERE id = 17")
    assert sides.result(table, key=("id",)).example_keys == ("missing 17",)


def test_tables_in_the_opposite_order_are_equal(sides: Sides) -> None:
    _filled(sides, "backwards", order="i DESC")
    assert _found(sides.result("backwards")) == ("", ROWS, ROWS, [])


def test_names_of_any_kind_and_a_filter_are_used_as_they_are(sides: Sides) -> None:
    table = 'cdcproof_piece "x" $1 %s'
    sides.table(table, '"low $1" int PRIMARY KEY, "number" int, "high %s" text')
    name = sides.name(table)
    sides.both(f"INSERT INTO {name} SELECT i, i, repeat('x', 90) FROM generate_series(1, {ROWS}) i")
    sides.both(f"VACUUM ANALYZE {name}")
    sides.target.execute(f'UPDATE {name} SET "number" = 0 WHERE "low $1" IN (7, 4000)')
    result = sides.result(table, source_filter='"low $1" <> 7', target_filter='"low $1" <> 7')
    assert (result.error, result.example_keys) == ("", ("changed 4000 (number)",))


@pytest.mark.parametrize("seed", range(12))
def test_what_happens_to_rows_is_found_whatever_their_places(sides: Sides, seed: int) -> None:
    chance = random.Random(seed)
    name = _filled(sides, "happens")
    at: list[dict[int, int]] = []
    for server in (sides.source, sides.target):
        rows = {i: i % 7 for i in range(1, ROWS + 1)}
        for _ in range(chance.randrange(6)):
            some = chance.sample(sorted(rows), chance.choice([1, 5, 60]))
            what = chance.choice(["delete", "change", "renew", "move", "insert", "vacuum"])
            listed = ", ".join(map(str, some))
            if what == "delete":
                server.execute(f"DELETE FROM {name} WHERE id IN ({listed})")
                rows = {key: n for key, n in rows.items() if key not in some}
            elif what == "change":
                server.execute(f"UPDATE {name} SET n = n + 1 WHERE id IN ({listed})")
                rows.update({key: rows[key] + 1 for key in some})
            elif what == "renew":
                server.execute(f"UPDATE {name} SET n = n WHERE id IN ({listed})")
            elif what == "move":
                server.execute(f"UPDATE {name} SET id = id + 10000 WHERE id IN ({listed})")
                rows = {key + 10000 if key in some else key: n for key, n in rows.items()}
            elif what == "insert":
                new = [-key for key in some if -key not in rows]
                server.execute(*(f"INSERT INTO {name} VALUES ({k}, repeat('x', 80) || {k}, 3)" for k in new))
                rows.update(dict.fromkeys(new, 3))
            else:
                server.execute(f"VACUUM {name}")
        at.append(rows)
    source, target = at
    keys = source.keys() & target.keys()
    changed = {k for k in keys if source[k] != target[k]}
    result = sides.result("happens", options=Options(validate_checksums=True, max_parallel=3))
    assert result.error == ""
    assert (result.source_rows, result.target_rows) == (len(source), len(target))
    found = {(one.word, int(one.key["id"])) for one in result.differences}
    assert found == (
        {("missing", k) for k in source.keys() - target.keys()}
        | {("extra", k) for k in target.keys() - source.keys()}
        | {("changed", k) for k in changed}
    )
