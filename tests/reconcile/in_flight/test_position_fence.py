"""The fence by position, with connectors, topics and logs that stand where a test puts them, by a clock of its own.

What real ones do: tests/integration/test_in_flight.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import pytest

from cdcproof.clients.connect.client import Connector, ConnectorStates, Task
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.kafka.consumer_groups import Place, Positions
from cdcproof.clients.kafka.topic_states import PartitionState, TopicState
from cdcproof.core import waiting
from cdcproof.core.errors import CouldNotLookError, DeadlineError, UnexpectedAnswerError, UnreachableError
from cdcproof.databases.names import TableName
from cdcproof.databases.table_read import LogPosition
from cdcproof.pipeline.model import Connector as Expected
from cdcproof.reconcile.in_flight import position_fence
from cdcproof.reconcile.in_flight.fence import Crossing
from cdcproof.reconcile.in_flight.position_fence import PositionFence, SourceFence, fences
from tests.core.test_waiting import Clock
from tests.pipelines import pipeline_of

URL = "http://connect:8083"
ORDERS, MORE_ORDERS, ITEMS = ("wh.public.orders", 0), ("wh.public.orders", 1), ("wh.public.items", 0)
TOPICS = frozenset({ORDERS[0], ITEMS[0]})


@dataclass
class World:
    """Everything that the fence looks at. `each_second` are changes to it, one after each second."""

    clock: Clock
    end_of_log: int = 100
    committed: int = 0
    received: int = 0
    ends: dict[Place, int] = field(default_factory=lambda: {ORDERS: 7, ITEMS: 0})
    groups: dict[str, Positions] = field(
        default_factory=lambda: {"connect-sink": Positions({ORDERS: 7}, frozenset(TOPICS))}
    )
    marks: frozenset[Place] = frozenset()
    dead_letters: int = 0
    in_sync: int = 1
    copied: frozenset[Place] = frozenset()
    tombstones: frozenset[Place] = frozenset()
    connectors: dict[str, Connector] = field(default_factory=lambda: {n: connector(n) for n in ("source", "sink")})
    each_second: Iterator[Callable[[World], None]] = field(default_factory=lambda: iter(()))
    session: int = 5
    told: list[str] = field(default_factory=list)
    asked_of: list[tuple[TableName, ...]] = field(default_factory=list)
    url: str = URL
    cluster: str = "production"
    of_connect: str = "production"

    def cluster_id(self) -> str:
        return self.cluster

    def kafka_cluster(self) -> str:
        return self.of_connect

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None: ...

    @property
    def log(self) -> Self:
        return self

    def position(self) -> LogPosition:
        return LogPosition(self.end_of_log, f"0/{self.end_of_log}")

    def read_by(self, position: LogPosition, offset: Mapping[str, Any], tables: tuple[TableName, ...]) -> bool:
        self.asked_of.append(tables)
        return bool(offset.get("read", 0) >= position.value)

    def received_by(self, position: LogPosition) -> str:
        return f"session {self.session}" if self.received >= position.value else ""

    def offsets(self, name: str) -> tuple[dict[str, Any], ...]:
        assert name == "source"
        return (
            {"partition": {"server": "wh", "database": "other"}, "offset": {"read": 1_000_000}},
            {"partition": {"server": "wh", "database": "shop"}, "offset": {"read": self.committed}},
        )

    def states(self) -> ConnectorStates:
        return ConnectorStates(tuple(self.connectors.values()))

    def end_offsets(self, topics: Collection[str]) -> dict[Place, int]:
        return {place: end for place, end in self.ends.items() if place[0] in topics}

    def topics(self) -> dict[str, int]:
        return {topic: 1 for topic, _ in self.ends}

    def positions(self, group: str) -> Positions:
        return self.groups.get(group, Positions({}, frozenset()))

    def unread(self, positions: Mapping[Place, int], ends: Mapping[Place, int]) -> frozenset[Place]:
        return frozenset(place for place in positions if place not in self.marks)

    def topic_states(self, topics: Collection[str]) -> tuple[TopicState, ...]:
        return tuple(TopicState(t, (PartitionState(0, True, 1, self.in_sync),), {}) for t in sorted(topics))

    def kept_records(self, topics: Collection[str]) -> dict[str, int]:
        return dict.fromkeys(topics, self.dead_letters)

    def put_aside(self, positions: Mapping[Place, int], ends: Mapping[Place, int], topic: str) -> frozenset[Place]:
        assert topic == "dlq"
        return self.copied & positions.keys()

    def only_tombstones(self, positions: Mapping[Place, int], ends: Mapping[Place, int]) -> frozenset[Place]:
        assert all(at < ends[place] for place, at in positions.items())
        return self.tombstones & positions.keys()

    def tell(self, text: str) -> None:
        self.told.append(text)


def connector(name: str, state: str = "RUNNING", *tasks: str, trace: str = "") -> Connector:
    found = tuple(Task(number, task, "worker", trace) for number, task in enumerate(tasks or (state,)))
    return Connector(name, name, state, "worker", found, {})


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    clock = Clock()
    world = World(clock)
    monkeypatch.setattr(waiting, "time", clock)
    sleep = clock.sleep

    def passing(seconds: float) -> None:
        before = int(clock.now)
        sleep(seconds)
        for _ in range(int(clock.now) - before):
            next(world.each_second, lambda _: None)(world)

    monkeypatch.setattr(clock, "sleep", passing)
    return world


def _source_fence(world: World, connectors: tuple[str, ...], seconds: float) -> SourceFence:
    return SourceFence(
        open_source=lambda: world,  # type: ignore[arg-type,return-value]
        connect=world,  # type: ignore[arg-type]
        kafka=world,  # type: ignore[arg-type]
        connectors=connectors,
        database="shop",
        tables=(TableName("public", "orders"),),
        topics=TOPICS,
        hop_seconds=seconds,
    )


def _cross(world: World, *connectors: Expected, seconds: float = 30) -> Crossing:
    known = connectors or (Expected(name="source", kind="source"), Expected(name="sink", kind="sink"))
    source = _source_fence(world, tuple(one.name for one in known if one.kind == "source"), seconds)
    sinks = tuple(one for one in known if one.kind == "sink")
    return PositionFence(source, world, world, sinks, ORDERS[0], seconds).cross(world.tell)  # type: ignore[arg-type]


def test_what_the_group_of_the_same_name_in_another_kafka_has_committed_is_not_the_sinks(world: World) -> None:
    """There everything has arrived, as nothing goes there."""
    world.committed, world.of_connect = 100, "staging"
    with pytest.raises(UnexpectedAnswerError) as caught:
        _cross(world)
    assert caught.value.message == (
        "The pipeline file names the Kafka cluster production, and its sinks read from the cluster staging."
    )
    assert "kafka.bootstrap_servers" in caught.value.remedy


@pytest.mark.parametrize(
    ("cluster", "of_connect", "settings"),
    [
        ("", "staging", {}),
        ("production", "", {}),
        ("production", "staging", {"consumer.override.bootstrap.servers": "k:1"}),
    ],
    ids=["the brokers return none", "Connect returns none", "the sink names its own"],
)
def test_without_the_ids_of_two_clusters_they_may_be_one(
    world: World, cluster: str, of_connect: str, settings: dict[str, str]
) -> None:
    world.committed, world.cluster, world.of_connect = 100, cluster, of_connect
    world.connectors["sink"] = replace(world.connectors["sink"], config=settings)
    assert _cross(world).method == "position"


def test_positions_that_are_passed_need_no_wait(world: World) -> None:
    world.committed = 100
    assert _cross(world) == Crossing("position", "0/100", 0.0)
    assert world.asked_of == [(TableName("public", "orders"),)]
    assert world.told == []


def test_it_waits_for_the_source_then_takes_the_ends_then_waits_for_the_sink(world: World) -> None:
    def read(world: World) -> None:
        world.committed = 100
        world.ends = {ORDERS: 9, MORE_ORDERS: 2, ITEMS: 5}

    def commit_some(world: World) -> None:
        world.groups["connect-sink"] = Positions({ORDERS: 9}, frozenset(TOPICS))

    def commit_all(world: World) -> None:
        world.groups["connect-sink"] = Positions({ORDERS: 9, MORE_ORDERS: 2}, frozenset(TOPICS))

    world.each_second = iter([read, commit_some, commit_all])
    crossing = _cross(world)
    assert (crossing.method, crossing.position) == ("position", "0/100")
    assert 3 <= crossing.seconds < 3.5
    assert world.told[0].startswith(
        "waiting for source to read the source's log up to 0/100: it is RUNNING, task 0 RUNNING"
    )
    assert world.told[-1].endswith("sink has committed nothing of 2 in wh.public.orders/1")


@pytest.mark.parametrize("earlier", [0, 1_000_000])
def test_the_position_of_an_earlier_topic_prefix_neither_holds_up_nor_stands_for_todays(
    world: World, monkeypatch: pytest.MonkeyPatch, earlier: int
) -> None:
    """Connect keeps it for good."""
    todays: list[dict[str, Any]] = [{"partition": {"server": "wh", "database": "shop"}, "offset": {"read": 100}}]
    old = {"partition": {"server": "before", "database": "shop"}, "offset": {"read": earlier}}
    world.connectors["source"] = replace(world.connectors["source"], config={"topic.prefix": "wh"})
    monkeypatch.setattr(world, "offsets", lambda _: (old, *todays))
    assert _cross(world) == Crossing("position", "0/100", 0.0)
    todays.clear()
    with pytest.raises(DeadlineError, match=r"its committed offset is \[\]"):
        _cross(world)


def test_a_source_that_nobody_writes_to_is_crossed_by_a_timer_and_says_so(world: World) -> None:
    world.received = 100
    crossing = _cross(world)
    assert (crossing.method, crossing.position) == ("timer", "0/100")
    assert 10 <= crossing.seconds < 10.5


BEATS = ("__debezium-heartbeat.wh", 0)


def _beating(world: World, interval: str = "1000") -> None:
    config = {"heartbeat.interval.ms": interval, "topic.prefix": "wh"}
    world.connectors["source"] = replace(world.connectors["source"], config=config)
    world.ends[BEATS], world.received = 1, 100


def test_a_connector_whose_heartbeat_stands_still_is_stuck_and_not_idle(world: World) -> None:
    _beating(world)
    with pytest.raises(DeadlineError, match="its heartbeat stands still: it delivers nothing that it reads"):
        _cross(world)


@pytest.mark.parametrize(("interval", "seconds"), [("1000", 10), ("8000", 16), ("0", 10)])
def test_a_connector_whose_heart_beats_is_idle_once_two_beats_could_have_come(
    world: World, interval: str, seconds: int
) -> None:
    _beating(world, interval)
    world.each_second = iter([lambda w: w.ends.update({BEATS: w.ends[BEATS] + 1})] * 5)
    assert seconds <= _cross(world).seconds < seconds + 0.6


def test_a_topic_that_takes_no_records_is_named(world: World) -> None:
    world.received = 100
    world.in_sync = 0
    with pytest.raises(CouldNotLookError) as raised:
        _cross(world)
    assert raised.value.message.startswith(
        "source cannot deliver what it reads. wh.public.items: partition 0: 0 in sync"
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda w: w.ends.update({ORDERS: w.ends[ORDERS] + 1}), id="a topic grows"),
        pytest.param(lambda w: setattr(w, "committed", w.committed + 1), id="the offset moves"),
        pytest.param(lambda w: setattr(w, "session", w.session + 1), id="another session begins"),
        pytest.param(lambda w: w.connectors.update(source=connector("source", "RUNNING", "UNASSIGNED")), id="its task stops"),
    ],
)  # fmt: skip
def test_what_moves_is_not_quiet(world: World, change: Callable[[World], None]) -> None:
    world.received = 100
    world.each_second = iter([change] * 20)
    with pytest.raises(DeadlineError, match="Waited 20 s for source to read the source's log up to 0/100"):
        _cross(world, seconds=20)


def test_a_source_that_reads_nothing_is_named_with_its_offset_at_the_deadline(world: World) -> None:
    with pytest.raises(DeadlineError) as raised:
        _cross(world)
    assert raised.value.message == (
        "Waited 30 s for source to read the source's log up to 0/100; "
        'last seen: it is RUNNING, task 0 RUNNING, its committed offset is [{"read": 0}]'
    )
    assert raised.value.remedy == f"curl -s {URL}/connectors/source/offsets"


def test_a_sink_that_commits_nothing_is_named_with_its_partition_at_the_deadline(world: World) -> None:
    world.committed = 100
    world.ends[ORDERS] = 1234
    with pytest.raises(DeadlineError) as raised:
        _cross(world)
    assert raised.value.message == (
        "Waited 30 s for the sinks to apply what the topics had; "
        "last seen: sink has committed 7 of 1,234 in wh.public.orders/0"
    )
    assert raised.value.remedy == f"curl -s {URL}/connectors/sink/status"


@pytest.mark.parametrize(
    ("name", "seen", "message", "remedy"),
    [
        (
            "source",
            connector("source", "RUNNING", "FAILED", trace="x\nCaused by: no such slot\n"),
            "source/0 FAILED: no such slot",
            f"curl -X POST '{URL}/connectors/source/restart?includeTasks=true&onlyFailed=true'",
        ),
        ("source", connector("source", "PAUSED"), "source is PAUSED.", f"curl -X PUT {URL}/connectors/source/resume"),
        ("source", connector("source", "STOPPED"), "source is STOPPED.", f"curl -X PUT {URL}/connectors/source/resume"),
        ("source", None, f"There is no connector source at {URL}.", ""),
        (
            "sink",
            connector("sink", "PAUSED"),
            "sink is PAUSED. (sink has committed 7 of 8 in wh.public.orders/0)",
            f"curl -X PUT {URL}/connectors/sink/resume",
        ),
    ],
)
def test_a_connector_that_will_not_go_on_is_an_error_at_once(
    world: World, name: str, seen: Connector | None, message: str, remedy: str
) -> None:
    world.connectors = {n: c for n, c in {**world.connectors, name: seen}.items() if c}
    world.ends[ORDERS] = 8
    world.committed = 0 if name == "source" else 100
    with pytest.raises(CouldNotLookError) as raised:
        _cross(world)
    assert raised.value.message == message
    assert remedy in raised.value.remedy
    assert world.clock.slept == []


def test_a_sink_that_has_committed_what_its_topic_does_not_have_proves_nothing(world: World) -> None:
    """A topic that was made anew: what is in it now lies before the sink, which may pass over it."""
    world.committed, world.ends[ORDERS] = 100, 3
    with pytest.raises(CouldNotLookError) as raised:
        _cross(world)
    assert raised.value.message == "sink has committed 7 in wh.public.orders/0, which ends at 3"
    assert raised.value.remedy.startswith("The topic was made anew, or has lost its end. Stop the sink")
    assert world.clock.slept == []


@pytest.mark.parametrize(
    ("earlier", "is_waited_for"),
    [
        # its table was given to another sink: what it committed lingers for days, and stands still
        (Positions({ORDERS: 6}, frozenset({ITEMS[0]}), is_settled=True), False),
        (Positions({ORDERS: 9_000}, frozenset({ITEMS[0]}), is_settled=True), False),
        # it reads the topic as well, or may: its members are given topics only now, or it has none and was stopped
        (Positions({ORDERS: 6}, TOPICS, is_settled=True), True),
        (Positions({ORDERS: 6}, frozenset({ITEMS[0]})), True),
        (Positions({ORDERS: 6}, frozenset(), is_settled=True), True),
    ],
)
def test_a_topic_that_another_sink_has_taken_over(world: World, earlier: Positions, is_waited_for: bool) -> None:
    world.committed = 100
    world.groups["connect-earlier"] = earlier
    world.connectors["earlier"] = connector("earlier")
    known = (*(Expected(name=n, kind="sink") for n in ("sink", "earlier")), Expected(name="source", kind="source"))
    if is_waited_for:
        with pytest.raises(DeadlineError, match="earlier has committed 6 of 7"):
            _cross(world, *known)
    else:
        assert _cross(world, *known) == Crossing("position", "0/100", 0.0)


def test_a_topic_that_its_only_reader_has_given_up_is_waited_for(world: World) -> None:
    world.committed = 100
    world.groups["connect-sink"] = Positions({ORDERS: 6}, frozenset({ITEMS[0]}), is_settled=True)
    with pytest.raises(DeadlineError, match="sink has committed 6 of 7"):
        _cross(world)


def test_a_sink_that_goes_on_while_it_is_looked_at_has_passed_the_ends(world: World) -> None:
    def more_comes(group: str) -> Positions:
        world.ends[ORDERS] = 12
        return Positions({ORDERS: 12}, frozenset(TOPICS))

    world.committed = 100
    world.positions = more_comes  # type: ignore[method-assign]
    assert _cross(world) == Crossing("position", "0/100", 0.0)


def test_a_paused_connector_that_has_done_its_part_does_not_matter(world: World) -> None:
    world.committed = 100
    world.connectors = {name: connector(name, "PAUSED") for name in world.connectors}
    assert _cross(world).method == "position"


def test_marks_at_the_end_of_a_topic_are_not_waited_for(world: World) -> None:
    world.committed = 100
    world.ends[ORDERS] = 8
    world.marks = frozenset({ORDERS})
    assert 2 <= _cross(world).seconds < 2.5


def _with(world: World, **config: str) -> None:
    """The sink with these settings."""
    world.connectors["sink"] = replace(
        world.connectors["sink"], config={k.replace("__", "."): v for k, v in config.items()}
    )


def test_what_the_sink_put_aside_is_not_waited_for(world: World) -> None:
    _with(world, errors__deadletterqueue__topic__name="dlq")
    world.committed, world.ends[ORDERS] = 100, 8
    world.dead_letters, world.copied = 10, frozenset({ORDERS})
    assert 2 <= _cross(world).seconds < 2.5


def test_records_that_were_put_aside_are_named_where_others_are_still_waited_for(world: World) -> None:
    _with(world, errors__deadletterqueue__topic__name="dlq")
    world.committed, world.ends[ORDERS] = 100, 8
    world.dead_letters = 10
    with pytest.raises(DeadlineError) as raised:
        _cross(world)
    assert raised.value.message.endswith("sink has committed 7 of 8 in wh.public.orders/0; 10 records are in dlq")


UNWRAP = {"transforms": "u", "transforms__u__type": "io.debezium.transforms.ExtractNewRecordState"}


@pytest.mark.parametrize(
    ("mode", "tombstones", "passes"),
    [("rewrite", {ORDERS}, True), ("rewrite", {ITEMS}, False), ("rewrite-with-tombstone", {ORDERS}, False)],
)
def test_tombstones_that_the_sink_is_never_given_are_not_waited_for(
    world: World, mode: str, tombstones: set[Place], passes: bool
) -> None:
    _with(world, **UNWRAP, transforms__u__delete__tombstone__handling__mode=mode)
    world.committed, world.ends[ORDERS] = 100, 8
    world.tombstones = frozenset(tombstones)
    if passes:
        assert 2 <= _cross(world).seconds < 2.5
    else:
        with pytest.raises(DeadlineError, match=r"sink has committed 7 of 8 in wh\.public\.orders/0"):
            _cross(world)


def test_a_sink_that_drops_what_it_cannot_write_is_named(world: World) -> None:
    _with(world, errors__tolerance="all")
    world.committed, world.ends[ORDERS] = 100, 8
    with pytest.raises(DeadlineError, match=r"sink may have skipped records: its errors\.tolerance is all"):
        _cross(world)


def test_a_topic_that_no_sink_reads_is_said(world: World) -> None:
    world.committed = 100
    world.groups = {}
    with pytest.raises(DeadlineError, match=r"no sink connector of the pipeline file reads wh\.public\.orders"):
        _cross(world)


def test_every_sink_that_reads_a_topic_must_have_come_to_its_end_and_no_other(world: World) -> None:
    world.committed = 100
    names = ("sink", "archive", "elsewhere")
    world.connectors |= {name: connector(name) for name in names}
    world.groups |= {
        "connect-archive": Positions({ORDERS: 6}, frozenset()),
        "connect-elsewhere": Positions({("wh.public.other", 0): 1}, frozenset()),
    }
    known = (Expected(name="source", kind="source"), *(Expected(name=name, kind="sink") for name in names))
    with pytest.raises(DeadlineError, match=r"last seen: archive has committed 6 of 7 in wh\.public\.orders/0\n"):
        _cross(world, *known)
    world.groups["connect-archive"] = Positions({ORDERS: 7}, frozenset())
    assert _cross(world, *known).method == "position"


@pytest.mark.parametrize("kind", ["source", "sink"])
def test_a_pipeline_without_such_a_connector_cannot_be_looked_at(world: World, kind: str) -> None:
    other = Expected(name="x", kind="sink" if kind == "source" else "source")
    with pytest.raises(CouldNotLookError, match=f"lists no {kind} connector") as raised:
        _cross(world, other)
    assert raised.value.remedy == f'Add it: [[connectors]] with name = "…" and kind = "{kind}".'


def test_an_address_that_does_not_answer_is_told_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> ConnectorStates:
        raise UnreachableError("Kafka Connect does not answer")

    monkeypatch.setattr(world, "states", refused)
    with pytest.raises(UnreachableError):
        _cross(world)
    assert world.clock.slept == []


def test_a_connect_that_tells_no_offsets_leaves_it_to_the_source(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(name: str) -> tuple[dict[str, Any], ...]:
        raise UnexpectedAnswerError("needs Kafka Connect 3.5 or newer")

    monkeypatch.setattr(world, "offsets", refused)
    with pytest.raises(DeadlineError, match=r"it is RUNNING, task 0 RUNNING, needs Kafka Connect 3\.5 or newer"):
        _cross(world)
    monkeypatch.setattr(world, "read_by", lambda *_: True)
    assert _cross(world).method == "position"


def test_the_fences_of_a_run_share_the_first_hop_and_have_a_topic_each() -> None:
    known = pipeline_of("customers", "orders", "shipments")
    made = fences(known, ["orders", "shipments"], lambda: None)  # type: ignore[arg-type,return-value]
    orders, shipments = made["orders"], made["shipments"]
    assert isinstance(orders, PositionFence)
    assert isinstance(shipments, PositionFence)
    assert made.keys() == {"orders", "shipments"}
    assert orders.source is shipments.source
    assert (orders.topic, shipments.topic) == ("t.orders", "t.shipments")
    assert [sink.name for sink in orders.sinks] == ["sink"]
    assert orders.hop_seconds == known.thresholds.fence_seconds
    assert orders.connect.url == "http://connect:8083"


def test_the_first_hop_of_a_run_is_of_all_its_tables_and_of_the_sources_connectors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared: list[SourceFence] = []
    monkeypatch.setattr(position_fence, "SharedFence", lambda fence: shared.append(fence) or fence)
    known = pipeline_of("customers", "orders", "shipments")

    def opened() -> None: ...

    made = fences(known, ["orders", "shipments"], opened)  # type: ignore[arg-type]
    orders = made["orders"]
    assert isinstance(orders, PositionFence)
    assert shared == [
        SourceFence(
            open_source=opened,  # type: ignore[arg-type]
            connect=orders.connect,
            kafka=orders.kafka,
            connectors=("source",),
            database="warehouse_source",
            tables=(TableName("dbo", "orders"), TableName("dbo", "shipments")),
            topics=frozenset({"t.orders", "t.shipments"}),
            hop_seconds=known.thresholds.fence_seconds,
        )
    ]
    assert orders.source is shared[0]
    assert (orders.connect.url, orders.kafka) == ("http://connect:8083", made["shipments"].kafka)  # type: ignore[attr-defined]
    assert isinstance(orders.kafka, Kafka)


def test_a_crossing_says_how_long_it_took_in_milliseconds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.committed = 100

    def position() -> LogPosition:
        world.clock.now += 2.34567
        return LogPosition(100, "0/100")

    monkeypatch.setattr(world, "position", position)
    assert _cross(world).seconds == 2.346
    assert _source_fence(world, ("source",), 30).cross(world.tell) == Crossing("position", "0/100", 2.346)


def test_connect_is_asked_twice_a_second(world: World) -> None:
    world.each_second = iter([lambda w: None, lambda w: setattr(w, "committed", 100)])
    _cross(world)
    assert world.clock.slept == [0.5] * 4
