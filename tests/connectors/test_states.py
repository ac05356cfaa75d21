"""When an order is believed to be carried out: what is told right after it is often from before."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cdcproof.clients.connect.client import Connector
from cdcproof.connectors.states import DELETED, PAUSED, RUNNING, STOPPED, Aim, Outcome, Watch
from tests.connectors.looks import connector

RUNS, FAILED = connector("RUNNING", "RUNNING"), connector("RUNNING", "FAILED")
UNASSIGNED = connector("UNASSIGNED", "RUNNING")


@pytest.mark.parametrize(
    ("aim", "seen", "words"),
    [
        (Aim(RUNNING), RUNS, ""),
        (Aim(RUNNING, 2), connector("RUNNING", "RUNNING", "RUNNING"), ""),
        (Aim(RUNNING, 2), RUNS, "it has 1 task of 2"),
        (Aim(RUNNING, 1), connector("RUNNING", "RUNNING", "RUNNING"), "it has 2 tasks of 1"),
        (Aim(RUNNING), connector("RUNNING"), "it has 0 tasks of at least 1"),
        (Aim(RUNNING), connector("RUNNING", "RUNNING", "UNASSIGNED"), "task 1 is UNASSIGNED"),
        (Aim(RUNNING), connector("PAUSED", "PAUSED"), "it is PAUSED; task 0 is PAUSED"),
        (Aim(RUNNING), None, "there is no such connector"),
        (Aim(PAUSED, 1), connector("PAUSED", "PAUSED"), ""),
        (Aim(PAUSED, 1), connector("PAUSED", "RUNNING"), "task 0 is RUNNING"),
        (Aim(STOPPED), connector("STOPPED"), ""),
        (Aim(STOPPED), connector("STOPPED", "RUNNING"), "1 task left"),
        (Aim(DELETED), None, ""),
        (Aim(DELETED), RUNS, "it is still there"),
    ],
)
def test_what_is_missing_is_told(aim: Aim, seen: Connector | None, words: str) -> None:
    assert aim.shortfall(seen) == words


def followed(watch: Watch, looks: Sequence[tuple[float, Connector | None]]) -> Outcome | None:
    for seconds, seen in looks:
        watch.see(seen, seconds)
    return watch.outcome


def test_running_is_believed_at_the_second_look_only() -> None:
    watch = Watch(Aim(RUNNING, 1, settle_seconds=10), RUNS)
    assert followed(watch, [(0.1, RUNS), (9.9, RUNS)]) is None
    assert followed(watch, [(10.1, RUNS)]) == Outcome(True, "connector and tasks RUNNING", 10.1)


def test_a_connect_that_accepts_and_then_fails_is_a_failure() -> None:
    outcome = followed(Watch(Aim(RUNNING, 1, settle_seconds=10), RUNS), [(0.0, RUNS), (0.1, UNASSIGNED), (0.7, FAILED)])
    assert outcome == Outcome(False, "task 0 FAILED: E: the cause", 0.7)


def test_the_look_starts_anew_after_each_interruption() -> None:
    watch = Watch(Aim(RUNNING, 1, settle_seconds=5), None)
    assert followed(watch, [(0, RUNS), (4, UNASSIGNED), (6, RUNS), (10.9, RUNS)]) is None
    assert followed(watch, [(11, RUNS)])


def test_the_failure_from_before_the_order_is_not_believed_at_first() -> None:
    watch = Watch(Aim(RUNNING, 1, settle_seconds=1), FAILED)
    assert followed(watch, [(0.07, FAILED), (0.29, RUNS), (1.3, RUNS)]) == Outcome(
        True, "connector and tasks RUNNING", 1.3
    )


def test_the_failure_from_before_is_believed_once_it_has_lasted_or_has_come_back() -> None:
    assert followed(Watch(Aim(RUNNING, 1), FAILED), [(0.1, FAILED), (4.9, FAILED)]) is None
    assert followed(Watch(Aim(RUNNING, 1), FAILED), [(0.1, FAILED), (5, FAILED)])
    assert followed(Watch(Aim(RUNNING, 1), FAILED), [(0.1, UNASSIGNED), (0.2, FAILED)])


def test_a_failed_connector_says_so_and_no_cause_is_said_as_well() -> None:
    [reported] = [followed(Watch(Aim(RUNNING)), [(1, connector("FAILED"))])]
    assert reported
    assert reported.text == "the connector FAILED: E: connector"
    silent = Connector("c", "sink", "FAILED", "w", (), {})
    assert Aim(RUNNING).failure(silent) == "the connector FAILED: Connect gives no cause"


def test_a_failed_task_does_not_pause_and_does_not_hinder_a_stop_or_a_deletion() -> None:
    half = connector("PAUSED", "FAILED")
    assert followed(Watch(Aim(PAUSED, 1), RUNS), [(0.1, half)]) == Outcome(False, "task 0 FAILED: E: the cause", 0.1)
    for state in (STOPPED, DELETED):
        assert followed(Watch(Aim(state), RUNS), [(9, FAILED)]) is None


def test_what_a_restarted_worker_tells_first_is_from_before() -> None:
    watch = Watch(Aim(RUNNING, 1, settle_seconds=2), RUNS)
    assert followed(watch, [(0.1, UNASSIGNED), (0.5, RUNS), (2.4, RUNS)]) is None
    watch.miss(2.5)
    assert followed(watch, [(8, RUNS), (9.9, RUNS)]) is None  # it must hold anew
    assert followed(watch, [(10, RUNS)])


def test_a_failure_that_a_restarted_worker_remembers_is_not_believed_at_first() -> None:
    watch = Watch(Aim(RUNNING, 1), FAILED)
    watch.miss(20)
    assert followed(watch, [(22, FAILED)]) is None
    assert followed(watch, [(22.5, RUNS)])


def test_at_the_end_what_is_missing_is_told_and_connect_that_was_silent_is_unknown() -> None:
    watch = Watch(Aim(RUNNING, 2, settle_seconds=10), RUNS)
    watch.see(RUNS, 29)
    assert watch.end(30) == Outcome(False, "not within 30 s: it has 1 task of 2", 30)
    holds = Watch(Aim(RUNNING, 1, settle_seconds=10), RUNS)
    holds.see(RUNS, 25)
    assert "not for long enough" in holds.end(30).text
    silent = Watch(Aim(RUNNING, 1), RUNS).end(30, "connection refused")
    assert (silent.held, silent.unknown, silent.text) == (False, True, "not within 30 s: connection refused")


def test_what_is_decided_stays_decided() -> None:
    watch = Watch(Aim(RUNNING, 1), UNASSIGNED)
    decided = followed(watch, [(1, RUNS)])
    assert followed(watch, [(2, FAILED)]) == decided == watch.end(30, "connection refused")
