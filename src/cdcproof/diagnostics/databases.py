"""What the two databases are busy with, and the columns of the replicated tables on either side."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Literal

from cdcproof.core.secrets import REDACTED, is_secret_key
from cdcproof.databases.connections import connect, connect_for_diagnosis
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.contracts.diagnosis import BLOCKED_BY, SESSIONS, DiagnosisDatabase, Question, Rows
from cdcproof.databases.names import Column, TableName
from cdcproof.diagnostics.parts import File, Missing, Part, Remark, Scope, attempt, file_name
from cdcproof.pipeline import model
from cdcproof.pipeline.model import Pipeline
from cdcproof.reporting.record import table

Side = Literal["source", "target"]
SIDES: tuple[Side, ...] = ("source", "target")
_STATEMENT_SECONDS = 10.0
# values in a statement are rows of somebody's: a text in quotes, a number that is no part of a name
_VALUE = re.compile(r"'(?:[^']|'')*(?:'|$)|(?<![\w.$])\d[\d.]*(?![\w.])")


def activity(side: Side, scope: Scope) -> Iterator[Part]:
    """Sessions, who blocks whom, locks, replication, sizes, settings."""
    with connect_for_diagnosis(
        _address(scope.pipeline, side), statement_timeout_seconds=_STATEMENT_SECONDS
    ) as database:
        if why := database.blind():
            yield Missing(f"{side}/{SESSIONS} of other accounts", *_apart(why))
        for question in database.questions():
            yield from attempt(f"{side}/{question.name}", partial(_answer, side, database, question))


def schema(side: Side, scope: Scope) -> Iterator[Part]:
    """Columns and keys of the tables, and the version and identity of the database."""
    with connect(_address(scope.pipeline, side), statement_timeout_seconds=_STATEMENT_SECONDS) as database:
        yield File(f"{side}/version.txt", f"{database.version()}\n{database.identity().of_database()}\n")
        for entry in scope.pipeline.tables:
            yield from attempt(f"{side}/columns/{entry.name}", partial(_columns, side, database, entry))


def blocked(rows: Rows) -> dict[str, str]:
    """Session to those that block it, as the answer about sessions says."""
    number = ("pid", "session_id")
    return {
        str(next((row[key] for key in number if key in row), "")): str(row[BLOCKED_BY])
        for row in rows
        if row.get(BLOCKED_BY) not in (None, 0, "", "{}")
    }


def without_values(statement: str) -> str:
    """A statement without its literals: they are data."""
    return _VALUE.sub("?", statement)


def _answer(side: Side, database: DiagnosisDatabase, question: Question) -> Iterator[Part]:
    rows = database.rows(question)
    shown = table(map(_shown, rows)) or "none"
    yield File(f"{side}/{question.name}.txt", f"{question.title}\n\n{shown}\n")
    if question.name == SESSIONS and (waiting := blocked(rows)):
        first = next(iter(waiting))
        yield Remark(
            f"{len(waiting)} sessions at the {side} are blocked; session {first} waits for {waiting[first]}: see {side}/{SESSIONS}.txt"
        )


def _shown(row: dict[str, object]) -> dict[str, object]:
    """A row in one line; the value of a setting whose name says that it is a secret stays away."""
    is_secret = is_secret_key(str(row.get("name", "")))
    return {
        name: REDACTED
        if is_secret and name in ("setting", "configured", "in_use") and value
        else " ".join((without_values(value) if name == "query" else value).split())
        if isinstance(value, str)
        else value
        for name, value in row.items()
    }


def _columns(side: Side, database: Database, entry: model.Table) -> Iterator[Part]:
    name = TableName.parse(entry.source if side == "source" else entry.target)
    key = database.catalogue.primary_key(name)
    lines = [f"{name}, key {', '.join(key) or 'none'}", "", table(_rows_of(database.catalogue.columns(name))), ""]
    yield File(f"{side}/columns/{file_name(entry.name)}.txt", "\n".join(lines))


def _rows_of(columns: Iterable[Column]) -> list[dict[str, object]]:
    return [
        {
            "column": column.name,
            "type": column.type,
            "length": column.length,
            "precision": column.precision,
            "scale": column.scale,
            "nullable": column.nullable,
            "computed": column.computed,
        }
        for column in columns
    ]


def _address(pipeline: Pipeline, side: Side) -> model.Database:
    return pipeline.source if side == "source" else pipeline.target


def _apart(why: str) -> tuple[str, str]:
    """``sentence: GRANT …`` as sentence and remedy."""
    sentence, _, remedy = why.partition(": ")
    return f"{sentence}.", remedy
