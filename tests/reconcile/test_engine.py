"""Whole tables on two real servers: planted differences are found exactly, identical data matches, errors stay errors."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdcproof.databases import connect
from cdcproof.databases.base import TableName
from cdcproof.progress import Progress
from cdcproof.reconcile.engine import Endpoint, Options, method, reconcile
from cdcproof.reconcile.plan import TablePair
from cdcproof.reconcile.result import TableResult, TableStatus
from cdcproof.secrets import Secret
from tests.postgres_server import PASSWORD, Server, Servers

pytest_plugins = ["tests.postgres_server"]

SCHEMA = "engine"
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
def servers(postgres_servers: Servers) -> Iterator[Servers]:
    definition = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    for server in (postgres_servers.source, postgres_servers.target):
        server.execute(f"CREATE SCHEMA {SCHEMA}", f"CREATE TABLE {SCHEMA}.kinds ({definition}, PRIMARY KEY (part, id))")
    yield postgres_servers
    for server in (postgres_servers.source, postgres_servers.target):
        server.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


def _endpoint(server: Server, **changes: Any) -> Endpoint:
    config = server.config(**changes)
    return Endpoint("postgresql", "test", lambda: connect(config, Secret(PASSWORD)))


def _reconcile(
    servers: Servers, *tables: str, checksums: bool = True, settle_seconds: float = 0, key: tuple[str, ...] = ()
) -> list[TableResult]:
    pairs = [TablePair(name, TableName(SCHEMA, name), TableName(SCHEMA, name), key) for name in tables]
    options = Options(checksums, settle_seconds)
    return list(reconcile(_endpoint(servers.source), _endpoint(servers.target), pairs, options, Progress()))


def _both(servers: Servers, *statements: str) -> None:
    for server in (servers.source, servers.target):
        server.execute(*statements)


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


def _as_keys(rows: list[tuple[Any, ...]]) -> list[str]:
    return [f"{row[1]}, {row[0]}" for row in rows]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(rows=_rows, data=st.data())
def test_planted_differences_are_found_exactly(
    servers: Servers, rows: list[tuple[Any, ...]], data: st.DataObject
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
        told.append(f"changed {row[1]}, {row[0]} ({column})")
    _both(servers, f"TRUNCATE {SCHEMA}.kinds")
    servers.source.insert(f"{SCHEMA}.kinds", [*at["same"], *at["missing"], *at["changed"]])
    servers.target.insert(f"{SCHEMA}.kinds", [*at["extra"], *changed, *at["same"]])

    (result,) = _reconcile(servers, "kinds")

    counts = (result.missing_at_target, result.extra_at_target, result.changed)
    assert counts == (len(at["missing"]), len(at["extra"]), len(at["changed"]))
    assert sorted(result.example_keys) == sorted(
        [*told, *(f"missing {k}" for k in _as_keys(at["missing"])), *(f"extra {k}" for k in _as_keys(at["extra"]))]
    )
    assert result.status == (TableStatus.MISMATCH if any(counts) else TableStatus.MATCH)
    assert result.checksums_match == (not any(counts))
    assert result.source_rows == len(rows) - len(at["extra"])
    assert result.target_rows == len(rows) - len(at["missing"])


def test_a_word_may_change_without_anybody_elses_tool_noticing(servers: Servers) -> None:
    words = {1: None, 2: "", 3: " ", 4: "Alice", 5: "x", 6: "漢字", 7: "e\u0301", 8: "same"}
    changed = {1: "", 2: " ", 3: None, 4: "alice", 5: "x ", 6: "??", 7: "é", 8: "same"}
    _both(
        servers, f"DROP TABLE IF EXISTS {SCHEMA}.words", f"CREATE TABLE {SCHEMA}.words (id int PRIMARY KEY, word text)"
    )
    servers.source.insert(f"{SCHEMA}.words", list(words.items()))
    servers.target.insert(f"{SCHEMA}.words", list(changed.items()))
    (result,) = _reconcile(servers, "words")
    assert result.example_keys == tuple(f"changed {i} (word)" for i in range(1, 8))


def _table(servers: Servers, name: str, columns: str, source: list[Any], target: list[Any]) -> None:
    _both(servers, f"DROP TABLE IF EXISTS {SCHEMA}.{name}", f"CREATE TABLE {SCHEMA}.{name} ({columns})")
    servers.source.insert(f"{SCHEMA}.{name}", source)
    servers.target.insert(f"{SCHEMA}.{name}", target)


def test_a_table_without_a_key_is_compared_as_a_multiset(servers: Servers) -> None:
    _table(servers, "keyless", "a int, b text", [(1, "x"), (1, "x"), (2, None)], [(1, "x"), (2, None), (2, "")])
    (result,) = _reconcile(servers, "keyless")
    assert (result.status, result.missing_at_target, result.extra_at_target) == (TableStatus.MISMATCH, 1, 1)
    assert result.changed is None
    _table(servers, "keyless", "a int, b text", [(1, "x"), (1, "x")], [(1, "x"), (1, "x")])
    (result,) = _reconcile(servers, "keyless")
    assert (result.status, result.source_rows, result.target_rows) == (TableStatus.MATCH, 2, 2)


def test_a_declared_key_may_hold_null(servers: Servers) -> None:
    _table(servers, "declared", "a int, b text", [(None, "x"), (1, "y")], [(1, "y")])
    (result,) = _reconcile(servers, "declared", key=("a",))
    assert result.example_keys == ("missing NULL",)


def test_no_rows_on_both_sides_match_with_no_rows(servers: Servers) -> None:
    _table(servers, "empty", "a int PRIMARY KEY", [], [])
    for checksums in (True, False):
        (result,) = _reconcile(servers, "empty", checksums=checksums)
        assert (result.status, result.source_rows, result.target_rows) == (TableStatus.MATCH, 0, 0)


def test_a_type_outside_the_contract_is_named_and_the_rest_compared(servers: Servers) -> None:
    _table(servers, "partly", "a int PRIMARY KEY, doc jsonb, b text", [(1, "{}", "x")], [(1, "[]", "x")])
    (result,) = _reconcile(servers, "partly")
    assert (result.status, result.not_compared) == (TableStatus.MATCH, ("doc (jsonb: not compared)",))


def test_a_column_that_the_target_lacks_is_a_mismatch(servers: Servers) -> None:
    _table(servers, "drifted", "a int PRIMARY KEY, b text", [(1, "x")], [(1, "x")])
    servers.target.execute(f"ALTER TABLE {SCHEMA}.drifted DROP COLUMN b")
    (result,) = _reconcile(servers, "drifted")
    assert (result.status, result.checksums_match) == (TableStatus.MISMATCH, False)
    assert result.not_compared == ("b (not at the target)",)


def test_one_tables_failure_is_its_own(servers: Servers) -> None:
    _table(servers, "good", "a int PRIMARY KEY", [(1,)], [(1,)])
    _both(servers, f"DROP TABLE IF EXISTS {SCHEMA}.gone", f"CREATE TABLE {SCHEMA}.gone (a int PRIMARY KEY)")
    servers.target.execute(f"DROP TABLE {SCHEMA}.gone")
    for checksums in (True, False):
        gone, nowhere, good = _reconcile(servers, "gone", "nowhere", "good", checksums=checksums)
        assert gone.status is nowhere.status is TableStatus.ERROR
        assert f":{servers.target.port} has no table {SCHEMA}.gone" in gone.error
        assert "nowhere" in nowhere.error
        assert good.status is TableStatus.MATCH


def test_a_failure_in_the_middle_of_reading_is_an_error_that_tells_the_cause(servers: Servers) -> None:
    _table(servers, "endless", "a int PRIMARY KEY, at timestamp", [], [])
    fill = f"INSERT INTO {SCHEMA}.endless SELECT i, '2025-01-01' FROM generate_series(1, 60000) AS i"
    servers.source.execute(fill)
    servers.target.execute(fill, f"UPDATE {SCHEMA}.endless SET at = 'infinity' WHERE a = 1")
    (result,) = _reconcile(servers, "endless")
    assert result.status is TableStatus.ERROR
    assert f":{servers.target.port}: {SCHEMA}.endless holds a value that cannot be read" in result.error
    assert result.checksums_match is None


def test_a_side_that_does_not_answer_makes_every_table_an_error_at_once(servers: Servers) -> None:
    pairs = [TablePair(name, TableName(SCHEMA, name), TableName(SCHEMA, name)) for name in ("a", "b")]
    dead = _endpoint(servers.target, port=1)
    results = list(reconcile(_endpoint(servers.source), dead, pairs, Options(True, 0), Progress()))
    assert [r.status for r in results] == [TableStatus.ERROR] * 2
    assert all("127.0.0.1:1" in r.error for r in results)


@pytest.mark.parametrize("checksums", [True, False])
def test_rows_in_flight_are_waited_for(servers: Servers, checksums: bool) -> None:
    _table(servers, "flying", "a int PRIMARY KEY, b text", [(1, "x"), (2, "y")], [(1, "old")])
    if not checksums:
        servers.target.execute(f"UPDATE {SCHEMA}.flying SET b = 'x'")
    statements = [f"UPDATE {SCHEMA}.flying SET b = 'x'", f"INSERT INTO {SCHEMA}.flying VALUES (2, 'y')"]
    arrival = threading.Timer(0.7, servers.target.execute, statements)
    arrival.start()
    (result,) = _reconcile(servers, "flying", checksums=checksums, settle_seconds=30)
    arrival.join()
    assert (result.status, result.source_rows, result.target_rows) == (TableStatus.MATCH, 2, 2)


def test_replication_that_goes_on_all_the_time_is_no_difference(servers: Servers) -> None:
    """A writer changes the source and, a moment later, the target, over and over, while both are compared."""
    rows = [(i, 0) for i in range(3000)]
    _table(servers, "busy", "a int PRIMARY KEY, b int", rows, rows)
    stop = threading.Event()

    def write() -> None:
        with servers.source.connect() as source, servers.target.connect() as target:
            version = 0
            while not stop.is_set():
                version += 1
                for connection in (source, target):
                    connection.execute(f"UPDATE {SCHEMA}.busy SET b = %s WHERE a %% 10 = %s", (version, version % 10))
                    connection.execute(f"INSERT INTO {SCHEMA}.busy VALUES (%s, 0)", (3000 + version,))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        results = [_reconcile(servers, "busy", settle_seconds=30)[0] for _ in range(3)]
    finally:
        stop.set()
        writer.join()
    assert [(r.status, r.error) for r in results] == [(TableStatus.MATCH, "")] * 3


def test_a_lost_row_is_found_while_replication_goes_on(servers: Servers) -> None:
    rows = [(i, 0) for i in range(1000)]
    _table(servers, "lossy", "a int PRIMARY KEY, b int", rows, rows[:500] + rows[501:])
    stop = threading.Event()

    def write() -> None:
        with servers.source.connect() as source, servers.target.connect() as target:
            version = 1000
            while not stop.is_set():
                version += 1
                for connection in (source, target):
                    connection.execute(f"INSERT INTO {SCHEMA}.lossy VALUES (%s, 0)", (version,))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        (result,) = _reconcile(servers, "lossy", settle_seconds=1)
    finally:
        stop.set()
        writer.join()
    assert (result.status, result.example_keys) == (TableStatus.MISMATCH, ("missing 500",))


def test_a_row_that_never_rests_is_neither_match_nor_mismatch(servers: Servers) -> None:
    _table(servers, "restless", "a int PRIMARY KEY, b int", [(1, 0), (2, 0)], [(2, 0)])
    stop = threading.Event()

    def write() -> None:
        with servers.source.connect() as source:
            while not stop.is_set():
                source.execute(f"UPDATE {SCHEMA}.restless SET b = b + 1 WHERE a = 1")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        (result,) = _reconcile(servers, "restless", settle_seconds=1)
    finally:
        stop.set()
        writer.join()
    assert (result.status, result.checksums_match) == (TableStatus.ERROR, None)
    assert "nothing is known about them" in result.error
    assert "--settle-seconds" in result.error


def test_sessions_are_closed_afterwards(servers: Servers) -> None:
    _table(servers, "good", "a int PRIMARY KEY", [(1,)], [(1,)])
    _reconcile(servers, "good")
    for server in (servers.source, servers.target):
        with server.connect() as connection:
            open_sessions = connection.execute("SELECT 1 FROM pg_stat_activity WHERE application_name = 'cdcproof'")
            assert open_sessions.fetchall() == []


def test_the_method_says_what_was_done() -> None:
    assert "row counts only" in method(Options(False, 10))
    assert "read again for up to 3 s" in method(Options(True, 3))
