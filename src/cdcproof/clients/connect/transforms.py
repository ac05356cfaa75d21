"""The single message transforms of a connector: to which topic they send a record, and what of it is not understood. Pure.

What the classes do is from the public documentation of Kafka, Debezium and Confluent. A class that is not listed here may do
anything; whoever asks for a topic's name is given a doubt that names it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cdcproof.clients.connect.java_expressions import UnreadableError, filled, match

Config = Mapping[str, str]

_APACHE = "org.apache.kafka.connect.transforms."
_DEBEZIUM = "io.debezium.transforms."
_CONFLUENT = "io.confluent.connect.transforms."

_ROUTERS = {
    f"{_APACHE}RegexRouter": ("regex", "replacement"),
    "io.confluent.connect.cloud.transforms.TopicRegexRouter": ("regex", "replacement"),
    f"{_DEBEZIUM}ByLogicalTableRouter": ("topic.regex", "topic.replacement"),
}
UNWRAP = (f"{_DEBEZIUM}ExtractNewRecordState", f"{_DEBEZIUM}UnwrapFromEnvelope")
REPLACE_FIELD = (f"{_APACHE}ReplaceField", f"{_CONFLUENT}ReplaceField")
MASK_FIELD = (f"{_APACHE}MaskField",)
TOMBSTONE_HANDLER = f"{_CONFLUENT}TombstoneHandler"
DROPS_BY_PREDICATE = f"{_APACHE}Filter"
DROPS_BY_CONDITION = {f"{_DEBEZIUM}Filter": "condition", f"{_CONFLUENT}Filter": "filter.condition"}
"""Classes that drop records, and the setting that says which."""
CHANGES_COLUMNS = (
    *(
        f"{_APACHE}{name}"
        for name in ("Flatten", "HoistField", "ExtractField", "ValueToKey", "Cast", "TimestampConverter")
    ),
    f"{_CONFLUENT}ExtractField",
    f"{_DEBEZIUM}ExtractChangedRecordState",
    f"{_DEBEZIUM}TimezoneConverter",
    f"{_DEBEZIUM}VectorToJsonConverter",
    "io.debezium.connector.jdbc.transforms.FieldNameTransformation",
)
"""Classes that change names, types or values of columns and leave topics alone."""
_CHANGES_NOTHING = (
    *(f"{_APACHE}{name}" for name in ("InsertField", "InsertHeader", "DropHeaders", "HeaderFrom", "SetSchemaMetadata")),
    *(f"{_DEBEZIUM}{name}" for name in ("HeaderToValue", "SchemaChangeEventFilter", "tracing.ActivateTracingSpan")),
    f"{_DEBEZIUM}partitions.PartitionRouting",
    TOMBSTONE_HANDLER,
)
_DELETES = "delete.tombstone.handling.mode"
_WITHOUT_TOMBSTONES = ("drop", "rewrite", "delete-to-tombstone")
"""Ways of `UNWRAP` to treat deletes in which the tombstone after a delete goes."""
_KEEPS_TOPIC = {
    *UNWRAP,
    *REPLACE_FIELD,
    *MASK_FIELD,
    DROPS_BY_PREDICATE,
    *DROPS_BY_CONDITION,
    *CHANGES_COLUMNS,
    *_CHANGES_NOTHING,
}
_PREDICATES = "org.apache.kafka.connect.transforms.predicates."


@dataclass(frozen=True)
class Transform:
    """One transform of a chain. `applies_to` is None where a predicate that is not understood decides."""

    name: str
    class_name: str
    """Without ``$Key`` or ``$Value``."""
    of_key: bool
    settings: Mapping[str, str]
    config: Config

    @property
    def place(self) -> str:
        """How a sentence names it: ``transforms.route (org.apache.kafka.connect.transforms.RegexRouter)``."""
        return f"transforms.{self.name} ({self.class_name or 'of no class'})"

    @property
    def not_understood(self) -> str:
        """A sentence about a class that is not known."""
        return f"{self.place} is not understood: it may change names, columns, values or rows."

    @property
    def is_known(self) -> bool:
        """Whether it is known what the class does."""
        return self.class_name in _ROUTERS or self.class_name in _KEEPS_TOPIC

    def applies_to(self, topic: str) -> bool | None:
        """Whether it changes a topic's rows; a predicate may keep it from that."""
        if not self.settings.get("predicate"):
            return True
        if self._predicate("type") == f"{_PREDICATES}RecordIsTombstone":
            return self._is_negated
        if self._predicate("type") == f"{_PREDICATES}TopicNameMatches":
            try:
                return (match(self._predicate("pattern"), topic) is not None) != self._is_negated
            except UnreadableError:
                return None
        return None

    @property
    def is_for_tombstones(self) -> bool:
        """Whether its predicate leaves it tombstones alone."""
        return self._predicate("type") == f"{_PREDICATES}RecordIsTombstone" and not self._is_negated

    @property
    def predicate_place(self) -> str:
        """How a sentence names its predicate."""
        return f"predicates.{self.settings.get('predicate', '')} ({self._predicate('type') or 'of no type'})"

    def _predicate(self, setting: str) -> str:
        """A setting of its predicate; empty where it has none."""
        return self.config.get(f"predicates.{self.settings.get('predicate', '')}.{setting}", "")

    @property
    def _is_negated(self) -> bool:
        return self.settings.get("negate", "false").lower() == "true"


@dataclass(frozen=True)
class Route:
    """Where a record of a topic goes. `topic` is None where it is dropped; `doubts` say why the name may be another."""

    topic: str | None
    doubts: tuple[str, ...] = ()


def transforms(config: Config) -> tuple[Transform, ...]:
    """The chain, in its order."""
    return tuple(_transform(config, name) for name in entries(config.get("transforms", "")))


def steps(config: Config, topic: str) -> tuple[tuple[Transform, str], ...]:
    """Each transform with the topic's name when a record reaches it; ends where the record is dropped."""
    found = []
    for transform in transforms(config):
        found.append((transform, topic))
        after = _after(transform, topic).topic
        if after is None:
            break
        topic = after
    return tuple(found)


def route(config: Config, topic: str) -> Route:
    """The topic's name after the chain."""
    doubts: list[str] = []
    for transform in transforms(config):
        after = _after(transform, topic)
        doubts += after.doubts
        if after.topic is None:
            return Route(None, tuple(doubts))
        topic = after.topic
    return Route(topic, tuple(doubts))


def entries(text: str) -> list[str]:
    """The entries of a list that is separated by commas."""
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def _transform(config: Config, name: str) -> Transform:
    prefix = f"transforms.{name}."
    settings = {key.removeprefix(prefix): value.strip() for key, value in config.items() if key.startswith(prefix)}
    class_name, _, part = settings.get("type", "").partition("$")
    return Transform(name, class_name, part == "Key", settings, config)


def _after(transform: Transform, topic: str) -> Route:
    applies = transform.applies_to(topic)
    if applies is not False and not transform.is_known:
        return Route(topic, (transform.not_understood,))
    if applies and transform.class_name == DROPS_BY_PREDICATE:
        return Route(None)
    if applies is False or transform.class_name not in _ROUTERS:
        return Route(topic)
    if applies is None:
        return Route(topic, (f"{transform.predicate_place} decides on {transform.place}, and is not understood.",))
    try:
        return Route(_rerouted(transform, topic))
    except UnreadableError as error:
        return Route(topic, (f"{transform.place}: {error}.",))


def _rerouted(transform: Transform, topic: str) -> str:
    regex, replacement = (transform.settings.get(key, "") for key in _ROUTERS[transform.class_name])
    if re.search(r"\$\{[\w.-]+:", regex + replacement):
        raise UnreadableError("its expression holds a reference that only the worker can resolve")
    found = match(regex, topic)
    return filled(found, replacement) if found else topic


def drops_tombstones(config: Config) -> bool:
    """Whether a tombstone certainly does not pass the chain. A transform before that is not understood may change it."""
    for transform in transforms(config):
        if not transform.is_known:
            return False
        if _drops_tombstones(transform):
            return True
    return False


def _drops_tombstones(transform: Transform) -> bool:
    settings = transform.settings
    if transform.class_name == DROPS_BY_PREDICATE:
        return transform.is_for_tombstones
    if settings.get("predicate"):
        return False
    if transform.class_name == TOMBSTONE_HANDLER:
        return settings.get("behavior", "drop_silent").startswith("drop")
    # the older keys (drop.tombstones) mean nothing to Debezium 3
    return transform.class_name in UNWRAP and settings.get(_DELETES, "").lower() in _WITHOUT_TOMBSTONES
