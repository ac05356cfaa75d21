"""Failure classes as they befall a running pipeline: the check named goes red and names the object, and nothing else does.

Then the Action as it is printed, where one can mend. The fixture `healthy` demands the green at the end of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import psycopg
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from cdcproof.clients.kafka.client import Kafka
from cdcproof.databases.connections import connect
from cdcproof.environments.embedded import connectors, passwords
from cdcproof.environments.embedded.data import databases
from cdcproof.findings import Verdict
from cdcproof.reconcile.report.result import read, write
from tests.integration.conftest import ROOT, Pipelines, eventually
from tests.integration.test_morning_faults import advised, follow, states

pytestmark = pytest.mark.integration

SINK, SOURCE = connectors.SINK, connectors.SOURCE
SLOTS = "SELECT slot_name, wal_status, pg_current_wal_lsn() - restart_lsn FROM pg_replication_slots"


def found(step) -> dict[str, str]:
    return {difference.subject: difference.found for difference in step.differences}


def topic_of(pipelines: Pipelines, table: str) -> str:
    return next(t.topic for t in pipelines.located().tables if t.name == table)


# ---- the log of the source ----


def behind_bytes(pipelines: Pipelines, slot: str) -> float:
    """What a slot keeps of the log."""
    kept = f"SELECT pg_current_wal_lsn() - restart_lsn FROM pg_replication_slots WHERE slot_name = '{slot}'"
    return float(databases.source(pipelines.instance, kept))


def switch(pipelines: Pipelines, segments: int) -> None:
    """Let the log grow by as many segments of 16 MiB."""
    for _ in range(segments):
        databases.source(
            pipelines.instance, "SELECT pg_logical_emit_message(false, 'drill', ''); SELECT pg_switch_wal();"
        )


@contextmanager
def log_kept(pipelines: Pipelines, size: str) -> Iterator[None]:
    reload = "SELECT pg_reload_conf()"
    databases.source(pipelines.instance, f"ALTER SYSTEM SET max_slot_wal_keep_size = '{size}'")
    databases.source(pipelines.instance, reload)
    try:
        yield
    finally:
        databases.source(pipelines.instance, "ALTER SYSTEM RESET max_slot_wal_keep_size")
        databases.source(pipelines.instance, reload)


def test_a_slot_that_has_lost_its_log(healthy: Pipelines) -> None:
    """Of somebody else: the connector's own is lost in test_connectors.py."""
    databases.source(healthy.instance, "SELECT pg_create_logical_replication_slot('doomed', 'pgoutput')")
    try:
        switch(healthy, 6)
        eventually(
            lambda: databases.source(healthy.instance, "CHECKPOINT; SELECT 1") and behind_bytes(healthy, "cdcproof"),
            lambda kept: kept < 16 * 1024**2,
            what="the connector's own slot to let go of the log",
        )
        with log_kept(healthy, "64MB"):
            databases.source(healthy.instance, "CHECKPOINT")
            step = healthy.assert_only(healthy.morning(), "morning.8-replication-slots")
        assert healthy.paste(advised(step, "if nobody needs doomed any more")).returncode == 0
    finally:
        drop = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = 'doomed'"
        databases.source(healthy.instance, drop)

    assert found(step) == {"doomed": "inactive, WAL lost"}


def test_a_transaction_that_stays_open_holds_back_the_log(healthy: Pipelines) -> None:
    file = healthy.folder / "hoarding.toml"
    own = (ROOT / "fixtures/pipelines/embedded.toml").read_text()
    file.write_text(f"{own}\n[thresholds]\nslot_retained_mebibytes = 40\n")
    source = healthy.located().source
    login = {"host": source.host, "port": source.port, "dbname": source.database, "user": "postgres"}
    with closing(psycopg.connect(**login, password=passwords.of(healthy.instance).superuser.reveal())) as forgotten:
        pid = str(forgotten.info.backend_pid)
        forgotten.execute("UPDATE public.inventory SET quantity = quantity WHERE product_id = 1")
        switch(healthy, 5)
        databases.source(healthy.instance, "CHECKPOINT")
        step = healthy.assert_only(healthy.morning(f"--pipeline={file}"), "morning.8-replication-slots")
        shown = healthy.paste(next(line for line in step.action if "backend_xid" in line))
        end = next(line for line in step.action if "pg_terminate_backend" in line).partition(": ")[2]
        ended = healthy.paste(end.replace("PID", pid))
    eventually(
        lambda: databases.source(healthy.instance, "CHECKPOINT; SELECT 1") and behind_bytes(healthy, "cdcproof"),
        lambda kept: kept < 40 * 1024**2,
        what="the slot to let go of the log",
    )

    assert list(found(step)) == ["cdcproof"]
    assert f" {pid} | postgres | " in " ".join(shown.stdout.split())
    assert ended.returncode == 0, ended.stderr


def test_a_source_whose_history_was_not_reconciled(healthy: Pipelines) -> None:
    """A restore and a failover begin another one: here the report is of the later one, and the server of the earlier."""
    with connect(healthy.located().source) as database:
        then = replace(database.identity(), history="99")
    healthy.forget_reports()
    path = healthy.report()
    report = replace(read(path), source_identity=then)
    path.unlink()
    write(report, path.parent)
    step = healthy.assert_only(healthy.morning(), "morning.7-source-lag")
    follow(healthy, step)

    assert found(step)["source"].startswith("another history than at ")
    assert "then 99, now 00000001: restored, or failed over" in step.differences[0].detail


# ---- topics ----


def test_records_that_were_deleted_before_the_sink_read_them(healthy: Pipelines) -> None:
    topic = topic_of(healthy, "shipments")
    kafka = Kafka(healthy.located().kafka)
    before = kafka.end_offsets({topic})
    healthy.connect.pause(SINK)
    try:
        eventually(lambda: states(healthy)[f"{SINK}/0"] == "PAUSED", what="the pause")
        databases.source(healthy.instance, "UPDATE public.shipments SET carrier = carrier WHERE shipment_id < 8")
        ends = eventually(
            lambda: kafka.end_offsets({topic}),
            lambda now: sum(now.values()) - sum(before.values()) == 7,
            what="the changes in their topic",
        )
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        deleted = admin.delete_records([TopicPartition(*place, end) for place, end in ends.items()])
        for done in deleted.values():
            done.result(20)
        outcome = healthy.morning()
        step = healthy.assert_only(outcome, "morning.7-sink-lag", also=("morning.2-connectors",))
        # what resumes it would go on after the gap, and is refused
        follow(healthy, outcome.step("morning.2-connectors"), mended=1)
    finally:
        healthy.connect.resume(SINK)
        healthy.heal()
    databases.source(healthy.instance, "UPDATE public.shipments SET carrier = carrier WHERE shipment_id < 8")
    eventually(
        lambda: sum(p.lag_records for p in kafka.lag(f"connect-{SINK}", [topic])),
        lambda records: records == 0,
        what="the sink to commit what came since",
    )

    assert found(step) == {f"connect-{SINK}": "7 records deleted unread"}


# ---- clocks ----


def test_a_heartbeat_of_the_future(healthy: Pipelines) -> None:
    """As a source leaves one whose clock ran ahead by two hours, and was put right."""
    ahead = "SELECT 999, (extract(epoch FROM clock_timestamp()) + 7200) * 1000"
    databases.target(healthy.instance, f"INSERT INTO public.cdcproof_heartbeat (id, beat_at) {ahead}")
    try:
        step = healthy.assert_only(healthy.morning(), "morning.7-freshness", Verdict.NOT_CHECKED)
    finally:
        databases.target(healthy.instance, "DELETE FROM public.cdcproof_heartbeat WHERE id = 999")

    assert "s into the future of the source's clock" in step.reason
    assert "date" in step.action[0]
