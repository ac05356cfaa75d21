"""Kafka's topics, groups and how far the sinks are behind."""

from __future__ import annotations

from collections.abc import Iterator

from cdcproof.clients.kafka.client import Kafka
from cdcproof.diagnostics.parts import File, Part, Remark, Scope, as_json
from cdcproof.pipeline.model import Connector
from cdcproof.reporting.record import table


def topics(scope: Scope) -> Iterator[Part]:
    """Every topic; of the pipeline's the partitions, settings and what is kept."""
    kafka = Kafka(scope.pipeline.kafka)
    every = kafka.topics()
    yield File("kafka/topics.txt", table([{"topic": n, "partitions": p} for n, p in every.items()]) + "\n")
    yield File("kafka/cluster.txt", f"cluster {kafka.cluster_id()}, {kafka.brokers()} brokers\n")
    ours = [entry.topic for entry in scope.pipeline.tables]
    kept = kafka.kept_records(ours)
    for state in kafka.topic_states(ours):
        for partition in state.partitions:
            if not partition.has_leader or partition.in_sync < partition.replicas:
                problem = "has no leader" if not partition.has_leader else "is under-replicated"
                yield Remark(f"Kafka partition {state.name}/{partition.id} {problem}")
    rows = [
        {
            "table": entry.name,
            "topic": entry.topic,
            "there": entry.topic in every,
            "records kept": kept.get(entry.topic),
        }
        for entry in scope.pipeline.tables
    ]
    yield File("kafka/topics-of-tables.txt", table(rows) + "\n")
    settings = {state.name: dict(state.settings) for state in kafka.topic_states(ours)}
    yield File("kafka/settings-of-topics.json", as_json(settings))


def groups(scope: Scope) -> Iterator[Part]:
    """Every group and its state."""
    rows = [{"group": n, "state": s} for n, s in Kafka(scope.pipeline.kafka).groups().items()]
    yield File("kafka/groups.txt", table(rows) + "\n")


def lag(sink: Connector, scope: Scope) -> Iterator[Part]:
    """How far a sink's group is behind in each partition."""
    lags = Kafka(scope.pipeline.kafka).lag(sink.consumer_group)
    rows: list[dict[str, object]] = [
        {
            "topic": lag.topic,
            "partition": lag.partition,
            "committed": lag.committed,
            "log start": lag.log_start,
            "log end": lag.log_end,
            "lag in records": lag.lag_records,
            "lag in seconds": None if lag.lag_seconds is None else f"{lag.lag_seconds:.1f}",
            "lost records": lag.lost_records,
        }
        for lag in lags
    ]
    yield File(f"kafka/lag-of-{sink.name}.txt", (table(rows) or "The group has committed nothing.") + "\n")
    behind, limit = sum(lag.lag_records for lag in lags), scope.pipeline.thresholds.lag_records
    if behind > limit:
        yield Remark(f"Sink {sink.name} is {behind:,} records behind; the limit is {limit:,}")
    if lost := sum(lag.lost_records for lag in lags):
        yield Remark(f"Retention has deleted {lost:,} records that sink {sink.name} had not read")
