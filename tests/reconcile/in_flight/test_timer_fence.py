"""The fence that only waits, by a clock that only moves when somebody sleeps."""

from __future__ import annotations

import pytest

from cdcproof.core import waiting
from cdcproof.reconcile.in_flight.fence import Crossing
from cdcproof.reconcile.in_flight.timer_fence import TimerFence
from tests.core.test_waiting import Clock


def test_it_waits_for_as_long_as_it_is_told_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    told: list[str] = []
    fence = TimerFence(2.5)
    assert fence.cross(told.append) == Crossing("timer", "", 2.5)
    assert clock.now == 102.5
    assert told == [f"waiting {left} s more for what may be in flight" for left in (2, 2, 0)]
    assert fence.method == "timer"


def test_the_time_since_the_question_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    asked = waiting.Deadline(0, clock.now)
    clock.now += 1.0
    for _ in range(2):
        assert TimerFence(2.5).cross(lambda _: None, asked) == Crossing("timer", "", 2.5)
        assert clock.now == 102.5


@pytest.mark.parametrize(("seconds", "takes_time"), [(0, False), (0.0, False), (0.5, True), (1, True), (60, True)])
def test_where_the_data_is_at_rest_it_takes_no_time(seconds: float, takes_time: bool) -> None:
    assert TimerFence(seconds).takes_time is takes_time
