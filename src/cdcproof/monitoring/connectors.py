"""The metrics of the connectors and of what they connect, on 9104: every service is asked at each scrape, side by side.

Nothing is served that was not seen for this scrape. Of the scrapes before, only the connectors' configurations are kept:
they say which group, slot and topic a connector has while Connect does not answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from cdcproof import pipeline as model
from cdcproof.clients.connect import Connect, ConnectorStates
from cdcproof.clients.kafka import Kafka
from cdcproof.clients.registry import Registry
from cdcproof.errors import CdcproofError
from cdcproof.monitoring import connect_metrics, kafka_metrics
from cdcproof.monitoring.identity import about, up
from cdcproof.monitoring.kafka_metrics import KafkaReading
from cdcproof.monitoring.probe import SCRAPE_SECONDS, Probe
from cdcproof.monitoring.series import Collector, Metric, gauge
from cdcproof.operations.connectors.journal import Journal
from cdcproof.waiting import Deadline

T = TypeVar("T")

_HTTP_SECONDS = (1.0, 1.2)
"""To connect, and between two bytes: the whole answer then comes within a scrape, or not at all."""
_CONNECT_FIRST_SECONDS = 1.5
"""How long the other questions wait for Connect's answer, by which they know what to ask."""
_NAMES = {
    "connect": "Kafka Connect",
    "kafka": "Kafka",
    "registry": "The schema registry",
    "deployments": "The journal of deployments",
}


class ConnectorCollector(Collector):
    """Asks every service at every scrape. Safe to use from several threads: each service is asked by one of them at a time."""

    def __init__(self, pipeline: model.Pipeline) -> None:
        self._pipeline = pipeline
        self._journal = Journal.of(pipeline)
        self._kafka = Kafka(pipeline.kafka.bootstrap_servers)
        self._known: ConnectorStates | None = None
        self._questions: dict[str, Callable[[Future[Any]], Any]] = {
            "kafka": self._ask_kafka,
            "deployments": lambda _: self._journal.counts(),
        }
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
        answers = self._answers()
        connect: ConnectorStates | None = answers.get("connect")
        kafka: KafkaReading | None = answers.get("kafka")
        yield from about(self._pipeline)
        yield connect_metrics.expected(self._pipeline)
        if connect is not None:
            yield from connect_metrics.metrics(connect, self._pipeline)
        yield connect_metrics.deployments(answers.get("deployments") or {})
        if kafka is not None:
            yield from kafka_metrics.metrics(kafka, self._pipeline, connect or self._known)
        yield gauge(
            "cdcproof_retention_headroom_seconds",
            "Until the oldest change that the connector has not read is gone; absent where nothing bounds it.",
            kafka_metrics.headroom_seconds(kafka, self._pipeline) if kafka is not None else {},
            "connector",
        )
        yield up({service: service in answers for service in self._probes})

    def _answers(self) -> Mapping[str, Any]:
        """Service to its answer, of those that gave one in time."""
        deadline = Deadline(SCRAPE_SECONDS)
        connect = self._probes["connect"].begin(self._ask_connect)
        asked = {"connect": connect}
        for service, question in self._questions.items():
            asked[service] = self._probes[service].begin(lambda ask=question: ask(connect))  # type: ignore[misc]
        answers: dict[str, Any] = {}
        for service, future in asked.items():
            with suppress(CdcproofError):
                answers[service] = self._probes[service].result(future, deadline)
        return answers

    def _ask_connect(self) -> ConnectorStates:
        self._known = self._connect().states().leaving_out(self._pipeline.is_neighbour)
        return self._known

    def _ask_kafka(self, connect: Future[ConnectorStates]) -> KafkaReading:
        return kafka_metrics.read(self._kafka, self._pipeline, self._states(connect))

    def _states(self, connect: Future[ConnectorStates]) -> ConnectorStates | None:
        """What Connect says, or has said last: for the configurations in it."""
        try:
            return connect.result(_CONNECT_FIRST_SECONDS)
        except (CdcproofError, TimeoutError):
            return self._known

    def _connect(self) -> Connect:
        return Connect(self._pipeline.connect, _HTTP_SECONDS)
