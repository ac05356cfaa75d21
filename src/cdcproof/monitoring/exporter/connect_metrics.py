"""What Kafka Connect says of a pipeline's connectors, and the metrics that follow from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cdcproof.clients.connect.client import ConnectorStates
from cdcproof.monitoring.exporter.series import Metric, counter, gauge
from cdcproof.pipeline import model


def expected(pipeline: model.Pipeline) -> Metric:
    """Known without anybody's answer: what is absent elsewhere is missed by it."""
    return gauge(
        "cdcproof_connector_expected",
        "1 for each connector of the pipeline file, whether Connect has it or not.",
        {connector.name: 1.0 for connector in pipeline.connectors},
        "connector",
    )


def metrics(found: ConnectorStates, pipeline: model.Pipeline) -> tuple[Metric, ...]:
    """Of the connectors that Connect has and of those that it should have, without those of other pipelines."""
    return (
        gauge(
            "connector_state",
            "1: the connector and each of its expected tasks is RUNNING; 0: anything else.",
            connector_states(found, pipeline.connectors),
            "connector",
        ),
        gauge(
            "cdcproof_connector_known",
            "1: Connect has this connector of the pipeline file; 0: it answered, and has none of this name.",
            {connector.name: float(found.get(connector.name) is not None) for connector in pipeline.connectors},
            "connector",
        ),
        gauge(
            "cdcproof_task_state",
            "1: the task is RUNNING; 0: anything else, a task that is expected and absent too.",
            task_states(found, pipeline.connectors),
            "connector",
            "task",
        ),
    )


def deployments(counts: Mapping[str, int]) -> Metric:
    """By status; none where the journal cannot be read: no number is better than a wrong one."""
    return counter(
        "connector_deployments_total",
        "Connectors that cdcproof deployed (apply, update, undo), with success or without.",
        {status: float(count) for status, count in counts.items()},
        "status",
    )


def connector_states(found: ConnectorStates, expected: Iterable[model.Connector]) -> dict[str, float]:
    """Connector to 1 (it runs with as many running tasks as expected) or 0; an expected one that is absent is 0."""
    tasks = {connector.name: connector.tasks for connector in expected}
    values = dict.fromkeys(tasks, 0.0)
    for connector in found.connectors:
        running = [task for task in connector.tasks if task.state == "RUNNING"]
        whole = len(running) == len(connector.tasks) == tasks.get(connector.name, max(1, len(running)))
        values[connector.name] = float(connector.state == "RUNNING" and whole)
    return values


def task_states(found: ConnectorStates, expected: Iterable[model.Connector]) -> dict[tuple[str, str], float]:
    """Connector and task to 1 or 0; an expected one that is absent is 0."""
    values: dict[tuple[str, str], float] = {
        (connector.name, str(task)): 0.0 for connector in expected for task in range(connector.tasks)
    }
    for connector in found.connectors:
        for task in connector.tasks:
            values[connector.name, str(task.id)] = float(task.state == "RUNNING")
    return values
