"""Finding out what the decision about positions depends on. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cdcproof.backup.manifest import Manifest
from cdcproof.backup.parts.connectors import SavedConnector
from cdcproof.backup.parts.databases import address, maintenance
from cdcproof.backup.parts.offsets import Saved, SavedParts
from cdcproof.backup.parts.positions import Facts, SinkPlace
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.kafka.consumer_groups import Place
from cdcproof.connectors import retention
from cdcproof.connectors.settings import config as connector_config
from cdcproof.core.errors import CdcproofError
from cdcproof.databases.connections import connect, connect_to_restore
from cdcproof.pipeline.model import Pipeline

_UPSERTS = "upsert"


@dataclass(frozen=True)
class Restored:
    """Which sides are restored, and which connectors are not at Connect any more."""

    source: bool
    target: bool
    lost: tuple[str, ...] = ()


def gather(
    pipeline: Pipeline,
    manifest: Manifest,
    parts: SavedParts,
    kafka: Kafka,
    restored: Restored,
) -> Facts:
    """Ask the source and Kafka. What cannot be known is for the decision to know: it never counts as right."""
    connectors, saved = parts.connectors, parts.offsets
    places = _places(pipeline, saved, kafka)
    sinks = [connectors[one.name] for one in pipeline.sinks if one.name in connectors]
    sources = [one for one in connectors.values() if one.kind == "source" and not pipeline.is_neighbour(one.name)]
    same, why = (False, "the source is restored") if restored.source else is_same(pipeline, manifest, "source")
    if same:
        whole = places is not None and bool(places) and all(p.end >= p.saved_end for p in places.values())
        why = " ".join(filter(None, (_not_kept(pipeline, one, saved, topics_whole=whole) for one in sources)))
        newer = sorted({topic for topic, _ in places or () if topic not in {known for known, _ in saved.kept}})
        if newer:  # what its snapshot sent is in no log
            why += f" {', '.join(newer)} came into the pipeline after the backup"
    return Facts(
        restored.source,
        restored.target,
        same,
        why.strip(),
        places,
        all(one.config.get("insert.mode", "insert").lower() == _UPSERTS for one in sinks),
        bool(restored.lost),
    )


def is_same(pipeline: Pipeline, manifest: Manifest, side: str) -> tuple[bool, str]:
    """Whether a side is the database of the backup in the same history, and why not. By the account of the backup, which sees as much."""
    backed_up = manifest.of_side(side)
    if backed_up is None:
        return False, f"the backup has no {side}"
    try:
        with connect(address(pipeline, side)) as database:
            found = database.identity()
    except CdcproofError as error:
        return False, f"the {side} could not be asked: {error.message}"
    expected = backed_up.state.identity
    if found.unknown or expected.unknown:
        return False, found.unknown or expected.unknown
    if found != expected:
        return False, f"the {side} is {found}, and the backup is of {expected}"
    return True, ""


def _not_kept(pipeline: Pipeline, connector: SavedConnector, saved: Saved, *, topics_whole: bool) -> str:
    """Why the source's log does not hold everything since a connector's saved position; empty where it does."""
    position = saved.connectors.get(connector.name)
    if position is None or not position.offsets:
        return (position and position.unknown) or f"the backup has no position of {connector.name}"
    try:
        kept = retention.of_source(connector.config, position.offsets, pipeline)
        if kept.passed or kept.unknown:
            return " ".join(kept.passed) or kept.unknown
        if pipeline.source.type == "postgresql" and not topics_whole:
            return _slot_ahead(pipeline, connector, position.offsets)
    except CdcproofError as error:
        return error.message
    return ""


def _slot_ahead(
    pipeline: Pipeline, connector: SavedConnector, offsets: Iterable[Mapping[str, Mapping[str, object]]]
) -> str:
    """A slot never goes back: what was confirmed is sent once more to nobody, and where Kafka has lost it, it is lost."""
    address = connector_config.source_address(connector.config)
    slot = (address and address.slot) or ""
    with connect_to_restore(maintenance(pipeline, "source")) as server:
        confirmed = server.slot_confirmed(slot)
    if confirmed is None:
        return f"the replication slot {slot} is gone"
    read = [int(str(one["offset"].get("lsn_commit") or one["offset"].get("lsn") or 0)) for one in offsets]
    if confirmed > min(read, default=0):
        return f"the slot {slot} has confirmed more than the saved position, and sends nothing a second time"
    return ""


def _places(pipeline: Pipeline, saved: Saved, kafka: Kafka) -> Mapping[Place, SinkPlace] | None:
    """Each partition of the pipeline's topics; one that is gone ends at 0, and one that the backup does not know is read from its beginning."""
    now = kafka.kept_offsets([table.topic for table in pipeline.tables])
    found: dict[Place, SinkPlace] = {}
    for sink in pipeline.sinks:
        position = saved.connectors.get(sink.name)
        if position is None or position.offsets is None:
            return None
        read = {
            (str(one["partition"]["kafka_topic"]), int(one["partition"]["kafka_partition"])): int(
                one["offset"]["kafka_offset"]
            )
            for one in position.offsets
        }
        for place, log in saved.kept.items():
            at = read.get(place, log.start)
            kept = now.get(place, range(0))
            earlier = found.get(place)
            at = min(at, earlier.saved) if earlier else at
            found[place] = SinkPlace(at, log.stop, kept.start, kept.stop)
    for place, kept in now.items():
        found.setdefault(place, SinkPlace(0, 0, kept.start, kept.stop))
    return found
