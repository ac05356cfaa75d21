"""What two weeks of samples say of each connector's lag, and what they cannot say."""

from __future__ import annotations

from cdcproof.findings import Observation
from cdcproof.observations.lag.weekly import Measure, WeeklyLag

NOW = 2_000_000_000.0 // 300 * 300
WEEK = 7 * 86_400
Samples = tuple[tuple[float, float], ...]


def level(this: float | None, before: float | None = None, without: int = 0) -> Samples:
    """Two weeks; without the first so many samples of this week."""
    times = range(int(NOW) - 2 * WEEK + 300, int(NOW) + 1, 300)
    middle = NOW - WEEK
    of_both = [(float(at), this if at > middle else before) for at in times]
    first = 2016 + without
    return tuple((at, value) for n, (at, value) in enumerate(of_both) if value is not None and (n < 2016 or n >= first))


def measure(samples: Samples, connector: str = "sink", unit: str = "records", **more: bool) -> Measure:
    return Measure(connector, unit, samples, 1_000, **more)


def lag(*measures: Measure) -> WeeklyLag:
    return WeeklyLag(measures, NOW, 30)


def test_each_average_is_judged_beside_the_week_before() -> None:
    found = lag(measure(level(1_000, 900)), measure(level(2_500, 1_000), "source"))
    assert found.observation() == Observation(
        {"sink, records": "at most 1,000 records on average", "source, records": "2,500.0 records on average"},
        {
            "sink, records": "at most 1,000 records on average",
            "source, records": "at most 1,000 records on average",
        },
        {"sink, records": "the week before: 900.0", "source, records": "the week before: 1,000.0"},
        concerns={"source, records": "2,500.0 on average, the week before 1,000.0"},
        no_concern="about the same as the week before",
    )


def test_twice_as_much_is_no_concern_and_neither_is_more_of_nothing() -> None:
    assert lag(measure(level(1_000, 500))).much_more_than_before() == {}
    assert lag(measure(level(99, 1))).much_more_than_before() == {}
    assert lag(measure(level(100, 1)), measure(level(99, 1), "a")).much_more_than_before() == {
        "sink, records": "100.0 on average, the week before 1.0"
    }
    assert lag(measure(level(500, None)), measure(level(500, 1), "a")).much_more_than_before() == {
        "a, records": "500.0 on average, the week before 1.0"
    }
    gone = tuple(one for one in level(500, 1) if one[0] <= NOW - WEEK)
    assert lag(measure(gone)).much_more_than_before() == {}, "of which nothing is known of this week"
    holed = level(500, 1)[7:]
    assert lag(measure(holed)).much_more_than_before() == {}, "of which 35 minutes of the week before are missing"


def test_a_connector_is_known_by_one_measure_that_is_whole_and_exact() -> None:
    seconds = measure(level(5, 5), unit="seconds")
    assert lag(seconds, measure(level(5, 5, without=100))).unknown() == {}
    assert lag(seconds, measure(level(5, 5), bounded=True)).unknown() == {}
    assert lag(seconds, measure(())).unknown() == {}


def test_why_a_connector_is_not_known_is_said() -> None:
    assert lag().observation().unknown == lag().unknown()
    assert lag().unknown() == {"The pipeline has no connector whose lag could be looked at.": ""}
    high = lag(measure(level(5, 5), "b", bounded=True), measure(level(5, 5), "a", bounded=True), measure(level(5), "c"))
    assert high.unknown() == {
        "The lag of a, b was too high to be counted whole, so its average is not known.": (
            "Its freshness and its lag in seconds are in the dashboards and at the connector exporter."
        )
    }
    [holed] = lag(measure(level(5, 5, without=12)), measure((), unit="seconds")).unknown()
    assert holed.startswith(
        "Prometheus has gaps in the last 7 days: sink, records: no samples for 1.0 h, the longest from "
    )
    assert "seconds" not in holed, "it has no samples at all, and the other has some"
    assert list(lag(measure(()), measure(level(5), "source")).unknown()) == [
        "Prometheus has gaps in the last 7 days: sink, records: no samples at all."
    ]


def test_the_report_has_a_row_for_each_measure() -> None:
    found = lag(
        measure(level(2_000, 1_500), bounded=True),
        measure(level(7, None, without=250), "source", "seconds"),
        measure((), "source"),
    )
    assert found.rows() == [
        {"lag": "sink, records", "last 7 days": "at least 2,000.0", "the week before": "at least 1,500.0", "minutes without a sample": "0"},
        {"lag": "source, seconds", "last 7 days": "7.0", "the week before": "not known", "minutes without a sample": "1,250"},
        {"lag": "source, records", "last 7 days": "none", "the week before": "not known", "minutes without a sample": "10,080"},
    ]  # fmt: skip
    assert found.found()["sink, records"] == "at least 2,000.0 records on average"
