from __future__ import annotations

import re
from typing import Any

import pytest

from cdcproof.clients.connect.client import Connect
from cdcproof.connectors import commands
from cdcproof.connectors.commands import Done
from cdcproof.connectors.control import Control
from cdcproof.connectors.retention import Retention
from cdcproof.core.errors import OperationError, UsageError
from cdcproof.core.waiting import Deadline
from cdcproof.pipeline.model import HttpService
from tests import canned
from tests.canned import EXPANDED, Canned, serving
from tests.pipelines import pipeline_of

CONFIG = {"name": "sink", "topics": "t"}
PIPELINE = pipeline_of("orders")  # expects two tasks of `sink`


def seen(state: str, *tasks: str, kind: str = "sink", **config: str) -> tuple[int, Any]:
    config = {**CONFIG, **{key.replace("__", "."): value for key, value in config.items()}}
    return (200, {"sink": canned.connector(kind, config, state, tasks)})


GONE = (200, {})
RUNS = seen("RUNNING", "RUNNING", "RUNNING")
ORDERS = {
    "pause": "PUT /connectors/sink/pause",
    "resume": "PUT /connectors/sink/resume",
    "stop": "PUT /connectors/sink/stop",
    "restart": "POST /connectors/sink/restart?includeTasks=true&onlyFailed=false",
    "restart failed": "POST /connectors/sink/restart?includeTasks=true&onlyFailed=true",
    "delete": "DELETE /connectors/sink",
}


def control(server: Canned, seconds: float = 5) -> Control:
    return Control(
        Connect(HttpService(url=server.url), patience_seconds=0), Deadline(seconds), lambda _: None, lambda _: None
    )


def orders(server: Canned) -> list[str]:
    return [request for request in server.requests if not request.startswith("GET")]


def test_pause_waits_for_each_task() -> None:
    answers = {
        ORDERS["pause"]: (202, b""),
        EXPANDED: [RUNS, seen("PAUSED", "PAUSED", "RUNNING"), seen("PAUSED", "PAUSED", "PAUSED")],
    }
    with serving(answers) as server:
        assert commands.pause(control(server), "sink").outcome.held
        assert server.requests.count(EXPANDED) == 3


def test_pause_of_half_a_connector_is_not_done() -> None:
    with serving({ORDERS["pause"]: (202, b""), EXPANDED: [RUNS, seen("PAUSED", "PAUSED", "RUNNING")]}) as server:
        outcome = commands.pause(control(server, 0.6), "sink").outcome
    assert not outcome.held
    assert re.fullmatch(r"not within \d+ s: task 1 is RUNNING", outcome.text)


def test_stop_waits_until_the_tasks_are_gone() -> None:
    answers = {ORDERS["stop"]: (204, b""), EXPANDED: [RUNS, seen("STOPPED", "RUNNING"), seen("STOPPED")]}
    with serving(answers) as server:
        assert commands.stop(control(server), "sink").outcome.held
        assert server.requests.count(EXPANDED) == 3


def test_a_worker_that_cannot_stop_is_asked_before_it_is_ordered_to() -> None:
    with serving({EXPANDED: RUNS}) as server:
        with pytest.raises(OperationError, match=r"needs Kafka Connect 3\.5"):
            commands.stop(control(server), "sink")
        assert orders(server) == []


def kept(monkeypatch: pytest.MonkeyPatch, answer: Retention) -> None:
    monkeypatch.setattr(commands.retention, "look", lambda *_: answer)


def resume(server: Canned) -> Done:
    return commands.resume(control(server), "sink", PIPELINE, settle_seconds=0.1)


def test_resume_waits_for_every_expected_task(monkeypatch: pytest.MonkeyPatch) -> None:
    kept(monkeypatch, Retention())
    answers = {ORDERS["resume"]: (202, b""), EXPANDED: [seen("PAUSED", "PAUSED"), seen("RUNNING", "RUNNING"), RUNS]}
    with serving(answers) as server:
        done = resume(server)
        assert server.requests.count(EXPANDED) >= 4  # a second look at the two tasks
    assert (done.outcome.held, done.notes) == (True, ())


@pytest.mark.parametrize("kind", ["source", "sink"])
def test_resume_over_a_gap_is_refused_and_says_how_to_close_it(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(monkeypatch, Retention(("the slot s is gone.",)))
    with serving({EXPANDED: seen("STOPPED", kind=kind)}) as server:
        with pytest.raises(OperationError, match=r"sink is left STOPPED: .* the slot s is gone\.") as raised:
            resume(server)
        assert orders(server) == []
    assert raised.value.exit_status == 1
    assert "napshot" in raised.value.remedy
    assert f"{server.url}/connectors/sink/offsets" in raised.value.remedy


def test_resume_that_could_not_know_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    kept(monkeypatch, Retention(unknown="the source does not answer."))
    with serving({ORDERS["resume"]: (202, b""), EXPANDED: [seen("PAUSED", "PAUSED"), RUNS]}) as server:
        done = resume(server)
    assert done.outcome.held
    assert done.notes == (
        "Whether it still finds all that it has not read could not be known: the source does not answer.",
    )


def restart(server: Canned, *, only_failed: bool = False) -> Done:
    return commands.restart(control(server), "sink", PIPELINE, settle_seconds=0, only_failed=only_failed)


def test_a_restart_that_fails_again_tells_the_cause() -> None:
    failed = seen("RUNNING", "RUNNING", "FAILED")
    answers = {ORDERS["restart"]: (202, {}), EXPANDED: [failed, seen("RUNNING", "RUNNING", "RESTARTING"), failed]}
    with serving(answers) as server:
        outcome = restart(server).outcome
    assert not outcome.held
    assert outcome.text == 'task 1 FAILED: org.postgresql.util.PSQLException: ERROR: relation "orders" does not exist'


def test_only_what_failed_is_restarted_where_so_asked() -> None:
    answers = {ORDERS["restart failed"]: (202, {}), EXPANDED: [seen("RUNNING", "RUNNING", "FAILED"), RUNS]}
    with serving(answers) as server:
        assert restart(server, only_failed=True).outcome.held
        assert orders(server) == [ORDERS["restart failed"]]


def test_where_nothing_failed_nothing_is_restarted() -> None:
    with serving({EXPANDED: RUNS}) as server:
        done = restart(server, only_failed=True)
        assert orders(server) == []
    assert (done.outcome.held, done.notes) == (True, ("Nothing of it has failed, so nothing was restarted.",))


@pytest.mark.parametrize("state", ["PAUSED", "STOPPED"])
def test_what_somebody_halted_is_not_restarted(state: str) -> None:
    with serving({EXPANDED: seen(state)}) as server:
        with pytest.raises(OperationError, match=f"sink is {state}"):
            restart(server)
        assert orders(server) == []


def test_deleting_lists_what_stays() -> None:
    topics = (200, {"sink": {"topics": ["b", "a"]}})
    answers = {ORDERS["delete"]: (204, b""), EXPANDED: [RUNS, GONE], "GET /connectors/sink/topics": topics}
    with serving(answers) as server:
        done = commands.delete(control(server), "sink")
    assert done.outcome.held
    assert done.stays == (
        ("topic", "a"),
        ("topic", "b"),
        ("consumer group", "connect-sink"),
        ("data", "every row at the target"),
    )


def test_deleting_a_source_lists_its_slot_or_its_history_as_well() -> None:
    postgres = {"connector__class": "io.debezium.connector.postgresql.PostgresConnector", "slot__name": "mine"}
    sqlserver = {
        "connector__class": "io.debezium.connector.sqlserver.SqlServerConnector",
        "schema__history__internal__kafka__topic": "history",
    }
    refused = (403, {"message": "Topic tracking is disabled."})
    found = []
    for config in (postgres, sqlserver):
        answers = {
            ORDERS["delete"]: (204, b""),
            EXPANDED: [seen("RUNNING", "RUNNING", kind="source", **config), GONE],
            "GET /connectors/sink/topics": refused,
        }
        with serving(answers) as server:
            done = commands.delete(control(server), "sink")
        found.append([(kind, name.partition(":")[0]) for kind, name in done.stays if kind != "committed position"])
        assert "Topic tracking is disabled" in done.notes[0]
    assert found == [[("replication slot", "mine")], [("topic", "history")]]


@pytest.mark.parametrize("act", [commands.pause, commands.stop, commands.delete])
def test_a_connector_that_is_not_there_is_usage(act: Any) -> None:
    with serving({EXPANDED: GONE}) as server:
        with pytest.raises(UsageError, match="no connector sink") as raised:
            act(control(server), "sink")
        assert orders(server) == []
    assert raised.value.remedy == "It has: none"


def test_the_tasks_of_a_connector_that_nobody_expects_are_not_counted() -> None:
    assert commands.expected_tasks(PIPELINE, "sink") == 2
    assert commands.expected_tasks(PIPELINE, "other") is None
