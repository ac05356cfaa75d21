"""Kafka Connect: states, traces, configurations, positions, plug-ins and levels of loggers. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from cdcproof.clients.connect.client import Connect, Connector
from cdcproof.core.secrets import redact
from cdcproof.diagnostics.parts import File, Part, Remark, Scope, as_json, attempt, file_name
from cdcproof.reporting.record import table


def worker(scope: Scope) -> Iterator[Part]:
    """The worker that answers: version, plug-ins, levels of its loggers."""
    connect = Connect(scope.pipeline.connect)
    version = connect.version()
    text = f"Kafka Connect {version.version}, Kafka cluster {version.kafka_cluster_id or 'not known'}\n"
    yield File("connect/worker.txt", text)
    yield from attempt("connect/plugins", partial(_plugins, connect))
    yield from attempt("connect/loggers", partial(_loggers, connect))


def connectors(scope: Scope) -> Iterator[Part]:
    """Every connector and task, with its trace; configurations and positions of this pipeline's."""
    connect, pipeline = Connect(scope.pipeline.connect), scope.pipeline
    states = connect.states()
    yield File("connect/states.txt", table(states.rows()) + "\n")
    for subject, trace in states.traces.items():
        yield File(f"connect/traces/{file_name(subject)}.txt", trace + "\n")
    ours = states.leaving_out(pipeline.is_neighbour)
    for connector in ours.connectors:
        yield File(f"connect/configurations/{file_name(connector.name)}.json", as_json(redact(connector.config)))
    seen = ours.states
    for subject, expected in pipeline.expected_states.items():
        if (state := seen.get(subject, "not there")) != expected:
            detail = ours.details.get(subject, "")
            yield Remark(f"Connector or task {subject} is {state}, not {expected}{f': {detail}' if detail else ''}")
    for connector in ours.connectors:
        yield from attempt(f"connect/positions/{connector.name}", partial(_positions, connect, connector))
        yield from attempt(f"connect/topics/{connector.name}", partial(_topics, connect, connector))


def _positions(connect: Connect, connector: Connector) -> Iterator[Part]:
    yield File(f"connect/positions/{file_name(connector.name)}.json", as_json(connect.offsets(connector.name)))


def _topics(connect: Connect, connector: Connector) -> Iterator[Part]:
    yield File(f"connect/topics/{file_name(connector.name)}.txt", "\n".join(connect.topics(connector.name)) + "\n")


def _plugins(connect: Connect) -> Iterator[Part]:
    rows = [{"class": p.class_name, "kind": p.kind, "version": p.version} for p in connect.plugins()]
    yield File("connect/plugins.txt", table(rows) + "\n")


def _loggers(connect: Connect) -> Iterator[Part]:
    yield File("connect/loggers.json", as_json(connect.loggers()))
