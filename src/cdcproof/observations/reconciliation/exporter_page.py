"""Whether the metrics that an exporter's address serves can be believed: whose they are, how old, and what they say of themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from cdcproof.clients.prometheus import Metrics
from cdcproof.core.durations import in_hours
from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.observations.reconciliation.metrics import CHECKSUM_MISMATCHES, LAST_MATCH, LAST_MISMATCH, MISMATCHES
from cdcproof.observations.reconciliation.report_files import clock
from cdcproof.pipeline.model import Pipeline
from cdcproof.reconcile.report.ownership import is_same_place, place_of

INFO = "cdcproof_exporter_info"
RENDERED = "cdcproof_exporter_rendered_timestamp_seconds"
LAST_REPORT = "cdcproof_exporter_last_report_timestamp_seconds"
UP = "cdcproof_exporter_up"
PIPELINE_FILE = "pipeline_file"
"""The service of `UP` that is 0 once the pipeline file is no longer that of the exporter's start."""
_FRESH_SECONDS = 120.0


def demand_own(scraped: Metrics, pipeline: Pipeline, now: datetime, needs: Sequence[str]) -> None:
    """Raise `UnexpectedAnswerError` unless the metrics are this pipeline's, made now, of services that were usable."""
    slack = pipeline.thresholds.clock_skew_seconds
    problem = not_own(scraped, pipeline) or _age(scraped, now, slack) or _down(scraped, needs)
    if problem:
        raise UnexpectedAnswerError(
            f"The metrics at {scraped.url} prove nothing: {problem}.",
            "Look at what serves this address, then start `cdcproof exporter` with the file of this pipeline.",
        )


def demand_counted(scraped: Metrics, pipeline: Pipeline, now: datetime, matched_at: Mapping[str, datetime]) -> None:
    """Raise `UnexpectedAnswerError` unless the numbers are possible, and count the reports that `matched_at` is of.

    `matched_at` is table to when its newest report, read before the metrics were, says that it matched.
    """
    slack = pipeline.thresholds.clock_skew_seconds
    problem = _impossible(scraped, pipeline, now) or _behind(scraped, matched_at, slack)
    if problem:
        raise UnexpectedAnswerError(
            f"The metrics at {scraped.url} prove nothing: {problem}.",
            "Compare its reports directory and its clock with this machine's, and read its log.",
        )


def not_own(scraped: Metrics, pipeline: Pipeline) -> str:
    """Why the metrics are not known to be this pipeline's; empty where they are."""
    infos = [dict(labels) for labels in scraped.series(INFO)]
    if len(infos) != 1:
        return f"they do not say whose they are ({INFO}): another program serves them, or an older cdcproof"
    (info,) = infos
    if info.get("pipeline") != pipeline.name:
        return f"they are of pipeline {info.get('pipeline')}, not {pipeline.name}"
    for side, database in (("source", pipeline.source), ("target", pipeline.target)):
        if not is_same_place(info.get(side, ""), place_of(database)):
            return f"they are of the {side} {info.get(side)}, not {place_of(database)}"
    if scraped.labelled(UP, "service").get(PIPELINE_FILE, 1) != 1:
        return "they are of the pipeline file as it was when the exporter was started, and it has changed, or cannot be read"
    return ""


def made_at(scraped: Metrics) -> float:
    """When the page says that it was made, in Unix seconds; NaN where it does not say so."""
    return scraped.series(RENDERED).get((), math.nan)


def _age(scraped: Metrics, now: datetime, slack_seconds: float) -> str:
    made = made_at(scraped)
    age_seconds = now.timestamp() - made
    if not math.isfinite(made):
        return f"they do not say when they were made ({RENDERED})"
    if not age_seconds <= _FRESH_SECONDS + slack_seconds:
        return f"they were made {in_hours(age_seconds)} ago, at {_clock(made)}: a copy, or an exporter that hangs"
    if not age_seconds >= -slack_seconds:
        return f"they were made in the future, at {_clock(made)}: a clock is wrong"
    return ""


def _down(scraped: Metrics, needs: Sequence[str]) -> str:
    up = scraped.labelled(UP, "service")
    down = [service for service in needs if up.get(service) != 1]
    return f'the exporter itself says {UP}{{service="{down[0]}"}} is {up.get(down[0], "absent")}' if down else ""


def _impossible(scraped: Metrics, pipeline: Pipeline, now: datetime) -> str:
    latest = now.timestamp() + pipeline.thresholds.clock_skew_seconds
    counters = {name: scraped.labelled(name, "table") for name in (MISMATCHES, CHECKSUM_MISMATCHES)}
    times = {name: scraped.labelled(name, "table") for name in (LAST_MISMATCH, LAST_MATCH)}
    for table in pipeline.table_names:
        for name, values in (counters | times).items():
            value = values.get(table)
            if value is not None and not (math.isfinite(value) and value >= 0):
                return f"{name} of {table} is {value}"
        for name, values in times.items():
            if table in values and values[table] > latest:
                return f"{name} of {table} is in the future, {_clock(values[table])}"
        total = sum(values.get(table, 0) for values in counters.values())
        if total and not times[LAST_MISMATCH].get(table):
            return f"they count {total:g} mismatches of {table} and no time of the last one"
    return ""


def _behind(scraped: Metrics, matched_at: Mapping[str, datetime], slack_seconds: float) -> str:
    """A match that was not counted, but for a table of which they show a mismatch that stands: that is judged as such."""
    matched, differed = (scraped.labelled(name, "table") for name in (LAST_MATCH, LAST_MISMATCH))
    newest = scraped.series(LAST_REPORT).get((), math.nan)
    for table, at in matched_at.items():
        counted_from = at.timestamp() - slack_seconds
        if not newest >= counted_from:
            return f"the newest report that they count is of {_clock(newest)}, and there is one of {clock(at)}"
        shown = matched.get(table, math.inf)
        if shown < counted_from and not differed.get(table, 0) > shown:
            return f"they show the last match of {table} at {_clock(shown)}, and a report matched at {clock(at)}"
    return ""


def _clock(seconds: float) -> str:
    return clock(datetime.fromtimestamp(seconds).astimezone()) if math.isfinite(seconds) and seconds > 0 else "never"
