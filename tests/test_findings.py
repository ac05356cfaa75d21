from __future__ import annotations

import math
import operator
import pickle
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdcproof.core.errors import CouldNotLookError
from cdcproof.findings import (
    Concern,
    Difference,
    Finding,
    Limit,
    Observation,
    Verdict,
    at_least,
    at_most,
    below,
    require,
    require_at_least,
    require_at_most,
    require_below,
    require_equal,
    warn_above,
    warn_from,
    warn_if_any,
)

NAN = float("nan")
scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
mappings = st.dictionaries(st.text(max_size=3), scalars, min_size=1, max_size=4)
sets = st.sets(st.text(max_size=3), min_size=1, max_size=4)


def _differences(found: object, expected: object, **more: object) -> tuple[Difference, ...]:
    with pytest.raises(Finding) as caught:
        require_equal(found, expected, **more)  # type: ignore[arg-type]
    return caught.value.differences


@given(st.one_of(mappings, sets, st.integers(), st.text(min_size=1)))
def test_equal_is_equal(value: object) -> None:
    require_equal(value, value)


@given(mappings, mappings)
def test_mappings_differ_exactly_where_they_differ(found: dict[str, object], expected: dict[str, object]) -> None:
    keys = {k for k in found.keys() | expected.keys() if (k in found, found.get(k)) != (k in expected, expected.get(k))}
    if keys:
        assert {d.subject for d in _differences(found, expected)} == keys
    else:
        require_equal(found, expected)


@given(sets, sets)
def test_sets_differ_by_their_members(found: set[str], expected: set[str]) -> None:
    if found ^ expected:
        assert {d.subject for d in _differences(found, expected)} == found ^ expected
    else:
        require_equal(found, expected)


def test_absent_is_not_an_expected_none() -> None:
    assert _differences({}, {"a": None}) == (Difference("a", "None", "absent"),)


def test_the_words_are_made_from_the_values() -> None:
    found = {"sink/0": "FAILED", "extra": "RUNNING"}
    expected = {"sink/0": "RUNNING", "source": "RUNNING"}

    assert _differences(found, expected, details={"sink/0": "the first line"}) == (
        Difference("sink/0", "RUNNING", "FAILED", "the first line"),
        Difference("source", "RUNNING", "absent"),
        Difference("extra", "not expected", "RUNNING"),
    )


@pytest.mark.parametrize("nothing", [None, {}, set(), (), "", []])
def test_an_empty_expectation_is_a_finding_even_when_met(nothing: object) -> None:
    assert _differences(nothing, nothing)[0].found == "an empty expectation"


@pytest.mark.parametrize("something", [0, False, 0.0])
def test_zero_and_false_can_be_expected(something: object) -> None:
    require_equal(something, something)


def test_nan_equals_nothing() -> None:
    assert _differences({"a": NAN}, {"a": 1.0})
    assert _differences(NAN, NAN)


@given(st.dictionaries(st.text(max_size=3), st.floats(), min_size=1), st.floats(allow_nan=False))
def test_at_most_lets_through_what_is_at_most_and_nothing_else(found: dict[str, float], limit: float) -> None:
    over = {k for k, v in found.items() if math.isnan(v) or v > limit}
    if over:
        with pytest.raises(Finding) as caught:
            require_at_most(found, limit, unit="%")
        assert {d.subject for d in caught.value.differences} == over
    else:
        require_at_most(found, limit, unit="%")


@given(st.dictionaries(st.text(max_size=3), st.floats(), min_size=1), st.floats(allow_nan=False))
def test_at_least_likewise(found: dict[str, float], limit: float) -> None:
    under = {k for k, v in found.items() if math.isnan(v) or v < limit}
    if under:
        with pytest.raises(Finding) as caught:
            require_at_least(found, limit, unit="rows")
        assert {d.subject for d in caught.value.differences} == under
    else:
        require_at_least(found, limit, unit="rows")


def test_below_does_not_let_the_limit_itself_through() -> None:
    require_below({"/": 79.99}, 80, unit="% used")

    with pytest.raises(Finding, match="/: expected below 80 % used, found 80 % used"):
        require_below({"/": 80.0}, 80, unit="% used")
    with pytest.raises(Finding):
        require_below({"/": NAN}, 80, unit="% used")


def test_a_warning_from_a_limit_begins_at_the_limit() -> None:
    warn_from({"/": 69.9}, 70, unit="%")

    with pytest.raises(Concern, match="/: expected below 70 %, found 70 %"):
        warn_from({"/": 70}, 70, unit="%")


@pytest.mark.parametrize("judge", [require_at_most, require_below, require_at_least, warn_above, warn_from])
def test_nothing_measured_is_a_finding(judge) -> None:
    with pytest.raises(Finding) as caught:
        judge({}, 1, unit="%")
    assert type(caught.value) is Finding  # not a concern, which would be green
    assert caught.value.differences[0].found == "nothing was measured"


def test_numbers_are_told_with_thousands_and_their_unit() -> None:
    with pytest.raises(Finding) as caught:
        require_at_most({"sink": 12_345, "x": NAN, "y": 10_000.5}, 10_000, unit="records")
    assert [(d.expected, d.found) for d in caught.value.differences] == [
        ("at most 10,000 records", "12,345 records"),
        ("at most 10,000 records", "no number (NaN) records"),
        ("at most 10,000 records", "10,000.5 records"),
    ]


@given(st.floats(1, 1e6), st.floats(1e-6, 1))
def test_a_value_over_the_limit_never_looks_like_the_limit(limit: float, more: float) -> None:
    with pytest.raises(Finding) as caught:
        require_at_most({"x": limit + more}, limit, unit="%")
    (difference,) = caught.value.differences
    assert difference.expected.removeprefix("at most ") != difference.found


def test_a_warning_is_a_concern() -> None:
    with pytest.raises(Concern):
        warn_above({"/": 75}, 70, unit="%")
    with pytest.raises(Concern):
        warn_if_any({"database.password": "stands in clear"})
    warn_above({"/": 70}, 70, unit="%")
    warn_if_any({})


@pytest.mark.parametrize("kind", [Finding, Concern])
def test_findings_survive_pickling(kind: type[Finding]) -> None:
    finding = kind((Difference("a", "b", "c", "d"),), ("do this",))

    again = pickle.loads(pickle.dumps(finding))

    assert type(again) is kind
    assert (again.differences, again.action) == (finding.differences, finding.action)
    assert str(again) == "a: expected b, found c"


# ---- an observation ----


def _judged(observation: Observation) -> Finding | CouldNotLookError | None:
    try:
        require(observation, action=("mend it",), concern_action=("think of it",))
    except (Finding, CouldNotLookError) as raised:
        return raised
    return None


RIGHT = Observation({"a": "up"}, {"a": "up"})
WRONG = Observation({"a": "down"}, {"a": "up"}, {"a": "since noon"})


def test_an_observation_is_judged_in_one_order() -> None:
    """What is wrong comes before what is unknown, and that before what is worth a warning."""
    blind = replace(WRONG, unknown={"b does not answer.": "Start b."}, concerns={"c": "restarted"}, no_concern="calm")
    wrong = _judged(blind)
    assert type(wrong) is Finding
    assert wrong.differences == (Difference("a", "up", "down", "since noon"),)
    assert wrong.action == ("mend it",)

    unknown = _judged(replace(blind, found={"a": "up"}))
    assert type(unknown) is CouldNotLookError
    assert (unknown.message, unknown.remedy) == ("b does not answer.", "Start b.")

    concern = _judged(replace(blind, found={"a": "up"}, unknown={}))
    assert type(concern) is Concern
    assert concern.differences == (Difference("c", "calm", "restarted"),)
    assert concern.action == ("think of it",)

    assert _judged(RIGHT) is None


def test_an_observation_that_knows_its_commands_offers_them_where_none_are_given() -> None:
    with pytest.raises(Finding) as caught:
        require(replace(WRONG, action=("its own",)))
    assert caught.value.action == ("its own",)


def test_nothing_observed_is_wrong_unless_it_is_said_to_be_unknown() -> None:
    assert type(_judged(Observation())) is Finding
    assert type(_judged(Observation({}, at_most(1, "%")))) is Finding
    for nothing in (Observation(unknown={"why": ""}), Observation({}, at_most(1, "%"), unknown={"why": ""})):
        assert type(_judged(nothing)) is CouldNotLookError
    unexpected = Observation({"a": "up"}, {}, unknown={"why": ""})
    assert type(_judged(unexpected)) is Finding  # what was found is not passed over


def test_what_follows_is_judged_where_all_before_it_is_right() -> None:
    measured = Observation({"a": 11.0}, at_most(10, "s"), {"a": "of the oldest"})
    chain = replace(RIGHT, then=(replace(RIGHT, then=(measured,)), WRONG))

    def differences(observation: Observation) -> tuple[Difference, ...]:
        raised = _judged(observation)
        assert isinstance(raised, Finding)
        return raised.differences

    assert differences(chain) == (Difference("a", "at most 10 s", "11 s", "of the oldest"),)
    assert differences(replace(chain, found={"a": "down"})) == (Difference("a", "up", "down"),)
    assert differences(replace(RIGHT, then=(replace(measured, found={"a": 10.0}), WRONG))) == WRONG.differences()


def test_what_is_unknown_or_a_concern_of_what_follows_counts_too() -> None:
    follower = replace(RIGHT, unknown={"two": "same"})
    raised = _judged(replace(RIGHT, unknown={"one": "same", "none": ""}, then=(follower,)))
    assert isinstance(raised, CouldNotLookError)
    assert (raised.message, raised.remedy) == ("one none two", "same")

    concern = _judged(replace(RIGHT, concerns={"a": "1"}, then=(replace(RIGHT, concerns={"b": "2"}, no_concern="0"),)))
    assert isinstance(concern, Concern)
    assert concern.differences == (Difference("a", "none", "1"), Difference("b", "0", "2"))


@pytest.mark.parametrize(("limit", "kept"), [(at_most, "le"), (at_least, "ge"), (below, "lt")])
@given(number=st.floats(), bound=st.floats(-1e9, 1e9))
def test_a_limit_is_kept_as_its_word_says(limit: Callable[..., Limit], kept: str, number: float, bound: float) -> None:
    broken = limit(bound, "s").broken_by({"x": number})
    assert (not broken) is bool(getattr(operator, kept)(number, bound))
    assert not broken or broken["x"].endswith(" s")


def test_rows_show_what_was_found_beside_what_was_expected() -> None:
    seen = Observation(
        {"a": "up", "b": "here"}, {"a": "up", "c": "up"}, concerns={"b": "late"}, unknown={"x": ""}, passed_over=("y",)
    )
    assert seen.rows() == [
        {"what": "a", "found": "up", "expected": "up"},
        {"what": "c", "found": "absent", "expected": "up"},
        {"what": "b", "found": "late", "expected": None},
        {"what": "x", "found": "could not be seen", "expected": None},
        {"what": "y", "found": "could not be seen", "expected": None},
    ]
    assert Observation("3.9", "4.0").rows() == [{"what": "", "found": "3.9", "expected": "4.0"}]
    [row] = Observation({"a": 1.0}, at_least(2, "days")).rows()
    assert (row["what"], row["found"], str(row["expected"])) == ("a", 1.0, "at least 2 days")


def test_what_is_passed_over_is_shown_and_not_judged() -> None:
    require(replace(RIGHT, passed_over=("nobody knows",)))


def test_an_observation_survives_pickling() -> None:
    seen = replace(WRONG, then=(Observation({"a": 1.0}, below(3, "s")),))
    assert pickle.loads(pickle.dumps(seen)) == seen


# ---- words, details and actions, whole ----

ACT = ("cdcproof connectors restart sink", "cdcproof status")


def _raised(judge: Callable[[], None]) -> Finding:
    with pytest.raises(Finding) as caught:
        judge()
    return caught.value


def test_a_member_of_a_set_is_present_absent_or_not_expected() -> None:
    finding = _raised(
        lambda: require_equal({"b", "c", "a"}, frozenset({"c", "d"}), details={"b": "since noon"}, action=ACT)
    )
    assert finding.differences == (
        Difference("a", "not expected", "present"),
        Difference("b", "not expected", "present", "since noon"),
        Difference("d", "present", "absent"),
    )
    assert finding.action == ACT


def test_members_of_any_kind_are_in_the_order_of_their_words() -> None:
    finding = _raised(lambda: require_equal({10, 9, "x"}, {"x"}, details={"9": "nine"}))
    assert finding.differences == (
        Difference("10", "not expected", "present"),
        Difference("9", "not expected", "present", "nine"),
    )


def test_subjects_of_any_kind_are_words_with_their_details() -> None:
    finding = _raised(
        lambda: require_equal({1: None, 3: 4}, {1: 5, 2: 6}, details={"1": "one", "2": "two", "3": "three"})
    )
    assert finding.differences == (
        Difference("1", "5", "None", "one"),
        Difference("2", "6", "absent", "two"),
        Difference("3", "not expected", "4", "three"),
    )


@pytest.mark.parametrize(
    ("found", "expected"), [("3.9", "4.0"), ([1], [2]), ({"a": 1}, {"a"}), ({"a"}, {"a": 1}), ({"a"}, ["a"])]
)
def test_what_is_of_two_kinds_or_of_none_is_compared_as_a_whole(found: object, expected: object) -> None:
    finding = _raised(lambda: require_equal(found, expected, details={"": "a line", "a": "no"}, action=ACT))
    assert finding.differences == (Difference("", str(expected), str(found), "a line"),)
    assert finding.action == ACT
    assert _differences(found, expected)[0].detail == ""


@pytest.mark.parametrize("found", [None, {}, {"a": 1}, "x"])
def test_an_empty_expectation_has_its_words_and_its_action(found: object) -> None:
    finding = _raised(lambda: require_equal(found, {}, details={"": "no"}, action=ACT))
    assert finding.differences == (Difference("", "something to compare with", "an empty expectation"),)
    assert finding.action == ACT


@pytest.mark.parametrize(
    ("judge", "kind", "number", "words"),
    [
        (require_at_most, Finding, 1_000.5, "at most 1,000 records"),
        (require_below, Finding, 1_000.0, "below 1,000 records"),
        (require_at_least, Finding, 999.5, "at least 1,000 records"),
        (warn_above, Concern, 1_000.5, "at most 1,000 records"),
        (warn_from, Concern, 1_000.0, "below 1,000 records"),
    ],
)
def test_a_limit_that_is_not_kept_has_its_words_and_its_action(
    judge: Callable[..., None], kind: type[Finding], number: float, words: str
) -> None:
    finding = _raised(lambda: judge({"sink": number}, 1_000.0, unit="records", action=ACT))
    assert type(finding) is kind
    assert finding.differences == (Difference("sink", words, f"{number:,.1f} records".replace(".0 ", " ")),)
    assert finding.action == ACT
    nothing = _raised(lambda: judge({}, 1_000.0, unit="records", action=ACT))
    assert type(nothing) is Finding
    assert nothing.differences == (Difference("", words, "nothing was measured"),)
    assert nothing.action == ACT
    assert _raised(lambda: judge({"sink": NAN}, 1_000.0, unit="records")).action == ()


@pytest.mark.parametrize("judge", [require_at_most, warn_above])
def test_a_number_over_its_limit_has_the_detail_of_its_subject(judge: Callable[..., None]) -> None:
    finding = _raised(lambda: judge({"a": 3, "b": 3, "c": 2}, 2, unit="s", details={"b": "oldest: 7", "c": "no"}))
    assert finding.differences == (
        Difference("a", "at most 2 s", "3 s"),
        Difference("b", "at most 2 s", "3 s", "oldest: 7"),
    )


def test_each_risk_is_named_with_what_would_be_right() -> None:
    finding = _raised(lambda: warn_if_any({"a": "stands in clear", "b": "too"}, expected="a reference", action=ACT))
    assert type(finding) is Concern
    assert finding.differences == (
        Difference("a", "a reference", "stands in clear"),
        Difference("b", "a reference", "too"),
    )
    assert finding.action == ACT
    assert _raised(lambda: warn_if_any({"a": "x"})).differences == (Difference("a", "none", "x"),)
    assert _raised(lambda: warn_if_any({"a": "x"})).action == ()


def test_a_finding_in_one_line_names_subjects_where_there_are_any() -> None:
    finding = Finding(
        (Difference("", "4.0", "3.9"), Difference("sink", "up", "down", "no"), Difference(": x", "1", "2"))
    )
    assert str(finding) == "expected 4.0, found 3.9; sink: expected up, found down; x: expected 1, found 2"


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (at_most(1_234_567.0, "bytes"), "at most 1,234,567 bytes"),
        (at_least(0.25, "%"), "at least 0.25 %"),
        (below(10, ""), "below 10"),
    ],
)
def test_a_limit_is_written_as_it_is_configured(limit: Limit, words: str) -> None:
    assert str(limit) == words


@pytest.mark.parametrize(
    ("number", "limit", "words"),
    [
        (80.0, 80, "80"),
        (80.04, 80, "80.04"),
        (80.0004, 80, "80.0004"),
        (80.0000004, 80, "80.0000004"),
        (80.00123, 80, "80.001"),
        (80.0000123, 80, "80.000012"),
        (12_345.67, 80, "12,345.7"),
        (100.0, 80, "100"),
        (0.04, 80, "0"),
        (NAN, 80, "no number (NaN)"),
        (math.inf, 80, "inf"),
    ],
)
def test_a_number_has_as_many_digits_as_set_it_apart_from_its_limit(number: float, limit: float, words: str) -> None:
    assert Limit("at most", limit, "").words(number) == words
    assert Limit("at most", limit, "%").words(number) == f"{words} %"


@pytest.mark.parametrize(
    ("verdict", "is_green"),
    [
        ("passed", True),
        ("warned", True),
        ("failed", False),
        ("not checked", False),
        ("blocked", False),
        ("waived", True),
    ],
)
def test_what_an_operator_may_go_on_with(verdict: str, is_green: bool) -> None:
    assert Verdict(verdict).is_green is is_green


def test_a_difference_as_json() -> None:
    assert Difference("a", "b", "c", "d").as_dict() == {"subject": "a", "expected": "b", "found": "c", "detail": "d"}


def test_what_is_judged_later_offers_its_own_commands_and_else_those_of_the_first() -> None:
    wrong = Observation({"a": 2}, {"a": 1})
    for own, offered in ((("its own",), ("its own",)), ((), ("the first",))):
        seen = replace(RIGHT, action=("the first",), then=(replace(wrong, action=own),))
        with pytest.raises(Finding) as raised:
            require(seen)
        assert raised.value.action == offered


def test_one_sentence_of_two_parts_keeps_what_helps_with_each() -> None:
    follower = replace(RIGHT, unknown={"refused.": "Grant b."})
    raised = _judged(replace(RIGHT, unknown={"refused.": "Grant a."}, then=(follower,)))
    assert isinstance(raised, CouldNotLookError)
    assert (raised.message, raised.remedy) == ("refused.", "Grant a.\nGrant b.")


def test_what_helps_with_what_is_unknown_is_said_once_a_line() -> None:
    unknown = {"one.": "Start a.", "two.": "", "three.": "Start b.", "four.": "Start a."}
    raised = _judged(replace(RIGHT, unknown=unknown))
    assert isinstance(raised, CouldNotLookError)
    assert (raised.message, raised.remedy) == ("one. two. three. four.", "Start a.\nStart b.")


def test_the_rows_of_a_set_and_of_a_concern_that_nothing_was_expected_of() -> None:
    assert Observation({"a"}, {"b"}, concerns={"c": "late"}).rows() == [
        {"what": "", "found": {"a"}, "expected": {"b"}},
        {"what": "c", "found": "late", "expected": None},
    ]


@pytest.mark.parametrize(
    ("found", "expected", "is_nothing"),
    [
        ({}, {}, True),
        (None, (), True),
        ({}, at_most(1, "s"), True),
        ({"a": 1}, at_most(1, "s"), False),
        ({}, {"a": 1}, False),
        ({"a": 1}, {}, False),
        (0, 0, False),
    ],
)
def test_what_is_no_observation_at_all(found: object, expected: object, is_nothing: bool) -> None:
    assert Observation(found, expected).is_nothing is is_nothing


def test_a_finding_is_made_of_its_differences_and_its_action() -> None:
    difference = Difference("a", "b", "c")
    assert Finding((difference,), ACT).args == ((difference,), ACT)


def test_the_row_of_what_is_of_two_kinds() -> None:
    assert Observation({"a": 1}, "one").rows() == [{"what": "", "found": {"a": 1}, "expected": "one"}]
    assert Observation("one", {"a": 1}).rows() == [{"what": "", "found": "one", "expected": {"a": 1}}]


def test_a_verdicts_metric_is_its_place() -> None:
    assert [verdict.metric_value for verdict in Verdict] == [0, 1, 2, 3, 4, 5]
