"""Find the replicated tables: what the source connector captures, under which topic, and where the sink writes it."""

from __future__ import annotations

from collections.abc import Iterable

from cdcproof import pipeline as model
from cdcproof.clients.connect import Connect, Connector
from cdcproof.databases import connect as open_database
from cdcproof.databases.base import TableName
from cdcproof.errors import CdcproofError, CouldNotLookError, UnexpectedAnswerError
from cdcproof.operations import connector_config
from cdcproof.operations.addresses import Note
from cdcproof.pipeline import PLACEHOLDER


def find_tables(
    connect: Connect,
    reader: Connector,
    writers: Iterable[Connector],
    *,
    source: model.Database,
    target: model.Database,
    written_schema: str,
    note: Note,
) -> tuple[model.Table, ...]:
    """The tables that `reader` captures and one of `writers` writes; `written_schema` is where it does by default.

    The databases are asked when their passwords are in the environment. Raises `UnexpectedAnswerError` for none.
    """
    captured, keys = _captured(connect, reader, source, note)
    at_target = _tables_at_target(target, note)
    tables = []
    for table in captured:
        topic = connector_config.topic_of(reader.config, source.database, table)
        writer = next((w for w in writers if connector_config.reads(w.config, topic)), None)
        if writer is None:
            note("tables", f"No JDBC sink reads {topic}: {table} is captured, but left out here.")
            continue
        written = connector_config.target_of(
            writer.config, topic, table, source.database, engine=target.type, default_schema=written_schema
        )
        written = _as_it_exists(written, at_target)
        if at_target and written not in at_target:
            note("tables", f"{table} should arrive at {written}, which does not exist at the target.")
        key = keys.get(table) or connector_config.message_key(reader.config, table)
        tables.append(
            model.Table(
                name=table.table,
                source=str(table),
                target=str(written),
                topic=topic,
                key=key or (PLACEHOLDER,),
            )
        )
    if not tables:
        raise UnexpectedAnswerError(
            f"No table could be found that {reader.name} captures and a JDBC sink writes.",
            f"Set the environment variable {source.password_env} so that the source can be asked for its tables, "
            "or write the pipeline file by hand: docs/PIPELINE.md has all its keys.",
        )
    unknown = [table.source for table in tables if table.key == (PLACEHOLDER,)]
    if unknown:
        note("tables", f"Write the columns of the keys that could not be learned: of {', '.join(unknown)}.")
    return tuple(_with_unique_names(tables))


def _captured(
    connect: Connect, reader: Connector, source: model.Database, note: Note
) -> tuple[tuple[TableName, ...], dict[TableName, tuple[str, ...]]]:
    """The captured tables, and the primary keys of those that the source could be asked for."""
    tables = connector_config.literal_tables(reader.config)
    keys: dict[TableName, tuple[str, ...]] = {}
    try:
        with open_database(source) as database:
            if tables is None:
                everything = database.captured_tables()
                tables = tuple(
                    t for t in sorted(everything) if connector_config.captures(reader.config, source.database, t)
                )
            keys = {table: database.primary_key(table) for table in tables}
    except CdcproofError as error:
        note("tables", f"The source could not be asked for its tables' primary keys: {error.message}")
    if tables is None:
        tables = _tables_from_topics(connect, reader, note)
    return tables, keys


def _tables_from_topics(connect: Connect, reader: Connector, note: Note) -> tuple[TableName, ...]:
    note("tables", "The tables are those that had a topic when this file was written: check that none is missing.")
    try:
        topics = connect.topics(reader.name)
    except CouldNotLookError as error:
        note("tables", f"Connect does not tell the topics of {reader.name}: {error.message}")
        return ()
    found = (connector_config.table_of(reader.config, topic) for topic in topics)
    return tuple(dict.fromkeys(table for table in found if table is not None))


def _tables_at_target(target: model.Database, note: Note) -> frozenset[TableName]:
    try:
        with open_database(target) as database:
            return database.tables(target.schema_name)
    except CdcproofError as error:
        note("tables", f"The target could not be asked for its tables: {error.message}")
        return frozenset()


def _as_it_exists(name: TableName, existing: frozenset[TableName]) -> TableName:
    """The table of that name, else the only one that differs in case alone."""
    alike = [t for t in existing if str(t).lower() == str(name).lower()]
    return alike[0] if name not in existing and len(alike) == 1 else name


def _with_unique_names(tables: list[model.Table]) -> list[model.Table]:
    """Two schemas may have a table of the same name: then both are called by schema and table."""
    names = [table.name for table in tables]
    return [t.model_copy(update={"name": t.source}) if names.count(t.name) > 1 else t for t in tables]
