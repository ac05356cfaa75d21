"""What is found out before a decision: what is not known never counts as right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from cdcproof.backup import facts
from cdcproof.backup.facts import Restored, gather
from cdcproof.backup.manifest import DatabaseBackup, Manifest
from cdcproof.backup.parts.connectors import SavedConnector
from cdcproof.backup.parts.offsets import Saved, SavedOffsets, SavedParts
from cdcproof.backup.parts.positions import Facts, SinkPlace
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.kafka.consumer_groups import Place
from cdcproof.connectors import retention
from cdcproof.connectors.retention import Retention
from cdcproof.core.errors import UnreachableError
from cdcproof.databases.contracts.identity import Identity
from cdcproof.pipeline.model import Pipeline
from tests.backup.made import STATE
from tests.pipelines import pipeline_of

SOURCE = {
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    "database.dbname": "warehouse_source",
    "slot.name": "s",
}
SINK = {"insert.mode": "upsert", "topics": "t.orders"}
PLACE = {"partition": {"kafka_topic": "t.orders", "kafka_partition": 0}, "offset": {"kafka_offset": 10}}
AT = {"partition": {"server": "w"}, "offset": {"lsn_commit": 500}}
MANIFEST = Manifest(
    "n", "test", "t", "", "", "", "", (DatabaseBackup("source", "postgresql", "p", STATE),), {}, ()
)  # fmt: skip


class FakeKafka:
    def __init__(self, kept: Mapping[Place, range]) -> None:
        self.kept = kept

    def kept_offsets(self, topics: list[str]) -> dict[Place, range]:
        return {place: log for place, log in self.kept.items() if place[0] in topics}


class FakeSource:
    """The source's session, and its server's."""

    def __init__(self, identity: Identity | Exception, confirmed: int | None) -> None:
        self.found, self.confirmed = identity, confirmed

    def __enter__(self) -> FakeSource:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def identity(self) -> Identity:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def slot_confirmed(self, slot: str) -> int | None:
        assert slot == "s"
        return self.confirmed


@pytest.fixture
def pipeline() -> Pipeline:
    return pipeline_of("orders", source_type="postgresql")


def found(
    monkeypatch: pytest.MonkeyPatch,
    pipeline: Pipeline,
    *,
    identity: Identity | Exception = STATE.identity,
    confirmed: int | None = 400,
    kept: Retention = Retention(),  # noqa: B008  frozen
    now: Mapping[Place, range] | None = None,
    restored: Restored = Restored(False, True),  # noqa: B008
    sink: Mapping[str, str] = SINK,
    offsets: tuple[Any, ...] | None = (AT,),
) -> Facts:
    source = FakeSource(identity, confirmed)
    monkeypatch.setattr(facts, "connect", lambda *_: source)
    monkeypatch.setattr(facts, "connect_to_restore", lambda *_: source)
    monkeypatch.setattr(retention, "of_source", lambda *_: kept)
    parts = SavedParts(
        {
            "source": SavedConnector("source", "source", "RUNNING", SOURCE),
            "sink": SavedConnector("sink", "sink", "RUNNING", sink),
        },
        Saved(
            {"source": SavedOffsets("source", offsets, "not shown"), "sink": SavedOffsets("sink", (PLACE,))},
            {("t.orders", 0): range(12)},
        ),
    )
    kafka = FakeKafka({("t.orders", 0): range(50)} if now is None else now)
    return gather(pipeline, MANIFEST, parts, cast(Kafka, kafka), restored)


def test_what_is_all_right_is_said_so(monkeypatch: pytest.MonkeyPatch, pipeline: Pipeline) -> None:
    assert found(monkeypatch, pipeline) == Facts(
        source=False, target=True, same_source=True, places={("t.orders", 0): SinkPlace(10, 12, 0, 50)}
    )


@pytest.mark.parametrize(
    ("identity", "words"),
    [
        (replace(STATE.identity, made="20000"), "the source is warehouse (20000)"),
        (replace(STATE.identity, history="00000002"), "history 00000002"),
        (replace(STATE.identity, unknown="it may not see it"), "it may not see it"),
        (UnreachableError("no answer"), "no answer"),
    ],
)
def test_a_source_that_is_not_known_to_be_the_same_is_another(
    monkeypatch: pytest.MonkeyPatch, pipeline: Pipeline, identity: Any, words: str
) -> None:
    made = found(monkeypatch, pipeline, identity=identity)
    assert not made.same_source
    assert words in made.log_kept


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kept": Retention(("the slot is gone.",))}, "the slot is gone."),
        ({"kept": Retention(unknown="no right to see it.")}, "no right to see it."),
        ({"offsets": None}, "not shown"),
        ({"offsets": ()}, "not shown"),
    ],
)
def test_a_log_that_is_not_known_to_be_kept_is_not(
    monkeypatch: pytest.MonkeyPatch, pipeline: Pipeline, options: dict[str, Any], words: str
) -> None:
    assert words in found(monkeypatch, pipeline, **options).log_kept


def test_a_slot_sends_nothing_twice_which_matters_where_the_topics_lost_it(
    monkeypatch: pytest.MonkeyPatch, pipeline: Pipeline
) -> None:
    remade = {("t.orders", 0): range(3)}
    assert found(monkeypatch, pipeline, confirmed=501).log_kept == ""
    assert "has confirmed more" in found(monkeypatch, pipeline, confirmed=501, now=remade).log_kept
    assert found(monkeypatch, pipeline, confirmed=500, now=remade).log_kept == ""
    assert "the replication slot s is gone" in found(monkeypatch, pipeline, confirmed=None, now=remade).log_kept


def test_a_topic_that_is_gone_ends_at_nothing_and_a_new_one_begins_at_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = pipeline_of("orders", "added", source_type="postgresql")
    made = found(monkeypatch, pipeline, now={("t.added", 0): range(4, 9)})
    assert made.places == {("t.orders", 0): SinkPlace(10, 12, 0, 0), ("t.added", 0): SinkPlace(0, 0, 4, 9)}
    assert "t.added came into the pipeline after the backup" in made.log_kept


def test_a_restored_source_is_not_asked(monkeypatch: pytest.MonkeyPatch, pipeline: Pipeline) -> None:
    made = found(monkeypatch, pipeline, identity=AssertionError("asked"), restored=Restored(True, False))
    assert not made.same_source


def test_a_sink_that_only_inserts_is_seen(monkeypatch: pytest.MonkeyPatch, pipeline: Pipeline) -> None:
    assert not found(monkeypatch, pipeline, sink={"topics": "t.orders"}).writes_again
