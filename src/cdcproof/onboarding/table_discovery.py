"""Find the replicated tables: what the source connector captures, under which topic, and where the sink writes it.

What the source, the target and Connect say goes before what the configurations make likely; what neither says for certain is
`PLACEHOLDER`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cdcproof.clients.connect.client import Connector
from cdcproof.clients.connect.transforms import Route, route
from cdcproof.connectors.settings import config as connector_config
from cdcproof.connectors.settings.config import Written
from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.names import TableName
from cdcproof.onboarding.addresses import AddNote
from cdcproof.onboarding.capture_discovery import Captured, Ends, captured_by, topic_of
from cdcproof.onboarding.column_rules import ColumnRules, Stage, column_rules
from cdcproof.onboarding.pairing import Pair
from cdcproof.onboarding.target_discovery import Target, open_target
from cdcproof.pipeline import model
from cdcproof.pipeline.model import PLACEHOLDER


def find_tables(pair: Pair, ends: Ends, note: AddNote) -> tuple[model.Table, ...]:
    """The tables that the source captures and a sink writes. Raises `UnexpectedAnswerError` for none.

    The databases are asked when their passwords are in the environment.
    """
    for connector in (pair.reader, *pair.writers):
        for sentence in connector_config.unreadable(connector.config):
            note("tables", f"{connector.name}: {sentence}")
    captured = captured_by(pair, ends, note)
    with open_target(ends.target, note) as target:
        found = _Search(pair, ends, captured, target, note).tables()
    if not found:
        raise UnexpectedAnswerError(
            f"No table could be found that {pair.reader.name} captures and a JDBC sink writes.",
            _why_none(captured, pair),
        )
    for what, names in {
        "the columns of the keys": [t.source for t in found if t.key == (PLACEHOLDER,)],
        "the topic": [t.source for t in found if t.topic == PLACEHOLDER],
        "the target": [t.source for t in found if t.target == PLACEHOLDER],
    }.items():
        if names:
            note("tables", f"Write {what} that could not be learned: of {', '.join(names)}.")
    for name in dict.fromkeys(t.target for t in found if t.target != PLACEHOLDER):
        sharers = [t.source for t in found if t.target == name]
        if len(sharers) > 1:
            note("tables", f"{' and '.join(sharers)} are written to the same table, {name}: give each a target_filter.")
    return tuple(_with_unique_names(found))


def _why_none(captured: Captured, pair: Pair) -> str:
    if captured.tables:
        sinks = ", ".join(c.name for c in pair.writers)
        return (
            f"Compare the topics of {pair.reader.name} with topics or topics.regex of {sinks}, or choose others with "
            "--source-connector and --sink-connector."
        )
    if not captured.unasked:
        return (
            "The source has no captured table that its lists let through: compare what is captured there with "
            f"table.include.list and table.exclude.list of {pair.reader.name}."
        )
    return (
        f"The source was not asked for its tables: {captured.unasked} Mend that and run init again, "
        "or write the pipeline file by hand: docs/PIPELINE.md has all its keys."
    )


@dataclass(frozen=True)
class _Search:
    """All that is known while the tables are put together."""

    pair: Pair
    ends: Ends
    captured: Captured
    target: Target
    note: AddNote

    def tables(self) -> list[model.Table]:
        found: list[model.Table] = []
        for table in self.captured.tables:
            if connector_config.topic_of(self.pair.reader.config, self.ends.database, table) == Route(None):
                self._say(f"The transforms of {self.pair.reader.name} drop every row of {table}: left out here.")
                continue
            topic = topic_of(self.pair, self.ends, table, self.note)
            if topic != PLACEHOLDER and any(one.topic == topic for one in found):
                self._say(
                    f"{table} goes to {topic}, as a table before it does: a file has one table for a topic. Left out here."
                )
                continue
            writer = self._writer(topic)
            if writer is None:
                others = [c.name for c in self.pair.copies if connector_config.reads(c.config, topic)]
                which = f"Only {', '.join(others)} reads" if others else "No JDBC sink reads"
                self._say(f"{which} {topic}: {table} is captured, but left out here.")
                continue
            found.append(self._table(table, topic, writer))
        return found

    def _say(self, sentence: str) -> None:
        self.note("tables", sentence)

    def _writer(self, topic: str) -> Connector | None:
        """The first sink that reads a topic, else the first of which that is not known."""
        if topic == PLACEHOLDER:
            return self.pair.writers[0]
        sinks = [sink for sink in self.pair.writers if route(sink.config, topic) != Route(None)]
        answers = {sink.name: connector_config.subscribes(sink.config, topic) for sink in sinks}
        return next((sink for wanted in (True, None) for sink in sinks if answers[sink.name] is wanted), None)

    def _table(self, table: TableName, topic: str, writer: Connector) -> model.Table:
        written = self._target_of(table, topic, writer)
        for other in (*self.pair.writers, *self.pair.copies):
            if other is not writer and connector_config.reads(other.config, topic):
                self._note_copy(other, table, topic, written)
        reader = self.pair.reader
        columns = self.captured.columns.get(table)
        key = self.captured.keys.get(table) or connector_config.message_key(reader.config, table)
        before = connector_config.topic_of(_without_transforms(reader.config), self.ends.database, table).topic
        rules = column_rules(
            table,
            self.ends.database,
            columns,
            Stage(reader.name, reader.config, before or topic),
            Stage(writer.name, writer.config, topic),
        )
        for sentence in rules.notes:
            self._say(sentence)
        if columns is None and rules.rename:
            renames = ", ".join(f"{before} to {after}" for before, after in rules.rename.items())
            self._say(f"Columns are renamed on the way ({renames}): take rename out where a table has no such column.")
        if not key:
            back = {after: before for before, after in rules.rename.items()}
            key = tuple(back.get(name, name) for name in connector_config.written_key(writer.config))
        return model.Table(
            name=table.table,
            source=str(table),
            target=written,
            topic=topic,
            key=key or (PLACEHOLDER,),
            # a record's key has the key's columns, whatever becomes of its value
            exclude=tuple(name for name in rules.exclude if name not in key),
            rename=dict(rules.rename),
            target_filter=self._soft_deletes(rules, written, writer),
        )

    def _likely(self, table: TableName, topic: str, writer: Connector) -> Written:
        return connector_config.target_of(
            writer.config,
            None if topic == PLACEHOLDER else topic,
            table,
            self.ends.database,
            engine=self.ends.target.type,
            default_schema=self.ends.written_schema,
        )

    def _target_of(self, table: TableName, topic: str, writer: Connector) -> str:
        likely = self._likely(table, topic, writer)
        existing = self.target.has(likely.table) if likely.table else None
        if existing:
            return str(existing)
        for doubt in likely.doubts:
            self._say(f"{writer.name}: {doubt}")
        if likely.table is None or likely.doubts:
            return PLACEHOLDER
        if self.target.database is not None:
            self._say(f"{table} should arrive at {likely.table}, which does not exist at the target.")
        return str(likely.table)

    def _note_copy(self, other: Connector, table: TableName, topic: str, written: str) -> None:
        class_name = other.config.get("connector.class")
        if class_name not in connector_config.SINKS:
            self._say(f"{topic} is read by {other.name} too ({class_name}): that copy is not compared.")
            return
        likely = self._likely(table, topic, other)
        place = "another table" if likely.table is None else str(likely.table)
        if place == written and not likely.doubts and other in self.pair.writers:
            self._say(f"{topic} is written to {place} by {other.name} too: two sinks write one table.")
        else:
            self._say(
                f"{topic} is written to {place} by {other.name} too, and that copy is not compared: "
                f"a file of its own for it comes from --sink-connector {other.name}."
            )

    def _soft_deletes(self, rules: ColumnRules, written: str, writer: Connector) -> str | None:
        name = rules.deleted
        if name is None:
            return None
        columns = self.target.columns(written)
        if columns is not None and name not in columns:
            self._say(
                f"{written} has no column {name}, although deletes are rewritten: deleted rows cannot be known there."
            )
            return None
        self._say(
            f"Deletes are soft, by the transforms of {writer.name} or of {self.pair.reader.name}: a deleted row stays at the target "
            f"with {name} = 'true'. target_filter leaves such rows out."
        )
        if self.ends.target.type == "sqlserver":
            return f"({name} IS NULL OR {name} <> 'true')"
        return f"{name} IS DISTINCT FROM 'true'"


def _without_transforms(config: Mapping[str, str]) -> dict[str, str]:
    """A configuration as it is before its transforms."""
    return {key: value for key, value in config.items() if key != "transforms"}


def _with_unique_names(tables: list[model.Table]) -> list[model.Table]:
    """Two schemas may have a table of the same name: then both are called by schema and table."""
    names = [table.name for table in tables]
    return [t.model_copy(update={"name": t.source}) if names.count(t.name) > 1 else t for t in tables]
