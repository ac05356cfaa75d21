from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from cdcproof.clients.connect.client import Connect
from cdcproof.connectors.control import Control
from cdcproof.connectors.deployment import deploy
from cdcproof.connectors.deployment.definition import Definition
from cdcproof.connectors.deployment.deploy import Result, exit_status
from cdcproof.connectors.deployment.plan import plan
from cdcproof.connectors.journal import Journal
from cdcproof.core.errors import ConfigError, DeadlineError, OperationError, UnexpectedAnswerError, UnreachableError
from cdcproof.core.waiting import Deadline
from tests.connectors.worker import BROKEN, Worker
from tests.pipelines import pipeline_of

PIPELINE = pipeline_of("orders")
SETTLE = 0.05


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "p", "p")


def control(worker: Worker, seconds: float = 3) -> Control:
    return Control(cast(Connect, worker), Deadline(seconds), lambda _: None, lambda _: None)


def defined(name: str, **config: str) -> Definition:
    return Definition(name, {"topics": "t", **config}, Path(f"{name}.json"))


def apply(worker: Worker, journal: Journal, *definitions: Definition, seconds: float = 3) -> tuple[Result, ...]:
    steps = plan(definitions, worker.states())
    return deploy.apply(steps, control(worker, seconds), journal, PIPELINE, settle_seconds=SETTLE, command="apply")


def test_what_differs_is_changed_and_what_does_not_is_left_alone(journal: Journal) -> None:
    worker = Worker()
    worker.add("same", topics="t")
    worker.add("other", topics="t", old="1")
    results = apply(worker, journal, defined("same"), defined("other", new="1"), defined("new"))
    assert [(r.name, r.action, r.status) for r in results] == [
        ("same", "nothing", "success"),
        ("other", "update", "success"),
        ("new", "create", "success"),
    ]
    assert worker.orders == ["put other", "put new"]
    assert worker.configs["other"] == {"name": "other", "topics": "t", "new": "1"}
    assert exit_status(results) == 0


@pytest.mark.parametrize("state", ["PAUSED", "STOPPED"])
def test_a_new_connector_is_created_in_the_state_that_its_file_says(journal: Journal, state: str) -> None:
    worker = Worker()
    (result,) = apply(worker, journal, replace(defined("new"), initial_state=state))
    assert (result.action, result.status) == ("create", "unproved")
    assert result.text == f"{state}, as the file says: nothing proves yet that it runs"
    assert worker.target_states["new"] == state


def test_the_state_of_a_connector_that_is_there_stays(journal: Journal) -> None:
    worker = Worker()
    worker.add("old", topics="t", a="1")
    apply(worker, journal, replace(defined("old", a="2"), initial_state="STOPPED"))
    assert worker.target_states["old"] == "RUNNING"


def test_a_second_time_nothing_is_done(journal: Journal) -> None:
    worker = Worker()
    apply(worker, journal, defined("new"))
    assert [r.action for r in apply(worker, journal, defined("new"))] == ["nothing"]
    assert worker.orders == ["put new"]
    assert len(journal.all()) == 1


def test_how_everything_was_is_kept_before_the_first_change(journal: Journal) -> None:
    worker = Worker()
    worker.add("old", "PAUSED", topics="t", a="1")
    worker.positions["old"] = [{"partition": {"p": 1}, "offset": {"o": 2}}]
    apply(worker, journal, defined("old", a="2"), defined("new"))
    [kept] = journal.all()
    assert [(c.connector, c.before.config, c.before.state, c.before.offsets) for c in kept.changes] == [
        ("old", {"name": "old", "topics": "t", "a": "1"}, "PAUSED", ({"partition": {"p": 1}, "offset": {"o": 2}},)),
        ("new", None, "", None),
    ]
    assert [c.after for c in kept.changes] == [{"topics": "t", "a": "2"}, {"topics": "t"}]


def test_without_a_journal_nothing_is_changed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    worker = Worker()
    with pytest.raises(ConfigError):
        apply(worker, Journal(tmp_path / "file" / "p", "p"), defined("new"))
    assert worker.orders == []


def test_what_the_plan_takes_for_new_and_is_there_is_not_touched(journal: Journal) -> None:
    worker = Worker()
    steps = plan([defined("c")], worker.states())
    worker.add("c", topics="t", a="1")  # a worker that starts does not tell all that it has
    with pytest.raises(OperationError, match="c is there, and was not"):
        deploy.apply(steps, control(worker), journal, PIPELINE, settle_seconds=SETTLE, command="apply")
    assert worker.orders == []


def test_offsets_that_are_not_told_are_no_hindrance_and_are_noted(journal: Journal) -> None:
    worker = Worker(stops=False)
    worker.add("old", topics="t", a="1")
    assert apply(worker, journal, defined("old", a="2"))[0].status == "success"
    [kept] = journal.all()
    assert (kept.changes[0].before.offsets, kept.changes[0].before.offsets_unknown) == (
        None,
        "this needs Kafka Connect 3.5 or newer",
    )


def test_a_connector_that_is_taken_and_then_fails_is_told_with_its_cause_and_the_others_are_done(
    journal: Journal,
) -> None:
    worker = Worker()
    results = apply(worker, journal, defined("bad", **{BROKEN: "1"}), defined("good"))
    assert [(r.name, r.status, r.text) for r in results] == [
        ("bad", "failure", "task 0 FAILED: E: broken"),
        ("good", "success", "connector and tasks RUNNING"),
    ]
    assert exit_status(results) == 1
    assert journal.counts() == {"success": 1, "failure": 1}


def test_a_configuration_that_connect_does_not_take_is_a_failure(journal: Journal) -> None:
    worker = Worker()
    worker.refuses["put new"] = UnexpectedAnswerError("answered 400: invalid")
    results = apply(worker, journal, defined("new"), defined("next"))
    assert [(r.status, r.unknown) for r in results] == [("failure", False), ("success", False)]
    assert "answered 400" in results[0].text


def test_too_few_tasks_are_a_failure(journal: Journal) -> None:
    worker = Worker()  # gives one task, and the pipeline file says two
    [result] = apply(worker, journal, defined("sink"), seconds=0.5)
    assert result.status == "failure"
    assert re.fullmatch(r"not within \d+ s: it has 1 task of 2", result.text)  # half a second, on a busy machine more


@pytest.mark.parametrize("state", ["PAUSED", "STOPPED"])
def test_what_somebody_halted_stays_so_and_proves_nothing(journal: Journal, state: str) -> None:
    worker = Worker()
    worker.add("old", state, topics="t", a="1")
    worker.add("same", state, topics="t")
    results = apply(worker, journal, defined("old", a="2"), defined("same"))
    assert [(r.status, r.notes) for r in results] == [
        ("unproved", ("cdcproof connectors resume old",)),
        ("unproved", ("cdcproof connectors resume same",)),
    ]
    assert exit_status(results) == 3
    assert worker.target_states["old"] == state
    assert journal.counts() == {"success": 0, "failure": 0}


def test_a_configuration_that_somebody_else_changed_at_once_is_a_failure(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker()
    put = worker.put_config
    monkeypatch.setattr(worker, "put_config", lambda name, config: put(name, {**config, "theirs": "1"}))
    [result] = apply(worker, journal, defined("new"))
    assert (result.status, result.text) == ("failure", "Connect now has another configuration, in theirs")


def test_connect_that_is_gone_at_the_end_is_unknown(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker()
    worker.add("old", topics="t", a="1")
    steps = plan([defined("old", a="2")], worker.states())

    def gone(*_: object) -> None:
        raise UnreachableError("connection refused")

    monkeypatch.setattr(worker, "states", gone)
    results = deploy.apply(steps, control(worker, 0.4), journal, PIPELINE, settle_seconds=SETTLE, command="apply")
    assert (results[0].status, results[0].unknown) == ("failure", True)
    assert exit_status(results) == 3


def test_validation_names_what_is_wrong_and_what_nothing_reads() -> None:
    worker = Worker()
    definitions = [
        Definition("bad", {"a": "1"}, Path("b")),
        Definition("slip", {"topics": "t", "tpics": "t"}, Path("s")),
        defined("good"),
    ]
    validated = deploy.validate(plan(definitions, worker.states()), control(worker))
    assert {name: [e.field for e in found] for name, found in validated.errors.items()} == {"bad": ["topics"]}
    assert validated.warnings() == {"slip": ("tpics: is it topics?",)}


def test_validation_that_cannot_be_done_is_not_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker()

    def gone(_: object) -> None:
        raise UnreachableError("connection refused")

    monkeypatch.setattr(worker, "validated", gone)
    with pytest.raises(DeadlineError, match="connection refused"):
        deploy.validate(plan([defined("new")], worker.states()), control(worker, 0.3))
