"""Control insists: a rebalance, a worker that is gone or starting, one deadline."""

from __future__ import annotations

from typing import Any

import pytest

from cdcproof.clients.connect.client import Connect
from cdcproof.clients.http import NotFoundError
from cdcproof.connectors.control import Control, exit_status
from cdcproof.connectors.states import DELETED, PAUSED, Aim, Outcome, Watch
from cdcproof.core.errors import DeadlineError, OperationError, UnexpectedAnswerError
from cdcproof.core.waiting import Deadline
from cdcproof.pipeline.model import HttpService
from tests import canned
from tests.canned import EXPANDED, Canned, serving

PAUSE, DELETE = "PUT /connectors/c/pause", "DELETE /connectors/c"
BUSY = (409, {"message": "rebalance in progress"})


class StepResult(list[str]):
    """What was written down and told."""

    def control(self, server: Canned, seconds: float = 10) -> Control:
        return Control(
            Connect(HttpService(url=server.url), patience_seconds=0),
            Deadline(seconds),
            lambda text: self.append(f"written: {text}"),
            self.append,
        )


def pause(control: Control) -> None:
    control.order("pause c", lambda: control.connect.pause("c"))


def seen(state: str, *tasks: str) -> tuple[int, Any]:
    return (200, {"c": canned.connector("sink", {"name": "c"}, state, tasks)})


def test_an_order_is_written_down_before_it_is_given_and_once_more_when_it_was_taken() -> None:
    reported = StepResult()
    with serving({PAUSE: [BUSY, BUSY, (202, b"")]}) as server:
        pause(reported.control(server))
        assert server.requests == [PAUSE] * 3
        assert reported[0] == f"written: pause c at {server.url}"
        assert reported[-1] == f"written: pause c at {server.url}: taken"
    assert sum(line.startswith("written") for line in reported) == 2
    assert "pause c: Kafka Connect is rebalancing" in reported[1]


def test_what_cannot_be_written_down_is_not_done() -> None:
    def full(_: str) -> None:
        raise OperationError("the disk is full")

    with serving({PAUSE: (202, b"")}) as server:
        control = Control(Connect(HttpService(url=server.url), patience_seconds=0), Deadline(5), full, print)
        with pytest.raises(OperationError):
            pause(control)
        assert server.requests == []


def test_a_rebalance_that_does_not_end_is_said_as_such() -> None:
    with (
        serving({PAUSE: BUSY}) as server,
        pytest.raises(DeadlineError, match=r"within 0\.4 s\. .*is rebalancing") as raised,
    ):
        pause(StepResult().control(server, 0.4))
    assert raised.value.exit_status == 3


def test_a_worker_that_is_gone_for_a_while_and_then_starts_is_waited_for() -> None:
    reported = StepResult()
    starting = (404, b"")
    answers = [None, (500, {"message": "Request timed out"}), starting, (202, b"")]
    with serving({PAUSE: answers}) as server:
        pause(reported.control(server))
    assert [next(w for w in ("closed", "timed out", "starting") if w in line) for line in reported[1:-1]] == [
        "closed", "timed out", "starting",
    ]  # fmt: skip


def test_a_worker_that_does_not_come_back_is_told_with_its_reason() -> None:
    with serving({}) as server:
        pass
    with pytest.raises(DeadlineError, match=r"within 0\.4 s\. .*connection refused"):
        pause(StepResult().control(server, 0.4))


@pytest.mark.parametrize(
    ("answer", "error"),
    [((404, {"message": "no such connector"}), NotFoundError), ((400, {"message": "invalid"}), UnexpectedAnswerError)],
)
def test_a_refusal_is_told_at_once(answer: Any, error: type[Exception]) -> None:
    with serving({PAUSE: answer}) as server:
        with pytest.raises(error):
            pause(StepResult().control(server, 60))
        assert server.requests == [PAUSE]


def test_a_deletion_whose_answer_was_lost_was_taken() -> None:
    absent = (404, {"message": "Connector c not found"})
    with serving({DELETE: [None, absent]}) as server:
        StepResult().control(server).delete("c")
        assert server.requests == [DELETE] * 2
    with serving({DELETE: absent}) as server, pytest.raises(NotFoundError):
        StepResult().control(server).delete("c")


def test_a_deletion_is_not_taken_for_done_while_the_worker_starts() -> None:
    with serving({DELETE: [None, (404, b""), (204, b"")]}) as server:
        StepResult().control(server).delete("c")
        assert server.requests == [DELETE] * 3


def test_it_follows_until_the_state_holds_and_tells_what_is_missing() -> None:
    reported = StepResult()
    with serving(
        {EXPANDED: [seen("RUNNING", "RUNNING"), None, seen("PAUSED", "RUNNING"), seen("PAUSED", "PAUSED")]}
    ) as server:
        outcomes = reported.control(server).follow({"c": Watch(Aim(PAUSED, 1))})
    assert outcomes["c"].held
    assert reported[0] == "c: it is RUNNING; task 0 is RUNNING"
    assert "without an answer" in reported[1]
    assert reported[2] == "c: task 0 is RUNNING"


def test_what_held_before_connect_was_silent_must_hold_anew() -> None:
    class Noting(Watch):
        missed = 0

        def miss(self, seconds: float) -> None:
            self.missed += 1

    watch = Noting(Aim(PAUSED, 1))
    with serving({EXPANDED: [None, None, seen("PAUSED", "PAUSED")]}) as server:
        assert StepResult().control(server).follow({"c": watch})["c"].held
    assert watch.missed == 2


def test_each_connector_has_its_own_outcome() -> None:
    with serving({EXPANDED: seen("PAUSED", "PAUSED")}) as server:
        watches = {"c": Watch(Aim(PAUSED, 1)), "gone": Watch(Aim(DELETED)), "absent": Watch(Aim(PAUSED))}
        outcomes = StepResult().control(server, 0.5).follow(watches)
    assert {name: outcome.held for name, outcome in outcomes.items()} == {"c": True, "gone": True, "absent": False}
    assert "there is no such connector" in outcomes["absent"].text


def test_connect_that_is_silent_at_the_end_is_unknown_and_not_wrong() -> None:
    with serving({EXPANDED: [seen("RUNNING", "RUNNING"), None]}) as server:
        [outcome] = StepResult().control(server, 0.6).follow({"c": Watch(Aim(PAUSED, 1))}).values()
    assert (outcome.held, outcome.unknown) == (False, True)


def test_what_is_wrong_weighs_more_than_what_is_unknown() -> None:
    held, wrong, unknown = Outcome(True, "", 1), Outcome(False, "", 1), Outcome(False, "", 1, unknown=True)
    assert [exit_status(o) for o in ([held], [held, unknown], [unknown, wrong], [])] == [0, 3, 1, 0]
