"""What samples at a fixed step say of a week: averages, rises, resets, and where there are none."""

from __future__ import annotations

import math

from cdcproof.observations.weeks.two_weeks import Gap, Increase, gaps_in, is_whole, weeks

NOW = 2_000_000_000.0 // 300 * 300
WEEK = 7 * 86_400
THIS, LAST = weeks(NOW)
REMEDY = "See in Prometheus' targets whether the exporter is scraped (up), and since when; Prometheus' retention must be 14 days or more."


def every_step(start: float, end: float, value: float = 1.0) -> tuple[tuple[float, float], ...]:
    """After `start`, up to `end`."""
    return tuple((float(at), value) for at in range(int(start) + 300, int(end) + 1, 300))


def test_the_weeks_end_at_a_step_and_follow_each_other() -> None:
    assert weeks(NOW + 299) == (THIS, LAST)
    assert weeks(NOW + 300)[0].end == NOW + 300
    assert (THIS.start, THIS.end) == (NOW - WEEK, NOW)
    assert (LAST.start, LAST.end) == (NOW - 2 * WEEK, NOW - WEEK)


def test_a_sample_counts_in_the_week_that_it_ends_or_lies_in_and_only_as_a_number() -> None:
    samples = ((NOW - WEEK, 1.0), (NOW - WEEK + 300, 2.0), (NOW - 300, math.nan), (NOW, 4.0), (NOW + 300, 8.0))
    assert THIS.of(samples) == [(NOW - WEEK + 300, 2.0), (NOW, 4.0)]
    assert LAST.of(samples) == [(NOW - WEEK, 1.0)]
    assert (THIS.average(samples), THIS.average(())) == (3.0, None)


def test_gaps_are_named_the_longest_first() -> None:
    whole = every_step(THIS.start, THIS.end)
    assert THIS.gaps(whole) == ()
    assert THIS.gaps(whole[1:]) == (Gap(THIS.start, THIS.start + 300),)
    assert THIS.gaps(whole[:-1]) == (Gap(NOW - 300, NOW),)
    assert THIS.gaps((*whole[:10], *whole[11:20], *whole[24:])) == (
        Gap(THIS.start + 20 * 300, THIS.start + 24 * 300),
        Gap(THIS.start + 10 * 300, THIS.start + 11 * 300),
    )
    assert THIS.gaps(()) == (Gap(THIS.start, THIS.end),)
    assert Gap(0, 1_200).minutes == 20


def test_a_week_is_whole_with_no_more_minutes_without_a_sample_than_may_be() -> None:
    samples = every_step(THIS.start, THIS.end)
    assert is_whole(samples[6:], THIS, 30)
    assert not is_whole(samples[7:], THIS, 30)
    assert not is_whole((), THIS, math.inf)


def test_a_rise_counts_from_the_last_sample_before_and_what_is_there_after_a_reset_may_be_new() -> None:
    before = ((THIS.start - 900, 1.0), (THIS.start - 600, 3.0), (THIS.start, 5.0), (THIS.start - 0.0, math.nan))
    rising = (*before, (NOW - 900, 7.0), (NOW - 600, 2.0), (NOW - 300, 2.0), (NOW, 6.0))
    found = THIS.increase(rising)
    assert found == Increase(2.0 + 4.0, {NOW - 600: 2.0})
    assert (found.surely, found.at_most) == (6.0, 8.0)
    assert THIS.increase(((THIS.start, 5.0),)) == Increase(0.0, {})
    assert THIS.increase(((NOW, 5.0),)) == Increase(0.0, {}), "nothing to compare with"


def test_a_rise_and_a_gap_are_worded_with_their_times(utc: None) -> None:
    assert str(Increase(6.0, {1_800_000_000.0: 2.0})) == "6; reset to 2 at 2027-01-15 08:00"
    assert str(Increase(0.0, {0.0: 2.0, 300.0: 1.0})) == (
        "0; reset to 2 at 1970-01-01 00:00; reset to 1 at 1970-01-01 00:05"
    )
    assert str(Increase(6.5, {})) == "6.5"
    assert str(Gap(1_800_000_000.0, 1_800_000_300.0)) == "2027-01-15 08:00 to 2027-01-15 08:05"


def test_the_series_with_gaps_are_named_three_of_them_and_how_many_more(utc: None) -> None:
    end = 1_800_000_000.0
    week = weeks(end)[0]
    whole = every_step(week.start, week.end)
    holed = (*whole[:100], *whole[118:200], *whole[206:])
    assert gaps_in({"a": whole, "b": whole[6:]}, week, 30, "Prometheus") == {}
    longest = "2027-01-08 16:20 to 2027-01-08 17:50"
    assert gaps_in({"a": holed, "b": (), "c": whole}, week, 30, "Prometheus") == {
        f"Prometheus has gaps in the last 7 days: a: no samples for 2.0 h, the longest from {longest}; "
        "b: no samples at all.": REMEDY
    }
    assert list(gaps_in(dict.fromkeys("abcd", ()), week, 30, "The exporter")) == [
        "The exporter has gaps in the last 7 days: a: no samples at all; b: no samples at all; "
        "c: no samples at all; and 1 more."
    ]
    assert ": no samples for 24.0 h, the longest" in next(iter(gaps_in({"a": whole[288:]}, week, 30, "It")))
    assert list(gaps_in(dict.fromkeys("abc", ()), week, 30, "It")) == [
        "It has gaps in the last 7 days: a: no samples at all; b: no samples at all; c: no samples at all."
    ]
