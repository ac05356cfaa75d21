"""The exporter's page beside Connect: what changes between two looks is no contradiction, what both contradict is one."""

from __future__ import annotations

import pytest

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.findings import Observation
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


def test_each_connector_is_judged_by_itself_and_has_a_row() -> None:
    found = beside({"a": 1.0, "b": 1.0, "c": 0.0}, {"a": 0.0, "c": 0.0, "d": 1.0}, {"a": 1.0, "b": 1.0, "c": 1.0})

    assert found.observation() == Observation({"a": 0.0, "c": 0.0, "d": 1.0}, {"a": 1.0, "b": 1.0, "c": 0.0})
    assert found.rows() == [
        {"connector": "a", "state": 0.0, "Connect before": 1.0, "after": 1.0},
        {"connector": "b", "state": None, "Connect before": 1.0, "after": 1.0},
        {"connector": "c", "state": 0.0, "Connect before": 0.0, "after": 1.0},
        {"connector": "d", "state": 1.0, "Connect before": None, "after": None},
    ]


def test_a_connector_of_which_only_the_first_answer_knows_has_a_row() -> None:
    assert beside(UP, {}, {}).rows() == [{"connector": "sink", "state": None, "Connect before": 1.0, "after": None}]
    assert beside({}, {}, UP).rows() == [{"connector": "sink", "state": None, "Connect before": None, "after": 1.0}]


def test_why_a_copy_proves_nothing_is_said_with_what_helps() -> None:
    copy = beside(UP, DOWN, UP, made_at=7.0)
    with pytest.raises(UnexpectedAnswerError) as raised:
        settled([copy, copy])
    assert raised.value.message == (
        "The metrics of the connector exporter prove nothing: they contradict Connect, and are still those of the first of "
        "2 looks: a copy, which may be older than what Connect says."
    )
    assert raised.value.remedy == (
        "Look for a cache in front of the exporter, or an exporter that hangs: fetch the page twice and compare its "
        "cdcproof_exporter_rendered_timestamp_seconds."
    )
    assert settled([copy]) is copy, "one look cannot show that it is a copy"
