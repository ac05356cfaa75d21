"""Hashes, chunks and rows as real servers make them, against Python's own reference and against bytes written down."""

from __future__ import annotations

import math
import resource
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from psycopg import RawCursor, sql

from cdcproof.core.secrets import Secret
from cdcproof.databases.connections import connect
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.postgresql.database import PostgreSQL
from cdcproof.databases.postgresql.queries import key_sql, statements
from cdcproof.databases.postgresql.queries.column_sql import Server as Dialect
from cdcproof.databases.table_read import WHOLE, Chunking, ChunkSum, ColumnRead, Row, RowHash, Segment, TableRead
from cdcproof.databases.values.canonical import chunk_of, encode
from cdcproof.databases.values.reading import How, Reading
from cdcproof.databases.values.types import Form, Kind, form_of
from tests.databases.row_hashes import chunk_in, hash_in, hashed_by
from tests.postgres_server import PASSWORD, Server, Servers

pytest_plugins = ["tests.postgres_server"]

SCHEMA = "hashing"
ODD = "odd \"quoted\" 100% {name} $1 'x'; DROP TABLE x --"
LONG = "ä" * 3999 + "x"  # 7,999 bytes, the most that is told whole
TYPES = {
    "id": "bigint",
    "yes": "boolean",
    "small": "smallint",
    "amount": "numeric(19, 4)",
    "bare": "numeric",
    "share": "double precision",
    "thin": "real",
    "word": "varchar(40)",
    "fixed": "char(6)",
    "long": "text",
    "raw": "bytea",
    "uid": "uuid",
    "day": "date",
    "tick": "time",
    "at": "timestamp",
    "instant": "timestamptz",
}
NAN = Decimal("NaN")
FIRST, LAST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)  # noqa: DTZ001
_NUMBERS_AND_TEXTS: list[tuple[Any, ...]] = [
    (-250, True, -32768, Decimal("0.0001"), Decimal("1.10"), 0.1, 0.1, "", "      ", "", b""),
    (-1, False, 0, Decimal("-999999999999999.9999"), Decimal("-0.0"), -0.0, -0.0, " ", "ab    ", " ", b"\x00\xff"),
    (0, None, 32767, NAN, NAN, math.nan, math.nan, "aB ", " ab   ", LONG, b"x" * 7999),
    (99, True, 1, Decimal("1.5"), Decimal("Infinity"), math.inf, math.inf, "ab", "🚀     ", LONG + "x", b"x" * 8000),
    (100, *[None] * 10),
    (2**63 - 1, True, 1, Decimal(0), Decimal("9" * 60 + ".5"), -math.inf, 1e38, "e\u0301", "é     ", "\t\n", b"\\"),
    (-(2**63), True, 1, Decimal("-0.0000"), Decimal("1e-20"), 5e-324, 1e-45, "it's", "%s    ", "\\x00", b"'"),
]
_TIMES: list[tuple[Any, ...]] = [
    (UUID(int=0), date(1, 1, 1), time(0, 0), FIRST, FIRST.replace(tzinfo=UTC)),
    (UUID(int=1), date(9999, 12, 31), time(23, 59, 59, 999999), LAST, LAST.replace(tzinfo=UTC)),
    (UUID(int=2**128 - 1), math.inf, time(12), math.inf, math.inf),
    (UUID(int=0), -math.inf, time(0, 0, 0, 1), -math.inf, -math.inf),
    (None, None, None, None, None),
    (
        UUID(int=0),
        date(2000, 1, 1),
        time(1, 2, 3),
        FIRST + timedelta(milliseconds=3),
        datetime(1999, 12, 31, tzinfo=UTC),
    ),
    (UUID(int=0), date(1970, 1, 1), time(1), LAST - timedelta(days=9), datetime(1970, 1, 1, tzinfo=UTC)),
]
MANY = [(*first, *second) for first, second in zip(_NUMBERS_AND_TEXTS, _TIMES, strict=True)]


@pytest.fixture(scope="module")
def server(postgres_servers: Servers) -> Server:
    server = postgres_servers.source
    columns = ", ".join(f'"{name}" {declared}' for name, declared in TYPES.items())
    server.execute(f"CREATE SCHEMA {SCHEMA}", f"CREATE TABLE {SCHEMA}.many ({columns}, PRIMARY KEY (id))")
    bound = [[_bound(name, value) for name, value in zip(TYPES, row, strict=True)] for row in MANY]
    server.insert(f"{SCHEMA}.many", bound)
    return server


def _bound(name: str, value: Any) -> Any:
    """Of dates, psycopg does not know that our infinity is one."""
    return f"{value}inity" if name in ("day", "at", "instant") and isinstance(value, float) else value


@pytest.fixture
def database(server: Server) -> Iterator[PostgreSQL]:
    with connect(server.config(), Secret(PASSWORD)) as opened:
        assert isinstance(opened, PostgreSQL)
        yield opened


def _scan(
    database: PostgreSQL,
    name: str,
    chunking: Chunking,
    key_width: int = 1,
    *,
    predicate: str = "",
    row_hash: RowHash = RowHash.MD5,
) -> TableRead:
    table = TableName(SCHEMA, name)
    forms = [
        (column, form_of("postgresql", column, "postgresql", column)) for column in database.catalogue.columns(table)
    ]
    told = tuple(ColumnRead(column, form) for column, form in forms if form)
    assert len(told) == len(forms)
    return hashed_by(TableRead(table, told, key_width, chunking, predicate), row_hash)


def _parts(scan: TableRead, values: Sequence[Any]) -> tuple[bytes | None, ...]:
    return tuple(None if v is None else encode(form, v) for form, v in zip(scan.forms, values, strict=True))


def _expected(scan: TableRead, rows: Sequence[Sequence[Any]]) -> dict[int, ChunkSum]:
    sums: dict[int, ChunkSum] = {}
    for values in rows:
        parts = _parts(scan, values)
        chunk = chunk_in(scan, parts)
        old = sums.get(chunk, ChunkSum(chunk, 0, 0))
        sums[chunk] = ChunkSum(chunk, old.rows + 1, old.sum + hash_in(scan, parts))
    return sums


def _found(database: PostgreSQL, scan: TableRead, segments: Sequence[Segment] = (WHOLE,)) -> dict[int, ChunkSum]:
    sums: dict[int, ChunkSum] = {}
    for segment in segments:
        for chunk, rows, total in database.checksums.chunk_sums(scan, segment):
            old = sums.get(chunk, ChunkSum(chunk, 0, 0))
            sums[chunk] = ChunkSum(chunk, old.rows + rows, old.sum + total)
    return sums


def _rows(database: PostgreSQL, scan: TableRead, chunks: Sequence[int]) -> list[Row]:
    with database.rows.chunk_rows(scan, chunks) as rows:
        return list(rows)


CHUNKINGS = [Chunking(width=100), Chunking(buckets=3), Chunking(columns=2, buckets=2), Chunking(columns=16, buckets=5)]


either_hash = pytest.mark.parametrize("row_hash", RowHash, ids=lambda one: one.name)


@either_hash
@pytest.mark.parametrize("chunking", CHUNKINGS)
def test_the_server_hashes_and_cuts_as_python_does(database: PostgreSQL, chunking: Chunking, row_hash: RowHash) -> None:
    scan = _scan(database, "many", chunking, row_hash=row_hash)
    assert _found(database, scan) == _expected(scan, MANY)


CHAINED = ("id", "small", "amount", "bare", "share", "thin", "word", "fixed", "uid", "day", "tick", "at", "instant")


@pytest.mark.parametrize("dialect", [Dialect(180_000, "UTF8"), Dialect(140_000, "LATIN1")])
@pytest.mark.parametrize("chunking", CHUNKINGS)
def test_columns_that_have_no_null_are_chained(
    server: Server, database: PostgreSQL, monkeypatch: pytest.MonkeyPatch, chunking: Chunking, dialect: Dialect
) -> None:
    rows = [row for row in MANY if None not in row]
    server.execute(
        f"DROP TABLE IF EXISTS {SCHEMA}.sure",
        f"CREATE TABLE {SCHEMA}.sure ({', '.join(f'{name} {declared} NOT NULL' for name, declared in TYPES.items())})",
    )
    server.insert(f"{SCHEMA}.sure", [[_bound(name, v) for name, v in zip(TYPES, row, strict=True)] for row in rows])
    monkeypatch.setattr(database, "dialect", lambda: dialect)
    scan = _scan(database, "sure", chunking, row_hash=RowHash.NATIVE)
    assert tuple(scan.columns[place].column.name for place in scan.chained) == CHAINED
    assert _found(database, scan) == _expected(scan, rows)


@either_hash
@pytest.mark.parametrize("chunking", CHUNKINGS)
def test_rows_of_chunks_are_canonical_bytes(database: PostgreSQL, chunking: Chunking, row_hash: RowHash) -> None:
    scan = _scan(database, "many", chunking, row_hash=row_hash)
    chunks = list(_expected(scan, MANY))
    assert sorted(row.forms for row in _rows(database, scan, chunks)) == sorted(_parts(scan, row) for row in MANY)
    one = [row.forms for row in _rows(database, scan, chunks[:1])]
    assert one == [parts for row in MANY if chunk_in(scan, parts := _parts(scan, row)) == chunks[0]]


@pytest.mark.parametrize(
    "dialect",
    [Dialect(180_000, "UTF8"), Dialect(170_000, "UTF8"), Dialect(180_000, "LATIN1"), Dialect(140_000, "LATIN1")],
)
@either_hash
def test_every_way_to_ask_gives_the_same(
    database: PostgreSQL, monkeypatch: pytest.MonkeyPatch, dialect: Dialect, row_hash: RowHash
) -> None:
    monkeypatch.setattr(database, "dialect", lambda: dialect)
    for chunking in CHUNKINGS:
        scan = _scan(database, "many", chunking, row_hash=row_hash)
        assert _found(database, scan) == _expected(scan, MANY)


def test_a_server_of_another_encoding_tells_the_same_bytes(server: Server) -> None:
    server.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    try:
        server.execute(
            f"CREATE SCHEMA {SCHEMA}",
            f"CREATE TABLE {SCHEMA}.words (id int, long text, word varchar(9))",
            database="latin",
        )
        rows = [(1, LONG, "é"), (2, LONG + "x", "É "), (3, "€"[:0], "ÿ")]
        server.insert(f"{SCHEMA}.words", rows, database="latin")
        with connect(server.config(database="latin"), Secret(PASSWORD)) as opened:
            assert isinstance(opened, PostgreSQL)
            for row_hash in RowHash:
                scan = _scan(opened, "words", Chunking(width=10), row_hash=row_hash)
                assert _found(opened, scan) == _expected(scan, rows)
            by_word = _scan(opened, "words", Chunking(width=10), key_width=3)
            keys = [_parts(scan, row) for row in rows] + [_parts(scan, (4, "", "€"))]  # € has no place in LATIN1
            assert [row.forms for row in opened.rows.rows_by_key(by_word, keys)] == keys[:3]
    finally:
        server.execute("DROP DATABASE latin")


@pytest.mark.parametrize(
    ("declared", "values"),
    [
        ("text", [None, "''", "' '", "'  '", "'null'", "'<null>'", "'a'", "'A'", "'a '", "' a'", "'é'", "E'e\\u0301'"]),
        ("varchar(9)", ["'😀'", "'😁'", "'?'", "'a'", "E'a\\t'", "'1'", "'1.0'"]),
        ("char(3)", [None, "''", "'a'", "' a'", "'A'"]),
        ("numeric(9, 4)", [None, "0", "'NaN'", "0.0001", "-0.0001", "1000", "1", "-1", "10000", "1.0001"]),
        ("integer", [None, "0", "1", "-1", "2147483647", "-2147483647"]),
        ("numeric", [None, "0", "'NaN'", "'Infinity'", "'-Infinity'", "1e-20", "1e20", "-1e20"]),
        ("bigint", [None, "0", "1", "-1", "4294967296", "4294967297", "-4294967297", "-4294967296", "-2"]),
        (
            "double precision",
            [None, "0.0", "'-0'", "'NaN'", "'Infinity'", "'-Infinity'", "0.3", "0.1::float8 + 0.2::float8"],
        ),
        ("timestamp", [None, "'2025-01-02 03:04:05'", "'2025-01-02 03:04:05.000001'", "'infinity'", "'-infinity'"]),
        ("time", ["'00:00'", "'24:00'", "'23:59:59.999999'", "'00:00:00.000001'"]),
        ("date", ["'0001-01-01'", "'0001-01-01 BC'", "'9999-12-31'", "'infinity'", "'-infinity'"]),
        ("bytea", [None, "''", "'\\x00'", "'\\x0000'", "'\\x20'"]),
        ("boolean", [None, "false", "true"]),
    ],
)
@either_hash
def test_values_that_differ_have_hashes_that_differ(
    server: Server, database: PostgreSQL, declared: str, values: list[str | None], row_hash: RowHash
) -> None:
    server.execute(f"CREATE TABLE {SCHEMA}.apart (id int, v {declared})")
    try:
        for number, value in enumerate(values):
            server.execute(f"INSERT INTO {SCHEMA}.apart VALUES ({number}, {value or 'NULL'}::{declared})")
        scan = _scan(database, "apart", Chunking(width=1))
        alone = hashed_by(TableRead(scan.table, scan.columns[1:], 1, Chunking(buckets=2**32)), row_hash)
        assert len({found.sum for found in database.checksums.chunk_sums(alone, WHOLE)}) == len(values)
    finally:
        server.execute(f"DROP TABLE {SCHEMA}.apart")


def test_every_nan_is_the_same_whatever_made_it(server: Server, database: PostgreSQL) -> None:
    server.execute(f"CREATE TABLE {SCHEMA}.nans (id int, v double precision, w real)")
    server.execute(
        f"INSERT INTO {SCHEMA}.nans VALUES (1, 'NaN', 'NaN'), (2, 'Infinity'::float8 - 'Infinity', -('NaN'::float4))"
    )
    scan = _scan(database, "nans", Chunking(width=1))
    assert {row.forms[1:] for row in _rows(database, scan, [1, 2])} == {
        (bytes.fromhex("7ff8000000000000"), bytes.fromhex("7fc00000"))
    }


def test_a_number_is_told_alike_whatever_its_column_declares(server: Server, database: PostgreSQL) -> None:
    declared = ["smallint", "integer", "bigint", "numeric", "numeric(9)", "numeric(9, 2)", "numeric(12, 4)"]
    columns = ", ".join(f"c{i} {type_}" for i, type_ in enumerate(declared))
    server.execute(f"CREATE TABLE {SCHEMA}.numbers (id int, {columns}, round numeric(5, -2))")
    server.execute(f"INSERT INTO {SCHEMA}.numbers VALUES (1, 7, 7, 7, 7.00, 7, 7, 7, 1234)")
    server.execute(f"INSERT INTO {SCHEMA}.numbers VALUES (2, -0, -0, -0, 0.000, 0, 0, 0, 0)")
    columns_of = database.catalogue.columns(TableName(SCHEMA, "numbers"))[1:]
    told = tuple(ColumnRead(column, Form(Kind.NUMBER, 4)) for column in columns_of)
    scan = TableRead(TableName(SCHEMA, "numbers"), told, 1, Chunking(buckets=1))
    assert sorted(row.forms for row in _rows(database, scan, [0])) == [
        (*[b"0.0000"] * len(declared), b"0.0000"),
        (*[b"7.0000"] * len(declared), b"1200.0000"),
    ]


BOUNDARIES = [-(2**63), -(2**63) + 1, -201, -200, -199, -101, -100, -99, -1, 0, 1, 99, 100, 101, 199, 200, 2**63 - 1]


@pytest.fixture(scope="module")
def edges(server: Server) -> None:
    server.execute(f"CREATE TABLE {SCHEMA}.edges (id bigint PRIMARY KEY)")
    server.insert(f"{SCHEMA}.edges", [(key,) for key in BOUNDARIES])


@pytest.mark.usefixtures("edges")
@pytest.mark.parametrize("most_ranges", [1000, 1])
def test_chunks_meet_at_their_boundaries_and_zero_is_in_the_middle(
    database: PostgreSQL, monkeypatch: pytest.MonkeyPatch, most_ranges: int
) -> None:
    monkeypatch.setattr(statements, "MOST_RANGES", most_ranges)  # with more, keys are divided
    scan = _scan(database, "edges", Chunking(width=100))
    by_chunk: dict[int, set[int]] = {}
    for key in BOUNDARIES:
        by_chunk.setdefault(math.trunc(Decimal(key) / 100), set()).add(key)
    assert {chunk: found.rows for chunk, found in _found(database, scan).items()} == {
        chunk: len(keys) for chunk, keys in by_chunk.items()
    }
    for wanted in [[-2], [-1], [0], [1], [-1, 0, 1], [-2, 0, 2], [min(by_chunk), max(by_chunk)], [7]]:
        found = {int.from_bytes(row.forms[0] or b"", signed=True) for row in _rows(database, scan, wanted)}
        assert found == set().union(*(by_chunk.get(chunk, set()) for chunk in wanted))


@pytest.fixture(scope="module")
def parted(server: Server) -> None:
    server.execute(
        f"CREATE TABLE {SCHEMA}.parted (id int, v text) PARTITION BY HASH (id)",
        *(
            f"CREATE TABLE {SCHEMA}.parted_{i} PARTITION OF {SCHEMA}.parted FOR VALUES WITH (MODULUS 3, REMAINDER {i})"
            for i in range(3)
        ),
        f"INSERT INTO {SCHEMA}.parted SELECT i, repeat('x', i % 300) FROM generate_series(1, 9000) i",
        f"CREATE TABLE {SCHEMA}.plain (id int, v text)",
        f"INSERT INTO {SCHEMA}.plain SELECT * FROM {SCHEMA}.parted",
        f"CREATE TABLE {SCHEMA}.heir () INHERITS ({SCHEMA}.plain)",
        f"INSERT INTO {SCHEMA}.heir SELECT 9000 + i, 'y' FROM generate_series(1, 20000) i",
        f"CREATE VIEW {SCHEMA}.seen AS SELECT * FROM {SCHEMA}.parted",
        f"CREATE TABLE {SCHEMA}.nothing (id int, v text)",
    )


@pytest.mark.usefixtures("parted")
@pytest.mark.parametrize("name", ["parted", "plain"])
def test_segments_leave_no_row_out_and_count_none_twice(database: PostgreSQL, name: str) -> None:
    scan = _scan(database, name, Chunking(width=1000))
    segments = database.checksums.segments(scan, 500)
    assert len(segments) > 5
    assert segments[0].low is None
    assert segments[-1].high is None
    assert [before.high for before in segments[:-1]] == [after.low for after in segments[1:]]
    with database.snapshot():
        assert _found(database, scan, segments) == _found(database, scan)


@pytest.mark.usefixtures("parted")
@pytest.mark.parametrize("name", ["seen", "nothing", "parted"])
def test_what_has_no_pages_is_one_segment(database: PostgreSQL, name: str) -> None:
    assert database.checksums.segments(_scan(database, name, Chunking(width=1000)), 10_000_000) == (WHOLE,)


@pytest.mark.usefixtures("parted")
def test_an_empty_table_has_no_chunks_and_a_view_those_of_its_table(database: PostgreSQL) -> None:
    nothing, seen, of = (_scan(database, name, Chunking(width=1000)) for name in ("nothing", "seen", "parted"))
    assert list(database.checksums.chunk_sums(nothing, WHOLE)) == []
    assert _rows(database, nothing, [0]) == []
    assert database.checksums.segments(seen, 10) == (WHOLE,)
    assert _found(database, seen) == _found(database, of)
    assert {row.version for row in _rows(database, seen, [0])} == {b""}  # a view does not know who wrote
    assert all(row.version for row in _rows(database, of, [0]))


def test_a_name_cannot_become_sql_nor_a_placeholder(server: Server, database: PostgreSQL) -> None:
    quoted = ODD.replace('"', '""')
    server.execute(
        f'CREATE TABLE {SCHEMA}."{quoted}" ("{quoted}" int PRIMARY KEY, "select" text, "xmin$" text, "c0" text, chunk text)'
    )
    server.execute(f"""INSERT INTO {SCHEMA}."{quoted}" VALUES (5, '50%', 'a', 'b', 'c'), (6, '', 'a', 'b', 'c')""")
    try:
        scan = _scan(database, ODD, Chunking(width=10), predicate="\"select\" LIKE '%0\\%%' -- only these")
        values = [(5, "50%", "a", "b", "c")]
        assert _found(database, scan) == _expected(scan, values)
        key = (_parts(scan, values[0])[0],)
        for row in (
            *_rows(database, scan, [0]),
            *database.rows.rows_by_key(scan, [key, (encode(Form(Kind.INTEGER), 6),)]),
        ):
            assert row.forms == _parts(scan, values[0])
        assert database.catalogue.count_rows(scan.table, scan.predicate) == 1
        for statement in database.checksums.statements(scan).values():
            server.connect().execute(sql.SQL("PREPARE odd AS {}").format(sql.SQL(statement)))
    finally:
        server.execute(f'DROP TABLE {SCHEMA}."{quoted}"')


def test_a_thousand_columns_are_one_frame(server: Server, database: PostgreSQL) -> None:
    declared = ("int NOT NULL", "text", "varchar(9)", "numeric(9, 2)")
    columns = ", ".join(f"c{i} {declared[i % 4]}" for i in range(1000))
    server.execute(f"CREATE TABLE {SCHEMA}.wide ({columns})")
    rows = [[(i, value, "é", Decimal("1.5"))[i % 4] for i in range(1000)] for value in ("x", None)]
    server.insert(f"{SCHEMA}.wide", rows)
    for chunking in (Chunking(columns=1000, buckets=10), Chunking(buckets=10)):
        for row_hash in RowHash:
            scan = _scan(database, "wide", chunking, key_width=1000, row_hash=row_hash)
            assert _found(database, scan) == _expected(scan, rows)
    keys = [_parts(scan, row) for row in rows]
    assert sorted((row.forms for row in database.rows.rows_by_key(scan, keys)), key=str) == sorted(keys, key=str)


def test_a_value_of_100_mb_never_leaves_its_server(server: Server, database: PostgreSQL) -> None:
    server.execute(
        f"CREATE TABLE {SCHEMA}.huge (id int, long text, raw bytea)",
        f"INSERT INTO {SCHEMA}.huge VALUES (1, repeat('ä', 50000000), convert_to(repeat('x', 100000000), 'UTF8'))",
    )
    try:
        scan = _scan(database, "huge", Chunking(width=10))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        scans = [replace(scan, row_hash=row_hash) for row_hash in RowHash]
        found = [sums.sum for one in scans for sums in database.checksums.chunk_sums(one, WHOLE)]
        (row,) = _rows(database, scan, [0])
        (again,) = database.rows.rows_by_key(scan, [row.forms[:1]])
        # KiB
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000
        assert row == again
        assert [part[:9].hex() for part in row.forms[1:] if part] == ["010000000005f5e100"] * 2
        assert found == [hash_in(one, row.forms) for one in scans]
    finally:
        server.execute(f"DROP TABLE {SCHEMA}.huge")


def test_rows_of_many_chunks_pass_through_bounded_memory(server: Server, database: PostgreSQL) -> None:
    server.execute(
        f"CREATE TABLE {SCHEMA}.heavy (id int, long text)",
        f"INSERT INTO {SCHEMA}.heavy SELECT i, repeat(md5(i::text), 249) FROM generate_series(1, 20000) i",  # 8 KB each
    )
    try:
        scan = _scan(database, "heavy", Chunking(width=100_000))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with database.rows.chunk_rows(scan, [0]) as rows:
            assert sum(len(row.forms[1] or b"") for row in rows) == 20_000 * 7969
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
    finally:
        server.execute(f"DROP TABLE {SCHEMA}.heavy")


@pytest.mark.usefixtures("edges")
def test_a_reading_that_is_given_up_leaves_the_snapshot_usable(database: PostgreSQL) -> None:
    scan = _scan(database, "edges", Chunking(width=100))
    with database.snapshot():
        with database.rows.chunk_rows(scan, [0, 1, 2]) as rows:
            next(rows)
        assert database.catalogue.count_rows(scan.table) == len(BOUNDARIES)
    with suppress(ZeroDivisionError), database.rows.chunk_rows(scan, [0]) as rows:
        next(rows)
        raise ZeroDivisionError
    assert database.catalogue.count_rows(scan.table) == len(BOUNDARIES)


def test_rows_are_found_by_keys_of_every_kind(database: PostgreSQL) -> None:
    scan = _scan(database, "many", Chunking(width=100))
    for place, told in enumerate(scan.columns):
        moved = TableRead(scan.table, (told, *scan.columns), 1, scan.chunking)
        for value in {row[place] if row[place] == row[place] else math.nan: row[place] for row in MANY}.values():
            part = None if value is None else encode(told.form, value)
            found = Counter(row.forms[1:] for row in database.rows.rows_by_key(moved, [(part,)]))
            assert found == Counter(parts for row in MANY if (parts := _parts(scan, row))[place] == part), told.column


def test_a_key_that_its_column_cannot_hold_is_not_there(server: Server, database: PostgreSQL) -> None:
    server.execute(
        f"CREATE TYPE {SCHEMA}.mood AS ENUM ('sad', 'ok')",
        f"CREATE TABLE {SCHEMA}.narrow (small smallint, word varchar(3), mood {SCHEMA}.mood, fixed char(2), thin real)",
        f"INSERT INTO {SCHEMA}.narrow VALUES (7, 'abc', 'ok', 'x', 0.5)",
    )
    small, word, mood, fixed, thin = database.catalogue.columns(TableName(SCHEMA, "narrow"))
    text, long, number = Form(Kind.TEXT), Form(Kind.TEXT, long=True), Form(Kind.NUMBER, 2)
    for column, form, there, elsewhere in [
        (small, Form(Kind.INTEGER), 7, [8, 2**40]),
        (small, number, 7, [Decimal("7.5"), NAN, Decimal("Infinity"), Decimal(10**30)]),
        (word, text, "abc", ["ABC", "abcd", "abc\x00", "ab ", "a" * 10_000]),
        (word, long, "abc", ["ABC", "a" * 10_000]),
        (mood, text, "ok", ["happy", "OK"]),
        (fixed, text, "x ", ["x", "x  "]),
        (thin, Form(Kind.FLOAT), 0.5, [1e300, math.nan, 0.5 + 2**-50]),
    ]:
        scan = TableRead(TableName(SCHEMA, "narrow"), (ColumnRead(column, form),), 1, Chunking())
        keys = [(encode(form, value),) for value in [*elsewhere, there]]
        assert [row.forms for row in database.rows.rows_by_key(scan, keys)] == [keys[-1]], column


@pytest.mark.parametrize(
    ("declared", "form", "value"),
    [
        ("bigint", Form(Kind.INTEGER), 7),
        ("int", Form(Kind.INTEGER), 7),
        ("int", Form(Kind.NUMBER, 2), 7),
        ("numeric(9, 2)", Form(Kind.NUMBER, 4), Decimal(7)),
        ("varchar(20)", Form(Kind.TEXT), "7"),
        ("text", Form(Kind.TEXT, long=True), "7"),
        ("char(9)", Form(Kind.TEXT), "7        "),
        ("real", Form(Kind.FLOAT), 7.0),
        ("bytea", Form(Kind.BINARY, long=True), b"7"),
    ],
)
def test_a_key_is_looked_up_in_its_index(
    server: Server, database: PostgreSQL, declared: str, form: Form, value: Any
) -> None:
    server.execute(f"CREATE TABLE {SCHEMA}.indexed (v {declared} PRIMARY KEY, rest text)")
    try:
        cast = "int4send(i)" if declared == "bytea" else f"i::{declared}"
        server.execute(
            f"INSERT INTO {SCHEMA}.indexed SELECT {cast}, repeat('x', 90) FROM generate_series(1, 20000) i",
            f"ANALYZE {SCHEMA}.indexed",
        )
        column = database.catalogue.columns(TableName(SCHEMA, "indexed"))[0]
        scan = TableRead(TableName(SCHEMA, "indexed"), (ColumnRead(column, form),), 1, Chunking(width=100))
        found, bound = key_sql.one_of(scan.key, [(encode(form, value),)] * 3, database.dialect(), as_written=False)
        statement = statements.rows_by_key(scan, found, database.dialect(), versioned=True)
        with server.connect() as session:
            plan = RawCursor(session).execute(sql.SQL("EXPLAIN ") + statement, bound).fetchall()
        assert "Index" in str(plan)
        if form.kind is Kind.INTEGER:
            ranges = statements.chunk_rows(scan, [3, 7, -9], database.dialect(), versioned=True)
            assert "Index" in str(server.connect().execute(sql.SQL("EXPLAIN ") + ranges).fetchall())
    finally:
        server.execute(f"DROP TABLE {SCHEMA}.indexed")


def test_every_spelling_of_a_key_is_found_and_as_it_is_written_by_an_index(
    server: Server, database: PostgreSQL
) -> None:
    """A key that stands in the usual spelling is not looked for in others then; one that does not is."""
    twice, odd, usual = (f"{i:08x}-abcd-abcd-abcd-abcdefabcdef" for i in (1, 2, 3))
    server.execute(
        f"CREATE TABLE {SCHEMA}.spelled (v text PRIMARY KEY, rest text)",
        f"INSERT INTO {SCHEMA}.spelled SELECT gen_random_uuid()::text, repeat('x', 90) FROM generate_series(1, 20000)",
        f"INSERT INTO {SCHEMA}.spelled VALUES ('{twice}', '1'), (initcap('{twice}'), '2'), (initcap('{odd}'), '3'), (upper('{usual}'), '4')",
        f"ANALYZE {SCHEMA}.spelled",
    )
    try:
        text = Form(Kind.TEXT)
        word, rest = database.catalogue.columns(TableName(SCHEMA, "spelled"))
        key = ColumnRead(replace(word, reading=Reading(How.UUID_WORD)), text)
        scan = TableRead(
            TableName(SCHEMA, "spelled"), (key, ColumnRead(rest, Form(Kind.TEXT, long=True))), 1, Chunking()
        )
        keys = [(encode(text, value),) for value in (twice, odd, usual)]

        def found(**how: bool) -> set[bytes | None]:
            return {row.forms[1] for row in database.rows.rows_by_key(scan, keys, **how)}

        assert {part and part[-1:] for part in found()} == {b"1", b"2", b"3", b"4"}
        assert {part and part[-1:] for part in found(as_written=True)} == {b"1", b"3", b"4"}
        by, bound = key_sql.one_of(scan.key, keys, database.dialect(), as_written=True)
        statement = statements.rows_by_key(scan, by, database.dialect(), versioned=True)
        with server.connect() as session:
            plan = RawCursor(session).execute(sql.SQL("EXPLAIN ") + statement, bound).fetchall()
        assert "Index" in str(plan)
    finally:
        server.execute(f"DROP TABLE {SCHEMA}.spelled")


def test_a_row_is_told_by_its_bytes_and_not_by_what_its_column_takes_for_equal(
    server: Server, database: PostgreSQL
) -> None:
    server.execute(
        "CREATE EXTENSION IF NOT EXISTS citext SCHEMA public",
        f"CREATE TABLE {SCHEMA}.alike (word public.citext, zero double precision)",
        f"INSERT INTO {SCHEMA}.alike VALUES ('Abc', 0.0), ('aBC', '-0')",
    )
    columns = database.catalogue.columns(TableName(SCHEMA, "alike"))
    for column, form, value in [(columns[0], Form(Kind.TEXT), "aBC"), (columns[1], Form(Kind.FLOAT), -0.0)]:
        scan = TableRead(TableName(SCHEMA, "alike"), (ColumnRead(column, form),), 1, Chunking())
        (row,) = database.rows.rows_by_key(scan, [(encode(form, value),)])
        assert row.forms == (encode(form, value),)


def test_rows_without_a_key_are_found_by_all_their_values_as_often_as_they_are_there(
    server: Server, database: PostgreSQL
) -> None:
    server.execute(f"CREATE TABLE {SCHEMA}.bag (a int, b text)")
    server.insert(f"{SCHEMA}.bag", [(1, None), (1, None), (None, "x"), (1, ""), (None, None)])
    scan = _scan(database, "bag", Chunking(columns=2, buckets=4), key_width=2)
    keys = [_parts(scan, row) for row in [(1, None), (None, "x"), (2, None)]]
    assert Counter(row.forms for row in database.rows.rows_by_key(scan, keys)) == {keys[0]: 2, keys[1]: 1}
    assert _found(database, scan) == _expected(scan, [(1, None), (1, None), (None, "x"), (1, ""), (None, None)])


def test_more_keys_than_one_statement_holds_are_all_found(server: Server, database: PostgreSQL) -> None:
    server.execute(f"CREATE TABLE {SCHEMA}.keys (a int, b varchar(9), PRIMARY KEY (a, b))")
    server.execute(f"INSERT INTO {SCHEMA}.keys SELECT i, 'row ' || i FROM generate_series(1, 3000) i")
    scan = _scan(database, "keys", Chunking(width=100), key_width=2)
    keys = [_parts(scan, (i, f"row {i}")) for i in range(1, 2401)]
    assert {row.forms for row in database.rows.rows_by_key(scan, keys)} == set(keys)


def test_a_version_changes_whenever_its_row_is_written(server: Server, database: PostgreSQL) -> None:
    server.execute(f"CREATE TABLE {SCHEMA}.versions (id int PRIMARY KEY, v int)")
    server.insert(f"{SCHEMA}.versions", [(1, 1), (2, 2)])
    scan = _scan(database, "versions", Chunking(width=100))
    keys = [(encode(Form(Kind.INTEGER), key),) for key in (1, 2)]
    one, two = database.rows.rows_by_key(scan, keys)
    assert [row.version for row in _rows(database, scan, [0])] == [one.version, two.version]
    server.execute(f"UPDATE {SCHEMA}.versions SET v = v WHERE id = 1", f"VACUUM {SCHEMA}.versions")
    after = {row.forms: row.version for row in database.rows.rows_by_key(scan, keys)}
    assert after[one.forms] != one.version
    assert after[two.forms] == two.version


def test_literals_are_cast_to_the_type_and_come_back_in_order(database: PostgreSQL) -> None:
    text = Column("v", "character", nullable=True, length=3)
    found = database.checksums.literal_forms(text, Form(Kind.TEXT), ["b", None, "", "a%s"])
    assert [one.part for one in found] == [b"b  ", None, b"   ", b"a%s"]
    # MD5 of 00000001 00000019 ffffffff, by md5sum
    assert found[1].md5.hex() == "e0828e940447dbc1bbe11b52adeb1dee"
    number = Column("v", "numeric", nullable=True, scale=1, precision=3)
    assert [one.part for one in database.checksums.literal_forms(number, Form(Kind.NUMBER, 4), ["1.25", "-0.04"])] == [
        b"1.3000",
        b"0.0000",
    ]
    raw = Column("v", "bytea", nullable=True)
    assert database.checksums.literal_forms(raw, Form(Kind.BINARY, long=True), ["00ff"])[0].part == b"\x00\x00\xff"
    tick = Column("v", "time without time zone", nullable=True, scale=3)
    assert database.checksums.literal_forms(tick, Form(Kind.TIME), ["00:00:00.0015"])[0].part == (2000).to_bytes(8)


def test_the_stream_has_columns_that_lose_nothing(server: Server, database: PostgreSQL) -> None:
    scan = _scan(database, "many", Chunking(width=100))
    stream = database.checksums.stream_select(scan, WHOLE)
    assert stream.types == (
        *("BIGINT", "BOOLEAN", "BIGINT", "DECIMAL(20, 4)", "VARCHAR", "BLOB", "BLOB", "VARCHAR", "VARCHAR", "BLOB"),
        *("BLOB", "UUID", "DATE", "TIME", "TIMESTAMP", "TIMESTAMPTZ"),
    )
    with server.connect() as session:
        described = session.execute(f"SELECT * FROM ({stream.select}) AS s LIMIT 0")  # type: ignore[arg-type]
        assert [column.name for column in described.description or ()] == [f"c{i}" for i in range(16)]
        # a NaN is the least that numeric(19, 4) cannot hold
        found = session.execute(f"SELECT c3, c4, c5, c8, c9, c10 FROM ({stream.select}) AS s WHERE c0 = 0")  # type: ignore[arg-type]
        nan = bytes.fromhex("7ff8000000000000")
        assert found.fetchall() == [
            (Decimal(10**15), "NaN", nan, " ab   ", b"\x00" + LONG.encode(), b"\x00" + b"x" * 7999)
        ]


def test_the_stream_brings_the_bucket_of_every_row(server: Server, database: PostgreSQL) -> None:
    scan = _scan(database, "many", Chunking(columns=2, buckets=7))
    stream = database.checksums.stream_select(scan, WHOLE)
    found = server.connect().execute(f"SELECT chunk, c0 FROM ({stream.select}) AS s")  # type: ignore[arg-type]
    assert {c0: chunk for chunk, c0 in found} == {
        row[0]: chunk_of(scan.chunking, scan.forms, _parts(scan, row)) for row in MANY
    }


@pytest.mark.usefixtures("parted")
def test_the_stream_of_segments_is_the_stream_of_the_whole(server: Server, database: PostgreSQL) -> None:
    scan = _scan(database, "plain", Chunking(width=1000))
    selects = [
        database.checksums.stream_select(scan, segment).select
        for segment in (*database.checksums.segments(scan, 3000), WHOLE)
    ]
    with server.connect() as session:
        *parts, whole = (Counter(session.execute(select).fetchall()) for select in selects)  # type: ignore[arg-type]
    assert sum(parts, Counter[Any]()) == whole
    assert len(parts) > 2


def test_statements_can_be_run_as_they_are_shown(server: Server, database: PostgreSQL) -> None:
    scan = _scan(database, "many", Chunking(width=100))
    shown = database.checksums.statements(scan)
    assert list(shown) == ["push-down", "stream", "narrowing", "rows of a chunk", "rows by key"]
    found = server.connect().execute(shown["push-down"]).fetchall()  # type: ignore[arg-type]
    assert {chunk: ChunkSum(chunk, rows, int(total)) for chunk, rows, total in found} == _expected(scan, MANY)
    assert shown["rows by key"].endswith('WHERE "id" = $1')


def test_rows_that_came_into_a_part_after_it_was_read_are_found(server: Server, database: PostgreSQL) -> None:
    server.execute(
        f"CREATE TABLE {SCHEMA}.written (id int PRIMARY KEY, note text)",
        f"INSERT INTO {SCHEMA}.written SELECT i, repeat('x', 800) FROM generate_series(1, 100) AS i",
        f"DELETE FROM {SCHEMA}.written WHERE id <= 20",
        f"VACUUM {SCHEMA}.written",
        f"ANALYZE {SCHEMA}.written",
    )
    scan = _scan(database, "written", Chunking(width=10))
    first, *rest = database.checksums.segments(scan, 40)
    assert rest
    with server.connect() as open_before:
        open_before.autocommit = False
        open_before.execute(f"UPDATE {SCHEMA}.written SET note = 'y' WHERE id = 51")
        mark = database.checksums.mark(scan.table)
        assert database.checksums.chunks_written_since(mark, scan, WHOLE) == set()
        server.execute(
            f"UPDATE {SCHEMA}.written SET note = repeat('z', 800) WHERE id IN (73, 74)",  # into the room of the deleted ones
            f"INSERT INTO {SCHEMA}.written VALUES (200, '')",
        )
        open_before.commit()
    server.execute(f"VACUUM (FREEZE) {SCHEMA}.written")
    moved_into_first = {7, 20, 5}
    assert database.checksums.chunks_written_since(mark, scan, first) == moved_into_first
    assert database.checksums.chunks_written_since(mark, replace(scan, predicate="id < 100"), WHOLE) == {7, 5}
    assert database.checksums.chunks_written_since(database.checksums.mark(scan.table), scan, WHOLE) == set()
    server.execute(f"VACUUM FULL {SCHEMA}.written")
    assert database.checksums.chunks_written_since(mark, scan, first) is None, "a table that was rewritten"


@pytest.mark.usefixtures("parted")
def test_the_server_may_use_its_workers_for_the_sums(server: Server, database: PostgreSQL) -> None:
    for chunking in CHUNKINGS[:2]:
        statement = database.checksums.statements(_scan(database, "parted", chunking))["push-down"]
        with server.connect() as session:
            session.execute("SET parallel_setup_cost = 0")
            session.execute("SET min_parallel_table_scan_size = 0")
            plan = str(session.execute(f"EXPLAIN {statement}").fetchall())  # type: ignore[arg-type]
        assert "Parallel Seq Scan" in plan
        assert "Partial HashAggregate" in plan
