"""Conditions by which PostgreSQL finds rows with keys given in canonical bytes, by an index where it can. Nothing is asked here.

A condition may hold for more rows than have the key (citext, -0.0, a collation that takes letters for equal): who asks
compares the canonical bytes of what was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import LiteralString

from psycopg import sql

from cdcproof.databases.postgresql.queries.column_sql import Server, sent
from cdcproof.databases.table_read import ColumnRead
from cdcproof.databases.values import canonical, stored_value
from cdcproof.databases.values.types import ENCODED_WHOLE, INTEGER_DIGITS, Kind

_CASTS: dict[Kind, LiteralString] = {
    Kind.BOOLEAN: "::boolean",
    Kind.INTEGER: "::bigint",
    Kind.NUMBER: "::numeric",
    Kind.FLOAT: "::float8",
    Kind.SINGLE: "::float4",
    Kind.TEXT: "",  # of the column's own type, which an index needs
    Kind.BINARY: "",
    Kind.UUID: "::uuid",
    Kind.DATE: "::date",
    Kind.TIME: "::time",
    Kind.TIMESTAMP: "::timestamp",
    Kind.INSTANT: "::timestamptz",
}
Bound = str | bytes | list[str] | list[bytes]
_LEAST, _GREATEST = -(2**63), 2**63 - 1


def one_of(
    key: Sequence[ColumnRead], keys: Sequence[Sequence[bytes | None]], server: Server, *, as_written: bool
) -> tuple[sql.Composed, list[Bound]]:
    """A condition for rows that have one of the keys, and what to bind to its $1, $2 …

    With `as_written` an index finds a key as sinks write it; without, every row is compared as it is read where that may miss one.
    """
    if len(key) == 1 and key[0].column.reading and all(parts[0] is not None for parts in keys):
        return _one_of_read(key[0], [parts[0] or b"" for parts in keys], server, as_written=as_written)
    if len(key) == 1 and not key[0].column.reading:
        array = _array(key[0], [parts[0] for parts in keys], server)
        if array:
            return sql.SQL("{} = ANY ($1::{}[])").format(_compared(key[0]), _array_of(key[0])), [array]
    bound: list[Bound] = []
    conditions = []
    for parts in keys:
        columns = (
            _is(field, part, bound, server, as_written=as_written) for field, part in zip(key, parts, strict=True)
        )
        conditions.append(sql.SQL("({})").format(sql.SQL(" AND ").join(columns)))
    return sql.SQL("({})").format(sql.SQL(" OR ").join(conditions)), bound


def integers(values: Iterable[int]) -> str:
    """An array as PostgreSQL writes it: psycopg looks at each element of a list for what has to be quoted, which takes its time."""
    return f"{{{','.join(map(str, values))}}}"


def _compared(field: ColumnRead) -> sql.Composable:
    """The column itself, which an index needs. Money has no operator for numbers, and a number may be too large for money."""
    return sql.SQL("{}::numeric" if field.column.type == "money" else "{}").format(sql.Identifier(field.column.name))


def _array_of(field: ColumnRead) -> sql.SQL:
    return sql.SQL(_CASTS[field.form.kind].removeprefix("::") or "text")


def _array(field: ColumnRead, parts: Sequence[bytes | None], server: Server) -> Bound:
    """All values for one parameter, which takes a tenth of the time of as many conditions; none where one of them needs its own."""
    kind = field.form.kind
    if kind is Kind.INTEGER and None not in parts:
        return integers(int.from_bytes(part, signed=True) for part in parts if part)
    if kind is Kind.BINARY or (kind is Kind.NUMBER and field.column.type in INTEGER_DIGITS):
        return []
    if kind is Kind.TEXT and field.column.type not in ("text", "character varying"):
        return []  # a type of its own compares, and is indexed, in a way of its own
    values = [None if part is None else _by_value(field, part, server) for part in parts]
    texts = [value for value in values if isinstance(value, str)]
    return texts if len(texts) == len(parts) else []


def _one_of_read(
    field: ColumnRead, parts: Sequence[bytes], server: Server, *, as_written: bool
) -> tuple[sql.Composed, list[Bound]]:
    found = [_texts(field, part, as_written=as_written) for part in parts]
    if None in found:
        return sql.SQL("{} = ANY ($1::bytea[])").format(sent(field, server)), [list(parts)]
    texts = [text for some in found for text in some or ()]
    return sql.SQL("{} = ANY ({})").format(sql.Identifier(field.column.name), _cast(field, "$1", "[]")), [texts]


def _texts(field: ColumnRead, part: bytes, *, as_written: bool) -> tuple[str, ...] | None:
    """What the column holds where the key is this; None where only reading every row shows it."""
    return stored_value.found_by(field, part) if as_written or stored_value.is_found_for_sure(field) else None


def _cast(field: ColumnRead, bound: str, array: str = "") -> sql.SQL:
    """A bound text as a value of the column's own type, by which an index finds it."""
    types = {"character": "bpchar", "citext": "text"}
    return sql.SQL(f"{bound}::text{array}::{types.get(field.column.type, field.column.type)}{array}")


def _is(
    field: ColumnRead, part: bytes | None, bound: list[Bound], server: Server, *, as_written: bool
) -> sql.Composable:
    name = sql.Identifier(field.column.name)
    if part is None:
        return sql.SQL("{} IS NULL").format(name)
    if field.column.reading:
        texts = _texts(field, part, as_written=as_written)
        if texts is None:
            bound.append(part)
            return sql.SQL("{} = {}").format(sent(field, server), _last(bound))
        bound.append(list(texts))
        return sql.SQL("{} = ANY ({})").format(name, _cast(field, f"${len(bound)}", "[]"))
    if field.form.kind is Kind.NUMBER and field.column.type in INTEGER_DIGITS:
        return _is_integer(name, Decimal(part.decode()), bound)
    value = _by_value(field, part, server)
    if value is None:
        bound.append(part)
        return sql.SQL("{} = {}").format(sent(field, server), _last(bound))
    bound.append(value)
    return sql.SQL("{} = {}{}").format(_compared(field), _last(bound), sql.SQL(_CASTS[field.form.kind]))


def _is_integer(name: sql.Identifier, number: Decimal, bound: list[Bound]) -> sql.Composable:
    """Only a whole number can be in an integer column, and only as one it is found by an index."""
    if not number.is_finite() or number != int(number) or not _LEAST <= number <= _GREATEST:
        return sql.SQL("FALSE")
    bound.append(str(int(number)))
    return sql.SQL("{} = {}::bigint").format(name, _last(bound))


def _by_value(field: ColumnRead, part: bytes, server: Server) -> str | bytes | None:
    """What to bind; None where only the canonical bytes identify the value, or the server would refuse to read it."""
    form = field.form
    if form.kind not in (Kind.TEXT, Kind.BINARY):
        return canonical.as_text(form, part)
    if form.long and not part.startswith(ENCODED_WHOLE):
        return None
    value = part[1:] if form.long else part
    if form.kind is Kind.BINARY:
        return value
    if field.column.type == "enum" or server.encoding != "UTF8" or b"\x00" in value:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _last(bound: Sequence[object]) -> sql.SQL:
    return sql.SQL(f"${len(bound)}")
