"""The statements of a comparison in T-SQL: frames, hashes and chunks as `values.types` and `table_read` define them. Nothing is asked here.

A statement reads the columns of a scan in a derived table ``t``, in which the pipeline's filter stands alone with the table,
applies to it the whole bytes ``w`` of long values, and to both the canonical forms ``f``. Whole numbers of our own stand in
the text as constants; all else is bound.

Microsoft's reference: "+ (String Concatenation)" cuts off at 8,000 bytes unless an operand is varbinary(max), from left to
right, so every group of a long frame begins with one; "/ (Division)" of integers cuts off towards zero; "HASHBYTES" has
MD5 (deprecated in name only); "Expressions": groups keep the nesting of 1,000 columns shallow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from cdcproof.databases.names import Column
from cdcproof.databases.sqlserver.queries import catalogue, column_sql
from cdcproof.databases.table_read import Chunking, ColumnRead, Segment, Slice, Stream, TableRead
from cdcproof.databases.values.types import FORM_BYTES, Form

_ANY = "DATABASE_DEFAULT"
_MOST_BYTES = 8000
_PIECES_IN_A_GROUP = 32
_ROWVERSION = re.compile(r"0x[0-9A-F]{16}")


def chunk_sums(scan: TableRead, segment: Segment) -> str:
    """Rows by chunk: chunk, how many, and the sum of their hashes."""
    return _sums(scan, _within(scan, segment))


def sums_of_chunks(scan: TableRead, chunks: Sequence[int], width: int) -> str:
    """`chunk_sums` of the rows in these chunks of a width, by chunks of another one."""
    return _sums(replace(scan, chunking=Chunking(width=width)), _in_ranges(scan, chunks))


def stream(scan: TableRead, segment: Segment) -> Stream:
    """A segment's rows as `sqlserver.arrow` reads them."""
    hashed = 0 if scan.chunking.width else scan.chunking.columns
    values = [f"{_streamed(field, i, _value(field))} AS c{i}" for i, field in enumerate(scan.columns)]
    if hashed:
        values.insert(0, f"{_chunk(scan)} AS chunk")
    select = f"SELECT {', '.join(values)}{_from(scan, _within(scan, segment), hashed)}{catalogue.SCAN}"
    return Stream(select, tuple(map(column_sql.streamed_type, scan.columns)))


def rows_of_chunks(scan: TableRead, chunks: Sequence[int], version: str, *, utf8: bool = True) -> str:
    """All rows of these chunks: the column `version` (or nothing, where that is empty), then every form.

    Without UTF-8 at the server a text that is not long comes as text.
    """
    if scan.chunking.width:
        return _rows(scan, version, _in_ranges(scan, chunks), "", utf8=utf8) + catalogue.SCAN
    return _rows(scan, version, "", f"{_chunk(scan)} IN ({', '.join(map(str, chunks))})", utf8=utf8) + catalogue.SCAN


def rows_by_value(scan: TableRead, keys: int, collations: Mapping[str, str], version: str, *, utf8: bool = True) -> str:
    """Rows whose key has one of so many values, none of them NULL, each bound as text. `collations` are those of text columns, by name.

    Joined, so that each is one seek where an index begins with the key. SQL Server may find more: in most collations letters are
    equal in either case, and trailing blanks never count. DISTINCT compares as the join does, so that no row is found twice.
    """
    names = ", ".join(f"k{i}" for i in range(scan.key_width))
    values = ", ".join(column_sql.sought(field, collations.get(field.column.name, _ANY)) for field in scan.key)
    rows = ", ".join([f"({values})"] * keys)
    same = " AND ".join(f"{_stored(field)} = k.k{i}" for i, field in enumerate(scan.key))
    found = ", ".join(f"v.k{i}" for i in range(scan.key_width))
    joined = f" JOIN (SELECT DISTINCT {found} FROM (VALUES {rows}) AS v ({names})) AS k ON {same}"  # noqa: S608  made of constants
    return _rows(scan, version, "", "", joined, utf8=utf8)


def rows_by_value_or_null(
    scan: TableRead, nulls: Sequence[Sequence[bool]], collations: Mapping[str, str], version: str, *, utf8: bool = True
) -> str:
    """`rows_by_value` of keys that hold NULLs: `nulls` says of each key which are NULL and not bound."""
    keys = (
        " AND ".join(
            f"{catalogue.quoted(field.column.name)} "
            f"{'IS NULL' if null else f'= {column_sql.sought(field, collations.get(field.column.name, _ANY))}'}"
            for field, null in zip(scan.key, key, strict=True)
        )
        for key in nulls
    )
    return _rows(scan, version, " OR ".join(f"({key})" for key in keys), "", utf8=utf8)


def rows_by_hash(scan: TableRead, keys: int, version: str) -> str:
    """Rows whose key's frame has one of so many MD5s, each bound: where a value does not find it (`column_sql.found_by_value`)."""
    return (
        _rows(scan, version, "", f"HASHBYTES('MD5', {frame(scan.key)}) IN ({', '.join('?' * keys)})") + catalogue.SCAN
    )


def sample(scan: TableRead, rows: int, *, utf8: bool = True) -> str:
    """No version, and every form of some rows, whichever come first."""
    return f"SELECT TOP ({rows}) {_rows(scan, '', '', '', utf8=utf8).removeprefix('SELECT ')}"


def literal_forms(column: Column, form: Form, bound: Sequence[bool], *, utf8: bool = True) -> str:
    """The form of literals and the MD5 of its frame, in order; each literal is bound, but where `bound` says NULL.

    Without UTF-8 at the server, text comes as text and there is no MD5.
    """
    field = ColumnRead(column_sql.wide(column, form), form)
    null = f"CAST(NULL AS {column_sql.declared(field.column)})"
    value = column_sql.literal(field.column, form, utf8=utf8)
    rows = ", ".join(f"({i}, {value if is_bound else null})" for i, is_bound in enumerate(bound))
    as_text = not utf8 and column_sql.needs_utf8(field)
    hashed = "0x" if as_text else f"HASHBYTES('MD5', {frame([field])})"
    applied = _applied([field], [column_sql.value(field, "l.v")], 1, utf8=utf8)
    return f"SELECT f.c0, {hashed} FROM (VALUES {rows}) AS l (n, v){applied} ORDER BY l.n"  # noqa: S608  made of constants


def stream_literals(
    columns: Sequence[ColumnRead], literals: Sequence[Sequence[str | None]], *, utf8: bool = True
) -> Stream:
    """Rows of literals as `stream` would give them, a list of them for each column; ``chunk`` is a row's number, from 1.

    Without UTF-8 at the server the literals of long text are NULL: it cannot be streamed.
    """
    wide = [ColumnRead(column_sql.wide(field.column, field.form), field.form) for field in columns]
    rows = ", ".join(
        f"({', '.join([str(number), *(_constant(field, text, utf8=utf8) for field, text in zip(wide, row, strict=True))])})"
        for number, row in enumerate(zip(*literals, strict=True), start=1)
    )
    values = [column_sql.value(field, f"l.v{i}") for i, field in enumerate(wide)]
    made = ", ".join(f"{_streamed(field, i, values[i])} AS c{i}" for i, field in enumerate(wide))
    source = f"(VALUES {rows}) AS l (n, {', '.join(f'v{i}' for i in range(len(wide)))})"
    select = f"SELECT l.n AS chunk, {made} FROM {source}{_applied(wide, values, 0, utf8=utf8)}"  # noqa: S608  quoted
    return Stream(select, tuple(map(column_sql.streamed_type, columns)))


def frame(columns: Sequence[ColumnRead]) -> str:
    """The frame of the first columns of ``f``."""
    pieces = [_piece(field, f"f.c{i}") for i, field in enumerate(columns)]
    count = f"0x{len(columns):08X}"
    sizes = [column_sql.most_bytes(field) for field in columns]
    if None not in sizes and 4 + sum(8 + (size or 0) for size in sizes) <= _MOST_BYTES:
        return " + ".join([count, *pieces])
    groups = [pieces[at : at + _PIECES_IN_A_GROUP] for at in range(0, len(pieces), _PIECES_IN_A_GROUP)]
    return " + ".join([count, *(f"(CAST(0x AS varbinary(max)) + {' + '.join(group)})" for group in groups)])


def _sums(scan: TableRead, where: str) -> str:
    hashed = f"CAST(SUBSTRING(HASHBYTES('MD5', {frame(scan.columns)}), 1, 8) AS bigint)"
    rows = f"SELECT {_chunk(scan)} AS chunk, {hashed} AS h{_from(scan, where, len(scan.columns))}"
    sums = "q.chunk, COUNT_BIG(*), SUM(CAST(q.h AS decimal(38, 0)))"
    return f"SELECT {sums} FROM ({rows}) AS q GROUP BY q.chunk{catalogue.SCAN}"  # noqa: S608  made of quoted names


def _piece(field: ColumnRead, form: str) -> str:
    oid = f"0x{field.form.oid:08X}"
    length = column_sql.fixed_length(field.form)
    if length is None:
        whole = f"{oid} + CAST(CAST(DATALENGTH({form}) AS int) AS binary(4)) + {form}"
    else:
        whole = f"{oid}{length:08X} + {form}"
    return f"CASE WHEN {form} IS NULL THEN {oid}FFFFFFFF ELSE {whole} END"


def _chunk(scan: TableRead) -> str:
    chunking = scan.chunking
    if chunking.width:
        return f"{_value(scan.columns[0])} / {column_sql.integer(chunking.width)}"
    key = frame(scan.columns[: chunking.columns])
    return f"CAST(SUBSTRING(HASHBYTES('MD5', {key}), 1, 4) AS bigint) % {chunking.buckets}"


def _rows(scan: TableRead, version: str, where: str, having: str, joined: str = "", *, utf8: bool = True) -> str:
    version = "" if scan.planted is not None else version
    versioned = f"CAST(t.{catalogue.quoted(version)} AS binary(8))" if version else "0x"
    forms = ", ".join(f"f.c{i}" for i in range(len(scan.columns)))
    source = _from(scan, where, len(scan.columns), version, joined, utf8=utf8)
    return f"SELECT {versioned}, {forms}{source}{f' WHERE {having}' if having else ''}"


def _from(scan: TableRead, where: str, formed: int, version: str = "", joined: str = "", *, utf8: bool = True) -> str:
    """The table, what is `joined` with and applied to it, the forms of the first `formed` columns among it."""
    columns = dict.fromkeys(catalogue.quoted(field.column.name) for field in scan.columns)
    names = [*columns, *([catalogue.quoted(version)] if version else [])]
    conditions = [f"({condition}\n)" for condition in (scan.predicate, *_limits(scan), where) if condition]
    filtered = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    read = f"SELECT {', '.join(names)} FROM {_relation(scan)}{filtered}"  # noqa: S608  quoted
    return f" FROM ({read}) AS t{joined}{_applied(scan.columns, [_value(field) for field in scan.columns], formed, utf8=utf8)}"


def _relation(scan: TableRead) -> str:
    """What is read: the table, or a derived table of the rows that are planted in its place, with its columns' names and types."""
    if scan.planted is None:
        return catalogue.name(scan.table)
    columns = ", ".join(
        f"{_by_row(field, [row[i] for row in scan.planted])} AS {catalogue.quoted(field.column.name)}"
        for i, field in enumerate(scan.columns)
    )
    numbers = ", ".join(f"({number})" for number in range(len(scan.planted)))
    return f"(SELECT {columns} FROM (VALUES {numbers}) AS l (n)) AS p"  # noqa: S608  made of constants


def _by_row(field: ColumnRead, texts: Sequence[str | None]) -> str:
    """The value of row ``l.n``."""
    rows: dict[str | None, list[int]] = {}
    for number, text in enumerate(texts):
        rows.setdefault(text, []).append(number)
    most = max(rows, key=lambda text: len(rows[text]))
    cases = "".join(
        f" WHEN l.n IN ({', '.join(map(str, numbers))}) THEN {column_sql.stored_literal(field.column, text)}"
        for text, numbers in rows.items()
        if text != most
    )
    value = column_sql.stored_literal(field.column, most)
    return f"CASE{cases} ELSE {value} END" if cases else value


def _applied(columns: Sequence[ColumnRead], values: Sequence[str], formed: int, *, utf8: bool) -> str:
    wholes = {
        f"c{i}": _whole(field, values[i], utf8=utf8)
        for i, field in enumerate(columns)
        if column_sql.may_be_hashed(field)
    }
    forms = {f"c{i}": _form(field, i, values[i], utf8=utf8) for i, field in enumerate(columns[:formed])}
    return "".join(
        f" CROSS APPLY (VALUES ({', '.join(made.values())})) AS {alias} ({', '.join(made)})"
        for alias, made in (("w", wholes), ("f", forms))
        if made
    )


def _whole(field: ColumnRead, value: str, *, utf8: bool) -> str:
    is_made = utf8 or not column_sql.needs_utf8(field)
    return column_sql.canonical(field, value) if is_made else "CAST(NULL AS varbinary(max))"


def _form(field: ColumnRead, place: int, value: str, *, utf8: bool) -> str:
    if column_sql.may_be_hashed(field):
        return column_sql.long_form(f"w.c{place}")
    if not utf8 and column_sql.needs_utf8(field):
        return column_sql.unicode_text(field.read, value)
    return column_sql.canonical(field, value)


def _streamed(field: ColumnRead, place: int, value: str) -> str:
    if not column_sql.may_be_hashed(field):
        return column_sql.columnar(field, value)
    return f"CAST({column_sql.long_form(f'w.c{place}')} AS varbinary({FORM_BYTES}))"


def _constant(field: ColumnRead, text: str | None, *, utf8: bool) -> str:
    if text is None:
        return f"CAST(NULL AS {column_sql.declared(field.column)})"
    return column_sql.literal(field.column, field.form, catalogue.constant(text), utf8=utf8)


def _within(scan: TableRead, bounds: Segment | Slice) -> str:
    column = catalogue.quoted(scan.columns[0].column.name)
    conditions = [
        f"{column} {sign} {column_sql.integer(value)}"
        for sign, value in ((">=", bounds.low), ("<", bounds.high))
        if value is not None
    ]
    return " AND ".join(conditions)


def _limits(scan: TableRead) -> list[str]:
    """What a scan is limited to beyond the pipeline's filter."""
    limits = [_within(scan, scan.slice)] if scan.slice else []
    if scan.since:
        value = scan.since.value if _ROWVERSION.fullmatch(scan.since.value) else catalogue.constant(scan.since.value)
        limits.append(f"{catalogue.quoted(scan.since.column)} >= {value}")
    return limits


def _in_ranges(scan: TableRead, chunks: Sequence[int]) -> str:
    column = catalogue.quoted(scan.columns[0].column.name)
    found = (
        f"{column} BETWEEN {column_sql.integer(low)} AND {column_sql.integer(high)}"
        for low, high in scan.chunking.ranges(chunks)
    )
    return " OR ".join(found)


def _value(field: ColumnRead) -> str:
    return column_sql.value(field, _stored(field))


def _stored(field: ColumnRead) -> str:
    return f"t.{catalogue.quoted(field.column.name)}"
