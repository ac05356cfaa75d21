"""The fence by position: from the source's log through the connector and the topics to what the sinks have committed.

Two hops, each waited for:

1. The source connector has read the log up to where it ended when the fence began: `Database.log_read_by`, whose
   docstrings have the proof of each evidence. Kafka then has every change that was visible before. A source whose
   captured tables nobody writes to may never let its connector confirm that. There the connector's session has received
   everything all the same (`Database.log_received_by`); when then its task runs and neither its offset nor a topic moves
   for `QUIET_SECONDS`, nothing is believed to be left between the two. That is a timer, and the crossing says so.
2. Every sink has committed, in each partition of the tables' topics that it reads, the offset where the log ended after
   the first hop, or has no record left to be given before it. Connect commits what a sink has written, not what it has
   polled. Records of one key are in one partition, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from cdcproof.clients.connect import Connect
from cdcproof.clients.kafka import Kafka
from cdcproof.databases.base import Database, TableName
from cdcproof.errors import CouldNotLookError, DeadlineError
from cdcproof.pipeline import Connector, Pipeline
from cdcproof.reconcile.fence import Crossing, Method
from cdcproof.reconcile.hops import Sight, SinkHop, SourceHop
from cdcproof.waiting import Deadline, wait_until

_INTERVAL_SECONDS = 0.2
Tell = Callable[[str], None]


@dataclass(frozen=True)
class PositionFence:
    """The fence of a pipeline, for some of its tables. Safe to use from several threads; each crossing opens a session.

    `hop_seconds` is how long each hop may take: a connector commits its position by its worker's
    `offset.flush.interval.ms`, a minute unless it was set.
    """

    open_source: Callable[[], Database]
    connect: Connect
    kafka: Kafka
    connectors: tuple[Connector, ...]
    database: str
    tables: tuple[TableName, ...]
    topics: frozenset[str]
    hop_seconds: float
    method: Method = "position"

    @classmethod
    def of(cls, pipeline: Pipeline, names: Collection[str], open_source: Callable[[], Database]) -> PositionFence:
        """The fence for these tables of the pipeline; `open_source` opens a session at its source."""
        tables = [table for table in pipeline.tables if table.name in names]
        return cls(
            open_source,
            Connect(pipeline.connect),
            Kafka(pipeline.kafka.bootstrap_servers),
            pipeline.connectors,
            pipeline.source.database,
            tuple(TableName.parse(table.source) for table in tables),
            frozenset(table.topic for table in tables),
            pipeline.thresholds.fence_seconds,
        )

    def cross(self, tell: Tell) -> Crossing:
        """Cross it. A connector that failed, is paused or is not there, and has not done its part, is an error at once."""
        clock = Deadline(0)
        sources, sinks = self._of_kind("source"), self._of_kind("sink")
        self.connect.states()  # an address that does not answer is told now, not at the deadline
        self.kafka.end_offsets(self.topics)  # and so is a topic that is not there
        method: Method = "position"
        with self.open_source() as source:
            position = source.log_position()
            for connector in sources:
                hop = SourceHop(
                    connect=self.connect,
                    kafka=self.kafka,
                    source=source,
                    connector=connector.name,
                    database=self.database,
                    tables=self.tables,
                    topics=self.topics,
                    position=position,
                )
                if self._wait(hop, tell).by_quiet:
                    method = "timer"
        groups = {sink.name: sink.consumer_group for sink in sinks}
        self._wait(SinkHop(self.connect, self.kafka, groups, self.kafka.end_offsets(self.topics)), tell)
        return Crossing(method, position.text, round(clock.elapsed_seconds, 3))

    def _of_kind(self, kind: str) -> list[Connector]:
        found = [connector for connector in self.connectors if connector.kind == kind]
        if not found:
            raise CouldNotLookError(
                f"The pipeline file lists no {kind} connector, so what is in flight cannot be told from what is lost.",
                f'Add it: [[connectors]] with name = "…" and kind = "{kind}".',
            )
        return found

    def _wait(self, hop: SourceHop | SinkHop, tell: Tell) -> Sight:
        try:
            sight = wait_until(
                hop.look,
                lambda seen: bool(seen.done or seen.halted),
                what=hop.what,
                deadline_seconds=self.hop_seconds,
                interval_seconds=_INTERVAL_SECONDS,
                tell=lambda seen: tell(f"waiting for {hop.what}: {seen}"),
            )
        except DeadlineError as error:
            raise DeadlineError(error.message, hop.remedy) from None
        if sight.halted:
            raise sight.halted
        return sight
