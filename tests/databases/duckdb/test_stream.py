"""The stream against real servers: what DuckDB hashes must differ where values differ, and be one where they are one."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cdcproof.core.errors import CouldNotLookError, RefusedError, UnexpectedAnswerError, UnreachableError
from cdcproof.core.secrets import Secret
from cdcproof.core.waiting import wait_until
from cdcproof.databases.connections import connect
from cdcproof.databases.duckdb import engine
from cdcproof.databases.duckdb.engine import NoStreamError
from cdcproof.databases.duckdb.stream import Columnar, TooWideError
from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.database import PostgreSQL
from cdcproof.databases.table_read import WHOLE, Chunking, ChunkSum, ColumnRead, Segment, TableRead
from cdcproof.databases.values.types import Form, Kind, form_of
from cdcproof.reconcile.plan.edge_values import literals
from tests.postgres_server import PASSWORD, Server, Servers

pytest_plugins = ["tests.postgres_server"]

SCHEMA = "streaming"
DECLARED = {
    "id": "bigint PRIMARY KEY",
    "yes": "boolean",
    "small": "smallint",
    "amount": "numeric(19, 4)",
    "widest": "numeric(38, 2)",
    "bare": "numeric",
    "share": "double precision",
    "thin": "real",
    "word": "varchar(40)",
    "fixed": "char(6)",
    "long": "text",
    "raw": "bytea",
    "uid": "uuid",
    "day": "date",
    "tick": "time(3)",
    "at": "timestamp",
    "instant": "timestamptz",
}


@pytest.fixture(scope="module")
def server(postgres_servers: Servers) -> Server:
    columns = ", ".join(f"{name} {declared}" for name, declared in DECLARED.items())
    postgres_servers.source.execute(f"CREATE SCHEMA {SCHEMA}", f"CREATE TABLE {SCHEMA}.many ({columns})")
    return postgres_servers.source


@pytest.fixture(scope="module")
def duck() -> Iterator[Columnar]:
    with Columnar() as opened:
        yield opened


@pytest.fixture
def database(server: Server) -> Iterator[PostgreSQL]:
    with connect(server.config(), Secret(PASSWORD)) as opened:
        assert isinstance(opened, PostgreSQL)
        yield opened


def _scan(database: PostgreSQL, name: str, chunking: Chunking | None = None) -> TableRead:
    table = TableName(SCHEMA, name)
    columns = [
        (column, form_of("postgresql", column, "postgresql", column)) for column in database.catalogue.columns(table)
    ]
    told = tuple(ColumnRead(column, form) for column, form in columns if form)
    assert len(told) == len(columns)
    return TableRead(table, told, 1, chunking or Chunking(width=100))


def _sums(
    duck: Columnar, database: PostgreSQL, scan: TableRead, segments: Sequence[Segment] = (WHOLE,)
) -> dict[int, ChunkSum]:
    found: dict[int, ChunkSum] = {}
    with duck.side(database) as side, side.snapshot():
        for segment in segments:
            for chunk, rows, total in side.chunk_sums(scan, segment):
                old = found.get(chunk, ChunkSum(chunk, 0, 0))
                found[chunk] = ChunkSum(chunk, old.rows + rows, (old.sum + total) % 2**64)
    return found


def _made(server: Server, table: str, columns: str, *rows: str) -> None:
    server.execute(f"DROP TABLE IF EXISTS {SCHEMA}.{table}", f"CREATE TABLE {SCHEMA}.{table} ({columns})")
    if rows:
        server.execute(f"INSERT INTO {SCHEMA}.{table} VALUES {', '.join(rows)}")


@pytest.mark.parametrize("name", DECLARED)
def test_values_from_the_server_hash_as_the_same_values_from_here(
    duck: Columnar, database: PostgreSQL, name: str
) -> None:
    told = next(told for told in _scan(database, "many").columns if told.column.name == name)
    known = literals("postgresql", told)
    with duck.side(database) as side:
        found = side.literal_hashes([told], [[literal.text for literal in known]])
    assert found == duck.reference_hashes([told], [[literal.part for literal in known]])
    by_value: dict[bytes | None, set[int]] = {}
    for literal, (hashed,) in zip(known, found, strict=True):
        by_value.setdefault(literal.part, set()).add(hashed)
    assert all(len(hashes) == 1 for hashes in by_value.values())
    assert len(set.union(*by_value.values())) == len(by_value) > 1


def test_several_columns_are_calibrated_at_once(duck: Columnar, database: PostgreSQL) -> None:
    columns = _scan(database, "many").columns
    known = [literals("postgresql", told) for told in columns]
    with duck.side(database) as side:
        found = side.literal_hashes(columns, [[literal.text for literal in one] for one in known])
    assert found == duck.reference_hashes(columns, [[literal.part for literal in one] for one in known])
    assert len(found) == max(map(len, known))


@pytest.mark.parametrize(
    ("declared", "values"),
    [
        ("text", ["NULL", "''", "' '", "'  '", "'null'", "'a'", "'A'", "'a '", "' a'", "'é'", "E'e\\u0301'", "'...'"]),
        ("varchar(9)", ["'😀'", "'😁'", "'?'", "E'a\\t'", "'1'", "'1.0'"]),
        ("char(3)", ["NULL", "''", "'a'", "' a'", "'A'"]),
        ("numeric(9, 4)", ["NULL", "0", "'NaN'", "0.0001", "-0.0001", "99999", "1"]),
        ("numeric(20, 2)", ["NULL", "0", "'NaN'", "0.01", "-0.01", "-0.02", "1", "184467440737095516.16"]),
        ("numeric", ["NULL", "0", "'NaN'", "'Infinity'", "1e-30", "123456789012345678901234567890123456789012", "1"]),
        ("double precision", ["NULL", "0", "'-0'", "'NaN'", "'Infinity'", "'-Infinity'", "0.3", "0.1::float8 + 0.2"]),
        ("real", ["NULL", "0", "'-0'", "'NaN'", "0.1"]),
        ("bigint", ["NULL", "0", "-1", "-2930909409056394622"]),  # which has the hash of NULL
        ("boolean", ["NULL", "true", "false"]),
        ("bytea", ["NULL", "''", "'\\x00'", "'\\x0000'", "' '"]),
        ("uuid", ["NULL", "repeat('0', 32)::uuid", "('9' || repeat('1', 31))::uuid", "('a' || repeat('2', 31))::uuid"]),
        ("date", ["NULL", "'0001-01-01'", "'9999-12-31'", "'infinity'", "'-infinity'", "'1970-01-01'"]),
        ("time", ["NULL", "'00:00'", "'24:00'", "'00:00:00.000001'"]),
        ("timestamp", ["NULL", "'1970-01-01'", "'infinity'", "'1970-01-01 00:00:00.000001'", "'294276-12-31'"]),
        ("timestamptz", ["NULL", "'1970-01-01 00:00+00'", "'1970-01-01 00:00+01'"]),
    ],
)
def test_no_two_values_are_one(
    server: Server, duck: Columnar, database: PostgreSQL, declared: str, values: list[str]
) -> None:
    rows = [f"({number * 100}, {value})" for number, value in enumerate(values)]
    _made(server, "one", f"id int PRIMARY KEY, v {declared}", *rows)
    scan = _scan(database, "one")
    by_value = TableRead(
        scan.table, scan.columns[1:], 1, Chunking(buckets=1 << 31)
    )  # of the value alone, each in its own chunk
    found = _sums(duck, database, by_value)
    assert len({hashes for _, _, hashes in found.values()}) == len(values)


def _texts(length: int) -> Iterator[str]:
    """Texts that differ in their 8th and 16th byte: of those, DuckDB's own hash takes nearly all for another."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"[:length]
    for first, second in itertools.product(map(chr, range(48, 123)), repeat=2):
        yield f"{letters[:7]}{first}{letters[8:15]}{second}{letters[16:]}"


@pytest.mark.parametrize("length", [16, 20, 23, 36])
def test_texts_that_differ_in_the_same_place_of_two_words_are_told_apart(
    duck: Columnar, database: PostgreSQL, length: int
) -> None:
    texts = list(_texts(length))
    bare = duckdb.connect().execute("SELECT count(DISTINCT hash(v)) FROM (SELECT unnest(?) AS v)", [texts]).fetchall()
    assert bare[0][0] < len(texts) / 10, "DuckDB's hash has become better than this program thinks"
    word = next(told for told in _scan(database, "many").columns if told.column.name == "word")
    for told, given in (
        (word, [text.encode() for text in texts]),
        (ColumnRead(word.column, Form(Kind.BINARY)), [text.encode() for text in texts]),
    ):
        assert len({hashed for (hashed,) in duck.reference_hashes([told], [given])}) == len(texts)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE {t} SET note = CASE id WHEN 1 THEN (SELECT note FROM {t} WHERE id = 2) ELSE (SELECT note FROM {t} WHERE id = 1) END"
        " WHERE id IN (1, 2)",
        "UPDATE {t} SET amount = -0.01 WHERE id = 5",
        "UPDATE {t} SET note = NULL WHERE id = 7",
        "UPDATE {t} SET other = note, note = other WHERE id = 8",
        "UPDATE {t} SET other = left(note, 1), note = substr(note, 2) || other WHERE id = 8",
        "UPDATE {t} SET note = note || ' ' WHERE id = 9",
        "DELETE FROM {t} WHERE id = 10",
        "INSERT INTO {t} VALUES (-1, 'x', 'y', 0)",
    ],
)
@pytest.mark.parametrize("chunking", [Chunking(width=100), Chunking(buckets=4), Chunking(columns=4, buckets=4)])
def test_the_stream_and_the_servers_own_sums_see_the_same_chunks_change(
    server: Server, duck: Columnar, database: PostgreSQL, change: str, chunking: Chunking
) -> None:
    _made(server, "both", "id int PRIMARY KEY, note text, other text, amount numeric(20, 2) NOT NULL")
    server.execute(
        f"INSERT INTO {SCHEMA}.both SELECT i, 'note ' || i, 'other ' || i, 0 FROM generate_series(1, 500) AS i"
    )
    scan = _scan(database, "both", chunking)

    def pushed_down() -> dict[int, ChunkSum]:
        return {one.chunk: one for one in database.checksums.chunk_sums(scan, WHOLE)}

    streamed, oracle = _sums(duck, database, scan), pushed_down()
    assert {c: s.rows for c, s in streamed.items()} == {c: s.rows for c, s in oracle.items()}
    server.execute(change.format(t=f"{SCHEMA}.both"))
    assert _differing(streamed, _sums(duck, database, scan)) == _differing(oracle, pushed_down()) != set()


def _differing(before: dict[int, ChunkSum], after: dict[int, ChunkSum]) -> set[int]:
    return {chunk for chunk in before.keys() | after.keys() if before.get(chunk) != after.get(chunk)}


def test_both_sides_hash_alike_whatever_they_declare(server: Server, duck: Columnar, database: PostgreSQL) -> None:
    many = [f"c{i} int" for i in range(70)]
    values = ", ".join("NULL" if i in (3, 66) else str(i) for i in range(70))
    _made(server, "nullable", f"id bigint PRIMARY KEY, amount numeric(9, 2), {', '.join(many)}", f"(1, 1.5, {values})")
    strict = [f"c{i} {'bigint' if i % 2 else 'smallint'}{'' if i in (3, 66) else ' NOT NULL'}" for i in range(70)]
    _made(server, "strict", f"id int PRIMARY KEY, amount numeric(7, 2), {', '.join(strict)}", f"(1, 1.50, {values})")
    ours, theirs = (database.catalogue.columns(TableName(SCHEMA, name)) for name in ("nullable", "strict"))
    forms = [form_of("postgresql", a, "postgresql", b) for a, b in zip(ours, theirs, strict=True)]
    found = [
        _sums(
            duck,
            database,
            TableRead(
                TableName(SCHEMA, name),
                tuple(ColumnRead(column, form) for column, form in zip(columns, forms, strict=True) if form),
                1,
                Chunking(width=9),
            ),
        )
        for name, columns in (("nullable", ours), ("strict", theirs))
    ]
    assert found[0] == found[1]


def test_segments_are_of_one_snapshot(server: Server, duck: Columnar, database: PostgreSQL) -> None:
    _made(server, "moving", "id int PRIMARY KEY, note text")
    server.execute(
        f"INSERT INTO {SCHEMA}.moving SELECT i, repeat('x', 500) FROM generate_series(1, 400) AS i",
        f"ANALYZE {SCHEMA}.moving",
    )
    scan = _scan(database, "moving")
    segments = database.checksums.segments(scan, 100)
    assert len(segments) > 2
    with duck.side(database) as side, side.snapshot():
        before = sum(rows for _, rows, _ in side.chunk_sums(scan, segments[0]))
        server.execute(f"UPDATE {SCHEMA}.moving SET note = 'y'", f"DELETE FROM {SCHEMA}.moving WHERE id > 200")
        after = sum(rows for segment in segments[1:] for _, rows, _ in side.chunk_sums(scan, segment))
    assert before + after == 400
    assert sum(one.rows for one in _sums(duck, database, scan).values()) == 200


def _sleeping(server: Server) -> int:
    with server.connect() as session:
        found = session.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").fetchone()
    assert found
    return int(found[0])


def test_an_interrupted_statement_ends_at_the_server_too(server: Server, duck: Columnar, database: PostgreSQL) -> None:
    _made(server, "slow", "id int PRIMARY KEY", "(1)")
    scan = _scan(database, "slow")
    slow = TableRead(scan.table, scan.columns, 1, scan.chunking, "pg_sleep(600) IS NOT NULL")
    raised: list[BaseException] = []
    with duck.side(database) as side:

        def read() -> None:
            try:
                with side.snapshot():
                    list(side.chunk_sums(slow, WHOLE))
            except CouldNotLookError as error:
                raised.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        wait_until(lambda: _sleeping(server), lambda n: n == 1, what="the statement", deadline_seconds=30)
        side.interrupt()
        reader.join(30)
        assert not reader.is_alive()
        assert len(raised) == 1
        wait_until(lambda: _sleeping(server), lambda n: n == 0, what="its end", deadline_seconds=30)
        assert [one.rows for one in side.chunk_sums(scan, WHOLE)] == [1], "the side can be used again"


def test_rows_that_do_not_fit_into_memory_are_refused(server: Server, duck: Columnar, database: PostgreSQL) -> None:
    wide = [f"c{i} text" for i in range(40)]
    _made(server, "wide", f"id int PRIMARY KEY, {', '.join(wide)}")
    values = ", ".join(["repeat(chr(65 + i % 26), 7999)"] * 40)
    server.execute(f"INSERT INTO {SCHEMA}.wide SELECT i, {values} FROM generate_series(1, 500) AS i")
    with pytest.raises(TooWideError, match=rf"{SCHEMA}\.wide.*\n.*push-down"):
        _sums(duck, database, _scan(database, "wide"))


def _fails(act: Callable[[], Any]) -> CouldNotLookError:
    with pytest.raises(CouldNotLookError) as raised:
        act()
    assert "postgres_query" not in str(raised.value)
    for hidden in (PASSWORD, "{battery", "staple", "host="):
        assert hidden not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    return raised.value


def test_what_goes_wrong_is_our_error_without_the_password(
    server: Server, duck: Columnar, database: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    _made(server, "gone", "id int PRIMARY KEY, n int", "(1, 0)")
    scan = _scan(database, "gone")
    broken = TableRead(scan.table, scan.columns, 1, scan.chunking, "1 / n = 1")
    error = _fails(lambda: _sums(duck, database, broken))
    assert isinstance(error, UnexpectedAnswerError)
    assert str(error) == f"{SCHEMA}.gone: division by zero"
    server.execute(
        f"DROP TABLE {SCHEMA}.gone",
        "CREATE ROLE stream_nobody LOGIN PASSWORD 'let me in'",
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO stream_nobody",
    )
    assert isinstance(_fails(lambda: _sums(duck, database, scan)), UnexpectedAnswerError)
    with connect(server.config(user="stream_nobody"), Secret("let me in")) as nobody:
        assert isinstance(nobody, PostgreSQL)
        assert isinstance(_fails(lambda: _sums(duck, nobody, _scan(database, "many"))), RefusedError)
    original = database.address().reveal()
    monkeypatch.setattr(database, "address", lambda: Secret(original.replace(f"port={server.port}", "port=1")))
    assert isinstance(_fails(lambda: _sums(duck, database, scan)), UnreachableError)
    monkeypatch.setattr(database, "address", lambda: Secret(original.replace("dbname=postgres", "dbname=nowhere")))
    assert "nowhere" in str(_fails(lambda: _sums(duck, database, scan)))


def test_a_lost_session_is_told(server: Server, duck: Columnar, database: PostgreSQL) -> None:
    scan = _scan(database, "many")
    with duck.side(database) as side, suppress(UnreachableError), side.snapshot():
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cdcproof' AND state = 'idle in transaction'"
        )
        error = _fails(lambda: list(side.chunk_sums(scan, WHOLE)))
    assert isinstance(error, UnreachableError)


def test_a_machine_without_the_extension_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_EXTENSION", "cdcproof_has_no_such_module")
    with Columnar() as opened, pytest.raises(NoStreamError, match="not installed; it is made for Linux"):
        opened.demand()


def test_nothing_is_written_to_anybodys_home(tmp_path: Path) -> None:
    program = "from cdcproof.databases.duckdb.stream import Columnar\nwith Columnar() as opened: opened.demand()"
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, cwd=tmp_path, timeout=60)
    assert list(tmp_path.iterdir()) == []
