"""The connectors' positions, and where the log of each topic began and ended: taken before the databases, so that nothing is skipped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from cdcproof.backup.parts.connectors import SavedConnector
from cdcproof.backup.parts.part import Part
from cdcproof.clients.connect.client import Connect, Offset
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.kafka.consumer_groups import Place
from cdcproof.connectors.settings import config as connector_config
from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.core.json_text import parsed


@dataclass(frozen=True)
class SavedOffsets:
    """A connector's positions, in the form that Connect takes to alter them. None where they are not known, and why."""

    kind: str
    offsets: tuple[Offset, ...] | None
    unknown: str = ""
    group: str = ""


@dataclass(frozen=True)
class Saved:
    """Positions by connector, and the offsets that each partition of its topics kept."""

    connectors: Mapping[str, SavedOffsets] = field(default_factory=dict)
    kept: Mapping[Place, range] = field(default_factory=dict)


@dataclass(frozen=True)
class SavedParts:
    """The connectors of a backup, and their positions."""

    connectors: Mapping[str, SavedConnector]
    offsets: Saved


def save(connect: Connect, kafka: Kafka, connectors: Mapping[str, SavedConnector], topics: tuple[str, ...]) -> Part:
    """Of every connector, sources first; a Connect before 3.5 shows none, and a sink's are then asked of Kafka."""
    found = {}
    for one in sorted(connectors.values(), key=lambda one: (one.kind != "source", one.name)):
        group = connector_config.consumer_group(one.name, one.config) if one.kind == "sink" else ""
        try:
            offsets, unknown = connect.offsets(one.name), ""
        except UnexpectedAnswerError as error:
            offsets, unknown = None, error.message
            if group:
                offsets, unknown = _of_group(kafka, group), ""
        found[one.name] = SavedOffsets(one.kind, offsets, unknown, group)
    kept = kafka.kept_offsets(topics)
    text = json.dumps(
        {
            "connectors": {name: vars(one) for name, one in found.items()},
            "kept": [[topic, partition, log.start, log.stop] for (topic, partition), log in sorted(kept.items())],
        },
        indent=1,
    )
    notes = tuple(f"{name}: its offsets are not known. {one.unknown}" for name, one in found.items() if one.unknown)
    return Part(text, f"{len(found)} connectors, {len(kept)} partitions", notes)


def read(text: str) -> Saved:
    """What `save` wrote. Raises `ValueError`, `KeyError` or `TypeError` for something else."""
    stored = parsed(text)
    connectors = {
        name: SavedOffsets(
            one["kind"], None if one["offsets"] is None else tuple(one["offsets"]), one["unknown"], one["group"]
        )
        for name, one in stored["connectors"].items()
    }
    return Saved(connectors, {(topic, partition): range(start, end) for topic, partition, start, end in stored["kept"]})


def _of_group(kafka: Kafka, group: str) -> tuple[Offset, ...]:
    return tuple(
        {"partition": {"kafka_topic": topic, "kafka_partition": partition}, "offset": {"kafka_offset": offset}}
        for (topic, partition), offset in sorted(kafka.positions(group).committed.items())
    )
