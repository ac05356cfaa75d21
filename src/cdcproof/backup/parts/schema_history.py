"""The schema-history topic, without which a SQL Server connector does not start: record by record, in order."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping

from cdcproof.backup.parts.connectors import SavedConnector
from cdcproof.backup.parts.part import Part
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.kafka.dead_letters import Record
from cdcproof.core.errors import OperationError
from cdcproof.core.json_text import parsed

TOPIC_KEYS = ("schema.history.internal.kafka.topic", "database.history.kafka.topic")


def topics(connectors: Iterable[SavedConnector]) -> tuple[str, ...]:
    """The topics that the sources name, each once; PostgreSQL's connector has none."""
    named = (one.config.get(key, "") for one in connectors for key in TOPIC_KEYS)
    return tuple(sorted({topic for topic in named if topic and "${" not in topic}))


def save(kafka: Kafka, topics: tuple[str, ...]) -> Part:
    """One JSON object a line. Raises `OperationError` for a topic that is not there: the connector would not start again either."""
    missing = sorted(set(topics) - kafka.topics().keys())
    if missing:
        raise OperationError(
            f"Kafka has no topic {', '.join(missing)}. The schema history belongs there.",
            "cdcproof connectors status",
        )
    records = [record for topic in topics for record in kafka.every_record(topic)]
    text = "".join(json.dumps(_as_json(record)) + "\n" for record in records)
    return Part(text, f"{len(records)} records of {', '.join(topics)}")


def read(text: str) -> tuple[Record, ...]:
    """What `save` wrote. Raises `ValueError`, `KeyError` or `TypeError` for something else."""
    return tuple(_record(parsed(line)) for line in text.splitlines())


def _as_json(record: Record) -> Mapping[str, object]:
    return {
        "topic": record.place[0],
        "partition": record.place[1],
        "offset": record.offset,
        "key": None if record.key is None else base64.b64encode(record.key).decode(),
        "value": None if record.value is None else base64.b64encode(record.value).decode(),
        "headers": dict(record.headers),
    }


def _record(stored: Mapping[str, object]) -> Record:
    key, value = (None if stored[name] is None else base64.b64decode(str(stored[name])) for name in ("key", "value"))
    headers = stored["headers"]
    if not isinstance(headers, dict):
        raise TypeError("headers that are none")
    return Record(
        (str(stored["topic"]), int(str(stored["partition"]))), int(str(stored["offset"])), key, value, headers
    )
