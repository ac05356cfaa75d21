"""Whether a condition of the pipeline file answers alike at each look at the same row, as far as PostgreSQL knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import LiteralString

from psycopg import sql
from psycopg.errors import Diagnostic

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.contracts.condition import LITERAL_DATE, LITERAL_VALUE, OWN_ROW, THE_TABLE, Unsteady
from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.queries import parse_tree
from cdcproof.databases.postgresql.session import Session

# Types of which a text may stand for another value at another time, by their input function; the labels of an enum do not.
_FUNCTIONS: LiteralString = """
    SELECT p.oid::regprocedure::text, p.proname, p.provolatile = 'v', p.pronamespace = 'pg_catalog'::regnamespace
    FROM pg_proc p
    WHERE p.provolatile <> 'i'
      AND (p.oid = ANY(%s::oid[]) OR p.oid IN (SELECT o.oprcode FROM pg_operator o WHERE o.oid = ANY(%s::oid[])))
    ORDER BY 1"""
_TYPES: LiteralString = """
    SELECT format_type(t.oid, NULL)
    FROM pg_type t JOIN pg_type e ON e.oid = CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE t.oid END
    JOIN pg_proc p ON p.oid = e.typinput
    WHERE t.oid = ANY(%s::oid[]) AND p.provolatile <> 'i' AND e.typtype NOT IN ('e', 'd') ORDER BY 1"""

# Of a view and of the views that it reads; what a materialized view holds stays as it is.
_VIEWS: LiteralString = """
    WITH RECURSIVE views (oid) AS (
        SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = %s AND c.relname = %s AND c.relkind = 'v'
        UNION
        SELECT c.oid FROM views v JOIN pg_rewrite r ON r.ev_class = v.oid
        JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
        JOIN pg_class c ON c.oid = d.refobjid AND c.relkind = 'v')
    SELECT v.oid::regclass::text, r.ev_action::text FROM views v JOIN pg_rewrite r ON r.ev_class = v.oid AND r.ev_type = '1' ORDER BY 1"""

_BY_SETTINGS = re.compile(
    r"(date|timestamp|timestamptz)_(cmp|eq|ge|gt|le|lt|ne)_(date|timestamp|timestamptz)"
    r"|interval_pl_timestamptz|timestamptz_(pl|mi)_interval|overlaps|date_(add|subtract|part|trunc)|extract"
    r"|date|time|timestamp|timestamptz|timetz|timezone|make_timestamptz|to_(char|date|number|timestamp)"
    r"|numeric|money|length|convert(_from|_to)?|concat(_ws)?|format|quote_(literal|nullable)|array_to_string|textanycat|anytextcat"
    r"|(to|row_to|array_to)_jsonb?|jsonb?_build_(array|object)|jsonb_path_(exists|match|query|query_array|query_first)_tz"
    r"|enum_(first|last|range)"
)
"""Functions of PostgreSQL that are stable because of settings alone, as TimeZone and DateStyle, which every session of ours sets alike."""
_CLOCK = re.compile(r"now|clock_timestamp|(transaction|statement)_timestamp|timeofday|age")


class Conditions:
    """Conditions on tables, judged by the tree that the server makes of them and by what its catalogue knows of each part."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def unsteady(self, table: TableName, predicate: str) -> tuple[Unsteady, ...]:
        """The parts that may answer otherwise at the next look. Not within a snapshot: a setting would stay until its end."""
        return tuple(self._judged(parse_tree.parts(self._tree(table, predicate), predicate)))

    def unsteady_view(self, table: TableName) -> tuple[Unsteady, ...]:
        """The parts by which a view, or one that it reads, may show a row at one look and not at the next; none of a table.

        What other rows of the database decide is not among them: the connector or the sink moves those, and a fence waits for them.
        """
        trees = self._session.query(_VIEWS, (table.schema, table.table))
        return tuple(part for view, tree in trees for part in self._judged_view(view, parse_tree.without_output(tree)))

    def _judged_view(self, view: str, tree: str) -> Iterator[Unsteady]:
        found = parse_tree.parts(tree, "")
        if parse_tree.is_sampled(tree):
            yield Unsteady(f"TABLESAMPLE in the view {view}", "reads other rows at each look", THE_TABLE)
        if parse_tree.is_cut(tree):
            yield Unsteady(
                f"LIMIT or OFFSET without ORDER BY in the view {view}", "shows whatever comes first", THE_TABLE
            )
        for name in found.clocks:
            yield Unsteady(f"{name} in the view {view}", "goes with the clock", THE_TABLE)
        for signature, name, is_volatile, is_ours in self._session.query(
            _FUNCTIONS, (list(found.functions), list(found.operators))
        ):
            if is_volatile or (is_ours and _CLOCK.fullmatch(name)):
                part = _of_function(signature, name, is_volatile=is_volatile, is_ours=is_ours)
                yield part._replace(part=f"{part.part} in the view {view}", instead=THE_TABLE)

    def _tree(self, table: TableName, predicate: str) -> str:
        trees: list[str] = []

        def keep(notice: Diagnostic) -> None:
            if notice.message_primary == parse_tree.MESSAGE:
                trees.append(notice.message_detail or "")

        connection = self._session.driver
        connection.add_notice_handler(keep)
        try:
            with self._session.our_errors(table):
                connection.execute(parse_tree.statement(table, predicate))
        finally:
            connection.remove_notice_handler(keep)
        if not trees:
            raise UnexpectedAnswerError(
                f"{self._session.place} sent no parse tree of a filter on {table}, so nothing shows whether its answer may change.",
                "Name the server itself: what lies between keeps its messages back.",
            )
        return trees[-1]

    def _judged(self, found: parse_tree.Parts) -> Iterator[Unsteady]:
        if found.has_subquery:
            yield Unsteady("a subquery", "reads other rows, which may change while this one stays", OWN_ROW)
        for name in found.clocks:
            yield Unsteady(name, "goes with the clock", LITERAL_DATE)
        for literal in found.words if self._session.query(_TYPES, (list(found.constants),)) else ():
            yield Unsteady(literal, "stands for another moment at each look", LITERAL_DATE)
        for name in found.session_values:
            yield Unsteady(name, "depends on the session", LITERAL_VALUE)
        for name in found.system_columns:
            yield Unsteady(
                name, "is no value of the row: it changes when the row is only moved or written again", OWN_ROW
            )
        functions, operators = list(found.functions), list(found.operators)
        for signature, name, is_volatile, is_ours in self._session.query(_FUNCTIONS, (functions, operators)):
            if is_volatile or not is_ours or not _BY_SETTINGS.fullmatch(name):
                yield _of_function(signature, name, is_volatile=is_volatile, is_ours=is_ours)
        for name in (row[0] for row in self._session.query(_TYPES, (list(found.types),))):
            yield Unsteady(
                f"a text that is read as {name}",
                "may be a word for another moment at each look, as 'today' is",
                "Compare texts, or read it by to_date or to_timestamp with a format.",
            )


def _of_function(signature: str, name: str, *, is_volatile: bool, is_ours: bool) -> Unsteady:
    if is_ours and _CLOCK.fullmatch(name):
        return Unsteady(signature, "goes with the clock", LITERAL_DATE)
    why = f"is {'VOLATILE' if is_volatile else 'STABLE'}, so it may answer otherwise at the next look"
    if is_ours:
        return Unsteady(signature, why, LITERAL_VALUE)
    alter = sql.SQL("ALTER FUNCTION {} IMMUTABLE;").format(sql.SQL(signature)).as_string()
    return Unsteady(signature, why, f"If it answers by its arguments alone, say so to the database: {alter}")
