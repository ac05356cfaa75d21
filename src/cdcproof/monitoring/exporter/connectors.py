"""The metrics of the connectors and of what they connect, on 9104: every service is asked at each scrape, side by side.

Nothing is served that was not seen for this scrape. Of the scrapes before, only the connectors' configurations are kept:
they say which group, slot and topic a connector has while Connect does not answer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

from cdcproof.clients.connect.client import Connect, ConnectorStates
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.schema_registry import Registry
from cdcproof.connectors.journal import Journal
from cdcproof.core.errors import CdcproofError
from cdcproof.core.waiting import Deadline
from cdcproof.databases.connections import connect_for_health as open_database
from cdcproof.environments.base import Environment, FileSystem
from cdcproof.monitoring.exporter import connect_metrics, database_metrics, freshness, kafka_metrics, source_metrics
from cdcproof.monitoring.exporter.freshness import TargetReading
from cdcproof.monitoring.exporter.identity import about, places, up
from cdcproof.monitoring.exporter.kafka_metrics import KafkaReading
from cdcproof.monitoring.exporter.pipeline_file import PipelineFile
from cdcproof.monitoring.exporter.probe import SCRAPE_SECONDS, Line, Probe
from cdcproof.monitoring.exporter.series import Collector, Metric, gauge
from cdcproof.monitoring.exporter.source_metrics import SourceReading
from cdcproof.observations.lag.source_reading import offset_of
from cdcproof.observations.reconciliation.exporter_page import PIPELINE_FILE
from cdcproof.pipeline import model

_HTTP_SECONDS = (1.0, 1.2)
"""To connect, and between two bytes: the whole answer then comes within a scrape, or not at all."""
_CONNECT_FIRST_SECONDS = 1.5
"""How long the other questions wait for Connect's answer, by which they know what to ask."""
_RETENTION = "retention"
"""No service of its own: without it Kafka has answered all the same."""
_NAMES = {
    "connect": "Kafka Connect",
    "kafka": "Kafka",
    _RETENTION: "Kafka, asked for the settings of the topics,",
    "registry": "The schema registry",
    "source": "The source",
    "target": "The target",
    "deployments": "The journal of deployments",
    "disks": "The file systems",
    PIPELINE_FILE: "The pipeline file",
}


class ConnectorCollector(Collector):
    """Asks every service at every scrape. Safe to use from several threads: each service is asked by one of them at a time."""

    def __init__(
        self, pipeline: model.Pipeline, environment: Environment | None = None, file: PipelineFile | None = None
    ) -> None:
        self._pipeline = pipeline
        self._file = file
        self._journal = Journal.of(pipeline)
        self._known: ConnectorStates | None = None
        self._rests = source_metrics.Rests()
        self._silent: frozenset[str] = frozenset()
        self._questions: dict[str, Callable[[Future[Any]], Any]] = {
            "kafka": self._ask_kafka,
            _RETENTION: lambda _: kafka_metrics.read_retention(self._kafka(), pipeline),
            "source": self._ask_source,
            "target": lambda _: freshness.read(open_database(pipeline.target), pipeline.freshness),
            "deployments": lambda _: self._journal.counts(),
        }
        if file:
            self._questions[PIPELINE_FILE] = lambda _: file.demand_unchanged()
        if environment and _has_disks(pipeline):
            self._questions["disks"] = lambda _: environment.file_systems(pipeline, walk_seconds=0)
        if pipeline.registry:
            registry = pipeline.registry
            Registry(registry)
            self._questions["registry"] = lambda _: Registry(registry, _HTTP_SECONDS).compatibility()
        self._probes = {
            service: Probe[Any](_NAMES[service], SCRAPE_SECONDS) for service in ("connect", *self._questions)
        }
        self._connect()  # a missing password is reported at the start

    def collect(self) -> Iterator[Metric]:
        """The metrics of one moment; what could not be seen is absent, and its service is 0 in `cdcproof_exporter_up`."""
        answers, problems = self._ask()
        self._report(problems)
        connect: ConnectorStates | None = answers.get("connect")
        kafka: KafkaReading | None = answers.get("kafka")
        source: SourceReading | None = answers.get("source")
        target: TargetReading | None = answers.get("target")
        yield from about(self._pipeline)
        yield places(
            {"deployments": self._journal.directory} | ({PIPELINE_FILE: self._file.path} if self._file else {})
        )
        yield connect_metrics.expected(self._pipeline)
        if connect is not None:
            yield from connect_metrics.metrics(connect, self._pipeline)
        yield connect_metrics.deployments(answers.get("deployments") or {})
        if kafka is not None:
            yield from kafka_metrics.metrics(kafka, self._pipeline, connect or self._known)
        if source is not None:
            yield from source_metrics.metrics(source, self._pipeline)
        yield self._headroom(kafka, answers.get(_RETENTION, {}), source)
        sides = {"source": source, "target": target}
        yield from database_metrics.metrics({side: seen.health for side, seen in sides.items() if seen})
        if self._pipeline.freshness:
            skew = self._pipeline.thresholds.clock_skew_seconds
            yield from freshness.metrics(freshness.age_seconds(source, target, skew), self._pipeline.freshness)
        yield _disks(answers.get("disks", ()))
        yield up({service: service in answers for service in self._probes if service != _RETENTION})

    def _headroom(
        self, kafka: KafkaReading | None, kept_seconds: Mapping[str, float], source: SourceReading | None
    ) -> Metric:
        of_sinks = kafka_metrics.headroom_seconds(kafka, kept_seconds, self._pipeline) if kafka else {}
        of_sources = source_metrics.headroom_seconds(source) if source else {}
        return gauge(
            "cdcproof_retention_headroom_seconds",
            "Until the oldest change that the connector has not read is gone; absent where nothing bounds it.",
            {**of_sinks, **of_sources},
            "connector",
        )

    def lines(self) -> tuple[Line, ...]:
        """For people: each service, and each question to it that has a reason not to be answered."""
        answers, problems = self._ask()
        return (
            *(
                Line(_NAMES[service], error.message, error.remedy) if error else Line(_NAMES[service])
                for service in self._probes
                for error in [problems.get(service)]
            ),
            *_parts(answers.get("source"), answers.get("target")),
        )

    def _report(self, problems: Mapping[str, CdcproofError]) -> None:
        """Print what no longer answers, and what does again: once, and not at each scrape."""
        for service in sorted(problems.keys() ^ self._silent):
            text = problems[service].message if service in problems else f"{_NAMES[service]} answers again."
            print(f"cdcproof exporter: {text}", file=sys.stderr, flush=True)
        self._silent = frozenset(problems)

    def _ask(self) -> tuple[Mapping[str, Any], Mapping[str, CdcproofError]]:
        """Service to its answer, and, of those that gave none in time, to the reason."""
        deadline = Deadline(SCRAPE_SECONDS)
        connect = self._probes["connect"].begin(self._ask_connect)
        asked = {"connect": connect}
        for service, question in self._questions.items():
            asked[service] = self._probes[service].begin(lambda ask=question: ask(connect))  # type: ignore[misc]
        answers: dict[str, Any] = {}
        problems: dict[str, CdcproofError] = {}
        for service, future in asked.items():
            try:
                answers[service] = self._probes[service].result(future, deadline)
            except CdcproofError as error:
                problems[service] = error
        return answers, problems

    def _ask_connect(self) -> ConnectorStates:
        self._known = self._connect().states().leaving_out(self._pipeline.is_neighbour)
        return self._known

    def _ask_kafka(self, connect: Future[ConnectorStates]) -> KafkaReading:
        return kafka_metrics.read(self._kafka(), self._pipeline, self._states(connect))

    def _ask_source(self, connect: Future[ConnectorStates]) -> SourceReading:
        def offsets(name: str, database: str | None, config: Mapping[str, str]) -> Mapping[str, Any]:
            return offset_of(self._connect(), name, database, config)

        readers = source_metrics.readers(self._pipeline, self._states(connect), offsets)
        return source_metrics.read(open_database(self._pipeline.source), readers, self._rests)

    def _states(self, connect: Future[ConnectorStates]) -> ConnectorStates | None:
        """What Connect says, or has said last: for the configurations in it."""
        try:
            return connect.result(_CONNECT_FIRST_SECONDS)
        except (CdcproofError, TimeoutError):
            return self._known

    def _kafka(self) -> Kafka:
        """With a client that is new: one that has seen the brokers before they restarted may wait for what is gone."""
        return Kafka(self._pipeline.kafka)

    def _connect(self) -> Connect:
        return Connect(self._pipeline.connect, _HTTP_SECONDS)


def _parts(source: SourceReading | None, target: TargetReading | None) -> Iterator[Line]:
    if source:
        for name, one in source.unread.items():
            yield Line(f"The lag of {name}", one.why, one.remedy)
    for side, seen in (("source", source), ("target", target)):
        if seen and seen.health.grant:
            yield Line(f"The sessions of the {side}", "This account may not see all of them.", seen.health.grant)
    if target and target.why:
        yield Line("The beat at the target", target.why, target.remedy)


def _has_disks(pipeline: model.Pipeline) -> bool:
    paths = pipeline.paths
    return bool(paths.volumes or paths.backups or any(service.container for service in pipeline.services))


def _disks(found: Iterable[FileSystem]) -> Metric:
    return gauge(
        "cdcproof_disk_used_ratio",
        "Used of what an ordinary user can have, as df counts; 1 is full.",
        {one.path: one.used_percent / 100 for one in found},
        "path",
    )
