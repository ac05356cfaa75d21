"""The wait for both connectors: a failure that stays ends it at once, with its cause and the way out."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest

from cdcproof.core.errors import OperationError
from cdcproof.core.progress import Progress
from cdcproof.environments.embedded import connectors
from cdcproof.environments.embedded.connectors import SINK, SOURCE
from cdcproof.environments.embedded.state import Instance
from tests.canned import EXPANDED, Canned, connector, serving

RESTART = f"POST /connectors/{SOURCE}/restart?includeTasks=true&onlyFailed=true"


def seen(source: str, trace: str = "") -> tuple[int, Any]:
    """Both connectors; the source's task in this state."""
    answer = {
        SOURCE: connector("source", {"name": SOURCE}, tasks=(source,)),
        SINK: connector("sink", {"name": SINK}),
    }
    if trace:
        answer[SOURCE]["status"]["tasks"][0]["trace"] = trace
    return 200, answer


@pytest.fixture
def connect() -> Iterator[Canned]:
    with serving({RESTART: (202, {})}) as server:
        yield server


@pytest.fixture
def instance(connect: Canned, monkeypatch: pytest.MonkeyPatch) -> Instance:
    monkeypatch.setattr(connectors, "stretched", float)
    return Instance("other", {"kafka-connect": int(connect.url.rpartition(":")[2])})


def wait(instance: Instance) -> None:
    connectors.wait_until_running(instance, Progress(io.StringIO()), deadline_seconds=20)


def test_what_fails_again_after_its_restart_ends_the_wait_with_the_cause_and_what_to_do(
    connect: Canned, instance: Instance
) -> None:
    connect.answers[EXPANDED] = [seen("FAILED"), seen("RESTARTING"), seen("FAILED"), seen("RUNNING")]

    with pytest.raises(OperationError) as raised:
        wait(instance)

    assert (
        f'{SOURCE}/0 failed, and again after a restart: org.postgresql.util.PSQLException: ERROR: relation "orders"'
        in (raised.value.message)
    )
    assert "cdcproof logs kafka-connect --instance other" in raised.value.remedy
    assert "cdcproof down --remove --instance other; cdcproof up --instance other" in raised.value.remedy
    assert connect.requests.count(RESTART) == 1


def test_a_failure_that_connect_still_reports_from_before_the_restart_ends_nothing(
    connect: Canned, instance: Instance
) -> None:
    connect.answers[EXPANDED] = [seen("FAILED"), seen("FAILED"), seen("RESTARTING"), seen("RUNNING")]
    wait(instance)
    assert connect.requests.count(RESTART) == 1


def test_another_failure_is_tried_again_and_not_for_ever(connect: Canned, instance: Instance) -> None:
    causes = [f"java.lang.IllegalStateException: {number}" for number in range(9)]
    connect.answers[EXPANDED] = [answer for cause in causes for answer in (seen("FAILED", cause), seen("RESTARTING"))]

    with pytest.raises(OperationError, match="IllegalStateException: 3"):
        wait(instance)

    assert connect.requests.count(RESTART) == 3


def test_a_failure_that_no_restart_moves_ends_the_wait_before_its_deadline(
    connect: Canned, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connectors, "_BELIEF_SECONDS", 0.3)
    connect.answers[EXPANDED] = seen("FAILED")

    with pytest.raises(OperationError, match="failed, and again after a restart"):
        wait(instance)


def test_tables_are_read_again_once_the_connector_has_stopped(connect: Canned, instance: Instance) -> None:
    offsets = f"DELETE /connectors/{SOURCE}/offsets"
    still_runs = (
        400,
        {"error_code": 400, "message": "Connectors must be in the STOPPED state before their offsets can be modified"},
    )
    connect.answers |= {
        f"PUT /connectors/{SOURCE}/stop": (204, b""),
        offsets: [still_runs, (200, {"message": "The offsets for this connector have been reset successfully"})],
        f"PUT /connectors/{SOURCE}/resume": (202, b""),
    }

    connectors.read_tables_again(instance)

    assert connect.requests == [f"PUT /connectors/{SOURCE}/stop", offsets, offsets, f"PUT /connectors/{SOURCE}/resume"]
