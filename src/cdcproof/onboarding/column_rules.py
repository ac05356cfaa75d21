"""What becomes of a table's columns and rows between source and target, by the configuration of both connectors. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from cdcproof.clients.connect.java_expressions import UnreadableError, match
from cdcproof.clients.connect.transforms import (
    CHANGES_COLUMNS,
    DROPS_BY_CONDITION,
    DROPS_BY_PREDICATE,
    MASK_FIELD,
    REPLACE_FIELD,
    UNWRAP,
    Config,
    Transform,
    entries,
    steps,
)
from cdcproof.databases.names import TableName

DELETED = "__deleted"
"""The field in which Debezium's rewrite says whether the row was deleted."""
_REWRITES = ("rewrite", "rewrite-with-tombstone")
_ALTERS_VALUES = re.compile(r"column\.(mask|truncate)\.")
_LITERAL_COLUMN = re.compile(r"[\w$ ]+(\\?\.[\w$ ]+)+")


@dataclass(frozen=True)
class Stage:
    """A connector that rows pass, and the name of their topic when they reach its transforms."""

    connector: str
    config: Config
    topic: str


@dataclass
class _Rules:
    """`names` has each column that is known of, under its name at the source, with its name so far."""

    names: dict[str, str]
    all_known: bool
    excluded: dict[str, None] = field(default_factory=dict)
    deleted: str | None = None
    notes: list[str] = field(default_factory=list)

    def exclude(self, name_so_far: str) -> None:
        self.excluded.update(dict.fromkeys(source for source in self._sources(name_so_far)))
        if name_so_far == self.deleted:
            self.deleted = None

    def rename(self, before: str, after: str) -> None:
        for source in self._sources(before):
            self.names[source] = after
        if before == self.deleted:
            self.deleted = after

    def _sources(self, name_so_far: str) -> list[str]:
        """The columns of the source that have this name by now; where they are not known, one of that name is believed."""
        found = [source for source, name in self.names.items() if name == name_so_far]
        if not found and not self.all_known and name_so_far != self.deleted:
            self.names[name_so_far] = name_so_far
            found = [name_so_far]
        return found


@dataclass(frozen=True)
class ColumnRules:
    """What the pipeline file says of a table's columns. `deleted` is the column that marks rows deleted, if one does."""

    exclude: tuple[str, ...]
    rename: Mapping[str, str]
    deleted: str | None
    notes: tuple[str, ...]


def column_rules(
    table: TableName, database: str | None, columns: Collection[str] | None, reader: Stage, writer: Stage
) -> ColumnRules:
    """The rules for one table; `columns` are the source's, None where it could not be asked."""
    rules = _Rules({name: name for name in columns or ()}, all_known=columns is not None)
    names = (str(table), f"{database}.{table}")
    _captured_columns(rules, reader, table, names)
    for stage in (reader, writer):
        for transform, topic in steps(stage.config, stage.topic):
            _transformed(rules, stage, transform, applies=transform.applies_to(topic))
    _written_columns(rules, writer)
    return ColumnRules(
        tuple(rules.excluded),
        {source: name for source, name in rules.names.items() if name != source and source not in rules.excluded},
        rules.deleted,
        tuple(rules.notes),
    )


def _captured_columns(rules: _Rules, reader: Stage, table: TableName, names: tuple[str, ...]) -> None:
    """By the source's lists of columns, whose expressions match ``schema.table.column``."""
    excluded, unclear = _listed(rules, reader.config, ("column.exclude.list", "column.blacklist"), names)
    for name in excluded:
        rules.exclude(name)
    rules.notes += [
        f"{reader.connector}: {one} Write which columns of which tables do not travel as exclude." for one in unclear
    ]
    included_key = next((key for key in ("column.include.list", "column.whitelist") if reader.config.get(key)), None)
    if included_key and rules.all_known:
        included, _ = _listed(rules, reader.config, (included_key,), names)
        for name in set(rules.names) - set(included):
            rules.exclude(name)
    elif included_key:
        rules.notes.append(
            f"{reader.connector}: {included_key} lets only some columns travel: write the others as exclude "
            f"({reader.config[included_key]})."
        )
    for key in sorted(k for k in reader.config if _ALTERS_VALUES.match(k)):
        altered, unclear = _listed(rules, reader.config, (key,), names)
        rules.notes += [f"{reader.connector}: {one}" for one in unclear]
        if altered:
            rules.notes.append(
                f"{table}: {', '.join(altered)} arrives altered ({key} of {reader.connector}), so that its values cannot be equal: "
                "exclude it, if that is meant."
            )


def _listed(rules: _Rules, config: Config, keys: Iterable[str], tables: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The columns of one table that a list names, and a sentence about each entry of which that cannot be said."""
    found: dict[str, None] = {}
    unclear = []
    for key in keys:
        for entry in entries(config.get(key, "")):
            try:
                if rules.all_known:
                    found.update(
                        dict.fromkeys(
                            c for c in rules.names if any(match(entry, f"{t}.{c}", ignore_case=True) for t in tables)
                        )
                    )
                elif _LITERAL_COLUMN.fullmatch(entry):
                    place, _, column = entry.replace("\\.", ".").rpartition(".")
                    if place.lower() in (t.lower() for t in tables):
                        found[column] = None
                else:
                    unclear.append(
                        f"{key} has an expression, {entry}, and the source could not be asked for its columns."
                    )
            except UnreadableError as error:
                unclear.append(f"{key}: {error}.")
    return list(found), unclear


def _transformed(rules: _Rules, stage: Stage, transform: Transform, *, applies: bool | None) -> None:
    if applies is False:
        return
    if applies is None and (transform.class_name in (*UNWRAP, *REPLACE_FIELD)):
        rules.notes.append(
            f"{stage.connector}: {transform.predicate_place} decides on {transform.place}, and is not understood: "
            "check columns, exclude and rename."
        )
        return
    settings = transform.settings
    if transform.class_name in UNWRAP:
        mode = settings.get("delete.tombstone.handling.mode") or settings.get("delete.handling.mode") or ""
        if mode.lower() in _REWRITES:
            rules.deleted = DELETED
    elif transform.class_name in REPLACE_FIELD:
        _replaced(rules, transform)
    elif transform.class_name in MASK_FIELD:
        rules.notes.append(
            f"{stage.connector}: {transform.place} masks {settings.get('fields', '')}, so that the values cannot be equal: "
            "exclude the columns, if that is meant."
        )
    elif transform.class_name in DROPS_BY_CONDITION:
        condition = settings.get(DROPS_BY_CONDITION[transform.class_name], "")
        rules.notes.append(
            f"{stage.connector}: {transform.place} lets only some rows through ({condition}): write that as source_filter, in the "
            "source's SQL."
        )
    elif transform.class_name == DROPS_BY_PREDICATE:
        if applies is None:
            rules.notes.append(
                f"{stage.connector}: {transform.place} drops rows by {transform.predicate_place}, which is not understood: "
                "write a source_filter, if rows of these tables are dropped."
            )
    elif transform.class_name in CHANGES_COLUMNS:
        rules.notes.append(
            f"{stage.connector}: {transform.place} may change columns and their values: check that they can be equal."
        )
    elif not transform.is_known:
        rules.notes.append(f"{stage.connector}: {transform.not_understood}")


def _replaced(rules: _Rules, transform: Transform) -> None:
    """ReplaceField: its lists first, then its renames, as Kafka does it."""
    settings = transform.settings
    if transform.of_key:  # the value has the key's columns too, under their own names
        return
    for name in entries(settings.get("exclude") or settings.get("blacklist") or ""):
        rules.exclude(name)
    _keep_only(rules, entries(settings.get("include") or settings.get("whitelist") or ""), transform.place)
    for pair in entries(settings.get("renames", "")):
        before, colon, after = pair.partition(":")
        if colon:
            rules.rename(before.strip(), after.strip())


def _written_columns(rules: _Rules, writer: Stage) -> None:
    config = writer.config
    for key in ("fields.whitelist", "field.include.list"):
        _keep_only(rules, _fields(config.get(key, ""), writer.topic), f"{writer.connector}: {key}")
    for name in _fields(config.get("field.exclude.list", ""), writer.topic):
        rules.exclude(name)
    for key in ("column.naming.strategy", "field.naming.strategy"):
        if config.get(key) and not config[key].startswith("io.debezium."):
            rules.notes.append(
                f"{writer.connector}: {key} ({config[key]}) is not understood: write rename where names differ."
            )
    deletes = config.get("delete.enabled", "false").lower() == "true"
    if not deletes and rules.deleted is None:
        rules.notes.append(
            f"{writer.connector} does not delete (delete.enabled): rows deleted at the source stay at the target."
        )


def _keep_only(rules: _Rules, kept: list[str], place: str) -> None:
    if not kept:
        return
    if not rules.all_known:
        rules.notes.append(f"{place} lets only these columns through: {', '.join(kept)}. Write the others as exclude.")
        if rules.deleted not in kept:
            rules.deleted = None
        return
    for name in [name for name in rules.names.values() if name not in kept]:
        rules.exclude(name)
    if rules.deleted not in kept:
        rules.deleted = None


def _fields(text: str, topic: str) -> list[str]:
    """The fields of a list whose entries are ``field`` or ``topic:field``."""
    found = []
    for entry in entries(text):
        where, colon, name = entry.rpartition(":")
        if not colon or where == topic:
            found.append(name)
    return found
