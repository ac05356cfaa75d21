"""Keeps a run, and says what the history knows beside it. The history is a help: whatever is wrong with it changes no verdict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cdcproof.core.errors import CdcproofError
from cdcproof.core.secrets import scrub
from cdcproof.history import database, statistics
from cdcproof.history.entries import Entry, Measure, of_checks
from cdcproof.reporting.formats.chart import Chart, Recalled
from cdcproof.reporting.formats.summary import local_time
from cdcproof.reporting.record import Run

_MOST_CHARTS = 12
_FIRST = ("differences", "freshness_seconds", "sink_lag_seconds", "source_lag_mebibytes", "source_lag_seconds")
"""What is charted first; then how long the runs took, then the rest."""


def keep(path: Path, entry: Entry, keep_days: float) -> str:
    """Keep a run. Returns why that was not possible, or what had to be forgotten for it; empty where neither."""
    try:
        return database.add(path, entry, keep_days)
    except CdcproofError as error:
        return _not_kept(error)


def remember(path: Path, run: Run, measures: Sequence[Measure], keep_days: float) -> Recalled:
    """Keep a run of checks, and return what is known of the ones before it."""
    try:
        forgotten = database.add(path, of_checks(run, measures), keep_days)
    except CdcproofError as error:
        return Recalled(problem=_not_kept(error))
    try:
        entries = database.read(path, run.pipeline)
    except CdcproofError as error:
        return Recalled(problem=scrub(f"The history cannot be shown: {error.message}"))
    return Recalled(_charts(entries, run), (*filter(None, [forgotten]), *_notes(entries, run)))


def _not_kept(error: CdcproofError) -> str:
    return scrub(f"The history does not have this run: {error.message} {error.remedy}".strip())


def _charts(entries: Sequence[Entry], run: Run) -> tuple[Chart, ...]:
    own = ("+".join(run.suites),)
    charts = [
        chart
        for chart in statistics.trends(entries)
        if len(chart.values) > 1 and (chart.name != "duration_seconds" or chart.subject in own)
    ]
    charts.sort(key=lambda chart: _FIRST.index(chart.name) if chart.name in _FIRST else len(_FIRST))
    return tuple(charts[:_MOST_CHARTS])


def _notes(entries: Sequence[Entry], run: Run) -> list[str]:
    steps = {step.step for step in run.steps}
    notes = []
    for check in statistics.checks(entries):
        if check.step not in steps:
            continue
        if not check.now.is_green:
            times = f"{check.times_red} times" if check.times_red > 1 else "once"
            first = local_time(check.first_seen)
            notes.append(f"{check.step}: not green since {local_time(check.since)}, red {times} since {first}")
        if check.is_flaky:
            notes.append(
                f"{check.step}: flaky, it became green or red {check.switches_lately} times in its last 20 runs"
            )
    return notes
