"""What the averages of a month say, and what its export."""

from __future__ import annotations

from cdcproof.findings import Observation
from cdcproof.observations.weeks.performance import Average, Export, Performance

NOW = 2_000_000_000.0 // 300 * 300
HALF = 15 * 86_400
REMEDY = (
    "See in Prometheus' targets whether the exporter is scraped (up), and since when; its retention must be 30 days."
)


def level(this: float, before: float | None = None, without: int = 0) -> tuple[tuple[float, float], ...]:
    """Of 15 days and the 15 before, after their beginnings; without the first so many samples of the last 15."""
    times = range(int(NOW) - 2 * HALF + 300, int(NOW) + 1, 300)
    of_both = [(float(at), this if at > NOW - HALF else before) for at in times]
    first = HALF // 300 + without
    return tuple(
        (at, value) for n, (at, value) in enumerate(of_both) if value is not None and (n < HALF // 300 or n >= first)
    )


def lag(samples: tuple[tuple[float, float], ...], name: str = "lag", limit: float | None = 1_000) -> Average:
    return Average(name, "records", samples, limit)


def rate(this: float, before: float) -> Average:
    return Average("rate", "rows per second", level(this, before), less_is_worse=True)


def month(*averages: Average, unanswered: tuple[str, ...] = (), gap_minutes: float = 30) -> Performance:
    files = (Export("lag.csv", "the lag of each connector"),)
    return Performance(averages, files, unanswered, NOW + 299, gap_minutes)


def test_each_average_is_judged_beside_the_fifteen_days_before() -> None:
    found = month(lag(level(1_000, 900)), lag(level(2_500, 1_000), "worse"), rate(400, 1_000))
    assert found.observation() == Observation(
        {"lag": "at most 1,000 records on average", "worse": "2,500.0 records on average"},
        {"lag": "at most 1,000 records on average", "worse": "at most 1,000 records on average"},
        {
            "lag": "the 15 days before: 900.0",
            "worse": "the 15 days before: 1,000.0",
            "rate": "the 15 days before: 1,000.0",
        },
        concerns={
            "worse": "2,500.0 records on average, before 1,000.0",
            "rate": "400.0 rows per second on average, before 1,000.0",
        },
        no_concern="about the same as before",
    )
    assert found.exports() == [{"file": "lag.csv", "holds": "the lag of each connector"}]


def test_twice_as_bad_is_no_concern_and_neither_is_more_of_nothing() -> None:
    assert month(lag(level(1_000, 500)), rate(500, 1_000)).much_worse() == {}
    assert month(lag(level(99, 1)), lag(level(99, 1), "free", None)).much_worse() == {
        "free": "99.0 records on average, before 1.0"
    }
    assert month(lag(level(100, 1))).much_worse() == {"lag": "100.0 records on average, before 1.0"}
    assert month(lag(level(500)), lag(level(500, 1), "b")).much_worse() == {"b": "500.0 records on average, before 1.0"}
    assert month(lag(level(500, 1)[7:])).much_worse() == {}, "of which 35 minutes before are missing"


def test_what_is_not_known_is_said_with_what_helps() -> None:
    assert month(lag(level(1)), unanswered=("Lag: no answer", "Rows: no answer")).unknown() == {
        "2 panels were not answered, so the export is not whole: Lag: no answer": (
            "Ask for less at a time: cdcproof dashboard --hours 24"
        )
    }
    holed = [lag(level(1, without=7), name) for name in "abcde"]
    assert month(*holed[:4], lag(level(1))).unknown() == {
        "Prometheus has gaps in the last 15 days: a, b, c, d.": REMEDY
    }
    assert month(*holed).unknown() == {"Prometheus has gaps in the last 15 days: a, b, c, d ….": REMEDY}
    assert month(rate(1, 1)).observation().unknown == month(rate(1, 1)).unknown()
    assert month(lag(level(1)), gap_minutes=0).unknown() == {}, "the last step is not over"
    assert month(lag(level(1, without=6))).unknown() == {}, "as many minutes as may be missing"
    assert month(rate(1, 1)).unknown() == {
        "Prometheus has no lag of the last 15 days.": "Check that the exporter is scraped."
    }


def test_the_report_has_a_row_for_each_number() -> None:
    assert month(lag(level(1_234.5)), rate(5_000, 7_000), lag((), "none")).rows() == [
        {"of": "lag", "last 15 days": "1,234.5", "15 days before": "not known", "unit": "records"},
        {"of": "rate", "last 15 days": "5,000.0", "15 days before": "7,000.0", "unit": "rows per second"},
        {"of": "none", "last 15 days": "not known", "15 days before": "not known", "unit": "records"},
    ]
