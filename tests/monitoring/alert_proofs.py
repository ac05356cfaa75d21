"""How each alert was seen to reach its receiver and to end there; tests/monitoring/test_alerts_reach.py does it, docs/MONITORING.md lists it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from cdcproof.monitoring.catalogue import CHECKS
from cdcproof.monitoring.rules.alerts import ALERTS

Value = float | None | Callable[[], float]
"""None: absent."""
Series = tuple[str, Mapping[str, str], Value, Value]
"""A metric, its labels beside `pipeline` and `instance`, and its value without the fault and with it."""

HERE = {
    "ExporterDown": "an exporter whose page fails",
    "ExporterBlind": "an exporter whose directory of reports is missing",
    "FreshnessUnknown": "an exporter that serves no freshness",
    "ReportStale": "an exporter that finds no report",
    "ReconciliationFailing": "an exporter that finds two reports of runs that could not look",
    "SuiteNotRun": "a pipeline that never ran one, and one that ran them 40 days ago",
    "SuiteFailedTwice": "two red runs, as the code of a run pushes them",
    "ScheduledTaskNotRun": "a pipeline that never ran one, and one that ran them 40 days ago",
    "Watchdog": "nothing: it always fires",
    "EscalateToTeamLead": "ConnectorDown, which goes on",
    "EscalateToInfrastructureManager": "ConnectorDown, which goes on",
}
"""What an exporter reads, or a run pushes, or what another alert brings."""

_JOB = {"job": "connectors"}
_SINK = {**_JOB, "connector": "sink"}
_SLOT = {**_JOB, "slot": "cdc"}
GIBIBYTE = 1024.0**3
_ERRORS = "kafka_connect_task_error_metrics_total_record_errors"
"""Of the JMX exporter. A clock is a counter with an error each second."""

_RECONCILED = {"job": "reconciliation", "table": "orders"}


def _down(service: str) -> tuple[Series, ...]:
    return (("cdcproof_exporter_up", {**_JOB, "service": service}, 1, 0),)


MADE: dict[str, tuple[Series, ...]] = {
    "ConnectorDown": (("connector_state", _SINK, 1, 0), ("cdcproof_task_state", {**_SINK, "task": "0"}, 1, 1)),
    "ConnectorVanished": (("cdcproof_connector_known", _SINK, 1, 0),),
    "DataMismatch": (("reconciliation_row_count_mismatch_total", _RECONCILED, 0, time.monotonic),),
    "ChecksumMismatch": (("reconciliation_checksum_mismatch_total", _RECONCILED, 0, time.monotonic),),
    "MismatchStands": (
        ("reconciliation_last_mismatch_timestamp_seconds", _RECONCILED, 1, 2),
        ("reconciliation_last_match_timestamp_seconds", _RECONCILED, 1, 1),
    ),
    "KafkaConnectDown": _down("connect"),
    "KafkaDown": _down("kafka"),
    "SchemaRegistryDown": _down("registry"),
    "SourceDatabaseDown": _down("source"),
    "TargetDatabaseDown": _down("target"),
    "DeadLettersGrowing": (("cdcproof_dead_letters_total", {**_SINK, "topic": "dlq"}, 0, time.monotonic),),
    "DeadLettersKept": (("cdcproof_dead_letters", {**_SINK, "topic": "dlq"}, 0, 3),),
    "RetentionHeadroomLow": (("cdcproof_retention_headroom_seconds", _SINK, 12 * 3600, 12 * 3600 - 1),),
    "RetentionHeadroomCritical": (("cdcproof_retention_headroom_seconds", _SINK, 12 * 3600, 4 * 3600 - 1),),
    "FreshnessBurnsFast": (
        ("cdcproof_replication_freshness_target_seconds", _JOB, 60, 60),
        ("cdcproof_replication_freshness_seconds", _JOB, 60, 61),
    ),
    "HighReplicationLag": (("kafka_connect_source_connector_lag", {**_JOB, "connector": "source"}, 10_000, 10_001),),
    "PipelineLabelWrong": (("cdcproof_exporter_info", {**_JOB, "exported_pipeline": "elsewhere"}, None, 1),),
    "DatabaseConnectionFailures": (("cdcproof_exporter_up", {**_JOB, "service": "source"}, 1, 0.5),),
    "DatabaseConnectionsNearLimit": (
        ("cdcproof_database_connections", {**_JOB, "side": "target", "state": "active"}, 50, 50),
        ("cdcproof_database_connections", {**_JOB, "side": "target", "state": "idle"}, 40, 41),
        ("cdcproof_database_connections_limit", {**_JOB, "side": "target"}, 100, 100),
    ),
    "DiskFilling": (("cdcproof_disk_used_ratio", {**_JOB, "path": "/data"}, 0.8, 0.81),),
    "DiskNearlyFull": (("cdcproof_disk_used_ratio", {**_JOB, "path": "/data"}, 0.8, 0.91),),
    "TaskFailed": (("cdcproof_task_state", {**_SINK, "task": "0"}, 1, 0),),
    "ConnectorWithoutTasks": (
        ("connector_state", _SINK, 1, 1),
        ("cdcproof_task_state", {**_SINK, "task": "0"}, 1, None),
    ),
    "ConnectorLagUnknown": (
        ("cdcproof_connector_expected", _SINK, 1, 1),
        ("connector_state", _SINK, 1, 1),
        ("cdcproof_task_state", {**_SINK, "task": "0"}, 1, 1),
        ("cdcproof_sink_lag_records", {**_SINK, "table": "orders"}, 0, None),
    ),
    "SinkLagging": (("cdcproof_sink_lag_seconds", {**_SINK, "table": "orders"}, 900, 901),),
    "TaskErrorRateHigh": ((_ERRORS, {"connector": "sink", "task": "0"}, 0, time.monotonic),),
    "TaskErrorRateUnknown": (
        (_ERRORS, {"connector": "sink", "task": "0"}, 0, None),
        ("connector_state", {"connector": "sink"}, 1, 1),
        ("cdcproof_task_state", {"connector": "sink", "task": "0"}, 1, 1),
    ),
    "SlotRetainsLog": (("cdcproof_slot_retained_bytes", _SLOT, GIBIBYTE, GIBIBYTE + 1),),
    "SlotNearInvalidation": (
        ("cdcproof_slot_retained_bytes", _SLOT, 800, 801),
        ("cdcproof_slot_headroom_bytes", _SLOT, 200, 199),
    ),
    "SourceLogUnread": (("cdcproof_source_lag_bytes", {**_JOB, "connector": "source"}, GIBIBYTE, GIBIBYTE + 1),),
}
"""What takes more than a test can have: a page serves the series."""

LOADED = {
    "FreshnessBurnsSteadily": "made-steadily",
    "FreshnessBurnsToday": "made-today",
    "FreshnessBurnsSlowly": "made-slowly",
}
"""What takes hours of history: it is loaded into Prometheus' database (`promtool tsdb create-blocks-from`). Alert to its pipeline."""

BROKEN = {
    "ConnectorDown": "a sink with a wrong password: its task fails while its connector runs",
    "DataMismatch": "a row was deleted at the target, and reconciled",
    "ChecksumMismatch": "a row was changed at the target, and reconciled",
    "MismatchStands": "the same, until the row came back",
    "ExporterDown": "the exporter was killed",
    "KafkaConnectDown": "the worker hangs (SIGSTOP)",
    "KafkaDown": "the broker hangs (SIGSTOP)",
    "SchemaRegistryDown": "the registry hangs (SIGSTOP)",
    "SourceDatabaseDown": "the source hangs (SIGSTOP)",
    "TargetDatabaseDown": "the target hangs (SIGSTOP)",
    "ConnectorVanished": "the sink was deleted",
    "DeadLettersGrowing": "records that no converter reads were written into a topic",
    "DeadLettersKept": "the same, when no more followed",
    "RetentionHeadroomLow": "the sink waits for a lock, and its topic keeps records for 8 hours",
    "RetentionHeadroomCritical": "the same with 2 hours",
    "FreshnessBurnsFast": "the same: the heartbeat at the target is two minutes old",
    "SuiteFailedTwice": "two red runs of `pytest -m morning`",
    "EscalateToTeamLead": "MismatchStands, which went on",
    "EscalateToInfrastructureManager": "MismatchStands, which went on",
}
"""Of these also a fault of a running pipeline: tests/integration/test_alerts.py."""

SCARCE = {
    "DiskFilling": "the backups' file system, of 16 MiB, is 85 % full",
    "DiskNearlyFull": "the same at 95 %",
    "SinkLagging": "the sink waits for a lock with a record that is dated twenty minutes back",
    "SlotRetainsLog": "a slot that nobody reads holds back more than a gibibyte",
    "SlotNearInvalidation": "the same, with a limit that is a tenth above what it holds back",
}
"""And of these: tests/integration/test_alerts_room.py."""

PUSHED = tuple(check.alert for check in CHECKS)
"""The alert on each check: what the code of a run pushes is pushed."""


def table() -> str:
    """The table of docs/MONITORING.md."""
    lines = ["| alert | is shown by | and by a fault of a running pipeline |", "|---|---|---|"]
    by_faults = BROKEN | SCARCE
    for alert in ALERTS:
        shown = HERE.get(alert.name, "")
        if alert.name in MADE:
            shown = "a page that serves its series on both sides of the limit"
        elif alert.name in LOADED:
            shown = "minutes of freshness that are loaded into Prometheus"
        lines.append(f"| {alert.name} | {shown} | {by_faults.get(alert.name, '-')} |")
    lines.append(
        "| the alert on each check | the verdict of a run, red and green, as the code of a run pushes it | real red runs of `pytest -m morning` |"
    )
    return "\n".join(lines) + "\n"
