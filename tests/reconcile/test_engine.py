"""Whole tables on two real servers: planted differences are found exactly, identical data matches, errors stay errors."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdcproof.core.waiting import wait_until
from cdcproof.databases.duckdb.stream import Columnar
from cdcproof.reconcile.checksums.strategy import Strategy
from cdcproof.reconcile.engine import Options, Run, reconcile
from cdcproof.reconcile.report.result import TableStatus
from tests.reconcile.sides import FenceThen, Sides, Unwatched

pytest_plugins = ["tests.postgres_server"]

COUNTS = Options(validate_checksums=False)
COLUMNS = {
    "id": "bigint NOT NULL",
    "part": "text NOT NULL",
    "yes": "boolean",
    "small": "smallint",
    "amount": "numeric(20, 4)",
    "bare": "numeric",
    "share": "double precision",
    "thin": "real",
    "word": "text",
    "fixed": "char(4)",
    "raw": "bytea",
    "uid": "uuid",
    "day": "date",
    "tick": "time",
    "at": "timestamp",
    "moment": "timestamptz",
}
NAMES = list(COLUMNS)


@pytest.fixture(scope="module")
def kinds(sides: Sides) -> str:
    """A table of every kind of column, with a composite key."""
    definition = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    sides.table("kinds", f"{definition}, PRIMARY KEY (part, id)")
    return sides.name("kinds")


_naive = st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31))  # noqa: DTZ001
_text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
# for each column: its values, and for a value one that is different but nearly the same
_KINDS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], Any]]] = {
    "yes": (st.booleans(), lambda v: not v),
    "small": (st.integers(-32768, 32766), lambda v: v + 1),
    "amount": (
        st.decimals(-(10**15), 10**15, places=4, allow_nan=False),
        lambda v: v + Decimal("0.0001"),
    ),
    "bare": (
        st.decimals(-(10**20), 10**20, places=12, allow_nan=False),
        lambda v: Decimal(f"{v:f}1") if "." in f"{v:f}" else Decimal(f"{v:f}.0000000000001"),
    ),
    "share": (st.floats(-1e300, 1e300, allow_nan=False), lambda v: math.nextafter(v, math.inf)),
    "thin": (st.floats(-(2.0**99), 2.0**99, width=32), lambda v: -v if v else 1.0),
    "word": (_text, lambda v: v + " "),
    "fixed": (st.text("abc", max_size=3), lambda v: v.upper() if v else "x"),
    "raw": (st.binary(max_size=8), lambda v: v + b"\0"),
    "uid": (st.uuids(), lambda v: v.__class__(int=v.int ^ 1)),
    "day": (st.dates(), lambda v: v - timedelta(1) if v == date.max else v + timedelta(1)),
    "tick": (st.times(), lambda v: v.replace(microsecond=v.microsecond ^ 1)),
    "at": (_naive, lambda v: v.replace(microsecond=v.microsecond ^ 1)),
    "moment": (_naive.map(lambda v: v.replace(tzinfo=UTC)), lambda v: v.replace(microsecond=v.microsecond ^ 1)),
}
_rows = st.dictionaries(
    st.tuples(st.integers(-(2**63), 2**63 - 1), _text),
    st.tuples(*(st.one_of(st.none(), values) for values, _ in _KINDS.values())),
    max_size=12,
).map(lambda rows: [(*key, *values) for key, values in rows.items()])


def _as_found(word: str, rows: list[tuple[Any, ...]]) -> list[tuple[str, tuple[str, str], str]]:
    return [(word, (row[1], str(row[0])), "") for row in rows]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(rows=_rows, data=st.data())
def test_planted_differences_are_found_exactly(
    sides: Sides, kinds: str, rows: list[tuple[Any, ...]], data: st.DataObject
) -> None:
    fates = data.draw(
        st.lists(st.sampled_from(["same", "missing", "extra", "changed"]), min_size=len(rows), max_size=len(rows))
    )
    at = {
        fate: [row for row, f in zip(rows, fates, strict=True) if f == fate]
        for fate in ("same", "missing", "extra", "changed")
    }
    changed, told = [], []
    for row in at["changed"]:
        column = data.draw(st.sampled_from(list(_KINDS)))
        place = NAMES.index(column)
        value = row[place]
        if value is None:
            other = "" if column == "word" else data.draw(_KINDS[column][0])
        else:
            other = data.draw(st.sampled_from([None, _KINDS[column][1](value)]))
        changed.append((*row[:place], other, *row[place + 1 :]))
        told.append(("changed", (row[1], str(row[0])), column))
    sides.both(f"TRUNCATE {kinds}")
    sides.source.insert(kinds, [*at["same"], *at["missing"], *at["changed"]])
    sides.target.insert(kinds, [*at["extra"], *changed, *at["same"]])

    result = sides.result("kinds")

    counts = (result.missing_at_target, result.extra_at_target, result.changed)
    assert counts == (len(at["missing"]), len(at["extra"]), len(at["changed"]))
    found = [(one.word, tuple(one.key.values()), ", ".join(one.columns)) for one in result.differences]
    assert sorted(found) == sorted([*told, *_as_found("missing", at["missing"]), *_as_found("extra", at["extra"])])
    assert len(result.example_keys) == min(len(found), 20)
    assert result.status == (TableStatus.MISMATCH if any(counts) else TableStatus.MATCH)
    assert result.checksums_match == (not any(counts))
    assert result.source_rows == len(rows) - len(at["extra"])
    assert result.target_rows == len(rows) - len(at["missing"])


def test_one_tables_failure_is_its_own(sides: Sides) -> None:
    for table in ("good", "gone"):
        sides.table(table, "a int PRIMARY KEY", [(1,)], [(1,)])
    sides.target.execute(f"DROP TABLE {sides.name('gone')}")
    for options in (None, COUNTS):
        gone, nowhere, good = sides.results("gone", "nowhere", "good", options=options)
        assert gone.status is nowhere.status is TableStatus.ERROR
        assert f":{sides.target.port} has no table {sides.schema}.gone" in gone.error
        assert "nowhere" in nowhere.error
        assert good.status is TableStatus.MATCH


def test_a_failure_in_the_middle_of_reading_is_an_error_that_tells_the_cause(sides: Sides) -> None:
    sides.table("endless", "a int PRIMARY KEY, b int")
    sides.both(f"INSERT INTO {sides.name('endless')} SELECT i, i FROM generate_series(1, 20000) AS i")
    result = sides.result("endless", target_filter="1 / (a - 19000) >= -1")
    assert (result.status, result.checksums_match) == (TableStatus.ERROR, None)
    assert "division by zero" in result.error


def test_a_side_that_does_not_answer_makes_every_table_an_error_at_once(sides: Sides) -> None:
    dead = sides.endpoint(sides.target, port=1)
    run = Run(sides.endpoint(sides.source), dead, lambda _: FenceThen(), Options(validate_checksums=True), Unwatched())
    results = list(reconcile(run, [sides.pair("a"), sides.pair("b")]))
    assert [r.status for r in results] == [TableStatus.ERROR] * 2
    assert all("127.0.0.1:1" in r.error for r in results)


def test_rows_that_are_counted_again_behind_the_fence_have_arrived(sides: Sides) -> None:
    sides.table("flying", "a int PRIMARY KEY", [(1,), (2,)], [(1,)])
    arrival = FenceThen(then=lambda: sides.target.execute(f"INSERT INTO {sides.name('flying')} VALUES (2)"))
    result = sides.result("flying", options=COUNTS, fence=arrival)
    assert (result.status, result.source_rows, result.target_rows) == (TableStatus.MATCH, 2, 2)


@contextmanager
def _writing(sides: Sides, write: Callable[[Any, int], None]) -> Iterator[FenceThen]:
    """Changes at the source, each made at the target a little later, over and over; and a fence that waits for them."""
    stop = threading.Event()
    number = 0
    applied = threading.Condition()

    def work() -> None:
        nonlocal number
        with sides.source.connect() as source, sides.target.connect() as target:
            while not stop.is_set():
                write(source, number + 1)
                write(target, number + 1)
                with applied:
                    number += 1
                    applied.notify_all()

    def wait() -> None:
        """Two more changes applied: the one that was under way, and another."""
        with applied:
            wanted = number + 2
            assert applied.wait_for(lambda: number >= wanted, timeout=30)

    writer = threading.Thread(target=work)
    writer.start()
    try:
        yield FenceThen(then=wait)
    finally:
        stop.set()
        writer.join()


def test_replication_that_goes_on_all_the_time_is_no_difference_and_what_is_lost_is_found(sides: Sides) -> None:
    rows = [(i, 0) for i in range(3000)]
    sides.table("busy", "a int PRIMARY KEY, b int", rows, rows)

    def write(connection: Any, number: int) -> None:
        connection.execute(f"UPDATE {sides.name('busy')} SET b = %s WHERE a %% 10 = %s", (number, number % 9))
        connection.execute(f"INSERT INTO {sides.name('busy')} VALUES (%s, 0)", (3000 + number,))
        connection.execute(f"DELETE FROM {sides.name('busy')} WHERE a = %s", (2990 + number,))

    with _writing(sides, write) as fence:
        results = [sides.result("busy", fence=fence) for _ in range(3)]
        sides.target.execute(
            f"DELETE FROM {sides.name('busy')} WHERE a = 509",
            f"UPDATE {sides.name('busy')} SET b = -1 WHERE a = 519",
            f"INSERT INTO {sides.name('busy')} VALUES (-5, 0)",
        )
        planted = [sides.result("busy", fence=fence) for _ in range(3)]
    assert [(r.status, r.error) for r in results] == [(TableStatus.MATCH, "")] * 3
    for result in planted:
        assert result.example_keys == ("extra -5", "missing 509", "changed 519 (b)")


def test_a_row_that_never_rests_is_neither_match_nor_mismatch(sides: Sides) -> None:
    sides.table("restless", "a int PRIMARY KEY, b int", [(1, 0), (2, 0)], [(2, 0)])
    moves = FenceThen(then=lambda: sides.source.execute(f"UPDATE {sides.name('restless')} SET b = b WHERE a = 1"))
    result = sides.result("restless", fence=moves)
    assert (result.status, result.checksums_match) == (TableStatus.ERROR, None)
    assert "nothing is known about them" in result.error


@pytest.mark.parametrize("pinned", Strategy)
def test_sessions_are_closed_afterwards(sides: Sides, pinned: Strategy) -> None:
    def sessions() -> set[int]:
        ours = "SELECT pid FROM pg_stat_activity WHERE application_name = 'cdcproof'"
        found = set()
        for server in (sides.source, sides.target):
            with server.connect() as connection:
                found |= {pid for (pid,) in connection.execute(ours)}
        return found

    sides.table("good", "a int PRIMARY KEY", [(1,)], [(1,)])
    before = sessions()  # the tests' own DuckDB keeps some
    with Columnar() as columnar:
        replace(sides, columnar=columnar, strategy=pinned).result("good")
        assert bool(sessions() - before) is (pinned is Strategy.STREAM)
    wait_until(sessions, lambda left: left <= before, what="the servers to have ended them", deadline_seconds=10)
