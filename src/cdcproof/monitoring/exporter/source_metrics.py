"""What the source says at one moment: what each connector has not read, and what is kept for it; and the metrics of that."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from cdcproof.clients.connect.client import ConnectorStates
from cdcproof.connectors.settings import config as connector_config
from cdcproof.connectors.settings.config import Config
from cdcproof.core.errors import CdcproofError
from cdcproof.core.waiting import Deadline
from cdcproof.databases.contracts.health import Health, HealthDatabase, Reader, SlotRoom, Unread
from cdcproof.databases.names import TableName
from cdcproof.monitoring.exporter.probe import SCRAPE_SECONDS
from cdcproof.monitoring.exporter.series import Metric, gauge
from cdcproof.pipeline import model

BOUND = 50_000
"""Changes that are counted: five times what the runbook alerts on. Measured: 0.2 s of the source's processor for so many."""

_LONG_SECONDS = 1.5
_REST_FACTOR = 20.0
"""A count that took so long and came to nothing, as of one huge transaction, is tried again after so many times as long: it then
takes a twentieth of a processor at most. What a machine or server that hung adds to it took no processor, and does not count."""

Offsets = Callable[[str, str | None, Config], Mapping[str, Any]]
"""A connector and its database to the committed offset in it."""


@dataclass(frozen=True)
class SourceReading:
    """`clock_seconds` is the source's own, at `read_at` of this machine's monotonic clock."""

    health: Health
    clock_seconds: float
    read_at: float
    unread: Mapping[str, Unread] = field(default_factory=dict)
    slots: tuple[SlotRoom, ...] = ()


class Rests:
    """Which connectors are not counted for a while, since that took long and came to nothing."""

    def __init__(self) -> None:
        self._until: dict[str, Deadline] = {}

    def of(self, name: str) -> str:
        """Why a connector rests; empty where it does not."""
        until = self._until.get(name)
        if until is None or until.passed:
            return ""
        return f"It could not be counted in time; it is tried again in {until.remaining_seconds:.0f} s."

    def counted(self, name: str, found: Unread, seconds: float) -> None:
        """Take note of how long a count took."""
        if found.records is None and seconds >= _LONG_SECONDS:
            self._until[name] = Deadline(_REST_FACTOR * min(seconds, SCRAPE_SECONDS))


def read(database: HealthDatabase, readers: Mapping[str, Callable[[], Reader]], rests: Rests) -> SourceReading:
    """Ask the source. A connector that cannot be counted hides nothing else. Errors as `HealthDatabase`."""
    with database as source:
        health = source.health()
        slots = source.slot_rooms()
        unread = {name: _unread(source, name, reader, rests) for name, reader in readers.items()}
        return SourceReading(health, source.clock_seconds(), time.monotonic(), unread, slots)


def readers(
    pipeline: model.Pipeline, states: ConnectorStates | None, offsets: Offsets
) -> dict[str, Callable[[], Reader]]:
    """Source connector to how it reads, of those that read this source in a way that is understood.

    By its configuration; while none is known, the pipeline file's slot is taken for that of its only source connector.
    """
    names = [connector.name for connector in pipeline.connectors if connector.kind == "source"]
    source, beat = pipeline.source, pipeline.freshness.source if pipeline.freshness else ""
    if states is None:
        if len(names) != 1 or not source.slot or not source.publication:
            return {}
        tables = {table.source for table in pipeline.tables} - {beat}
        known = Reader(lambda table: str(table) in tables, source.slot, source.publication)
        return {names[0]: lambda: known}
    found: dict[str, Callable[[], Reader]] = {}
    for name in names:
        connector = states.get(name)
        database = _database(connector.config, source) if connector else None
        if connector and database:
            found[name] = partial(_reader, name, connector.config, database, beat, offsets)
    return found


def metrics(reading: SourceReading, pipeline: model.Pipeline) -> tuple[Metric, ...]:
    """Of the connectors that read the source, and of its slots."""
    slots = [slot for slot in reading.slots if not any(fnmatchcase(slot.name, p) for p in pipeline.source.other_slots)]
    unread = reading.unread
    return (
        gauge(
            "kafka_connect_source_connector_lag",
            "Changes committed at the source behind the connector's committed position; absent where they cannot be counted.",
            {name: one.records for name, one in unread.items()},
            "connector",
        ),
        gauge(
            "cdcproof_source_lag_bounded",
            "1: the count stopped at its bound, and the lag is at least that; 0: it is exact.",
            {name: float(one.bounded) for name, one in unread.items() if one.records is not None},
            "connector",
        ),
        gauge(
            "cdcproof_source_lag_bytes",
            "PostgreSQL: log behind the position that the connector has confirmed.",
            {name: one.bytes for name, one in unread.items()},
            "connector",
        ),
        gauge(
            "cdcproof_source_lag_seconds",
            "Age of the oldest of these changes, by the source's clock; 0 when there are none.",
            {name: one.seconds for name, one in unread.items()},
            "connector",
        ),
        gauge(
            "cdcproof_slot_retained_bytes",
            "PostgreSQL: log that is kept for the slot.",
            {slot.name: float(slot.retained_bytes) for slot in slots},
            "slot",
        ),
        gauge(
            "cdcproof_slot_headroom_bytes",
            "PostgreSQL: log that may be written until the slot is lost; absent without max_slot_wal_keep_size.",
            {slot.name: slot.headroom_bytes for slot in slots},
            "slot",
        ),
    )


def headroom_seconds(reading: SourceReading) -> dict[str, float | None]:
    """Connector to the time until the cleanup job takes what it has not read."""
    return {name: one.headroom_seconds for name, one in reading.unread.items()}


def _unread(source: HealthDatabase, name: str, reader: Callable[[], Reader], rests: Rests) -> Unread:
    clock = Deadline(0)
    try:
        found = source.unread(replace(reader(), rests=rests.of(name)), BOUND)
    except CdcproofError as error:
        found = Unread(why=error.message, remedy=error.remedy)
    rests.counted(name, found, clock.elapsed_seconds)
    return found


def _reader(name: str, config: Config, database: str, beat: str, offsets: Offsets) -> Reader:
    """The beat is written all the time: it would be a lag of its own."""

    def is_captured(table: TableName) -> bool:
        return str(table) != beat and connector_config.captures(config, database, table)

    address = connector_config.source_address(config)
    if address and address.engine == "postgresql":
        return Reader(is_captured, address.slot or "", address.publication or "")
    return Reader(is_captured, offset=offsets(name, database, config))


def _database(config: Config, source: model.Database) -> str | None:
    """The source's database by the name that the connector has for it; None for a connector that reads another, or of a class that is not known."""
    address = connector_config.source_address(config)
    if address is None or address.engine != source.type:
        return None
    names = connector_config.databases_of(config) or (source.database,)  # a reference that only the worker can resolve
    return next((name for name in names if name.lower() == source.database.lower()), None)
