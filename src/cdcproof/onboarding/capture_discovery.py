"""What a source connector captures, and under which topics: asked of the source and of Connect, else read from the configuration."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from cdcproof.connectors.settings import config as connector_config
from cdcproof.core.errors import CdcproofError
from cdcproof.databases.connections import connect as open_database
from cdcproof.databases.names import TableName
from cdcproof.onboarding.addresses import AddNote
from cdcproof.onboarding.pairing import Pair
from cdcproof.pipeline import model
from cdcproof.pipeline.model import PLACEHOLDER


@dataclass(frozen=True)
class Ends:
    """Both databases as the pipeline file will have them, and the schema that the sink writes to by default."""

    source: model.Database
    target: model.Database
    written_schema: str

    @property
    def database(self) -> str | None:
        """The source's, where it is known."""
        return None if self.source.database == PLACEHOLDER else self.source.database


@dataclass(frozen=True)
class Captured:
    """The captured tables; keys and columns of those that the source could be asked for."""

    tables: tuple[TableName, ...]
    keys: Mapping[TableName, tuple[str, ...]] = field(default_factory=dict)
    columns: Mapping[TableName, tuple[str, ...]] = field(default_factory=dict)
    unasked: str = ""
    """Why the source could not be asked; empty where it was."""


def captured_by(pair: Pair, ends: Ends, note: AddNote) -> Captured:
    """The tables: the source's own answer, else those of a plain list, else those that have a topic."""
    config, listed = pair.reader.config, connector_config.literal_tables(pair.reader.config)
    try:
        with open_database(ends.source) as database:
            there = database.log.captured_tables()
            tables = [t for t in sorted(there) if connector_config.captures(config, ends.database, t)]
            for name in listed or ():
                if not alike(name, tables):
                    existing = alike(name, database.catalogue.tables(name.schema)) or name
                    note(
                        "tables",
                        f"{existing} is in table.include.list, but its changes are not captured at the source.",
                    )
                    tables.append(existing)
            order = [str(name).lower() for name in listed or ()]
            tables.sort(key=lambda t: order.index(str(t).lower()) if str(t).lower() in order else len(order))
            seen = [t for t in tables if t in database.catalogue.tables(t.schema)]
            return Captured(
                tuple(tables),
                {t: database.catalogue.primary_key(t) for t in seen},
                {t: tuple(column.name for column in database.catalogue.columns(t)) for t in seen},
            )
    except CdcproofError as error:
        note("tables", f"The source could not be asked for its tables' primary keys: {error.message}")
        unasked = error.message
    by_topic = _tables_of_topics(pair, ends)
    if listed is not None:
        return Captured(tuple(dict.fromkeys(_spelt_as_topic(name, by_topic) for name in listed)), unasked=unasked)
    note("tables", "The tables are those that had a topic when this file was written: check that none is missing.")
    if any("_" in str(table) for table in by_topic):
        note("tables", "A _ in a topic's name may be another character in the table's: check the tables' names.")
    likely = tuple(t for t in by_topic if connector_config.captures(config, ends.database, t))
    return Captured(likely, unasked=unasked)


def topic_of(pair: Pair, ends: Ends, table: TableName, note: AddNote) -> str:
    """The table's topic: Connect's own name for it where it has one."""
    config = pair.reader.config
    likely = connector_config.topic_of(config, ends.database, table)
    known = {*pair.topics, *(t for sink in pair.writers for t in connector_config.listed_topics(sink.config))}
    if likely.topic in known:
        return likely.topic
    alike = [t for t in known if likely.topic and t.lower() == likely.topic.lower()]
    if not alike and likely.doubts:
        depth = [ends.database] if "database.names" in config and ends.database else []
        end = connector_config.sanitized(".".join(["", *depth, table.schema, table.table])).lower()
        alike = [t for t in known if t.lower().endswith(end)]
    if len(alike) == 1:
        return alike[0]
    for doubt in likely.doubts:
        note("tables", f"{pair.reader.name}: {doubt}")
    if likely.topic is None or likely.doubts:
        return PLACEHOLDER
    if pair.topics:
        note("tables", f"{table} has no topic yet: {likely.topic}, as the connector would name it, stands here.")
    return likely.topic


def alike(name: TableName, tables: Collection[TableName]) -> TableName | None:
    """The table of that name, else the only one that differs in case alone."""
    found = [t for t in tables if str(t).lower() == str(name).lower()]
    return name if name in tables else found[0] if len(found) == 1 else None


def _spelt_as_topic(name: TableName, by_topic: Collection[TableName]) -> TableName:
    """The name with the case that its topic has. A topic has ``_`` for what it cannot hold: there the name's own character stays."""
    found = [t for t in by_topic if str(t).lower() == connector_config.sanitized(str(name)).lower()]
    if len(found) != 1:
        return name
    pairs = zip(str(name), str(found[0]), strict=True)
    return TableName.parse("".join(theirs if own.lower() == theirs.lower() else own for own, theirs in pairs))


def _tables_of_topics(pair: Pair, ends: Ends) -> tuple[TableName, ...]:
    found = [connector_config.table_of(pair.reader.config, topic) for topic in pair.topics]
    return tuple(
        dict.fromkeys(one[1] for one in found if one and (one[0] or ends.database) == (ends.database or one[0]))
    )
