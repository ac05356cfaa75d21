"""CDC Pipeline Overview: does it run, how far behind is it, how much goes through, what goes wrong."""

from __future__ import annotations

from cdcproof.monitoring.dashboards import appearance
from cdcproof.monitoring.dashboards.model import RATE, Colour, Dashboard, Kind, Panel, Query, Row, of

_STATE = (
    f"min by (connector) ({of('connector_state')}) or on (connector) -max by (connector) "
    f"({of('cdcproof_connector_expected')})"
)
_SOURCE_LAG = f"max by (connector) ({of('kafka_connect_source_connector_lag')})"
_SINK_LAG = f"sum by (connector) ({of('cdcproof_sink_lag_records')})"
_SOURCE_SECONDS = f"max by (connector) ({of('cdcproof_source_lag_seconds')})"
_SINK_SECONDS = f"max by (connector) ({of('cdcproof_sink_lag_seconds')})"
_HEADROOM = f"min by (connector) ({of('cdcproof_retention_headroom_seconds')})"
_DEAD_LETTERS = f"sum by (connector) ({of('cdcproof_dead_letters')})"
_FRESHNESS = f"max({of('cdcproof_replication_freshness_seconds')})"
_TASKS_DOWN = f"sum by (connector) (1 - {of('cdcproof_task_state')})"

_NOW = Row(
    "Now",
    (
        Panel(
            "Connectors",
            "RUNNING: the connector and each of its expected tasks runs. UNKNOWN: Kafka Connect did not answer, so nothing is "
            "known about a connector that the pipeline file expects.",
            "morning.2-connectors",
            Kind.NUMBERS,
            (Query(_STATE, "{{connector}}"),),
            appearance.CONNECTOR,
            width=8,
            height=5,
        ),
        Panel(
            "Freshness",
            "Age at the target of the newest heartbeat row of the source, end to end, by the source's clock. No value: it "
            "could not be read, which counts as bad.",
            "morning.7-freshness",
            Kind.NUMBERS,
            (Query(_FRESHNESS, "newest heartbeat"),),
            appearance.FRESHNESS,
            width=4,
            height=5,
        ),
        Panel(
            "Not yet sent",
            "Records that the source has committed and the connector has not sent. The table below says whether the count is "
            "exact or stopped at its bound.",
            "morning.7-source-lag",
            Kind.NUMBERS,
            (Query(_SOURCE_LAG, "{{connector}}"),),
            appearance.LAG_RECORDS,
            width=4,
            height=5,
        ),
        Panel(
            "Not yet applied",
            "Records in Kafka that the sink has not committed, over all its tables.",
            "morning.7-sink-lag",
            Kind.NUMBERS,
            (Query(_SINK_LAG, "{{connector}}"),),
            appearance.LAG_RECORDS,
            width=4,
            height=5,
        ),
        Panel(
            "Dead letters",
            "Records that sinks put aside and that are still in the dead letter topic. Each is a change that the target lacks.",
            "morning.9-dead-letters",
            Kind.NUMBERS,
            (Query(_DEAD_LETTERS, "{{connector}}"),),
            appearance.NONE_IS_GOOD,
            width=4,
            height=5,
        ),
        Panel(
            "Services",
            "Whether each service answered the exporter's last look. While one does not answer, the numbers that come from it "
            "are absent on this page, not zero.",
            "morning.1-services",
            Kind.NUMBERS,
            (Query(f"min by (service) ({of('cdcproof_exporter_up')})", "{{service}}"),),
            appearance.WORKS,
            width=24,
            height=4,
        ),
    ),
)

_STATUS = Row(
    "Connector status",
    (
        Panel(
            "Connectors and tasks",
            "One line per connector: state, tasks that run, what it is behind by, and how long until the oldest change that it "
            "has not read is gone.",
            "morning.2-connectors",
            Kind.TABLE,
            (
                Query(_STATE, "State", appearance.CONNECTOR),
                Query(f"sum by (connector) ({of('cdcproof_task_state')})", "Tasks running", appearance.NUMBER),
                Query(f"{_SOURCE_LAG} or {_SINK_LAG}", "Behind, records", appearance.LAG_RECORDS),
                Query(f"max by (connector) ({of('cdcproof_source_lag_bounded')})", "Count is", appearance.COUNTED),
                Query(f"{_SOURCE_SECONDS} or {_SINK_SECONDS}", "Behind, time", appearance.LAG_SECONDS),
                Query(_HEADROOM, "Headroom", appearance.HEADROOM),
                Query(_DEAD_LETTERS, "Dead letters", appearance.NONE_IS_GOOD),
            ),
            appearance.PLAIN,
            width=24,
            height=5,
            per=("connector",),
        ),
        Panel(
            "Connector state over time",
            "1: the connector and each expected task is RUNNING; 0: anything else. A gap: Kafka Connect did not answer.",
            "morning.2-connectors",
            Kind.LINES,
            (Query(f"min by (connector) ({of('connector_state')})", "{{connector}}"),),
            appearance.CONNECTOR,
            width=12,
        ),
        Panel(
            "Tasks that do not run",
            "A connector may say RUNNING while a task of it is FAILED. Then the changes of that task's tables stand still.",
            "morning.2-connectors",
            Kind.LINES,
            (Query(_TASKS_DOWN, "{{connector}}"),),
            appearance.NONE_IS_GOOD,
            width=12,
        ),
    ),
)

_LAG = Row(
    "Replication lag",
    (
        Panel(
            "Freshness, end to end",
            "Age at the target of the newest heartbeat row of the source. It rises one second per second while the pipeline "
            "stands. A gap: it could not be read.",
            "morning.7-freshness",
            Kind.LINES,
            (
                Query(_FRESHNESS, "newest heartbeat"),
                Query(f"max({of('cdcproof_replication_freshness_target_seconds')})", "target of the pipeline file"),
            ),
            appearance.SECONDS,
            colours=(("target of the pipeline file", Colour.BAD),),
        ),
        Panel(
            "Source: records not yet sent",
            "Records that the source has committed and the connector has not sent. HighReplicationLag fires above 10,000 for "
            "10 minutes.",
            "morning.7-source-lag",
            Kind.LINES,
            (Query(_SOURCE_LAG, "{{connector}}"),),
            appearance.LAG_RECORDS,
        ),
        Panel(
            "Source: age of the oldest change not yet sent",
            "0: nothing is left to send. A busy source that keeps up stays near 0; a stuck connector rises one second per second.",
            "morning.7-source-lag",
            Kind.LINES,
            (Query(_SOURCE_SECONDS, "{{connector}}"),),
            appearance.LAG_SECONDS,
        ),
        Panel(
            "Sink: records not yet applied",
            "Records of each table in Kafka that the sink's group has not committed.",
            "morning.7-sink-lag",
            Kind.LINES,
            (Query(f"sum by (connector, table) ({of('cdcproof_sink_lag_records')})", "{{table}}"),),
            appearance.LAG_RECORDS,
        ),
        Panel(
            "Sink: age of the oldest record not yet applied",
            "0: nothing is left to apply. One table that rises alone points to its sink task, all of them to the sink or target.",
            "morning.7-sink-lag",
            Kind.LINES,
            (Query(f"max by (connector, table) ({of('cdcproof_sink_lag_seconds')})", "{{table}}"),),
            appearance.LAG_SECONDS,
        ),
        Panel(
            "Source: log not yet confirmed",
            "PostgreSQL only: log after the position that the connector has confirmed. It grows with every write to the server, "
            "also of other databases.",
            "morning.7-source-lag",
            Kind.LINES,
            (Query(f"max by (connector) ({of('cdcproof_source_lag_bytes')})", "{{connector}}"),),
            appearance.LOG_BYTES,
        ),
    ),
)

_THROUGHPUT = Row(
    "Throughput",
    (
        Panel(
            "Source to Kafka, by table",
            "Records per second that arrive in each table's topic.",
            "morning.7-source-lag",
            Kind.LINES,
            (Query(f"sum by (table) (rate({of('cdcproof_topic_records_total')}[{RATE}]))", "{{table}}"),),
            appearance.THROUGHPUT,
        ),
        Panel(
            "Kafka to target, by table",
            "Records per second of each table that the sink has committed.",
            "morning.7-sink-lag",
            Kind.LINES,
            (Query(f"sum by (table) (rate({of('cdcproof_sink_records_total')}[{RATE}]))", "{{table}}"),),
            appearance.THROUGHPUT,
        ),
        Panel(
            "In and out",
            "All tables together. Two lines that stay apart mean a lag that grows.",
            "morning.7-sink-lag",
            Kind.LINES,
            (
                Query(f"sum(rate({of('cdcproof_topic_records_total')}[{RATE}]))", "into Kafka"),
                Query(f"sum(rate({of('cdcproof_sink_records_total')}[{RATE}]))", "into the target"),
            ),
            appearance.THROUGHPUT,
        ),
    ),
)

_ERRORS = Row(
    "Error rates",
    (
        Panel(
            "Records put aside",
            "Dead letters added within one interval. Sinks that put records aside go on RUNNING: no state shows the loss.",
            "morning.9-dead-letters",
            Kind.LINES,
            (Query(f"sum by (connector) (increase({of('cdcproof_dead_letters_total')}[{RATE}]))", "{{connector}}"),),
            appearance.NONE_IS_GOOD,
            width=12,
            height=7,
        ),
        Panel(
            "Errors of tasks",
            "Records per second that a connector's tasks could not handle, as the workers' JMX exporter counts them. "
            "TaskErrorRateHigh fires above 0.5 for 5 minutes. No data: no worker has a JMX exporter.",
            "morning.2-connectors",
            Kind.LINES,
            (Query(f"sum by (connector) ({of('cdcproof:task_record_errors:rate5m')})", "{{connector}}"),),
            appearance.ERRORS,
            width=12,
            height=7,
        ),
        Panel(
            "Services without an answer",
            "Share of the exporter's requests to each service that got no answer within the interval.",
            "morning.1-services",
            Kind.LINES,
            (Query(f"1 - min by (service) (avg_over_time({of('cdcproof_exporter_up')}[{RATE}]))", "{{service}}"),),
            appearance.SHARE_OF_FAILURES,
            width=12,
            height=7,
        ),
        Panel(
            "Deployments",
            "Connectors that cdcproof deployed in the last hour, with success and without.",
            "connectors.6-settings",
            Kind.LINES,
            (Query(f"sum by (status) (increase({of('connector_deployments_total')}[1h]))", "{{status}}"),),
            appearance.NUMBER,
            width=12,
            height=7,
            colours=appearance.OUTCOMES,
        ),
    ),
)

_HEADROOM_ROW = Row(
    "Headroom",
    (
        Panel(
            "Time until unread changes are gone",
            "What is left until retention or clean-up deletes the oldest change that the connector has not read. Absent where "
            "nothing bounds it.",
            "morning.7-source-lag",
            Kind.LINES,
            (Query(_HEADROOM, "{{connector}}"),),
            appearance.HEADROOM,
        ),
        Panel(
            "Log kept by replication slots",
            "PostgreSQL only: a slot that nobody reads keeps the log until the disk is full.",
            "morning.8-replication-slots",
            Kind.LINES,
            (Query(f"max by (slot) ({of('cdcproof_slot_retained_bytes')})", "{{slot}}"),),
            appearance.LOG_BYTES,
        ),
        Panel(
            "Log until a slot is lost",
            "PostgreSQL only: what may still be written until the server drops the log that a slot needs. Absent without "
            "max_slot_wal_keep_size: then the disk is the limit.",
            "morning.8-replication-slots",
            Kind.LINES,
            (Query(f"min by (slot) ({of('cdcproof_slot_headroom_bytes')})", "{{slot}}"),),
            appearance.HEADROOM_BYTES,
        ),
        Panel(
            "Disks",
            "Used share of each volume, as the morning check measures it.",
            "morning.5-disk",
            Kind.BARS,
            (Query(f"max by (path) ({of('cdcproof_disk_used_ratio')})", "{{path}}"),),
            appearance.FILLING,
            width=24,
            height=5,
            most=1,
        ),
    ),
)

OVERVIEW = Dashboard(
    "cdc-pipeline-overview",
    "CDC Pipeline Overview",
    "Whether the pipeline runs, how far behind it is, how much goes through it and what goes wrong.",
    (_NOW, _STATUS, _LAG, _THROUGHPUT, _ERRORS, _HEADROOM_ROW),
)
