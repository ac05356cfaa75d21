from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from cdcproof.clients.connect.client import Connect, Offset
from cdcproof.connectors import undo as undo_
from cdcproof.connectors.control import Control
from cdcproof.connectors.deployment.deploy import Result, exit_status
from cdcproof.connectors.journal import Before, Change, Journal
from cdcproof.connectors.retention import Retention
from cdcproof.core.errors import OperationError, UnreachableError
from cdcproof.core.waiting import Deadline
from tests.connectors.worker import BROKEN, Worker
from tests.pipelines import pipeline_of

OLD = {"name": "c", "topics": "t", "a": "1"}
NEW = {"topics": "t", "a": "2"}


def at(position: int, partition: int = 0) -> Offset:
    return {"partition": {"kafka_topic": "t", "kafka_partition": partition}, "offset": {"kafka_offset": position}}


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "p", "p")


@pytest.fixture(autouse=True)
def everything_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undo_._Undoing, "_kept", lambda *_: Retention())


def deployed(worker: Worker, journal: Journal, before: Before, state: str = "RUNNING", **more: str) -> None:
    """`c` was as `before` tells, and a deployment gave it NEW."""
    after = {**NEW, **more}
    worker.add("c", state, **after)
    journal.begin("apply", (Change("c", before, after, "failure"),))


def undo(worker: Worker, journal: Journal, seconds: float = 3) -> tuple[Result, ...]:
    control = Control(cast(Connect, worker), Deadline(seconds), lambda _: None, lambda _: None)
    return undo_.undo(journal.to_undo(), control, journal, pipeline_of("orders"), 0.05)


def test_configuration_and_position_are_as_before_and_it_runs(journal: Journal) -> None:
    worker = Worker()
    deployed(worker, journal, Before(OLD, "RUNNING", (at(5), at(7, 1))), **{BROKEN: "1"})
    worker.positions["c"] = [at(7, 1), at(9), at(3, 2)]
    [result] = undo(worker, journal)
    assert (result.action, result.status) == ("restore", "success")
    assert "delivered again" in result.notes[0]
    assert worker.configs["c"] == OLD
    assert sorted(map(str, worker.positions["c"])) == sorted(map(str, [at(5), at(7, 1)]))
    assert worker.orders == ["stop c", "put c", "alter c", "resume c"]
    assert journal.all()[0].undone
    assert journal.counts() == {"success": 1, "failure": 1}
    assert exit_status([result]) == 0


def test_a_position_that_did_not_move_is_left_alone(journal: Journal) -> None:
    worker = Worker()
    deployed(worker, journal, Before(OLD, "RUNNING", (at(5), at(7, 1))))
    worker.positions["c"] = [at(7, 1), at(5)]
    [result] = undo(worker, journal)
    assert (result.status, result.notes) == ("success", ())
    assert worker.orders == ["stop c", "put c", "resume c"]


def test_positions_that_were_not_there_before_are_forgotten(journal: Journal) -> None:
    worker = Worker()
    deployed(worker, journal, Before(OLD, "RUNNING", ()))
    worker.positions["c"] = [at(9)]
    undo(worker, journal)
    assert worker.positions["c"] == []


@pytest.mark.parametrize("kept", [Retention(("t/0 begins at 8.",)), Retention(unknown="the broker does not answer.")])
def test_a_position_that_is_no_longer_to_be_had_is_left_and_that_is_said(
    kept: Retention, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undo_._Undoing, "_kept", lambda *_: kept)
    worker = Worker()
    deployed(worker, journal, Before(OLD, "RUNNING", (at(5),)))
    worker.positions["c"] = [at(9)]
    [result] = undo(worker, journal)
    assert (result.status, worker.positions["c"], worker.configs["c"]) == ("success", [at(9)], OLD)
    assert (kept.unknown or kept.passed[0]) in result.notes[0]


def test_a_worker_that_cannot_change_offsets_gets_the_configuration_back_and_says_so(journal: Journal) -> None:
    worker = Worker(changes_offsets=False)
    deployed(worker, journal, Before(OLD, "RUNNING", (at(5),)))
    [result] = undo(worker, journal)
    assert worker.orders == ["put c"]
    assert worker.configs["c"] == OLD
    assert "cannot change offsets" in result.notes[0]


def test_an_offset_that_was_not_known_is_said(journal: Journal) -> None:
    worker = Worker()
    deployed(worker, journal, Before(OLD, "RUNNING", None, "it timed out"))
    assert "it timed out" in undo(worker, journal)[0].notes[0]


@pytest.mark.parametrize("state", ["PAUSED", "STOPPED"])
def test_a_connector_that_was_halted_is_halted_again(state: str, journal: Journal) -> None:
    worker = Worker()
    deployed(worker, journal, Before(OLD, state, ()), state=state)
    [result] = undo(worker, journal)
    assert (result.status, result.text) == ("success", state)
    assert worker.target_states["c"] == state


def test_a_connector_that_was_created_is_taken_away_with_its_positions(journal: Journal) -> None:
    worker = Worker()
    deployed(worker, journal, Before())
    worker.positions["c"] = [at(9)]
    [result] = undo(worker, journal)
    assert (result.action, result.status) == ("delete", "success")
    assert worker.orders == ["stop c", "reset c", "delete c"]
    assert worker.positions["c"] == []
    assert "Stays: topic t" in result.notes
    assert journal.all()[0].undone


def test_a_created_connector_whose_positions_must_stay_says_so(journal: Journal) -> None:
    worker = Worker(changes_offsets=False)
    deployed(worker, journal, Before())
    [result] = undo(worker, journal)
    assert worker.orders == ["delete c"]
    assert "cannot reset them" in result.notes[0]


def test_what_somebody_else_changed_since_is_left_alone_and_everything_with_it(journal: Journal) -> None:
    worker = Worker()
    deployed(worker, journal, Before(OLD, "RUNNING", ()))
    worker.configs["c"]["theirs"] = "1"
    with pytest.raises(OperationError, match="it differs in theirs") as raised:
        undo(worker, journal)
    assert str(journal.path(journal.to_undo())) in raised.value.remedy
    del worker.configs["c"]
    with pytest.raises(OperationError, match="it was deleted"):
        undo(worker, journal)
    assert worker.orders == []


def test_what_was_never_changed_is_not_touched(journal: Journal) -> None:
    worker = Worker()
    deployed(worker, journal, Before(OLD, "RUNNING", (at(5),)))
    worker.configs["c"] = dict(OLD)
    worker.positions["c"] = [at(9)]
    [result] = undo(worker, journal)
    assert (result.action, result.status, worker.orders) == ("nothing", "success", [])


def test_an_undoing_that_was_interrupted_goes_on(journal: Journal) -> None:
    worker = Worker()
    deployed(worker, journal, Before(OLD, "RUNNING", (at(5),)))
    worker.positions["c"] = [at(9)]
    worker.refuses["resume c"] = UnreachableError("connection refused")
    [result] = undo(worker, journal, seconds=0.4)
    assert (result.status, result.unknown, exit_status([result])) == ("failure", True, 3)

    worker.refuses.clear()
    worker.positions["c"] = [at(9)]
    [again] = undo(worker, journal)
    assert again.status == "success"
    assert (worker.target_states["c"], worker.positions["c"]) == ("RUNNING", [at(5)])


def test_what_still_fails_with_its_old_configuration_is_a_failure(journal: Journal) -> None:
    worker = Worker()
    deployed(worker, journal, Before({**OLD, BROKEN: "1"}, "RUNNING", ()))
    [result] = undo(worker, journal)
    assert (result.status, result.text) == ("failure", "task 0 FAILED: E: broken")
    assert journal.all()[0].undone  # its configuration is back


def test_connect_that_takes_positions_and_tells_others_is_a_failure(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker()
    deployed(worker, journal, Before(OLD, "RUNNING", (at(5),)))
    worker.positions["c"] = [at(9)]
    monkeypatch.setattr(worker, "alter_offsets", lambda *_: None)
    [result] = undo(worker, journal)
    assert (result.status, "reports others" in result.text) == ("failure", True)


def test_the_last_connector_is_taken_back_first(journal: Journal) -> None:
    worker = Worker()
    worker.add("a", **NEW)
    worker.add("b", **NEW)
    changes: Any = [Change(name, Before(), NEW) for name in ("a", "b")]
    journal.begin("apply", tuple(changes))
    assert [result.name for result in undo(worker, journal)] == ["b", "a"]
