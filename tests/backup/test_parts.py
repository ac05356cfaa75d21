"""The files of a backup that are no database's: what is saved comes back."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from cdcproof.backup.parts import connectors, offsets, registry, schema_history
from cdcproof.clients.connect.client import Connect, ConnectorStates
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.kafka.consumer_groups import Positions
from cdcproof.clients.kafka.dead_letters import Record
from cdcproof.clients.schema_registry import Registry
from cdcproof.core.errors import OperationError
from cdcproof.pipeline.model import HttpService
from tests.canned import serving
from tests.connectors.looks import connector
from tests.connectors.worker import Worker
from tests.pipelines import pipeline_of

PIPELINE = pipeline_of(
    "orders",
    connectors=[{"name": "source", "kind": "source"}, {"name": "sink", "kind": "sink"}],
    connect={"url": "http://c", "other_connectors": ["other-*"]},
)
STATES = ConnectorStates(
    (
        connector("RUNNING", name="source", kind="source", database__password="in-clear-123"),
        connector("PAUSED", name="sink", topics="t.orders", connection__password="${file:/s:p}"),
        connector(name="other-1", connection__password="theirs-123"),
    )
)


def test_connectors_come_back_with_their_secrets_and_no_neighbours() -> None:
    part = connectors.save(STATES, PIPELINE)
    found = connectors.read(part.text)

    assert set(found) == {"source", "sink"}
    assert found["source"].config["database.password"] == "in-clear-123"
    assert (found["sink"].state, found["sink"].kind) == ("PAUSED", "sink")
    assert part.notes == ("source: the configuration holds a password in clear, and so does the backup.",)
    assert "theirs" not in part.text


def test_a_connector_that_is_missing_is_no_backup() -> None:
    with pytest.raises(OperationError, match="no connector sink"):
        connectors.save(ConnectorStates(STATES.connectors[:1]), PIPELINE)


class FakeKafka:
    def kept_offsets(self, topics: tuple[str, ...]) -> dict[tuple[str, int], range]:
        return {("t.orders", 0): range(3, 9)}

    def positions(self, group: str) -> Positions:
        assert group == "connect-sink"
        return Positions({("t.orders", 0): 7}, frozenset())


def test_offsets_come_back_as_connect_takes_them() -> None:
    worker = Worker()
    worker.positions = {"source": [{"partition": {"server": "w"}, "offset": {"lsn": 5}}], "sink": []}
    saved = connectors.read(connectors.save(STATES, PIPELINE).text)
    part = offsets.save(cast(Connect, worker), cast(Kafka, FakeKafka()), saved, ("t.orders",))
    found = offsets.read(part.text)

    assert found.connectors["source"].offsets == ({"partition": {"server": "w"}, "offset": {"lsn": 5}},)
    assert found.connectors["sink"].offsets == ()
    assert found.kept == {("t.orders", 0): range(3, 9)}


def test_a_connect_that_shows_no_offsets_leaves_the_sinks_to_kafka() -> None:
    saved = connectors.read(connectors.save(STATES, PIPELINE).text)
    part = offsets.save(cast(Connect, Worker(stops=False)), cast(Kafka, FakeKafka()), saved, ("t.orders",))
    found = offsets.read(part.text)

    assert found.connectors["source"].offsets is None
    assert found.connectors["sink"].offsets == (
        {"partition": {"kafka_topic": "t.orders", "kafka_partition": 0}, "offset": {"kafka_offset": 7}},
    )
    assert len(part.notes) == 1
    assert "source: its offsets are not known" in part.notes[0]


def test_the_schema_history_comes_back_byte_for_byte() -> None:
    records = (
        Record(("h", 0), 0, None, b'{"ddl": "CREATE"}', {}),
        Record(("h", 0), 1, b"\x00\xff", None, {"a": "b"}),
    )

    class History:
        def topics(self) -> dict[str, int]:
            return {"h": 1}

        def every_record(self, topic: str) -> tuple[Record, ...]:
            return records

    part = schema_history.save(cast(Kafka, History()), ("h",))
    assert schema_history.read(part.text) == records
    with pytest.raises(OperationError, match="no topic gone"):
        schema_history.save(cast(Kafka, History()), ("h", "gone"))


def test_the_topics_of_the_schema_history_are_those_that_the_sources_name() -> None:
    named: list[dict[str, str]] = [
        {"schema.history.internal.kafka.topic": "new"},
        {"database.history.kafka.topic": "old"},
        {"schema.history.internal.kafka.topic": "${env:X}"},
        {},
    ]
    saved = [connectors.SavedConnector("c", "source", "RUNNING", config) for config in named]
    assert schema_history.topics(saved) == ("new", "old")


def test_every_version_of_every_subject_is_saved() -> None:
    answers: dict[str, Any] = {
        "GET /subjects": (200, ["t.orders-value"]),
        "GET /config": (200, {"compatibilityLevel": "BACKWARD"}),
        "GET /subjects/t.orders-value/versions": (200, [2, 1]),
        **{
            f"GET /subjects/t.orders-value/versions/{n}": (200, {"version": n, "id": n + 6, "schema": "{}"})
            for n in (1, 2)
        },
    }
    with serving(answers) as canned:
        part = registry.save(Registry(HttpService(url=canned.url)))
    told = json.loads(part.text)
    assert [one["id"] for one in told["subjects"]["t.orders-value"]] == [7, 8]
    assert part.line == "1 subjects, 2 schemas"


def test_subjects_that_the_registry_has_lost_are_registered_in_the_order_of_their_ids() -> None:
    versions = {
        "kept-value": [{"id": 1, "schema": "k"}],
        "b-value": [{"id": 9, "schema": "b", "schemaType": "JSON", "version": 1}],
        "a-value": [{"id": 7, "schema": "a1"}, {"id": 12, "schema": "a2"}],
    }
    answers: dict[str, Any] = {
        "GET /subjects": (200, ["kept-value"]),
        "POST /subjects/a-value/versions": [(200, {"id": 7}), (200, {"id": 10})],
        "POST /subjects/b-value/versions": (200, {"id": 9}),
    }
    with serving(answers) as canned:
        found = registry.restore(Registry(HttpService(url=canned.url)), json.dumps({"subjects": versions}))

    assert found == (2, ("a-value had 12 and has 10",))
    assert canned.bodies[1:] == [{"schema": "a1"}, {"schema": "b", "schemaType": "JSON"}, {"schema": "a2"}]
