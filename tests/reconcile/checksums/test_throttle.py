"""A source that is slow is left alone, by a clock that only moves when somebody waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from cdcproof.core import waiting
from cdcproof.core.errors import CouldNotLookError, DeadlineError, UnreachableError
from cdcproof.databases.contracts.database import Database
from cdcproof.reconcile.checksums import throttle
from cdcproof.reconcile.checksums.throttle import Throttle
from cdcproof.reconcile.concurrency import Stop, StoppedError


class Source:
    """Takes as long as it is told for each answer; an error is raised."""

    def __init__(self, *answers: float | CouldNotLookError) -> None:
        self.now = 100.0
        self.answers = list(answers)
        self.opened = self.closed = 0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.001)

    @contextmanager
    def session(self) -> Iterator[Database]:
        self.opened += 1
        try:
            yield cast(Database, self)
        finally:
            self.closed += 1

    def version(self) -> str:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, CouldNotLookError):
            raise answer
        self.now += answer
        return "1"


@pytest.fixture
def source_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Source]:
    def made(*answers: float | CouldNotLookError) -> Source:
        source = Source(*answers)
        monkeypatch.setattr(waiting, "time", source)
        monkeypatch.setattr(throttle, "time", source)
        return source

    return made


SourceOf = Callable[..., Source]


def test_a_fast_source_is_asked_once_by_one_session(source_of: SourceOf) -> None:
    source, told = source_of(0.01), list[Any]()
    held = Throttle(source.session)
    assert source.opened == 0
    held.hold(Stop(), told.append)
    held.hold(Stop(), told.append)
    held.close()
    assert (told, source.opened, source.closed) == ([], 1, 1)
    assert source.now == pytest.approx(100.02)


def test_one_slow_answer_is_no_slow_source(source_of: SourceOf) -> None:
    source, told = source_of(3.0, 0.01), list[Any]()
    Throttle(source.session).hold(Stop(), told.append)
    assert told == []


def test_a_slow_source_is_waited_for_and_that_is_told(source_of: SourceOf) -> None:
    source, told = source_of(*[2.0] * 6, 0.01), list[str]()
    Throttle(source.session).hold(Stop(), told.append)
    assert told == ["paused, the source is slow to answer: 2.0 s"] * 2
    assert source.now == pytest.approx(100 + 12 + 2 + 0.01)


def test_a_session_that_is_lost_is_opened_again(source_of: SourceOf) -> None:
    source, told = source_of(UnreachableError("gone"), 0.01), list[str]()
    Throttle(source.session).hold(Stop(), told.append)
    assert told == ["paused, the source is slow to answer: gone"]
    assert (source.opened, source.closed) == (2, 1)


def test_a_source_that_stays_slow_ends_the_run_with_a_reason(source_of: SourceOf) -> None:
    source = source_of(2.0)
    with pytest.raises(DeadlineError) as raised:
        Throttle(source.session, patience_seconds=20).hold(Stop(), lambda _: None)
    assert str(raised.value) == (
        "Waited 20 s for the source to answer within 0.5 s; last seen: 2.0 s.\n"
        "The run was paused so as not to burden it. Run again when it is less busy."
    )


def test_a_run_that_is_stopped_does_not_wait(source_of: SourceOf) -> None:
    source, stop = source_of(2.0), Stop()
    with pytest.raises(StoppedError):
        Throttle(source.session).hold(stop, lambda _: stop.set())
    assert source.now < 120
