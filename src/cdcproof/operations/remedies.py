"""What an operator does next: commands that can be pasted, for what a check found. Nothing here acts.

A line that starts with ``#`` is advice, not a command. Each list goes from looking to acting.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from cdcproof.databases.base import TableName
from cdcproof.databases.deployment.postgresql import add_column, add_to_publication
from cdcproof.databases.tsql import constant, enable_table
from cdcproof.environments.base import Environment
from cdcproof.findings import ABSENT
from cdcproof.observations.capture_job import CaptureJobs
from cdcproof.observations.columns import ColumnSets
from cdcproof.observations.disks import OldFiles
from cdcproof.observations.slots import Slots
from cdcproof.observations.tables import AT_TARGET, CAPTURED, TOPIC, TableSets
from cdcproof.operations.administration import administer, sqlcmd
from cdcproof.operations.connectors.prerequisites import Look
from cdcproof.pipeline import Database, Pipeline

Commands = tuple[str, ...]

_BLOCKERS = (
    "SELECT blocked.pid AS waits, left(blocked.query, 60) AS for_it, blocker.pid AS blocks, blocker.usename, "
    "blocker.application_name, blocker.state, blocker.xact_start, left(blocker.query, 60) AS last_query "
    "FROM pg_stat_activity blocked CROSS JOIN LATERAL unnest(pg_blocking_pids(blocked.pid)) AS by "
    "JOIN pg_stat_activity blocker ON blocker.pid = by"
)
"""Who waits, and for whom: also for one that is active, or idle in its transaction."""
_NAMED_LIKE = "SELECT schemaname, tablename FROM pg_tables WHERE tablename ILIKE '%{name}%'"


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
        """Bring every connector to RUNNING by the command that fits the state it is in.

        These are our own commands: they refuse what would leave a gap, and wait until the connector runs.
        """
        expected = {c.name for c in self.pipeline.connectors}
        commands: list[str] = []
        for name in dict.fromkeys(_owner(subject) for subject in states):
            if name not in expected:
                commands.append(
                    f"# {name} is not in the pipeline file: add it there, to connect.other_connectors where it is "
                    "another pipeline's, or delete it at Connect"
                )
                commands.append(f"# where nobody needs it: {self._act('connectors', 'delete', name)}")
                continue
            mine = {state for subject, state in states.items() if _owner(subject) == name}
            own = states.get(name, ABSENT)
            surplus = self._tasks(states, name) - self._expected_tasks(name)
            if own in ("PAUSED", "STOPPED"):
                commands.append(f"# somebody halted {name}: ask who did, and why, before it is resumed")
                commands.append(self._act("connectors", "resume", name))
            elif "FAILED" in mine:
                commands.append(self._cdcproof("connectors", "status", name))
                commands.append(self._act("connectors", "restart", name, "--only-failed"))
            elif surplus > 0:
                commands.append(
                    f"# {name} has more tasks than the pipeline file says: correct its tasks there, or tasks.max"
                )
                commands += self._deploy(name)
            elif mine != {"RUNNING"} or surplus:
                commands.append(self._cdcproof("connectors", "status", name))
                commands.append("# tasks are being assigned or are too few: look again in a minute, then at tasks.max")
        for name in sorted(expected - set(states)):
            commands.append(f"# {name} does not exist at Connect: deploy it from its file")
            commands += self._deploy(name)
        return tuple(commands)

    def reconcile(self, tables: Collection[str], to_repair: Collection[str] = ()) -> Commands:
        """Compare again now, contents included; then, for tables whose differing keys are known, repair and prove them."""
        if not tables:
            return ()
        again = self._cdcproof("reconcile", "--tables", ",".join(tables), "--validate-checksums")
        if not to_repair or self.pipeline.target.type != "postgresql":
            return (again, *self.read_reports())
        repair = self._cdcproof("reconcile", "repair", "--tables", ",".join(to_repair))
        embedded = self.environment.name == "embedded"  # whose account for the checks may only read
        other = "# where the pipeline's own account may not write: --as-user NAME --as-password-env VARIABLE"
        return (
            again,
            repair,
            "# that printed the SQL and ran none of it. Read it; then let it be run, and the rows be proven:",
            f"{repair} --allow-acts{' --as-user sink' if embedded else ''}",
            *(() if embedded else (other,)),
            again,
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
        """Both sides of a contradiction between the exporter and Connect; then start the exporter again."""
        embedded = self.environment.name == "embedded"
        restart = self.environment.restart_command("exporter")[1:] if embedded else ()
        return (
            f"curl -s {shlex.quote(self.pipeline.exporters.connect_url)} | grep connector_state",
            self._ask_connect("/connectors?expand=status"),
            *(restart or (f"# stop the exporter that serves this, and start: {self._cdcproof('exporter')}",)),
        )

    def free_space(self, old_files: OldFiles | None) -> Commands:
        """The runbook's clean-up of old backups, listed before it is deleted, and never the newest of a kind.

        Advice where it would free nothing, or where not all files could be listed: a newer one may not have been seen.
        """
        if old_files and not old_files.complete:
            return (
                "# the backup directory has more files than could be listed: make sure of the newest, then delete by hand",
            )
        if not old_files or not old_files.count:
            kept = (
                [f"# {old_files.directory}/{name} is the newest of its kind: keep it" for name in old_files.kept]
                if old_files
                else []
            )
            return ("# no backup is to be deleted: see in the report what takes the space", *kept)
        find = ["find", str(old_files.directory), "-type", "f", *_older_than(old_files.days)]
        for name in old_files.kept:
            find += ["!", "-path", re.sub(r"([*?\[\]\\])", r"\\\1", str(old_files.directory / name))]
        return (shlex.join([*find, "-ls"]), shlex.join([*find, "-delete"]))

    def back_up(self, directory: Path) -> Commands:
        """See what there is and what should have made more; then make a backup."""
        return (
            f"ls -lhtR {shlex.quote(str(directory))} | head -40",
            "crontab -l | grep -i backup",
            "# read that job's log, run its command now, and look whether it ends without an error",
        )

    def look_at_sink(self, groups: Collection[str]) -> Commands:
        """What keeps a sink from writing: its own state, then who holds the locks at the target."""
        sinks = [sink.name for sink in self.pipeline.sinks if sink.consumer_group in groups]
        return (
            *(self._cdcproof("connectors", "status", name) for name in sinks),
            *((self._psql(self.pipeline.target, _BLOCKERS),) if self.pipeline.target.type == "postgresql" else ()),
            "# who blocks it holds it up until that transaction ends. Where nobody needs it, end it by its pid:",
            f"# {self._administer(self.pipeline.target, 'SELECT pg_terminate_backend(PID)')}",
        )

    def follow_the_test_row(self) -> Commands:
        """Where a test row may have stopped: each connector's state, then what keeps the sink from writing."""
        return (
            *(self._cdcproof("connectors", "status", connector.name) for connector in self.pipeline.connectors),
            *self.look_at_sink(()),
        )

    def undo_connectors(self) -> Commands:
        """See what the connectors do; then put back what was there before."""
        return (self._cdcproof("connectors", "status"), self._act("connectors", "undo"))

    def compare_with_baseline(self) -> Commands:
        """See it again; then undo it, or declare it."""
        return (
            self._cdcproof("baseline", "compare"),
            "# undo what was not meant; what was meant belongs into the change's file (--change) or into --expect",
        )

    def look_at_flaps(self) -> Commands:
        """What the worker says about connectors that came back by themselves, and how they are now."""
        workers = [service.name for service in self.pipeline.services if service.role == "connect"]
        return (self._ask_connect("/connectors?expand=status"), *self.read_logs(workers))

    def look_at_capture_job(self, seen: CaptureJobs) -> Commands:
        """Show the jobs and the log scan's errors; then start, make or enable what is not as it must be."""
        source, found = self.pipeline.source, seen.found()
        commands = [
            self._administer(source, statement)
            for statement in ("EXEC sys.sp_cdc_help_jobs;", "SELECT * FROM sys.dm_cdc_errors ORDER BY entry_time DESC;")
        ]
        if found.get("SQL Server Agent") != "Running":
            commands.append(
                "# start SQL Server Agent: systemctl restart mssql-server with sqlagent.enabled (Linux), or its service (Windows)"
            )
        for kind in ("capture", "cleanup"):
            word, job = found[f"{kind} job"], seen.job(kind)
            if word.startswith("absent"):
                commands.append(self._administer(source, f"EXEC sys.sp_cdc_add_job @job_type = N'{kind}';"))
            elif word == "disabled" and job:
                enable = f"EXEC msdb.dbo.sp_update_job @job_name = {constant(job.name)}, @enabled = 1;"
                commands.append(self._administer(source, enable))
            if word != seen.expected()[f"{kind} job"]:
                commands.append(self._administer(source, f"EXEC sys.sp_cdc_start_job @job_type = N'{kind}';"))
        hours = self.pipeline.thresholds.capture_headroom_hours
        cleanup = seen.job("cleanup")
        if cleanup and any(not left >= hours for left in seen.headroom_hours().values()):
            longer = f"EXEC sys.sp_cdc_change_job @job_type = N'cleanup', @retention = {cleanup.retention_minutes * 2};"
            commands.append(self._administer(source, longer))
        return tuple(commands)

    def look_at_source(self, connectors: Mapping[str, str]) -> Commands:
        """What keeps a source connector from reading: its own state, then its session at the source."""
        commands = [self._cdcproof("connectors", "status", name) for name in connectors]
        if self.pipeline.source.type == "postgresql":
            columns = "pid, state, sent_lsn, write_lsn, wait_event_type, wait_event"
            sessions = f"SELECT {columns} FROM pg_stat_replication JOIN pg_stat_activity USING (pid)"  # noqa: S608  of constants
            commands.append(self._psql(self.pipeline.source, sessions.replace("state", "pg_stat_replication.state")))
        for name, word in connectors.items():
            if word.startswith("beyond"):
                commands.append(
                    f"# the source was set back behind what {name} has read: take a new snapshot, and reconcile"
                )
            elif word.startswith("stood still"):
                commands.append(
                    "# a session that does not move is ended by an administrator: SELECT pg_terminate_backend(pid)"
                )
                commands.append(self._act("connectors", "restart", name))
        return tuple(commands)

    def look_at_slots(self, slots: Slots) -> Commands:
        """Show the slots. To drop one loses its position: that is advice, and never given for a slot that a connector reads."""
        source = self.pipeline.source
        columns = "slot_name, database, active, wal_status, restart_lsn"
        commands = [self._psql(source, f"SELECT {columns} FROM pg_replication_slots")]  # noqa: S608  of constants
        for slot in slots.failing():
            reader = slots.reader(slot)
            if reader:
                commands.append(f"# {slot.name} is read by {reader}: bring that back, and keep the slot")
                commands.append(self._cdcproof("connectors", "status"))
            elif reader is None:
                commands.append(
                    f"# Connect does not answer, so who reads {slot.name} is not known: keep it, and look again"
                )
            else:
                literal = slot.name.replace("'", "''")
                drop = self._administer(source, f"SELECT pg_drop_replication_slot('{literal}')", name=slot.database)
                commands.append(f"# if nobody needs {slot.name} any more: {drop}")
                commands.append(
                    f'# if others look after it, in [source] of the pipeline file: other_slots = ["{slot.name}"]'
                )
        if slots.source.slot and slots.source.slot not in slots.found():
            commands.append(
                f"# {slots.source.slot} is gone, and the log that it kept: its connector needs a new snapshot"
            )
            commands.append(self._cdcproof("connectors", "status"))
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
                commands.append(self._administer(self.pipeline.target, statement) if statement else advice)
        return (*commands, *self.reconcile(list(short)))

    def look_at_tables(self, tables: TableSets) -> Commands:
        """What the source captures and each connector carries, whole; then what adds a table where it is absent."""
        source, target = self.pipeline.source, self.pipeline.target
        absent = [subject for subject, word in tables.found().items() if word == ABSENT]
        commands = [
            self._psql(source, "SELECT * FROM pg_publication_tables")
            if source.type == "postgresql"
            else sqlcmd(source, "EXEC sys.sp_cdc_help_change_data_capture", user=source.user)
        ]
        commands += [  # a line for each key, and the whole of its list
            f"{self._cdcproof('connectors', 'get', connector.name)} | grep -E '^(table|topics|publication|collection)'"
            for connector in self.pipeline.connectors
        ]
        for table in self.pipeline.tables:
            if f"{table.name}: {CAPTURED}" in absent:
                commands.append(f"# {table.source} is not captured at the source:")
                commands.append(self._administer(source, _capture(source, TableName.parse(table.source))))
            if f"{table.name}: {TOPIC}" in absent:
                commands.append(f"# {table.topic} is no topic: it is made with the first record of {table.source}")
            if f"{table.name}: {AT_TARGET}" in absent:
                commands.append(
                    f"# {table.target} is not at the target: look for it under another name, restore it, or make it; "
                    "then snapshot and reconcile it"
                )
                commands.append(
                    self._psql(target, _NAMED_LIKE.format(name=table.target.partition(".")[2].replace("'", "''")))
                )
        return tuple(commands)

    def handle_dead_letters(self, sinks: Collection[str]) -> Commands:
        """Show what was put aside and why; then, once it is handled, forget it."""
        return (
            *(self._cdcproof("connectors", "dlq", sink) for sink in sinks),
            "# remove the cause and repair the rows (cdcproof reconcile --validate-checksums names them); then forget the records:",
            *(self._act("connectors", "dlq", sink, "--clear") for sink in sinks),
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
                self._act(
                    *("connectors", "update", name),
                    *(word for key, value in settings.items() for word in ("--set", f"{key}={value}")),
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
        lines = [f"# {name}: {key} = {value}" for name, settings in changes.items() for key, value in settings.items()]
        plan = self._cdcproof("connectors", "plan", str(directory))
        return (f"# in the files of {directory}, set:", *lines, *(f"# {line}" for line in advice), plan)

    def pasteable(self, look: Look) -> Look:
        """The same, its commands for a database's administrator as they can be pasted in this environment."""
        shell = self.environment.shell
        return replace(look, action=tuple(shell(line) if line.startswith("psql ") else line for line in look.action))

    def _tasks(self, states: Mapping[str, str], name: str) -> int:
        return sum(subject.startswith(f"{name}/") for subject in states)

    def _expected_tasks(self, name: str) -> int:
        return next(c.tasks for c in self.pipeline.connectors if c.name == name)

    def _cdcproof(self, *words: str) -> str:
        """A command of ours for this pipeline in this environment."""
        elsewhere = self.environment.name != self.pipeline.environment
        env = ["--env", self.environment.name] if elsewhere else []
        return shlex.join(["cdcproof", *words, "--pipeline", self.pipeline_name, *env])

    def _act(self, *words: str) -> str:
        """One that changes something: on `live` it wants to be allowed."""
        return self._cdcproof(*words) + (" --allow-acts" if self.environment.name == "live" else "")

    def _deploy(self, name: str) -> list[str]:
        """See what its file would change, then apply it."""
        directory = self.pipeline.paths.connectors
        file = str((directory or Path()) / f"{name}.json")
        return [self._cdcproof("connectors", "plan", file), self._act("connectors", "apply", file)]

    def _psql(self, database: Database, statement: str) -> str:
        user, name = (quote(part, safe="") for part in (database.user, database.database))
        url = f"postgresql://{user}@{database.host}:{database.port}/{name}"
        return self.environment.shell(
            f'PGPASSWORD="${database.password_env}" psql {shlex.quote(url)} -c {shlex.quote(statement)}'
        )

    def _administer(self, database: Database, statement: str, *, name: str = "") -> str:
        return self.environment.shell(administer(database, statement, name=name))

    def _ask_connect(self, path: str) -> str:
        connect = self.pipeline.connect
        login = ["-u", connect.user] if connect.user else []  # curl then asks for the password
        return shlex.join(["curl", "-s", *login, f"{connect.url}{path}"])


def _owner(subject: str) -> str:
    """The connector that a state is about: ``sink`` for ``sink`` and for its task ``sink/0``."""
    name, _, task = subject.rpartition("/")
    return name if name and task.isdigit() else subject


def _older_than(days: float) -> list[str]:
    return ["-mtime", f"+{days:g}"] if days == int(days) else ["-mmin", f"+{days * 1440:.0f}"]


def _capture(source: Database, table: TableName) -> str:
    """The statement by which an administrator lets the source capture a table."""
    if source.type == "sqlserver":
        return enable_table(table)
    return add_to_publication(source.publication or "PUBLICATION", [table])
