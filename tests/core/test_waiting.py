"""Waiting, by a clock that only moves when somebody sleeps."""

from __future__ import annotations

from threading import Barrier, Event

import pytest

from cdcproof.core import waiting
from cdcproof.core.errors import DeadlineError, UnreachableError, UsageError
from cdcproof.core.patience import stretched
from cdcproof.core.waiting import Deadline, last_look, pause, side_by_side, wait_until


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += max(seconds, 0.001)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    return clock


def test_what_holds_at_once_needs_no_sleep(clock: Clock) -> None:
    assert wait_until(lambda: 3, lambda n: n == 3, what="three", deadline_seconds=0) == 3
    assert clock.slept == []


def test_it_looks_until_it_holds_and_returns_what_it_saw(clock: Clock) -> None:
    seen = iter([1, 2, 3, 4])

    assert wait_until(lambda: next(seen), lambda n: n == 3, what="three", deadline_seconds=10) == 3
    assert clock.slept == [0.1, 0.1]


def test_a_service_that_does_not_answer_yet_is_not_an_error(clock: Clock) -> None:
    answers = iter([UnreachableError("refused"), "up"])
    reported = []

    def look() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert wait_until(look, bool, what="it", deadline_seconds=10, report=reported.append) == "up"
    assert [str(t) for t in reported] == ["refused"]


def test_any_other_error_is(clock: Clock) -> None:
    def look() -> str:
        raise UsageError("no")

    with pytest.raises(UsageError):
        wait_until(look, bool, what="it", deadline_seconds=10)


def test_the_deadline_names_what_was_awaited_and_what_was_seen_last(clock: Clock) -> None:
    with pytest.raises(DeadlineError, match=r"Waited 2.5 s for the task; last seen: FAILED"):
        wait_until(
            lambda: "FAILED", lambda s: s == "RUNNING", what="the task", deadline_seconds=2.5, interval_seconds=1
        )
    assert clock.now == pytest.approx(102.5, abs=0.01)


def test_it_looks_once_more_when_the_time_is_up(clock: Clock) -> None:
    """The last look is after the last sleep: what came true meanwhile is seen."""
    assert (
        wait_until(lambda: clock.now, lambda now: now >= 102, what="it", deadline_seconds=2, interval_seconds=60) >= 102
    )


def test_a_deadline(clock: Clock) -> None:
    deadline = Deadline(5)
    assert (deadline.remaining_seconds, deadline.passed) == (5, False)
    clock.now += 7
    assert (deadline.elapsed_seconds, deadline.remaining_seconds, deadline.passed) == (7, 0, True)


def test_a_pause_lasts_as_long_as_it_is_told_and_tells_what_is_left(clock: Clock) -> None:
    reported: list[float] = []
    pause(2.5, reported.append)
    assert clock.slept == [1.0, 1.0, 0.5]
    assert reported == [2.5, 1.5, 0.5]
    pause(0)
    assert len(clock.slept) == 3


def test_the_limit_is_longer_while_the_machine_is_busy(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = iter([6.0, 6.0, 6.0, 1.0, 1.0])  # a busy machine that becomes quiet
    monkeypatch.setattr("os.getloadavg", lambda: (next(loads), 0.0, 0.0))
    monkeypatch.setattr("os.cpu_count", lambda: 2)

    with pytest.raises(DeadlineError, match="Waited 10 s for it; last seen: False"):
        wait_until(lambda: False, bool, what="it", deadline_seconds=10, interval_seconds=9, patience=stretched)

    assert sum(clock.slept) == 27


@pytest.mark.parametrize(("load", "expected"), [(0.1, 3.0), (2.0, 3.0), (4.0, 6.0), (1000.0, 24.0)])
def test_a_limit_is_stretched_by_what_waits_for_each_core(
    monkeypatch: pytest.MonkeyPatch, load: float, expected: float
) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert stretched(3.0) == expected


def test_the_last_look_is_the_first_that_holds_or_the_one_when_the_time_is_up(clock: Clock) -> None:
    seen = iter(range(100))
    assert last_look(lambda: next(seen), lambda n: n == 2, deadline_seconds=10, interval_seconds=1) == 2
    assert clock.slept == [1, 1]
    assert last_look(lambda: next(seen), lambda _: False, deadline_seconds=3, interval_seconds=1) == 6
    with pytest.raises(UnreachableError):
        last_look(unreachable, lambda _: True, deadline_seconds=3)


def unreachable() -> int:
    raise UnreachableError("no answer")


def test_jobs_run_side_by_side_and_each_has_its_result() -> None:
    both = Barrier(2)  # breaks where one of them waits for the other to end
    assert side_by_side({"a": lambda: both.wait(5) >= 0, "b": lambda: both.wait(5) >= 0}) == {"a": True, "b": True}


def test_a_job_that_is_late_is_left_out() -> None:
    stays = Event()
    assert side_by_side({"quick": lambda: 1, "late": lambda: stays.wait(60)}, 0.2) == {"quick": 1}
    stays.set()


def test_the_error_of_a_job_is_raised_once_all_are_over() -> None:
    done = []

    def fails() -> None:
        raise KeyError("a")

    def goes_on() -> None:
        done.append(1)

    with pytest.raises(KeyError):
        side_by_side({"fails": fails, "goes on": goes_on})
    assert done == [1]
