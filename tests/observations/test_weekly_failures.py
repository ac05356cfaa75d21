"""What two weeks of counters say of failures, and what they cannot say."""

from __future__ import annotations

from cdcproof.findings import Limit, Observation
from cdcproof.observations.weeks.failures import WeeklyFailures

NOW = 2_000_000_000.0 // 300 * 300
WEEK = 7 * 86_400
STEPS = WEEK // 300


def counted(*rises: tuple[int, float], reset: float | None = None, start: int = 0) -> tuple[tuple[float, float], ...]:
    """Two weeks of a counter that rises by so much at each step; `reset` is to what it falls in the middle of this week."""
    samples, value = [], 10.0
    for step in range(2 * STEPS + 1):
        value += sum(more for at, more in rises if at == step)
        if reset is not None and step == STEPS + STEPS // 2:
            value = reset
        samples.append((NOW - 2 * WEEK + step * 300, value))
    return tuple(samples[start:])


def test_what_failed_is_judged_beside_the_week_before() -> None:
    found = WeeklyFailures(
        {"runs": counted((STEPS + 1, 4)), "rows": counted((5, 1), (STEPS + 9, 2)), "contents": counted((9, 3))},
        NOW,
        3,
        30,
    )
    assert found.observation() == Observation(
        {"runs": 4.0, "rows": 2.0, "contents": 0.0},
        Limit("at most", 3, "in 7 days"),
        {
            "runs": "the week before: 0; this week: 4",
            "rows": "the week before: 1; this week: 2",
            "contents": "the week before: 3; this week: 0",
        },
        concerns={"runs": "4, the week before 0", "rows": "2, the week before 1"},
        no_concern="no more than the week before",
    )


def test_as_many_as_in_the_week_before_are_no_concern() -> None:
    assert WeeklyFailures({"runs": counted((5, 2), (STEPS + 9, 2))}, NOW, 3, 30).more_than_before() == {}


def test_a_week_before_that_is_not_whole_is_not_known() -> None:
    found = WeeklyFailures({"runs": counted((STEPS + 9, 2), start=100)}, NOW, 3, 30)
    assert found.details() == {"runs": "the week before: not known; this week: 2"}
    assert found.more_than_before() == {}
    assert found.unknown() == {}
    assert found.rows() == [
        {"counter": "runs", "last 7 days": "2", "the week before": "not known", "minutes without a sample": "0"}
    ]


def test_a_counter_that_was_reset_to_what_may_be_new_is_not_known() -> None:
    [(sentence, remedy)] = WeeklyFailures({"runs": counted(reset=4)}, NOW, 3, 30).unknown().items()
    assert sentence.startswith("It is not known how often it failed: runs: 0; reset to 4 at ")
    assert remedy == (
        "The exporter lost its state (--state), and counted reports anew. The reports themselves say which runs failed."
    )
    both = WeeklyFailures({"runs": counted(reset=4), "rows": counted(reset=5)}, NOW, 3, 30)
    assert "; rows: 0; reset to 5 at " in next(iter(both.unknown()))
    assert WeeklyFailures({"runs": counted(reset=3)}, NOW, 3, 30).unknown() == {}, "within the limit all the same"
    sure = WeeklyFailures({"runs": counted((STEPS + 1, 4), reset=9)}, NOW, 3, 30)
    assert sure.unknown() == {}, "more than it may, for sure"
    three = WeeklyFailures({"runs": counted((STEPS + 1, 3), reset=1)}, NOW, 3, 30)
    assert three.unknown() != {}, "as many as may be for sure, and perhaps one more"


def test_gaps_are_not_known_and_the_report_has_their_minutes() -> None:
    whole = counted((5, 2), (STEPS + 9, 2))
    found = WeeklyFailures({"runs": (*whole[: STEPS + 20], *whole[STEPS + 60 :])}, NOW, 3, 30)
    assert found.observation().unknown == found.unknown()
    assert [one.partition(":")[0] for one in found.unknown()] == ["Prometheus has gaps in the last 7 days"]
    assert found.rows() == [
        {"counter": "runs", "last 7 days": "2", "the week before": "2", "minutes without a sample": "200"}
    ]
    long = WeeklyFailures({"runs": (*whole[: STEPS + 20], *whole[STEPS + 260 :])}, NOW, 3, 30)
    assert long.rows()[0]["minutes without a sample"] == "1,200"
