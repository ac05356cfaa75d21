"""Which of the connectors on one Connect are one pipeline: a source, the sinks that read its topics, and one database of it. Pure.

What Connect says about topics (`/connectors/NAME/topics`) goes before what the configurations make likely.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cdcproof.clients.connect.client import Connector
from cdcproof.connectors.settings.config import (
    SINKS,
    SOURCES,
    Config,
    databases_of,
    listed_topics,
    literal_tables,
    said,
    sink_address,
    subscribes,
    table_of,
    topic_of,
)
from cdcproof.connectors.settings.jdbc_url import Address
from cdcproof.core.errors import UnexpectedAnswerError, UsageError

_BY_HAND = "Deploy it first, or write the pipeline file by hand: docs/PIPELINE.md has all its keys."


@dataclass(frozen=True)
class Choice:
    """What the operator chooses, each None where there is nothing to choose between."""

    source: str | None = None
    database: str | None = None
    sink: str | None = None


@dataclass(frozen=True)
class Pair:
    """One pipeline. `writers` write to one database, and are one where it was chosen; `copies` are what else reads its topics."""

    reader: Connector
    writers: tuple[Connector, ...]
    copies: tuple[Connector, ...]
    strangers: tuple[Connector, ...]
    """Connectors that have nothing to do with it."""
    topics: tuple[str, ...]
    """Those that the source has written to, as Connect says; empty where it does not."""


def pair(running: Sequence[Connector], topics: Mapping[str, Sequence[str]], choice: Choice, connect_url: str) -> Pair:
    """The pipeline of the chosen source, else of the first whose topics a JDBC sink reads.

    `topics` are Connect's, by connector. Raises `UsageError` for a choice that there is not, `UnexpectedAnswerError` where Connect
    has no source or no sink.
    """
    sources = [c for c in running if c.config.get("connector.class") in SOURCES]
    sinks = [c for c in running if c.config.get("connector.class") in SINKS]
    kinds = {"Debezium source connector for SQL Server or PostgreSQL": sources, "JDBC sink connector": sinks}
    for kind, found in kinds.items():
        if not found:
            listed = ", ".join(f"{c.name} ({c.config.get('connector.class')})" for c in running) or "none at all"
            raise UnexpectedAnswerError(f"Kafka Connect at {connect_url} has no {kind}; it has: {listed}.", _BY_HAND)
    _demand(choice.source, sources, "--source-connector")
    _demand(choice.sink, sinks, "--sink-connector")

    def readers_of(source: Connector) -> list[Connector]:
        return _that_read(running, source, topics)

    def jdbc_of(source: Connector) -> list[Connector]:
        return [c for c in readers_of(source) if c in sinks]

    candidates = [c for c in sources if choice.source in (None, c.name)]
    of_sink = [c for c in candidates if choice.sink and any(s.name == choice.sink for s in jdbc_of(c))]
    reader = next(iter(of_sink), None) or next((c for c in candidates if jdbc_of(c)), candidates[0])
    others = {c.name for source in sources if source is not reader for c in (source, *readers_of(source))}
    ours = readers_of(reader) or [c for c in sinks if c.name not in others]
    jdbc = sorted((c for c in ours if c in sinks), key=lambda c: c.name != choice.sink)
    writers = jdbc[:1] if choice.sink else [c for c in jdbc if _place(c.config) == _place(jdbc[0].config)]
    return Pair(
        reader,
        tuple(writers),
        tuple(c for c in ours if c not in writers),
        tuple(c for c in running if c is not reader and c not in ours),
        tuple(topics.get(reader.name, ())),
    )


def target_address(config: Config) -> Address:
    """Where a sink writes. Of a URL that is not in clear nothing is known, and its kind is that of the dialect, else PostgreSQL."""
    found = sink_address(config)
    if found is not None:
        return found
    dialect = (config.get("dialect.name") or config.get("hibernate.dialect") or "postgres").lower()
    url = (
        "jdbc:sqlserver://${unknown};databaseName=${unknown}"
        if "sqlserver" in dialect
        else "jdbc:postgresql://${unknown}/${unknown}"
    )
    return sink_address({**config, "connection.url": url}) or Address("postgresql", None, 5432, None, None, "public")


def database_of(pair: Pair, asked: str | None) -> tuple[str | None, tuple[str, ...]]:
    """The source's database, and the others that the same connector captures. Raises `UsageError` for one that it does not."""
    listed = databases_of(pair.reader.config)
    if not listed and "database.names" in pair.reader.config:  # a reference: the topics have the names
        found = (table_of(pair.reader.config, topic) for topic in pair.topics)
        listed = tuple(dict.fromkeys(database for one in found if one and (database := one[0])))
    if asked and listed and asked not in listed:
        raise UsageError(
            f"--source-database: {pair.reader.name} does not capture {asked}; it captures {', '.join(listed)}.",
            "Name one of these.",
        )
    chosen = asked or next(iter(listed), None)
    return chosen, tuple(name for name in listed if name != chosen)


def _that_read(running: Iterable[Connector], source: Connector, topics: Mapping[str, Sequence[str]]) -> list[Connector]:
    """The sinks that read what the source writes, JDBC or not."""
    published = _published(source, topics.get(source.name, ()))
    prefix = said(source.config, "topic.prefix", "database.server.name")
    found = []
    for connector in running:
        config = connector.config
        if connector.kind != "sink":
            continue
        consumed = {*listed_topics(config), *topics.get(connector.name, ())}
        if (
            any(subscribes(config, topic) for topic in published)
            or consumed & published
            or (
                not published
                and prefix
                and any(topic.startswith(f"{prefix}.") for topic in (*consumed, _begin(config)))
            )
        ):
            found.append(connector)
    return found


def _published(source: Connector, topics: Sequence[str]) -> set[str]:
    """The topics of a source's tables: Connect's, beside those that its configuration makes likely."""
    config = source.config
    databases: tuple[str | None, ...] = databases_of(config) or (None,)
    likely = (
        topic_of(config, database, table).topic for database in databases for table in literal_tables(config) or ()
    )
    return {*topics, *(topic for topic in likely if topic)}


def _begin(config: Config) -> str:
    """What the topics of `topics.regex` begin with, as far as the expression is plain text."""
    return re.sub(r"\\([.-])", r"\1", config.get("topics.regex", ""))


def _place(config: Config) -> tuple[object, ...]:
    address = sink_address(config)
    if address is None or address.host is None:
        return (config.get("connection.url", "").partition("?")[0],)
    return (address.host, address.port, address.database)


def _demand(name: str | None, among: Sequence[Connector], flag: str) -> None:
    if name and name not in [c.name for c in among]:
        raise UsageError(
            f"{flag}: Kafka Connect has no such connector, {name}; it has {', '.join(c.name for c in among)}.",
            "Name one of these.",
        )
