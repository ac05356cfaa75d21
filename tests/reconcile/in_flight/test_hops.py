"""One look at each hop of the fence by position: what it says, when it is done, and when it can never be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from cdcproof.clients.connect.client import Connector
from cdcproof.clients.kafka.consumer_groups import Place, Positions
from cdcproof.clients.kafka.topic_states import PartitionState, TopicState
from cdcproof.core import waiting
from cdcproof.databases.names import TableName
from cdcproof.databases.table_read import LogPosition
from cdcproof.reconcile.in_flight.hops import Sight, SinkHop, SourceHop, halt
from tests.core.test_waiting import Clock
from tests.reconcile.in_flight.test_position_fence import ITEMS, MORE_ORDERS, ORDERS, TOPICS, URL, World, connector

OFFSET = 'its committed offset is [{"read": 0}]'
QUIET = f"its session (session 5) has received it, {OFFSET}"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Nothing moves by itself."""
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    return World(clock)


def _source(world: World) -> SourceHop:
    return SourceHop(
        connect=world,  # type: ignore[arg-type]
        kafka=world,  # type: ignore[arg-type]
        source=world,  # type: ignore[arg-type]
        connector="source",
        database="shop",
        tables=(TableName("public", "orders"),),
        topics=TOPICS,
        position=LogPosition(100, "0/100"),
    )


def _sinks(world: World, *names: str, ends: Mapping[Place, int] | None = None) -> SinkHop:
    groups = {name: f"connect-{name}" for name in names or ("sink",)}
    return SinkHop(world, world, groups, world.ends if ends is None else ends)  # type: ignore[arg-type]


def _configured(world: World, **config: str) -> None:
    named = {name.replace("__", "."): value for name, value in config.items()}
    world.connectors["source"] = replace(world.connectors["source"], config=named)


def test_a_source_connector_that_has_read_the_log_is_done(world: World) -> None:
    world.committed = 100
    assert _source(world).look() == Sight(True, "it has read it")


def test_an_offset_that_names_no_database_is_of_this_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "offsets", lambda _: ({"partition": {"server": "wh"}, "offset": {"read": 100}},))
    assert _source(world).look().done
    monkeypatch.setattr(world, "offsets", lambda _: ({"partition": {"server": "wh"}, "offset": None},))
    assert _source(world).look().text == "it is RUNNING, task 0 RUNNING, its committed offset is [{}]"


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (connector("source"), f"it is RUNNING, task 0 RUNNING, {OFFSET}"),
        (replace(connector("source"), tasks=()), f"it is RUNNING, {OFFSET}"),
        (connector("source", "RUNNING", "RUNNING", "UNASSIGNED"), f"it is RUNNING, task 0 RUNNING, task 1 UNASSIGNED, {OFFSET}"),
    ],
)  # fmt: skip
def test_a_source_connector_that_has_not_read_it_is_waited_for(world: World, found: Connector, text: str) -> None:
    world.connectors["source"] = found
    assert _source(world).look() == Sight(False, text)
    if len(found.tasks) != 1:  # what does not run hands nothing over, whatever its session received
        world.received = 100
        assert _source(world).look() == Sight(False, text)


def test_a_connector_that_is_not_there_is_absent(world: World) -> None:
    del world.connectors["source"]
    sight = _source(world).look()
    assert (sight.done, sight.text) == (False, f"There is no connector source at {URL}.")
    assert sight.halted
    assert sight.halted.remedy == "Deploy it, or correct its name in the pipeline file."


def test_a_session_that_received_it_is_waited_for_until_nothing_moves(world: World) -> None:
    world.received = 100
    hop = _source(world)
    assert hop.look() == Sight(False, QUIET)
    world.clock.now += 9.9
    assert hop.look() == Sight(False, QUIET)
    world.clock.now += 0.1
    assert hop.look() == Sight(True, QUIET, by_quiet=True)


def test_what_paused_in_between_has_to_be_quiet_anew(world: World) -> None:
    world.received = 100
    hop = _source(world)
    hop.look()
    world.received = 0
    assert not hop.look().done
    world.received, world.clock.now = 100, world.clock.now + 60
    assert hop.look() == Sight(False, QUIET)


def test_a_heartbeat_that_stands_still_is_no_quiet(world: World) -> None:
    world.received, world.ends["__debezium-heartbeat.wh", 0] = 100, 1
    _configured(world, heartbeat__interval__ms="1000", topic__prefix="wh")
    world.offsets = lambda _: ({"partition": {"server": "wh"}, "offset": {"read": 0}},)  # type: ignore[method-assign]
    hop = _source(world)
    hop.look()
    world.clock.now += 60
    assert hop.look() == Sight(False, f"{QUIET}; its heartbeat stands still: it delivers nothing that it reads")


@pytest.mark.parametrize(
    ("config", "topic", "seconds"),
    [
        ({}, None, 10.0),
        ({"heartbeat__interval__ms": "0", "topic__prefix": "wh"}, None, 10.0),
        ({"heartbeat__interval__ms": "${env:BEAT}"}, None, 10.0),
        ({"heartbeat__interval__ms": "6006", "topic__prefix": "wh"}, "__debezium-heartbeat.wh", 12.012),
        ({"heartbeat__interval__ms": "6000"}, "__debezium-heartbeat.", 12.0),
        ({"heartbeat__interval__ms": "6000", "topic__prefix": "wh", "topic__heartbeat__prefix": "hb"}, "hb.wh", 12.0),
        ({"heartbeat__interval__ms": "6000", "topic__prefix": "wh", "heartbeat__topics__prefix": "old"}, "old.wh", 12.0),
        (
            {"heartbeat__interval__ms": "6000", "topic__prefix": "wh", "topic__heartbeat__prefix": "hb", "heartbeat__topics__prefix": "old"},
            "hb.wh",
            12.0,
        ),
    ],
)  # fmt: skip
def test_a_heartbeats_topic_and_how_long_it_is_watched(
    world: World, monkeypatch: pytest.MonkeyPatch, config: dict[str, str], topic: str | None, seconds: float
) -> None:
    _configured(world, **config)
    monkeypatch.setattr(world, "offsets", lambda _: ({"partition": {"server": "wh"}, "offset": {"read": 0}},))
    world.received = 100
    if not topic:
        world.ends["__debezium-heartbeat.wh", 0] = 4  # left over from when it had one
    hop = _source(world)
    if topic:
        hop.look()
        assert hop._beats == {}, "a topic that is not there is asked for nothing"
        world.ends[topic, 0] = 4
    hop = _source(world)
    hop.look()
    assert hop._beats == ({(topic, 0): 4} if topic else {})
    assert hop._since.remaining_seconds == pytest.approx(seconds)


def test_topics_that_take_no_records_are_named_with_all_reasons(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    partitions = PartitionState(0, False, 1, 0), PartitionState(1, True, 1, 0)
    monkeypatch.setattr(
        world, "topic_states", lambda topics: [TopicState(topic, partitions, {}) for topic in sorted(topics)]
    )
    world.received = 100
    hop = _source(world)
    hop.look()
    world.clock.now += 10
    sight = hop.look()
    why = "partition 0 without a leader; partition 1: 0 in sync, min.insync.replicas is 1"
    assert (sight.done, sight.text) == (False, QUIET)
    assert sight.halted
    assert sight.halted.message == (
        f"source cannot deliver what it reads. wh.public.items: {why}; wh.public.orders: {why}"
    )


def test_sinks_that_have_come_to_the_ends_are_done(world: World) -> None:
    assert _sinks(world).look() == Sight(True, "")


def test_a_sink_that_has_committed_nothing_yet_is_behind_one_record_and_not_beyond_none(world: World) -> None:
    world.groups["connect-sink"] = Positions({}, TOPICS)
    assert _sinks(world, ends={ITEMS: 0}).look() == Sight(True, "")
    assert _sinks(world, ends={ORDERS: 1, ITEMS: 0}).look() == Sight(
        False, "sink has committed nothing of 1 in wh.public.orders/0"
    )


@pytest.mark.parametrize(("partitions", "more"), [(3, ""), (5, "; and 2 more")])
def test_the_first_partitions_that_are_behind_are_named(world: World, partitions: int, more: str) -> None:
    ends = {(ORDERS[0], number): 9 for number in range(partitions)}
    world.groups["connect-sink"] = Positions({ORDERS: 8}, TOPICS)
    first = "; ".join(f"sink has committed {8 if n == 0 else 'nothing'} of 9 in wh.public.orders/{n}" for n in range(3))
    assert _sinks(world, ends=ends).look() == Sight(False, first + more)


def test_a_topic_that_no_sink_reads_is_named_and_every_sink_is_looked_at(world: World) -> None:
    world.groups = {}
    text = "no sink connector of the pipeline file reads wh.public.orders"
    assert _sinks(world).look() == Sight(False, text)
    world.connectors["sink"] = connector("sink", "PAUSED")
    sight = _sinks(world).look()
    assert sight.halted
    assert sight.halted.message == f"sink is PAUSED. ({text})"


def test_only_a_sink_that_is_behind_can_halt_it(world: World) -> None:
    world.connectors |= {"archive": connector("archive", "PAUSED")}
    world.groups["connect-sink"] = Positions({ORDERS: 6}, TOPICS)
    world.groups["connect-archive"] = Positions({ORDERS: 7}, TOPICS)
    text = "sink has committed 6 of 7 in wh.public.orders/0"
    assert _sinks(world, "sink", "archive").look() == Sight(False, text)
    world.connectors["sink"] = connector("sink", "STOPPED")
    sight = _sinks(world, "sink", "archive").look()
    assert (sight.done, sight.text) == (False, text)
    assert sight.halted
    assert (sight.halted.message, sight.halted.remedy) == (
        f"sink is STOPPED. ({text})",
        f"curl -X PUT {URL}/connectors/sink/resume",
    )


def test_all_that_was_committed_beyond_a_topics_end_is_named(world: World) -> None:
    world.groups["connect-sink"] = Positions({ORDERS: 1_007, MORE_ORDERS: 3}, TOPICS)
    world.ends |= {MORE_ORDERS: 2}
    sight = _sinks(world).look()
    cut = (
        "sink has committed 1,007 in wh.public.orders/0, which ends at 7; "
        "sink has committed 3 in wh.public.orders/1, which ends at 2"
    )
    assert (sight.done, sight.text) == (False, cut)
    assert sight.halted
    assert sight.halted.message == cut


def test_what_is_passed_over_stays_so_whatever_it_is_passed_over_for(world: World) -> None:
    """Transaction marks in one partition, tombstones in another, records put aside in a third, and each with the hop's ends."""
    third: Place = (ORDERS[0], 2)
    places = (ORDERS, MORE_ORDERS, third)
    world.ends = dict.fromkeys(places, 8)
    world.groups["connect-sink"] = Positions(dict.fromkeys(places, 7), TOPICS)
    world.marks, world.tombstones, world.copied = frozenset({ORDERS}), frozenset({MORE_ORDERS}), frozenset({third})
    world.connectors["sink"] = replace(
        world.connectors["sink"],
        config={
            "errors.deadletterqueue.topic.name": "dlq",
            "transforms": "u",
            "transforms.u.type": "io.debezium.transforms.ExtractNewRecordState",
            "transforms.u.delete.tombstone.handling.mode": "rewrite",
        },
    )
    asked: list[Any] = []
    unread, put_aside = world.unread, world.put_aside
    world.unread = lambda at, ends: asked.append(ends) or unread(at, ends)  # type: ignore[method-assign,func-returns-value]
    world.put_aside = lambda at, ends, topic: asked.append(ends) or put_aside(at, ends, topic)  # type: ignore[method-assign,func-returns-value]
    hop = _sinks(world)
    assert not hop.look().done
    world.clock.now += 2
    assert hop.look() == Sight(True, "")
    assert asked == [world.ends, world.ends]


def test_what_was_passed_over_is_not_waited_for_again(world: World) -> None:
    world.groups["connect-sink"] = Positions({ORDERS: 6, MORE_ORDERS: 6}, TOPICS)
    world.marks = frozenset({ORDERS})
    hop = _sinks(world, ends={ORDERS: 7, MORE_ORDERS: 7})
    hop.look()
    for _ in range(2):
        world.clock.now += 2
        assert hop.look().text == "sink has committed 6 of 7 in wh.public.orders/1"


def test_where_a_sink_is_behind_is_what_kafka_is_asked_from(world: World) -> None:
    asked: list[Mapping[Place, int]] = []
    world.unread = lambda at, _: asked.append(at) or frozenset(at)  # type: ignore[method-assign,func-returns-value]
    world.groups["connect-sink"] = Positions({ORDERS: 6}, TOPICS)
    hop = _sinks(world, ends={ORDERS: 7, MORE_ORDERS: 1})
    hop.look()
    world.clock.now += 2
    hop.look()
    assert asked == [{ORDERS: 6, MORE_ORDERS: 0}]


def test_all_that_hides_records_is_named(world: World) -> None:
    world.groups |= {f"connect-{name}": Positions({ORDERS: 6}, TOPICS) for name in ("sink", "archive")}
    for name in ("sink", "archive"):
        world.connectors[name] = replace(connector(name), config={"errors.tolerance": "all"})
    hop = _sinks(world, "sink", "archive")
    hop.look()
    world.clock.now += 2
    assert hop.look().text == (
        "sink has committed 6 of 7 in wh.public.orders/0; archive has committed 6 of 7 in wh.public.orders/0; "
        "archive may have skipped records: its errors.tolerance is all; sink may have skipped records: its errors.tolerance is all"
    )


def test_commands_quote_a_name_that_is_no_word(world: World) -> None:
    assert _sinks(world, "a/b", "c").remedy == (
        f"curl -s {URL}/connectors/a%2Fb/status\ncurl -s {URL}/connectors/c/status"
    )


def test_a_failure_without_a_trace_says_so() -> None:
    halted = halt(URL, "sink", connector("sink", "RUNNING", "FAILED"))
    assert halted
    assert halted.message == "sink/0 FAILED: Connect gives no cause"
