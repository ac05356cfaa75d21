"""What an operator does next: commands that can be pasted, for what a check found. Nothing here acts.

A line that starts with ``#`` is advice, not a command. Each list goes from looking to acting.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from urllib.parse import quote

from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.sessions.deployment import add_column
from cdcproof.environments.base import Environment
from cdcproof.findings import ABSENT, Observation
from cdcproof.observations.disks import OldFiles
from cdcproof.observations.reconciliation.reports import NewestReports
from cdcproof.observations.schema.columns import ColumnSets
from cdcproof.pipeline.model import Pipeline
from cdcproof.remedies.commands import CommandLine, Commands
from cdcproof.remedies.databases import DatabaseRemedies

_BLOCKERS = (
    "SELECT blocked.pid AS waits, left(blocked.query, 60) AS for_it, blocker.pid AS blocks, blocker.usename, "
    "blocker.application_name, blocker.state, blocker.xact_start, left(blocker.query, 60) AS last_query "
    "FROM pg_stat_activity blocked CROSS JOIN LATERAL unnest(pg_blocking_pids(blocked.pid)) AS by "
    "JOIN pg_stat_activity blocker ON blocker.pid = by"
)
"""Who waits, and for whom: also for one that is active, or idle in its transaction."""


@dataclass(frozen=True)
class Remedies:
    """The commands for one pipeline in one environment. `pipeline_name` is what `--pipeline` takes for it."""

    environment: Environment
    pipeline: Pipeline
    pipeline_name: str

    @property
    def databases(self) -> DatabaseRemedies:
        """The commands for the databases."""
        return DatabaseRemedies(self._commands)

    @property
    def _commands(self) -> CommandLine:
        return CommandLine(self.environment, self.pipeline, self.pipeline_name)

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
                commands.append(f"# where nobody needs it: {self._commands.act('connectors', 'delete', name)}")
                continue
            mine = {state for subject, state in states.items() if _owner(subject) == name}
            own = states.get(name, ABSENT)
            surplus = self._tasks(states, name) - self._expected_tasks(name)
            if own in ("PAUSED", "STOPPED"):
                commands.append(f"# somebody halted {name}: ask who did, and why, before it is resumed")
                commands.append(self._commands.act("connectors", "resume", name))
            elif "FAILED" in mine:
                commands.append(self._commands.cdcproof("connectors", "status", name))
                commands.append(self._commands.act("connectors", "restart", name, "--only-failed"))
            elif surplus > 0:
                commands.append(
                    f"# {name} has more tasks than the pipeline file says: correct its tasks there, or tasks.max"
                )
                commands += self._commands.deploy(name)
            elif mine != {"RUNNING"} or surplus:
                commands.append(self._commands.cdcproof("connectors", "status", name))
                commands.append("# tasks are being assigned or are too few: look again in a minute, then at tasks.max")
        for name in sorted(expected - set(states)):
            commands.append(f"# {name} does not exist at Connect: deploy it from its file")
            commands += self._commands.deploy(name)
        return tuple(commands)

    def reconcile(self, tables: Collection[str], to_repair: Collection[str] = ()) -> Commands:
        """Compare again now, contents included; then, for tables whose differing keys are known, repair and prove them."""
        if not tables:
            return ()
        again = self._commands.cdcproof("reconcile", "--tables", ",".join(tables), "--validate-checksums")
        if not to_repair or self.pipeline.target.type != "postgresql":
            return (again, *self.read_reports())
        repair = self._commands.cdcproof("reconcile", "repair", "--tables", ",".join(to_repair))
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

    def make_match(self, newest: NewestReports) -> Commands:
        """What reports need in which a table does not match."""
        again = self.reconcile(newest.tables_not_matching(), to_repair=newest.tables_to_repair())
        return (*self.set_aside(newest.files_ahead()), *again)

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

    def look_at_failures(self) -> Commands:
        """What the reports of the week say; then compare everything again, contents included."""
        return (*self.read_reports(), *self.reconcile(self.pipeline.table_names))

    def compare_exporter_with_connect(self) -> Commands:
        """Both sides of a contradiction between the exporter and Connect; then start the exporter again."""
        return (
            f"curl -s {shlex.quote(self.pipeline.exporters.connect_url)} | grep connector_state",
            self._commands.ask_connect("/connectors?expand=status"),
            *self.restart_exporter(),
        )

    def restart_exporter(self) -> Commands:
        """Start this pipeline's own exporter in the place of what serves its address, or of nothing."""
        if self.environment.name == "embedded":
            return self.environment.restart_command("exporter")[1:]
        return (f"# stop the exporter that serves this, if one does, and start: {self._commands.cdcproof('exporter')}",)

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
                [
                    f"# {old_files.directory}/{name} is the newest of its kind: keep it"
                    for name in (*old_files.kept, *old_files.kept_folders)
                ]
                if old_files
                else []
            )
            return ("# no backup is to be deleted: see in the report what takes the space", *kept)
        find = ["find", str(old_files.directory), "-type", "f", *_older_than(old_files.days)]
        for name in old_files.kept:
            find += ["!", "-path", _literally(old_files.directory / name)]
        for name in old_files.kept_folders:
            find += ["!", "-path", f"{_literally(old_files.directory / name)}/*"]
        return (shlex.join([*find, "-ls"]), shlex.join([*find, "-delete"]))

    def largest_topics(self) -> Commands:
        """What each topic takes on each broker; then how long it keeps its records."""
        server = self.pipeline.kafka.tool_options
        return (
            shlex.join(["kafka-log-dirs", *server, "--describe"]),
            shlex.join(["kafka-configs", *server, "--describe", "--all", "--entity-type", "topics"])
            + " | grep -E 'retention|cleanup.policy|configs for'",
            "# where a topic grows on purpose: plan for the room, and raise thresholds.growth_percent_7d in the pipeline file",
        )

    def make_room(self, paths: Collection[str]) -> Commands:
        """What takes the space; then what may be deleted."""
        looks = [f"du -xh --max-depth=2 {shlex.quote(path)} | sort -h | tail -15" for path in paths]
        return (*looks, self._commands.cdcproof("cleanup"))

    def renew_certificates(self, looks: Collection[str]) -> Commands:
        """See whose they are; whoever issued one renews it, where there is a key of ours by a request that is made here."""
        kafka, requests = self.pipeline.kafka, []
        if kafka.certificate_file and kafka.key_file:
            made = [
                "openssl",
                "x509",
                "-x509toreq",
                "-in",
                str(kafka.certificate_file),
                "-signkey",
                str(kafka.key_file),
            ]
            password = ["-passin", f"env:{kafka.key_password_env}"] if kafka.key_password_env else []
            requests = [
                f"# a request for a new kafka.certificate_file, with the key of the old one, for its issuer: {shlex.join([*made, *password])}"
            ]
        return (
            *looks,
            "# have the issuer named there renew it; put the new one in the old one's place, with the chain up to its authority",
            *requests,
            "# let the server take it: ALTER SYSTEM or a reload for PostgreSQL (SELECT pg_reload_conf()), a restart for SQL Server and Connect; "
            "then run this check again",
        )

    def back_up(self, directory: Path, *, ours_is_missing: bool = False) -> Commands:
        """See what there is and what should have made more; then make a backup. `ours_is_missing`: one of our own is all that is."""
        listed = f"ls -lht {shlex.quote(str(directory))} | head -40"
        ours = self._commands.cdcproof("backup")
        if ours_is_missing:
            return (listed, ours, "# then see why last night's job made none: crontab -l, and the newest log there")
        return (
            listed,
            "crontab -l | grep -i backup",
            "# read that job's log, and run its command now; where there is none:",
            ours,
        )

    def update_images(self) -> Commands:
        """Pull in peace; what runs changes in a maintenance window, after the changelogs were read."""
        compose = [
            "docker",
            "compose",
            *(word for file in self.pipeline.paths.compose_files for word in ("-f", str(file))),
        ]
        return (
            shlex.join([*compose, "pull"]),
            "# read the changelogs for breaking changes, and let the change pass the staging gate (docs/CHANGES.md)",
            f"# then, in a maintenance window: {shlex.join([*compose, 'up', '-d'])}",
        )

    def upgrade_images(self) -> Commands:
        """Another version is a change like any other."""
        files = ", ".join(map(str, self.pipeline.paths.compose_files))
        return (
            f"# read the changelogs, name the version in {files}, and let the change pass the staging gate (docs/CHANGES.md)",
            "# then pull it, and start it in a maintenance window (docs/MAINTENANCE.md)",
        )

    def update_packages(self) -> Commands:
        """Pin newer versions, and prove them before they are used."""
        return ("# in a clone of cdcproof: make lock && make test; then install from the new requirements.lock",)

    def drill_recovery(self) -> Commands:
        """Restore elsewhere, measured, and document it: `cdcproof drill` destroys what it drills on, so it refuses this pipeline."""
        reports = self.pipeline.paths.reports / "drills"
        record = {
            "pipeline": self.pipeline.name,
            "scenario": "SCENARIO",
            "started_at": "YYYY-MM-DDTHH:MM:SSZ",
            "finished_at": "YYYY-MM-DDTHH:MM:SSZ",
            "rto_seconds": "SECONDS",
            "rpo_seconds": "SECONDS",
            "proven": True,
        }
        text = json.dumps(record).replace('"SECONDS"', "SECONDS")
        return (
            "# recover this pipeline from its newest backup in staging, by a scenario of docs/DISASTER-RECOVERY.md, and measure it",
            "# to practise the commands first, on the embedded pipeline: cdcproof drill disaster-recovery --scenario complete-data-loss",
            "# then record what it took, with the true values: "
            + shlex.join(["mkdir", "-p", str(reports)])
            + f" && echo {shlex.quote(text)} > {shlex.quote(str(reports / 'YYYY-MM-DD.json'))}",
        )

    def upload_again(self, place: str, days: Collection[date]) -> Commands:
        """See what is there; copy what the backup directory still has of those days; else make a backup now, for the days to come."""
        bucket = place.partition(" ")[0]
        endpoint = self.pipeline.backup.s3_endpoint
        aws = ["aws", *(["--endpoint-url", endpoint] if endpoint else []), "s3"]
        commands = [shlex.join([*aws, "ls", f"{bucket}/{day:%Y/%m/%d}/", "--recursive"]) for day in days]
        for day in days if self.pipeline.paths.backups else ():
            for folder in sorted(self.pipeline.paths.backups.glob(f"{self.pipeline.name}_{day:%Y%m%d}_*/")):  # type: ignore[union-attr]
                to = f"{bucket}/{day:%Y/%m/%d}/{folder.name}/"
                commands.append(shlex.join([*aws, "cp", "--recursive", str(folder), to]))
        name = self.pipeline.backup.s3_bucket or ""
        return (*commands, self._commands.cdcproof("backup", "--s3-bucket", name))

    def look_at_sink(self, groups: Collection[str]) -> Commands:
        """What keeps a sink from writing: its own state, then who holds the locks at the target."""
        sinks = [sink.name for sink in self.pipeline.sinks if sink.consumer_group in groups]
        return (
            *(self._commands.cdcproof("connectors", "status", name) for name in sinks),
            *(
                (self._commands.psql(self.pipeline.target, _BLOCKERS),)
                if self.pipeline.target.type == "postgresql"
                else ()
            ),
            "# who blocks it holds it up until that transaction ends. Where nobody needs it, end it by its pid:",
            f"# {self._commands.administer(self.pipeline.target, 'SELECT pg_terminate_backend(PID)')}",
        )

    def follow_the_test_row(self) -> Commands:
        """Where a test row may have stopped: each connector's state, then what keeps the sink from writing."""
        return (
            *(
                self._commands.cdcproof("connectors", "status", connector.name)
                for connector in self.pipeline.connectors
            ),
            *self.look_at_sink(()),
        )

    def undo_connectors(self) -> Commands:
        """See what the connectors do; then put back what was there before."""
        return (self._commands.cdcproof("connectors", "status"), self._commands.act("connectors", "undo"))

    def compare_with_baseline(self) -> Commands:
        """See it again; then undo it, or declare it."""
        return (
            self._commands.cdcproof("baseline", "compare"),
            "# undo what was not meant; what was meant belongs into the change's file (--change) or into --expect",
        )

    def look_at_flaps(self) -> Commands:
        """What the worker says about connectors that came back by themselves, and how they are now."""
        workers = [service.name for service in self.pipeline.services if service.role == "connect"]
        return (self._commands.ask_connect("/connectors?expand=status"), *self.read_logs(workers))

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
                commands.append(self._commands.administer(self.pipeline.target, statement) if statement else advice)
        return (*commands, *self.reconcile(list(short)))

    def handle_dead_letters(self, sinks: Collection[str]) -> Commands:
        """Show what was put aside and why; then, once it is handled, forget it."""
        return (
            *(self._commands.cdcproof("connectors", "dlq", sink) for sink in sinks),
            "# remove the cause and repair the rows (cdcproof reconcile --validate-checksums names them); then forget the records:",
            *(self._commands.act("connectors", "dlq", sink, "--clear") for sink in sinks),
        )

    def repair_topics(self, changes: Mapping[str, Mapping[str, str]], found: Mapping[str, str]) -> Commands:
        """Give topics the settings they must have; look at those that want a broker."""
        server = self.pipeline.kafka.tool_options
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
                self._commands.act(
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
        plan = self._commands.cdcproof("connectors", "plan", str(directory))
        return (f"# in the files of {directory}, set:", *lines, *(f"# {line}" for line in advice), plan)

    def pasteable(self, observation: Observation) -> Observation:
        """The same, its commands for a database's administrator as they can be pasted in this environment."""
        shell = self.environment.shell
        action = (shell(line) if line.startswith("psql ") else line for line in observation.action)
        return replace(observation, action=tuple(action))

    def _tasks(self, states: Mapping[str, str], name: str) -> int:
        return sum(subject.startswith(f"{name}/") for subject in states)

    def _expected_tasks(self, name: str) -> int:
        return next(c.tasks for c in self.pipeline.connectors if c.name == name)


def _owner(subject: str) -> str:
    """The connector that a state is about: ``sink`` for ``sink`` and for its task ``sink/0``."""
    name, _, task = subject.rpartition("/")
    return name if name and task.isdigit() else subject


def _older_than(days: float) -> list[str]:
    return ["-mtime", f"+{days:g}"] if days == int(days) else ["-mmin", f"+{days * 1440:.0f}"]


def _literally(path: Path) -> str:
    """As find's pattern means this path and no other."""
    return re.sub(r"([*?\[\]\\])", r"\\\1", str(path))
