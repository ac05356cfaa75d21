"""Which columns of a table hold data."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cdcproof.databases.column_data import columns_found


class Rows:
    """A table whose columns of the first letter `m` are masked: a row with data in them is found, their flags are not told."""

    def __init__(self, *rows: dict[str, object]) -> None:
        self.rows = rows
        self.scans = 0

    def find(self, columns: Sequence[str]) -> Sequence[int] | None:
        for row in self.rows:
            filled = [row.get(column) is not None for column in columns]
            if any(filled):
                return [int(one and not column.startswith("m")) for one, column in zip(filled, columns, strict=True)]
        self.scans += 1
        return None


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([], ""),
        ([{}, {}], ""),
        ([{"a": 1, "b": 0}], "ab"),
        ([{"a": 1}, {"b": 1}], "ab"),
        ([{"a": 1}, {"m": 1}], "am"),
        ([{"m": 1}, {"b": 1}], "bm"),
        ([{"m": 1}], "m"),
    ],
)
def test_a_column_is_found_by_any_row_with_data_also_a_masked_one(rows: list[dict[str, object]], found: str) -> None:
    assert columns_found(["a", "b", "m"], Rows(*rows).find) == set(found)


def test_only_columns_without_data_cost_a_whole_scan() -> None:
    rows = Rows({"a": 1}, {"b": 1})
    columns_found(["a", "b"], rows.find)
    assert rows.scans == 0
    columns_found(["a", "b", "c", "d"], rows.find)
    assert rows.scans == 1


def test_nothing_is_asked_of_no_columns() -> None:
    rows = Rows()
    assert columns_found([], rows.find) == frozenset()
    assert rows.scans == 0
