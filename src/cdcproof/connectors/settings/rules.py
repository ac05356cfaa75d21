"""What the connectors' settings lose, though every state is RUNNING: changes that no connector reads, writes or keeps.

Pure: it is given the configurations. The keys are those of Kafka Connect, Debezium's sources and Debezium's and Confluent's
JDBC sinks; a connector of another class is not judged, and said not to be.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from cdcproof.clients.connect.transforms import transforms
from cdcproof.connectors.settings import config as connector_config
from cdcproof.connectors.settings.config import DEBEZIUM_SINK, SINKS, SOURCES, Config, unreadable
from cdcproof.connectors.settings.dropping import FROM_SOURCE, Delete, deletes_after, drops
from cdcproof.databases.names import TableName
from cdcproof.findings import Observation
from cdcproof.pipeline.engines import DEFAULT_SCHEMAS
from cdcproof.pipeline.model import Pipeline, Table

_FAILURE_MODES = ("event.processing.failure.handling.mode", "event.deserialization.failure.handling.mode")
_SELECTS = (
    "table.include.list",
    "table.exclude.list",
    "schema.include.list",
    "schema.exclude.list",
    "topics",
    "topics.regex",
)
_KEEPS_DELETES = {
    "tombstones.on.delete": "true",
    "delete.tombstone.handling.mode": "delete-to-tombstone",
    "delete.handling.mode": "none",
    "drop.tombstones": "false",
}
_KEY_MODES = {True: ("primary.key.mode", "primary.key.fields"), False: ("pk.mode", "pk.fields")}
"""Of Debezium's sink, and of Confluent's."""

Names = Mapping[TableName, Collection[TableName]]
"""Partitioned table to the names by which its changes travel."""
Missed = Mapping[tuple[str, str], list[TableName]]
"""Source connector and table to the table's names that the connector's lists leave out."""


@dataclass(frozen=True)
class Fault:
    """A setting that loses changes. `setting` and `value` are what to set instead, empty where that is to be thought about.

    `risk`: it loses only what something else breaks.
    """

    subject: str
    found: str
    expected: str
    why: str
    connector: str = ""
    setting: str = ""
    value: str = ""
    risk: bool = False
    advice: str = ""
    """What to do where no single setting is right."""


@dataclass(frozen=True)
class Settings:
    """What was judged, and what is wrong with it."""

    judged: Mapping[str, str]
    """Connector to what it carries, in words."""
    faults: tuple[Fault, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)
    """Connector of the pipeline to why it was not judged."""

    def observation(self) -> Observation:
        """No setting loses changes; what may lose some is a concern."""
        return Observation(self.found(), self.expected(), self.details(), concerns=self.risks(), no_concern="no risk")

    def expected(self) -> dict[str, str]:
        """Subject to what it must be."""
        return dict(self.judged) | {fault.subject: fault.expected for fault in self.faults if not fault.risk}

    def found(self) -> dict[str, str]:
        """Subject to what it is."""
        return dict(self.judged) | {fault.subject: fault.found for fault in self.faults if not fault.risk}

    def details(self) -> dict[str, str]:
        """Subject to what that loses."""
        return {fault.subject: fault.why for fault in self.faults}

    def risks(self) -> dict[str, str]:
        """What may lose something, and connectors that were not judged."""
        risks = {fault.subject: f"{fault.found}: {fault.why}" for fault in self.faults if fault.risk}
        return risks | dict(self.unknown)

    def changes(self) -> dict[str, dict[str, str]]:
        """Connector to the settings that would be right."""
        found: dict[str, dict[str, str]] = {}
        for fault in self.faults:
            if fault.setting:
                found.setdefault(fault.connector, {})[fault.setting] = fault.value
        return found

    def advice(self) -> tuple[str, ...]:
        """What to do about the rest, a sentence each."""
        return tuple(fault.advice for fault in self.faults if fault.advice)

    def rows(self) -> list[dict[str, object]]:
        """One row per connector and fault, for the report."""
        seen = {**self.judged, **self.unknown}.items()
        rows: list[dict[str, object]] = [{"what": name, "found": text, "expected": None} for name, text in seen]
        return rows + [{"what": f.subject, "found": f.found, "expected": f.expected} for f in self.faults]


def judge(
    configs: Mapping[str, Config],
    pipeline: Pipeline,
    own: Collection[str],
    names: Mapping[str, Names | None] | None = None,
) -> Settings:
    """Judge the connectors `own` of the pipeline; the others are looked at for what they write into its tables.

    `names` has, for a source connector, the partitioned tables whose changes travel by other names; None where its database does not
    say. A table is missed only where every connector that the pipeline expects is there and is understood.
    """
    names = names or {}
    sources = {n: c for n, c in configs.items() if n in own and c.get("connector.class") in SOURCES}
    sinks = {n: c for n, c in configs.items() if n in own and c.get("connector.class") in SINKS}
    unknown = {
        name: f"{configs[name].get('connector.class', 'no class')}: its settings are not understood, and not judged"
        for name in own
        if name in configs and name not in sources | sinks
    } | {
        name: f"{key} is filled in by the worker, and not judged"
        for name, config in (sources | sinks).items()
        for key in _SELECTS
        if "${" in config.get(key, "")
    }
    unknown |= {n: u[0] for n, config in (sources | sinks).items() if n not in unknown and (u := unreadable(config))}
    expected = {kind: {c.name for c in pipeline.connectors if c.kind == kind} for kind in ("source", "sink")}
    missed = {
        (name, table.name): _missed(config, pipeline, table, names.get(name) or {})
        for name, config in sources.items()
        for table in pipeline.tables
    }
    faults: list[Fault] = []
    for name, config in sources.items():
        faults += _source(name, config, [t for t in pipeline.tables if not missed[name, t.name]])
    if sources and expected["source"] <= sources.keys() and not unknown:
        faults += _not_captured(sources, pipeline, missed, sure=None not in names.values())
    for name, config in sinks.items():
        read = [t for t in pipeline.tables if connector_config.reads(config, t.topic)]
        faults += _sink(name, config, read)
        faults += _deletes(name, config, read, sources, missed)
    if sinks and expected["sink"] <= sinks.keys() and not unknown:
        faults += _not_read(sinks, pipeline)
    faults += _written_twice(configs, pipeline)
    judged = dict.fromkeys((*sources, *sinks), "judged")
    return Settings(judged, tuple(faults), unknown)


def _missed(config: Config, pipeline: Pipeline, table: Table, names: Names) -> list[TableName]:
    """Of the names by which a table's changes travel, those that a source's lists do not let through."""
    source = TableName.parse(table.source)
    travelling = sorted(names.get(source, {source}))
    return [name for name in travelling if not connector_config.captures(config, pipeline.source.database, name)]


def _source(name: str, config: Config, tables: list[Table]) -> Iterator[Fault]:
    for key in _FAILURE_MODES:
        if config.get(key, "fail").lower() in ("warn", "skip", "ignore"):
            yield _fault(name, key, config[key], "fail", "an event that cannot be processed is skipped")
    skipped = {one.strip().lower() for one in config.get("skipped.operations", "").split(",")} & {"c", "u", "d"}
    if skipped:
        words = {"c": "inserts", "u": "updates", "d": "deletes"}
        lost = " and ".join(words[one] for one in sorted(skipped))
        yield _fault(name, "skipped.operations", config["skipped.operations"], "t", f"{lost} are skipped")
    if config.get("errors.tolerance") == "all":
        why = "a record that cannot be converted is skipped"
        yield _fault(name, "errors.tolerance", "all", "none", why, risk=True)
    if config.get("producer.override.acks") in ("0", "1"):
        why = "a record is given up when a broker fails"
        yield _fault(name, "producer.override.acks", config["producer.override.acks"], "all", why, risk=True)
    yield from _dropped(name, config, tables)


def _sink(name: str, config: Config, tables: list[Table]) -> Iterator[Fault]:
    keyed = [table for table in tables if table.key]
    mode = config.get("insert.mode", "insert").lower()
    if mode == "update":
        yield _fault(
            name, "insert.mode", mode, "upsert" if keyed else "insert", "rows that are not there are not inserted"
        )
    elif mode == "insert" and keyed:
        yield _fault(name, "insert.mode", mode, "upsert", "a change of a row is inserted as another row, or fails")
    mode_key, fields_key = _KEY_MODES[config.get("connector.class") == DEBEZIUM_SINK]
    key_mode = config.get(mode_key, "none").lower()
    if keyed and key_mode in ("none", "kafka"):
        yield _fault(name, mode_key, key_mode, "record_key", "a change does not find its row")
    fields = {one.strip().lower() for one in config.get(fields_key, "").split(",") if one.strip()}
    for table in keyed if fields and key_mode not in ("none", "kafka") else ():
        if fields < {column.lower() for column in table.target_key}:
            why = f"rows of {table.name} are identified by {', '.join(table.target_key)}: several become one"
            yield _fault(name, fields_key, config[fields_key], ",".join(table.target_key), why)
            break
    if config.get("errors.tolerance") == "all" and not config.get("errors.deadletterqueue.topic.name"):
        why = "a record that cannot be converted is skipped, and no dead letter topic keeps it"
        yield _fault(name, "errors.tolerance", "all", "none", why, risk=True)
    if config.get("consumer.override.auto.offset.reset") == "latest":
        why = "what is in a new topic before the sink reads it is skipped"
        yield _fault(name, "consumer.override.auto.offset.reset", "latest", "earliest", why, risk=True)
    if (
        config.get("connector.class") == DEBEZIUM_SINK
        and mode == "upsert"
        and "rewritebatchedinserts=true" in config.get("connection.url", "").lower()
        and config.get("use.reduction.buffer", "false").lower() != "true"
    ):
        why = "two changes of one row in one batch become one statement, which PostgreSQL refuses: the task fails"
        yield _fault(name, "use.reduction.buffer", "false", "true", why, risk=True)
    yield from _dropped(name, config, tables)


def _dropped(name: str, config: Config, tables: list[Table]) -> Iterator[Fault]:
    for drop in drops(config, tables):
        found = f"drops {drop.what} of {', '.join(drop.tables)}"
        why = "" if drop.certain else "declare source_filter where these rows are not meant to be replicated"
        chain = [t.name for t in transforms(config) if f"transforms.{t.name}" != drop.key]
        setting, value = ("transforms", ",".join(chain)) if drop.certain else ("", "")
        yield Fault(f"{name} {drop.key}", found, "nothing dropped", why, name, setting, value, risk=not drop.certain)


def _deletes(
    name: str, config: Config, tables: list[Table], sources: Mapping[str, Config], missed: Missed
) -> Iterator[Fault]:
    """The first fault on the way of a delete, over all ways that lead to this sink."""
    for table in (t for t in tables if t.key):
        ways = [(n, c) for n, c in sources.items() if not missed[n, table.name]] or [("", {})]
        for source, settings in ways:
            written = FROM_SOURCE - ({Delete.TOMBSTONE} if settings.get("tombstones.on.delete") == "false" else set())
            travels, setting, sure = deletes_after(settings, written)
            where = source
            if travels:
                travels, setting, sure = deletes_after(config, travels)
                where = name
            if config.get("connector.class") != DEBEZIUM_SINK and travels and not travels - {Delete.EVENT}:
                travels, setting, where = frozenset(), "tombstones.on.delete", source
            if not travels:
                right = next((value for key, value in _KEEPS_DELETES.items() if setting.endswith(key)), "")
                advice = "" if right else f"{where}: take the filter at {setting} away"
                words = (f"{where} {setting}", "deletes dropped", "deletes kept", "deleted rows stay at the target")
                yield Fault(*words, where, setting if right else "", right, not sure, advice)
                return
            if Delete.FLAGGED not in travels and config.get("delete.enabled", "false").lower() != "true":
                found = config.get("delete.enabled", "false")
                yield _fault(name, "delete.enabled", found, "true", "deleted rows stay at the target")
                return


def _not_captured(sources: Mapping[str, Config], pipeline: Pipeline, missed: Missed, *, sure: bool) -> Iterator[Fault]:
    for table in pipeline.tables:
        if not all(missed[name, table.name] for name in sources):
            continue
        subject, right = f"{table.name}: captured by", "a source connector"
        if not sure:
            why = "the source could not be asked, and its partitions may be captured by their own names"
            yield Fault(subject, "not known", right, why, risk=True)
            continue
        name, config = next(iter(sources.items()))
        left_out = missed[name, table.name]
        key = connector_config.left_out_by(config, pipeline.source.database, left_out[0])
        add = len(sources) == 1 and key == "table.include.list"
        of_parts = "" if left_out == [TableName.parse(table.source)] else f": {', '.join(map(str, left_out))}"
        yield Fault(
            subject,
            f"none: {key} of {', '.join(sources)} leaves it out{of_parts}",
            right,
            "its changes are not read",
            name,
            key if add else "",
            ",".join([config.get(key, ""), *map(str, left_out)]) if add else "",
            advice=""
            if add
            else f"{', '.join(sources)}: correct {key}, so that one of them captures {', '.join(map(str, left_out))}",
        )


def _not_read(sinks: Mapping[str, Config], pipeline: Pipeline) -> Iterator[Fault]:
    unread = [t for t in pipeline.tables if not any(connector_config.reads(c, t.topic) for c in sinks.values())]
    name, config = next(iter(sinks.items()))
    key = "topics.regex" if config.get("topics.regex") else "topics"
    topics = [table.topic for table in unread]
    more = "|".join(map(re.escape, topics)) if key == "topics.regex" else ",".join(topics)
    value = f"{config.get(key, '')}{'|' if key == 'topics.regex' else ','}{more}"
    for table in unread:
        yield Fault(
            f"{table.name}: read by",
            f"none: {key} of {', '.join(sinks)} leaves {table.topic} out",
            "a sink connector",
            "its changes are not written",
            name,
            key if len(sinks) == 1 else "",
            value if len(sinks) == 1 else "",
            advice="" if len(sinks) == 1 else f"{', '.join(sinks)}: let one of them read {table.topic}",
        )


def _written_twice(configs: Mapping[str, Config], pipeline: Pipeline) -> Iterator[Fault]:
    """Tables into which several sinks write. With a `target_filter` that is meant: other rows come from elsewhere."""
    writers: dict[TableName, set[str]] = {}
    for name, config in configs.items():
        address = connector_config.sink_address(config)
        if address is None or (address.database or "").lower() != pipeline.target.database.lower():
            continue
        schema = address.schema or DEFAULT_SCHEMAS[address.engine]
        of_topic = {
            t.topic: TableName.parse(t.source) for t in pipeline.tables if connector_config.reads(config, t.topic)
        }
        for topic in connector_config.listed_topics(config):
            parts = topic.split(".")
            of_topic.setdefault(topic, TableName(parts[-2] if len(parts) > 1 else "", parts[-1]))
        for topic, source in of_topic.items():
            written = connector_config.target_of(
                config, topic, source, pipeline.source.database, engine=address.engine, default_schema=schema
            ).table
            if written:
                writers.setdefault(written, set()).add(name)
    for table in pipeline.tables:
        several = sorted(writers.get(TableName.parse(table.target), ()))
        if len(several) > 1 and not table.target_filter:
            why = "what one writes late, or again, undoes what the other wrote"
            advice = f"{table.name}: let one of {', '.join(several)} write it, or declare target_filter"
            yield Fault(f"{table.name}: written by", ", ".join(several), "one sink connector", why, advice=advice)


def _fault(name: str, key: str, found: str, right: str, why: str, *, risk: bool = False) -> Fault:
    return Fault(f"{name} {key}", found, right, why, name, key, right, risk)
