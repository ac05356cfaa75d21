"""Say in plain words what a pipeline file expects."""

from __future__ import annotations

from cdcproof.pipeline.model import Database, Pipeline
from cdcproof.validation.round_trip.journey import travellers

_PRODUCTS = {"sqlserver": "SQL Server", "postgresql": "PostgreSQL"}


def explain(pipeline: Pipeline) -> list[tuple[str, str]]:
    """(subject, sentence) for every part of the file, in the order in which an operator thinks of them."""
    limits, paths = pipeline.thresholds, pipeline.paths
    volumes = [str(path.absolute()) for path in (*paths.volumes, *([paths.backups] if paths.backups else []))]
    sinks = ", ".join(sink.consumer_group for sink in pipeline.sinks)
    lines = [
        ("source", f"Rows are read from {_database(pipeline.source)}{_capture(pipeline.source)}."),
        ("target", f"They are written to {_database(pipeline.target)}."),
        ("connectors", f"Kafka Connect at {pipeline.connect.url} runs exactly these, every task RUNNING: {_connectors(pipeline)}."),
        *(
            ("table", f"{t.name}: {t.source} → topic {t.topic} → {t.target}, key {', '.join(t.key) or 'none'}")
            for t in pipeline.tables
        ),
        ("services", f"These must be up: {', '.join(s.name for s in pipeline.services)}."),
        ("lag", f"Consumer group {sinks} is at most {limits.lag_records:,} records and {limits.lag_seconds:g} s behind."),
        (
            "reconciliation",
            f"By the reports in {paths.reconciliation_reports.absolute()} every table was reconciled at most "
            f"{limits.report_age_hours:g} h ago, has rows, and says MATCH; its contents were compared at most {limits.contents_age_hours:g} h ago.",
        ),
        (
            "metrics",
            f"No mismatch that stands at {pipeline.exporters.reconciliation_url}, connector_state 1 for each connector at "
            f"{pipeline.exporters.connect_url}.",
        ),
        (
            "disk",
            f"Below {limits.disk_fail_percent:g} % used, warned from {limits.disk_warn_percent:g} %: "
            f"{', '.join(volumes) or 'the data of the containers'}.",
        ),
    ]  # fmt: skip
    rows = travellers(pipeline)
    if rows:
        trip = pipeline.round_trip
        lines.append(
            (
                "round trip",
                f"Validation sends a test row of {', '.join(row.table for row in rows)} round, each change at the target within "
                f"{trip.hop_seconds:g} s, as {(trip.source or pipeline.source).user} at the source and "
                f"{(trip.target or pipeline.target).user} at the target.",
            )
        )
    if paths.backups:
        lines.append(
            ("backups", f"Files in {paths.backups} older than {limits.backup_keep_days:g} days may be deleted.")
        )
    if pipeline.source.slot:
        lines.append(
            (
                "slot",
                f"Replication slot {pipeline.source.slot} is active and holds back at most "
                f"{limits.slot_retained_mebibytes:,g} MiB of WAL.",
            )
        )
    if pipeline.notify:
        whole, red = (
            ", ".join(suites) or "none" for suites in (pipeline.notify.every_run_of, pipeline.notify.red_runs_of)
        )
        lines.append(
            (
                "messages",
                f"Each whole run of {whole}, and red runs of {red}, go to the addresses in ${pipeline.notify.urls_env}.",
            )
        )
    lines += [("contacts", line) for line in (*pipeline.contacts.escalation_lines(), *pipeline.contacts.team_lines())]
    return lines


def _database(database: Database) -> str:
    return (
        f"{_PRODUCTS[database.type]} database {database.database} at {database.host}:{database.port} as {database.user} "
        f"(password in ${database.password_env})"
    )


def _capture(database: Database) -> str:
    if database.type == "sqlserver":
        return ", by change data capture"
    return f", by publication {database.publication}" if database.publication else ""


def _connectors(pipeline: Pipeline) -> str:
    return ", ".join(f"{c.name} ({c.kind}, {c.tasks} task{'s' if c.tasks > 1 else ''})" for c in pipeline.connectors)
