"""The fence by position: from the source's log through the connector and the topics to what the sinks have committed.

Two hops, each waited for:

1. The source connector has read the log up to where it ended when the fence began: `Log.read_by`, whose
   docstrings have the proof of each evidence. Kafka then has every change that was visible before. A source whose
   captured tables nobody writes to may never let its connector confirm that. There the connector's session has received
   everything all the same (`Log.received_by`); when then its task runs and neither its offset nor a topic moves
   for `QUIET_SECONDS`, nothing is believed to be left between the two. That is a timer, and the crossing says so. A connector
   with a heartbeat whose heartbeats stand still too is stuck, not idle, and so is one whose topics take no records.
2. Every sink has committed, in each partition of the tables' topics that it reads, the offset where the log ended after
   the first hop, or has no record left to be given before it. Connect commits what a sink has written, not what it has
   polled. Records of one key are in one partition, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from cdcproof.clients.connect.client import Connect
from cdcproof.clients.kafka.client import Kafka
from cdcproof.core.errors import CouldNotLookError, DeadlineError, UnexpectedAnswerError
from cdcproof.core.waiting import Deadline, wait_until
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.names import TableName
from cdcproof.pipeline.model import Connector, Pipeline
from cdcproof.reconcile.in_flight.fence import Crossing, Fence, Method, SharedFence
from cdcproof.reconcile.in_flight.hops import Sight, SinkHop, SourceHop

_INTERVAL_SECONDS = 0.5
"""Connect reads its topic of offsets from the start for every question."""
Progress = Callable[[str], None]


@dataclass(frozen=True)
class SourceFence:
    """The first hop, for all tables of a run. Each crossing opens a session of its own.

    `hop_seconds` is how long it may take: a connector commits its position by its worker's `offset.flush.interval.ms`,
    a minute unless it was set.
    """

    open_source: Callable[[], Database]
    connect: Connect
    kafka: Kafka
    connectors: tuple[str, ...]
    database: str
    tables: tuple[TableName, ...]
    topics: frozenset[str]
    hop_seconds: float
    method: Method = "position"
    takes_time: bool = True

    def cross(self, progress: Progress, asked: Deadline | None = None) -> Crossing:  # noqa: ARG002  one that begins now answers it
        """Cross it. A connector that failed, is paused or is not there, and has not done its part, is an error at once."""
        clock = Deadline(0)
        _demand(self.connectors, "source")
        self.connect.states()  # an address that does not answer fails now, not at the deadline
        topics = self.topics & self.kafka.topics().keys()
        method: Method = "position"
        with self.open_source() as source:
            position = source.log.position()
            for connector in self.connectors:
                hop = SourceHop(
                    connect=self.connect,
                    kafka=self.kafka,
                    source=source,
                    connector=connector,
                    database=self.database,
                    tables=self.tables,
                    topics=topics,
                    position=position,
                )
                if waited(hop, self.hop_seconds, progress).by_quiet:
                    method = "timer"
        return Crossing(method, position.text, round(clock.elapsed_seconds, 3))


@dataclass(frozen=True)
class PositionFence:
    """Both hops, for one table's topic."""

    source: Fence
    connect: Connect
    kafka: Kafka
    sinks: tuple[Connector, ...]
    topic: str
    hop_seconds: float
    method: Method = "position"
    takes_time: bool = True

    def cross(self, progress: Progress, asked: Deadline | None = None) -> Crossing:
        """Cross it. A sink that failed, is paused or is not there, and has not done its part, is an error at once."""
        clock = Deadline(0)
        groups = {sink.name: sink.consumer_group for sink in self.sinks}
        _demand(groups, "sink")
        demand_one_cluster(self.connect, self.kafka, groups)
        self.kafka.end_offsets({self.topic})  # a topic that is not there fails before any wait
        crossing = self.source.cross(progress, asked)
        ends = self.kafka.end_offsets({self.topic})
        waited(SinkHop(self.connect, self.kafka, groups, ends), self.hop_seconds, progress)
        return replace(crossing, seconds=round(clock.elapsed_seconds, 3))


def fences(pipeline: Pipeline, names: Collection[str], open_source: Callable[[], Database]) -> dict[str, Fence]:
    """A fence for each of these tables of the pipeline, by its name; `open_source` opens a session at its source.

    They can be crossed from several threads at once, and share their first hop.
    """
    tables = [table for table in pipeline.tables if table.name in names]
    connect, kafka = Connect(pipeline.connect), Kafka(pipeline.kafka)
    seconds = pipeline.thresholds.fence_seconds
    source = SharedFence(
        SourceFence(
            open_source=open_source,
            connect=connect,
            kafka=kafka,
            connectors=tuple(connector.name for connector in pipeline.connectors if connector.kind == "source"),
            database=pipeline.source.database,
            tables=tuple(TableName.parse(table.source) for table in tables),
            topics=frozenset(table.topic for table in tables),
            hop_seconds=seconds,
        )
    )
    return {table.name: PositionFence(source, connect, kafka, pipeline.sinks, table.topic, seconds) for table in tables}


def _demand(connectors: Collection[str], kind: str) -> None:
    if not connectors:
        raise CouldNotLookError(
            f"The pipeline file lists no {kind} connector, so it cannot be known what is in flight and what is lost.",
            f'Add it: [[connectors]] with name = "…" and kind = "{kind}".',
        )


def demand_one_cluster(connect: Connect, kafka: Kafka, sinks: Collection[str]) -> None:
    """Raise `UnexpectedAnswerError` where sinks read from another Kafka: what its group of the same name has committed says nothing of them.

    One is there in staging and in production.
    """
    seen = kafka.cluster_id()
    read = {*connect.states().clusters(sinks, connect.kafka_cluster()).values()}
    if seen and read - {seen}:
        raise UnexpectedAnswerError(
            f"The pipeline file names the Kafka cluster {seen}, and its sinks read from the cluster {read.pop()}.",
            "Correct kafka.bootstrap_servers or connect.url.",
        )


def waited(hop: SourceHop | SinkHop, seconds: float, progress: Progress) -> Sight:
    """Look until the hop is done. Raises `CouldNotLookError` when it halts, or is not done in time, with what is stuck."""
    try:
        sight = wait_until(
            hop.look,
            lambda seen: bool(seen.done or seen.halted),
            what=hop.what,
            deadline_seconds=seconds,
            interval_seconds=_INTERVAL_SECONDS,
            report=lambda seen: progress(f"waiting for {hop.what}: {seen}"),
        )
    except DeadlineError as error:
        raise DeadlineError(error.message, hop.remedy) from None
    if sight.halted:
        raise sight.halted
    return sight
