"""Following a canary: a row that something changes all the time at the source, where nothing may be written."""

from __future__ import annotations

from collections.abc import Callable

from cdcproof.core.errors import CouldNotLookError, DeadlineError
from cdcproof.core.waiting import Deadline, wait_until
from cdcproof.databases.contracts.test_rows import Rows, SingleRow
from cdcproof.databases.names import TableName
from cdcproof.pipeline.model import Canary, Pipeline
from cdcproof.validation.round_trip.journey import ARRIVED, Hop, Journey, is_later

_INTERVAL_SECONDS = 0.02


def follow(canary: Canary, pipeline: Pipeline, source: Rows, target: Rows, report: Callable[[str], None]) -> Journey:
    """Wait for a beat at the source, and see it, or a later one, at the target.

    Raises `CouldNotLookError` for a canary that does not beat, or is not there.
    """
    limits = pipeline.round_trip
    table = next(t for t in pipeline.tables if t.name == canary.table)
    here = SingleRow(TableName.parse(table.source), canary.key, (canary.column,))
    there = SingleRow(
        TableName.parse(table.target),
        {table.rename.get(column, column): value for column, value in canary.key.items()},
        (table.rename.get(canary.column, canary.column),),
        table.target_filter or "",
    )
    found = source.find(here)
    if len(found) != 1:
        raise CouldNotLookError(
            f"{here.table} at the source has {len(found)} rows for the canary.",
            "Name the key of one row in round_trip.canary.",
        )
    before = found[0][0]
    try:
        beat = wait_until(
            lambda: source.find(here),
            lambda rows: len(rows) == 1 and is_later(rows[0][0], before),
            what="the canary's next beat",
            deadline_seconds=limits.deadline_seconds,
            interval_seconds=_INTERVAL_SECONDS,
            report=lambda _: report("waiting for the canary's next beat"),
        )[0][0]
    except DeadlineError:
        raise CouldNotLookError(
            f"The canary {here.table}.{canary.column} did not beat within {limits.deadline_seconds:g} s, so nothing could be followed.",
            "Let what changes it run again, or allow test rows with --allow-acts.",
        ) from None
    clock = Deadline(0)
    seconds: float | None = None
    try:
        wait_until(
            lambda: target.find(there),
            lambda rows: len(rows) == 1 and not is_later(beat, rows[0][0]),
            what="the beat at the target",
            deadline_seconds=limits.deadline_seconds,
            interval_seconds=_INTERVAL_SECONDS,
            report=lambda _: report("waiting for the canary's beat at the target"),
        )
        seconds = clock.elapsed_seconds
    except DeadlineError:
        pass
    late = "an older beat" if target.find(there) else "no row"  # what could not be asked must not be called missing
    return Journey(
        (Hop(canary.table, "beat", seconds, ARRIVED if seconds is not None else late),), limits.deadline_seconds
    )
