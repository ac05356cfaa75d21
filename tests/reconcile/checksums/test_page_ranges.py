"""Tables that lie in the order of their key: only pieces that differ are grouped, and what is found is the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cdcproof.databases.postgresql.database import PostgreSQL
from cdcproof.databases.table_read import ChunkSum, PieceSum, Segment, TableRead
from cdcproof.reconcile.checksums import page_ranges, parts
from cdcproof.reconcile.checksums.page_ranges import rising
from cdcproof.reconcile.checksums.strategy import Strategy
from cdcproof.reconcile.engine import Options
from cdcproof.reconcile.report.result import TableResult
from tests.reconcile.sides import Sides

pytest_plugins = ["tests.postgres_server"]

ROWS = 6_000
COLUMNS = "id int PRIMARY KEY, note text NOT NULL, n int"
FILL = f"INSERT INTO {{t}} SELECT i, repeat('x', 80) || i, i % 7 FROM generate_series(1, {ROWS}) AS i"


@dataclass
class Read:
    """What was asked of the servers, both sides together."""

    pieces: int = 0
    grouped_pieces: list[int] = field(default_factory=list)
    grouped_whole: int = 0


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    """Small tables are cut, too; what is read then."""
    found = Read()
    monkeypatch.setattr(page_ranges, "LEAST_ROWS", 1)
    piece_sums, within, whole = PostgreSQL.piece_sums, PostgreSQL.chunk_sums_within, PostgreSQL.chunk_sums

    def counted_pieces(self: PostgreSQL, scan: TableRead, pieces: Sequence[Segment]) -> list[PieceSum]:
        found.pieces += len(pieces)
        return piece_sums(self, scan, pieces)

    def counted_within(self: PostgreSQL, scan: TableRead, pieces: Sequence[Segment]) -> list[ChunkSum]:
        found.grouped_pieces.append(len(pieces))
        return within(self, scan, pieces)

    def counted_whole(self: PostgreSQL, scan: TableRead, segment: Segment) -> list[ChunkSum]:
        found.grouped_whole += 1
        return list(whole(self, scan, segment))

    monkeypatch.setattr(PostgreSQL, "piece_sums", counted_pieces)
    monkeypatch.setattr(PostgreSQL, "chunk_sums_within", counted_within)
    monkeypatch.setattr(PostgreSQL, "chunk_sums", counted_whole)
    return found


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


def test_of_equal_tables_nothing_is_grouped(sides: Sides, read: Read) -> None:
    _filled(sides, "equal")
    assert _found(sides.result("equal")) == ("", ROWS, ROWS, [])
    assert read.pieces > 2 * 30
    assert (read.grouped_pieces, read.grouped_whole) == ([0, 0], 0)


@pytest.mark.parametrize(
    ("change", "found", "pieces"),
    [
        ("UPDATE {t} SET n = -1 WHERE id = 3000", ["changed 3000 (n)"], 2),  # the row's new version lies at the end
        ("DELETE FROM {t} WHERE id = 1", ["missing 1"], 1),
        ("DELETE FROM {t} WHERE id = 6000", ["missing 6000"], 1),
        ("INSERT INTO {t} VALUES (0, '', 0)", ["extra 0"], 1),
        ("INSERT INTO {t} VALUES (9000, '', 0)", ["extra 9000"], 1),
        ("UPDATE {t} SET id = id + 3500 WHERE id = 2501", ["extra 6001", "missing 2501"], 2),
    ],
)
def test_what_differs_is_found_and_only_its_pieces_grouped(
    sides: Sides, read: Read, change: str, found: list[str], pieces: int
) -> None:
    _filled(sides, "differs", change)
    result = sides.result("differs")
    assert sorted(result.example_keys) == found
    assert read.grouped_pieces == [pieces, pieces]
    assert read.grouped_whole == 0


def test_a_row_that_is_changed_where_it_lies_is_found(sides: Sides, read: Read) -> None:
    name = _filled(sides, "clustered", "UPDATE {t} SET n = -1 WHERE id = 3000")
    sides.target.execute(f"CLUSTER {name} USING clustered_pkey")
    assert sides.result("clustered").example_keys == ("changed 3000 (n)",)
    assert (read.grouped_pieces, read.grouped_whole) == ([1, 1], 0)


def test_a_block_that_one_side_lacks_is_one_piece(sides: Sides, read: Read) -> None:
    _filled(sides, "block", "DELETE FROM {t} WHERE id BETWEEN 2000 AND 2999")
    result = sides.result("block")
    assert (result.missing_at_target, result.extra_at_target, result.changed) == (1000, 0, 0)
    assert read.grouped_whole == 0
    assert read.grouped_pieces[0] <= 2


def test_rows_that_lie_elsewhere_at_one_side_are_no_difference(sides: Sides, read: Read) -> None:
    name = _filled(sides, "moved")
    sides.target.execute(f"UPDATE {name} SET n = n WHERE id % 1500 = 0")
    result = sides.result("moved")
    assert _found(result) == ("", ROWS, ROWS, [])
    assert read.grouped_whole == 0
    assert 4 <= read.grouped_pieces[0] <= 6


@pytest.mark.parametrize(
    "elsewhere",
    ["UPDATE {t} SET n = n", "DELETE FROM {t} WHERE id <= 3000; INSERT INTO {t} SELECT * FROM kept"],
    ids=["written again", "half of it"],
)
def test_what_was_written_in_another_order_is_found_equal(sides: Sides, read: Read, elsewhere: str) -> None:
    name = _filled(sides, "rewritten")
    sides.target.execute(
        f"CREATE TEMP TABLE kept AS SELECT * FROM {name} WHERE id <= 3000; {elsewhere.format(t=name)}; DROP TABLE kept"
    )
    assert _found(sides.result("rewritten")) == ("", ROWS, ROWS, [])


def test_where_much_differs_a_part_is_grouped_whole(sides: Sides, read: Read) -> None:
    _filled(sides, "much", "UPDATE {t} SET n = -1 WHERE id % 300 = 0")
    result = sides.result("much")
    assert (result.changed, result.missing_at_target, result.extra_at_target) == (20, 0, 0)
    assert 40 <= read.pieces < 80, "some are looked at first"
    assert (read.grouped_pieces, read.grouped_whole) == ([], 2)


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
def test_what_cannot_be_cut_is_grouped_whole(sides: Sides, read: Read, target: str) -> None:
    table = f"whole{len(target)}"  # a view cannot be made anew as a table
    name = _filled(sides, table)
    sides.target.execute(*target.format(t=f"{sides.schema}.{table}", i=table).split(";"))
    sides.target.execute(f"DELETE FROM {name} WHERE id = 17")
    assert sides.result(table, key=("id",)).example_keys == ("missing 17",)
    assert (read.pieces, read.grouped_whole) == (0, 2)


def test_tables_in_the_opposite_order_are_not_cut(sides: Sides, read: Read) -> None:
    _filled(sides, "backwards", order="i DESC")
    assert _found(sides.result("backwards")) == ("", ROWS, ROWS, [])
    assert (read.pieces, read.grouped_whole) == (0, 2)


def test_names_of_any_kind_and_a_filter_are_used_as_they_are(sides: Sides, read: Read) -> None:
    table = 'cdcproof_piece "x" $1 %s'
    sides.table(table, '"low $1" int PRIMARY KEY, "number" int, "high %s" text')
    name = sides.name(table)
    sides.both(f"INSERT INTO {name} SELECT i, i, repeat('x', 90) FROM generate_series(1, {ROWS}) i")
    sides.both(f"VACUUM ANALYZE {name}")
    sides.target.execute(f'UPDATE {name} SET "number" = 0 WHERE "low $1" IN (7, 4000)')
    result = sides.result(table, source_filter='"low $1" <> 7', target_filter='"low $1" <> 7')
    assert (result.error, result.example_keys) == ("", ("changed 4000 (number)",))
    assert read.pieces
    assert not read.grouped_whole


@pytest.mark.parametrize("seed", range(12))
def test_what_happens_to_rows_is_found_whatever_their_places(
    sides: Sides, read: Read, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(parts, "_LEAST_ROWS", ROWS // 3)
    monkeypatch.setattr(parts, "_ROWS_BETWEEN_CUTS", ROWS // 3)
    monkeypatch.setattr(page_ranges, "_TOO_MANY", 2)
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
    assert read.pieces


@given(st.lists(st.integers(0, 9), max_size=9))
@example([1, 2, 9, 3, 4, 0, 5])
def test_as_many_are_kept_as_rise(values: list[int]) -> None:
    kept = rising(values)
    assert kept == sorted(kept)
    assert all(values[first] < values[second] for first, second in pairwise(kept))
    longest = [1] * len(values)
    for n in range(len(values)):
        longest[n] += max((longest[m] for m in range(n) if values[m] < values[n]), default=0)
    assert len(kept) == max(longest, default=0)
