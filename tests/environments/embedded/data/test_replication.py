"""The wait for a heartbeat of now, after a night on which the pipeline was down."""

from __future__ import annotations

from typing import Any

import pytest

from cdcproof.core.errors import OperationError
from cdcproof.core.progress import Progress
from cdcproof.environments.embedded import connectors
from cdcproof.environments.embedded.data import replication
from cdcproof.environments.embedded.state import Instance
from tests.canned import EXPANDED, connector, serving

INSTANCE: Any = object()


@pytest.fixture
def ages(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """What is seen one look after the other; the last one is seen again."""
    found: list[float | None] = []

    def seen(_: object) -> float | None:
        return found.pop(0) if len(found) > 1 else found[0]

    monkeypatch.setattr(replication.databases, "heartbeat_seconds", seen)
    return found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replication, "_HEARTBEAT_SECONDS", 0.5)
    monkeypatch.setattr(replication, "_LOOKS_PER_QUESTION", 100)


@pytest.mark.parametrize("before", [None, 43_200.0, 31.0])
def test_it_ends_with_the_first_one_of_now(ages: list[float | None], before: float | None) -> None:
    ages += [before, before, 2.0, 99.0]
    replication.wait_for_heartbeat(INSTANCE, Progress())

    assert ages == [99.0]


def test_one_that_does_not_come_is_left_to_the_checks(ages: list[float | None]) -> None:
    ages.append(None)
    replication.wait_for_heartbeat(INSTANCE, Progress())


def test_a_connector_that_keeps_failing_ends_the_wait(
    ages: list[float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ages.append(None)
    monkeypatch.setattr(replication, "_LOOKS_PER_QUESTION", 1)
    monkeypatch.setattr(replication, "_HEARTBEAT_SECONDS", 20.0)
    monkeypatch.setattr(connectors, "_BELIEF_SECONDS", 0.1)
    failed = {
        connectors.SOURCE: connector("source", {"name": connectors.SOURCE}, tasks=("FAILED",)),
        connectors.SINK: connector("sink", {"name": connectors.SINK}),
    }
    restart = f"POST /connectors/{connectors.SOURCE}/restart?includeTasks=true&onlyFailed=true"
    with serving({EXPANDED: (200, failed), restart: (202, {})}) as connect:
        instance = Instance("one", {"kafka-connect": int(connect.url.rpartition(":")[2])})
        with pytest.raises(OperationError, match='relation "orders" does not exist'):
            replication.wait_for_heartbeat(instance, Progress())
