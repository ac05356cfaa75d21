"""Calibration: before types are compared, known values go the way that the tables' go, and must come out as Python has them.

Each side's server makes their canonical bytes and hashes, and the stream brings them here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol, TypeVar

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.postgresql.queries import row_hash
from cdcproof.databases.table_read import ColumnRead, LiteralForm
from cdcproof.databases.values import canonical
from cdcproof.pipeline.engines import Engine
from cdcproof.reconcile.plan.edge_values import Literal, literals
from cdcproof.reconcile.plan.plan import Plan

_SHOWN_CHARACTERS = 40
_NO_FORM = LiteralForm(None, b"")
_NO_UTF8 = "this server has no UTF-8 collation, which the hash of long text needs (SQL Server 2019 has them)"
"""Why there is no form: nothing else is without one (`LiteralForm`)."""
T = TypeVar("T")


class Streaming(Protocol):
    """The stream's view of a side: `databases.duckdb.stream.ColumnarSide`."""

    def literal_hashes(
        self, columns: Sequence[ColumnRead], literals: Sequence[Sequence[str | None]]
    ) -> list[tuple[int, ...]]:
        """The hash of each literal, of one list for each column."""
        ...


class Reference(Protocol):
    """What the stream's hashes must be: `databases.duckdb.stream.Columnar`."""

    def reference_hashes(
        self, columns: Sequence[ColumnRead], parts: Sequence[Sequence[bytes | None]]
    ) -> list[tuple[int, ...]]:
        """The hash of each value, given by its canonical bytes."""
        ...


class Calibration:
    """One side's server. Every declared type is asked for once in each form; safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._reasons: dict[ColumnRead, str] = {}
        self._stream_reasons: dict[ColumnRead, str] = {}
        self._unhashed: set[ColumnRead] = set()
        self._native: set[ColumnRead] = set()

    def look(self, database: Database, columns: Iterable[ColumnRead]) -> None:
        """Ask the server for forms and hashes not known yet. Raises `CouldNotLookError` when it does not answer at all."""
        with self._lock:
            for read in dict.fromkeys(map(_type_of, columns)):
                if read not in self._reasons:
                    self._reasons[read] = self._asked(database, read)

    def look_at_stream(self, side: Streaming, reference: Reference, columns: Iterable[ColumnRead]) -> None:
        """Ask for the stream's hashes not known yet. Raises as `look`."""
        with self._lock:
            for read in dict.fromkeys(map(_type_of, columns)):
                if read not in self._stream_reasons:
                    self._stream_reasons[read] = self._streamed(side, reference, read)

    def reason(self, read: ColumnRead) -> str:
        """Why a column of this type is not compared; empty when the server and Python agree."""
        return self._reasons[_type_of(read)]

    def can_hash(self, read: ColumnRead) -> bool:
        """Whether the server makes the hash of such values by itself: else they are not pushed down."""
        return _type_of(read) not in self._unhashed

    def hashes_natively(self, read: ColumnRead) -> bool:
        """Whether the server makes the native hash of such values, as Python does."""
        return _type_of(read) in self._native

    def stream_reason(self, read: ColumnRead) -> str:
        """Why a column of this type is not streamed; empty when what arrives is what Python makes of the same values."""
        return self._stream_reasons[_type_of(read)]

    def lines(self) -> tuple[str, ...]:
        """For the report: how many types agree, and those that do not, each with its reason."""
        reasons = [*self._reasons.items(), *self._stream_reasons.items()]
        wrong = {read.column.type for read, reason in reasons if reason}
        agreeing = {read.column.type for read, _ in reasons} - wrong
        agreed = (f"types that agree with Python's reference: {len(agreeing)}",) if reasons else ()
        return (*agreed, *sorted({reason for _, reason in reasons if reason}))

    def _asked(self, database: Database, read: ColumnRead) -> str:
        known = literals(self._engine, read)
        answers = _answers(
            known, lambda some: database.checksums.literal_forms(read.column, read.form, [one.text for one in some])
        )
        if not any(literal.text for literal, _ in answers):
            return f"{read.column.type}: the server reads none of the known values"
        for literal, found in answers:
            if literal.part is not None and found == _NO_FORM:
                return f"{read.column.type}: {_NO_UTF8}"
            if found.part != literal.part:
                wrong, expected = _hex(found.part), _hex(literal.part)
                return f"{read.column.type}: the server writes {_short(literal.text)} as {wrong}, not as {expected}"
            if not found.md5:
                self._unhashed.add(read)
            elif found.md5 != canonical.digest(canonical.frame([read.form], [literal.part])):
                return f"{read.column.type}: the server's MD5 of {_short(literal.text)} is not Python's"
        if all(found.native == row_hash.row_hash([read.form], [literal.part]) for literal, found in answers):
            self._native.add(read)
        return ""

    def _streamed(self, side: Streaming, reference: Reference, read: ColumnRead) -> str:
        known = literals(self._engine, read)
        answers = _answers(known, lambda some: side.literal_hashes([read], [[one.text for one in some]]))
        if not any(literal.text for literal, _ in answers):
            return f"{read.column.type}: none of the known values can be streamed"
        expected = reference.reference_hashes([read], [[literal.part for literal, _ in answers]])
        for (literal, found), made_here in zip(answers, expected, strict=True):
            if found != made_here:
                return f"{read.column.type}: {_short(literal.text)} is streamed as another value"
        return ""


def _answers(known: Sequence[Literal], ask: Callable[[Sequence[Literal]], Sequence[T]]) -> list[tuple[Literal, T]]:
    """Without those that the server refuses: what it cannot hold (letters, in an old encoding) needs no form there."""
    try:
        return list(zip(known, ask(known), strict=True))
    except UnexpectedAnswerError:
        answers = []
        for literal in known:
            with suppress(UnexpectedAnswerError):
                answers += [(literal, answer) for answer in ask([literal])]
        return answers


def calibrated(plan: Plan, source: Calibration, target: Calibration) -> Mapping[str, str]:
    """Columns of the plan that one of the servers writes otherwise than the contract, each with the reason: for `plan.without`."""
    sides = zip(plan.names, plan.source.columns, plan.target.columns, strict=True)
    reasons = {name: source.reason(ours) or target.reason(theirs) for name, ours, theirs in sides}
    return {name: reason for name, reason in reasons.items() if reason}


def _type_of(read: ColumnRead) -> ColumnRead:
    """A column of the same type and form, whatever its name."""
    return ColumnRead(replace(read.column, name="v", nullable=True, computed=False), read.form)


def _short(text: str | None) -> str:
    return (
        "NULL"
        if text is None
        else repr(text)
        if len(text) <= _SHOWN_CHARACTERS
        else f"a text of {len(text):,} characters"
    )


def _hex(part: bytes | None) -> str:
    if part is None:
        return "NULL"
    return f"0x{part.hex()}" if len(part) <= _SHOWN_CHARACTERS else f"{len(part):,} bytes"
