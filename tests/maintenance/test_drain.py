"""Sinks are drained where they read, and nowhere else."""

from __future__ import annotations

import pytest

from cdcproof.clients.connect.states import Connector, ConnectorStates
from cdcproof.clients.kafka.consumer_groups import Positions
from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.maintenance.steps import drain
from tests.pipelines import pipeline_of


class World:
    """Kafka and Kafka Connect, in which all has been read."""

    url = "http://connect:8083"
    of_connect = "production"

    def cluster_id(self) -> str:
        return "production"

    def kafka_cluster(self) -> str:
        return self.of_connect

    def states(self) -> ConnectorStates:
        return ConnectorStates((Connector("sink", "sink", "RUNNING", "worker", (), {}),))

    def topics(self) -> dict[str, int]:
        return {}

    def positions(self, group: str) -> Positions:
        return Positions({}, frozenset())


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    for client in ("Connect", "Kafka"):
        monkeypatch.setattr(drain, client, lambda _: world)
    return world


def test_a_group_in_another_kafka_that_has_read_all_drains_no_sink(world: World) -> None:
    pipeline = pipeline_of("orders")
    assert drain.drain(pipeline, 5.0, lambda _: None).ends == {}

    world.of_connect = "staging"
    with pytest.raises(UnexpectedAnswerError, match="its sinks read from the cluster staging"):
        drain.drain(pipeline, 5.0, lambda _: None)
