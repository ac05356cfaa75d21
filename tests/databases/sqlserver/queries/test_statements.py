"""The statements of a comparison in T-SQL: run by `tests.tsql_engine` against Python's reference, and some of them word for word."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdcproof.databases.names import Column, TableName
from cdcproof.databases.sqlserver.queries import column_sql, statements
from cdcproof.databases.table_read import WHOLE, Chunking, ChunkSum, ColumnRead, Segment, Since, Slice, TableRead
from cdcproof.databases.values import canonical
from cdcproof.databases.values.types import CONTRACT, Form, Kind
from tests import tsql_values as tsql
from tests.databases.sqlserver.columns import SORTS, Sort
from tests.tsql_engine import run

TABLE = TableName("dbo", "odd]name")
ID = ColumnRead(Column("id", "bigint", nullable=False, precision=19, scale=0), Form(Kind.INTEGER))
NOTHING = ColumnRead(Column("note", "nvarchar", nullable=True, length=10), Form(Kind.TEXT))
COLLATIONS = dict.fromkeys(("char", "varchar", "nchar", "nvarchar", "sysname"), "SQL_Latin1_General_CP1_CI_AS")
NAMES = [name for name in SORTS if name != "real"]
"""sqlglot takes real for float, so that the one is tried by itself."""


def scan(*columns: ColumnRead, key: int = 1, chunking: Chunking | None = None, predicate: str = "") -> TableRead:
    return TableRead(TABLE, columns, key, chunking or Chunking(columns=key, buckets=7), predicate)


def asked(statement: str, rows: Sequence[Mapping[str, Any]], *parameters: Any) -> list[tuple[Any, ...]]:
    return run(statement, {"dbo.odd]name": rows}, parameters)


def parts(found: Sequence[Any]) -> list[bytes | None]:
    return [value and value.data for value in found]


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Sort], list[list[Any]]]:
    """Some columns of different types, and rows of them."""
    sorts = [SORTS[name] for name in draw(st.lists(st.sampled_from(list(SORTS)), min_size=1, max_size=6, unique=True))]
    row = st.tuples(*(st.one_of(st.none(), sort.values) for sort in sorts))
    return sorts, [list(values) for values in draw(st.lists(row, max_size=8))]


def test_every_compared_type_of_the_contract_is_tried() -> None:
    assert SORTS.keys() == {name for name, entry in CONTRACT["sqlserver"].items() if entry.kind}


@pytest.mark.parametrize("name", SORTS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_each_types_forms_are_those_of_the_contract(name: str, data: st.DataObject) -> None:
    sort = SORTS[name]
    values = data.draw(st.lists(st.one_of(st.none(), sort.values), max_size=5))
    rows = [{"id": tsql.Int(i, 64), name: value} for i, value in enumerate(values)]
    found = asked(statements.rows_of_chunks(scan(ID, sort.told), range(7), ""), rows)
    assert [parts(row[2:]) for row in found] == [[sort.form(value)] for value in values]


def _in_long_form(sort: Sort) -> ColumnRead:
    return ColumnRead(sort.told.column, replace(sort.told.form, long=True))


SHORT = [
    name for name, sort in SORTS.items() if sort.told.form.kind in (Kind.TEXT, Kind.BINARY) and not sort.told.form.long
]


@pytest.mark.parametrize("name", SHORT)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_short_value_is_told_in_the_long_form_of_the_other_side_without_a_hash(
    name: str, data: st.DataObject
) -> None:
    sort = SORTS[name]
    told = _in_long_form(sort)
    assert column_sql.found_by_value(told)
    values = data.draw(st.lists(st.one_of(st.none(), sort.values), max_size=5))
    rows = [{"id": tsql.Int(i, 64), name: value} for i, value in enumerate(values)]
    columns = scan(ID, told, chunking=Chunking(width=1))
    statement = statements.rows_of_chunks(columns, range(7), "")
    expected = [None if value is None else b"\x00" + (sort.form(value) or b"") for value in values]
    assert [parts(row[2:]) for row in asked(statement, rows)] == [[one] for one in expected]
    made = [[canonical.encode(ID.form, i), one] for i, one in enumerate(expected)]
    sums = {row[0].value: row[2] for row in asked(statements.chunk_sums(columns, WHOLE), rows)}
    assert sums == {i: canonical.row_hash(canonical.frame(columns.forms, one)) for i, one in enumerate(made)}
    assert not {"SHA2_256", "max"} & set(re.split(r"\W+", statement))


@settings(max_examples=50, deadline=None)
@given(table=tables(), width=st.one_of(st.none(), st.integers(1, 1 << 62)), ids=st.data())
def test_sums_by_chunk_are_those_of_pythons_frames(
    table: tuple[list[Sort], list[list[Any]]], width: int | None, ids: st.DataObject
) -> None:
    sorts, values = table
    keys = ids.draw(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=len(values), max_size=len(values)))
    chunking = Chunking(width=width) if width else Chunking(columns=2, buckets=5)
    columns = scan(ID, *(sort.told for sort in sorts), key=2, chunking=chunking)
    rows, expected = [], Counter[int]()
    sums: Counter[int] = Counter()
    for key, row in zip(keys, values, strict=True):
        rows.append({"id": tsql.Int(key, 64), **{s.told.column.name: v for s, v in zip(sorts, row, strict=True)}})
        made = [canonical.encode(ID.form, key), *(s.form(v) for s, v in zip(sorts, row, strict=True))]
        chunk = canonical.chunk_of(chunking, columns.forms, made)
        expected[chunk] += 1
        sums[chunk] += canonical.row_hash(canonical.frame(columns.forms, made))
    found = [(c.value, n.value, int(s)) for c, n, s in asked(statements.chunk_sums(columns, WHOLE), rows)]
    assert sorted(found) == sorted(ChunkSum(chunk, expected[chunk], sums[chunk]) for chunk in expected)


@settings(max_examples=60, deadline=None)
@given(
    keys=st.lists(st.one_of(st.integers(-30, 30), st.sampled_from([-(1 << 63), (1 << 63) - 1])), max_size=20),
    width=st.one_of(st.integers(1, 9), st.just(1 << 62)),
    chunks=st.lists(st.integers(-1, 1), min_size=1, max_size=3),
)
def test_rows_of_chunks_are_those_that_fall_into_them(keys: list[int], width: int, chunks: list[int]) -> None:
    rows = [{"id": tsql.Int(key, 64), "note": None} for key in keys]
    columns = scan(ID, NOTHING, chunking=Chunking(width=width))
    found = asked(statements.rows_of_chunks(columns, chunks, ""), rows)
    wanted = [key for key in keys if int(Decimal(key) / width) in chunks]
    assert [int.from_bytes(row[1].data, signed=True) for row in found] == wanted


def test_rows_of_some_chunks_are_summed_up_by_smaller_ones() -> None:
    rows = [{"id": tsql.Int(i, 64), "note": None} for i in range(-30, 30)]
    columns = scan(ID, NOTHING, chunking=Chunking(width=10))
    found = asked(statements.sums_of_chunks(columns, [-1, 1], 4), rows)
    assert sorted((row[0].value, row[1].value) for row in found) == [(-4, 4), (-3, 4), (-2, 2), (2, 2), (3, 4), (4, 4)]
    whole = {
        row[0].value: row
        for row in asked(statements.chunk_sums(replace(columns, chunking=Chunking(width=4)), WHOLE), rows)
    }
    assert [whole[chunk] for chunk in (-4, -3, 3, 4)] == [
        row for row in sorted(found, key=lambda row: int(row[0].value)) if abs(row[0].value) > 2
    ]


def test_segments_bound_the_rows_beside_the_operators_own_condition() -> None:
    rows = [{"id": tsql.Int(i, 64), "note": None} for i in range(-3, 10)]
    columns = scan(ID, NOTHING, chunking=Chunking(width=1), predicate="[id] <> 4 OR 1 = 0 -- not the fourth")
    assert [row[0].value for row in asked(statements.chunk_sums(columns, Segment(2, 7)), rows)] == [2, 3, 5, 6]


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        ({"slice": Slice(2, None)}, [2, 3, 5, 6]),
        ({"slice": Slice(None, 3)}, [0, 1, 2]),
        ({"slice": Slice(1, 6), "since": Since("at", "0x00000000000000A3")}, [3, 5]),
        ({"since": Since("id", "5")}, [5, 6]),
    ],
)
def test_a_scan_may_be_limited_to_a_slice_or_to_what_is_newer(limits: dict[str, Any], found: list[int]) -> None:
    rows = [{"id": tsql.Int(i), "at": tsql.Binary(bytes([*bytes(7), 160 + i]))} for i in range(7)]
    number = ColumnRead(Column("id", "int", nullable=False, precision=10, scale=0), Form(Kind.INTEGER))
    at = ColumnRead(Column("at", "binary", nullable=False, length=8), Form(Kind.BINARY))
    columns = replace(scan(number, at, chunking=Chunking(width=1), predicate="[id] <> 4"), **limits)
    for statement in (statements.rows_of_chunks(columns, range(9), ""), statements.chunk_sums(columns, WHOLE)):
        rows_of = statement.replace("N'5'", "5")  # the engine compares numbers with numbers
        assert [_number(row) for row in asked(rows_of, rows)] == found
    assert "[id] >= N'it''s'" in statements.chunk_sums(replace(columns, since=Since("id", "it's")), WHOLE)


def _number(row: tuple[Any, ...]) -> int:
    return row[0].value if isinstance(row[0], tsql.Int) else int.from_bytes(row[1].data)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_keys_are_found_by_value_or_by_their_hash(data: st.DataObject) -> None:
    """By value the server may find more, and never less; the session takes those out by their bytes."""
    sort = SORTS[data.draw(st.sampled_from(NAMES))]
    if sort.told.column.name in SHORT and data.draw(st.booleans()):
        sort = replace(sort, told=_in_long_form(sort))
    values = data.draw(st.lists(st.one_of(st.none(), sort.values), min_size=1, max_size=6))
    rows = [{"id": tsql.Int(i, 64), sort.told.column.name: value} for i, value in enumerate(values)]
    columns = scan(sort.told, ID)
    key = sort.form(data.draw(st.sampled_from(values)))
    if column_sql.found_by_value(sort.told):
        bound = [] if key is None else [tsql.Text(column_sql.key_text(sort.told, key))]
        by_null = statements.rows_by_value_or_null(columns, [[key is None]], COLLATIONS, "")
        found = asked(by_null, rows, *bound)
        if key is not None:
            assert asked(statements.rows_by_value(columns, 2, COLLATIONS, ""), rows, *bound, *bound) == found
    else:
        digest = canonical.digest(canonical.frame([sort.told.form], [key]))
        found = asked(statements.rows_by_hash(columns, 1, ""), rows, tsql.Binary(digest))
    places = [int.from_bytes(row[2].data) for row in found if parts(row)[1] == key]
    assert places == [i for i, value in enumerate(values) if sort.form(value) == key]


def test_a_key_that_the_column_cannot_hold_finds_nothing_and_is_no_error() -> None:
    rows = [{"int": tsql.Int(5), "id": tsql.Int(1, 64)}]
    number = Form(Kind.NUMBER, 2)
    for form, value in [(Form(Kind.INTEGER), 99_999_999_999), (number, Decimal("5.5")), (number, Decimal("NaN"))]:
        told = replace(SORTS["int"].told, form=form)
        text = column_sql.key_text(told, canonical.encode(form, value))
        found = asked(statements.rows_by_value(scan(told, ID), 1, {}, ""), rows, tsql.Text(text))
        assert [parts(row)[1] for row in found] in ([], [b"5.00"])  # of 5.5 the 5 is found, whose bytes are others
    for name, text in [("date", "infinity"), ("datetime", "2025-01-02T03:04:05.000001"), ("varbinary", "odd")]:
        sort = SORTS[name]
        assert not asked(
            statements.rows_by_value(scan(sort.told, ID), 1, {}, ""),
            [{name: None, "id": tsql.Int(1, 64)}],
            tsql.Text(text),
        )


LITERALS: dict[Kind, list[Any]] = {
    Kind.BOOLEAN: [True, False],
    Kind.INTEGER: [0, 255],
    Kind.NUMBER: [0, 200],
    Kind.FLOAT: [0.1, -1e300, 5e-324],
    Kind.SINGLE: [0.5, -(2.0**100)],
    Kind.TEXT: ["", " ", "Grüße 🚀 ", "a" * 2000],
    Kind.BINARY: [b"", b"\x00\xff", bytes(2000)],
}


@pytest.mark.parametrize("name", SORTS)
def test_literals_are_told_as_python_tells_them(name: str) -> None:
    sort = SORTS[name]
    column, form = sort.told.column, sort.told.form
    if form.kind in LITERALS:
        values = [canonical.encode(form, value) for value in LITERALS[form.kind]]
        native = Form(Kind.INTEGER) if column.type in ("smallint", "bigint") else form
        texts = [canonical.literal(native, value) for value in LITERALS[form.kind]]
    else:
        made = {
            "uniqueidentifier": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
            "date": ["0001-01-01", "9999-12-31"],
            "time": ["23:59:59.999999", "00:00:00"],
            "datetime": ["1753-01-01T00:00:00", "9999-12-31T23:59:59.997"],
            "smalldatetime": ["1900-01-01T00:00:00", "2079-06-06T23:59:00"],
            "datetime2": ["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"],
            "datetimeoffset": ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00"],
        }[name]
        texts = made
        values = [sort.form(tsql.cast(tsql.Text(text), column.type, column.scale)) or b"" for text in made]
        assert [canonical.as_text(form, value) for value in values] == made
    statement = statements.literal_forms(column, form, [True] * len(texts) + [False])
    found = [parts(row) for row in run(statement, {}, [tsql.Text(text) for text in texts])]
    frames = [canonical.frame([form], [part]) for part in (*values, None)]
    assert found == [[part, canonical.digest(frame)] for part, frame in zip((*values, None), frames, strict=True)]


def test_literals_to_be_streamed_are_constants_in_rows() -> None:
    told = [SORTS["varchar"].told, SORTS["date"].told, SORTS["smallint"].told, SORTS["image"].told]
    made = statements.stream_literals(told, [["it's", None], ["1970-01-02", None], ["7", None], ["00ff", None]])
    assert made.types == ("VARCHAR", "DATE", "DECIMAL(8, 2)", "BLOB")
    first, second = run(made.select, {})
    assert first == (
        tsql.Int(1),
        tsql.Text("it's", utf8=True),
        tsql.Int(1),
        tsql.Int(7, 16),
        tsql.Binary(b"\x00\x00\xff"),  # no large object
    )
    assert second == (tsql.Int(2), None, None, None, None)
    (row,) = run(statements.stream_literals([SORTS["ntext"].told], [["long"]], utf8=False).select, {})
    assert row == (tsql.Int(1), None)


def test_without_utf_8_text_comes_as_text_and_is_not_hashed() -> None:
    rows = [{"id": tsql.Int(1, 64), "varchar": tsql.Text("é€", wide=False)}]
    columns = scan(ID, SORTS["varchar"].told, chunking=Chunking(width=9))
    found = [
        statements.rows_of_chunks(columns, [0], "", utf8=False),
        statements.rows_by_value(columns, 1, COLLATIONS, "", utf8=False),
        statements.literal_forms(columns.columns[1].column, columns.columns[1].form, [True], utf8=False),
        statements.stream(columns, WHOLE).select,
    ]
    assert not [statement for statement in found if "UTF8" in statement]
    assert asked(found[0], rows)[0][2] == tsql.Text("é€")
    assert run(found[2], {}, [tsql.Text("Grüße 🚀")]) == [(tsql.Text("Grüße 🚀"), tsql.Binary(b""))]


def test_a_thousand_columns_and_a_frame_beyond_8000_bytes_are_hashed_whole() -> None:
    told = [
        replace(SORTS["nvarchar"].told, column=replace(SORTS["nvarchar"].told.column, name=f"n{i}")) for i in range(999)
    ]
    columns = scan(ID, *told, chunking=Chunking(width=1))
    statement = statements.chunk_sums(columns, WHOLE)
    texts = [f"{i} ü" for i in range(999)]
    row = {"id": tsql.Int(1, 64), **{f"n{i}": tsql.Text(text) for i, text in enumerate(texts)}}
    made = [canonical.encode(ID.form, 1), *(text.encode() for text in texts)]
    frame = canonical.frame(columns.forms, made)
    assert len(frame) > 8000
    ((_, _, total),) = asked(statement, [row])
    assert total == canonical.row_hash(frame)
    assert _depth(statement) < 20


def _depth(statement: str) -> int:
    """How deep brackets are nested: the server refuses a statement that is nested too deeply (error 191)."""
    deepest = depth = 0
    for letter in statement:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        deepest = max(deepest, depth)
    return deepest


GOLDEN = scan(
    ColumnRead(Column("id", "int", nullable=False, precision=10, scale=0), Form(Kind.INTEGER)),
    ColumnRead(Column("amount", "decimal", nullable=True, precision=10, scale=2), Form(Kind.NUMBER, 4, 12)),
    ColumnRead(Column("word", "varchar", nullable=True, length=20), Form(Kind.TEXT)),
    ColumnRead(Column("at", "datetime2", nullable=True, scale=7), Form(Kind.TIMESTAMP)),
    ColumnRead(Column("body", "nvarchar", nullable=True), Form(Kind.TEXT, long=True)),
    chunking=Chunking(width=100),
    predicate="[gone] = 0",
)
SCAN = " OPTION (MAXDOP 1, RECOMPILE)"
READ = "FROM (SELECT [id], [amount], [word], [at], [body]{version} FROM [dbo].[odd]]name] WHERE ([gone] = 0\n){where}) AS t"
FORMS = (
    " CROSS APPLY (VALUES (CAST(CAST(t.[body] COLLATE Latin1_General_100_BIN2_UTF8 AS varchar(max)) AS varbinary(max)))) AS w (c4)"
    " CROSS APPLY (VALUES (CAST(CAST(t.[id] AS bigint) AS binary(8)),"
    " CAST(CONVERT(varchar(41), t.[amount]) + '00' AS varbinary(46)),"
    " CAST(CAST(CAST(t.[word] AS nvarchar(20)) COLLATE Latin1_General_100_BIN2_UTF8 AS varchar(60)) AS varbinary(60)),"
    " CAST(DATEDIFF_BIG(microsecond, CAST('20000101' AS datetime2(7)), t.[at])"
    " + CASE WHEN DATEPART(nanosecond, t.[at]) % 1000 >= 500 THEN 1 ELSE 0 END AS binary(8)),"
    " CASE WHEN DATALENGTH(w.c4) <= 7999 THEN 0x00 + w.c4 WHEN DATALENGTH(w.c4) > 7999 THEN 0x01"
    " + CAST(CAST(DATALENGTH(w.c4) AS bigint) AS binary(8)) + HASHBYTES('SHA2_256', w.c4) END)) AS f (c0, c1, c2, c3, c4)"
)
VARIABLE = "CASE WHEN f.{c} IS NULL THEN 0x{oid}FFFFFFFF ELSE 0x{oid} + CAST(CAST(DATALENGTH(f.{c}) AS int) AS binary(4)) + f.{c} END"
FIXED = "CASE WHEN f.{c} IS NULL THEN 0x{oid}FFFFFFFF ELSE 0x{oid}00000008 + f.{c} END"


def test_the_push_down_statement_word_for_word() -> None:
    frame = " + ".join(
        [
            FIXED.format(c="c0", oid="00000014"),
            VARIABLE.format(c="c1", oid="00000019"),
            VARIABLE.format(c="c2", oid="00000019"),
            FIXED.format(c="c3", oid="0000045A"),
            VARIABLE.format(c="c4", oid="00000011"),
        ]
    )
    assert statements.chunk_sums(GOLDEN, Segment(0, 5_000_000_000)) == (
        "SELECT q.chunk, COUNT_BIG(*), SUM(CAST(q.h AS decimal(38, 0))) FROM (SELECT t.[id] / 100 AS chunk,"
        f" CAST(SUBSTRING(HASHBYTES('MD5', 0x00000005 + (CAST(0x AS varbinary(max)) + {frame})), 1, 8) AS bigint) AS h "
        + READ.format(version="", where=" AND ([id] >= 0 AND [id] < CAST(5000000000 AS bigint)\n)")
        + FORMS
        + f") AS q GROUP BY q.chunk{SCAN}"
    )


def test_the_other_statements_word_for_word() -> None:
    columns = "f.c0, f.c1, f.c2, f.c3, f.c4"
    assert statements.rows_of_chunks(GOLDEN, [0, -1, 7], "rv") == (
        f"SELECT CAST(t.[rv] AS binary(8)), {columns} "
        + READ.format(version=", [rv]", where=" AND ([id] BETWEEN -199 AND 99 OR [id] BETWEEN 700 AND 799\n)")
        + FORMS
        + SCAN
    )
    assert statements.rows_by_value(GOLDEN, 2, {}, "") == (
        f"SELECT 0x, {columns} "
        + READ.format(version="", where="")
        + " JOIN (SELECT DISTINCT v.k0 FROM (VALUES (TRY_CAST(? AS int)), (TRY_CAST(? AS int))) AS v (k0)) AS k ON t.[id] = k.k0"
        + FORMS
    )
    assert statements.rows_by_value_or_null(GOLDEN, [[False], [True]], {}, "") == (
        f"SELECT 0x, {columns} "
        + READ.format(version="", where=" AND (([id] = TRY_CAST(? AS int)) OR ([id] IS NULL)\n)")
        + FORMS
    )
    hashed = replace(GOLDEN, chunking=Chunking(columns=1, buckets=9))
    key = f"CAST(SUBSTRING(HASHBYTES('MD5', 0x00000001 + {FIXED.format(c='c0', oid='00000014')}), 1, 4) AS bigint) % 9"
    assert statements.rows_of_chunks(hashed, [3, 4], "") == (
        f"SELECT 0x, {columns} " + READ.format(version="", where="") + FORMS + f" WHERE {key} IN (3, 4){SCAN}"
    )
    whole = FORMS[: FORMS.index(" CROSS APPLY", 5)]
    assert statements.stream(GOLDEN, Segment(None, 7)).select == (
        "SELECT t.[id] AS c0, t.[amount] AS c1, CAST(t.[word] AS nvarchar(20)) AS c2,"
        " DATEDIFF_BIG(microsecond, CAST('19700101' AS datetime2(7)), t.[at])"
        " + CASE WHEN DATEPART(nanosecond, t.[at]) % 1000 >= 500 THEN 1 ELSE 0 END AS c3,"
        " CAST(CASE WHEN DATALENGTH(w.c4) <= 7999 THEN 0x00 + w.c4 WHEN DATALENGTH(w.c4) > 7999 THEN 0x01"
        " + CAST(CAST(DATALENGTH(w.c4) AS bigint) AS binary(8)) + HASHBYTES('SHA2_256', w.c4) END AS varbinary(8000)) AS c4 "
        + READ.format(version="", where=" AND ([id] < 7\n)")
        + whole
        + SCAN
    )


@pytest.mark.parametrize(
    ("type_name", "length", "kind", "words"),
    [
        ("varchar", 20, Kind.TEXT, "CAST(? COLLATE Cyrillic_General_CI_AS AS varchar(20))"),
        ("char", 8, Kind.TEXT, "CAST(? COLLATE Cyrillic_General_CI_AS AS varchar(8))"),
        ("nvarchar", 20, Kind.TEXT, "? COLLATE Cyrillic_General_CI_AS"),
        ("binary", 16, Kind.BINARY, "TRY_CONVERT(varbinary(16), ?, 2)"),
        ("varbinary", 900, Kind.BINARY, "TRY_CONVERT(varbinary(900), ?, 2)"),
    ],
)
def test_a_key_is_looked_for_as_the_columns_own_type_so_that_an_index_finds_it(
    type_name: str, length: int, kind: Kind, words: str
) -> None:
    """Of two types the column would be converted, row by row; of another code page a letter might be lost."""
    told = ColumnRead(Column("c", type_name, nullable=True, length=length), Form(kind))
    assert column_sql.sought(told, "Cyrillic_General_CI_AS") == words


def test_keys_that_the_server_takes_for_equal_find_their_row_once() -> None:
    rows = [{"id": tsql.Int(1, 64), "varchar": tsql.Text("Ab", wide=False)}]
    statement = statements.rows_by_value(scan(SORTS["varchar"].told, ID), 3, COLLATIONS, "")
    assert len(asked(statement, rows, *map(tsql.Text, ("ab", "AB", "ab ")))) == 1


def test_of_rows_that_are_planted_those_of_the_slice_are_summed_up_and_read() -> None:
    """Its first and its last key, not those right beside it; narrowed within the slice, too."""
    planted = (("9", "a"), ("10", "a"), ("10", None), ("19", "a"), ("20", "a"))
    columns = replace(scan(ID, NOTHING, chunking=Chunking(width=2)), planted=planted, slice=Slice(10, 20))
    made = {key: [canonical.encode(ID.form, key), canonical.encode(NOTHING.form, "a")] for key in (10, 19)}
    null = [made[10][0], None]
    sums = {key: canonical.row_hash(canonical.frame(columns.forms, row)) for key, row in made.items()}
    of_null = canonical.row_hash(canonical.frame(columns.forms, null))
    expected = {(5, 2, sums[10] + of_null), (9, 1, sums[19])}
    assert {(c.value, n.value, int(s)) for c, n, s in asked(statements.chunk_sums(columns, WHOLE), [])} == expected
    narrowed = asked(statements.sums_of_chunks(columns, [4, 5, 9, 10], 1), [])
    assert {(c.value, n.value) for c, n, _ in narrowed} == {(10, 2), (19, 1)}
    rows = asked(statements.rows_of_chunks(columns, [4, 5, 9, 10], "version"), [])
    assert sorted(parts(row[1:]) for row in rows if row[2]) == [made[10], made[19]]
    assert [parts(row[1:]) for row in rows if not row[2]] == [null]
