"""Two things at once: both results, or the failure that came first."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from cdcproof.reconcile.concurrency import Stop, StoppedError, both


def test_both_results_come_back_from_work_done_at_once() -> None:
    meeting = threading.Barrier(2, timeout=10)
    assert both(Stop(), lambda: (meeting.wait(), 1)[1], lambda: (meeting.wait(), "x")[1]) == (1, "x")


def _until(stop: Stop) -> None:
    while True:
        stop.go_on()


def _fails() -> None:
    raise ValueError("the cause")


def _ended_by(stop: Stop) -> None:
    """As a statement that was ended because the other side failed."""
    while not stop.is_set():
        pass
    raise OSError("the statement was ended")


@pytest.mark.parametrize("ends", [_until, _ended_by])
@pytest.mark.parametrize("failing_first", [True, False])
def test_the_failure_that_came_first_is_raised_and_the_other_work_ends(
    ends: Callable[[Stop], None], failing_first: bool
) -> None:
    stop = Stop()
    works = [_fails, lambda: ends(stop)] if failing_first else [lambda: ends(stop), _fails]
    with pytest.raises(ValueError, match="the cause"):
        both(stop, *works)
    assert stop.is_set()


def test_work_ends_with_the_whole_that_it_belongs_to() -> None:
    whole = Stop()
    part = Stop(whole)
    part.go_on()
    whole.set()
    with pytest.raises(StoppedError):
        both(part, lambda: _until(part), lambda: _until(part))


def test_a_part_that_fails_does_not_end_the_whole() -> None:
    whole = Stop()
    with pytest.raises(ValueError, match="the cause"):
        both(Stop(whole), _fails, lambda: None)
    assert not whole.is_set()
