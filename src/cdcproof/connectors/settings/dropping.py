"""Which records a connector's transforms drop, and as what a delete travels on after them. Pure.

The keys are those of Kafka's, Debezium's and Confluent's public documentation. A predicate on a transform other than a
filter is not looked at here: it can only make the transform do less.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from cdcproof.clients.connect.java_expressions import UnreadableError, match
from cdcproof.clients.connect.transforms import (
    DROPS_BY_CONDITION,
    DROPS_BY_PREDICATE,
    TOMBSTONE_HANDLER,
    UNWRAP,
    Transform,
    steps,
    transforms,
)
from cdcproof.connectors.settings.config import Config
from cdcproof.pipeline.model import Table


class Delete(StrEnum):
    """As what a row's delete can be in a topic."""

    EVENT = "change event"
    TOMBSTONE = "tombstone"
    FLAGGED = "flagged row"


FROM_SOURCE = frozenset({Delete.EVENT, Delete.TOMBSTONE})
"""What Debezium writes for a delete, unless its settings say otherwise."""


@dataclass(frozen=True)
class Drop:
    """A transform that drops records of these tables; `certain` where it is known to, else it has a condition."""

    key: str
    what: str
    tables: tuple[str, ...]
    certain: bool


def drops(config: Config, tables: Iterable[Table]) -> tuple[Drop, ...]:
    """Transforms that drop records of these tables.

    One with a condition is named only for tables without a `source_filter`: that says which rows are to be dropped.
    """
    found: dict[tuple[str, str, bool], list[str]] = {}
    for table in tables:
        for transform, topic in steps(config, table.topic):
            what, certain = _dropped(transform, topic)
            if what and (certain or not table.source_filter):
                found.setdefault((f"transforms.{transform.name}", what, certain), []).append(table.name)
    return tuple(Drop(key, what, tuple(names), certain) for (key, what, certain), names in found.items())


def deletes_after(config: Config, before: frozenset[Delete]) -> tuple[frozenset[Delete], str, bool]:
    """As what a delete leaves the transforms, with the setting that dropped the last of it, and whether it surely did.

    Keys of Debezium before 2.5 (``delete.handling.mode``, ``drop.tombstones``) mean nothing to 3.0, so that what they
    drop is not sure.
    """
    now = before
    for transform in transforms(config):
        after, setting, sure = now, "", True
        if transform.class_name in UNWRAP:
            after, setting, sure = _flattened(transform, now)
        elif transform.class_name == DROPS_BY_PREDICATE and transform.is_for_tombstones:
            after, setting = now - {Delete.TOMBSTONE}, "predicate"
        elif transform.class_name == TOMBSTONE_HANDLER and transform.settings.get("behavior") != "fail":
            after, setting = now - {Delete.TOMBSTONE}, "behavior"
        if now and not after:
            return after, f"transforms.{transform.name}.{setting}", sure
        now = after
    return now, "", True


def _dropped(transform: Transform, topic: str) -> tuple[str, bool]:
    """What a transform drops of a topic, and whether it is known to; empty for nothing."""
    if transform.class_name == DROPS_BY_PREDICATE:
        applies = transform.applies_to(topic)
        if applies is None:
            return "records by a condition", False
        if applies:
            is_rest = transform.predicate_place.endswith("RecordIsTombstone)")
            return ("every record but tombstones" if is_rest else "every record"), True
    elif transform.class_name in DROPS_BY_CONDITION:
        try:
            if match(transform.settings.get("topic.regex", ".*"), topic):
                return "records by a condition", False
        except UnreadableError:
            return "records by a condition", False
    return "", True


def _flattened(transform: Transform, now: frozenset[Delete]) -> tuple[frozenset[Delete], str, bool]:
    names = ("delete.tombstone.handling.mode", "delete.handling.mode", "drop.tombstones")
    mode, old, keeps = (transform.settings.get(name, "").lower() for name in names)
    tombstone = now & {Delete.TOMBSTONE}
    if not mode and (old or keeps):
        kept = {"rewrite": {Delete.FLAGGED}, "none": {Delete.TOMBSTONE}}.get(old, set())
        return frozenset(kept) | (tombstone if keeps == "false" else frozenset()), names[1 if old else 2], False
    after = {
        "drop": frozenset[Delete](),
        "rewrite": frozenset({Delete.FLAGGED}),
        "rewrite-with-tombstone": frozenset({Delete.FLAGGED}) | tombstone,
        "delete-to-tombstone": frozenset({Delete.TOMBSTONE}),
    }.get(mode, tombstone)
    return after, names[0], True
