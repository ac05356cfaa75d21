"""Runs the T-SQL of a comparison over tables in memory: parsed by sqlglot, meant as Microsoft's reference says.

Of the statements only the shapes that `queries.statements` writes are known; anything else is an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import sqlglot
from sqlglot import exp

from tests.tsql_values import (
    EXACT,
    SECOND,
    Binary,
    Clock,
    Day,
    Instant,
    Int,
    Moment,
    SqlError,
    Text,
    cast,
    from_hexadecimal,
    shown_at_length,
)

Row = dict[tuple[str, str], Any]
"""Values by (alias, column); the alias of a table's own columns is empty."""
Table = Sequence[Mapping[str, Any]]


def run(statement: str, tables: Mapping[str, Table], parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """The rows of a SELECT. Tables are by ``schema.name``; parameters are values of T-SQL, in order."""
    # float(24) is what real is short for; sqlglot takes real for float
    text = statement.replace(" AS real)", " AS float(24))")
    (parsed,) = sqlglot.parse(text, dialect="tsql", error_level=sqlglot.ErrorLevel.RAISE)
    assert isinstance(parsed, exp.Select)
    engine = _Engine(tables)
    # depth first is the order of the text, in all the shapes that are written
    for node, value in zip(parsed.find_all(exp.Placeholder, bfs=False), parameters, strict=True):
        engine.bound[id(node)] = value
    return [tuple(row) for row in engine.select(parsed)]


class _Engine:
    def __init__(self, tables: Mapping[str, Table]) -> None:
        self.tables = tables
        self.bound: dict[int, Any] = {}

    def select(self, select: exp.Select) -> list[list[Any]]:
        rows = list(self._source(select))
        if where := select.args.get("where"):
            rows = [row for row in rows if self.value(where.this, row) is True]
        if order := select.args.get("order"):
            rows.sort(key=lambda row: _comparable(self.value(order.expressions[0].this, row)))
        if (limit := select.args.get("limit")) and not (order or select.args.get("distinct")):
            assert limit.expression.name in ("1", "200"), "TOP without an order gives whatever it likes"
            rows.reverse()  # any row will do
        if any(isinstance(made, exp.Count) for made in select.expressions) and not select.args.get("group"):
            return [[self._aggregate(made, None, rows) for made in select.expressions]]
        if group := select.args.get("group"):
            groups: dict[Any, list[Row]] = {}
            for row in rows:
                groups.setdefault(self.value(group.expressions[0], row), []).append(row)
            return [
                [self._aggregate(made, key, members) for made in select.expressions] for key, members in groups.items()
            ]
        found = [[self.value(made, row) for made in select.expressions] for row in rows]
        if select.args.get("distinct"):
            found = list({tuple(map(_ordered, row)): row for row in reversed(found)}.values())[::-1]
        return found[: int(limit.expression.name)] if limit else found

    def _aggregate(self, made: exp.Expression, key: Any, members: list[Row]) -> Any:
        if isinstance(made, exp.Count):
            return Int(len(members), 64)
        if isinstance(made, exp.Max):
            return max((self.value(made.this, row) for row in members), key=_comparable, default=None)
        if isinstance(made, exp.Sum):
            values = [self.value(made.this, row) for row in members]
            assert all(isinstance(value, Decimal) for value in values), "a sum of bigint overflows"
            return sum(values)
        return key

    def _source(self, select: exp.Select) -> Iterator[Row]:
        if "from_" not in select.args:
            yield {}
            return
        rows = self._rows(select.args["from_"].this)
        for join in select.args.get("joins") or ():
            rows = self._applied(rows, join) if isinstance(join.this, exp.Lateral) else self._joined(rows, join)
        yield from rows

    def _joined(self, rows: Iterator[Row], join: exp.Join) -> Iterator[Row]:
        others = list(self._rows(join.this))
        for row in rows:
            for other in others:
                if self.value(join.args["on"], row | other) is True:
                    yield row | other

    def _applied(self, rows: Iterator[Row], join: exp.Join) -> Iterator[Row]:
        lateral = join.this
        assert lateral.args["cross_apply"] is True
        (values,) = lateral.this.this.expressions
        alias = lateral.args["alias"]
        names = [column.name for column in alias.args["columns"]]
        for row in rows:
            made = [self.value(value, row) for value in values.expressions]
            yield row | {(alias.this.name, name): value for name, value in zip(names, made, strict=True)}

    def _rows(self, source: exp.Expression) -> Iterator[Row]:
        alias = source.args.get("alias")
        if isinstance(source, exp.Table):
            assert not alias
            yield from (
                {("", name): value for name, value in row.items()} for row in self.tables[f"{source.db}.{source.name}"]
            )
        elif isinstance(source, exp.Values):
            names = [column.name for column in alias.args["columns"]]
            for made in source.expressions:
                values = [self.value(value, {}) for value in made.expressions]
                yield {(alias.this.name, name): value for name, value in zip(names, values, strict=True)}
        else:
            inner = source.this
            names = [made.alias_or_name for made in inner.expressions]
            assert len({name.lower() for name in names}) == len(names), (
                "a derived table's columns have names of their own"
            )
            for values in self.select(inner):
                yield {(alias.this.name, name): value for name, value in zip(names, values, strict=True)}

    def value(self, node: exp.Expression, row: Row) -> Any:
        return _NODES[type(node)](self, node, row)

    def both(self, node: exp.Expression, row: Row) -> tuple[Any, Any]:
        return self.value(node.this, row), self.value(node.expression, row)


def _comparable(value: Any) -> Any:
    return value.data if isinstance(value, Binary) else value.value


def _column(_: _Engine, node: exp.Column, row: Row) -> Any:
    if node.name == "0x":  # an empty binary constant, which sqlglot takes for a name
        return Binary(b"")
    if node.table:
        return row[node.table, node.name]
    (found,) = (value for (_, name), value in row.items() if name == node.name)  # else it would be ambiguous
    return found


def _literal(_: _Engine, node: exp.Literal, __: Row) -> Any:
    if node.is_string:
        return Text(node.name, wide=False)
    number = int(node.name)
    return Int(number) if number < 1 << 31 else Decimal(number)  # beyond an int a constant is a decimal


def _negative(engine: _Engine, node: exp.Neg, row: Row) -> Any:
    value = engine.value(node.this, row)
    return Int(-value.value) if isinstance(value, Int) else -value


def _not(engine: _Engine, node: exp.Not, row: Row) -> bool | None:
    value = engine.value(node.this, row)
    return None if value is None else not value


def _add(engine: _Engine, node: exp.Add, row: Row) -> Any:
    one, two = engine.both(node, row)
    if one is None or two is None:
        return None
    if isinstance(one, Int) and isinstance(two, Int):
        return Int(one.value + two.value, max(one.bits, two.bits))
    if isinstance(one, Int | Decimal) and isinstance(two, Int | Decimal):
        return _exact(one, two, EXACT.add)
    if isinstance(one, Text) and isinstance(two, Text):
        return Text(one.text + two.text, wide=False)
    if not (isinstance(one, Binary) and isinstance(two, Binary)):
        raise SqlError(f"{one} + {two}")
    large = one.large or two.large
    joined = one.data + two.data
    return Binary(joined if large else joined[:8000], large)


def _exact(one: Any, two: Any, made: Callable[[Decimal, Decimal], Decimal]) -> Any:
    """Of an integer and a decimal, or two decimals: a decimal, of 38 digits at most."""
    values = [Decimal(side.value) if isinstance(side, Int) else side for side in (one, two)]
    result = made(*values)
    if result and result.adjusted() >= 38:
        raise SqlError(f"arithmetic overflow: {result}")
    return result


def _multiplied(engine: _Engine, node: exp.Mul, row: Row) -> Any:
    one, two = engine.both(node, row)
    if one is None or two is None:
        return None
    if isinstance(one, Int) and isinstance(two, Int):
        return cast(Int(one.value * two.value, 64), "bigint" if 64 in (one.bits, two.bits) else "int")
    return _exact(one, two, EXACT.multiply)


def _subtracted(engine: _Engine, node: exp.Sub, row: Row) -> Any:
    one, two = engine.both(node, row)
    return None if one is None or two is None else _exact(one, two, EXACT.subtract)


def _remainder(engine: _Engine, node: exp.Mod, row: Row) -> Any:
    one, two = engine.both(node, row)
    if isinstance(one, Decimal) or isinstance(two, Decimal):
        return None if one is None or two is None else _exact(one, two, EXACT.remainder)
    return _whole(lambda first, second: first % second)(engine, node, row)


def _whole(divide: Callable[[int, int], int]) -> Callable[[_Engine, exp.Expression, Row], Any]:
    """Of whole numbers: cut off towards zero; the remainder has the sign of the first."""

    def divided(engine: _Engine, node: exp.Expression, row: Row) -> Any:
        one, two = engine.both(node, row)
        if one is None or two is None:
            return None
        if not (isinstance(one, Int) and isinstance(two, Int)):
            raise SqlError(f"{one} and {two} are not divided as integers")
        result = divide(abs(one.value), abs(two.value))
        negative = (one.value < 0) != (two.value < 0 and isinstance(node, exp.Div))
        return Int(-result if negative else result, max(one.bits, two.bits))

    return divided


def _type(node: exp.DataType) -> tuple[Any, ...]:
    sizes = [size.this for size in node.expressions]
    names = {"timestamptz": "datetimeoffset", "utinyint": "tinyint", "uuid": "uniqueidentifier"}
    kind = node.this.value.lower()
    read = [size.name.lower() if isinstance(size, exp.Var) else int(size.name) for size in sizes]
    return ("real",) if (kind, *read) == ("float", 24) else (names.get(kind, kind), *read)


def _cast(engine: _Engine, node: exp.Cast, row: Row) -> Any:
    value = engine.value(node.this, row)
    try:
        return cast(value, *_type(node.to))
    except SqlError:
        if isinstance(node, exp.TryCast):
            return None
        raise


def _convert(engine: _Engine, node: exp.Convert, row: Row) -> Any:
    value, style = engine.value(node.expression, row), node.args.get("style")
    try:
        if style is None:
            return cast(value, *_type(node.this))
        if style.name == "121":
            return shown_at_length(value, *_type(node.this))
        assert style.name == "2"
        return from_hexadecimal(value, *_type(node.this))
    except SqlError:
        if node.args.get("safe"):
            return None
        raise


def _collate(engine: _Engine, node: exp.Collate, row: Row) -> Any:
    value = engine.value(node.this, row)
    return value and Text(value.text, value.wide, utf8=node.expression.name.endswith("_UTF8"), large=value.large)


def _case(engine: _Engine, node: exp.Case, row: Row) -> Any:
    for branch in node.args["ifs"]:
        if engine.value(branch.this, row) is True:
            return engine.value(branch.args["true"], row)
    default = node.args.get("default")
    return engine.value(default, row) if default else None


def _hash(name: str) -> Callable[[_Engine, exp.Expression, Row], Any]:
    def hashed(engine: _Engine, node: exp.Expression, row: Row) -> Any:
        value = engine.value(node.this, row)
        return value and Binary(hashlib.new(name, value.data).digest())

    return hashed


def _difference(engine: _Engine, node: exp.DateDiff, row: Row) -> Any:
    """Boundaries crossed from the first moment to the second."""
    end, start = engine.value(node.this, row), engine.value(node.expression, row)
    if end is None:
        return None
    if node.text("unit") == "DAY":
        assert isinstance(end, Day)
        return Int(end.days - cast(start, "date").days)
    ticks = {"SECOND": SECOND, "MILLISECOND": 10_000, "MICROSECOND": 10}.get(node.text("unit"))
    assert node.args["big_int"] is True
    assert type(start) is type(end)
    assert isinstance(end, Moment | Clock)
    if ticks is None:
        assert node.text("unit") == "NANOSECOND"
        return cast(Int((end.ticks - start.ticks) * 100, 64), "bigint")
    return Int(end.ticks // ticks - start.ticks // ticks, 64)


def _part(engine: _Engine, node: exp.Extract, row: Row) -> Any:
    assert node.name.lower() == "nanosecond"
    value = engine.value(node.expression, row)
    return value and Int(value.ticks % 10_000_000 * 100)


def _substring(engine: _Engine, node: exp.Substring, row: Row) -> Any:
    value = engine.value(node.this, row)
    start, length = (engine.value(node.args[name], row).value for name in ("start", "length"))
    return value and Binary(value.data[start - 1 : start - 1 + length])


def _anonymous(engine: _Engine, node: exp.Anonymous, row: Row) -> Any:
    value = engine.value(node.expressions[0], row)
    if value is None:
        return None
    if node.name.upper() == "DATALENGTH":
        return Int(len(value.raw if isinstance(value, Text) else value.data), 64 if value.large else 32)
    assert node.name.upper() == "SWITCHOFFSET"
    assert engine.value(node.expressions[1], row).text == "+00:00"
    return Instant(value.ticks, 0, value.scale)


def _replace(engine: _Engine, node: exp.Replace, row: Row) -> Any:
    value = engine.value(node.this, row)
    old, new = engine.value(node.expression, row), engine.value(node.args["replacement"], row)
    return value and Text(value.text.replace(old.text, new.text), value.wide)


def _worded(engine: _Engine, node: exp.Expression, row: Row, made: Callable[[str], str]) -> Any:
    if isinstance(node, exp.Trim):
        assert node.text("position") == "TRAILING"
    value = engine.value(node.this, row)
    return value and Text(made(value.text), value.wide, large=value.large)


def _ordered(value: Any) -> Any:
    """What ``=`` and ``<`` look at: letters in either case are equal, blanks and zeros at the end do not count."""
    if isinstance(value, Text):
        return value.text.rstrip(" ").casefold()
    if isinstance(value, Binary):
        return value.data.rstrip(b"\0")
    if isinstance(value, Instant | Moment | Clock):
        return value.ticks
    return getattr(value, "value", getattr(value, "count", getattr(value, "days", value)))


def _compare(test: Callable[[Any, Any], bool]) -> Callable[[_Engine, exp.Expression, Row], Any]:
    def compared(engine: _Engine, node: exp.Expression, row: Row) -> Any:
        one, two = engine.both(node, row)
        return None if one is None or two is None else test(_ordered(one), _ordered(two))

    return compared


def _in(engine: _Engine, node: exp.In, row: Row) -> Any:
    value = engine.value(node.this, row)
    return value is not None and _ordered(value) in [_ordered(engine.value(one, row)) for one in node.expressions]


def _between(engine: _Engine, node: exp.Between, row: Row) -> Any:
    value, low, high = (engine.value(node.args[name], row) for name in ("this", "low", "high"))
    return value is not None and _ordered(low) <= _ordered(value) <= _ordered(high)


_NODES: dict[type, Callable[[_Engine, Any, Row], Any]] = {
    exp.Add: _add,
    exp.Alias: lambda engine, node, row: engine.value(node.this, row),
    exp.And: lambda engine, node, row: all(engine.value(side, row) is True for side in (node.this, node.expression)),
    exp.Anonymous: _anonymous,
    exp.Between: _between,
    exp.Case: _case,
    exp.Cast: _cast,
    exp.Collate: _collate,
    exp.Column: _column,
    exp.Convert: _convert,
    exp.DateDiff: _difference,
    exp.Div: _whole(lambda one, two: one // two),
    exp.EQ: _compare(lambda one, two: one == two),
    exp.Exists: lambda engine, node, _: bool(engine.select(node.this)),
    exp.Extract: _part,
    exp.GT: _compare(lambda one, two: one > two),
    exp.GTE: _compare(lambda one, two: one >= two),
    exp.HexString: lambda _, node, __: Binary(bytes.fromhex(node.name)),
    exp.In: _in,
    exp.Is: lambda engine, node, row: engine.value(node.this, row) is None,
    exp.LT: _compare(lambda one, two: one < two),
    exp.LTE: _compare(lambda one, two: one <= two),
    exp.Literal: _literal,
    exp.MD5: _hash("md5"),
    exp.Lower: lambda engine, node, row: _worded(engine, node, row, str.lower),
    exp.Mod: _remainder,
    exp.Mul: _multiplied,
    exp.NEQ: _compare(lambda one, two: one != two),
    exp.National: lambda _, node, __: Text(node.name),
    exp.Neg: _negative,
    exp.Not: _not,
    exp.Null: lambda _, __, ___: None,
    exp.Or: lambda engine, node, row: any(engine.value(side, row) is True for side in (node.this, node.expression)),
    exp.Paren: lambda engine, node, row: engine.value(node.this, row),
    exp.Placeholder: lambda engine, node, _: engine.bound[id(node)],
    exp.Replace: _replace,
    exp.SHA2: _hash("sha256"),
    exp.Sub: _subtracted,
    exp.Subquery: lambda engine, node, _: engine.select(node.this)[0][0],
    exp.Substring: _substring,
    exp.TimeStrToTime: lambda engine, node, row: engine.value(node.this, row),
    exp.Trim: lambda engine, node, row: _worded(engine, node, row, lambda text: text.rstrip(" ")),
    exp.TryCast: _cast,
}
