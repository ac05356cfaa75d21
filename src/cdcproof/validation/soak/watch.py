"""The soak: watching states, lag, error counters and alerts for a while, each in its own rhythm."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from cdcproof.clients.connect.client import Connect
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.prometheus import Labels, Sample, scrape
from cdcproof.clients.prometheus_server import PrometheusServer
from cdcproof.core.errors import CouldNotLookError
from cdcproof.core.waiting import Deadline, wait_until
from cdcproof.environments.base import Environment
from cdcproof.observations import readings
from cdcproof.observations.services import subject
from cdcproof.pipeline.model import HttpService, Pipeline
from cdcproof.validation.soak.samples import Part, Seen, Soak

_OFTEN_SECONDS = 0.5
"""A task that is restarted is away for about this long."""
_SELDOM_SECONDS = 5.0
_REPORT_SECONDS = 1.0
_PATIENCE_SECONDS = 120.0
"""What a last look may take beyond the soak: every client has a shorter timeout of its own."""

_ALERTS = 'ALERTS{alertstate="firing",severity!="none"}'
"""An alert that always fires, to show that alerting works, has the severity none by convention."""
_ERRORS = (
    '{__name__=~"(?i)(kafka_connect|debezium).*(record_errors|record_failures|records_skipped|errors_logged|'
    'deadletterqueue_produce|erroneous|startup_failure|task_failed).*",__name__!~"(?i).*(percentage|attempts|timestamp).*"}'
)
"""Counters of Kafka Connect's task-error-metrics and connect-worker-metrics and of Debezium, as JMX exporters name them."""


@dataclass(frozen=True)
class Watched:
    """A part to watch; `look` raises `CouldNotLookError`. One that is optional and not there at first is left alone."""

    name: str
    look: Callable[[], Seen]
    every_seconds: float
    expected: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    optional: bool = False


def watch(parts: Sequence[Watched], seconds: float, report: Callable[[float], None]) -> Soak:
    """Look at every part again and again, all side by side; `report` is given the seconds that are over."""
    clock = Deadline(seconds)
    stop = threading.Event()
    with ThreadPoolExecutor(len(parts)) as pool:
        try:
            futures = [pool.submit(_follow, part, clock, stop) for part in parts]
            wait_until(
                lambda: all(future.done() for future in futures),
                bool,
                what="the end of the soak",
                deadline_seconds=seconds + _PATIENCE_SECONDS,
                interval_seconds=min(_REPORT_SECONDS, seconds / 10),
                report=lambda _: report(min(seconds, clock.elapsed_seconds)),
            )
            return Soak(tuple(future.result() for future in futures), seconds)
        finally:
            stop.set()  # Ctrl-C must not wait for the rest of the half hour


def _follow(part: Watched, clock: Deadline, stop: threading.Event) -> Part:
    taken: list[tuple[float, Seen | None]] = []
    absent: list[str] = []

    def look() -> None:
        at = clock.elapsed_seconds
        try:
            taken.append((at, part.look()))
        except CouldNotLookError as error:
            if part.optional and not taken:
                absent.append(error.message)
            else:
                taken.append((at, None))

    wait_until(
        look,
        lambda _: bool(absent) or clock.passed or stop.is_set(),
        what=part.name,
        deadline_seconds=clock.seconds + _PATIENCE_SECONDS,
        interval_seconds=min(part.every_seconds, clock.seconds / 4),
    )
    if not absent and not stop.is_set():
        look()  # how it is at the end
    return Part(part.name, tuple(taken), part.expected, part.limits, "".join(absent))


def parts_of(pipeline: Pipeline, environment: Environment) -> tuple[Watched, ...]:
    """What there is to watch of a pipeline."""
    exporters = pipeline.exporters
    return (
        _connectors(pipeline),
        _services(pipeline, environment),
        _sinks(pipeline),
        _exporter("the connector exporter", exporters.connect_url),
        _exporter("the reconciliation exporter", exporters.reconciliation_url),
        *_prometheus(pipeline.prometheus, pipeline.name),
    )


def _connectors(pipeline: Pipeline) -> Watched:
    connect = Connect(pipeline.connect)
    return Watched(
        "Kafka Connect",
        lambda: Seen(words=readings.connector_states(connect, pipeline).states),
        _OFTEN_SECONDS,
        expected=pipeline.expected_states,
    )


def _services(pipeline: Pipeline, environment: Environment) -> Watched:
    def look() -> Seen:
        found = readings.services(environment, pipeline)
        uptimes = {subject(s.name, s.role): s.uptime_seconds for s in found.seen if s.uptime_seconds is not None}
        return Seen(words=found.verdicts(), uptimes=uptimes)

    expected = {subject(service.name, service.role): "up" for service in pipeline.services}
    return Watched("services", look, _SELDOM_SECONDS, expected=expected)


def _sinks(pipeline: Pipeline) -> Watched:
    kafka = Kafka(pipeline.kafka)

    def look() -> Seen:
        found = readings.sink_lag(kafka, pipeline)
        return Seen(
            words={
                **{group.name: group.state.lower() for group in found.seen},
                **{f"{group}: topics": lost for group, lost in found.lost_records().items()},
            },
            levels={
                **{f"{group}: records behind": records for group, records in found.records().items()},
                **{f"{group}: s behind": age for group, age in found.seconds().items()},
            },
        )

    limits = pipeline.thresholds
    return Watched(
        "sinks' consumer groups",
        look,
        _SELDOM_SECONDS,
        expected={
            **{sink.consumer_group: "stable" for sink in pipeline.sinks},
            **{f"{sink.consumer_group}: topics": "nothing lost" for sink in pipeline.sinks},
        },
        limits={"records behind": limits.lag_records, "s behind": limits.lag_seconds},
    )


def _exporter(name: str, url: str) -> Watched:
    def look() -> Seen:
        return Seen(
            counters={_series_name(s.name, s.labels): s.value for s in scrape(url, name).samples if _counts_errors(s)}
        )

    return Watched(name, look, _SELDOM_SECONDS, optional=True)


def _prometheus(service: HttpService | None, pipeline: str) -> tuple[Watched, ...]:
    """What has the label of another pipeline is that pipeline's."""
    if service is None:
        return ()
    server = PrometheusServer(service)

    def alerts() -> Seen:
        firing = (dict(labels) for labels in server.query(_ALERTS))
        return Seen(
            words={_alert(labels): "firing" for labels in firing if labels.get("pipeline", pipeline) == pipeline}
        )

    def errors() -> Seen:
        found = {k: v for k, v in server.query(_ERRORS).items() if dict(k).get("pipeline", pipeline) == pipeline}
        return Seen(counters={_series(labels): value for labels, value in found.items()})

    return (
        Watched("alerts in Prometheus", alerts, _SELDOM_SECONDS, optional=True),
        Watched("error counters in Prometheus", errors, _SELDOM_SECONDS, optional=True),
    )


def _counts_errors(sample: Sample) -> bool:
    labels = dict(sample.labels)
    return sample.name.endswith("_total") and ("mismatch" in sample.name or labels.get("status") == "failure")


def _alert(labels: Mapping[str, str]) -> str:
    all_have = ("__name__", "alertname", "alertstate", "severity", "job", "pipeline")
    own = {k: v for k, v in labels.items() if k not in all_have}
    return _series_name(f"alert {labels.get('alertname', 'without a name')}", tuple(own.items()))


def _series(labels: Labels) -> str:
    return _series_name(dict(labels).get("__name__", ""), tuple(label for label in labels if label[0] != "__name__"))


def _series_name(name: str, labels: Labels) -> str:
    return f"{name}{{{', '.join(f'{key}={value}' for key, value in labels)}}}" if labels else name
