"""Every morning check both ways: green on the healthy pipeline, red on its own fault and only that one, green again.

The fixture `healthy` demands the green at the end of each test; the session's first run demands it at the start.
Where the check's action can mend it, it is the action, as it is printed, that does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from urllib.parse import quote

import psutil
import pytest
from confluent_kafka import Producer

from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.prometheus import scrape
from cdcproof.core.progress import Progress
from cdcproof.environments.embedded import connectors, lifecycle, services, state
from cdcproof.environments.embedded.data import databases
from cdcproof.findings import Verdict
from cdcproof.reconcile.report.result import TableStatus
from tests.integration.conftest import INSTANCE, PASSWORDS, ROOT, eventually

pytestmark = pytest.mark.integration

SINK, SOURCE = connectors.SINK, connectors.SOURCE
SETTINGS = ("morning.9-connector-settings", "morning.9-dead-letters")
ALL_OTHERS = (
    "morning.2-connectors",
    "morning.4-metrics-connectors",
    "morning.7-sink-lag",
    "morning.7-freshness",
    "morning.8-replication-slots",
    "morning.9-tables",
    "morning.9-topics",
    "morning.9-registry",
    *SETTINGS,
)
OF_SOURCE = (
    "morning.6-source-rights",
    "morning.7-source-lag",
    "morning.7-freshness",
    "morning.9-capture",
    "morning.9-columns",
    "morning.9-accounts",
)
OF_TARGET = ("morning.6-target-rights", "morning.7-freshness", "morning.9-columns", "morning.9-accounts")
OF_CONNECT = ("morning.7-source-lag", "morning.7-freshness", "morning.9-capture", "morning.9-accounts")
OF_KAFKA = (
    "morning.6-kafka-answers",
    "morning.2-connectors",
    "morning.7-sink-lag",
    "morning.7-source-lag",
    "morning.7-freshness",
    "morning.9-dead-letters",
    "morning.9-topics",
    "morning.9-tables",
)
UNSEEN = {SOURCE: ("morning.7-source-lag",)}
"""What nobody can see while a connector does not run."""
REPORTS = ("morning.3-reconciliation", "morning.4-metrics-reconciliation")


def follow(pipelines, step, mended=0):
    """Run what a check offers, as it is printed, but for the advice; the last command must end with `mended`."""
    done = [pipelines.paste(command) for command in step.action if not command.startswith("#")]
    assert done, step.action
    assert done[-1].returncode == mended, done[-1].stdout + done[-1].stderr
    return done


def advised(step, word):
    """The command that a line of advice holds after its colon, for one who has decided."""
    [line] = [line for line in step.action if line.startswith("#") and word in line]
    return line.partition(": ")[2]


# ---- 1 services ----


@pytest.mark.parametrize(
    ("service", "blocked"),
    [
        (
            "postgres-source",
            (
                *REPORTS,
                "morning.6-source-answers",
                "morning.2-connectors",
                "morning.8-replication-slots",
                "morning.9-tables",
                *OF_SOURCE,
            ),
        ),
        ("postgres", (*REPORTS, "morning.6-target-answers", "morning.2-connectors", "morning.9-tables", *OF_TARGET)),
        ("zookeeper", ("morning.9-topics",)),
        ("kafka", OF_KAFKA),
        ("schema-registry", ("morning.6-registry-answers", "morning.9-registry")),
        ("kafka-connect", ("morning.2-connectors", "morning.4-metrics-connectors", *SETTINGS, *OF_CONNECT)),
    ],
)
def test_a_killed_service(healthy, service, blocked):
    lifecycle.kill(INSTANCE, service)
    try:
        unseen = ("morning.9-topics",) if service == "kafka-connect" else ()
        step = healthy.assert_only(healthy.morning(), "morning.1-services", blocked=blocked, unseen=unseen)
        follow(healthy, step)
    except BaseException:
        healthy.heal()
        raise

    assert [d.subject.split(" ")[0] for d in step.differences] == [service]
    assert step.action == (
        f"cdcproof logs {service} --instance {INSTANCE}",
        f"cdcproof restart {service} --instance {INSTANCE}",
    )
    log = next(e for e in step.evidence if e.title == f"Log of {service}, last 50 lines")
    assert log.text.count("\n") <= 50


@pytest.mark.parametrize(
    ("service", "blocked"),
    [("schema-registry", ("morning.6-registry-answers", "morning.9-registry")), ("kafka", OF_KAFKA)],
)
def test_a_service_that_is_up_but_does_not_answer(healthy, service, blocked):
    process = healthy.instance.processes[service]
    os.kill(process.pid, signal.SIGSTOP)
    try:
        step = healthy.assert_only(healthy.morning(), "morning.1-services", blocked=blocked)
        status = healthy.call("cdcproof", "status")
        answered = scrape(healthy.located().exporters.connect_url).labelled("cdcproof_exporter_up", "service")
    finally:
        os.kill(process.pid, signal.SIGCONT)

    role = services.ROLES[service]
    assert answered == {name: float(name != role) for name in answered}
    assert role in answered
    assert step.differences[0].found == "up, unhealthy"
    [line] = [line for line in status.stdout.splitlines() if line.startswith(f"{service} ")]
    assert "up, unhealthy" in line
    assert status.returncode == 1
    eventually(lambda: healthy.call("cdcproof", "status").returncode, lambda status: status == 0, what="it to answer")


def test_a_service_that_is_up_but_was_restarted_too_often_is_a_warning(healthy):
    instance = healthy.instance
    for _ in range(4):
        instance = instance.with_restart("zookeeper", "injected")
    state.save(instance)
    try:
        step = healthy.assert_only(healthy.morning(), "morning.1-services", Verdict.WARNED)
    finally:
        healthy.heal()

    assert [(d.subject, d.found) for d in step.differences] == [("zookeeper (zookeeper)", "4 restarts in 24 h")]


def test_everything_down_has_one_cause(healthy):
    """As after a night, when the last heartbeat at the target is hours old: the next morning is green all the same."""
    databases.target(healthy.instance, "UPDATE public.cdcproof_heartbeat SET beat_at = beat_at - 7200000")
    for service in ("postgres-source", "postgres", "zookeeper", "kafka", "schema-registry", "kafka-connect"):
        lifecycle.kill(INSTANCE, service)
    try:
        outcome = healthy.morning()
    finally:
        healthy.heal()

    answers = tuple(f"morning.6-{part}-answers" for part in ("source", "target", "kafka", "registry"))
    healthy.assert_only(
        outcome, "morning.1-services", blocked=(*REPORTS, *answers, *ALL_OTHERS, *OF_SOURCE, *OF_TARGET)
    )


# ---- 2 connectors ----


@contextmanager
def changed(pipelines, connector, **changes):
    """A connector with other settings; its own again at the end."""
    own = connectors.config(pipelines.instance, connector)
    pipelines.connect.put_config(connector, own | {k.replace("__", "."): v for k, v in changes.items()})
    try:
        yield
    finally:
        pipelines.connect.put_config(connector, own)
        pipelines.heal()


def states(pipelines):
    return pipelines.connect.states().states


def test_a_task_that_failed_shows_its_trace(healthy):
    with changed(healthy, SINK, connection__password="wrong-pa55word"):
        eventually(lambda: states(healthy).get(f"{SINK}/0") == "FAILED", what="the sink's task to fail")
        outcome = healthy.morning()

    step = healthy.assert_only(outcome, "morning.2-connectors")
    assert [(d.subject, d.found) for d in step.differences] == [(f"{SINK}/0", "FAILED")]
    assert "--only-failed" in step.action[-1]
    trace = next(e.text for e in step.evidence if e.title == f"Trace of {SINK}/0")
    assert "Exception" in trace
    assert "wrong-pa55word" not in outcome.output + json.dumps(outcome.run.as_dict())


def test_a_target_table_that_the_sink_cannot_write_to(healthy):
    databases.target(healthy.instance, "REVOKE INSERT, UPDATE ON public.shipments FROM sink")
    try:
        databases.source(healthy.instance, "UPDATE public.shipments SET shipment_id = shipment_id")
        eventually(lambda: states(healthy).get(f"{SINK}/0") == "FAILED", what="the sink's task to fail")
        outcome = healthy.morning()
        step = healthy.assert_only(outcome, "morning.2-connectors", also=("morning.9-accounts",))
    except BaseException:
        databases.target(healthy.instance, "GRANT INSERT, UPDATE ON public.shipments TO sink")
        raise
    follow(healthy, outcome.step("morning.9-accounts"))  # which grants
    follow(healthy, step)

    assert "permission denied" in step.differences[0].detail


@pytest.mark.parametrize("connector", [SOURCE, SINK])
def test_a_paused_connector(healthy, connector):
    healthy.connect.pause(connector)
    try:
        eventually(lambda: states(healthy)[f"{connector}/0"] == "PAUSED", what="the pause")
        step = healthy.assert_only(healthy.morning(), "morning.2-connectors", unseen=UNSEEN.get(connector, ()))
        follow(healthy, step)
    except BaseException:
        healthy.heal()
        raise

    assert {d.found for d in step.differences} == {"PAUSED"}
    assert f"cdcproof connectors resume {connector} --pipeline embedded" in step.action


def test_connectors_that_were_stopped_hide_neither_lag_nor_slots(healthy):
    for connector in (SOURCE, SINK):
        healthy.connect.stop(connector)
    try:
        eventually(lambda: states(healthy).keys() == {SOURCE, SINK}, what="the stop")
        step = healthy.assert_only(healthy.morning(), "morning.2-connectors", unseen=UNSEEN[SOURCE])
        follow(healthy, step)
    except BaseException:
        healthy.heal()
        raise

    assert {(d.subject, d.found) for d in step.differences} == {
        (name, found) for c in (SOURCE, SINK) for name, found in ((c, "STOPPED"), (f"{c}/0", "absent"))
    }


def test_a_connector_that_was_deleted(healthy):
    healthy.connect.delete(SINK)
    try:
        eventually(lambda: SINK not in states(healthy), what="the deletion")
        step = healthy.assert_only(healthy.morning(), "morning.2-connectors", unseen=("morning.9-dead-letters",))
        follow(healthy, step)
    except BaseException:
        healthy.heal()
        raise

    assert {(d.subject, d.found) for d in step.differences} == {(SINK, "absent"), (f"{SINK}/0", "absent")}


def test_more_tasks_than_expected(healthy):
    with changed(healthy, SINK, tasks__max="2"):
        eventually(lambda: states(healthy).get(f"{SINK}/1") == "RUNNING", what="the second task")
        step = healthy.assert_only(healthy.morning(), "morning.2-connectors")
        follow(healthy, step)

    assert [(d.subject, d.expected) for d in step.differences] == [(f"{SINK}/1", "not expected")]


def test_a_connector_that_nobody_expects(healthy):
    config = connectors.config(healthy.instance, SINK) | {"topics": "nothing-is-ever-written-here"}
    healthy.connect.put_config("rogue-sink", config)
    try:
        eventually(lambda: states(healthy).get("rogue-sink/0") == "RUNNING", what="the connector to run")
        step = healthy.assert_only(healthy.morning(), "morning.2-connectors")
        assert healthy.paste(advised(step, "where nobody needs it")).returncode == 0
    except BaseException:
        healthy.connect.delete("rogue-sink")
        raise

    assert {d.subject for d in step.differences} == {"rogue-sink", "rogue-sink/0"}


def test_a_password_in_clear_is_a_risk_and_shows_nowhere(healthy):
    password = PASSWORDS["POSTGRES_PASSWORD"]
    with changed(healthy, SINK, connection__password=password):
        eventually(lambda: states(healthy).get(f"{SINK}/0") == "RUNNING", what="the sink to run again")
        outcome = healthy.morning()

    step = healthy.assert_only(outcome, "morning.2-connectors", Verdict.WARNED)
    assert step.differences[0].found == "in clear: connection.password"
    assert password not in outcome.output + json.dumps(outcome.run.as_dict(), ensure_ascii=False)


# ---- 3 reconciliation ----


def no_report(pipelines):
    pipelines.forget_reports()


def truncated(pipelines):
    path = pipelines.report(seconds_ago=5)
    path.write_text(path.read_text()[:200])


def newer_mismatch(pipelines):
    pipelines.report(seconds_ago=5, orders=TableStatus.MISMATCH)


def from_the_future(pipelines):
    pipelines.report(seconds_ago=-7200)


def aged(pipelines):
    pipelines.forget_reports()
    pipelines.report(seconds_ago=3 * 3600)


@pytest.mark.parametrize("fault", [no_report, truncated, newer_mismatch, from_the_future, aged])
def test_a_report_that_proves_nothing(healthy, fault):
    fault(healthy)

    outcome = healthy.morning()
    step = healthy.assert_only(outcome, "morning.3-reconciliation", blocked=("morning.4-metrics-reconciliation",))
    follow(healthy, step)
    after = healthy.morning()
    healthy.forget_the_past()

    assert after.verdicts()["morning.3-reconciliation"] is Verdict.PASSED, after.output


def test_a_row_lost_at_the_target_is_found_named_and_healed(healthy):
    command = ("cdcproof", "reconcile", "--pipeline", "embedded", "--validate-checksums")
    lost = databases.target(
        healthy.instance,
        "DELETE FROM public.orders WHERE order_id = (SELECT min(order_id) FROM public.orders) RETURNING order_id",
    ).splitlines()[0]
    try:
        reconciled = healthy.call(*command)
        outcome = healthy.morning()
        step = healthy.assert_only(outcome, "morning.3-reconciliation", blocked=("morning.4-metrics-reconciliation",))
        again, printed, repaired, proven = follow(healthy, step)
    except BaseException:
        databases.source(healthy.instance, f"UPDATE public.orders SET order_id = order_id WHERE order_id = {int(lost)}")
        raise

    assert reconciled.returncode == 1, reconciled.stdout + reconciled.stderr
    assert [d.subject for d in step.differences] == ["orders"]
    assert f"missing {lost}" in step.differences[0].detail
    assert [done.returncode for done in (again, printed, repaired, proven)] == [1, 1, 0, 0]
    assert "INSERT INTO" in printed.stdout
    # the metrics remember for a day that there was a mismatch, and that a later report resolved it
    warned = healthy.morning()
    healthy.count_afresh()
    healthy.assert_only(warned, "morning.4-metrics-reconciliation", Verdict.WARNED)


# ---- 4 metrics ----


def test_a_dead_exporter_is_not_checked(healthy):
    lifecycle.kill(INSTANCE, "exporter")
    try:
        outcome = healthy.morning()
        follow(healthy, outcome.step("morning.4-metrics-connectors"))
    except BaseException:
        healthy.heal()
        raise

    steps = ("morning.4-metrics-reconciliation", "morning.4-metrics-connectors")
    assert outcome.verdicts() == healthy.healthy | dict.fromkeys(steps, Verdict.NOT_CHECKED), outcome.output
    assert outcome.exit_status == 1
    assert outcome.output.count("NOT CHECKED  morning.4") >= 2
    assert {outcome.step(step).action[-1] for step in steps} == {f"cdcproof restart exporter --instance {INSTANCE}"}


def test_a_mismatch_that_stands_though_the_newest_report_matches(healthy):
    # a report that was counted and then deleted: only the counter still knows
    path = healthy.report(seconds_ago=5, orders=TableStatus.MISMATCH)
    url = healthy.located().exporters.reconciliation_url
    eventually(
        lambda: scrape(url).labelled("reconciliation_row_count_mismatch_total", "table").get("orders"),
        lambda total: total == 1,
        what="the exporter to count the report",
    )
    path.unlink()

    outcome = healthy.morning()
    step = healthy.assert_only(outcome, "morning.4-metrics-reconciliation")
    follow(healthy, step)
    after = healthy.morning()
    healthy.count_afresh()

    assert [d.subject for d in step.differences] == ["orders"]
    assert after.verdicts()["morning.4-metrics-reconciliation"] is Verdict.WARNED, after.output


@contextmanager
def exporter_of(pipelines, text, what):
    """Another exporter in the place of the pipeline's own, for the pipeline file `text`."""
    file = pipelines.folder / "other.toml"
    file.write_text(text)
    lifecycle.kill(INSTANCE, "exporter")
    log = (pipelines.folder / "exporter.log").open("w")
    command = [
        sys.executable, "-m", "cdcproof", "exporter", "--env", "embedded",
        "--pipeline", str(file), "--state", str(pipelines.folder / "other-state.json"),
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, env=pipelines.environment, stdout=log, stderr=log)
    try:
        eventually(lambda: scrape(pipelines.located().exporters.connect_url), what=what)
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()
        (pipelines.folder / "other-state.json").unlink(missing_ok=True)
        pipelines.heal()


def test_an_absent_series_is_a_failure(healthy):
    own = (ROOT / "fixtures/pipelines/embedded.toml").read_text()
    before, _, after = own.partition('[[tables]]\nname = "shipments"')
    fewer = before + after[after.index("\n[") :]
    with exporter_of(healthy, fewer, "the exporter without shipments"):
        step = healthy.assert_only(healthy.morning(), "morning.4-metrics-reconciliation")

    assert [(d.subject, d.found) for d in step.differences] == [("shipments", "absent")]


def test_a_connector_state_that_contradicts_connect(healthy):
    own = (ROOT / "fixtures/pipelines/embedded.toml").read_text()
    two_tasks = own.replace('kind = "sink"\ntasks = 1', 'kind = "sink"\ntasks = 2')
    assert two_tasks != own
    with exporter_of(healthy, two_tasks, "the exporter that expects two tasks"):
        step = healthy.assert_only(healthy.morning(), "morning.4-metrics-connectors")

    assert [(d.subject, d.expected, d.found) for d in step.differences] == [(SINK, "1.0", "0.0")]


# ---- 5 disk ----


@pytest.fixture
def small_disk(healthy):
    """A file system of 16 MiB and 200 inodes in the place of the backup directory."""
    if os.geteuid() != 0:
        pytest.skip("a small file system can only be mounted by root")
    backups = healthy.located().paths.backups
    options = "size=16m,nr_inodes=200"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", backups], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    try:
        yield backups
    finally:
        subprocess.run(["umount", backups], check=True)


def test_a_full_disk_says_what_takes_the_space_and_what_a_clean_up_would_free(healthy, small_disk):
    old = small_disk / "backup-1.dump"
    old.write_bytes(bytes(13 * 1024 * 1024))
    age = (datetime.now().astimezone() - timedelta(days=9)).timestamp()
    os.utime(old, (age, age))
    last = small_disk / "last-of-its-kind.dump"
    last.write_bytes(b"rows")
    os.utime(last, (age, age))
    (small_disk / "backup-2.dump").write_bytes(b"rows")  # of the same kind, and newer
    step = healthy.assert_only(healthy.morning(), "morning.5-disk")
    assert old.exists()
    follow(healthy, step)
    assert {path.name for path in small_disk.iterdir()} == {"last-of-its-kind.dump", "backup-2.dump"}

    assert [d.subject for d in step.differences] == [str(small_disk)]
    assert step.action[-1] == f"find {small_disk} -type f -mtime +7 '!' -path {last} -delete"
    texts = {e.title: e.text for e in step.evidence}
    assert "backup-1.dump" in texts["What takes the space"]
    assert "1 files" in texts["What deleting files older than 7 days would free"]


def test_a_disk_that_fills_is_a_warning(healthy, small_disk):
    (small_disk / "backup.dump").write_bytes(bytes(12 * 1024 * 1024))
    try:
        healthy.assert_only(healthy.morning(), "morning.5-disk", Verdict.WARNED)
    finally:
        (small_disk / "backup.dump").unlink()


def test_a_disk_without_inodes(healthy, small_disk):
    files = [small_disk / f"{number}.empty" for number in range(180)]
    for file in files:
        file.touch()
    try:
        step = healthy.assert_only(healthy.morning(), "morning.5-disk")
    finally:
        for file in files:
            file.unlink()

    assert [d.subject for d in step.differences] == [f"{small_disk} inodes"]


def test_a_backup_directory_that_is_gone_is_not_checked(healthy):
    backups = healthy.located().paths.backups
    aside = backups.with_name("backups-aside")
    backups.rename(aside)
    try:
        healthy.assert_only(healthy.morning(), "morning.5-disk", Verdict.NOT_CHECKED)
    finally:
        aside.rename(backups)


# ---- 6 answers ----


@pytest.mark.parametrize(
    ("variable", "part", "blocked"),
    [
        ("POSTGRES_SOURCE_PASSWORD", "source", ("morning.8-replication-slots", "morning.9-tables", *OF_SOURCE)),
        ("POSTGRES_PASSWORD", "target", ("morning.9-tables", *OF_TARGET)),
    ],
)
def test_a_wrong_password_of_the_checks_is_not_checked(healthy, variable, part, blocked):
    outcome = healthy.morning(**{variable: "not-the-passw0rd"})

    step = healthy.assert_only(outcome, f"morning.6-{part}-answers", Verdict.NOT_CHECKED, blocked=blocked)
    assert "not-the-passw0rd" not in outcome.output
    assert variable in step.action[0]


# ---- 7 lag ----


def test_a_sink_that_waits_for_a_lock_while_everything_is_running(healthy):
    strict = (ROOT / "fixtures/pipelines/embedded.toml").read_text() + "\n[thresholds]\nlag_records = 10\n"
    file = healthy.folder / "strict.toml"
    file.write_text(strict)
    kafka, topics = Kafka(healthy.located().kafka), [t.topic for t in healthy.located().tables]

    def behind():
        return sum(p.lag_records for p in kafka.lag(f"connect-{SINK}", topics))

    with locked(healthy, "public.customers") as connection:
        databases.source(healthy.instance, "UPDATE public.customers SET name = name")
        eventually(behind, lambda records: records > 10, what="the sink to fall behind")
        step = healthy.assert_only(healthy.morning(f"--pipeline={file}"), "morning.7-sink-lag")
        [_, blockers] = [healthy.paste(command) for command in step.action if not command.startswith("#")]
        end = next(line for line in step.action if "pg_terminate_backend" in line).removeprefix("# ")
        pid = str(connection.info.backend_pid)
        ended = healthy.paste(end.replace("PID", pid))
    eventually(behind, lambda records: records == 0, what="the sink to catch up")

    assert f"| {pid} |" in " ".join(blockers.stdout.split())
    assert ended.returncode == 0, ended.stderr


@contextmanager
def locked(pipelines, table):
    """Somebody forgot a transaction that locks the table at the target."""
    import psycopg

    from cdcproof.environments.embedded import passwords

    port = pipelines.located().target.port
    password = passwords.of(pipelines.instance).superuser.reveal()
    with psycopg.connect(
        host="127.0.0.1", port=port, dbname="warehouse_target", user="postgres", password=password
    ) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield connection
        with suppress(psycopg.OperationalError):  # the action has ended it
            connection.rollback()


def test_a_paused_sink_whose_target_grows_old(healthy):
    """Two minutes of pause, shortened: the heartbeat that arrived last is set back at the target."""
    age = "extract(epoch FROM clock_timestamp()) - max(beat_at) / 1000"
    healthy.connect.pause(SINK)
    try:
        eventually(lambda: states(healthy)[f"{SINK}/0"] == "PAUSED", what="the pause")
        databases.target(healthy.instance, "UPDATE public.cdcproof_heartbeat SET beat_at = beat_at - 120000")
        outcome = healthy.morning()
        step = healthy.assert_only(outcome, "morning.7-freshness", also=("morning.2-connectors",))
        shown = follow(healthy, step)
        follow(healthy, outcome.step("morning.2-connectors"))
    except BaseException:
        healthy.heal()
        raise
    eventually(
        lambda: float(databases.target(healthy.instance, f"SELECT {age} FROM public.cdcproof_heartbeat")),
        lambda seconds: seconds < 60,
        what="the next heartbeat to arrive",
    )

    assert [d.subject for d in step.differences] == ["public.cdcproof_heartbeat"]
    assert step.differences[0].expected == "at most 60 s old"
    assert 119 < float(step.differences[0].found.removesuffix(" s old")) < 180
    assert step.differences[0].detail.endswith("held up on its way")
    assert "PAUSED" in "".join(done.stdout for done in shown)


# ---- 9 tables ----


def test_a_target_table_that_was_dropped(healthy):
    databases.target(healthy.instance, "ALTER TABLE public.inventory RENAME TO inventory_aside")
    try:
        step = healthy.assert_only(healthy.morning(), "morning.9-tables")
        assert "inventory_aside" in follow(healthy, step)[-1].stdout
    finally:
        databases.target(healthy.instance, "ALTER TABLE public.inventory_aside RENAME TO inventory")

    assert [(d.subject, d.found) for d in step.differences] == [("inventory: target table", "absent")]


# ---- 9 settings ----


def test_settings_that_lose_changes_are_put_right_by_the_command_offered(healthy):
    own = connectors.config(healthy.instance, SINK)
    topics = ",".join(topic for topic in own["topics"].split(",") if not topic.endswith(".shipments"))
    wrong = {"insert.mode": "update", "delete.enabled": "false", "topics": topics}
    healthy.connect.put_config(SINK, own | wrong)
    try:
        eventually(lambda: states(healthy).get(f"{SINK}/0") == "RUNNING", what="the sink to run again")
        step = healthy.assert_only(healthy.morning(), "morning.9-connector-settings")
        pasted = [healthy.paste(command) for command in step.action]
    finally:
        healthy.heal()

    assert [d.subject.removeprefix(f"{SINK} ") for d in step.differences] == [
        "insert.mode",
        "delete.enabled",
        "shipments: read by",
    ]
    assert [done.returncode for done in pasted] == [0, 0], pasted
    assert healthy.connect.states().get(SINK).config == own | {"name": SINK}


# ---- 9 dead letters ----


DEAD_LETTERS = {
    "errors.tolerance": "all",
    "errors.deadletterqueue.topic.name": "dlq-test",
    "errors.deadletterqueue.topic.replication.factor": "1",
    "errors.deadletterqueue.context.headers.enable": "true",
}


def test_records_that_a_sink_put_aside(healthy):
    """They are red, named by the reconciliation, no lag, and forgotten by the command offered."""
    own = connectors.config(healthy.instance, SINK)
    kafka = Kafka(healthy.located().kafka)
    topic = next(t.topic for t in healthy.located().tables if t.name == "customers")
    healthy.connect.put_config(SINK, own | DEAD_LETTERS)
    try:
        eventually(lambda: states(healthy).get(f"{SINK}/0") == "RUNNING", what="the sink to run again")
        put_aside(healthy, kafka, topic)
        left = eventually(
            lambda: behind(kafka, topic), lambda seen: aside(kafka, topic, seen), what="the sink to skip them"
        )
        assert not aside(kafka, topic, {place: at - 1 for place, at in left.items()})

        databases.target(healthy.instance, "DELETE FROM customers WHERE customer_id = 777001")
        options = ("--pipeline=embedded", "--tables=customers", f"--output-dir={healthy.folder}/aside")
        reconciled = healthy.call("cdcproof", "reconcile", "--validate-checksums", *options)
        step = healthy.assert_only(healthy.morning(), "morning.9-dead-letters")
        pasted = [healthy.paste(command) for command in step.action]
        healthy.assert_healthy(healthy.morning())
    finally:
        databases.source(healthy.instance, "DELETE FROM customers WHERE customer_id = 777001")
        eventually(lambda: behind(kafka, topic), lambda seen: not seen, what="the sink to go past them")
        healthy.connect.put_config(SINK, own)
        healthy.heal()

    assert "3 records are in dlq-test" in reconciled.stdout
    assert (reconciled.returncode, "1 missing" in reconciled.stdout) == (1, True)
    assert [(d.subject, d.found) for d in step.differences] == [(f"dlq-test of {SINK}", "3 records")]
    assert [done.returncode for done in pasted] == [1, 0, 0], pasted
    assert f"{topic}/0, offset" in pasted[0].stdout
    assert "not a record" not in pasted[0].stdout


def put_aside(pipelines, kafka, topic):
    """A row, and behind it in one batch what no converter reads: Debezium's sink commits the row only."""
    pipelines.connect.pause(SINK)
    eventually(lambda: states(pipelines)[f"{SINK}/0"] == "PAUSED", what="the pause")
    before = kafka.end_offsets({topic})
    databases.source(pipelines.instance, "INSERT INTO customers (customer_id, name, email) VALUES (777001, 'a', 'a@b')")
    eventually(lambda: kafka.end_offsets({topic}), lambda ends: ends != before, what="the row to be in its topic")
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for number in range(3):
        producer.produce(topic, key=str(number).encode(), value=b"\x00\x00\x00\x00\x63not a record")
    assert producer.flush(10) == 0
    pipelines.connect.resume(SINK)


def aside(kafka, topic, positions):
    """Whether all that is left from these positions on is in the dead letter topic."""
    return bool(positions) and kafka.put_aside(positions, kafka.end_offsets({topic}), "dlq-test") == positions.keys()


def behind(kafka, topic):
    """Partitions of a topic to the sink's position, where it has not committed all."""
    committed = kafka.positions(f"connect-{SINK}").committed
    return {p: committed.get(p, 0) for p, end in kafka.end_offsets({topic}).items() if committed.get(p, 0) < end}


# ---- 9 topics ----


def test_topics_that_take_no_records_and_forget(healthy, tmp_path):
    kafka_tool(healthy, tmp_path)
    topics = {
        next(t.topic for t in healthy.located().tables if t.name == "shipments"): "min.insync.replicas=2",
        "connect-offsets": "cleanup.policy=delete",
    }
    kafka = Kafka(healthy.located().kafka)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    server = f"kafka-configs --bootstrap-server {kafka.bootstrap} --alter --entity-type topics --entity-name"
    for topic, setting in topics.items():
        assert healthy.paste(f"{server} {topic} --add-config {setting}", **path).returncode == 0
    try:
        step = healthy.assert_only(healthy.morning(), "morning.9-topics")
        pasted = [healthy.paste(command, **path) for command in step.action]
    finally:
        for topic, setting in zip(topics, ("min.insync.replicas=1", "cleanup.policy=compact"), strict=True):
            healthy.paste(f"{server} {topic} --add-config {setting}", **path)

    assert {d.subject for d in step.differences} == topics.keys()
    assert [done.returncode for done in pasted] == [0, 0], pasted


def kafka_tool(pipelines, folder):
    """`kafka-configs`, as Kafka's packages have it: the embedded broker comes without its scripts."""
    command = psutil.Process(pipelines.instance.processes["kafka"].pid).cmdline()
    start = [
        word for word in command if word.startswith(("-XX:Tiered", "-XX:+Use", "-Xshare", "-XX:SharedArchive", "-Xlog"))
    ]
    classes = command[command.index("-cp") + 1]
    tool = folder / "kafka-configs"
    tool.write_text(
        f'#!/bin/sh\nexec {command[0]} {" ".join(start)} -Xmx128m -cp {classes} kafka.admin.ConfigCommand "$@"\n'
    )
    tool.chmod(0o755)


# ---- all ----


def test_four_workers_give_the_same_verdicts(healthy):
    databases.source(healthy.instance, "SELECT pg_create_logical_replication_slot('forgotten', 'pgoutput')")
    lifecycle.kill(INSTANCE, "schema-registry")
    try:
        alone, together = healthy.morning(), healthy.morning("-n", "4")
    finally:
        databases.source(healthy.instance, "SELECT pg_drop_replication_slot('forgotten')")
        healthy.heal()

    assert together.verdicts() == alone.verdicts(), together.output
    assert Verdict.BLOCKED in together.verdicts().values()
    assert together.exit_status == alone.exit_status == 1


def test_no_secret_is_in_anything_that_was_written(healthy):
    """Both passwords in clear in a connector's configuration, every reporter on, a red and a green run, every command."""
    folder = healthy.folder
    reporters = (f"--junitxml={folder}/junit.xml", f"--alluredir={folder}/allure")
    source, target = PASSWORDS.values()
    with changed(healthy, SINK, connection__password=target, errors__note=f"password={source}"):
        eventually(lambda: states(healthy).get(f"{SINK}/0") == "RUNNING", what="the sink to run again")
        healthy.morning(*reporters)
        healthy.connect.put_config(
            SINK, connectors.config(healthy.instance, SINK) | {"connection.password": f"no-{target}"}
        )
        eventually(lambda: states(healthy).get(f"{SINK}/0") == "FAILED", what="the sink's task to fail")
        lifecycle.kill(INSTANCE, "schema-registry")
        red = healthy.morning(*reporters)
        for command in (
            ("summary", f"--reports-dir={folder}/reports"),
            ("remedy", "morning.1-services", f"--reports-dir={folder}/reports"),
            ("check-config", "--pipeline=embedded"),
            ("reconcile", "--pipeline=embedded", f"--output-dir={folder}/reconciled", "--validate-checksums"),
            ("status",),
            ("logs", "kafka-connect"),
            ("init", f"--connect-url={healthy.located().connect.url}", f"--output={folder}/found.toml", "--force"),
        ):
            healthy.call("cdcproof", *command)

    assert not red.run.is_green
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert {"junit.xml", "streams.txt", "morning.html", "summary.md"} <= {path.name for path in written}
    assert len(list((folder / "allure").iterdir())) > 10
    found = [
        f"{path.relative_to(folder)}: {secret}"
        for path in written
        for secret in (source, target)
        for form in {secret, json.dumps(secret)[1:-1], quote(secret)}
        if form.encode() in path.read_bytes()
    ]
    assert found == []


def test_down_is_not_called_red(healthy):
    """An instance that was stopped on purpose is a question of usage, said in one sentence."""
    lifecycle.down(INSTANCE, Progress())
    try:
        done = healthy.call("pytest", "-m", "morning", f"--reports-dir={healthy.folder}/down")
    finally:
        healthy.heal()

    assert done.returncode != 0
    assert "cdcproof up" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
