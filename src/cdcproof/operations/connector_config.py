"""What a connector's configuration says about databases, tables and topics. Pure: nothing is asked here.

Facts about the keys are from Debezium's and Confluent's public documentation. Debezium's lists hold regular
expressions that must match the whole name, whatever its case; Java's and Python's expressions are close enough for
the names of tables, and one that Python cannot read matches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from cdcproof.databases.base import TableName
from cdcproof.engines import DEFAULT_PORTS, DEFAULT_SCHEMAS, Engine
from cdcproof.pipeline import group_of

Config = Mapping[str, str]

SOURCES: dict[str, Engine] = {
    "io.debezium.connector.sqlserver.SqlServerConnector": "sqlserver",
    "io.debezium.connector.postgresql.PostgresConnector": "postgresql",
}
DEBEZIUM_SINK = "io.debezium.connector.jdbc.JdbcSinkConnector"
SINKS = (DEBEZIUM_SINK, "io.confluent.connect.jdbc.JdbcSinkConnector")
_LITERAL_NAME = re.compile(r"[\w$ ]+(\\?\.[\w$ ]+)+")
_ROUTERS = {
    "org.apache.kafka.connect.transforms.RegexRouter": ("regex", "replacement"),
    "io.debezium.transforms.ByLogicalTableRouter": ("topic.regex", "topic.replacement"),
}


@dataclass(frozen=True)
class Address:
    """A database as a connector reaches it. None for what the configuration does not say in clear."""

    engine: Engine
    host: str | None
    port: int
    database: str | None
    user: str | None
    schema: str
    publication: str | None = None
    slot: str | None = None
    encrypt: bool = True
    trust_server_certificate: bool = False


def said(config: Config, *keys: str) -> str | None:
    """The value of the first of `keys` that is there; None also for a reference that only the worker can resolve."""
    text = next((config[key].strip() for key in keys if config.get(key, "").strip()), None)
    return None if text is None or "${" in text else text


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
    names = said(config, "database.names", "database.dbname") or ""
    port = said(config, "database.port")
    return Address(
        engine=engine,
        host=said(config, "database.hostname"),
        port=int(port) if port and port.isdigit() else DEFAULT_PORTS[engine],
        database=names.split(",")[0].strip() or None,
        user=said(config, "database.user"),
        schema=DEFAULT_SCHEMAS[engine],
        publication=(said(config, "publication.name") or "dbz_publication") if engine == "postgresql" else None,
        slot=(said(config, "slot.name") or "debezium") if engine == "postgresql" else None,
        encrypt=(said(config, "database.encrypt", "driver.encrypt") or "true") != "false",
        trust_server_certificate=said(config, "database.trustServerCertificate", "driver.trustServerCertificate")
        == "true",
    )


def sink_address(config: Config) -> Address | None:
    """The database that a JDBC sink writes; None for another class, another database, or an address not in clear."""
    if config.get("connector.class") not in SINKS:
        return None
    jdbc = said(config, "connection.url") or ""
    user = said(config, "connection.username", "connection.user")
    if jdbc.startswith("jdbc:postgresql:"):
        return _postgresql_address(jdbc, user)
    if jdbc.startswith("jdbc:sqlserver:"):
        return _sqlserver_address(jdbc, user)
    return None


def topic_of(config: Config, database: str | None, table: TableName) -> str:
    """The topic to which a Debezium source writes a table, its routing transforms applied."""
    prefix = said(config, "topic.prefix", "database.server.name") or ""
    # With several databases possible (database.names) Debezium puts the database into the name.
    middle = [database] if "database.names" in config and database else []
    return routed(config, ".".join([prefix, *middle, table.schema, table.table]))


def table_of(config: Config, topic: str) -> TableName | None:
    """The source's table that a topic is of, read from its name; None where the name does not tell."""
    prefix = said(config, "topic.prefix", "database.server.name") or ""
    rest = topic.removeprefix(f"{prefix}.").split(".")
    depth = 3 if "database.names" in config else 2
    if not topic.startswith(f"{prefix}.") or len(rest) != depth or _router_names(config):
        return None
    return TableName(rest[-2], rest[-1])


def routed(config: Config, topic: str) -> str:
    """The topic's name after the transforms of this connector that change it."""
    for name in _router_names(config):
        regex, replacement = (
            config.get(f"transforms.{name}.{key}", "") for key in _ROUTERS[config[f"transforms.{name}.type"]]
        )
        match = _matches(regex, topic, ignore_case=False)
        if match:
            topic = match.expand(re.sub(r"\$(?:(\d+)|\{(\w+)\})", r"\\g<\1\2>", replacement))
    return topic


def reads(config: Config, topic: str) -> bool:
    """Whether a sink reads a topic, by its `topics` or `topics.regex`."""
    if config.get("topics.regex"):
        return _matches(config["topics.regex"], topic, ignore_case=False) is not None
    return topic in _entries(config.get("topics", ""))


def listed_topics(config: Config) -> tuple[str, ...]:
    """The topics that a sink names; none where it reads by `topics.regex`."""
    return tuple(_entries(config.get("topics", "")))


def literal_tables(config: Config) -> tuple[TableName, ...] | None:
    """The tables of `table.include.list`, in its order; None when it is absent or holds expressions."""
    entries = _entries(config.get("table.include.list") or config.get("table.whitelist") or "")
    if not entries or not all(_LITERAL_NAME.fullmatch(entry) for entry in entries):
        return None
    names = [entry.replace("\\.", ".").split(".") for entry in entries]
    tables = [TableName(parts[-2], parts[-1]) for parts in names]
    return tuple(table for table in tables if str(table) != _signal_table(config))


def captures(config: Config, database: str | None, table: TableName) -> bool:
    """Whether the source's include and exclude lists let a table through."""

    def listed(key: str, *names: str) -> bool | None:
        entries = _entries(config.get(key, ""))
        return any(_matches(entry, name) for entry in entries for name in names) if entries else None

    names = (str(table), f"{database}.{table}")
    return (
        str(table) != _signal_table(config)
        and listed("schema.include.list", table.schema) is not False
        and listed("schema.exclude.list", table.schema) is not True
        and listed("table.include.list", *names) is not False
        and listed("table.exclude.list", *names) is not True
    )


def message_key(config: Config, table: TableName) -> tuple[str, ...]:
    """The columns that `message.key.columns` makes the key of a table; empty when it says nothing about it."""
    for entry in (config.get("message.key.columns") or "").split(";"):
        name, _, columns = entry.strip().rpartition(":")
        if name and _matches(name, str(table)):
            return tuple(_entries(columns))
    return ()


def target_of(
    config: Config, topic: str, source: TableName, database: str | None, *, engine: Engine, default_schema: str
) -> TableName:
    """The table to which a JDBC sink writes a topic's records, `source` being where they come from."""
    topic = routed(config, topic)
    is_debezium = config.get("connector.class") == DEBEZIUM_SINK
    name = config.get("collection.name.format") or config.get("table.name.format") or "${topic}"
    for variable, value in {
        "${topic}": topic.replace(".", "_") if is_debezium else topic,
        "${source.db}": database or "",
        "${source.schema}": source.schema,
        "${source.table}": source.table,
    }.items():
        name = name.replace(variable, value)
    *before, table = name.split(".")
    schema = before[-1] if before else default_schema
    if is_debezium and engine == "postgresql" and config.get("quote.identifiers") != "true":
        schema, table = schema.lower(), table.lower()  # PostgreSQL folds names that are not quoted
    return TableName(schema, table)


def _postgresql_address(jdbc: str, user: str | None) -> Address:
    parts = urlsplit(jdbc.removeprefix("jdbc:"))
    query = parse_qs(parts.query)
    host, _, port = parts.netloc.rpartition("@")[2].split(",")[0].partition(":")
    return Address(
        engine="postgresql",
        host=host or None,
        port=int(port) if port.isdigit() else DEFAULT_PORTS["postgresql"],
        database=parts.path.lstrip("/") or None,
        user=user or query.get("user", [None])[0],
        schema=query.get("currentSchema", [DEFAULT_SCHEMAS["postgresql"]])[0].split(",")[0],
    )


def _sqlserver_address(jdbc: str, user: str | None) -> Address:
    server, *settings = jdbc.removeprefix("jdbc:sqlserver://").split(";")
    options = {k.strip().lower(): v.strip() for k, _, v in (setting.partition("=") for setting in settings)}
    host, _, port = server.partition("\\")[0].partition(":")
    port = port or server.rpartition(":")[2]
    return Address(
        engine="sqlserver",
        host=host or options.get("servername") or None,
        port=int(port) if port.isdigit() else int(options.get("portnumber", DEFAULT_PORTS["sqlserver"])),
        database=options.get("databasename") or options.get("database") or None,
        user=user or options.get("user"),
        schema=DEFAULT_SCHEMAS["sqlserver"],
        encrypt=options.get("encrypt", "true") != "false",
        trust_server_certificate=options.get("trustservercertificate") == "true",
    )


def _router_names(config: Config) -> list[str]:
    return [n for n in _entries(config.get("transforms", "")) if config.get(f"transforms.{n}.type") in _ROUTERS]


def _signal_table(config: Config) -> str:
    return ".".join(config.get("signal.data.collection", "").split(".")[-2:])


def _entries(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def _matches(regex: str, name: str, *, ignore_case: bool = True) -> re.Match[str] | None:
    try:
        return re.fullmatch(regex, name, re.IGNORECASE if ignore_case else 0)
    except re.error:
        return None
