"""Where rows are planted so that each part of a side has some."""

from __future__ import annotations

from cdcproof.databases.names import Column, TableName
from cdcproof.databases.table_read import Chunking, ColumnRead, Segment, TableRead
from cdcproof.databases.values.types import Form, Kind
from cdcproof.reconcile.self_proof.planting import _spread

SCAN = TableRead(
    TableName("s", "t"),
    (ColumnRead(Column("id", "int", nullable=False), Form(Kind.INTEGER)),),
    1,
    Chunking(width=100),
)
PARTS = [Segment(None, 10), Segment(10, 20), Segment(20, None)]


def test_places_of_rows_are_where_a_part_begins_and_where_it_ends() -> None:
    spread = _spread(SCAN, "postgresql", ["1"], PARTS)
    assert spread.planted_at == (None, 9, 10, 19, 20, None)
    assert spread.planted == (("1",),) * 6


def test_where_parts_are_values_of_the_key_the_row_has_such_a_value() -> None:
    spread = _spread(SCAN, "sqlserver", ["1"], PARTS)
    assert spread.planted == (("9",), ("9",), ("10",), ("19",), ("20",), ("20",))
    assert _spread(SCAN, "sqlserver", ["1"], [Segment()]).planted == (("1",), ("1",))
