"""Collecting what a pipeline is made of, and keeping it in a file.

No secret is kept: in its place stands a fingerprint, which shows whether it changed. It is made slowly (scrypt), with a salt of
the file's own, so that a weak password is not easily found out from it.
"""

from __future__ import annotations

import hashlib
import secrets as random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from cdcproof.clients.connect.client import Connect
from cdcproof.core.errors import CouldNotLookError, UsageError
from cdcproof.core.secrets import redact, scrub
from cdcproof.core.stored import Kind
from cdcproof.databases.connections import connect as connect_to
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.names import Column, TableName
from cdcproof.environments.base import Environment
from cdcproof.pipeline.model import Pipeline
from cdcproof.validation.baseline.comparison import CONNECTORS, DEPLOYMENT, ROWS, SCHEMA, VERSIONS, Facts

_KAFKA = f"{VERSIONS}/connect/kafka-cluster"
_DATABASES = {side: f"{VERSIONS}/{side}/database" for side in ("source", "target")}
"""Which servers the facts are of, whatever their addresses are."""
_COUNT_SECONDS = 600.0

Mask = Callable[[str, str], str]
"""From a setting's name and its value to what may be kept of it."""


@dataclass(frozen=True)
class Baseline:
    """What was recorded, of which pipeline, and when (ISO 8601)."""

    pipeline: str
    taken_at: str
    salt: str
    facts: Facts


def mask(salt: str) -> Mask:
    """Hides secrets, and only those; the same salt gives the same fingerprints."""

    @cache
    def fingerprint(value: str) -> str:
        return hashlib.scrypt(value.encode(), salt=bytes.fromhex(salt), n=2**14, r=8, p=1, dklen=6).hex()

    def masked(name: str, value: str) -> str:
        shown = scrub(str(redact({name: value})[name]))
        return shown if shown == value else f"{shown} (fingerprint {fingerprint(value)})"

    return masked


def collect(environment: Environment, pipeline: Pipeline, masked: Mask, *, count: bool = True) -> Facts:
    """Look at everything; `count` the rows too. Raises `CouldNotLookError` where a database or Connect cannot be asked.

    That a container engine cannot be asked is noted instead: on `live` there may be none.
    """
    connect = Connect(pipeline.connect)
    worker = connect.version()
    values: dict[str, str] = {
        f"{VERSIONS}/connect": worker.version,
        _KAFKA: worker.kafka_cluster_id or "not known",
        **{f"{VERSIONS}/plugin/{plugin.class_name}": plugin.version for plugin in connect.plugins()},
    }
    for connector in connect.states().leaving_out(pipeline.is_neighbour).connectors:
        values |= connector_facts(connector.name, connector.config, masked)
    for side, database in (("source", pipeline.source), ("target", pipeline.target)):
        with connect_to(database, statement_timeout_seconds=_COUNT_SECONDS) as session:
            values[f"{VERSIONS}/{side}"] = session.version()
            values[_DATABASES[side]] = session.identity().of_database()
            for table in pipeline.tables:
                at = TableName.parse(getattr(table, side))
                if at not in session.catalogue.tables(at.schema):
                    continue
                values |= _table_facts(f"{SCHEMA}/{side}/{table.name}", at, session)
                if count:
                    values[f"{ROWS}/{side}/{table.name}"] = str(session.catalogue.count_rows(at))
    deployed = deployment_facts(environment, pipeline, masked)
    return Facts({**values, **deployed.values}, deployed.unknown)


def deployment_facts(environment: Environment, pipeline: Pipeline, masked: Mask) -> Facts:
    """What the containers are made of; nothing else is asked."""
    try:
        deployed = environment.deployment(pipeline)
    except CouldNotLookError as error:
        return Facts({}, {DEPLOYMENT: error.message})
    return Facts(
        {
            f"{DEPLOYMENT}/{service}/{name}": masked(name, value)
            for service, settings in deployed.items()
            for name, value in settings.items()
        },
        {},
    )


def connector_facts(name: str, config: Mapping[str, str], masked: Mask) -> dict[str, str]:
    """A connector's configuration as facts; the name that Connect adds to it is none."""
    return {f"{CONNECTORS}/{name}/{key}": masked(key, value) for key, value in config.items() if key != "name"}


def record(environment: Environment, pipeline: Pipeline) -> Baseline:
    """What the pipeline is made of now."""
    salt = random.token_hex(16)
    taken_at = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
    return Baseline(pipeline.name, taken_at, salt, collect(environment, pipeline, mask(salt)))


def place(pipeline: Pipeline) -> Path:
    """Where the baseline of a pipeline is kept."""
    return pipeline.paths.baselines / f"{pipeline.name}.json"


def facts_since(baseline: Baseline, environment: Environment, pipeline: Pipeline) -> Facts:
    """What the pipeline is made of now, to be compared with its baseline. Raises `UsageError` for that of another pipeline."""
    if baseline.pipeline != pipeline.name:
        raise UsageError(
            f"The baseline is of pipeline {baseline.pipeline}, and this is {pipeline.name}.",
            "Name the one that belongs to it, or record one: cdcproof baseline save",
        )
    now = collect(environment, pipeline, mask(baseline.salt))
    # an earlier version of cdcproof did not record which servers the facts are of
    unrecorded = {_KAFKA, *_DATABASES.values()} - baseline.facts.values.keys()
    return replace(now, values={s: value for s, value in now.values.items() if s not in unrecorded})


@dataclass(frozen=True)
class _Kept:
    """A baseline as its file has it."""

    pipeline: str
    taken_at: str
    salt: str
    facts: Mapping[str, str]
    unknown: Mapping[str, str]


_FILE = Kind(
    _Kept,
    "is not a baseline that can be read",
    "Record it anew while the pipeline is right: cdcproof baseline save",
    "Name another file with --file, or paths.baselines.",
    version=1,
    mode=0o640,
    error=CouldNotLookError,
)


def save(baseline: Baseline, path: Path) -> None:
    """Keep it. Raises `OperationError`."""
    facts = dict(sorted(baseline.facts.values.items()))
    _FILE.write(path, _Kept(baseline.pipeline, baseline.taken_at, baseline.salt, facts, baseline.facts.unknown))


def load(path: Path) -> Baseline:
    """Read it. Raises `CouldNotLookError` when there is none, or what is there is not one."""
    kept = _FILE.read(path)
    if kept is None:
        raise CouldNotLookError(
            f"No baseline is recorded: there is no {path}.",
            "Record one while the pipeline is right: cdcproof baseline save",
        )
    try:
        bytes.fromhex(kept.salt)
    except ValueError as error:
        _FILE.refuse(path, str(error))
    return Baseline(kept.pipeline, kept.taken_at, kept.salt, Facts(kept.facts, kept.unknown))


def _table_facts(place: str, table: TableName, session: Database) -> dict[str, str]:
    return {
        f"{place}/(key)": ", ".join(session.catalogue.primary_key(table)) or "none",
        **{f"{place}/{column.name}": _column_type(column) for column in session.catalogue.columns(table)},
    }


def _column_type(column: Column) -> str:
    """``numeric(12, 2) not null``."""
    size = [part for part in (column.precision, column.scale) if part is not None] or [
        part for part in (column.length,) if part is not None
    ]
    stored = column.type + (f"({', '.join(map(str, size))})" if size else "")
    return stored + ("" if column.nullable else " not null") + (" computed" if column.computed else "")
