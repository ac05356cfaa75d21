"""How old the target is, end to end: the age there of the row that the source writes all the time, by the source's clock.

It is the one number that every fault along the way shows: a source that captures nothing, a connector that stands still, a
topic that takes no records, a sink that waits for a lock.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from cdcproof.core.errors import CdcproofError, CouldNotLookError, UnexpectedAnswerError
from cdcproof.databases.connections import connect_for_health as open_database
from cdcproof.databases.contracts.health import Health, HealthDatabase
from cdcproof.databases.names import TableName
from cdcproof.monitoring.exporter.series import Metric, gauge
from cdcproof.monitoring.exporter.source_metrics import SourceReading
from cdcproof.observations.lag.freshness import Freshness
from cdcproof.pipeline import model

_EARLIEST = datetime.fromisoformat("2001-09-09T01:46:40+00:00").timestamp()
"""A thousand million seconds: what is earlier was not written in milliseconds."""


@dataclass(frozen=True)
class TargetReading:
    """`beat`: the newest beat, in seconds since 1970, read at `read_at` of this machine's monotonic clock; `why` there is none."""

    health: Health
    beat_seconds: float | None = None
    read_at: float = 0.0
    why: str = ""
    remedy: str = ""


def read(database: HealthDatabase, freshness: model.Freshness | None) -> TargetReading:
    """Ask the target. A beat that cannot be read hides nothing else. Errors as `HealthDatabase`."""
    with database as target:
        health = target.health()
        if freshness is None:
            return TargetReading(health)
        table = TableName.parse(freshness.target)
        try:
            beat = beat_seconds(target.newest(table, freshness.column), f"{table}.{freshness.column}")
        except CdcproofError as error:
            return TargetReading(health, why=error.message, remedy=error.remedy)
        return TargetReading(health, beat, time.monotonic())


def beat_seconds(value: object, column: str, side: str = "target") -> float:
    """Seconds since 1970. Raises `UnexpectedAnswerError` for what does not say that in milliseconds, or with a zone."""
    if value is None:
        raise UnexpectedAnswerError(f"{column} at the {side} is empty: no beat has arrived yet.", _REMEDY)
    if isinstance(value, datetime) and value.tzinfo:
        return value.timestamp()
    if isinstance(value, int | Decimal) and _EARLIEST <= float(value) / 1000 < math.inf:
        return float(value) / 1000
    raise UnexpectedAnswerError(
        f"{column} at the {side} holds {value}, which is no time of milliseconds since 1970.", _REMEDY
    )


_REMEDY = "See [freshness] in docs/PIPELINE.md: how the beat is written, and as what."


def age_seconds(source: SourceReading | None, target: TargetReading | None, skew_seconds: float) -> float | None:
    """The age of the newest beat at the target. None where a side was not seen, or the beat is of the future: then a clock was set."""
    if source is None or target is None or target.beat_seconds is None:
        return None
    now = source.clock_seconds + (target.read_at - source.read_at)
    age = now - target.beat_seconds
    return max(0.0, age) if age >= -skew_seconds else None


def look(
    pipeline: model.Pipeline,
    beat: model.Freshness,
    open_one: Callable[[model.Database], HealthDatabase] = open_database,
) -> Freshness:
    """Both sides, for the check. Raises `CouldNotLookError` where the target's heartbeat cannot be read."""
    table = TableName.parse(beat.target)
    unknown, at_source = "", None
    with open_one(pipeline.source) as source:
        clock, read_at = source.clock_seconds(), time.monotonic()
        try:
            at_source = _newest(source, TableName.parse(beat.source), beat.column, "source")
        except CdcproofError as error:
            unknown = error.message
    with open_one(pipeline.target) as target:
        try:
            at_target = _newest(target, table, beat.column, "target")
        except CouldNotLookError as error:
            raise type(error)(error.message, error.remedy or _REMEDY) from None
        apart = time.monotonic() - read_at
    return Freshness(
        table=str(table),
        age_seconds=None if at_target is None else clock + apart - at_target,
        source_age_seconds=None if at_source is None else clock - at_source,
        limit_seconds=beat.target_seconds,
        clock_skew_seconds=pipeline.thresholds.clock_skew_seconds,
        source_unknown=unknown,
    )


def _newest(database: HealthDatabase, table: TableName, column: str, side: str) -> float | None:
    """The newest beat of a side; None where its table is empty."""
    value = database.newest(table, column)
    return None if value is None else beat_seconds(value, f"{table}.{column}", side)


def metrics(age: float | None, freshness: model.Freshness) -> tuple[Metric, Metric]:
    """The age, absent where it is not known; and how old it may be, which is there whoever answers: alerts go by both."""
    return (
        gauge(
            "cdcproof_replication_freshness_seconds",
            "Age at the target of the newest beat of the source, end to end, by the source's clock.",
            {(): age},
        ),
        gauge(
            "cdcproof_replication_freshness_target_seconds",
            "How old the newest beat may be: target_seconds of [freshness] in the pipeline file.",
            {(): freshness.target_seconds},
        ),
    )
