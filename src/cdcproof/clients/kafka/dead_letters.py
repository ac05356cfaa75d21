"""Records that a sink put aside: what is in its dead letter topic, and which records of its topics are there as well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cdcproof.clients.kafka.consumer_groups import Place

TOPIC_KEY = "errors.deadletterqueue.topic.name"
"""The setting of a sink that names its dead letter topic."""
_HEADERS = "__connect.errors."


@dataclass(frozen=True)
class Record:
    """A record as it is in the log. `headers` are read as text."""

    place: Place
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, str]

    @property
    def origin(self) -> str:
        """Of a dead letter: ``topic/partition, offset``; empty where the sink writes no headers of it."""
        topic, partition, offset = (self.headers.get(_HEADERS + name, "") for name in ("topic", "partition", "offset"))
        return f"{topic}/{partition}, offset {offset}" if topic else ""

    @property
    def error(self) -> str:
        """Of a dead letter: why it was put aside; empty where the sink writes no headers of it."""
        kind = self.headers.get(f"{_HEADERS}exception.class.name", "").rpartition(".")[2]
        return ": ".join(filter(None, (kind, self.headers.get(f"{_HEADERS}exception.message", ""))))


def all_put_aside(unread: Iterable[Record], dead_letters: Iterable[Record]) -> bool:
    """Whether there are records and every one of them is a dead letter as well: a sink copies key and value byte for byte."""
    aside = {(record.key, record.value) for record in dead_letters}
    records = [(record.key, record.value) for record in unread]
    return bool(records) and all(record in aside for record in records)


def counted(records: int, topic: str) -> str:
    """``10 records are in dlq``."""
    return f"{records:,} record{' is' if records == 1 else 's are'} in {topic}"
