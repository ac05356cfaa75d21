"""The SQL of a comparison: frames, hashes and chunks as `values.types` and `table_read` define them, composed by psycopg. Nothing is asked here.

Functions: PostgreSQL's pg_proc (`record_send`, `md5(bytea)`, those of hash indexes); a cast from bytea to bigint exists since
PostgreSQL 18. OFFSET keeps the server from drawing the hash into the grouping, where it would be computed
more slowly; its 0 is written as text because the planner takes a number, which it has yet to cast, for a reason not to use workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from psycopg import sql

from cdcproof.databases.names import Column, TableName
from cdcproof.databases.postgresql.queries import row_hash as native_hash
from cdcproof.databases.postgresql.queries.column_sql import Server, as_sent, columnar, sent, value
from cdcproof.databases.postgresql.queries.ctid import tid
from cdcproof.databases.table_read import Chunking, ColumnRead, RowHash, Segment, TableRead
from cdcproof.databases.values.types import LONG_BYTES, Form, Kind

_ENDS = ("(0,1)", "(4294967294,1)")
MOST_RANGES = 1_000
"""With more ranges of a key than this the server divides every row's key instead of looking them up."""
_BYTEA_IS_BIGINT = _HASHES_BYTEA = 180_000
_HASHES_RECORDS = 140_000
"""From this version on there is a native hash for every kind."""


def table_name(table: TableName) -> sql.Identifier:
    """Quoted, with its schema."""
    return sql.Identifier(table.schema, table.table)


def condition(predicate: str) -> sql.Composed:
    """The pipeline's own condition in brackets; the line break ends a comment in it."""
    return sql.SQL("({}\n)").format(sql.SQL(predicate))


def data_in(table: TableName, columns: Sequence[str], predicate: str = "") -> sql.Composed:
    """A row that holds data in any of the columns: for each column whether it does.

    ``IS DISTINCT FROM NULL``, because ``IS NOT NULL`` is false for a composite value that has a NULL in it.
    """
    filled = [sql.SQL("{} IS DISTINCT FROM NULL").format(sql.Identifier(column)) for column in columns]
    conditions = sql.SQL("({})").format(sql.SQL(" OR ").join(filled))
    if predicate:
        conditions += sql.SQL(" AND {}").format(condition(predicate))
    return sql.SQL("SELECT {} FROM {} WHERE {} LIMIT 1").format(
        sql.SQL(", ").join(filled), table_name(table), conditions
    )


def chunk_sums(scan: TableRead, segment: Segment, server: Server) -> sql.Composed:
    """Chunk, rows, sum of their hashes."""
    return summed(hashed(scan, within(segment), server))


def sums_of_chunks(scan: TableRead, chunks: Sequence[int], width: int, server: Server) -> sql.Composed:
    """`chunk_sums` of the rows in these chunks of a width, by chunks of another one."""
    smaller = replace(scan, chunking=Chunking(width=width))
    return summed(hashed(smaller, _in_chunks(scan, chunks, server), server))


def summed(rows: sql.Composable) -> sql.Composed:
    """Chunk, rows, sum of their hashes, of what `hashed` made."""
    return sql.SQL("SELECT chunk, count(*), sum(hash) FROM {} GROUP BY chunk").format(rows)


def hashed(scan: TableRead, conditions: Sequence[sql.Composable], server: Server) -> sql.Composed:
    """Chunk and hash of every row for which these conditions hold, to be selected from."""
    return sql.SQL("(SELECT {} AS chunk, {} AS hash FROM {}{} OFFSET '0') AS hashed").format(
        _chunk(scan, server), row_hash(scan, server), _relation(scan), where(scan, conditions)
    )


def stream(scan: TableRead, segment: Segment, server: Server) -> sql.Composed:
    """Every column as a type that DuckDB reads without loss (`table_read.Stream`)."""
    columns = [_named(field, f"c{i}", server) for i, field in enumerate(scan.columns)]
    if not scan.chunking.width:
        columns.insert(0, sql.SQL("{} AS chunk").format(_chunk(scan, server)))
    return sql.SQL("SELECT {} FROM {}{}").format(
        sql.SQL(", ").join(columns), _relation(scan), where(scan, within(segment))
    )


def chunks_written_since(scan: TableRead, part: Segment, transaction: int, server: Server) -> sql.Composed:
    """Chunks with rows in this part that a transaction of this number or a later one has written there."""
    later = sql.SQL("age(xmin) <= age({}::xid)").format(sql.Literal(str(transaction % 2**32)))
    return sql.SQL("SELECT DISTINCT {} FROM {}{}").format(
        _chunk(scan, server), table_name(scan.table), where(scan, [*within(part), later])
    )


def chunk_rows(scan: TableRead, chunks: Sequence[int], server: Server, *, versioned: bool) -> sql.Composed:
    """Version and forms of every row of these chunks."""
    return _rows(scan, server, _in_chunks(scan, chunks, server), versioned=versioned)


def rows_by_key(scan: TableRead, found: sql.Composable, server: Server, *, versioned: bool) -> sql.Composed:
    """Version and forms of the rows for which `found` holds."""
    return _rows(scan, server, [found], versioned=versioned)


def sample(scan: TableRead, rows: int, server: Server) -> sql.Composed:
    """No version, and the forms of some rows."""
    return sql.SQL("{} LIMIT {}").format(_rows(scan, server, [], versioned=False), sql.Literal(rows))


def literal_forms(column: Column, form: Form, server: Server) -> sql.Composed:
    """A `LiteralForm` of each literal of the array $1."""
    field = _as_column(ColumnRead(column, form), "v")
    native = _native([field], (), server) if server.version >= _HASHES_RECORDS else sql.SQL("NULL")
    return sql.SQL(
        "SELECT {}, decode({}, 'hex'), {} FROM (SELECT {}, n FROM unnest($1::text[]) WITH ORDINALITY AS l (v, n)) AS t ORDER BY n"
    ).format(sent(field, server), _md5([field], server), native, _read(field))


def stream_literals(
    columns: Sequence[ColumnRead], literals: Sequence[Sequence[str | None]], server: Server
) -> sql.Composed:
    """Rows of literals, one list for each column, as `stream` would send them; ``chunk`` is a row's number, from 1."""
    cast = [_as_column(field, f"v{i}") for i, field in enumerate(columns)]
    lists = sql.SQL(", ").join(sql.SQL("{}::text[]").format(sql.Literal(list(one))) for one in literals)
    names = sql.SQL(", ").join(sql.Identifier(field.column.name) for field in cast)
    return sql.SQL(
        "SELECT n AS chunk, {} FROM (SELECT {}, n FROM unnest({}) WITH ORDINALITY AS l ({}, n)) AS t"
    ).format(
        sql.SQL(", ").join(_named(field, f"c{i}", server) for i, field in enumerate(cast)),
        sql.SQL(", ").join(_read(field) for field in cast),
        lists,
        names,
    )


def _named(field: ColumnRead, name: str, server: Server) -> sql.Composed:
    return sql.SQL("{} AS {}").format(columnar(field, server), sql.Identifier(name))


def _md5(columns: Sequence[ColumnRead], server: Server) -> sql.Composed:
    values = sql.SQL(", ").join(as_sent(field, server) for field in columns)
    return sql.SQL("md5(record_send(ROW({})))").format(values)


def row_hash(scan: TableRead, server: Server) -> sql.Composable:
    """The hash of a row, 64 bits with a sign, as `scan.row_hash` says."""
    if scan.row_hash is RowHash.NATIVE:
        return _native(scan.columns, scan.chained, server)
    return _first_bytes(8, _md5(scan.columns, server), server)


def _native(columns: Sequence[ColumnRead], chained: Sequence[int], server: Server) -> sql.Composable:
    """`native_hash.row_hash`."""
    others = [
        _or_zero(field, _native_column(field, place, sql.Literal(native_hash.seed(place)), server))
        for place, field in enumerate(columns)
        if place not in chained
    ]
    hashed: sql.Composable = sql.SQL("({})").format(sql.SQL(" # ").join(others)) if others else sql.SQL("0")
    for place in chained:
        hashed = _native_column(columns[place], place, hashed, server)
    return hashed if chained else sql.SQL("hashint8extended(0, {})").format(hashed)


def _native_column(field: ColumnRead, place: int, seed: sql.Composable, server: Server) -> sql.Composed:
    """`native_hash.column_hash`: the dearest part of a scan, so each kind by the cheapest function that loses nothing."""
    name, form = value(field, server), field.form
    if native_hash.is_wide(form):
        return sql.SQL("hashint8extended({0}::bigint >> 32, hashint8extended({0}::bigint, {1}))").format(name, seed)
    if form.kind is Kind.INTEGER:
        return sql.SQL("hashint4extended({0}::integer, {1})").format(name, seed)
    if form.kind is Kind.BOOLEAN:
        yes, no = (sql.Literal(native_hash.boolean_hash(value, place)) for value in (True, False))
        return sql.SQL("CASE WHEN {0}::boolean THEN {1} WHEN NOT {0}::boolean THEN {2} END").format(name, yes, no)
    if form.kind is Kind.NUMBER and form.precision:
        hashed = "hashint8extended(({0} < 0)::integer, hash_numeric_extended({0}::numeric, {1}))"
        return sql.SQL(hashed).format(name, seed)
    if form.kind is Kind.UUID:
        return sql.SQL("uuid_hash_extended({0}, {1})").format(name, seed)
    return _native_bytes(field, seed, server)


def _native_bytes(field: ColumnRead, seed: sql.Composable, server: Server) -> sql.Composed:
    bytea = sql.SQL(
        "hashbyteaextended({}, {})" if server.version >= _HASHES_BYTEA else "hash_record_extended(ROW({}), {})"
    )
    whole = ColumnRead(field.column, replace(field.form, long=False))
    if field.form.kind in (Kind.TEXT, Kind.NUMBER) and server.encoding == "UTF8":
        hashed = sql.SQL('hashtextextended({} COLLATE "C", {})').format(as_sent(whole, server), seed)
    else:
        hashed = bytea.format(sent(whole, server), seed)
    if not field.form.long:
        return hashed
    length = sql.SQL("octet_length({})").format((as_sent if server.counts_utf8 else sent)(whole, server))
    return sql.SQL("CASE WHEN {} <= {} THEN {} ELSE {} END").format(
        length, sql.Literal(LONG_BYTES), hashed, bytea.format(sent(field, server), seed)
    )


def _or_zero(field: ColumnRead, hashed: sql.Composed) -> sql.Composed:
    return sql.SQL("coalesce({}, 0)").format(hashed) if field.column.nullable else hashed


def _first_bytes(count: int, md5: sql.Composed, server: Server) -> sql.Composed:
    """As a number: eight with a sign, four without."""
    if server.version >= _BYTEA_IS_BIGINT:
        return sql.SQL("substr(decode({}, 'hex'), 1, {})::bigint").format(md5, sql.Literal(count))
    return sql.SQL("('x' || {})::bit({})::bigint").format(md5, sql.Literal(count * 8))


def _chunk(scan: TableRead, server: Server) -> sql.Composed:
    chunking = scan.chunking
    if chunking.width:
        return sql.SQL("{}::bigint / {}").format(
            sql.Identifier(scan.columns[0].column.name), sql.Literal(chunking.width)
        )
    key = scan.columns[: chunking.columns]
    if scan.row_hash is RowHash.NATIVE:
        first = sql.SQL("({} >> 32 & 4294967295)").format(_native(key, scan.chained_in_key, server))
    else:
        first = _first_bytes(4, _md5(key, server), server)
    return sql.SQL("{} % {}").format(first, sql.Literal(chunking.buckets))


def _in_chunks(scan: TableRead, chunks: Sequence[int], server: Server) -> list[sql.Composable]:
    ranges = scan.chunking.ranges(chunks) if scan.chunking.width else ()
    if not ranges or len(ranges) > MOST_RANGES:
        numbers = sql.Literal(f"{{{','.join(map(str, chunks))}}}")
        return [sql.SQL("{} = ANY ({}::bigint[])").format(_chunk(scan, server), numbers)]
    name = sql.Identifier(scan.columns[0].column.name)
    between = (
        sql.SQL("{} BETWEEN {} AND {}").format(name, sql.Literal(low), sql.Literal(high)) for low, high in ranges
    )
    return [sql.SQL("({})").format(sql.SQL(" OR ").join(between))]


def _rows(scan: TableRead, server: Server, conditions: Sequence[sql.Composable], *, versioned: bool) -> sql.Composed:
    version = sql.SQL("xidsend(xmin)" if versioned and scan.planted is None else "''::bytea")
    forms = sql.SQL(", ").join(sent(field, server) for field in scan.columns)
    return sql.SQL("SELECT {}, {} FROM {}{}").format(version, forms, _relation(scan), where(scan, conditions))


def _relation(scan: TableRead) -> sql.Composable:
    """What is read: the table, or a subquery of the rows that are planted in its place, with its columns' names and types.

    They lie where they are to, else in turn in the first page and in the last that a heap can have, which is in the last segment
    however the table grows or shrinks. OFFSET keeps the server from making each value anew wherever the statement names its column.
    """
    if scan.planted is None:
        return table_name(scan.table)
    places = range(len(scan.columns))
    texts = (_by_row([row[place] for row in scan.planted]) + sql.SQL(f" AS c{place}") for place in places)
    return sql.SQL(
        "(SELECT {}, {} AS ctid FROM (SELECT n, {} FROM generate_series(0, {}) AS g (n)) AS texts OFFSET '0') AS planted"
    ).format(
        sql.SQL(", ").join(_read(field, f"c{place}") for place, field in enumerate(scan.columns)),
        _places(scan.planted_at),
        sql.SQL(", ").join(texts),
        sql.Literal(len(scan.planted) - 1),
    )


def _places(planted_at: Sequence[int | None]) -> sql.Composed:
    """Where row ``n`` lies."""
    ends = sql.SQL("CASE n % 2 WHEN 0 THEN {}::tid ELSE {}::tid END").format(*map(sql.Literal, _ENDS))
    if not planted_at:
        return ends
    places = ",".join("NULL" if at is None else f'"{tid(at)}"' for at in planted_at)
    return sql.SQL("coalesce(({}::tid[])[n + 1], {})").format(sql.Literal(f"{{{places}}}"), ends)


def _by_row(texts: Sequence[str | None]) -> sql.Composed:
    """The text of row ``n``."""
    rows: dict[str | None, list[int]] = {}
    for number, text in enumerate(texts):
        rows.setdefault(text, []).append(number)
    most = max(rows, key=lambda text: len(rows[text]), default=None)
    cases = [
        sql.SQL("WHEN n = ANY ({}::int[]) THEN {}").format(
            sql.Literal(f"{{{','.join(map(str, numbers))}}}"), sql.Literal(text)
        )
        for text, numbers in rows.items()
        if text != most
    ]
    if not cases:
        return sql.SQL("{}::text").format(sql.Literal(most))
    return sql.SQL("CASE {} ELSE {}::text END").format(sql.SQL(" ").join(cases), sql.Literal(most))


def within(segment: Segment) -> list[sql.Composable]:
    """Conditions for the rows that lie there."""
    bounds: list[sql.Composable] = []
    if segment.low is not None:
        bounds.append(sql.SQL("ctid >= {}::tid").format(sql.Literal(tid(segment.low))))
    if segment.high is not None:
        bounds.append(sql.SQL("ctid < {}::tid").format(sql.Literal(tid(segment.high))))
    return bounds


def _slice(scan: TableRead) -> list[sql.Composable]:
    low, high = scan.slice or (None, None)
    name = sql.Identifier(scan.columns[0].column.name)
    bounds: list[sql.Composable] = []
    if low is not None:
        bounds.append(sql.SQL("{} >= {}").format(name, sql.Literal(low)))
    if high is not None:
        bounds.append(sql.SQL("{} < {}").format(name, sql.Literal(high)))
    return bounds


def where(scan: TableRead, conditions: Sequence[sql.Composable]) -> sql.Composable:
    """The conditions, and the scan's own; nothing when there are none."""
    found = [*conditions, *_slice(scan)]
    if scan.since:
        found.append(sql.SQL("{} >= {}").format(sql.Identifier(scan.since.column), sql.Literal(scan.since.value)))
    if scan.predicate:
        found.append(condition(scan.predicate))
    return sql.SQL(" WHERE {}").format(sql.SQL(" AND ").join(found)) if found else sql.SQL("")


def _as_column(field: ColumnRead, name: str) -> ColumnRead:
    return ColumnRead(replace(field.column, name=name), field.form)


def _read(field: ColumnRead, literal: str = "") -> sql.Composed:
    """A literal in a column of this name, the column's own where none is given, cast to its type, under the column's name."""
    name = sql.Identifier(literal or field.column.name)
    text = sql.SQL("decode({}, 'hex')").format(name) if field.column.type == "bytea" else sql.SQL("{}").format(name)
    if field.column.type == "money":
        text = sql.SQL("{}::numeric").format(name)  # its text is written in a server's own way
    return sql.SQL("({}::{}) AS {}").format(text, _declared(field.column), sql.Identifier(field.column.name))


def _declared(column: Column) -> sql.SQL:
    """The type with its modifiers, from names of the contract; text for what is text but needs a name we do not have."""
    if column.type in ("enum", "citext"):
        return sql.SQL("text")
    if column.type in ("character", "character varying"):
        return _sql(f"{column.type}({column.length})" if column.length else column.type)
    if column.type == "numeric":
        return _sql("numeric" if column.precision is None else f"numeric({column.precision}, {column.scale or 0})")
    if column.type.startswith("time") and column.scale is not None:
        base, _, rest = column.type.partition(" ")
        return _sql(f"{base}({column.scale}) {rest}")
    return _sql(column.type)


def _sql(text: str) -> sql.SQL:
    return sql.SQL(text)
