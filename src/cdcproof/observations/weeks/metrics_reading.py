"""What Prometheus has of the last two weeks: failures and lag of this pipeline."""

from __future__ import annotations

from cdcproof.clients.prometheus_server import PrometheusServer
from cdcproof.core.errors import UsageError
from cdcproof.observations.lag.weekly import Measure, WeeklyLag
from cdcproof.observations.reconciliation.metrics import CHECKSUM_MISMATCHES, MISMATCHES, RUNS
from cdcproof.observations.weeks.failures import WeeklyFailures
from cdcproof.observations.weeks.two_weeks import DAY_SECONDS, STEP_SECONDS, WEEK_SECONDS, Samples
from cdcproof.pipeline.model import Pipeline

_SOURCE_RECORDS = "kafka_connect_source_connector_lag"
_BOUNDED = "cdcproof_source_lag_bounded"
_SINK_RECORDS = "cdcproof_sink_lag_records"
_SECONDS = {"source": "cdcproof_source_lag_seconds", "sink": "cdcproof_sink_lag_seconds"}


def failures(pipeline: Pipeline, now: float) -> WeeklyFailures:
    """Failed runs and mismatches of both kinds by table. Raises `UsageError` without a Prometheus, else as the server does."""
    metrics = Metrics(pipeline, now)
    runs = metrics.by(f'{RUNS}{{status="failure"}}', "max", "status")
    series: dict[str, Samples] = {"runs that could not look at everything": runs.get("failure", ())}
    for name, words in ((MISMATCHES, "row counts differed"), (CHECKSUM_MISMATCHES, "contents differed")):
        found = metrics.by(name, "max", "table")
        series |= {f"{table}: {words}": found.get(table, ()) for table in pipeline.table_names}
    limits = pipeline.thresholds
    return WeeklyFailures(series, now, limits.failures_7d, limits.metrics_gap_minutes)


def lag(pipeline: Pipeline, now: float) -> WeeklyLag:
    """The lag of every connector of the pipeline, in records and in seconds; errors as `failures`."""
    found = measures(pipeline, Metrics(pipeline, now), now)
    return WeeklyLag(found, now, pipeline.thresholds.metrics_gap_minutes)


def measures(pipeline: Pipeline, metrics: Metrics, now: float) -> tuple[Measure, ...]:
    """Both measures of every connector; one that Prometheus does not have has no samples."""
    limits = pipeline.thresholds
    records = {
        "source": metrics.by(_SOURCE_RECORDS, "max", "connector"),
        "sink": metrics.by(_SINK_RECORDS, "sum", "connector"),
    }
    seconds = {kind: metrics.by(name, "max", "connector") for kind, name in _SECONDS.items()}
    bounded = metrics.by(_BOUNDED, "max", "connector")
    first = now - WEEK_SECONDS
    found = []
    for connector in pipeline.connectors:
        stopped = any(value > 0 for at, value in bounded.get(connector.name, ()) if at > first)
        of_records = records[connector.kind].get(connector.name, ())
        of_seconds = seconds[connector.kind].get(connector.name, ())
        found += [
            Measure(connector.name, "records", of_records, limits.lag_records, bounded=stopped),
            Measure(connector.name, "seconds", of_seconds, limits.lag_seconds),
        ]
    return tuple(found)


class Metrics:
    """Two weeks of metrics, or so many days; what another pipeline's exporter serves is left out."""

    def __init__(self, pipeline: Pipeline, now: float, days: int = 14) -> None:
        if pipeline.prometheus is None:
            raise UsageError("The pipeline file names no Prometheus.", "Add [prometheus] with its url.")
        self._server = PrometheusServer(pipeline.prometheus, (3.0, 30.0))
        self._others = f'cdcproof_exporter_info{{pipeline!="{pipeline.name}"}}'
        self._end = now // STEP_SECONDS * STEP_SECONDS
        self._start = self._end - days * DAY_SECONDS - STEP_SECONDS

    def by(self, selector: str, how: str, label: str) -> dict[str, Samples]:
        """The label's value to the samples of its series, which are one by `how`: ``max`` or ``sum``. Without a label all are one."""
        ours = f"{selector} unless on (instance, job) {self._others}"
        found = self._server.query_range(f"{how} by ({label}) ({ours})", self._start, self._end, STEP_SECONDS)
        return {dict(labels).get(label, ""): samples for labels, samples in found.items()}
