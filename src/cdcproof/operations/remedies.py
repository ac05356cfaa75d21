"""What an operator does next: commands that can be pasted, for what a check found. Nothing here acts.

A line that starts with ``#`` is advice, not a command. Each list goes from looking to acting.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cdcproof.databases.base import TableName
from cdcproof.databases.deployment.postgresql import add_column
from cdcproof.environments.base import Environment
from cdcproof.findings import ABSENT
from cdcproof.observations.capture_job import CaptureJobs
from cdcproof.observations.columns import ColumnSets
from cdcproof.observations.disks import OldFiles
from cdcproof.observations.slots import Slots
from cdcproof.operations.administration import administer, sqlcmd
from cdcproof.pipeline import Database, Pipeline

Commands = tuple[str, ...]


@dataclass(frozen=True)
class Remedies:
    """The commands for one pipeline in one environment. `pipeline_name` is what `--pipeline` takes for it."""

    environment: Environment
    pipeline: Pipeline
    pipeline_name: str

    def restart_services(self, names: Collection[str]) -> Commands:
        """Read the log, then restart: the runbook's action for a service that is down."""
        return tuple(command for name in names for command in self.environment.restart_command(name))

    def read_logs(self, names: Collection[str]) -> Commands:
        """Read the logs of services, and no more."""
        return tuple(self.environment.restart_command(name)[0] for name in names)

    def run_connectors(self, states: Mapping[str, str]) -> Commands:
        """Bring every connector to RUNNING by the call that fits the state it is in.

        A bare `/restart` leaves failed tasks failed, so failed tasks are asked for by name of the parameters.
        """
        expected = {c.name for c in self.pipeline.connectors}
        commands: list[str] = []
        for name in dict.fromkeys(_owner(subject) for subject in states):
            if name not in expected:
                commands.append(
                    f"# {name} is not in the pipeline file: add it there, to connect.other_connectors where it is "
                    "another pipeline's, or delete it at Connect"
                )
                continue
            mine = {state for subject, state in states.items() if _owner(subject) == name}
            own = states.get(name, ABSENT)
            if own in ("PAUSED", "STOPPED"):
                commands.append(self._curl("PUT", name, "resume"))
            elif "FAILED" in mine:
                commands.append(self._curl("GET", name, "status"))
                commands.append(self._curl("POST", name, "restart?includeTasks=true&onlyFailed=true"))
            elif mine != {"RUNNING"} or self._tasks(states, name) != self._expected_tasks(name):
                commands.append(self._curl("GET", name, "status"))
                surplus = self._tasks(states, name) - self._expected_tasks(name)
                commands.append(
                    f"# {name} has more tasks than the pipeline file says: correct its tasks there, or tasks.max"
                    if surplus > 0
                    else "# tasks are being assigned or are too few: look again in a minute, then at tasks.max"
                )
        for name in sorted(expected - set(states)):
            body = ("-H", "Content-Type: application/json", "-d", f"@{name}.config.json")
            commands.append(f"# {name} does not exist at Connect: deploy it from its file")
            commands.append(self._curl("PUT", name, "config", *body))
        return tuple(commands)

    def reconcile(self, tables: Collection[str], to_repair: Collection[str] = ()) -> Commands:
        """Compare again now, contents included; then, for tables whose differing keys are known, what repairs them."""
        if not tables:
            return ()
        pipeline = shlex.quote(self.pipeline_name)
        repair = (
            "# what still differs is repaired by this SQL, to be read first; with --allow-acts it is run, and then compare again:",
            f"cdcproof reconcile repair --pipeline {pipeline} --tables {shlex.quote(','.join(to_repair))}",
        )
        return (
            f"cdcproof reconcile --pipeline {pipeline} --tables {shlex.quote(','.join(tables))} --validate-checksums",
            *(repair if to_repair and self.pipeline.target.type == "postgresql" else ()),
            *self.read_reports(),
        )

    def set_aside(self, reports: Collection[Path]) -> Commands:
        """Rename reports that a wrong clock dated into the future: until then nothing else is the newest."""
        if not reports:
            return ()
        return (
            "# a clock was ahead: compare `date` on the hosts, and rename what it dated wrong",
            *(shlex.join(["mv", "--", str(path), f"{path}.from-the-future"]) for path in reports),
        )

    def read_reports(self) -> Commands:
        """The runbook's look at the reports."""
        directory = shlex.quote(str(self.pipeline.paths.reconciliation_reports))
        return (f"ls -lht {directory} | head",)

    def compare_exporter_with_connect(self) -> Commands:
        """Both sides of a contradiction between the exporter and Connect."""
        return (
            f"curl -s {shlex.quote(self.pipeline.exporters.connect_url)} | grep connector_state",
            self._ask_connect("GET", "/connectors?expand=status"),
        )

    def free_space(self, old_files: OldFiles | None) -> Commands:
        """The runbook's clean-up of old backups, listed before it is deleted; advice where it would free nothing."""
        if not old_files or not old_files.count:
            return ("# no backup is old enough to delete: see in the report what takes the space",)
        find = f"find {shlex.quote(str(old_files.directory))} -type f -mtime +{old_files.days:g}"
        return (f"{find} -ls", f"{find} -delete")

    def look_at_sink(self, groups: Collection[str]) -> Commands:
        """What keeps a sink from writing: its own state, then locks at the target."""
        return (
            *(self._curl("GET", name.removeprefix("connect-"), "status") for name in groups),
            _psql(
                self.pipeline.target,
                "SELECT pid, wait_event_type, state, query FROM pg_stat_activity WHERE "
                "cardinality(pg_blocking_pids(pid)) > 0 OR state LIKE 'idle in transaction%'",
            ),
        )

    def follow_the_test_row(self) -> Commands:
        """Where a test row may have stopped: each connector's state, then what keeps the sink from writing."""
        return (
            *(self._curl("GET", connector.name, "status") for connector in self.pipeline.connectors),
            *self.look_at_sink([sink.consumer_group for sink in self.pipeline.sinks])[-1:],
        )

    def undo_connectors(self) -> Commands:
        """See what the connectors do; then put back what was there before."""
        option = f"--pipeline {shlex.quote(self.pipeline_name)}"
        return (f"cdcproof connectors status {option}", f"cdcproof connectors undo {option}")

    def compare_with_baseline(self) -> Commands:
        """See it again; then undo it, or declare it."""
        return (
            f"cdcproof baseline compare --pipeline {shlex.quote(self.pipeline_name)}",
            "# undo what was not meant; what was meant belongs into the change's file (--change) or into --expect",
        )

    def look_at_flaps(self) -> Commands:
        """What the worker says about connectors that came back by themselves, and how they are now."""
        workers = [service.name for service in self.pipeline.services if service.role == "connect"]
        return (self._ask_connect("GET", "/connectors?expand=status"), *self.read_logs(workers))

    def look_at_capture_job(self, seen: CaptureJobs) -> Commands:
        """Show the jobs and the log scan's errors; then start, make or enable what is not as it must be."""
        source, found = self.pipeline.source, seen.found()
        commands = [
            administer(source, statement)
            for statement in ("EXEC sys.sp_cdc_help_jobs;", "SELECT * FROM sys.dm_cdc_errors ORDER BY entry_time DESC;")
        ]
        if found.get("SQL Server Agent") != "Running":
            commands.append(
                "# start SQL Server Agent: systemctl restart mssql-server with sqlagent.enabled (Linux), or its service (Windows)"
            )
        for kind in ("capture", "cleanup"):
            word, job = found[f"{kind} job"], seen.job(kind)
            if word.startswith("absent"):
                commands.append(administer(source, f"EXEC sys.sp_cdc_add_job @job_type = N'{kind}';"))
            elif word == "disabled" and job:
                name = job.name.replace("'", "''")
                enable = f"EXEC msdb.dbo.sp_update_job @job_name = N'{name}', @enabled = 1;"
                commands.append(administer(source, enable))
            if word != seen.expected()[f"{kind} job"]:
                commands.append(administer(source, f"EXEC sys.sp_cdc_start_job @job_type = N'{kind}';"))
        hours = self.pipeline.thresholds.capture_headroom_hours
        cleanup = seen.job("cleanup")
        if cleanup and any(not left >= hours for left in seen.headroom_hours().values()):
            longer = f"EXEC sys.sp_cdc_change_job @job_type = N'cleanup', @retention = {cleanup.retention_minutes * 2};"
            commands.append(administer(source, longer))
        return tuple(commands)

    def look_at_source(self, connectors: Mapping[str, str]) -> Commands:
        """What keeps a source connector from reading: its own state, then its session at the source."""
        option = f"--pipeline {shlex.quote(self.pipeline_name)}"
        commands = [f"cdcproof connectors status {shlex.quote(name)} {option}" for name in connectors]
        if self.pipeline.source.type == "postgresql":
            columns = "pid, state, sent_lsn, write_lsn, wait_event_type, wait_event"
            sessions = f"SELECT {columns} FROM pg_stat_replication JOIN pg_stat_activity USING (pid)"  # noqa: S608  of constants
            commands.append(_psql(self.pipeline.source, sessions.replace("state", "pg_stat_replication.state")))
        for name, word in connectors.items():
            if word.startswith("beyond"):
                commands.append(
                    f"# the source was set back behind what {name} has read: take a new snapshot, and reconcile"
                )
            elif word.startswith("stood still"):
                commands.append(
                    "# a session that does not move is ended by an administrator: SELECT pg_terminate_backend(pid)"
                )
                commands.append(f"cdcproof connectors restart {shlex.quote(name)} {option}")
        return tuple(commands)

    def look_at_slots(self, slots: Slots) -> Commands:
        """Show the slots. To drop one loses its position: that is advice, and never given for a slot that a connector reads."""
        source = self.pipeline.source
        columns = "slot_name, database, active, wal_status, restart_lsn"
        commands = [_psql(source, f"SELECT {columns} FROM pg_replication_slots")]  # noqa: S608  of constants
        for slot in slots.failing():
            reader = slots.reader(slot)
            if reader:
                commands.append(f"# {slot.name} is read by {reader}: bring that back, and keep the slot")
                commands.append(f"cdcproof connectors status --pipeline {shlex.quote(self.pipeline_name)}")
            elif reader is None:
                commands.append(
                    f"# Connect does not answer, so who reads {slot.name} is not known: keep it, and look again"
                )
            else:
                literal = slot.name.replace("'", "''")
                drop = administer(source, f"SELECT pg_drop_replication_slot('{literal}')", name=slot.database)
                commands.append(f"# if nobody needs {slot.name} any more: {drop}")
                commands.append(
                    f'# if others look after it, in [source] of the pipeline file: other_slots = ["{slot.name}"]'
                )
        if slots.source.slot and slots.source.slot not in slots.found():
            commands.append(
                f"# {slots.source.slot} is gone, and the log that it kept: its connector needs a new snapshot"
            )
            commands.append(f"cdcproof connectors status --pipeline {shlex.quote(self.pipeline_name)}")
        return tuple(dict.fromkeys(commands))

    def add_columns(self, columns: ColumnSets) -> Commands:
        """Add at the target what the source has, or accept that it is not there; then compare."""
        commands: list[str] = []
        short = {name: missing for name, missing in columns.missing().items() if missing}
        for table in (t for t in self.pipeline.tables if t.name in short):
            for column in short[table.name]:
                statement = (
                    add_column(TableName.parse(table.target), column)
                    if self.pipeline.source.type == self.pipeline.target.type == "postgresql"
                    else ""
                )
                advice = f"# add {column.name} ({column.type} at the source) to {table.target}: docs/TYPES.md has its type there"
                commands.append(administer(self.pipeline.target, statement) if statement else advice)
        return (*commands, *self.reconcile(list(short)))

    def look_at_tables(self, names: Collection[str]) -> Commands:
        """Which connector should carry the tables, and what the source captures."""
        source = self.pipeline.source
        captured = (
            (_psql(source, "SELECT * FROM pg_publication_tables"),)
            if source.type == "postgresql"
            else (sqlcmd(source, "EXEC sys.sp_cdc_help_change_data_capture", user=source.user),)
        )
        # the configuration may hold passwords: only the keys that select tables are shown
        includes = tuple(
            self._curl("GET", c.name, "config") + " | tr ',' '\\n' | grep -E 'table.include|topics'"
            for c in self.pipeline.connectors
        )
        return (*captured, *includes, *(f"# missing somewhere: {name}" for name in names))

    def handle_dead_letters(self, sinks: Collection[str]) -> Commands:
        """Show what was put aside and why; then, once it is handled, forget it."""
        option = ["--pipeline", self.pipeline_name]
        show = [["cdcproof", "connectors", "dlq", sink] for sink in sinks]
        return (
            *(shlex.join([*words, *option]) for words in show),
            "# remove the cause and repair the rows (cdcproof reconcile --validate-checksums names them); then forget the records:",
            *(shlex.join([*words, "--clear", *option]) for words in show),
        )

    def repair_topics(self, changes: Mapping[str, Mapping[str, str]], found: Mapping[str, str]) -> Commands:
        """Give topics the settings they must have; look at those that want a broker."""
        server = ["--bootstrap-server", self.pipeline.kafka.bootstrap_servers]
        alter = ["kafka-configs", *server, "--alter", "--entity-type", "topics"]
        commands = []
        for topic, settings in changes.items():
            values = ",".join(f"{key}={value}" for key, value in settings.items())
            commands.append(shlex.join([*alter, "--entity-name", topic, "--add-config", values]))
        starved = [t for t, words in found.items() if "in sync" in words or "leader" in words]
        for topic in (t for t in starved if "min.insync.replicas" not in changes.get(t, {})):
            commands.append(shlex.join(["kafka-topics", *server, "--describe", "--topic", topic]))
            commands.append(f"# {topic}: bring back the brokers that have its replicas")
        commands += [
            f"# {topic}: make the schema history anew by snapshot.mode = recovery, before the source connector restarts"
            for topic, words in found.items()
            if words == ABSENT or "beginning" in words
        ]
        return tuple(commands)

    def open_registry(self, refusing: Mapping[str, str]) -> Commands:
        """Look at what a subject demands; then let it be written to."""
        service = self.pipeline.registry
        if service is None:
            return ()
        curl = ["curl", "-s", *(["-u", service.user] if service.user else [])]
        body = ["-X", "PUT", "-H", "Content-Type: application/json", "-d", '{"mode": "READWRITE"}']
        commands: list[str] = []
        for subject, words in refusing.items():
            path = quote(subject, safe="")
            if words.startswith("mode"):
                commands.append(shlex.join([*curl, *body, f"{service.url}/mode/{path}"]))
            else:
                commands.append(shlex.join([*curl, f"{service.url}/config/{path}?defaultToGlobal=true"]))
                commands.append(f"# {subject}: set a compatibility that its older versions keep to, or delete those")
        return tuple(commands)

    def change_settings(self, changes: Mapping[str, Mapping[str, str]], advice: Collection[str] = ()) -> Commands:
        """Give connectors other settings, one command each; by hand also in their files, where there are any."""
        directory = self.pipeline.paths.connectors
        return (
            *(
                shlex.join(
                    ["cdcproof", "connectors", "update", name]
                    + [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
                    + ["--pipeline", self.pipeline_name]
                )
                for name, settings in changes.items()
            ),
            *([f"# the same in the connectors' files in {directory}"] if changes and directory else []),
            *(f"# {line}" for line in advice),
        )

    def correct_files(self, changes: Mapping[str, Mapping[str, str]], advice: Collection[str] = ()) -> Commands:
        """What to write into the connectors' files before they are deployed; without files what runs is changed."""
        directory = self.pipeline.paths.connectors
        if directory is None or not (changes or advice):
            return self.change_settings(changes, advice)
        plan = ["cdcproof", "connectors", "plan", str(directory), "--pipeline", self.pipeline_name]
        lines = [f"# {name}: {key} = {value}" for name, settings in changes.items() for key, value in settings.items()]
        return (f"# in the files of {directory}, set:", *lines, *(f"# {line}" for line in advice), shlex.join(plan))

    def _tasks(self, states: Mapping[str, str], name: str) -> int:
        return sum(subject.startswith(f"{name}/") for subject in states)

    def _expected_tasks(self, name: str) -> int:
        return next(c.tasks for c in self.pipeline.connectors if c.name == name)

    def _curl(self, method: str, connector: str, act: str, *more: str) -> str:
        return self._ask_connect(method, f"/connectors/{quote(connector, safe='')}/{act}", *more)

    def _ask_connect(self, method: str, path: str, *more: str) -> str:
        connect = self.pipeline.connect
        login = ["-u", connect.user] if connect.user else []  # curl then asks for the password
        verb = [] if method == "GET" else ["-X", method]
        return shlex.join(["curl", "-s", *login, *verb, *more, f"{connect.url}{path}"])


def _owner(subject: str) -> str:
    """The connector that a state is about: ``sink`` for ``sink`` and for its task ``sink/0``."""
    name, _, task = subject.rpartition("/")
    return name if name and task.isdigit() else subject


def _psql(database: Database, statement: str) -> str:
    user, name = (quote(part, safe="") for part in (database.user, database.database))
    url = f"postgresql://{user}@{database.host}:{database.port}/{name}"
    return f'PGPASSWORD="${database.password_env}" psql {shlex.quote(url)} -c {shlex.quote(statement)}'
