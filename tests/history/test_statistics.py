"""Since when, how often, within what time, flaky."""

from __future__ import annotations

from cdcproof.findings import Verdict
from cdcproof.history.entries import CHECKS, RECONCILIATION, CheckResult, Entry, Measure
from cdcproof.history.statistics import CheckHistory, checks, trends
from cdcproof.reporting.formats.chart import Chart

WORDS = {
    ".": Verdict.PASSED,
    "W": Verdict.WARNED,
    "F": Verdict.FAILED,
    "N": Verdict.NOT_CHECKED,
    "B": Verdict.BLOCKED,
    "w": Verdict.WAIVED,
}


def history(letters: str) -> CheckHistory:
    """A run each 10 seconds."""
    results = ((n * 10.0, CheckResult("m.1", WORDS[letter], float(n), 0)) for n, letter in enumerate(letters))
    runs = [Entry("p", CHECKS, "m", "", at, 1.0, (result,)) for at, result in results]
    return checks(runs)[0]


def test_since_is_where_green_or_red_began() -> None:
    assert history("...FNF").since == 30.0
    assert history("F.Ww").since == 10.0
    assert history("..").since == 0.0
    assert history("F").first_seen == 0.0


def test_a_blocked_check_did_not_look() -> None:
    seen = history("B.BBFB")
    assert (len(seen.results), seen.now, seen.since, seen.first_seen) == (2, Verdict.FAILED, 40.0, 10.0)
    assert checks([Entry("p", CHECKS, "m", "", 0, 1, (CheckResult("m.1", Verdict.BLOCKED, 0, 0),))]) == []


def test_red_once_is_once_however_long() -> None:
    assert [history(letters).times_red for letters in ("...", "F", "FFF", ".FN.F", "F.F.")] == [0, 1, 1, 2, 2]


def test_detected_within_is_the_time_since_the_last_green_look() -> None:
    assert history("...").detected_within_seconds is None
    assert history("F.").detected_within_seconds is None  # it was never seen to be right
    assert history(".F").detected_within_seconds == 10.0
    assert history(".BBF..F").detected_within_seconds == 20.0  # 30 and 10
    assert history(".NF").detected_within_seconds is None  # when it failed was not seen


def test_red_seconds_end_with_the_next_green_look() -> None:
    assert history(".FF").red_seconds is None
    assert history(".FN.").red_seconds == 20.0
    assert history(".F.FFF.").red_seconds == 20.0  # 10 and 30


def test_flaky_is_twice_red_and_green_again_lately() -> None:
    assert not history(".F.").is_flaky
    assert not history(".F.F").is_flaky
    assert history(".F.F.").is_flaky
    assert not history(".F.F." + "." * 19).is_flaky
    assert not history("F" * 30).is_flaky


def test_trends_are_by_measure_and_subject_and_of_the_runs_themselves() -> None:
    runs = [
        Entry("p", CHECKS, "m", "", 0, 4.0, (CheckResult("m.1", Verdict.PASSED, 0, 0),), (Measure("lag", "a", 1.0),)),
        Entry(
            "p",
            RECONCILIATION,
            "2 tables",
            "",
            1,
            9.0,
            (),
            (Measure("differences", "t", 3.0), Measure("lag", "b", 2.0)),
        ),
        Entry("p", CHECKS, "m", "", 2, 5.0, (CheckResult("m.1", Verdict.PASSED, 0, 0),), (Measure("lag", "a", 7.0),)),
    ]
    assert trends(runs) == [
        Chart("differences", "t", (3.0,)),
        Chart("duration_seconds", "m", (4.0, 5.0)),
        Chart("lag", "a", (1.0, 7.0)),
        Chart("lag", "b", (2.0,)),
    ]
