"""Of each pair of types, values that both columns hold: SQL Server's statements, run over the planted rows, must make the bytes that are expected."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cdcproof.databases.names import Column, TableName
from cdcproof.databases.sqlserver.queries import statements
from cdcproof.databases.table_read import Chunking, ColumnRead, TableRead
from cdcproof.databases.values.types import Form, Kind, form_of, ways_of
from cdcproof.reconcile.plan.plan import Plan
from cdcproof.reconcile.self_proof.cells import Cell, Columns, values
from cdcproof.reconcile.self_proof.mutants import Mutant, columns_of, specimens
from tests.databases.sqlserver.queries.emitted import COLUMNS, TARGETS
from tests.tsql_engine import run
from tests.tsql_values import Binary

TABLE = TableName("dbo", "t")
ID = ColumnRead(Column("id", "bigint", nullable=False), Form(Kind.INTEGER))


MONEY = {"money": {"precision": 19, "scale": 4}, "smallmoney": {"precision": 10, "scale": 4}}
DETAILS = {"length": (None, 1, 20, 128), "scale": (None, 0, 2, 4, 7, 38)}
"""Of the many that statements are made of."""


def _pairs() -> list[tuple[ColumnRead, ColumnRead]]:
    found = []
    for listed in COLUMNS:
        column = replace(listed, **MONEY.get(listed.type, {}))  # type: ignore[arg-type]
        if not all(getattr(column, name) in known for name, known in DETAILS.items()):
            continue
        for target in TARGETS:
            for way in ways_of("sqlserver", column, "postgresql", target):
                ours, theirs = replace(column, reading=way.source), replace(target, reading=way.target)
                form = form_of("sqlserver", ours, "postgresql", theirs)
                if form and next(
                    values(Columns("sqlserver", ColumnRead(ours, form), "postgresql", ColumnRead(theirs, form))), None
                ):
                    found.append((ColumnRead(ours, form), ColumnRead(theirs, form)))
    return list({ours: (ours, theirs) for ours, theirs in found}.values())


def _plan(ours: ColumnRead, theirs: ColumnRead) -> Plan:
    chunking = Chunking(width=5)
    return Plan(
        TableRead(TABLE, (ID, ours), 1, chunking), TableRead(TABLE, (ID, theirs), 1, chunking), False, ("id", "v")
    )


def _cells(plan: Plan, columns: Columns) -> list[Cell]:
    planted = [
        one for specimen in specimens(plan, columns_of(plan, "sqlserver", "postgresql")) for one in specimen.source
    ]
    from_changes = [cell for one in planted for place, cell in one.cells.items() if place]
    plain = [cell for cell, _ in zip(values(columns), range(5), strict=False)]
    return list(dict.fromkeys([*plain, *from_changes]))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    _pairs(),
    ids=lambda field: f"{field.column.name}-{field.column.reading and field.column.reading.how}",
)
def test_a_server_makes_the_bytes_that_are_expected_of_what_is_planted(ours: ColumnRead, theirs: ColumnRead) -> None:
    plan = _plan(ours, theirs)
    cells = _cells(plan, Columns("sqlserver", ours, "postgresql", theirs))
    scan = replace(plan.source, planted=tuple((str(number), cell.source) for number, cell in enumerate(cells)))
    rows = run(statements.rows_of_chunks(scan, range(len(cells)), "version"), {})
    found = {bytes(number.data): _bytes(part) for _, number, part in rows}
    assert found == {number.to_bytes(8): cell.part for number, cell in enumerate(cells)}


def _mutants(ours: Column, theirs: Column, way: int = 0) -> dict[str, list[tuple[str | None, str | None]]]:
    """What is planted in a pair of columns: mutant to texts of source and target."""
    ways = ways_of("sqlserver", ours, "postgresql", theirs)
    ours, theirs = replace(ours, reading=ways[way].source), replace(theirs, reading=ways[way].target)
    form = form_of("sqlserver", ours, "postgresql", theirs)
    assert form
    plan = _plan(ColumnRead(ours, form), ColumnRead(theirs, form))
    found: dict[str, list[tuple[str | None, str | None]]] = {}
    for one in specimens(plan, columns_of(plan, "sqlserver", "postgresql")):
        if one.columns == (1,) and not one.together:
            found.setdefault(one.mutant, []).append((one.source[0].cells[1].source, one.target[0].cells[1].target))
    return found


def _column(type_name: str, **more: Any) -> Column:
    return Column("v", type_name, nullable=True, **more)


TEXT, STAMP = _column("text"), "timestamp without time zone"


def test_the_smallest_difference_is_that_which_both_types_keep() -> None:
    found = _mutants(_column("datetime2", scale=7), _column(STAMP))
    assert found[Mutant.MICROSECOND][0] == ("2024-01-31T12:00:00", "2024-01-31T12:00:00.000001")
    found = _mutants(_column("datetime2", scale=7), _column(STAMP, scale=3))
    assert found[Mutant.MICROSECOND][0] == ("2024-01-31T12:00:00", "2024-01-31T12:00:00.001")
    found = _mutants(_column("datetime", scale=3), _column(STAMP))
    assert found[Mutant.MICROSECOND][0] == ("2024-01-31T12:00:00", "2024-01-31T12:00:00.003")
    found = _mutants(_column("smalldatetime", scale=0), _column(STAMP))
    assert found[Mutant.MICROSECOND][0] == ("2024-01-31T12:00:00", "2024-01-31T12:01:00")
    found = _mutants(_column("datetime2", scale=7), _column("bigint"), way=3)  # written in seconds
    assert found[Mutant.MICROSECOND][0] == ("2024-01-31T12:00:00", "1706702401")
    found = _mutants(_column("money", **MONEY["money"]), _column("numeric", precision=19, scale=4))
    assert found[Mutant.MONEY][0] == ("99999999999999.9998", "99999999999999.9999")
    found = _mutants(_column("money", **MONEY["money"]), _column("numeric", precision=10, scale=2))
    assert found[Mutant.MONEY][0] == ("99999999.9800", "99999999.9900")


@pytest.mark.parametrize(
    ("ours", "theirs", "day", "zone"),
    [
        ("datetime2", STAMP, "2024-01-31T12:00:00", ""),
        ("time", "time without time zone", "01:00:00", ""),
        ("datetimeoffset", "timestamp with time zone", "2024-01-31T12:00:00", "+00:00"),
        ("datetimeoffset", STAMP, "2024-01-31T12:00:00", "+00:00"),
    ],
)
def test_a_seventh_digit_is_planted_where_it_decides_the_sixth(ours: str, theirs: str, day: str, zone: str) -> None:
    """PostgreSQL cannot hold it: the contract rounds it half up, and one microsecond is what is left of 100 ns."""
    found = _mutants(_column(ours, scale=7), _column(theirs))[Mutant.MICROSECOND]
    at_target = zone if theirs.endswith("with time zone") else ""
    assert found[2:] == [
        (f"{day}.1234564{zone}", f"{day}.123457{at_target}"),
        (f"{day}.1234565{zone}", f"{day}.123456{at_target}"),
    ]
    assert len(_mutants(_column(ours, scale=6), _column(theirs))[Mutant.MICROSECOND]) == 2
    assert len(_mutants(_column(ours, scale=7), _column(theirs, scale=3))[Mutant.MICROSECOND]) == 2


def test_what_the_contract_lets_pass_is_not_planted() -> None:
    """Padding that is always there, or never counts; letters in documents and UUIDs; NULL where there is none."""
    assert Mutant.TRAILING_BLANK in _mutants(_column("varchar", length=9), TEXT)
    assert Mutant.TRAILING_BLANK not in _mutants(_column("char", length=9), TEXT)
    assert Mutant.TRAILING_BLANK not in _mutants(_column("char", length=9), _column("character", length=9))
    assert Mutant.TRAILING_BLANK not in _mutants(_column("varchar", length=1), TEXT)
    assert Mutant.LETTER_CASE not in _mutants(_column("uniqueidentifier"), TEXT)
    assert Mutant.NULL_FOR_EMPTY not in _mutants(_column("binary", length=3), _column("bytea"))
    never = replace(_column("varchar", length=9), nullable=False)
    assert Mutant.NULL_FOR_EMPTY not in _mutants(never, replace(TEXT, nullable=False))
    assert _mutants(never, TEXT)[Mutant.NULL_FOR_EMPTY] == [("", None)]
    assert _mutants(_column("varchar", length=9), TEXT)[Mutant.NULL_FOR_EMPTY] == [("", None), (None, "")]


def test_long_texts_differ_at_their_end_alone() -> None:
    ours, theirs = _mutants(_column("nvarchar"), TEXT)[Mutant.STALE][-1]
    assert ours
    assert theirs
    assert len(ours) > 8_000
    assert (ours[:-1], ours[-1], theirs[-1]) == (theirs[:-1], "b", "a")


def _bytes(part: Any) -> bytes | None:
    return bytes(part.data) if isinstance(part, Binary) else part
