"""What is collected of a pipeline: the table. Nothing is asked here."""

from __future__ import annotations

from functools import partial

from cdcproof.diagnostics import connect, databases, kafka, machine, metrics, registry, reports, services
from cdcproof.diagnostics.parts import Item
from cdcproof.pipeline.model import Pipeline

_JAVA = ("zookeeper", "kafka", "registry", "connect")


def items(pipeline: Pipeline) -> tuple[Item, ...]:
    """In the order of the first page, and of what stays where there is too much for the archive."""
    return (
        Item("services", "Services: state, restarts", services.states),
        Item("connect/connectors", "Connectors: state, traces, configuration, positions", connect.connectors),
        Item("connect/worker", "Kafka Connect: version, plug-ins, loggers", connect.worker),
        *(
            Item(
                f"{side}/activity",
                f"The {side}: sessions, locks, replication, settings",
                partial(databases.activity, side),
            )
            for side in databases.SIDES
        ),
        *(
            Item(f"{side}/schema", f"The {side}: version, columns, keys", partial(databases.schema, side))
            for side in databases.SIDES
        ),
        Item("kafka/topics", "Kafka: topics and their settings", kafka.topics),
        Item("kafka/groups", "Kafka: groups", kafka.groups),
        *(
            Item(f"kafka/lag/{sink.name}", f"Kafka: lag of {sink.name}", partial(kafka.lag, sink))
            for sink in pipeline.sinks
        ),
        *([Item("registry", "Schema registry: subjects and schemas", registry.subjects)] if pipeline.registry else []),
        Item(
            "metrics/reconciliation",
            "Metrics of reconciliation (9103)",
            partial(metrics.exporter, "reconciliation", pipeline.exporters.reconciliation_url),
        ),
        Item(
            "metrics/connectors",
            "Metrics of connectors (9104)",
            partial(metrics.exporter, "connectors", pipeline.exporters.connect_url),
        ),
        *(
            [Item("metrics/prometheus", "Prometheus: alerts and targets", metrics.prometheus)]
            if pipeline.prometheus
            else []
        ),
        *(
            [Item("metrics/alertmanager", "Alertmanager: alerts and silences", metrics.alertmanager)]
            if pipeline.alertmanager
            else []
        ),
        *([Item("metrics/pushed", "Metrics that were pushed", metrics.pushed)] if pipeline.pushgateway else []),
        Item("system/machine", "This machine: memory, load, processes", machine.system),
        Item("system/disks", "Disks", machine.disks),
        Item("system/versions", "Versions here", machine.versions),
        *(
            [Item("system/engine", "Container engine", machine.engine)]
            if any(s.container for s in pipeline.services)
            else []
        ),
        Item("services/deployment", "How the services are deployed", services.deployment),
        *(
            Item(f"threads/{s.name}", f"Threads of {s.name}", partial(services.threads, s.name))
            for s in pipeline.services
            if s.role in _JAVA
        ),
        Item("reports/checks", "The latest run of checks", reports.checks),
        Item("reports/reconciliations", "The newest reconciliations", reports.reconciliations),
        Item("reports/acts", "Who changed what", reports.acts),
        *(
            Item(f"logs/{s.name}", f"Log of {s.name}", partial(services.log, s.name))
            for s in sorted(pipeline.services, key=lambda s: s.role != "connect")  # its log says most
        ),
    )
