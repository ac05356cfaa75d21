"""What a condition is made of, by the tree that PostgreSQL itself makes of it. Pure; nothing is asked here.

The server sends the tree of a statement to the client that has `debug_print_parse` on and `client_min_messages` at log, as any
account may, on a standby too. It is the text of nodes of PostgreSQL's source, nodes/primnodes.h, in which functions, operators and types are numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from psycopg import sql

from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.queries.statements import condition, table_name

MESSAGE = "parse tree:"
"""The message's first line, in every language of the server."""

_FUNCTION = re.compile(r":(?:funcid|winfnoid|aggfnoid)\s+(\d+)")
_OPERATOR = re.compile(r":opno\s+(\d+)")
_OPERATORS_OF_ROWS = re.compile(r":opnos\s+\(o((?:\s+\d+)+)\)")
_READ_FROM_TEXT = re.compile(r":resulttype\s+(\d+)\s+:resultcollid\s+\d+\s+:coerceformat|:typid\s+(\d+)")
_SYSTEM_COLUMN = re.compile(r"\{VAR\s+:varno\s+\d+\s+:varattno\s+-(\d+)")
_SESSION_VALUE = re.compile(r"(?<!\\)\{SQLVALUEFUNCTION\s+:op\s+(\d+)")
_SUBQUERY = re.compile(r"(?<!\\)\{SUBLINK\s")
_CONSTANT_TYPE = re.compile(r":consttype\s+(\d+)")
_CONSTANT = re.compile(r":constvalue\s+\d+\s+\[((?:\s+-?\d+)*)\s+\]")

_SYSTEM_COLUMNS = {1: "ctid", 2: "xmin", 3: "cmin", 4: "xmax", 5: "cmax"}
"""Where and by whom a row was written. `tableoid` is not among them: a row's partition is by its values."""
_SESSION_VALUES = (
    *("CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP"),
    *("LOCALTIME", "LOCALTIME", "LOCALTIMESTAMP", "LOCALTIMESTAMP"),
    *("CURRENT_ROLE", "CURRENT_USER", "USER", "SESSION_USER", "CURRENT_CATALOG", "CURRENT_SCHEMA"),
)
_CLOCKS = 9
"""So many of them are of the clock."""

_SAMPLE = re.compile(r"(?<!\\)\{TABLESAMPLECLAUSE\s")
_CUT = re.compile(r":sortClause <> :limitOffset (?:\{|<> :limitCount \{)")
_OUTPUT = ":targetList "
_BY_OUTPUT = re.compile(r":(?:group|distinct|sort)Clause \(")

_WORD = re.compile(r"\b(now|today|tomorrow|yesterday)\b", re.IGNORECASE)
_OF_THE_QUERY = 2
"""A rule's action is a list of queries: ``({QUERY …})``."""
_LEXEME = re.compile(
    r"--[^\n]*|/\*.*?\*/|\"(?:[^\"]|\"\")*\"|(?P<literal>'(?:[^']|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)", re.DOTALL
)


@dataclass(frozen=True)
class Parts:
    """Numbers of functions, operators, types whose values are read from text, and types of constants; the rest by name.

    `words` are literals with a word for a day or a moment that are no texts to the server.
    """

    functions: frozenset[int]
    operators: frozenset[int]
    types: frozenset[int]
    constants: frozenset[int]
    system_columns: tuple[str, ...]
    clocks: tuple[str, ...]
    session_values: tuple[str, ...]
    words: tuple[str, ...]
    has_subquery: bool


def statement(table: TableName, predicate: str) -> sql.Composed:
    """What makes the server send the tree. Without rows, and in one message, so that nothing stays set."""
    return sql.SQL(
        "SELECT pg_catalog.set_config('client_min_messages', 'log', true), pg_catalog.set_config('debug_pretty_print', 'off', true), "
        "pg_catalog.set_config('debug_print_parse', 'on', true); SELECT FROM {} WHERE {} LIMIT 0"
    ).format(table_name(table), condition(predicate))


def parts(tree: str, predicate: str) -> Parts:
    """The parts of a condition and of its tree."""
    values = [int(number) for number in _SESSION_VALUE.findall(tree)]
    operators = {int(number) for number in _OPERATOR.findall(tree)}
    operators.update(int(number) for some in _OPERATORS_OF_ROWS.findall(tree) for number in some.split())
    return Parts(
        frozenset(map(int, _FUNCTION.findall(tree))),
        frozenset(operators),
        frozenset(int(first or second) for first, second in _READ_FROM_TEXT.findall(tree)),
        frozenset(map(int, _CONSTANT_TYPE.findall(tree))),
        tuple(
            dict.fromkeys(
                _SYSTEM_COLUMNS[int(place)] for place in _SYSTEM_COLUMN.findall(tree) if int(place) in _SYSTEM_COLUMNS
            )
        ),
        tuple(dict.fromkeys(_SESSION_VALUES[value] for value in values if value < _CLOCKS)),
        tuple(dict.fromkeys(_SESSION_VALUES[value] for value in values if value >= _CLOCKS)),
        _days(tree, predicate),
        _SUBQUERY.search(tree) is not None,
    )


def is_sampled(tree: str) -> bool:
    """Whether a query reads a sample of a table."""
    return _SAMPLE.search(tree) is not None


def is_cut(tree: str) -> bool:
    """Whether a query shows some rows of many, in no order."""
    return _CUT.search(tree) is not None


def without_output(tree: str) -> str:
    """The tree of a query without what it selects, queries within it left whole: the rest decides which rows there are.

    Whole where rows are sorted, grouped or made distinct: by what, stands in the same list.
    """
    start = next((at for at, depth in _walk(tree) if depth == _OF_THE_QUERY and tree.startswith(_OUTPUT, at)), None)
    if start is None:
        return tree
    end = next(at for at, depth in _walk(tree, start + len(_OUTPUT)) if not depth) + 1
    return tree if _BY_OUTPUT.search(tree, end) else tree[:start] + tree[end:]


def _walk(tree: str, start: int = 0) -> Iterator[tuple[int, int]]:
    """Each place from `start` on, and how many brackets are open behind it."""
    depth = 0
    places = iter(range(start, len(tree)))
    for place in places:
        if tree[place] == "\\":  # the next character is part of a name
            next(places, None)
        depth += (tree[place] in "({") - (tree[place] in ")}")
        yield place, depth


def _days(tree: str, predicate: str) -> tuple[str, ...]:
    """Words for a day or a moment in the text's literals that are no texts in the tree."""
    constants = (bytes(int(n) & 255 for n in one.split()).decode("latin-1") for one in _CONSTANT.findall(tree))
    kept = [word.lower() for text in constants for word in _WORD.findall(text)]
    found = []
    for literal in (one["literal"] for one in _LEXEME.finditer(predicate) if one["literal"]):
        for word in _WORD.findall(literal):
            if word.lower() in kept:
                kept.remove(word.lower())
            else:
                found.append(literal)
    return tuple(dict.fromkeys(found))
