"""The wait for a heartbeat of now, after a night on which the pipeline was down."""

from __future__ import annotations

from typing import Any

import pytest

from cdcproof.core.progress import Progress
from cdcproof.environments.embedded import replication

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


@pytest.mark.parametrize("before", [None, 43_200.0, 31.0])
def test_it_ends_with_the_first_one_of_now(ages: list[float | None], before: float | None) -> None:
    ages += [before, before, 2.0, 99.0]
    replication.wait_for_heartbeat(INSTANCE, Progress())

    assert ages == [99.0]


def test_one_that_does_not_come_is_left_to_the_checks(ages: list[float | None]) -> None:
    ages.append(None)
    replication.wait_for_heartbeat(INSTANCE, Progress())
