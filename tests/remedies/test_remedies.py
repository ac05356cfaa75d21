"""Every action can be pasted, fits what was found, and goes from looking to acting."""

import os
import shlex
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cdcproof.databases.contracts.log import Slot
from cdcproof.databases.names import Column, TableName
from cdcproof.environments.disk import files_below
from cdcproof.findings import Observation
from cdcproof.observations.backups.morning import Backups
from cdcproof.observations.databases.slots import Slots
from cdcproof.observations.disks import OldFiles
from cdcproof.observations.schema.columns import ColumnSets
from cdcproof.observations.schema.tables import TableSets
from cdcproof.remedies.checks import Remedies
from tests.pipelines import pipeline_of

URL = "http://connect:8083"
TABLES = TableSets(pipeline_of("customers", "it's", source_type="postgresql"), (), (), ())


class Environment:
    """Only what remedies ask of an environment."""

    name = "live"

    def shell(self, command):
        return command

    def restart_command(self, service):
        return (f"logs {service}", f"restart {service}")


class EmbeddedOne(Environment):
    name = "embedded"

    def shell(self, command):
        return f'eval "$(cdcproof env)" && {command}'


@pytest.fixture
def remedies():
    return Remedies(Environment(), pipeline_of("customers", "orders", source_type="postgresql"), "warehouse")


def slots_of(remedies, *seen, readers):
    return Slots(seen, remedies.pipeline.source.model_copy(update={"slot": "cdc"}), readers)


def states(source="RUNNING", task="RUNNING", **more):
    return {"source": source, "source/0": task, "sink": "RUNNING", "sink/0": "RUNNING", "sink/1": "RUNNING", **more}


def test_a_failed_task_is_restarted_by_our_own_command(remedies):
    assert remedies.run_connectors(states(task="FAILED")) == (
        "cdcproof connectors status source --pipeline warehouse",
        "cdcproof connectors restart source --only-failed --pipeline warehouse --allow-acts",
    )


@pytest.mark.parametrize("state", ["PAUSED", "STOPPED"])
def test_a_halted_connector_is_resumed_by_the_command_that_refuses_a_gap(remedies, state):
    advice, command = remedies.run_connectors(states(source=state, task=state))

    assert advice.startswith("# somebody halted source: ask who")
    assert command == "cdcproof connectors resume source --pipeline warehouse --allow-acts"


def test_only_a_live_pipeline_wants_acts_to_be_allowed(remedies):
    elsewhere = replace(remedies, environment=EmbeddedOne())

    command = elsewhere.run_connectors(states(source="PAUSED", task="PAUSED"))[1]

    assert command == "cdcproof connectors resume source --pipeline warehouse --env embedded"


def test_an_unassigned_task_is_looked_at(remedies):
    action = remedies.run_connectors(states(task="UNASSIGNED"))

    assert action[0] == "cdcproof connectors status source --pipeline warehouse"
    assert action[1].startswith("# tasks are being assigned")


def test_too_few_tasks_are_looked_at(remedies):
    found = states()
    del found["sink/1"]

    assert remedies.run_connectors(found)[0] == "cdcproof connectors status sink --pipeline warehouse"


def test_too_many_tasks_are_called_that_and_put_right_from_the_file(remedies):
    advice, plan, apply = remedies.run_connectors(states() | {"sink/2": "RUNNING"})

    assert advice.startswith("# sink has more tasks than the pipeline file says")
    assert plan == "cdcproof connectors plan sink.json --pipeline warehouse"
    assert apply == "cdcproof connectors apply sink.json --pipeline warehouse --allow-acts"


def test_a_connector_that_does_not_exist_is_deployed_from_its_file(remedies):
    paths = remedies.pipeline.paths.model_copy(update={"connectors": Path("my connectors")})
    remedies = replace(remedies, pipeline=remedies.pipeline.model_copy(update={"paths": paths}))

    action = remedies.run_connectors({"source": "RUNNING", "source/0": "RUNNING"})

    assert action[0].startswith("# sink does not exist")
    assert action[2] == "cdcproof connectors apply 'my connectors/sink.json' --pipeline warehouse --allow-acts"


def test_a_connector_nobody_expects_is_only_named(remedies):
    action = remedies.run_connectors(states(rogue="RUNNING"))

    assert action[0].startswith("# rogue is not in the pipeline file")
    assert action[1] == ("# where nobody needs it: cdcproof connectors delete rogue --pipeline warehouse --allow-acts")


def test_topics_are_given_their_settings_and_those_that_want_a_broker_are_looked_at(remedies):
    found = {"a": "partition 0: 1 in sync, …", "b": "partition 0 without a leader", "h": "absent", "t": "in order"}

    action = remedies.repair_topics({"a": {"min.insync.replicas": "1", "cleanup.policy": "compact"}}, found)

    assert action == (
        "kafka-configs --bootstrap-server kafka:9092 --alter --entity-type topics --entity-name a "
        "--add-config min.insync.replicas=1,cleanup.policy=compact",
        "kafka-topics --bootstrap-server kafka:9092 --describe --topic b",
        "# b: bring back the brokers that have its replicas",
        "# h: make the schema history anew by snapshot.mode = recovery, before the source connector restarts",
    )


def test_a_registry_is_opened_and_a_refusal_looked_at():
    registry = {"url": "http://r:8081", "user": "me", "password_env": "R_PW"}
    remedies = Remedies(Environment(), pipeline_of("orders", registry=registry), "warehouse")

    opened, look, advice = remedies.open_registry({"a/b": "mode READONLY", "c": "refuses another column"})

    assert shlex.split(opened) == [
        *("curl", "-s", "-u", "me", "-X", "PUT", "-H", "Content-Type: application/json"),
        *("-d", '{"mode": "READWRITE"}', "http://r:8081/mode/a%2Fb"),
    ]
    assert shlex.split(look) == ["curl", "-s", "-u", "me", "http://r:8081/config/c?defaultToGlobal=true"]
    assert advice.startswith("# c: set a compatibility")


def test_files_are_corrected_before_they_are_deployed_and_what_runs_where_there_are_none(remedies):
    changes = {"sink": {"insert.mode": "upsert"}}
    filed = Remedies(Environment(), pipeline_of("orders", paths={"connectors": "c d"}), "warehouse")

    assert filed.correct_files(changes) == (
        "# in the files of c d, set:",
        "# sink: insert.mode = upsert",
        "cdcproof connectors plan 'c d' --pipeline warehouse",
    )
    assert filed.correct_files({}) == ()
    assert remedies.correct_files(changes) == remedies.change_settings(changes)


def test_dead_letters_are_shown_before_they_are_forgotten(remedies):
    show, advice, clear = remedies.handle_dead_letters(["a sink"])

    assert show == "cdcproof connectors dlq 'a sink' --pipeline warehouse"
    assert advice.startswith("# remove the cause and repair the rows")
    assert clear == "cdcproof connectors dlq 'a sink' --clear --pipeline warehouse --allow-acts"


def test_healthy_connectors_need_nothing(remedies):
    assert remedies.run_connectors(states()) == ()


def test_a_service_is_looked_at_before_it_is_restarted(remedies):
    assert remedies.restart_services(["kafka"]) == ("logs kafka", "restart kafka")
    assert remedies.read_logs(["kafka"]) == ("logs kafka",)


def test_reconciling_again_names_the_tables(remedies):
    assert remedies.reconcile(["orders"])[0] == (
        "cdcproof reconcile --tables orders --validate-checksums --pipeline warehouse"
    )
    assert remedies.reconcile([]) == ()


def test_what_differs_is_repaired_and_what_was_not_compared_is_not(remedies):
    again, repair, advice, act, other_account, proof = remedies.reconcile(
        ["customers", "orders"], to_repair=["customers"]
    )

    assert again == proof == "cdcproof reconcile --tables customers,orders --validate-checksums --pipeline warehouse"
    assert repair == "cdcproof reconcile repair --tables customers --pipeline warehouse"
    assert act == f"{repair} --allow-acts"
    assert advice.startswith("# ")
    assert other_account.startswith("# ")
    assert len(remedies.reconcile(["orders"])) == 2


def test_old_backups_are_listed_before_they_are_deleted(remedies):
    action = remedies.free_space(OldFiles(Path("/var/backups/cdc"), 7, 3, 100))

    assert action == ("find /var/backups/cdc -type f -mtime +7 -ls", "find /var/backups/cdc -type f -mtime +7 -delete")


def test_the_newest_of_a_kind_is_not_deleted(remedies, tmp_path):
    folder = tmp_path / "a b[1]*"
    for name, days in (("pg/x_20261101.gz", 20), ("pg/x_20261102.gz", 19), ("ms/y_1.bak", 20), ("ms/y_2.bak", 1)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        then = time.time() - days * 86_400
        os.utime(path, (then, then))
    files, complete = files_below(folder)
    old = Backups(folder, files, complete, time.time(), 26, 60).old(7)

    for command in remedies.free_space(old):
        subprocess.run(["bash", "-c", command], check=True)

    assert old.count == 2
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == [
        "ms/y_2.bak", "pg/x_20261102.gz",
    ]  # fmt: skip


def test_a_clean_up_that_frees_nothing_or_may_miss_the_newest_is_not_offered(remedies):
    folder = Path("/var/backups/cdc")
    for old in (None, OldFiles(folder, 7, 0, 0, kept=("x",)), OldFiles(folder, 7, 5, 100, complete=False)):
        assert all(line.startswith("#") for line in remedies.free_space(old))


def test_a_part_of_a_day_is_told_in_minutes(remedies):
    assert "-mmin +720" in remedies.free_space(OldFiles(Path("/b"), 0.5, 1, 1))[0]


def test_every_command_is_one_that_a_shell_can_read(remedies):
    actions = [
        remedies.run_connectors({"sink": "FAILED"}),
        remedies.reconcile(["orders"]),
        remedies.compare_exporter_with_connect(),
        remedies.free_space(OldFiles(Path("/a b/c'd"), 7, 1, 1)),
        remedies.look_at_sink({"connect-sink": "empty"}),
        remedies.databases.look_at_slots(slots_of(remedies, Slot("it's", False, "lost", 0), readers={})),
        remedies.databases.look_at_tables(TABLES),
        remedies.databases.log_tables(replace(TABLES, unlogged={"it's": (TableName("public", "it's"),)})),
        remedies.back_up(Path("/a b/c'd")),
        remedies.back_up(Path("/a b/c'd"), ours_is_missing=True),
    ]
    for line in (line for action in actions for line in action):
        subprocess.run(["bash", "-n", "-c", line], check=True)


def test_names_that_a_shell_would_break_are_quoted():
    pipeline = pipeline_of("a table", source_type="postgresql", connectors=[{"name": "a b/$c", "kind": "sink"}])
    remedies = Remedies(Environment(), pipeline, "my pipelines/p.toml")

    restart = remedies.run_connectors({"a b/$c": "RUNNING", "a b/$c/0": "FAILED"})[1]
    deploy = remedies.run_connectors({})[2]

    assert shlex.split(restart)[3:7] == ["a b/$c", "--only-failed", "--pipeline", "my pipelines/p.toml"]
    assert shlex.split(deploy)[3] == "a b/$c.json"
    assert shlex.split(remedies.reconcile(["a table"])[0])[2:4] == ["--tables", "a table"]


@pytest.mark.parametrize(
    ("engine", "statement"),
    [
        ("postgresql", 'ALTER PUBLICATION "my ""pub" ADD TABLE "dbo"."it\'s";'),
        (
            "sqlserver",
            "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'it''s', @role_name = NULL;",
        ),
    ],
)
def test_a_table_that_is_not_captured_is_added_by_a_quoted_statement(engine, statement):
    pipeline = pipeline_of("it's", source_type=engine)
    source = pipeline.source.model_copy(update={"publication": 'my "pub'})
    pipeline = pipeline.model_copy(update={"source": source})
    action = Remedies(Environment(), pipeline, "p").databases.look_at_tables(TableSets(pipeline, (), ("t.it's",), ()))

    command = next(line for line in action if "ADD TABLE" in line or "enable_table" in line)
    assert shlex.split(command, comments=True)[-1] == statement
    assert not any("tr ',' " in line for line in action)  # the list of an include is shown whole


def test_the_status_of_a_sink_is_asked_by_its_name_and_not_by_its_group():
    sink = {"name": "sink", "kind": "sink", "group": "warehouse-writer"}
    remedies = Remedies(Environment(), pipeline_of("a", connectors=[sink]), "warehouse")

    assert remedies.look_at_sink({"warehouse-writer": "empty"})[0] == (
        "cdcproof connectors status sink --pipeline warehouse"
    )


def test_on_the_embedded_pipeline_the_passwords_come_before_a_command_that_needs_them(remedies):
    for environment in (EmbeddedOne(), Environment()):
        action = replace(remedies, environment=environment).look_at_sink({"connect-sink": "empty"})
        asks = [line for line in action if "PGPASSWORD" in line]
        assert asks
        assert all(line.startswith('eval "$(cdcproof env)" && ') for line in asks) == (environment.name == "embedded")


def test_what_a_prerequisite_wants_of_an_administrator_can_be_pasted_there_too(remedies):
    look = Observation({}, {}, action=("psql -h h -c x   # as an administrator", "# advice", "kafka-topics --create"))

    assert remedies.pasteable(look) == look
    first, *others = replace(remedies, environment=EmbeddedOne()).pasteable(look).action
    assert first == 'eval "$(cdcproof env)" && psql -h h -c x   # as an administrator'
    assert others == ["# advice", "kafka-topics --create"]


def test_no_command_holds_a_password(remedies, monkeypatch):
    monkeypatch.setenv("SOURCE_PW", "hunter2-source")
    monkeypatch.setenv("TARGET_PW", "hunter2-target")

    text = "\n".join(
        (
            *remedies.look_at_sink(["connect-sink"]),
            *remedies.databases.look_at_slots(slots_of(remedies, Slot("a", False, "lost", 0), readers={})),
            *remedies.databases.look_at_tables(TABLES),
        )
    )

    assert "hunter2" not in text
    assert 'PGPASSWORD="$TARGET_PW"' in text


def test_a_test_row_that_got_lost_is_followed_from_connector_to_target(remedies):
    source, sink, blocked, *_ = remedies.follow_the_test_row()

    assert source == "cdcproof connectors status source --pipeline warehouse"
    assert sink == "cdcproof connectors status sink --pipeline warehouse"
    assert "pg_blocking_pids" in blocked


def test_what_differs_from_the_baseline_is_seen_again_before_it_is_judged(remedies):
    command, advice = remedies.compare_with_baseline()

    assert command == "cdcproof baseline compare --pipeline warehouse"
    assert advice.startswith("# ")


def test_connectors_that_do_not_run_are_looked_at_and_then_put_back(remedies):
    assert remedies.undo_connectors() == (
        "cdcproof connectors status --pipeline warehouse",
        "cdcproof connectors undo --pipeline warehouse --allow-acts",
    )


def test_a_flap_is_looked_for_at_connect():
    services = [{"name": "kafka-connect", "role": "connect"}, {"name": "kafka", "role": "kafka"}]
    remedies = Remedies(Environment(), pipeline_of("customers", services=services), "warehouse")

    assert remedies.look_at_flaps() == (f"curl -s '{URL}/connectors?expand=status'", "logs kafka-connect")


def test_a_slot_that_a_connector_reads_is_never_offered_to_be_dropped(remedies):
    own, neighbour, forgotten = (Slot(name, False, "reserved", 0, "other") for name in ("cdc", "theirs", "forgotten"))
    found = slots_of(remedies, own, neighbour, forgotten, readers={"theirs": "their-connector"})

    dropping = [line for line in remedies.databases.look_at_slots(found) if "pg_drop_replication_slot" in line]

    drop = (
        """psql -h h -p 1 -d other -c 'SELECT pg_drop_replication_slot('"'"'forgotten'"'"')'   # as an administrator"""
    )
    assert dropping == [f"# if nobody needs forgotten any more: {drop}"]
    for known in (None, {}):
        assert "'cdc'" not in str(remedies.databases.look_at_slots(slots_of(remedies, own, readers=known)))
    # without Connect nobody knows who reads a slot
    assert "drop" not in str(remedies.databases.look_at_slots(slots_of(remedies, forgotten, readers=None)))


def test_a_slot_that_is_read_and_keeps_too_much_leads_to_the_transaction_that_stays_open(remedies):
    def offered(**slot):
        database = remedies.pipeline.source.database
        own = Slot("cdc", slot.get("active", True), slot.get("status", "reserved"), 2**31, database)
        return remedies.databases.look_at_slots(slots_of(remedies, own, readers={"cdc": "c"}))

    assert [line for line in offered() if "backend_xid IS NOT NULL" in line]
    [end] = [line for line in offered() if "pg_terminate_backend(PID)" in line]
    assert end.partition(": ")[2].startswith("psql ")
    assert not [line for line in offered(active=False) + offered(status="lost") if "backend" in line]


def test_a_slot_that_is_gone_asks_for_a_new_snapshot(remedies):
    assert "new snapshot" in str(remedies.databases.look_at_slots(slots_of(remedies, readers={})))


def test_a_column_is_added_as_the_source_has_it_or_described_where_the_types_differ(remedies):
    columns = (
        Column("loyalty", "character varying", nullable=True, length=20),
        Column("price", "numeric", nullable=True, precision=9, scale=2),
        Column("mood", "enum", nullable=True),
    )
    sets = ColumnSets(remedies.pipeline.tables, {"orders": (columns, ())})

    action = remedies.add_columns(sets)

    add = 'psql -h h -p 1 -d warehouse_target -c \'ALTER TABLE "public"."orders" ADD COLUMN'
    assert action[:2] == (
        f'{add} "loyalty" character varying(20);\'   # as an administrator',
        f'{add} "price" numeric(9, 2);\'   # as an administrator',
    )
    assert action[2].startswith("# add mood (enum at the source) to public.orders")
    assert "--tables orders" in action[3]


def test_a_report_from_the_future_is_renamed_so_that_it_is_no_report(remedies, tmp_path):
    folder = tmp_path / "it's here"
    folder.mkdir()
    ahead = folder / "reconciliation_report_20991201_000000.json"
    ahead.write_text("{}")

    advice, command = remedies.set_aside([ahead])
    subprocess.run(command, shell=True, check=True)

    assert advice.startswith("# ")
    assert [path.name for path in folder.iterdir()] == [f"{ahead.name}.from-the-future"]
    assert remedies.set_aside([]) == ()
