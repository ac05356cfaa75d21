"""What a connector's configuration says about databases, tables and topics. Pure: nothing is asked here.

Facts about the keys are from Debezium's and Confluent's public documentation. Debezium's lists hold regular
expressions that must match the whole name, whatever its case. What is not understood is named in a doubt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cdcproof.clients.connect.java_expressions import UnreadableError, match
from cdcproof.clients.connect.transforms import Route, entries, route
from cdcproof.connectors.settings import jdbc_url
from cdcproof.connectors.settings.jdbc_url import Address
from cdcproof.databases.names import TableName
from cdcproof.pipeline.engines import DEFAULT_PORTS, DEFAULT_SCHEMAS, Engine
from cdcproof.pipeline.model import group_of

Config = Mapping[str, str]

SOURCES: dict[str, Engine] = {
    "io.debezium.connector.sqlserver.SqlServerConnector": "sqlserver",
    "io.debezium.connector.postgresql.PostgresConnector": "postgresql",
}
DEBEZIUM_SINK = "io.debezium.connector.jdbc.JdbcSinkConnector"
SINKS = (
    DEBEZIUM_SINK,
    "io.confluent.connect.jdbc.JdbcSinkConnector",
    "io.aiven.connect.jdbc.JdbcSinkConnector",
)
_LITERAL_NAME = re.compile(r"[\w$ ]+(\\?\.[\w$ ]+)+")
_NO_TOPIC_CHARACTER = re.compile(r"[^A-Za-z0-9._-]")
_PLAIN_TOPICS = ("io.debezium.schema.SchemaTopicNamingStrategy", "io.debezium.schema.DefaultTopicNamingStrategy")
_GREATEST_PORT = 65_535


def said(config: Config, *keys: str) -> str | None:
    """The value of the first of `keys` that is there; None also for a reference that only the worker can resolve."""
    text = written(config, *keys)
    return None if text is None or "${" in text else text


def written(config: Config, *keys: str) -> str | None:
    """The value of the first of `keys` that is there, references as they stand."""
    return next((config[key].strip() for key in keys if config.get(key, "").strip()), None)


def own_group(config: Config) -> str | None:
    """The consumer group that a sink's configuration names; None where it leaves that to Connect."""
    return said(config, "consumer.override.group.id")


def consumer_group(name: str, config: Config) -> str:
    """The group that a sink consumes with."""
    return own_group(config) or group_of(name)


def source_address(config: Config) -> Address | None:
    """The database that a Debezium SQL Server or PostgreSQL connector reads; None for any other class."""
    engine = SOURCES.get(config.get("connector.class", ""))
    if engine is None:
        return None
    port = written(config, "database.port") or ""
    is_port = port.isdecimal() and 0 < int(port) <= _GREATEST_PORT
    usual = DEFAULT_PORTS[engine]
    doubt = f"database.port is not in clear: write the port here; {usual} stands here because it is the usual one."
    return Address(
        engine=engine,
        host=said(config, "database.hostname"),
        port=int(port) if is_port else usual,
        database=next(iter(databases_of(config)), None),
        user=said(config, "database.user"),
        schema=DEFAULT_SCHEMAS[engine],
        publication=(said(config, "publication.name") or "dbz_publication") if engine == "postgresql" else None,
        slot=(said(config, "slot.name") or "debezium") if engine == "postgresql" else None,
        encrypt=(said(config, "database.encrypt", "driver.encrypt") or "true") != "false",
        trust_server_certificate=said(config, "database.trustServerCertificate", "driver.trustServerCertificate")
        == "true",
        multi_subnet_failover=said(config, "database.multiSubnetFailover", "driver.multiSubnetFailover") == "true",
        doubts=(doubt,) if port and not is_port else (),
    )


def databases_of(config: Config) -> tuple[str, ...]:
    """The databases that a source captures; none where the configuration does not say them in clear."""
    return tuple(entries(said(config, "database.names", "database.dbname") or ""))


def sink_address(config: Config) -> Address | None:
    """The database that a JDBC sink writes; None for another class, another database, or a URL of which nothing is in clear."""
    if config.get("connector.class") not in SINKS:
        return None
    return jdbc_url.read(
        written(config, "connection.url") or "", said(config, "connection.username", "connection.user")
    )


def topic_of(config: Config, database: str | None, table: TableName) -> Route:
    """The topic to which a Debezium source writes a table, its transforms applied; None where part of it is not in clear."""
    prefix = said(config, "topic.prefix", "database.server.name")
    if prefix is None:
        return Route(None, ("topic.prefix is not in clear.",))
    if "database.names" in config and database is None:
        return Route(None, ("database.names is not in clear.",))
    delimiter = config.get("topic.delimiter") or "."
    # With several databases possible (database.names) Debezium puts the database into the name.
    middle = [database] if "database.names" in config and database else []
    plain = sanitized(delimiter.join([prefix, *middle, table.schema, table.table]))
    strategy = config.get("topic.naming.strategy") or _PLAIN_TOPICS[0]
    doubts = () if strategy in _PLAIN_TOPICS else (f"topic.naming.strategy ({strategy}) is not understood.",)
    found = route(config, plain)
    return Route(found.topic, (*doubts, *found.doubts))


def sanitized(name: str) -> str:
    """A topic's name as Debezium writes it: what a topic cannot have becomes ``_``."""
    return _NO_TOPIC_CHARACTER.sub("_", name)


def table_of(config: Config, topic: str) -> tuple[str | None, TableName] | None:
    """The database, where the topic's name has it, and the table that a topic is of; None where the name does not say."""
    prefix = said(config, "topic.prefix", "database.server.name")
    depth = 3 if "database.names" in config else 2
    if prefix is None:
        parts = topic.split(".")
        parts = parts[-depth:] if len(parts) > depth else []
    else:
        parts = topic.removeprefix(f"{prefix}.").split(".") if topic.startswith(f"{prefix}.") else []
    if len(parts) != depth or route(config, topic) != Route(topic):
        return None
    return (parts[0] if depth == 3 else None), TableName(parts[-2], parts[-1])


def subscribes(config: Config, topic: str) -> bool | None:
    """Whether a sink reads a topic, by its `topics` or `topics.regex`; None where that cannot be read."""
    expression = config.get("topics.regex")
    if not expression:
        listed = config.get("topics", "")
        return topic in entries(listed) or (None if "${" in listed else False)
    try:
        return match(expression, topic) is not None
    except UnreadableError:
        return None


def reads(config: Config, topic: str) -> bool:
    """Whether a sink is known to read a topic."""
    return subscribes(config, topic) is True


def listed_topics(config: Config) -> tuple[str, ...]:
    """The topics that a sink names; none where it reads by `topics.regex`."""
    return tuple(entries(config.get("topics", "")))


def literal_tables(config: Config) -> tuple[TableName, ...] | None:
    """The tables of `table.include.list`, in its order; None when it is absent or holds expressions."""
    listed = entries(config.get("table.include.list") or config.get("table.whitelist") or "")
    if not listed or not all(_LITERAL_NAME.fullmatch(entry) for entry in listed):
        return None
    names = [entry.replace("\\.", ".").split(".") for entry in listed]
    tables = [TableName(parts[-2], parts[-1]) for parts in names]
    return tuple(table for table in dict.fromkeys(tables) if str(table) != _signal_table(config))


def captures(config: Config, database: str | None, table: TableName) -> bool:
    """Whether the source's include and exclude lists let a table through."""
    return not left_out_by(config, database, table)


def left_out_by(config: Config, database: str | None, table: TableName) -> str:
    """The setting of a source that keeps a table out of its topics; empty where none does."""

    def listed(key: str, old_key: str, *names: str) -> bool | None:
        found = entries(config.get(key) or config.get(old_key) or "")
        return any(_matches(entry, name) for entry in found for name in names) if found else None

    names = (str(table), f"{database}.{table}")
    if str(table) == _signal_table(config):
        return "signal.data.collection"
    lists = (
        ("schema.include.list", "schema.whitelist", False, (table.schema,)),
        ("schema.exclude.list", "schema.blacklist", True, (table.schema,)),
        ("table.include.list", "table.whitelist", False, names),
        ("table.exclude.list", "table.blacklist", True, names),
    )
    for key, old_key, leaves_out, of in lists:
        if listed(key, old_key, *of) is leaves_out:
            return key if config.get(key) else old_key
    return ""


def unreadable(config: Config) -> tuple[str, ...]:
    """A sentence for each expression, in the lists of tables and topics, that is not read here."""
    lists = [
        (key, entry)
        for key in sorted(config)
        if re.fullmatch(r"(schema|table)\.(include\.list|exclude\.list|whitelist|blacklist)", key)
        for entry in entries(config[key])
    ]
    found = []
    for key, expression in [
        *lists,
        *([("topics.regex", config["topics.regex"])] if config.get("topics.regex") else []),
    ]:
        try:
            match(expression, "")
        except UnreadableError as error:
            found.append(f"{key}: {error}.")
    return tuple(found)


def message_key(config: Config, table: TableName) -> tuple[str, ...]:
    """The columns that `message.key.columns` makes the key of a table; empty when it says nothing about it."""
    for entry in (config.get("message.key.columns") or "").split(";"):
        name, _, columns = entry.strip().rpartition(":")
        if name and _matches(name, str(table)):
            return tuple(entries(columns))
    return ()


@dataclass(frozen=True)
class Written:
    """The table that a sink writes; None where its name is not known. `doubts` say why it may be another."""

    table: TableName | None
    doubts: tuple[str, ...] = ()


def target_of(
    config: Config, topic: str | None, source: TableName, database: str | None, *, engine: Engine, default_schema: str
) -> Written:
    """The table to which a JDBC sink writes a topic's records, `source` being where they come from."""
    found = Route(None) if topic is None else route(config, topic)
    doubts = [*found.doubts]
    doubts += [
        f"{key} ({config[key]}) is not understood: it may change the names of tables."
        for key in ("collection.naming.strategy", "table.naming.strategy")
        if config.get(key) and not config[key].startswith("io.debezium.")
    ]
    is_debezium = config.get("connector.class") == DEBEZIUM_SINK
    name = config.get("collection.name.format") or config.get("table.name.format") or "${topic}"
    if topic is None and "${topic}" in name:
        return Written(None, tuple(doubts))
    for variable, value in {
        "${topic}": (found.topic or "").replace(".", "_") if is_debezium else found.topic or "",
        "${source.db}": database or "",
        "${source.schema}": source.schema,
        "${source.table}": source.table,
    }.items():
        name = name.replace(variable, value)
    if "${" in name:
        return Written(
            None, (*doubts, f"The format of the tables' names, {name}, has a variable that is not understood.")
        )
    *before, table = name.replace('"', "").split(".")
    if len(before) > 2 and not is_debezium and not doubts:
        doubts.append(f"{name} has too many parts for a table's name.")
    schema = before[-1] if before else default_schema
    if not (schema and table):
        return Written(None, (*doubts, f"{name!r} is no table's name."))
    if is_debezium and engine == "postgresql" and config.get("quote.identifiers") != "true":
        schema, table = schema.lower(), table.lower()  # PostgreSQL folds names that are not quoted
    return Written(TableName(schema, table), tuple(doubts))


def written_key(config: Config) -> tuple[str, ...]:
    """The key's columns that a sink's configuration names; empty where it leaves them to the records."""
    mode = (config.get("pk.mode") or config.get("primary.key.mode") or "").lower()
    if mode not in ("record_key", "record_value"):
        return ()
    return tuple(entries(said(config, "pk.fields", "primary.key.fields") or ""))


def _signal_table(config: Config) -> str:
    return ".".join(config.get("signal.data.collection", "").split(".")[-2:])


def _matches(expression: str, name: str) -> bool:
    try:
        return match(expression, name, ignore_case=True) is not None
    except UnreadableError:
        return False
