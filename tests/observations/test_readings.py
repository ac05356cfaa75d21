"""What several services say together."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Self

import pytest

from cdcproof.clients.connect.client import Connect
from cdcproof.clients.kafka.consumer_groups import Group, PartitionLag, Place
from cdcproof.clients.kafka.topic_states import PartitionState, TopicState
from cdcproof.connectors import handled_dead_letters
from cdcproof.core.errors import ConfigError, CouldNotLookError, UnreachableError
from cdcproof.databases.contracts.deployment import CapturedTable, CaptureState
from cdcproof.databases.contracts.log import Slot
from cdcproof.databases.names import Column, TableName
from cdcproof.findings import Concern, require
from cdcproof.observations import readings
from cdcproof.observations.lag.sink import SinkLag
from cdcproof.pipeline.model import Freshness, HttpService, Pipeline
from tests.canned import EXPANDED, connector, serving
from tests.pipelines import pipeline_of

NEIGHBOURS = {"url": "http://c", "other_connectors": ["erp-*", "s*"]}


@pytest.fixture
def pipeline() -> Pipeline:
    return pipeline_of("orders", connect=NEIGHBOURS)


def test_connectors_of_other_pipelines_are_left_out_and_expected_ones_never(pipeline: Pipeline) -> None:
    told = {name: connector("sink", {"name": name}) for name in ("source", "sink", "erp-sink", "rogue", "Erp-sink")}
    with serving({EXPANDED: (200, told)}) as server:
        found = readings.connector_states(Connect(HttpService(url=server.url)), pipeline)
    assert [c.name for c in found.connectors] == ["Erp-sink", "rogue", "sink", "source"]


class Broker:
    """Kafka with one topic of ten records, of which the sink has committed eight."""

    def __init__(
        self,
        dead_letters: int = 0,
        copied: bool = False,
        is_up: bool = True,
        tombstones: bool = False,
        expired: int = 0,
    ) -> None:
        self.expired = expired
        self.is_up = is_up
        self.dead_letters = dead_letters
        self.copied = copied
        self.tombstones = tombstones

    def brokers(self) -> int:
        if not self.is_up:
            raise UnreachableError("Kafka does not answer.")
        return 1

    def topics(self) -> dict[str, int]:
        return {"t.orders": 1}

    def group(self, name: str) -> Group:
        return Group(name, "EMPTY", 0)

    def lag(self, group: str, topics: object = ()) -> tuple[PartitionLag, ...]:
        return (PartitionLag("t.orders", 0, 8, 0, 10, 900.0),)

    def kept_records(self, topics: Collection[str]) -> dict[str, int]:
        assert set(topics) == {"dlq"}
        return {"dlq": self.dead_letters}

    def kept_offsets(self, topics: Collection[str]) -> dict[Place, range]:
        assert set(topics) == {"dlq"}
        return {("dlq", 0): range(self.expired, self.expired + self.dead_letters)}

    def topic_states(self, topics: Collection[str]) -> tuple[TopicState, ...]:
        assert set(topics) == {"dlq"}
        kept = {"retention.ms": "604800000", "retention.bytes": "-1"}
        return (TopicState("dlq", (PartitionState(0, True, 1, 1, self.expired),), kept),)

    def cluster_id(self) -> str:
        return "cluster"

    def put_aside(self, positions: Mapping[Place, int], ends: Mapping[Place, int], topic: str) -> frozenset[Place]:
        assert (positions, ends, topic) == ({("t.orders", 0): 8}, {("t.orders", 0): 10}, "dlq")
        return frozenset(positions) if self.copied else frozenset()

    def only_tombstones(self, positions: Mapping[Place, int], ends: Mapping[Place, int]) -> frozenset[Place]:
        assert (positions, ends) == ({("t.orders", 0): 8}, {("t.orders", 0): 10})
        return frozenset(positions) if self.tombstones else frozenset()


class Dead:
    """A Connect that does not answer."""

    def states(self) -> None:
        raise UnreachableError("Kafka Connect does not answer.")


def lag_of(pipeline: Pipeline, broker: Broker, **told: Any) -> SinkLag:
    with serving({EXPANDED: (200, told)}) as server:
        return readings.sink_lag(broker, pipeline, Connect(HttpService(url=server.url)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tasks", "why"),
    [
        (("RUNNING", "RUNNING"), {}),
        (("PAUSED",), {"connect-sink": "sink/0 is PAUSED"}),
        (("RUNNING", "FAILED"), {"connect-sink": "sink/1 is FAILED"}),
        ((), {"connect-sink": "sink has no task"}),
        (None, {"connect-sink": "sink is not at Connect"}),
    ],
)
def test_a_sink_that_does_not_run_is_known_with_its_reason(
    pipeline: Pipeline, tasks: tuple[str, ...] | None, why: dict[str, str]
) -> None:
    told = {} if tasks is None else {"sink": connector("sink", {"name": "sink"}, tasks=tasks)}
    found = lag_of(pipeline, Broker(), **told)
    assert found.idle == why
    assert (found.groups() == found.expected_groups()) is bool(why)
    assert (found.records(), found.seconds()) == ({"connect-sink": 2.0}, {"connect-sink": 900.0})


@pytest.mark.parametrize(
    ("of_connect", "settings", "found"),
    [
        (
            {"version": "3.9.2", "kafka_cluster_id": "staging"},
            {},
            {"connect-sink": "read by its sink in the cluster staging"},
        ),
        ({"version": "3.9.2", "kafka_cluster_id": "cluster"}, {}, {}),
        ({"version": "3.9.2", "kafka_cluster_id": "staging"}, {"consumer.override.bootstrap.servers": "k:9092"}, {}),
        ({"version": "3.9.2"}, {}, {}),
        (None, {}, {}),
    ],
    ids=["another", "the same", "the sink names its own", "Connect names none", "Connect's address / is closed"],
)
def test_a_group_of_the_same_name_in_another_kafka_is_not_the_sinks(
    pipeline: Pipeline, of_connect: dict[str, str] | None, settings: dict[str, str], found: dict[str, str]
) -> None:
    root = {} if of_connect is None else {"GET /": (200, of_connect)}
    sink = connector("sink", {"name": "sink"} | settings, tasks=("RUNNING",))
    with serving({EXPANDED: (200, {"sink": sink}), **root}) as server:
        lag = readings.sink_lag(Broker(), pipeline, Connect(HttpService(url=server.url)))  # type: ignore[arg-type]
    assert lag.elsewhere() == found
    assert lag.idle == {}


class Restarting(Broker):
    """Connect has said that the sink runs; its group is asked a moment later, while it restarts."""

    states = ("EMPTY", "STABLE")

    def group(self, name: str) -> Group:
        state, *self.states = self.states if len(self.states) > 1 else (*self.states, *self.states)
        return Group(name, state, int(state == "STABLE"))


def test_a_sink_that_restarts_between_two_answers_is_looked_at_again(pipeline: Pipeline) -> None:
    told = {"sink": connector("sink", {"name": "sink"}, tasks=("RUNNING", "RUNNING"))}
    broker = Restarting()
    with serving({EXPANDED: (200, told)}) as server:
        client = Connect(HttpService(url=server.url))

        def look() -> SinkLag:
            return readings.sink_lag(broker, pipeline, client)  # type: ignore[arg-type]

        found = readings.settled(look, lambda lag: lag.groups() == lag.expected_groups())
    assert found.groups() == {"connect-sink": "consuming"}


@pytest.mark.parametrize("passing", ["UNASSIGNED", "RESTARTING"])
def test_a_task_that_is_being_started_is_looked_at_again(pipeline: Pipeline, passing: str) -> None:
    starting = {"sink": connector("sink", {"name": "sink"}, tasks=("RUNNING", passing))}
    running = {"sink": connector("sink", {"name": "sink"}, tasks=("RUNNING", "RUNNING"))}
    with serving({EXPANDED: [(200, starting), (200, running)]}) as server:
        found = readings.settled_connector_states(Connect(HttpService(url=server.url)), pipeline)
    assert found.states == {"sink": "RUNNING", "sink/0": "RUNNING", "sink/1": "RUNNING"}


def test_a_task_that_stays_unassigned_is_shown_after_some_seconds(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "_A_RESTART_SECONDS", 0.2)
    told = {"sink": connector("sink", {"name": "sink"}, tasks=("UNASSIGNED",))}
    with serving({EXPANDED: (200, told)}) as server:
        found = readings.settled_connector_states(Connect(HttpService(url=server.url)), pipeline)
    assert found.states == {"sink": "RUNNING", "sink/0": "UNASSIGNED"}


def test_a_connect_that_does_not_answer_runs_nothing(pipeline: Pipeline) -> None:
    found = readings.sink_lag(Broker(), pipeline, Dead())  # type: ignore[arg-type]
    assert found.idle == {"connect-sink": "Kafka Connect does not answer."}


@pytest.mark.parametrize(
    ("broker", "aside", "records", "seconds"),
    [
        (Broker(), {}, 2.0, 900.0),
        (Broker(1), {"connect-sink": "1 record is in dlq"}, 2.0, 900.0),
        (Broker(1_000, copied=True), {"connect-sink": "1,000 records are in dlq"}, 0.0, 0.0),
    ],
)
def test_what_is_in_the_dead_letter_topic_is_said_and_is_no_lag(
    pipeline: Pipeline, broker: Broker, aside: dict[str, str], records: float, seconds: float
) -> None:
    config = {"name": "sink", "errors.deadletterqueue.topic.name": "dlq"}
    found = lag_of(pipeline, broker, sink=connector("sink", config))
    assert found.aside == aside
    assert (found.records()["connect-sink"], found.seconds()["connect-sink"]) == (records, seconds)


@pytest.mark.parametrize(
    ("mode", "tombstones", "records", "seconds"),
    [("rewrite", True, 0.0, 0.0), ("rewrite", False, 2.0, 900.0), ("tombstone", True, 2.0, 900.0)],
)
def test_tombstones_that_the_sink_is_never_given_are_no_lag(
    pipeline: Pipeline, mode: str, tombstones: bool, records: float, seconds: float
) -> None:
    config = {
        "name": "sink",
        "transforms": "unwrap",
        "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
        "transforms.unwrap.delete.tombstone.handling.mode": mode,
    }
    found = lag_of(pipeline, Broker(tombstones=tombstones), sink=connector("sink", config))
    assert (found.records()["connect-sink"], found.seconds()["connect-sink"]) == (records, seconds)
    assert found.aside == {}


class Source:
    """A source with one slot, which nobody reads at this moment."""

    @property
    def log(self) -> Self:
        return self

    def slots(self) -> tuple[Slot, ...]:
        return (Slot("cdc", False, "reserved", 0, "warehouse_source"),)


DEBEZIUM = {
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    "database.dbname": "warehouse_source",
    "slot.name": "cdc",
}


@pytest.mark.parametrize(
    ("told", "failing"),
    [
        ({"source": connector("source", {"name": "source", **DEBEZIUM})}, ("cdc",)),
        ({"source": connector("source", {"name": "source", **DEBEZIUM}, "STOPPED", ())}, ()),
        ({}, ()),
        ({"another": connector("source", {"name": "another", **DEBEZIUM}, "STOPPED", ())}, ("cdc",)),
    ],
    ids=["it runs", "it is stopped", "it is gone", "it is another pipeline's"],
)
def test_a_slot_need_be_read_only_while_the_pipelines_connector_runs(
    told: dict[str, Any], failing: tuple[str, ...]
) -> None:
    pipeline = pipeline_of("orders", source_type="postgresql")
    with serving({EXPANDED: (200, told)}) as server:
        named = pipeline.model_copy(update={"source": pipeline.source.model_copy(update={"slot": "cdc"})})
        found = readings.slots(Source(), Connect(HttpService(url=server.url)), Broker(), named)  # type: ignore[arg-type]
    assert tuple(slot.name for slot in found.failing()) == failing


class Leaving(Source):
    """A source whose slots are read by these in turn, and by the last from then on; `looks` counts how often they were asked for."""

    def __init__(self, *active: bool, name: str = "cdc") -> None:
        self.active, self.name, self.looks = active, name, 0

    def slots(self) -> tuple[Slot, ...]:
        active = self.active[min(self.looks, len(self.active) - 1)]
        self.looks += 1
        return (Slot(self.name, active, "reserved", 0, "warehouse_source"),)


@pytest.mark.parametrize(
    ("source", "failing", "looks_taken"),
    [
        (Leaving(True), [], 1),
        (Leaving(False, True), [], 2),
        (Leaving(False, name="forgotten"), ["forgotten"], 1),
    ],
    ids=["it is read", "its connector restarts", "no connector reads it"],
)
def test_a_slot_that_its_connector_has_left_for_a_moment_is_looked_at_again(
    source: Leaving, failing: list[str], looks_taken: int
) -> None:
    pipeline = pipeline_of("orders", source_type="postgresql")
    named = pipeline.model_copy(update={"source": pipeline.source.model_copy(update={"slot": "cdc"})})
    with serving({EXPANDED: (200, {"source": connector("source", {"name": "source", **DEBEZIUM})})}) as server:
        found = readings.settled_slots(source, Connect(HttpService(url=server.url)), Broker(), named)  # type: ignore[arg-type]
    assert ([slot.name for slot in found.failing()], source.looks) == (failing, looks_taken)


def test_a_slot_that_nobody_comes_back_to_is_shown_after_some_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "_A_RESTART_SECONDS", 0.2)
    pipeline = pipeline_of("orders", source_type="postgresql")
    named = pipeline.model_copy(update={"source": pipeline.source.model_copy(update={"slot": "cdc"})})
    source = Leaving(False)
    with serving({EXPANDED: (200, {"source": connector("source", {"name": "source", **DEBEZIUM})})}) as server:
        found = readings.settled_slots(source, Connect(HttpService(url=server.url)), Broker(), named)  # type: ignore[arg-type]
    assert [slot.name for slot in found.failing()] == ["cdc"]
    assert source.looks > 1


def test_a_slot_need_not_be_read_where_connect_does_not_answer() -> None:
    pipeline = pipeline_of("orders", source_type="postgresql")
    named = pipeline.model_copy(update={"source": pipeline.source.model_copy(update={"slot": "cdc"})})
    assert readings.slots(Source(), Dead(), Broker(), named).failing() == ()  # type: ignore[arg-type]


def test_a_slot_need_not_be_read_without_kafka_whatever_connect_says() -> None:
    pipeline = pipeline_of("orders", source_type="postgresql")
    named = pipeline.model_copy(update={"source": pipeline.source.model_copy(update={"slot": "cdc"})})
    with serving({EXPANDED: (200, {"source": connector("source", {"name": "source", **DEBEZIUM})})}) as server:
        connect = Connect(HttpService(url=server.url))
        assert readings.slots(Source(), connect, Broker(is_up=False), named).failing() == ()  # type: ignore[arg-type]


def test_a_topic_that_was_given_up_is_no_lag_though_the_group_has_committed_to_it(pipeline: Pipeline) -> None:
    class Given(Broker):
        def lag(self, group: str, topics: object = ()) -> tuple[PartitionLag, ...]:
            return (*super().lag(group, topics), PartitionLag("t.given_up", 0, 0, 0, 1_000_000, 9e9))

    found = lag_of(pipeline, Given(), sink=connector("sink", {"name": "sink"}, tasks=("RUNNING", "RUNNING")))
    assert (found.records(), found.seconds()) == ({"connect-sink": 2.0}, {"connect-sink": 900.0})


@pytest.mark.parametrize(("given_up", "of_the_first"), [(True, {}), (False, {"connect-first": 90.0})])
def test_a_topic_that_another_sink_has_taken_over_is_the_lag_of_that_one(
    given_up: bool, of_the_first: dict[str, float]
) -> None:
    """What the first one has committed lingers for days after its table was given to the other."""
    sinks = [{"name": name, "kind": "sink"} for name in ("first", "second")]
    lags = {
        "connect-first": PartitionLag("t.orders", 0, 10, 0, 100, 9e9, given_up=given_up),
        "connect-second": PartitionLag("t.orders", 0, 100, 0, 100, 0.0),
    }

    class Two(Broker):
        def lag(self, group: str, topics: object = ()) -> tuple[PartitionLag, ...]:
            return (lags[group],)

    found = readings.sink_lag(Two(), pipeline_of("orders", connectors=sinks))  # type: ignore[arg-type]
    assert found.records() == {**of_the_first, "connect-second": 0.0}


class Tables:
    """A database with these tables; all of them are captured."""

    def __init__(self, *names: str, unlogged: Collection[str] = ()) -> None:
        self.names = frozenset(map(TableName.parse, names))
        self.unlogged = unlogged

    @property
    def catalogue(self) -> Self:
        return self

    @property
    def log(self) -> Self:
        return self

    @property
    def permissions(self) -> Self:
        return self

    def tables(self, schema: str) -> frozenset[TableName]:
        return frozenset(name for name in self.names if name.schema == schema)

    def emptied_by_a_crash(self, tables: Collection[TableName]) -> dict[TableName, tuple[TableName, ...]]:
        return {table: (table,) for table in tables if table.table in self.unlogged}

    def captured_tables(self) -> frozenset[TableName]:
        return self.names


READER = {
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    "database.dbname": "warehouse_source",
    "database.user": "cdc",
    "publication.name": "p",
}
PARTS = frozenset({TableName("dbo", "ev_eu"), TableName("dbo", "ev_us")})


@pytest.mark.parametrize(
    ("tables", "include", "captured", "passed_over"),
    [
        (("people",), "dbo.people", {"people"}, {"other", "ev_eu", "ev_us"}),
        (("people",), "dbo.(people|other)", {"people", "other"}, {"ev_eu", "ev_us"}),
        # a partitioned table travels by the names of its leaves: it is captured, and they are not more
        (("ev",), "dbo.ev_.*", {"ev"}, {"other", "people"}),
        (("ev_eu", "ev_us"), "dbo.ev.*", {"ev_eu", "ev_us"}, {"other", "people"}),
        (("ev_eu",), "dbo.ev.*", {"ev_eu", "ev_us"}, {"other", "people"}),
    ],
)
def test_what_the_lists_of_the_source_connector_let_through_is_what_counts(
    monkeypatch: pytest.MonkeyPatch, tables: tuple[str, ...], include: str, captured: set[str], passed_over: set[str]
) -> None:
    published = {
        name: CapturedTable(frozenset({name})) for name in (*PARTS, *(TableName("dbo", n) for n in ("people", "other")))
    }
    state = CaptureState({}, published | {TableName("dbo", "ev"): CapturedTable(PARTS)})
    monkeypatch.setattr(readings.capture, "state_of", lambda *_: state)
    pipeline = pipeline_of(*tables, source_type="postgresql")
    target = Tables(*(f"public.{name}" for name in tables))
    told = {"source": connector("source", {"name": "source", **READER, "table.include.list": include})}
    with serving({EXPANDED: (200, told)}) as server:
        connect = Connect(HttpService(url=server.url))
        found = readings.table_sets(connect, Tables(), target, [t.topic for t in pipeline.tables], pipeline)  # type: ignore[arg-type]
    assert found.captured == {TableName("dbo", name) for name in captured}
    assert found.passed_over == {TableName("dbo", name) for name in passed_over}
    assert found.missing() == ()


def test_without_connect_no_table_is_called_unexpected(pipeline: Pipeline) -> None:
    source, target = Tables("dbo.orders", "dbo.other"), Tables("public.orders")
    found = readings.table_sets(Dead(), source, target, ["t.orders"], pipeline)  # type: ignore[arg-type]
    assert found.found() == found.expected()
    assert found.passed_over == {TableName("dbo", "other")}


def test_what_a_crash_of_the_target_would_empty_is_a_concern_by_the_tables_own_name(pipeline: Pipeline) -> None:
    source, target = Tables("dbo.orders"), Tables("public.orders", unlogged={"orders"})
    found = readings.table_sets(Dead(), source, target, ["t.orders"], pipeline)  # type: ignore[arg-type]
    with pytest.raises(Concern, match=r"public\.orders UNLOGGED, which a crash of the server empties"):
        require(found.observation())


def test_columns_are_asked_only_of_tables_that_are_on_both_sides() -> None:
    class WithColumns(Tables):
        def columns(self, table: TableName) -> tuple[Column, ...]:
            assert table in self.names
            return (Column("id", "int", nullable=False),)

    pipeline = pipeline_of("orders", "gone")
    found = readings.column_sets(WithColumns("dbo.orders", "dbo.gone"), WithColumns("public.orders"), pipeline)  # type: ignore[arg-type]
    assert found.found() == {"orders": "every column at the target"}


def test_what_the_checks_may_not_see_is_named_with_one_command_that_grants_it_all(pipeline: Pipeline) -> None:
    class Closed(Tables):
        def missing(self, tables: Collection[TableName]) -> dict[str, str]:
            return {"server state": "USE master; GRANT B TO us;", **{str(table): "GRANT A TO us;" for table in tables}}

        def hidden(self) -> dict[str, str]:
            return {"sessions": "GRANT C TO us;"}

    class Open(Tables):
        def missing(self, tables: Collection[TableName]) -> dict[str, str]:
            return {}

        def hidden(self) -> dict[str, str]:
            return {}

    class Short(Open):
        def hidden(self) -> dict[str, str]:
            return {"sessions": "GRANT C TO us;", "the slot": "GRANT D TO us;"}

    closed = readings.own_rights(Closed(), pipeline, "source")  # type: ignore[arg-type]
    with pytest.raises(CouldNotLookError, match=r"u may not see: server state, dbo\.orders") as raised:
        require(closed.observation())
    assert "'GRANT A TO us; USE master; GRANT B TO us;'" in raised.value.remedy
    require(readings.own_rights(Open(), pipeline, "source").observation())  # type: ignore[arg-type]
    short = readings.own_rights(Short(), pipeline, "source")  # type: ignore[arg-type]
    with pytest.raises(Concern) as warned:
        require(short.observation(), concern_action=short.concern_action())
    assert [(d.subject, d.found) for d in warned.value.differences] == [("u", "may not see sessions, the slot")]
    assert "'GRANT C TO us; GRANT D TO us;'" in warned.value.action[0]

    beating = pipeline.model_copy(update={"freshness": Freshness(source="dbo.beat", target="public.beat")})
    for side, beat in (("source", "dbo.beat"), ("target", "public.beat")):
        with pytest.raises(CouldNotLookError, match=beat):
            require(readings.own_rights(Closed(), beating, side).observation())  # type: ignore[arg-type]


class Topics(Broker):
    """A broker whose topics are all in order."""

    def topics(self) -> dict[str, int]:
        return dict.fromkeys(("t.orders", "history", "dlq", "connect-offsets"), 1)

    def topic_states(self, topics: Collection[str]) -> tuple[TopicState, ...]:
        settings = {"connect-offsets": {"cleanup.policy": "compact"}}
        there = sorted(set(topics) & self.topics().keys())
        return tuple(TopicState(t, (PartitionState(0, True, 1, 1),), settings.get(t, {})) for t in there)


@pytest.mark.parametrize(
    ("history", "seen", "unnamed"),
    [
        ({}, ["connect-offsets", "dlq", "t.orders"], {}),
        ({"schema.history.internal.kafka.topic": "history"}, ["connect-offsets", "dlq", "history", "t.orders"], {}),
        (
            {"schema.history.internal.kafka.topic": "${env:HISTORY}"},
            ["connect-offsets", "dlq", "t.orders"],
            {"source": "its topic of schema history is ${env:HISTORY}"},
        ),
        (None, ["connect-offsets", "dlq", "t.orders"], {"source": "it is not at Connect"}),
    ],
)
def test_topics_that_no_connector_names_are_not_taken_for_seen(
    pipeline: Pipeline, history: dict[str, str] | None, seen: list[str], unnamed: dict[str, str]
) -> None:
    told = {"sink": connector("sink", {"name": "sink", "errors.deadletterqueue.topic.name": "dlq"})}
    if history is not None:
        told["source"] = connector("source", {"name": "source", **history})
    with serving({EXPANDED: (200, told)}) as server:
        found = readings.topics(Connect(HttpService(url=server.url)), Topics(), pipeline)  # type: ignore[arg-type]
    assert ([t.name for t in found.seen], found.unnamed) == (seen, unnamed)


def test_without_connect_it_is_not_known_which_topics_there_must_be(pipeline: Pipeline) -> None:
    found = readings.topics(Dead(), Topics(), pipeline)  # type: ignore[arg-type]
    assert found.found() == found.expected()
    with pytest.raises(CouldNotLookError, match="Kafka Connect does not answer"):
        require(found.observation())


@pytest.mark.parametrize(
    ("topic", "words"),
    [(None, "sink: it is not at Connect"), ("${env:DLQ}", "sink: its topic is ${env:DLQ}")],
)
def test_where_a_sink_puts_records_aside_must_be_known_for_each(topic: str | None, words: str) -> None:
    both = [{"name": name, "kind": "sink"} for name in ("sink", "other")]
    told = {"other": connector("sink", {"name": "other", "errors.deadletterqueue.topic.name": "dlq"})}
    if topic:
        told["sink"] = connector("sink", {"name": "sink", "errors.deadletterqueue.topic.name": topic})
    with serving({EXPANDED: (200, told)}) as server:
        connect = Connect(HttpService(url=server.url))
        found = readings.dead_letters(connect, Broker(), pipeline_of("orders", connectors=both))  # type: ignore[arg-type]
    assert found.found() == found.expected() == {"dlq of other": "no records"}
    with pytest.raises(CouldNotLookError, match=re.escape(words)):
        require(found.observation())


def test_what_retention_took_from_a_dead_letter_topic_is_not_handled_until_it_is_noted(tmp_path: Path) -> None:
    pipeline = pipeline_of("orders", paths={"reconciliation_reports": str(tmp_path / "reconciliation_reports")})
    told = {"sink": connector("sink", {"name": "sink", "errors.deadletterqueue.topic.name": "dlq"})}
    with serving({EXPANDED: (200, told)}) as server:
        connect = Connect(HttpService(url=server.url))
        before = readings.dead_letters(connect, Broker(expired=4), pipeline)  # type: ignore[arg-type]
        handled_dead_letters.note(pipeline.paths.reports, "cluster", {("dlq", 0): 4})
        after = readings.dead_letters(connect, Broker(expired=4), pipeline)  # type: ignore[arg-type]
    with pytest.raises(CouldNotLookError, match="anybody handled 4 records that are no longer in dlq"):
        require(before.observation())
    require(after.observation())


@pytest.mark.parametrize("place", ["dlq", "dlq/first"])
def test_a_note_of_handled_dead_letters_that_is_damaged_is_named(tmp_path: Path, place: str) -> None:
    file = tmp_path / "handled-dead-letters.json"
    file.write_text(json.dumps({"format": 1, "clusters": {"cluster": {place: 4}}}), encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"handled-dead-letters\.json: .* cannot be read: a place in it is no topic/partition"
    ):
        handled_dead_letters.noted(tmp_path, "cluster")
