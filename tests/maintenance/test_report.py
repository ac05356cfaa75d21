"""How long the target was down, and which issues a report names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cdcproof.maintenance.journal import Entry, Event
from cdcproof.maintenance.report import downtime
from cdcproof.maintenance.window import Phase, broken_off, ends, phase, unfinished

AT = datetime(2026, 12, 6, 2, tzinfo=UTC)


def entry(command: str, step: str, event: Event, minutes: float = 0, **facts: Any) -> Entry:
    at = (AT + timedelta(minutes=minutes)).isoformat(timespec="milliseconds")
    return Entry(at, command, step, event, "ann", "here", 1, facts=facts)


PAUSED = entry("start", "pause-source", "begun")
CAUGHT_UP = entry("finish", "caught-up", "done", 30)


def beat(minutes: float) -> float:
    return (AT + timedelta(minutes=minutes)).timestamp()


def test_by_positions_it_runs_from_the_order_to_pause_until_the_target_had_caught_up() -> None:
    found = downtime([PAUSED, CAUGHT_UP])
    assert (found.seconds, found.method) == (1800, "by the positions in the journal")


def test_by_freshness_it_begins_with_the_last_beat_that_had_arrived() -> None:
    proved = entry("start", "prove", "done", 1, beat=beat(-0.5))
    found = downtime([PAUSED, proved, entry("finish", "caught-up", "done", 30, beat=beat(29.9))])
    assert (found.seconds, found.method) == (1830, "by the target's freshness")


@pytest.mark.parametrize("later", [beat(-0.5), None])
def test_without_a_newer_beat_the_positions_say_it(later: float | None) -> None:
    proved = entry("start", "prove", "done", 1, beat=beat(-0.5))
    found = downtime([PAUSED, proved, entry("finish", "caught-up", "done", 30, beat=later)])
    assert (found.seconds, found.method) == (1800, "by the positions in the journal")


def test_a_rollback_ends_it_later() -> None:
    assert downtime([PAUSED, CAUGHT_UP, entry("rollback", "caught-up", "done", 50)]).seconds == 3000


def test_it_is_not_over_before_the_target_had_caught_up() -> None:
    assert "not over" in str(downtime([PAUSED]))
    assert str(downtime([entry("start", "save", "done")])).startswith("none")


def test_a_step_that_another_one_followed_without_its_end_was_broken_off() -> None:
    begun, again = entry("start", "drain", "begun"), entry("start", "drain", "begun", 1)
    done, last = entry("start", "drain", "done", 2), entry("start", "pause-sink", "begun", 3)
    entries = [begun, again, done, last]
    assert broken_off(entries) == [begun]
    assert ends(entries) == [begun, done, last]
    assert unfinished(entries) == last
    assert unfinished([begun, again, done]) is None


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], Phase.PLANNED),
        ([entry("confirm", "announced", "done"), entry("check", "go", "done")], Phase.PLANNED),
        ([entry("start", "go", "done"), entry("start", "save", "failed")], Phase.PLANNED),
        ([entry("start", "pause-source", "begun")], Phase.STARTING),
        ([entry("start", "opened", "done")], Phase.OPEN),
        ([entry("start", "opened", "done"), entry("finish", "services-up", "begun")], Phase.FINISHING),
        ([entry("finish", "closed", "done")], Phase.FINISHED),
        ([entry("finish", "validate", "done"), entry("rollback", "halt", "begun")], Phase.ROLLING_BACK),
        ([entry("rollback", "closed", "done")], Phase.ROLLED_BACK),
    ],
)
def test_a_phase_follows_from_the_journal(entries: list[Entry], expected: Phase) -> None:
    assert phase(entries) is expected
