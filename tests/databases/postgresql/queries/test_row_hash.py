"""What a row's hash by PostgreSQL's functions is worth, by Python's reference, which test_statements.py holds to a server."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import combinations, product
from typing import Any
from uuid import UUID

import pytest

from cdcproof.databases.postgresql.queries.row_hash import MOST_CHAINED, chained, row_hash, seed
from cdcproof.databases.values.canonical import encode
from cdcproof.databases.values.types import Form, Kind

INTEGER, NUMBER = Form(Kind.INTEGER, precision=19), Form(Kind.NUMBER, scale=2, precision=9)
VALUES: dict[Form, list[Any]] = {
    Form(Kind.BOOLEAN): [True, False],
    Form(Kind.INTEGER, precision=5): [0, 1, -1],
    INTEGER: [0, 1, -1, 2**32, -(2**32)],
    NUMBER: [Decimal(0), Decimal("NaN"), Decimal(1), Decimal(-1), Decimal("0.01")],
    Form(Kind.NUMBER, scale=2): [Decimal(0), Decimal("NaN"), Decimal("-Infinity")],
    Form(Kind.TEXT): ["", " ", "a", "A"],
    Form(Kind.TEXT, long=True): ["", "a", "a" * 9000],
    Form(Kind.UUID): [UUID(int=0), UUID(int=1)],
}


def _hash(forms: Sequence[Form], values: Sequence[Any], chain: Sequence[int]) -> int:
    parts = [None if value is None else encode(form, value) for form, value in zip(forms, values, strict=True)]
    return row_hash(forms, parts, chain)


@pytest.mark.parametrize("nullable", [True, False])
@pytest.mark.parametrize("form", VALUES)
def test_values_that_change_places_between_rows_change_the_sum(form: Form, nullable: bool) -> None:
    """In the sum of a chunk, whose rows are not told apart."""
    forms, values = (INTEGER, form, NUMBER), [*VALUES[form], *([None] if nullable else [])]
    chain = chained(forms, [not nullable] * 3)
    others = [Decimal(0), Decimal("NaN"), Decimal(5)]
    for (one, other), (left, right) in product(combinations(values, 2), combinations(others, 2)):
        rows, swapped = [(7, one, left), (8, other, right)], [(7, other, left), (8, one, right)]
        sums = [sum(_hash(forms, row, chain) for row in some) for some in (rows, swapped)]
        assert sums[0] != sums[1], (rows, swapped)


@pytest.mark.parametrize("nullable", [True, False])
def test_values_that_change_columns_change_the_hash(nullable: bool) -> None:
    for form, values in VALUES.items():
        forms = (form, form, INTEGER)
        chain = chained(forms, [not nullable] * 3)
        for one, other in combinations([*values, *([None] if nullable else [])], 2):
            assert _hash(forms, (one, other, 7), chain) != _hash(forms, (other, one, 7), chain)


def test_what_special_numbers_leave_of_seeds_does_not_cancel_out() -> None:
    forms = [NUMBER] * 3
    specials = [None, Decimal(0), Decimal("NaN"), Decimal(-1)]
    rows = list(product(specials, repeat=3))
    assert len({_hash(forms, row, ()) for row in rows}) == len(rows)


def test_what_is_chained_has_no_null_and_no_case() -> None:
    forms = list(VALUES)
    assert chained(forms, [True] * len(forms)) == (1, 2, 3, 4, 5, 7)
    assert chained(forms, [form.kind is Kind.UUID for form in forms]) == (7,)
    assert chained([INTEGER] * 1000, [True] * 1000) == tuple(range(MOST_CHAINED))


def test_every_column_has_a_seed_of_its_own_that_a_bigint_holds() -> None:
    seeds = {seed(place) for place in range(1600)}
    assert len(seeds) == 1600
    assert -(2**63) <= min(seeds) < -(2**62) < 2**62 < max(seeds) < 2**63
