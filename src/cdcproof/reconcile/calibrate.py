"""Calibration: before types are compared, each side's server makes the canonical bytes of known values, and they must be Python's."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from cdcproof.databases import canonical
from cdcproof.databases.base import Database
from cdcproof.databases.scan import Told
from cdcproof.errors import UnexpectedAnswerError
from cdcproof.pipeline import Engine
from cdcproof.reconcile.literals import Literal, literals
from cdcproof.reconcile.plan import Plan

_TOLD = 40


class Calibration:
    """One side's server. Every declared type is asked for once in each form; safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._reasons: dict[Told, str] = {}
        self._unhashed: set[Told] = set()

    def look(self, database: Database, columns: Iterable[Told]) -> None:
        """Ask what is not known yet. Raises `CouldNotLookError` when the server does not answer at all."""
        with self._lock:
            for told in dict.fromkeys(map(_type_of, columns)):
                if told not in self._reasons:
                    self._reasons[told] = self._asked(database, told)

    def reason(self, told: Told) -> str:
        """Why a column of this type is not compared; empty when the server and Python agree."""
        return self._reasons[_type_of(told)]

    def can_hash(self, told: Told) -> bool:
        """Whether the server makes the hash of such values by itself: else they are not pushed down."""
        return _type_of(told) not in self._unhashed

    def lines(self) -> tuple[str, ...]:
        """For the report: how many types agree, and those that do not, each with its reason."""
        agreeing = {told.column.type for told, reason in self._reasons.items() if not reason}
        wrong = sorted({reason for reason in self._reasons.values() if reason})
        return (f"{len(agreeing)} types agree with Python's reference", *wrong) if self._reasons else ()

    def _asked(self, database: Database, told: Told) -> str:
        known = literals(self._engine, told)
        try:
            answers = list(zip(known, _forms(database, told, known), strict=True))
        except UnexpectedAnswerError:
            answers = list(_one_by_one(database, told, known))
        if not any(literal.text for literal, _ in answers):
            return f"{told.column.type}: the server reads none of the known values"
        for literal, (part, digest) in answers:
            if part != literal.part:
                found, expected = _hex(part), _hex(literal.part)
                return f"{told.column.type}: the server tells {_short(literal.text)} as {found}, not as {expected}"
            if not digest:
                self._unhashed.add(told)
            elif digest != canonical.digest(canonical.frame([told.form], [literal.part])):
                return f"{told.column.type}: the server's MD5 of {_short(literal.text)} is not Python's"
        return ""


def _forms(database: Database, told: Told, known: Sequence[Literal]) -> tuple[tuple[bytes | None, bytes], ...]:
    return database.literal_forms(told.column, told.form, [literal.text for literal in known])


def _one_by_one(
    database: Database, told: Told, known: Sequence[Literal]
) -> Iterator[tuple[Literal, tuple[bytes | None, bytes]]]:
    """Without those that the server refuses: what it cannot hold (letters, in an old encoding) needs no form there."""
    for literal in known:
        with suppress(UnexpectedAnswerError):
            yield literal, _forms(database, told, [literal])[0]


def calibrated(plan: Plan, source: Calibration, target: Calibration) -> Mapping[str, str]:
    """Columns of the plan that one of the servers tells otherwise than the contract, each with the reason: for `plan.without`."""
    sides = zip(plan.names, plan.source.columns, plan.target.columns, strict=True)
    reasons = {name: source.reason(ours) or target.reason(theirs) for name, ours, theirs in sides}
    return {name: reason for name, reason in reasons.items() if reason}


def _type_of(told: Told) -> Told:
    """A column of the same type and form, whatever its name."""
    return Told(replace(told.column, name="v", nullable=True, computed=False), told.form)


def _short(text: str | None) -> str:
    return "NULL" if text is None else repr(text) if len(text) <= _TOLD else f"a text of {len(text):,} characters"


def _hex(part: bytes | None) -> str:
    if part is None:
        return "NULL"
    return f"0x{part.hex()}" if len(part) <= _TOLD else f"{len(part):,} bytes"
