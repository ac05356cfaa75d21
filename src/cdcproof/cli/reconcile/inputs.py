"""What `reconcile` is asked to compare: by the runbook's flags, or by a pipeline file."""

# ruff: noqa: PLC0415  what only a pipeline file needs: see tests/test_layers.py
from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cdcproof.cli.options import open_pipeline
from cdcproof.core.errors import UsageError
from cdcproof.core.secrets import Secret, from_environment
from cdcproof.databases.connections import connect, password_of
from cdcproof.databases.names import TableName
from cdcproof.pipeline.engines import DEFAULT_PORTS, DEFAULT_SCHEMAS, DatabaseAddress, Engine
from cdcproof.reconcile.comparison import Comparison
from cdcproof.reconcile.concurrency import Stop
from cdcproof.reconcile.engine import KEY_LIMIT, Endpoint
from cdcproof.reconcile.in_flight.fence import Fence
from cdcproof.reconcile.in_flight.timer_fence import TimerFence
from cdcproof.reconcile.plan.columns import TablePair

if TYPE_CHECKING:
    from cdcproof.pipeline import model as pipeline
    from cdcproof.pipeline.model import HttpService
    from cdcproof.reconcile.scrub.scrub import Feed

DEFAULT_PASSWORD_VARIABLES = {"sqlserver": "SQLSERVER_PASSWORD", "postgresql": "POSTGRES_PASSWORD"}
DEFAULT_DIRECTORY = Path("reconciliation_reports")
DEFAULT_SETTLE_SECONDS = 10.0
STATEMENT_TIMEOUT_SECONDS = 3600.0
_SIDES = ("source", "target")
_REQUIRED = ("type", "host", "database", "user")
_WHERE = {"where": _SIDES, "source_where": ("source",), "target_where": ("target",)}
_OPTIONAL = ("port", "schema", "password", "password_env")


@dataclass(frozen=True)
class Inputs:
    """Two sides, the tables, the fence, and where reports go."""

    source: Endpoint
    target: Endpoint
    tables: tuple[TablePair, ...]
    fence: Callable[[TablePair], Fence]
    fence_method: str
    directory: Path
    feed: Feed | None
    """The change feed of a scrub, which shows the rows that were written."""
    proof_age_hours: float | None
    """By the pipeline file's threshold; None where there is no file."""
    pipeline: str = ""
    """The pipeline file's name of it; empty where there is no file."""
    put_aside: Callable[[], tuple[str, ...]] = tuple
    """Sentences about records that a sink put aside, which may be what is missing."""
    contents_compared: Callable[[Path], tuple[str, ...]] = lambda _: ()
    """What the reports of a directory say of contents, for a run that only counts rows."""
    pushgateway: HttpService | None = None
    history_keep_days: float = 0.0
    """By the pipeline file's threshold; of no use where there is no file."""
    statement_timeout_seconds: float = STATEMENT_TIMEOUT_SECONDS


@dataclass(frozen=True, kw_only=True)
class GivenDatabase:
    """A database that flags name. Implements `engines.DatabaseAddress`."""

    type: Engine
    host: str
    port: int
    database: str
    user: str
    schema_name: str
    password_env: str
    trust_server_certificate: bool
    publication: None = None
    slot: None = None
    encrypt: None = None
    ca_file: None = None
    host_name_in_certificate: None = None
    authentication: None = None
    multi_subnet_failover: bool = False


def read(arguments: argparse.Namespace) -> Inputs:
    """Read the flags, or the pipeline file. Raises `UsageError` for whatever is missing, unknown or contradictory."""
    given = [
        f"--{side}-{name.replace('_', '-')}"
        for side in _SIDES
        for name in (*_REQUIRED, *_OPTIONAL)
        if getattr(arguments, f"{side}_{name}") is not None
    ]
    of_flags = [flag for flag in ("exclude", *_WHERE) if getattr(arguments, flag)]
    if of_flags and not given:
        keys = "exclude" if of_flags[0] == "exclude" else "source_filter and target_filter"
        raise UsageError(
            f"--{of_flags[0].replace('_', '-')} is for databases that flags name.",
            f"With a pipeline file, write {keys} into the table's section: every check then goes by it.",
        )
    if given and (arguments.pipeline or arguments.env):
        raise UsageError(
            f"{given[0]} and {'--pipeline' if arguments.pipeline else '--env'} exclude each other.",
            "Name the databases by flags, or a pipeline file that knows them.",
        )
    return _from_flags(arguments) if given else _from_pipeline(arguments)


@contextmanager
def comparing(arguments: argparse.Namespace, table: str) -> Iterator[Comparison]:
    """Both sides of one table of the pipeline file, open. Raises `UsageError` for a table that it does not have."""
    arguments.tables = table
    inputs = _from_pipeline(arguments)
    with inputs.source.open() as source, inputs.target.open() as target:
        yield Comparison(
            inputs.tables[0],
            inputs.source.side(source),
            inputs.target.side(target),
            inputs.fence(inputs.tables[0]),
            KEY_LIMIT,
            lambda *_: None,
            Stop(),
        )


def demand_writable(directory: Path) -> None:
    """Make the directory of the reports. Raises `UsageError` before hours of work are lost to a missing permission."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"The report's directory {directory} cannot be made: {error.strerror}.", "Name one with --output-dir."
        ) from None
    if not os.access(directory, os.W_OK):
        raise UsageError(f"The report's directory {directory} may not be written to.", "Name one with --output-dir.")


def _from_flags(arguments: argparse.Namespace) -> Inputs:
    missing = [f"--{s}-{n}" for s in _SIDES for n in _REQUIRED if not getattr(arguments, f"{s}_{n}")]
    if arguments.tables is None:
        missing.append("--tables")
    if missing:
        raise UsageError(f"Missing: {' '.join(missing)}", "See --help for an example.")
    names = names_of(arguments.tables)
    dotted = [name for name in names if "." in name]
    if dotted:
        raise UsageError(
            f"--tables {','.join(dotted)}: give names without a schema.",
            "Name the schemas by --source-schema and --target-schema. Tables of several schemas, or with another name at the target, need a pipeline file: cdcproof new .",
        )
    source, target = (_database(arguments, side) for side in _SIDES)
    places = [(d.type, d.host, d.port, d.database, d.schema_name) for d in (source, target)]
    if places[0] == places[1]:
        raise UsageError("Source and target are the same schema of the same database: that would always match.")
    excluded, filters = excluded_of(arguments.exclude or (), names), _filters(arguments, names)
    fence = _timer(arguments)
    return Inputs(
        _endpoint(source, _password(arguments, "source", source), arguments.statement_timeout),
        _endpoint(target, _password(arguments, "target", target), arguments.statement_timeout),
        tuple(
            TablePair(
                name,
                TableName(source.schema_name, name),
                TableName(target.schema_name, name),
                exclude=excluded.get(name, ()),
                source_filter=filters["source"].get(name, ""),
                target_filter=filters["target"].get(name, ""),
                by_flags=True,
            )
            for name in names
        ),
        lambda _: fence,
        f"timer: {fence.seconds:g} s",
        DEFAULT_DIRECTORY,
        None,
        None,
        statement_timeout_seconds=arguments.statement_timeout,
    )


def excluded_of(given: Sequence[str], tables: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Table to the columns that `--exclude` names. Raises `UsageError` for what is no TABLE.COLUMN of the tables compared."""
    found: dict[str, tuple[str, ...]] = {}
    for word in (word.strip() for text in given for word in text.split(",")):
        table, dot, column = word.partition(".")
        if not (table and dot and column) or table not in tables:
            raise UsageError(
                f"--exclude {word}: not a column of a table that is compared.",
                f"Write TABLE.COLUMN, several with commas between. The tables: {', '.join(tables)}",
            )
        if column in found.get(table, ()):
            raise UsageError(f"--exclude: {word} is named twice.")
        found[table] = (*found.get(table, ()), column)
    return found


def _filters(arguments: argparse.Namespace, tables: Sequence[str]) -> dict[str, dict[str, str]]:
    """Side to the condition of each table. `--where` counts for both sides."""
    found: dict[str, dict[str, str]] = {side: {} for side in _SIDES}
    for flag, sides in _WHERE.items():
        for text in getattr(arguments, flag) or ():
            table, condition = filter_of(text, f"--{flag.replace('_', '-')}", tables)
            twice = [side for side in sides if table in found[side]]
            if twice:
                raise UsageError(f"--{flag.replace('_', '-')}: {table} has two conditions for the {twice[0]}.")
            for side in sides:
                found[side][table] = condition
    return found


def filter_of(text: str, flag: str, tables: Sequence[str]) -> tuple[str, str]:
    """The table and its condition. Raises `UsageError` for what is not TABLE:CONDITION of a table that is compared."""
    table, _, condition = (part.strip() for part in text.partition(":"))
    if table not in tables or not condition:
        raise UsageError(
            f"{flag} {text!r}: not a condition for a table that is compared.",
            f"Write TABLE:CONDITION, for example \"{tables[0]}:region = 'EU'\". The tables: {', '.join(tables)}",
        )
    return table, condition


def _from_pipeline(arguments: argparse.Namespace) -> Inputs:
    from cdcproof.reconcile.in_flight.dead_letters import put_aside
    from cdcproof.reconcile.in_flight.position_fence import (
        fences,  # Connect, Kafka: with flags alone nobody waits for them
    )

    _, located = open_pipeline(arguments)
    names = located.table_names if arguments.tables is None else names_of(arguments.tables)
    unknown = [name for name in names if name not in located.table_names]
    if unknown:
        raise UsageError(
            f"--tables {','.join(unknown)}: not in pipeline {located.name}.",
            f"Its tables: {', '.join(located.table_names)}",
        )
    limit = arguments.statement_timeout
    source, target = (_endpoint(end, password_of(end), limit) for end in (located.source, located.target))
    tables = tuple(_pair(table) for table in located.tables if table.name in names)
    timer = _timer(arguments)
    by_position = fences(located, names, source.open)
    by_timer = arguments.settle_seconds is not None
    return Inputs(
        source,
        target,
        tables,
        lambda table: timer if by_timer else by_position[table.name],
        f"timer: {timer.seconds:g} s" if by_timer else "by position of the source's log, the topics and the sinks",
        located.paths.reconciliation_reports,
        _feed(located.source, limit),
        located.thresholds.proof_age_hours,
        located.name,
        lambda: put_aside(located),
        lambda directory: _contents_compared(located, names, directory),
        located.pushgateway,
        located.thresholds.history_keep_days,
        limit,
    )


def _contents_compared(located: pipeline.Pipeline, names: Sequence[str], directory: Path) -> tuple[str, ...]:
    """What the reports say of contents, for a run that only counts rows."""
    from cdcproof.observations.reconciliation import reports

    return reports.look(located, datetime.now().astimezone(), directory).newest().contents_compared(names)


def _feed(source: pipeline.Database, statement_timeout_seconds: float) -> Feed | None:
    from cdcproof.databases.postgresql.log.change_feed import PostgreSQLChanges
    from cdcproof.databases.sqlserver.log.change_feed import SQLServerChanges

    def change_tables() -> SQLServerChanges:
        return SQLServerChanges(source, password_of(source), statement_timeout_seconds)

    def wal() -> PostgreSQLChanges:
        return PostgreSQLChanges(source, password_of(source), statement_timeout_seconds, source.scrub_slot or "")

    if source.type == "sqlserver":
        return change_tables
    return wal if source.scrub_slot else None


def _pair(table: pipeline.Table) -> TablePair:
    return TablePair(
        table.name,
        TableName.parse(table.source),
        TableName.parse(table.target),
        table.key,
        table.exclude,
        table.rename,
        table.source_filter or "",
        table.target_filter or "",
        table.update_column or "",
        table.written_as,
        table.row_policies,
    )


def _timer(arguments: argparse.Namespace) -> TimerFence:
    return TimerFence(DEFAULT_SETTLE_SECONDS if arguments.settle_seconds is None else arguments.settle_seconds)


def _database(arguments: argparse.Namespace, side: str) -> GivenDatabase:
    def given(name: str) -> str | None:
        value: str | None = getattr(arguments, f"{side}_{name}")
        if value is not None and not value.strip():
            raise UsageError(f"--{side}-{name.replace('_', '-')} is empty.")
        return value and value.strip()

    engine: Engine = getattr(arguments, f"{side}_type")
    port = getattr(arguments, f"{side}_port")
    if port is not None and not 1 <= port <= 65535:
        raise UsageError(f"--{side}-port {port}: a port is from 1 to 65535.")
    return GivenDatabase(
        type=engine,
        host=given("host") or "",
        port=port or DEFAULT_PORTS[engine],
        database=given("database") or "",
        user=given("user") or "",
        schema_name=given("schema") or DEFAULT_SCHEMAS[engine],
        password_env=given("password_env") or DEFAULT_PASSWORD_VARIABLES[engine],
        trust_server_certificate=arguments.trust_server_certificate,
    )


def _password(arguments: argparse.Namespace, side: str, database: DatabaseAddress) -> Secret:
    value = getattr(arguments, f"{side}_password")
    if value is None:
        account = f"user {database.user} of {database.database} at {database.host}:{database.port}"
        return from_environment(database.password_env, account, f"name another variable by --{side}-password-env")
    if not value:
        raise UsageError(
            f"--{side}-password is empty: is the variable that it is taken from set?",
            f"export {database.password_env}=…   (the flag can then be left out)",
        )
    setattr(arguments, f"{side}_password", None)
    sys.argv = ["[redacted]" if word == value else word.replace(f"={value}", "=[redacted]") for word in sys.argv]
    print(
        f"warning: --{side}-password shows in the process list; {database.password_env} in the environment does not",
        file=sys.stderr,
    )
    return Secret(value)


def names_of(text: str) -> tuple[str, ...]:
    """The names that `--tables` lists. Raises `UsageError` for one that is empty or named twice."""
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise UsageError(f"--tables '{text}': a name is empty.", "Give names with commas between: customers,orders")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"--tables: {', '.join(twice)} is named twice.")
    return names


def _endpoint(database: DatabaseAddress, password: Secret, statement_timeout_seconds: float) -> Endpoint:
    return Endpoint(
        database.type,
        f"{database.type}://{database.host}:{database.port}/{database.database}",
        lambda: connect(database, password, statement_timeout_seconds),
        database,
    )
