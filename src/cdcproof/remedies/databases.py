"""What an operator does next at the databases: commands for the capture job, the log's reader, the slots and the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cdcproof.databases.administration import sqlcmd
from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.sessions.deployment import (
    add_to_publication,
    drop_slot,
    set_logged,
    tables_named_like,
)
from cdcproof.databases.sqlserver.queries.catalogue import constant, enable_table
from cdcproof.findings import ABSENT
from cdcproof.observations.databases.capture_job import CaptureJobs
from cdcproof.observations.databases.slots import Slots
from cdcproof.observations.schema.tables import AT_TARGET, CAPTURED, TOPIC, TableSets
from cdcproof.pipeline.model import Database
from cdcproof.remedies.commands import CommandLine, Commands

_LARGER_ON_PURPOSE = (
    "# where it grows on purpose: plan for the room, and raise thresholds.growth_percent_7d in the pipeline file"
)

_OPEN_TRANSACTIONS = (
    "SELECT pid, usename, application_name, state, xact_start, left(query, 60) AS last_query "
    "FROM pg_stat_activity WHERE backend_xid IS NOT NULL ORDER BY xact_start LIMIT 5"
)
"""Those that have written: one that only reads keeps no log."""


@dataclass(frozen=True)
class DatabaseRemedies:
    """The commands for the databases of one pipeline."""

    line: CommandLine

    def look_at_capture_job(self, seen: CaptureJobs) -> Commands:
        """Show the jobs and the log scan's errors; then start, make or enable what is not as it must be."""
        source, found = self.line.pipeline.source, seen.found()
        commands = [
            self.line.administer(source, statement)
            for statement in ("EXEC sys.sp_cdc_help_jobs;", "SELECT * FROM sys.dm_cdc_errors ORDER BY entry_time DESC;")
        ]
        if found.get("SQL Server Agent") != "Running":
            commands.append(
                "# start SQL Server Agent: systemctl restart mssql-server with sqlagent.enabled (Linux), or its service (Windows)"
            )
        for kind in ("capture", "cleanup"):
            word, job = found[f"{kind} job"], seen.job(kind)
            if word.startswith("absent"):
                commands.append(self.line.administer(source, f"EXEC sys.sp_cdc_add_job @job_type = N'{kind}';"))
            elif word == "disabled" and job:
                enable = f"EXEC msdb.dbo.sp_update_job @job_name = {constant(job.name)}, @enabled = 1;"
                commands.append(self.line.administer(source, enable))
            if word != seen.expected()[f"{kind} job"]:
                commands.append(self.line.administer(source, f"EXEC sys.sp_cdc_start_job @job_type = N'{kind}';"))
        hours = self.line.pipeline.thresholds.capture_headroom_hours
        cleanup = seen.job("cleanup")
        if cleanup and any(not left >= hours for left in seen.headroom_hours().values()):
            longer = f"EXEC sys.sp_cdc_change_job @job_type = N'cleanup', @retention = {cleanup.retention_minutes * 2};"
            commands.append(self.line.administer(source, longer))
        return tuple(commands)

    def largest_tables(self) -> Commands:
        """What of the source takes the space."""
        source = self.line.pipeline.source
        if source.type == "sqlserver":
            return (sqlcmd(source, "EXEC sys.sp_spaceused", user=source.user), _LARGER_ON_PURPOSE)
        largest = (
            "SELECT relid::regclass AS tables, pg_size_pretty(pg_total_relation_size(relid)) AS size "
            "FROM pg_statio_user_tables ORDER BY pg_total_relation_size(relid) DESC LIMIT 10"
        )
        return (self.line.psql(source, largest), _LARGER_ON_PURPOSE)

    def look_at_source(self, connectors: Mapping[str, str]) -> Commands:
        """What keeps a source connector from reading: its own state, then its session at the source."""
        commands = [self.line.cdcproof("connectors", "status", name) for name in connectors]
        if self.line.pipeline.source.type == "postgresql":
            columns = "pid, state, sent_lsn, write_lsn, wait_event_type, wait_event"
            sessions = f"SELECT {columns} FROM pg_stat_replication JOIN pg_stat_activity USING (pid)"  # noqa: S608  of constants
            commands.append(
                self.line.psql(self.line.pipeline.source, sessions.replace("state", "pg_stat_replication.state"))
            )
        for name, word in connectors.items():
            if word.startswith("beyond"):
                commands.append(
                    f"# the source was set back behind what {name} has read: take a new snapshot, and reconcile"
                )
            elif word.startswith("stood still"):
                commands.append(
                    "# a session that does not move is ended by an administrator: SELECT pg_terminate_backend(pid)"
                )
                commands.append(self.line.act("connectors", "restart", name))
        return tuple(commands)

    def look_at_slots(self, slots: Slots) -> Commands:
        """Show the slots. To drop one loses its position: that is advice, and never given for a slot that a connector reads."""
        source = self.line.pipeline.source
        columns = "slot_name, database, active, wal_status, restart_lsn"
        commands = [self.line.psql(source, f"SELECT {columns} FROM pg_replication_slots")]  # noqa: S608  of constants
        for slot in slots.failing():
            reader = slots.reader(slot)
            if reader:
                commands.append(f"# {slot.name} is read by {reader}: bring that back, and keep the slot")
                commands.append(self.line.cdcproof("connectors", "status"))
            elif reader is None:
                commands.append(
                    f"# Connect does not answer, so who reads {slot.name} is not known: keep it, and look again"
                )
            else:
                drop = self.line.administer(source, drop_slot(slot.name), name=slot.database)
                commands.append(f"# if nobody needs {slot.name} any more: {drop}")
                commands.append(
                    f'# if others look after it, in [source] of the pipeline file: other_slots = ["{slot.name}"]'
                )
        if slots.source.slot and slots.source.slot not in slots.found():
            commands.append(
                f"# {slots.source.slot} is gone, and the log that it kept: its connector needs a new snapshot"
            )
            commands.append(self.line.cdcproof("connectors", "status"))
        elif not slots.failing():  # each is read and whole: one keeps more than it may
            commands.append(self.line.psql(source, _OPEN_TRANSACTIONS))
            end = self.line.administer(source, "SELECT pg_terminate_backend(PID)")
            commands.append(
                "# a transaction that stays open keeps the log from its beginning on. "
                f"Where nobody needs it, end it by its pid: {end}"
            )
        return tuple(dict.fromkeys(commands))

    def log_tables(self, tables: TableSets) -> Commands:
        """Let the target's log have the tables that a crash of its server would empty."""
        target = self.line.pipeline.target
        return tuple(
            self.line.administer(target, set_logged(part)) for parts in tables.unlogged.values() for part in parts
        )

    def look_at_tables(self, tables: TableSets) -> Commands:
        """What the source captures and each connector carries, whole; then what adds a table where it is absent."""
        source, target = self.line.pipeline.source, self.line.pipeline.target
        absent = [subject for subject, word in tables.found().items() if word == ABSENT]
        commands = [
            self.line.psql(source, "SELECT * FROM pg_publication_tables")
            if source.type == "postgresql"
            else sqlcmd(source, "EXEC sys.sp_cdc_help_change_data_capture", user=source.user)
        ]
        commands += [  # a line for each key, and the whole of its list
            f"{self.line.cdcproof('connectors', 'get', connector.name)} | grep -E '^(table|topics|publication|collection)'"
            for connector in self.line.pipeline.connectors
        ]
        for table in self.line.pipeline.tables:
            if f"{table.name}: {CAPTURED}" in absent:
                commands.append(f"# {table.source} is not captured at the source:")
                commands.append(self.line.administer(source, _capture(source, TableName.parse(table.source))))
            if f"{table.name}: {TOPIC}" in absent:
                commands.append(f"# {table.topic} is no topic: it is made with the first record of {table.source}")
            if f"{table.name}: {AT_TARGET}" in absent:
                commands.append(
                    f"# {table.target} is not at the target: look for it under another name, restore it, or make it; "
                    "then snapshot and reconcile it"
                )
                commands.append(self.line.psql(target, tables_named_like(TableName.parse(table.target).table)))
        return tuple(commands)


def _capture(source: Database, table: TableName) -> str:
    """The statement by which an administrator lets the source capture a table."""
    if source.type == "sqlserver":
        return enable_table(table)
    return add_to_publication(source.publication or "PUBLICATION", [table])
