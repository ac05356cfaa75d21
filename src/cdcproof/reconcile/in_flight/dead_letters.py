"""What the sinks put aside instead of writing it: said beside a comparison that found something."""

from __future__ import annotations

from collections.abc import Iterable

from cdcproof.clients.connect.client import Connect, ConnectorStates
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.kafka.dead_letters import counted
from cdcproof.core.errors import CouldNotLookError
from cdcproof.pipeline.model import Pipeline


def put_aside(pipeline: Pipeline) -> tuple[str, ...]:
    """A sentence for each dead letter topic of a sink that has records. Nothing where Connect or Kafka does not answer."""
    sinks = [sink.name for sink in pipeline.sinks]
    try:
        states = Connect(pipeline.connect).states()
        found = in_dead_letter_topics(states, Kafka(pipeline.kafka), sinks)
    except CouldNotLookError:
        return ()
    return tuple(f"{text}, where {sink} put them aside: cdcproof connectors dlq {sink}" for sink, text in found.items())


def in_dead_letter_topics(states: ConnectorStates, kafka: Kafka, sinks: Iterable[str]) -> dict[str, str]:
    """Sink to ``10 records are in dlq``, of those whose dead letter topic has records."""
    topics = states.dead_letter_topics(sinks)
    kept = kafka.kept_records(topics.values()) if topics else {}
    return {sink: counted(kept[topic], topic) for sink, topic in topics.items() if kept.get(topic)}
