from __future__ import annotations

import pytest

from cdcproof.validation.baseline.comparison import Comparison, Expectation, Facts

BEFORE = {
    "versions/connect": "3.9.2",
    "connectors/sink/batch.size": "2000",
    "connectors/sink/delete.enabled": "true",
    "schema/source/customers/name": "text not null",
    "rows/source/customers": "1000",
}


def compared(*expected: str, unknown: dict[str, str] | None = None, **changes: str | None) -> Comparison:
    """`changes` by the last part of the subject; None takes the fact away."""
    named = {subject.rpartition("/")[2].replace(".", "_"): subject for subject in BEFORE}
    after = {**BEFORE, **{named[key]: value for key, value in changes.items()}}
    kept = {subject: value for subject, value in after.items() if value is not None}
    return Comparison(Facts(BEFORE), Facts(kept, unknown or {}), tuple(Expectation.parse(e) for e in expected))


def wrong(comparison: Comparison) -> dict[str, tuple[str, str]]:
    found, must = comparison.found(), comparison.must_be()
    assert found.keys() == must.keys()
    return {subject: (must[subject], found[subject]) for subject in found if found[subject] != must[subject]}


def test_nothing_changed_and_that_was_looked_at() -> None:
    comparison = compared()

    assert wrong(comparison) == {}
    assert comparison.found() == dict.fromkeys(("versions", "deployment", "connectors", "schema", "rows"), "looked at")


def test_what_nobody_declared_is_named() -> None:
    assert wrong(compared(batch_size="5000", connect="4.0.0", name=None)) == {
        "connectors/sink/batch.size": ("2000", "5000"),
        "versions/connect": ("3.9.2", "4.0.0"),
        "schema/source/customers/name": ("text not null", "absent"),
    }


def test_what_appeared_is_named() -> None:
    after = Facts({**BEFORE, "connectors/rogue/topics": "x"})

    assert wrong(Comparison(Facts(BEFORE), after)) == {"connectors/rogue/topics": ("absent", "x")}


@pytest.mark.parametrize(
    "expected", ["connectors/sink/batch.size = 5000", "connectors/sink/*", "connectors/*/batch.size"]
)
def test_what_was_declared_is_right(expected: str) -> None:
    comparison = compared(expected, batch_size="5000")

    assert wrong(comparison) == {}
    assert [change.subject for change in comparison.intended()] == ["connectors/sink/batch.size"]


def test_a_declaration_excuses_nothing_else() -> None:
    found = wrong(compared("connectors/sink/batch.size", batch_size="5000", delete_enabled="false"))

    assert set(found) == {"connectors/sink/delete.enabled"}


def test_another_value_than_the_one_intended() -> None:
    found = wrong(compared("connectors/sink/batch.size = 5000", batch_size="500"))

    assert found == {"connectors/sink/batch.size": ("5000", "500")}


@pytest.mark.parametrize(
    "expected", ["connectors/sink/batch.size = 5000", "connectors/sink/batch.size", "versions/none"]
)
def test_an_intention_that_did_not_come_about(expected: str) -> None:
    assert wrong(compared(expected)) == {expected: ("changed as intended", "not so")}


def test_an_intention_that_was_already_so_is_fulfilled() -> None:
    assert wrong(compared("connectors/sink/batch.size = 2000")) == {}


@pytest.mark.parametrize(
    ("rows", "is_lost"), [("999", False), ("1", True), ("500", False), ("499", True), ("5000", False)]
)
def test_rows_come_and_go_but_half_a_table_does_not(rows: str, is_lost: bool) -> None:
    after = Facts({**BEFORE, "rows/source/customers": rows})

    found = wrong(Comparison(Facts(BEFORE), after))

    assert set(found) == ({"rows/source/customers"} if is_lost else set())


def test_a_group_that_could_not_be_looked_at_is_not_compared_and_told() -> None:
    comparison = compared(unknown={"connectors": "no answer"}, batch_size=None, delete_enabled=None)

    assert wrong(comparison) == {}
    assert comparison.unknown() == {"connectors": "no answer"}
    assert "connectors" not in comparison.found()
    assert [row["not looked at"] for row in comparison.rows()] == ["", "", "no answer", "", ""]


@pytest.mark.parametrize("text", ["*", "connector/sink/x = 1", "", "= 5"])
def test_a_pattern_that_no_fact_can_have_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must begin with one of: versions/"):
        Expectation.parse(text)
