"""Draining the sinks: until each has written every record of the tables' topics. By positions; nothing sleeps and hopes.

A source that is PAUSED may still be handing over what it had read last. So the ends of the topics are read again once the
sinks have reached them, and the topics are drained when they have not moved meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cdcproof.clients.connect.client import Connect
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.kafka.consumer_groups import Place
from cdcproof.core.errors import DeadlineError
from cdcproof.core.waiting import Deadline
from cdcproof.databases.connections import connect as connect_to
from cdcproof.pipeline.model import Pipeline
from cdcproof.reconcile.in_flight.hops import SinkHop
from cdcproof.reconcile.in_flight.position_fence import PositionFence, demand_one_cluster, fences, waited


@dataclass(frozen=True)
class Drained:
    """Sink to the positions that it has committed, and where the topics end. `aside` says what sinks put aside instead."""

    committed: Mapping[str, Mapping[Place, int]]
    ends: Mapping[Place, int]
    aside: str = ""


def drain(pipeline: Pipeline, seconds: float, report: Callable[[str], None]) -> Drained:
    """Wait until it is so. Raises `CouldNotLookError` with what is stuck: a sink that failed or does not move in time."""
    connect, kafka = Connect(pipeline.connect), Kafka(pipeline.kafka)
    groups = {sink.name: sink.consumer_group for sink in pipeline.sinks}
    demand_one_cluster(connect, kafka, groups)
    topics = {table.topic for table in pipeline.tables} & kafka.topics().keys()
    deadline = Deadline(seconds)
    while True:
        ends = kafka.end_offsets(topics) if topics else {}
        sight = waited(SinkHop(connect, kafka, groups, ends), max(1.0, deadline.remaining_seconds), report)
        if not topics or kafka.end_offsets(topics) == ends:
            committed = {name: kafka.positions(group).committed for name, group in groups.items()}
            return Drained(committed, ends, sight.text.strip("; "))
        if deadline.passed:
            raise DeadlineError(
                f"The topics of {pipeline.name} still grow after {seconds:g} s, with every source connector paused.",
                "Look for another producer: cdcproof connectors list",
            )


def caught_up(pipeline: Pipeline, seconds: float, report: Callable[[str], None]) -> tuple[str, Drained]:
    """Wait until the target has all that the source had committed at the time of the call; that position, and the sinks'.

    Raises `CouldNotLookError` with what is stuck.
    """
    known = fences(pipeline, pipeline.table_names, lambda: connect_to(pipeline.source))
    fence = next(iter(known.values()))
    assert isinstance(fence, PositionFence)  # noqa: S101  `fences` makes no others
    crossing = fence.source.cross(report)
    return crossing.position, drain(pipeline, seconds, report)
