"""The exporter's page beside Connect's answers, looked at again while they differ."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from cdcproof.clients.prometheus import Metrics, parse
from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.observations.reconciliation.connector_page_reading import look
from cdcproof.observations.reconciliation.exporter_page import RENDERED

SINK = "sink"


@dataclass
class Worker:
    """Connect, by one answer after the other; the last one stands."""

    answers: list[float]

    def ask(self) -> dict[str, float]:
        return {SINK: self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]}


@dataclass
class Exporter:
    """Makes each page anew, or serves one copy."""

    states: list[float]
    is_copy: bool = False
    made: int = field(default=0)

    def fetch(self) -> Metrics:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        self.made += not (self.is_copy and self.made)
        return parse(f'connector_state{{connector="{SINK}"}} {state}\n{RENDERED} {self.made}\n', "http://e/metrics")


@pytest.fixture(autouse=True)
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits: each pause brings the deadline nearer."""
    now = [0.0]
    monkeypatch.setattr("cdcproof.core.waiting.time.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr("cdcproof.core.waiting.time.monotonic", lambda: now[0])


def test_a_restart_between_connects_answer_and_the_page_is_no_contradiction() -> None:
    assert look(Worker([1.0, 0.0]).ask, Exporter([0.0]).fetch).agrees
    assert look(Worker([1.0, 1.0, 0.0]).ask, Exporter([0.0]).fetch).agrees, "seen by the second look"


def test_a_page_that_was_kept_for_a_moment_is_looked_at_again() -> None:
    exporter = Exporter([1.0, 1.0, 0.0])
    assert look(Worker([0.0]).ask, exporter.fetch).agrees
    assert exporter.made == 3


def test_a_page_that_goes_on_contradicting_is_a_contradiction() -> None:
    found = look(Worker([1.0]).ask, Exporter([0.0]).fetch)
    assert (found.page, found.expected()) == ({SINK: 0.0}, {SINK: 1.0})


def test_a_copy_that_contradicts_proves_nothing() -> None:
    with pytest.raises(UnexpectedAnswerError, match="a copy"):
        look(Worker([1.0]).ask, Exporter([0.0], is_copy=True).fetch)
