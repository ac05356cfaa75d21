"""Any table, any rows, any differences: both strategies give back exactly what was planted, on real servers."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdcproof.reconcile.checksums import narrowing
from cdcproof.reconcile.checksums.strategy import Strategy
from cdcproof.reconcile.plan.calibration import Calibration
from cdcproof.reconcile.report.result import TableStatus
from tests.reconcile.sides import Sides

pytest_plugins = ["tests.postgres_server"]
pytestmark = pytest.mark.parametrize("strategy", Strategy, scope="module")

_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12) | st.sampled_from(
    ["", " ", "  ", "a", "A", "a ", " a", "null", "NULL", "<null>", "é", "e\u0301", "😀", "ß", "ss", "|", ":", "1", "0"]
)
_MICROSECONDS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999))  # noqa: DTZ001
_INTEGERS = {bits: st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (16, 32, 64)}
_DECIMALS = st.decimals("-999999999.999", "999999999.999", places=3, allow_nan=False) | st.just(Decimal("NaN"))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "smallint": _INTEGERS[16],
    "int": _INTEGERS[32],
    "bigint": _INTEGERS[64] | st.sampled_from([0, 1, -1]),
    "numeric(12, 3)": _DECIMALS,
    "numeric": st.decimals("-1e40", "1e40", places=20, allow_nan=False)
    | st.integers().map(Decimal)
    | st.just(Decimal("NaN")),
    "double precision": st.floats(),
    "real": st.floats(width=32),
    "boolean": st.booleans(),
    "text": _TEXT,
    "varchar(20)": _TEXT,
    "bytea": st.binary(max_size=12),
    "uuid": st.uuids(),
    "date": st.dates(date(1, 1, 1), date(9999, 12, 31)),
    "time": st.times(),
    "timestamp": _MICROSECONDS,
    "timestamptz": _MICROSECONDS.map(lambda at: at.replace(tzinfo=UTC)),
}
KEYS: dict[str, tuple[str, ...]] = {
    "an integer": ("bigint",),
    "text": ("text",),
    "a uuid": ("uuid",),
    "text and an integer": ("text", "smallint"),
    "an integer and a time": ("int", "timestamp"),
    "a decimal": ("numeric(12, 3)",),
    "none": (),
}
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Case:
    """A table, the rows of both sides, and the number of rows that are missing, extra and changed at the target."""

    columns: str
    source: list[Row]
    target: list[Row]
    missing: int
    extra: int
    changed: int


def _identity(value: Any) -> Any:
    """Two values are the same when these are equal; Python takes -0.0 for 0.0, 1.50 for 1.5 and True for 1."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack(">d", value)
    if isinstance(value, Decimal):
        return "nan" if value.is_nan() else ("decimal", value.normalize() if value else Decimal(0))
    return (type(value), value)


def _identities(row: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(map(_identity, row))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    key = draw(st.sampled_from(sorted(KEYS)))
    key_types = KEYS[key]
    types = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=6))
    key_values = st.tuples(*(VALUES[name] for name in key_types))
    others = st.tuples(*(st.none() | VALUES[name] for name in types))
    width = len(key_types)
    names = [f"k{i} {name} NOT NULL" for i, name in enumerate(key_types)] + [
        f"c{i} {name}" for i, name in enumerate(types)
    ]
    columns = ", ".join([*names, *([f"PRIMARY KEY ({', '.join(f'k{i}' for i in range(width))})"] if width else [])])
    if not width:
        return draw(_bags(columns, others))
    keys = draw(st.lists(key_values, min_size=0, max_size=25, unique_by=_identities))
    rows = [(*k, *draw(others)) for k in keys]
    source, target = [], []
    missing = extra = changed = 0
    for row in rows:
        what = draw(st.sampled_from(["same"] * 5 + ["missing", "extra", "changed"]))
        if what != "extra":
            source.append(row)
        if what == "changed":
            at = draw(st.integers(width, len(row) - 1))
            new = draw((st.none() | VALUES[types[at - width]]).filter(lambda v: _identity(v) != _identity(row[at])))  # noqa: B023
            target.append((*row[:at], new, *row[at + 1 :]))
        elif what != "missing":
            target.append(row)
        missing, extra, changed = (
            missing + (what == "missing"),
            extra + (what == "extra"),
            changed + (what == "changed"),
        )
    return Case(columns, source, draw(st.permutations(target)), missing, extra, changed)


@st.composite
def _bags(draw: st.DrawFn, columns: str, rows: st.SearchStrategy[Row]) -> Case:
    kinds = draw(st.lists(rows, min_size=0, max_size=8, unique_by=_identities))
    source, target = [], []
    missing = extra = 0
    for row in kinds:
        ours, theirs = draw(st.integers(0, 3)), draw(st.integers(0, 3))
        source += [row] * ours
        target += [row] * theirs
        missing, extra = missing + max(0, ours - theirs), extra + max(0, theirs - ours)
    return Case(columns, source, draw(st.permutations(target)), missing, extra, 0)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases(), native=st.booleans(), narrow=st.booleans())
def test_exactly_what_was_planted_is_found(
    sides: Sides, strategy: Strategy, case: Case, native: bool, narrow: bool
) -> None:
    """`native`: whether rows and keys may be hashed by PostgreSQL's own functions; else by MD5, as beside a SQL Server.

    `narrow`: whether chunks that differ are summed up once more by smaller ones, of however few rows they are.
    """
    sides.table("planted", case.columns, case.source, case.target)
    with (
        patch.object(Calibration, "hashes_natively", Calibration.hashes_natively if native else lambda *_: False),
        patch.object(narrowing, "_FEW_ROWS", 0 if narrow else narrowing._FEW_ROWS),
    ):
        result = sides.result("planted")

    assert result.error == ""
    assert result.strategy == strategy, result.reason
    assert (result.missing_at_target, result.extra_at_target, result.changed) == (
        case.missing,
        case.extra,
        case.changed,
    )
    assert result.status is (TableStatus.MISMATCH if case.missing or case.extra or case.changed else TableStatus.MATCH)
    assert (result.source_rows, result.target_rows) == (len(case.source), len(case.target))
    assert result.not_compared == ()
