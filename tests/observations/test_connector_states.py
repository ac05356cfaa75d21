"""The exporter's page beside Connect: what changes between two looks is no contradiction, what both contradict is one."""

from __future__ import annotations

import pytest

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.observations.reconciliation.connector_page import PageBesideConnect, settled

UP, DOWN = {"sink": 1.0}, {"sink": 0.0}


def beside(before: dict[str, float], page: dict[str, float], after: dict[str, float], made_at: float = 1.0):
    return PageBesideConnect(before, page, after, made_at)


@pytest.mark.parametrize(
    ("before", "page", "after"),
    [
        (UP, UP, UP),
        (DOWN, DOWN, DOWN),
        (UP, DOWN, DOWN),  # stopped between the first look and the page
        (UP, UP, DOWN),  # … between the page and the second look
        (DOWN, UP, UP),
        ({}, UP, UP),  # deployed
        ({}, {}, UP),
        (UP, UP, {}),  # deleted
        (UP, {}, {}),
    ],
)
def test_what_connect_said_before_or_after_may_stand_on_the_page(before, page, after) -> None:
    assert beside(before, page, after).agrees


@pytest.mark.parametrize(
    ("before", "page", "after", "expected"),
    [
        (UP, DOWN, UP, UP),
        (DOWN, UP, DOWN, DOWN),
        (UP, {}, UP, UP),
        ({}, UP, {}, {}),
        (UP, {"sink": float("nan")}, UP, UP),
        (UP, {"sink": 0.5}, DOWN, DOWN),
        (UP, UP | {"gone": 1.0}, UP, UP),
    ],
)
def test_what_connect_said_neither_before_nor_after_is_a_contradiction(before, page, after, expected) -> None:
    found = beside(before, page, after)
    assert not found.agrees
    assert found.expected() == expected


def test_a_page_that_is_never_made_anew_is_a_copy_and_no_contradiction() -> None:
    copy = beside(UP, DOWN, UP, made_at=7.0)
    with pytest.raises(UnexpectedAnswerError, match=r"prove nothing.*a copy"):
        settled([copy, copy, copy])
    again = beside(UP, DOWN, UP, made_at=8.0)
    assert settled([copy, again]) is again
    assert settled([copy, beside(UP, UP, UP, made_at=7.0)]).agrees
