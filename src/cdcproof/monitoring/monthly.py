"""The month's data of the dashboards, as CSV and as the page, and the averages that the monthly review judges."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cdcproof.clients.prometheus_server import PrometheusServer
from cdcproof.core.errors import CouldNotLookError, UsageError
from cdcproof.core.files import write_whole
from cdcproof.monitoring.dashboards import DASHBOARDS, answers, export, page
from cdcproof.observations.weeks import metrics_reading as weekly_metrics
from cdcproof.observations.weeks.metrics_reading import Metrics
from cdcproof.observations.weeks.performance import HALF_DAYS, Average, Export, Performance
from cdcproof.observations.weeks.two_weeks import DAY_SECONDS
from cdcproof.pipeline.model import Pipeline

_SECONDS = (3.0, 60.0)
_ROWS_PER_SECOND = "reconciliation_rows_per_second"
_FRESHNESS = "cdcproof_replication_freshness_seconds"


def performance(pipeline: Pipeline, reports: Path, now: float, runbook: str) -> Performance:
    """Export 30 days below `reports`, and measure. Raises `CouldNotLookError`, or `UsageError` without a Prometheus."""
    if pipeline.prometheus is None:
        raise UsageError("The pipeline file names no Prometheus.", "Add [prometheus] with its url.")
    metrics = Metrics(pipeline, now, 2 * HALF_DAYS)
    lag = [
        Average(one.name, one.unit, one.samples, one.limit)
        for one in weekly_metrics.measures(pipeline, metrics, now)
        if one.samples
    ]
    others = [
        Average(name, unit, samples[""], less_is_worse=less)
        for name, unit, metric, less in (
            ("reconciliation", "rows per second", _ROWS_PER_SECOND, True),
            ("freshness at the target", "seconds", _FRESHNESS, False),
        )
        if (samples := metrics.by(metric, "max", "")).get("")
    ]
    files, unanswered = _exported(pipeline, reports, now, runbook)
    gap = pipeline.thresholds.metrics_gap_minutes * HALF_DAYS / 7
    return Performance((*lag, *others), files, unanswered, now, gap)


def _exported(
    pipeline: Pipeline, reports: Path, now: float, runbook: str
) -> tuple[tuple[Export, ...], tuple[str, ...]]:
    assert pipeline.prometheus is not None  # noqa: S101  looked at before
    server = PrometheusServer(pipeline.prometheus, _SECONDS)
    of = answers.scope(server, pipeline.name, now - 2 * HALF_DAYS * DAY_SECONDS, now)
    found = answers.ask(server, DASHBOARDS, of)
    unanswered = tuple(f"{one.panel.title}: {one.trouble}" for one in found.values() if one.trouble)
    table = export.csv_of(DASHBOARDS, found)
    stem = reports / f"performance-{datetime.fromtimestamp(now, UTC):%Y-%m}"
    try:
        write_whole(stem.with_suffix(".csv"), table)
        write_whole(stem.with_suffix(".html"), page.page(DASHBOARDS, found, of, pipeline.prometheus.url, runbook))
    except OSError as error:
        raise CouldNotLookError(
            f"{stem}.csv and .html cannot be written: {error.strerror}.", "Make room there."
        ) from None
    filled = sum(bool(one.series) for one in found.values())
    return (
        Export(f"{stem}.csv", f"{table.count(chr(10)) - 1:,} values of 30 days"),
        Export(f"{stem}.html", f"{filled} of {len(found)} panels with data"),
    ), unanswered
