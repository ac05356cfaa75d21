"""The round trip of a test row: what travels, how it is known again, and what was seen of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.contracts.test_rows import SingleRow, Values
from cdcproof.databases.names import TableName
from cdcproof.findings import Observation, at_most
from cdcproof.pipeline.model import Pipeline, Table, Value

Act = Literal["insert", "update", "delete", "beat"]
"""A beat is not ours: a change that somebody makes all the time."""
ACTS: tuple[Act, ...] = ("insert", "update", "delete")

ARRIVED = "at the target"
REMOVED = "removed on both sides"

_RUNBOOKS_ROW: Mapping[str, Value] = {"customer_id": 99999, "name": "Test", "email": "test@example.com"}
_RUNBOOKS_UPDATE: Mapping[str, Value] = {"name": "Test, changed"}


@dataclass(frozen=True)
class Traveller:
    """The test row of one table: as it is inserted (`values`) and what is then changed; columns by their names at the source."""

    table: str
    source: SingleRow
    target: SingleRow
    values: Mapping[str, Value]
    changes: Mapping[str, Value]

    def __hash__(self) -> int:
        return hash(self.table)

    @property
    def changed(self) -> Mapping[str, Value]:
        """The row after the update."""
        return {**self.values, **self.changes}

    def is_ours(self, found: Values) -> bool:
        """Whether a row with our key has our values, before or after the update."""
        return self._equals(found, self.values) or self._equals(found, self.changed)

    def is_left_of_ours(self, found: Values) -> bool:
        """Whether a row that is marked as deleted can be what is left of ours.

        Of a source that logs the old key alone, Debezium has NULL for the other columns, and what stands for nothing where a
        column takes no NULL: an empty text, 0, the epoch.
        """
        return all(
            _is_nothing(value) or any(same(value, of[column]) for of in (self.values, self.changed))
            for value, column in zip(found, self.values, strict=True)
        )

    def has_arrived(self, act: Act, found: Sequence[Values]) -> bool:
        """Whether the rows found with our key are what is left by this act."""
        if act == "delete":
            return not found
        wanted = self.values if act == "insert" else self.changed
        return len(found) == 1 and self._equals(found[0], wanted)

    def described(self, found: Sequence[Values]) -> str:
        """What was found, without a value of it: a row that is not ours is nobody's business."""
        if not found:
            return "no row"
        if len(found) > 1:
            return f"{len(found)} rows with its key"
        if self._equals(found[0], self.values):
            return "the row as it was inserted"
        return "the row as it was updated" if self._equals(found[0], self.changed) else "a row with other values"

    @property
    def key(self) -> str:
        """``customer_id = 99999``."""
        return ", ".join(f"{column} = {value}" for column, value in self.source.key.items())

    def _equals(self, found: Values, wanted: Mapping[str, Value]) -> bool:
        return all(same(a, b) for a, b in zip(found, wanted.values(), strict=True))


@dataclass(frozen=True)
class Hop:
    """One act on one table: after how many seconds it was seen at the target; None: not before the deadline."""

    table: str
    act: Act
    seconds: float | None
    found: str = ARRIVED

    @property
    def subject(self) -> str:
        """``customers: insert``."""
        return f"{self.table}: {self.act}"


@dataclass(frozen=True)
class Journey:
    """All that was seen. `remains` says by table why a test row is still there, `leftovers` what earlier runs had left."""

    hops: tuple[Hop, ...]
    waited_seconds: float
    leftovers: tuple[str, ...] = ()
    remains: Mapping[str, str] | None = None

    def observation(self, hop_seconds: float) -> Observation:
        """Every change arrives, in time, and nothing of the test rows stays."""
        return Observation(
            self.found(),
            self.expected(),
            then=(Observation(self.seconds(), at_most(hop_seconds, "s to the target")),),
        )

    def pages(self) -> dict[str, str]:
        """Title to what earlier runs had left, for the report, where they had."""
        return {"Left by an earlier run, and removed first": "\n".join(self.leftovers)} if self.leftovers else {}

    def rows(self) -> list[dict[str, object]]:
        """One row per hop, for the report."""
        return [
            {"table": hop.table, "act": hop.act, "at the target after": _milliseconds(hop), "found": hop.found}
            for hop in self.hops
        ]

    def found(self) -> dict[str, str]:
        """Hop to where its change is, and table to what became of its row."""
        remains = self.remains or {}
        return {
            **{
                hop.subject: ARRIVED
                if hop.seconds is not None
                else f"not within {self.waited_seconds:g} s: {hop.found}"
                for hop in self.hops
            },
            **{f"{table}: test row": remains.get(table, REMOVED) for table in self._tables()},
        }

    def expected(self) -> dict[str, str]:
        """What `found` must be."""
        return {
            **{hop.subject: ARRIVED for hop in self.hops},
            **{f"{table}: test row": REMOVED for table in self._tables()},
        }

    def seconds(self) -> dict[str, float]:
        """Hop to the seconds it took, of those that arrived."""
        return {hop.subject: hop.seconds for hop in self.hops if hop.seconds is not None}

    def _tables(self) -> Iterable[str]:
        """Those that had a test row of ours."""
        return dict.fromkeys(hop.table for hop in self.hops if hop.act != "beat")


def travellers(pipeline: Pipeline) -> tuple[Traveller, ...]:
    """The test rows of the pipeline, in the order of its tables; that of the runbook for customers, if none is configured."""
    return tuple(found for table in pipeline.tables if (found := _traveller(table)))


def same(a: Any, b: Any) -> bool:
    """Whether two values are the same, whichever driver or TOML gave them.

    Text is read as what the other side is; times without an offset are UTC; the blanks that char(n) adds do not count.
    """
    if isinstance(a, str) and isinstance(b, str):
        return a.rstrip(" ") == b.rstrip(" ")
    if isinstance(a, str):
        a, b = b, a
    if isinstance(b, str):
        with suppress(ValueError, ArithmeticError):
            b = _read_as(type(a), b.strip())
    if isinstance(a, datetime) and isinstance(b, datetime):
        return _in_utc(a) == _in_utc(b)
    if isinstance(a, float) != isinstance(b, float) and isinstance(a, int | float | Decimal):
        with suppress(TypeError, ValueError):
            return float(a) == float(b)
    return bool(a == b)


def is_later(a: Any, b: Any) -> bool:
    """Whether `a` comes after `b`: times, or numbers that grow. Raises `UnexpectedAnswerError` for what has no order, NULL too."""
    if isinstance(a, datetime) and isinstance(b, datetime):
        return _in_utc(a) > _in_utc(b)
    try:
        return bool(a > b)
    except TypeError:
        raise UnexpectedAnswerError(
            f"A canary's column must hold times or numbers that grow, and no NULL: found {type(a).__name__} and {type(b).__name__}."
        ) from None


def _traveller(table: Table) -> Traveller | None:
    values, changes = table.test_row, table.test_update
    if values is None and table.name == "customers" and table.key == ("customer_id",):
        values, changes = dict(_RUNBOOKS_ROW), dict(_RUNBOOKS_UPDATE)
    if not values or not changes:
        return None
    key = {column: values[column] for column in table.key}
    return Traveller(
        table.name,
        SingleRow(TableName.parse(table.source), key, tuple(values)),
        SingleRow(
            TableName.parse(table.target),
            {table.rename.get(column, column): value for column, value in key.items()},
            tuple(table.rename.get(column, column) for column in values),
            table.target_filter or "",
        ),
        values,
        changes,
    )


def _is_nothing(value: Any) -> bool:
    """NULL, or what Debezium has in its place."""
    if isinstance(value, datetime):
        return _in_utc(value) == datetime.fromtimestamp(0, UTC)
    return value in (None, "", b"", 0, date(1970, 1, 1), time(0)) or str(value) in ("{}", "[]")


def _read_as(kind: type, text: str) -> Any:
    if kind is bool:
        return {"true": True, "false": False, "1": True, "0": False}.get(text.lower(), text)
    if kind in (datetime, date, time):
        return kind.fromisoformat(text)
    return kind(text) if kind in (int, float, Decimal, UUID) else text


def _in_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _milliseconds(hop: Hop) -> str:
    return "never" if hop.seconds is None else f"{hop.seconds * 1000:,.0f} ms"
