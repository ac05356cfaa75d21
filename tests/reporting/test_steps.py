"""The marks of checks: what is wrong with them, which outcome of a need blocks, and the order that needs ask for."""

from __future__ import annotations

from datetime import date

import pytest

from cdcproof.findings import NOT_EXPECTED, Difference, Verdict
from cdcproof.pipeline.model import Waiver
from cdcproof.reporting.record import StepRecord
from cdcproof.reporting.steps import Need, Step, groups, in_order, problems, suite_of

SUITES = ("morning", "weekly")


def step(step_id: str, *needs: str, title: str = "Title.", severity: str = "major", place: str = "") -> Step:
    return Step(step_id, title, severity, tuple(map(Need.parse, needs)), place or f"{step_id}.py::test")


def record(verdict: Verdict, *differences: Difference) -> StepRecord:
    return StepRecord(
        step="morning.2-connectors",
        title="Every connector is RUNNING.",
        suite="morning",
        severity="critical",
        verdict=verdict,
        started_at=0.0,
        duration_seconds=0.1,
        differences=differences,
    )


def found(*steps: Step, waivers: tuple[Waiver, ...] = (), elsewhere: tuple[str, ...] = ()) -> list[str]:
    return problems(steps, waivers, suites=SUITES, elsewhere=elsewhere)


@pytest.mark.parametrize(
    ("text", "need"),
    [
        ("morning.2-connectors", Need("morning.2-connectors", "")),
        ("morning.2-connectors:sink", Need("morning.2-connectors", "sink")),
        ("morning.2-connectors:a:b", Need("morning.2-connectors", "a:b")),
    ],
)
def test_a_need_is_a_step_or_one_subject_of_it(text: str, need: Need) -> None:
    assert Need.parse(text) == need


DOWN = Difference("sink (sink)", "RUNNING", "FAILED")
UNKNOWN = Difference("other", NOT_EXPECTED, "RUNNING")


@pytest.mark.parametrize(
    ("need", "outcome", "is_broken"),
    [
        ("s", record(Verdict.PASSED), False),
        ("s:sink", record(Verdict.PASSED), False),
        ("s", record(Verdict.WAIVED, DOWN), False),
        ("s", record(Verdict.NOT_CHECKED), True),
        ("s:source", record(Verdict.NOT_CHECKED), True),
        ("s:source", record(Verdict.BLOCKED), True),
        ("s", record(Verdict.FAILED, DOWN), True),
        ("s", record(Verdict.FAILED), True),
        ("s", record(Verdict.FAILED, UNKNOWN), False),
        ("s", record(Verdict.FAILED, UNKNOWN, DOWN), True),
        ("s:sink", record(Verdict.FAILED, UNKNOWN, DOWN), True),
        ("s:odd (eu)", record(Verdict.FAILED, Difference("odd (eu) (sink)", "RUNNING", "FAILED")), True),
        ("s:sink (sink)", record(Verdict.FAILED, DOWN), True),
        ("s:archive", record(Verdict.FAILED, Difference("archive (sink)", "RUNNING", "FAILED")), True),
        ("s:sink", record(Verdict.FAILED, Difference("archive (sink)", "RUNNING", "FAILED")), True),
        ("s:source", record(Verdict.FAILED, DOWN), False),
        ("s:sin", record(Verdict.FAILED, DOWN), False),
        ("s:sink", record(Verdict.FAILED), False),
    ],
)
def test_a_need_is_broken_by_what_takes_the_sense_from_the_dependent_step(
    need: str, outcome: StepRecord, is_broken: bool
) -> None:
    assert Need.parse(need).is_broken_by(outcome) is is_broken


def test_the_suite_is_what_stands_before_the_first_dot() -> None:
    assert suite_of("morning.2-connectors") == "morning"
    assert suite_of("own.1.2") == "own"
    assert step("weekly.3-disks").suite == "weekly"


def test_steps_that_are_in_order_have_no_problems() -> None:
    waiver = Waiver(step="weekly.1-trend", reason="known to the vendor", expires=date(2030, 1, 1))
    steps = [step("morning.1-a"), step("morning.2-b", "morning.1-a", "weekly.1-trend")]
    assert found(*steps, waivers=(waiver,), elsewhere=("weekly.1-trend",)) == []


@pytest.mark.parametrize("severity", ["critical", "major", "minor"])
def test_the_three_severities_are_known(severity: str) -> None:
    assert found(step("morning.1-a", severity=severity)) == []


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            step("morning.A", place="x"),
            "x: the step id 'morning.A' is not of the form <suite>.<id>, like morning.2-connectors",
        ),
        (step("hourly.1-a", place="x"), "x: the suite 'hourly' of step hourly.1-a is not a marker in pytest.ini"),
        (
            step("morning.1-a", severity="", place="x"),
            "x: morning.1-a is not in the catalogue, so its mark must give severity='critical' or 'major' or 'minor'",
        ),
        (
            step("morning.1-a", severity="high", place="x"),
            "x: the severity 'high' is not one of critical, major, minor",
        ),
        (
            step("morning.1-a", title="", place="x"),
            "x: the check has no docstring; its first line is the title in every report",
        ),
        (step("morning.1-a", "morning.9-z", place="x"), "x: it needs morning.9-z, and there is no such step"),
    ],
)
def test_what_is_wrong_with_a_mark_is_said_with_its_place(wrong: Step, sentence: str) -> None:
    assert found(wrong) == [sentence]


def test_everything_wrong_with_a_mark_is_said_at_once() -> None:
    assert len(found(step("hourly", "a.1", "a.2", title="", severity="", place="x"))) == 5


def test_a_step_of_two_checks_names_both() -> None:
    twice = [step("morning.1-a", place="x"), step("morning.2-b", place="y"), step("morning.1-a", place="z")]
    assert found(*twice) == ["the step morning.1-a is claimed by 2 checks: x, z"]


def test_a_waiver_of_a_step_that_is_not_there_is_named() -> None:
    waivers = tuple(
        Waiver(step=name, reason="known to the vendor", expires=date(2030, 1, 1))
        for name in ("morning.1-a", "morning.7-gone")
    )
    assert found(step("morning.1-a"), waivers=waivers) == [
        "the pipeline waives morning.7-gone, and there is no such step"
    ]


@pytest.mark.parametrize(
    ("needs", "circle"),
    [
        ({"a": "b", "b": "a"}, "morning.a → morning.b → morning.a"),
        ({"a": "a"}, "morning.a → morning.a"),
        ({"a": "b", "b": "c", "c": "b"}, "morning.b → morning.c → morning.b"),
        ({"z": "", "a": "b", "b": "c", "c": "a"}, "morning.a → morning.b → morning.c → morning.a"),
    ],
)
def test_needs_in_a_circle_are_named_from_where_it_closes(needs: dict[str, str], circle: str) -> None:
    steps = [step(f"morning.{one}", *([f"morning.{need}"] if need else [])) for one, need in needs.items()]
    assert found(*steps) == [f"these steps need one another in a circle: {circle}"]


def test_a_step_that_two_others_need_is_no_circle() -> None:
    shared = [
        step("morning.d", "morning.b", "morning.c"),
        step("morning.b", "morning.a"),
        step("morning.c", "morning.a"),
        step("morning.a"),
    ]
    assert found(*shared) == []


def test_a_circle_behind_steps_that_need_nothing_wrong_is_found() -> None:
    steps = [
        step("morning.a"),
        step("morning.b", "morning.a", "morning.c"),
        step("morning.c", "morning.a", "morning.d"),
        step("morning.d", "morning.c"),
    ]
    assert found(*steps) == ["these steps need one another in a circle: morning.c → morning.d → morning.c"]


def test_each_step_comes_after_those_it_needs_and_otherwise_as_given() -> None:
    steps = [
        step("m.d", "m.b", "m.elsewhere"),
        step("m.x"),
        step("m.b", "m.c", "m.a"),
        step("m.a", "m.c"),
        step("m.c"),
    ]
    assert [one.id for one in in_order(steps)] == ["m.c", "m.a", "m.b", "m.d", "m.x"]
    assert in_order(reversed(steps[-2:])) == [steps[-1], steps[-2]]


def test_steps_that_need_one_another_however_indirectly_share_a_group() -> None:
    steps = [
        step("m.a"),
        step("m.b", "m.a"),
        step("m.c"),
        step("m.d", "m.c", "m.b"),
        step("m.e", "m.elsewhere"),
        step("m.f"),
    ]
    found_groups = groups(steps)
    assert found_groups.keys() == {one.id for one in steps}
    assert len({found_groups[one] for one in ("m.a", "m.b", "m.c", "m.d")}) == 1
    assert len(set(found_groups.values())) == 3
