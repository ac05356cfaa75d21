"""Every action can be pasted, fits what was found, and goes from looking to acting."""

import shlex
import subprocess
from pathlib import Path

import pytest

from cdcproof.databases.base import Column, Slot
from cdcproof.observations.columns import ColumnSets
from cdcproof.observations.disks import OldFiles
from cdcproof.observations.slots import Slots
from cdcproof.operations.remedies import Remedies
from tests.pipelines import pipeline_of

URL = "http://connect:8083"


class Environment:
    """Only what remedies ask of an environment."""

    def restart_command(self, service):
        return (f"logs {service}", f"restart {service}")


@pytest.fixture
def remedies():
    return Remedies(Environment(), pipeline_of("customers", "orders", source_type="postgresql"), "warehouse")


def slots_of(remedies, *seen, readers):
    return Slots(seen, remedies.pipeline.source.model_copy(update={"slot": "cdc"}), readers)


def states(source="RUNNING", task="RUNNING", **more):
    return {"source": source, "source/0": task, "sink": "RUNNING", "sink/0": "RUNNING", "sink/1": "RUNNING", **more}


def test_a_failed_task_is_restarted_with_the_parameters_that_reach_it(remedies):
    assert remedies.run_connectors(states(task="FAILED")) == (
        f"curl -s {URL}/connectors/source/status",
        f"curl -s -X POST '{URL}/connectors/source/restart?includeTasks=true&onlyFailed=true'",
    )


@pytest.mark.parametrize("state", ["PAUSED", "STOPPED"])
def test_a_paused_or_stopped_connector_is_resumed(remedies, state):
    assert remedies.run_connectors(states(source=state, task=state)) == (
        f"curl -s -X PUT {URL}/connectors/source/resume",
    )


def test_an_unassigned_task_is_looked_at(remedies):
    action = remedies.run_connectors(states(task="UNASSIGNED"))

    assert action[0] == f"curl -s {URL}/connectors/source/status"
    assert action[1].startswith("# tasks are being assigned")


def test_too_few_tasks_are_looked_at(remedies):
    found = states()
    del found["sink/1"]

    assert remedies.run_connectors(found)[0] == f"curl -s {URL}/connectors/sink/status"


def test_too_many_tasks_are_called_that(remedies):
    found = states() | {"sink/2": "RUNNING"}

    assert remedies.run_connectors(found) == (
        f"curl -s {URL}/connectors/sink/status",
        "# sink has more tasks than the pipeline file says: correct its tasks there, or tasks.max",
    )


def test_a_connector_that_does_not_exist_is_deployed_from_its_file(remedies):
    action = remedies.run_connectors({"source": "RUNNING", "source/0": "RUNNING"})

    assert action[0].startswith("# sink does not exist")
    assert action[1] == (
        f"curl -s -X PUT -H 'Content-Type: application/json' -d @sink.config.json {URL}/connectors/sink/config"
    )


def test_a_connector_nobody_expects_is_only_named(remedies):
    assert remedies.run_connectors(states(rogue="RUNNING")) == (
        "# rogue is not in the pipeline file: add it there, to connect.other_connectors where it is another pipeline's, "
        "or delete it at Connect",
    )


def test_settings_are_changed_by_a_command_for_each_connector(remedies):
    changes = {"a sink": {"topics": "t.a,t.b", "insert.mode": "upsert"}, "source": {"skipped.operations": "t"}}

    first, second = remedies.change_settings(changes)

    words = ["--set", "topics=t.a,t.b", "--set", "insert.mode=upsert", "--pipeline", "warehouse"]
    assert shlex.split(first) == ["cdcproof", "connectors", "update", "a sink", *words]
    assert second == "cdcproof connectors update source --set skipped.operations=t --pipeline warehouse"
    assert remedies.change_settings({}) == ()


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
    assert clear == "cdcproof connectors dlq 'a sink' --clear --pipeline warehouse"


def test_healthy_connectors_need_nothing(remedies):
    assert remedies.run_connectors(states()) == ()


def test_a_service_is_looked_at_before_it_is_restarted(remedies):
    assert remedies.restart_services(["kafka"]) == ("logs kafka", "restart kafka")
    assert remedies.read_logs(["kafka"]) == ("logs kafka",)


def test_reconciling_again_names_the_tables(remedies):
    assert remedies.reconcile(["orders"])[0] == (
        "cdcproof reconcile --pipeline warehouse --tables orders --validate-checksums"
    )
    assert remedies.reconcile([]) == ()


def test_old_backups_are_listed_before_they_are_deleted(remedies):
    action = remedies.free_space(OldFiles(Path("/var/backups/cdc"), 7, 3, 100))

    assert action == ("find /var/backups/cdc -type f -mtime +7 -ls", "find /var/backups/cdc -type f -mtime +7 -delete")


def test_a_clean_up_that_frees_nothing_is_not_offered(remedies):
    for old in (None, OldFiles(Path("/var/backups/cdc"), 7, 0, 0)):
        assert all(line.startswith("#") for line in remedies.free_space(old))


def test_every_command_is_one_that_a_shell_can_read(remedies):
    actions = [
        remedies.run_connectors({"sink": "FAILED"}),
        remedies.reconcile(["orders"]),
        remedies.compare_exporter_with_connect(),
        remedies.free_space(OldFiles(Path("/a b/c'd"), 7, 1, 1)),
        remedies.look_at_sink({"connect-sink": "empty"}),
        remedies.look_at_slots(slots_of(remedies, Slot("it's", False, "lost", 0), readers={})),
        remedies.look_at_tables(["orders"]),
    ]
    for line in (line for action in actions for line in action):
        subprocess.run(["bash", "-n", "-c", line], check=True)


def test_names_that_a_shell_or_an_address_would_break_are_quoted():
    pipeline = pipeline_of(
        "a table",
        source_type="postgresql",
        connectors=[{"name": "a b/$c", "kind": "sink"}],
        connect={"url": URL, "user": "o'brien", "password_env": "CONNECT_PASSWORD"},
    )
    remedies = Remedies(Environment(), pipeline, "my pipelines/p.toml")

    restart = remedies.run_connectors({"a b/$c": "RUNNING", "a b/$c/0": "FAILED"})[1]
    deploy = remedies.run_connectors({})[1]

    assert shlex.split(restart)[-1] == f"{URL}/connectors/a%20b%2F%24c/restart?includeTasks=true&onlyFailed=true"
    assert shlex.split(restart)[2:4] == ["-u", "o'brien"]
    assert "@a b/$c.config.json" in shlex.split(deploy)
    assert shlex.split(remedies.reconcile(["a table"])[0])[3:6] == ["my pipelines/p.toml", "--tables", "a table"]


def test_no_command_holds_a_password(remedies, monkeypatch):
    monkeypatch.setenv("SOURCE_PW", "hunter2-source")
    monkeypatch.setenv("TARGET_PW", "hunter2-target")

    text = "\n".join(
        (
            *remedies.look_at_sink(["connect-sink"]),
            *remedies.look_at_slots(slots_of(remedies, Slot("a", False, "lost", 0), readers={})),
            *remedies.look_at_tables(["t"]),
        )
    )

    assert "hunter2" not in text
    assert 'PGPASSWORD="$TARGET_PW"' in text


def test_a_test_row_that_got_lost_is_followed_from_connector_to_target(remedies):
    source, sink, blocked = remedies.follow_the_test_row()

    assert (source, sink) == (f"curl -s {URL}/connectors/source/status", f"curl -s {URL}/connectors/sink/status")
    assert "pg_blocking_pids" in blocked


def test_what_differs_from_the_baseline_is_seen_again_before_it_is_judged(remedies):
    command, advice = remedies.compare_with_baseline()

    assert command == "cdcproof baseline compare --pipeline warehouse"
    assert advice.startswith("# ")


def test_connectors_that_do_not_run_are_looked_at_and_then_put_back(remedies):
    assert remedies.undo_connectors() == (
        "cdcproof connectors status --pipeline warehouse",
        "cdcproof connectors undo --pipeline warehouse",
    )


def test_a_flap_is_looked_for_at_connect():
    services = [{"name": "kafka-connect", "role": "connect"}, {"name": "kafka", "role": "kafka"}]
    remedies = Remedies(Environment(), pipeline_of("customers", services=services), "warehouse")

    assert remedies.look_at_flaps() == (f"curl -s '{URL}/connectors?expand=status'", "logs kafka-connect")


def test_a_slot_that_a_connector_reads_is_never_offered_to_be_dropped(remedies):
    own, neighbour, forgotten = (Slot(name, False, "reserved", 0, "other") for name in ("cdc", "theirs", "forgotten"))
    found = slots_of(remedies, own, neighbour, forgotten, readers={"theirs": "their-connector"})

    dropping = [line for line in remedies.look_at_slots(found) if "pg_drop_replication_slot" in line]

    drop = (
        """psql -h h -p 1 -d other -c 'SELECT pg_drop_replication_slot('"'"'forgotten'"'"')'   # as an administrator"""
    )
    assert dropping == [f"# if nobody needs forgotten any more: {drop}"]
    for known in (None, {}):
        assert "'cdc'" not in str(remedies.look_at_slots(slots_of(remedies, own, readers=known)))
    # without Connect nobody knows who reads a slot
    assert "drop" not in str(remedies.look_at_slots(slots_of(remedies, forgotten, readers=None)))


def test_a_slot_that_is_gone_asks_for_a_new_snapshot(remedies):
    assert "new snapshot" in str(remedies.look_at_slots(slots_of(remedies, readers={})))


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
