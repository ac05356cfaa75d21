"""What Kafka says of a pipeline at one moment, and the metrics that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cdcproof.clients.connect.client import ConnectorStates
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.kafka.consumer_groups import PartitionLag
from cdcproof.connectors.settings import config as connector_config
from cdcproof.databases.names import TableName
from cdcproof.monitoring.exporter.series import Metric, counter, gauge
from cdcproof.observations import readings
from cdcproof.pipeline import model

Values = dict[tuple[str, str], float | None]


@dataclass(frozen=True)
class KafkaReading:
    """`lags` are each sink's, in the topics of the pipeline."""

    lags: Mapping[str, tuple[PartitionLag, ...]]
    ends: Mapping[str, int]
    """Topic to its end offset, all partitions together."""
    dead_letters: Mapping[tuple[str, str], tuple[int, int]]
    """Sink and its dead letter topic to the records that it keeps, and its end offset."""


def read(kafka: Kafka, pipeline: model.Pipeline, states: ConnectorStates | None) -> KafkaReading:
    """Ask the brokers. `states` say what the sinks put aside where; without them that is not known. Errors as `Kafka`."""
    by_group = readings.group_lags(kafka, pipeline)
    if states:
        readings.mark_passed_over(kafka, pipeline, states, by_group)
    existing = kafka.topics()
    topics = [table.topic for table in pipeline.tables if table.topic in existing]
    aside = states.dead_letter_topics(sink.name for sink in pipeline.sinks) if states else {}
    kept = kafka.kept_offsets([*topics, *aside.values()])
    return KafkaReading(
        {sink.name: by_group[sink.consumer_group] for sink in pipeline.sinks},
        {topic: sum(r.stop for (of, _), r in kept.items() if of == topic) for topic in topics},
        {
            (sink, topic): (
                sum(len(r) for (of, _), r in kept.items() if of == topic),
                sum(r.stop for (of, _), r in kept.items() if of == topic),
            )
            for sink, topic in aside.items()
            if topic in existing
        },
    )


def metrics(reading: KafkaReading, pipeline: model.Pipeline, states: ConnectorStates | None) -> tuple[Metric, ...]:
    """Of the sinks, the topics and the dead letters. `states` say which source connector writes a table."""
    return (
        gauge(
            "cdcproof_sink_lag_records",
            "Records of the table's topic that the sink's group has not committed, without those it put aside.",
            lag_records(reading, pipeline),
            "connector",
            "table",
        ),
        gauge(
            "cdcproof_sink_lag_seconds",
            "Age of the oldest of these records; 0 when there are none.",
            lag_seconds(reading, pipeline),
            "connector",
            "table",
        ),
        counter(
            "cdcproof_sink_records_total",
            "Committed offset of the sink's group in the table's topic, all partitions together.",
            committed(reading, pipeline),
            "connector",
            "table",
        ),
        counter(
            "cdcproof_topic_records_total",
            "End offset of the table's topic, all partitions together; connector: the source connector that writes it.",
            written(reading, pipeline, states),
            "connector",
            "table",
        ),
        gauge(
            "cdcproof_dead_letters",
            "Records that the sink's dead letter topic keeps.",
            {key: float(records) for key, (records, _) in reading.dead_letters.items()},
            "connector",
            "topic",
        ),
        counter(
            "cdcproof_dead_letters_total",
            "End offset of the sink's dead letter topic.",
            {key: float(end) for key, (_, end) in reading.dead_letters.items()},
            "connector",
            "topic",
        ),
    )


def lag_records(reading: KafkaReading, pipeline: model.Pipeline) -> Values:
    """Sink and table to the records left."""
    return {key: float(sum(p.lag_records for p in parts)) for key, parts in _of_tables(reading, pipeline).items()}


def lag_seconds(reading: KafkaReading, pipeline: model.Pipeline) -> Values:
    """Sink and table to the age of the oldest record left; None where it is not known, or a clock is wrong."""
    skew = pipeline.thresholds.clock_skew_seconds
    return {key: _oldest(parts, skew) for key, parts in _of_tables(reading, pipeline).items()}


def committed(reading: KafkaReading, pipeline: model.Pipeline) -> Values:
    """Sink and table to the committed offset; None before the first commit."""
    known = {
        key: [p.committed for p in parts if p.committed is not None]
        for key, parts in _of_tables(reading, pipeline).items()
    }
    return {key: float(sum(offsets)) if offsets else None for key, offsets in known.items()}


def written(reading: KafkaReading, pipeline: model.Pipeline, states: ConnectorStates | None) -> Values:
    """Source connector and table to the end of its topic. Of several connectors, the one whose lists let the table through."""
    sources = [connector.name for connector in pipeline.connectors if connector.kind == "source"]
    found: Values = {}
    for table in pipeline.tables:
        writers = sources if len(sources) == 1 else [name for name in sources if _captures(name, table, states)]
        if table.topic in reading.ends and len(writers) == 1:
            found[writers[0], table.name] = float(reading.ends[table.topic])
    return found


def headroom_seconds(
    reading: KafkaReading, kept_seconds: Mapping[str, float], pipeline: model.Pipeline
) -> dict[str, float]:
    """Sink to the least time until a record is gone that it has not read; none where a topic's age is not known."""
    skew = pipeline.thresholds.clock_skew_seconds
    found: dict[str, float] = {}
    for sink, partitions in reading.lags.items():
        bounded = [p for p in partitions if p.topic in kept_seconds]
        ages = {p: _oldest((p,), skew) for p in bounded}
        if not bounded or any(age is None for age in ages.values()):
            continue
        found[sink] = min(
            0.0 if p.lost_records else max(0.0, kept_seconds[p.topic] - (age or 0.0)) for p, age in ages.items()
        )
    return found


def _of_tables(reading: KafkaReading, pipeline: model.Pipeline) -> dict[tuple[str, str], tuple[PartitionLag, ...]]:
    tables = {table.topic: table.name for table in pipeline.tables}
    found: dict[tuple[str, str], tuple[PartitionLag, ...]] = {}
    for sink, partitions in reading.lags.items():
        for partition in partitions:
            key = (sink, tables[partition.topic])
            found[key] = (*found.get(key, ()), partition)
    return found


def _oldest(partitions: tuple[PartitionLag, ...], skew_seconds: float) -> float | None:
    ages = [0.0 if not p.lag_records else p.lag_seconds for p in partitions]
    known = [age for age in ages if age is not None and age >= -skew_seconds]
    return max(0.0, *known) if len(known) == len(ages) else None


def _captures(connector: str, table: model.Table, states: ConnectorStates | None) -> bool:
    found = states.get(connector) if states else None
    address = connector_config.source_address(found.config) if found else None
    if not found or not address:
        return False
    return connector_config.captures(found.config, address.database, TableName.parse(table.source))


def read_retention(kafka: Kafka, pipeline: model.Pipeline) -> dict[str, float]:
    """Topic to how long a record is kept at least; without those that keep it for good, or compact. Errors as `Kafka`.

    A question of its own: brokers that use ZooKeeper ask it for the settings, and while that hangs they answer everything else.
    """
    found: dict[str, float] = {}
    for topic in kafka.topic_states([table.topic for table in pipeline.tables]):
        kept = topic.settings.get("retention.ms", "")
        if "delete" in topic.settings.get("cleanup.policy", "") and kept.isdecimal():  # -1: for ever
            found[topic.name] = float(kept) / 1000
    return found
