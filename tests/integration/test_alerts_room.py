"""Faults that take room or time: a disk that fills, a slot that nobody reads, a sink that waits behind a lock.

Each is followed to PagerDuty and Slack as in test_alerts.py. Its alert reaches somebody, and nothing else does but what follows from a
critical alert that stands. What the check prints mends it, and everybody hears that it is over.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from cdcproof.clients.kafka.client import Kafka
from cdcproof.environments.embedded import connectors
from cdcproof.environments.embedded.data import databases
from tests.canned import Canned
from tests.drills.test_faults import behind_bytes, log_kept, switch
from tests.integration.alerting import OURS, alerting
from tests.integration.conftest import ROOT, Pipelines, eventually
from tests.integration.test_morning_faults import advised, follow, locked, small_disk  # noqa: F401  a fixture
from tests.monitoring.alerted import Alerted, messages
from tests.monitoring.test_alerts_reach import CONNECTORS, CRITICAL, INFRASTRUCTURE, LEVELS, OPS, WARNING

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not os.environ.get("CDCPROOF_ALERTS"),
        reason="takes minutes: run by `make alerts`, which sets $CDCPROOF_ALERTS",
    ),
]

SINK = connectors.SINK
SLOT = "left_behind"
MEBIBYTE = 1024**2
PLENTY = "100TB"
"""Of the log, so that no slot is foreseen to lose it within four hours however fast this test writes."""


class Room:
    """What is alerted while one fault comes and goes."""

    def __init__(self, pipelines: Pipelines, alerted: Alerted, receiver: Canned) -> None:
        self.pipelines = pipelines
        self.alerted = alerted
        self._receiver = receiver
        self._before = len(messages(receiver))

    def fires(self, name: str, **labels: str) -> None:
        self.alerted.fires(name, OURS, **CONNECTORS, **labels)

    def ends(self, name: str) -> None:
        self.alerted.ends(name, OURS)

    def fired(self, named: str) -> set[str]:
        """The alerts that somebody heard of since this fault began, without what escalates one of them. Each names this object, and no other."""
        heard = [
            m for m in messages(self._receiver)[self._before :] if m.fires and m.alert not in {"Watchdog", *LEVELS}
        ]
        said = [line for m in heard for line in m.text.splitlines() if line.startswith("*")]
        assert said
        assert [line for line in said if named not in line] == []
        return {m.alert for m in heard}


@pytest.fixture(scope="module")
def watched(pipelines: Pipelines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Alerted, Canned]]:
    with alerting(pipelines, tmp_path_factory.mktemp("alerted")) as running:
        yield running


@pytest.fixture
def room(healthy: Pipelines, watched: tuple[Alerted, Canned]) -> Room:
    return Room(healthy, *watched)


def test_a_disk_that_fills_warns_and_one_that_is_nearly_full_pages(small_disk: Path, room: Room) -> None:  # noqa: F811
    old = small_disk / "backup-1.dump"
    for name in ("backup-2.dump", "last-of-its-kind.dump"):
        (small_disk / name).write_bytes(b"rows")
    of = {"path": str(small_disk), **INFRASTRUCTURE}
    fill(old, 13.6)
    room.fires("DiskFilling", **of, **WARNING)
    fill(old, 15.2)
    room.fires("DiskNearlyFull", **of, **CRITICAL)
    room.ends("DiskFilling")
    follow(room.pipelines, room.pipelines.morning().step("morning.5-disk"))
    room.ends("DiskNearlyFull")

    assert {path.name for path in small_disk.iterdir()} == {"last-of-its-kind.dump", "backup-2.dump"}
    assert room.fired(str(small_disk)) == {"DiskFilling", "DiskNearlyFull"}


def test_a_slot_that_nobody_reads_hoards_the_log_until_it_is_nearly_lost(room: Room) -> None:
    pipelines = room.pipelines
    with log_kept(pipelines, PLENTY), left_behind(pipelines):
        while behind_bytes(pipelines, SLOT) <= 1024 * MEBIBYTE:
            switch(pipelines, 8)
            reads_on(pipelines)
        room.fires("SlotRetainsLog", slot=SLOT, **WARNING, **OPS)
        nearly = behind_bytes(pipelines, SLOT) / MEBIBYTE * 1.1
        with log_kept(pipelines, f"{nearly:.0f}MB"):
            room.fires("SlotNearInvalidation", slot=SLOT, **CRITICAL, **OPS)
            muted = room.alerted.names(OURS, "suppressed")
            assert pipelines.paste(printed(pipelines, "SlotNearInvalidation").replace("SIZE", PLENTY)).returncode == 0
            room.ends("SlotNearInvalidation")
            step = pipelines.morning().step("morning.8-replication-slots")
            assert pipelines.paste(advised(step, f"if nobody needs {SLOT} any more")).returncode == 0
            room.ends("SlotRetainsLog")

    assert "SlotRetainsLog" in muted
    assert room.fired(SLOT) == {"SlotRetainsLog", "SlotNearInvalidation"}


def test_a_sink_that_waits_behind_a_lock_for_a_quarter_of_an_hour(room: Room) -> None:
    """The record that it cannot write is dated twenty minutes back; what holds it up is a real lock."""
    pipelines = room.pipelines
    topic = next(table.topic for table in pipelines.located().tables if table.name == "inventory")
    databases.source(pipelines.instance, "UPDATE inventory SET quantity = quantity WHERE product_id = 3")
    eventually(lambda: behind(pipelines, topic), lambda records: records == 0, what="the sink to read the update")
    with locked(pipelines, "public.inventory") as connection:
        write_again(pipelines, topic, seconds_ago=1200)
        room.fires("SinkLagging", connector=SINK, table="inventory", **WARNING, **OPS)
        step = pipelines.morning().step("morning.7-sink-lag")
        blockers = [pipelines.paste(command) for command in step.action if not command.startswith("#")][-1]
        end = next(line for line in step.action if "pg_terminate_backend" in line).removeprefix("# ")
        pid = str(connection.info.backend_pid)
        assert f"| {pid} |" in " ".join(blockers.stdout.split())
        assert pipelines.paste(end.replace("PID", pid)).returncode == 0
        room.ends("SinkLagging")

    assert room.fired("inventory") == {"SinkLagging"}


def fill(file: Path, mebibytes: float) -> None:
    """A backup of nine days ago, of this size."""
    file.write_bytes(bytes(int(mebibytes * MEBIBYTE)))
    age = time.time() - 9 * 86_400
    os.utime(file, (age, age))


@contextmanager
def left_behind(pipelines: Pipelines) -> Iterator[None]:
    """A slot that somebody made and forgot."""
    databases.source(pipelines.instance, f"SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')")
    try:
        yield
    finally:
        drop = f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{SLOT}'"
        databases.source(pipelines.instance, drop)


def reads_on(pipelines: Pipelines) -> None:
    """Wait until the connector's own slot has let go of the log, so that it hoards none of it."""
    eventually(
        lambda: databases.source(pipelines.instance, "CHECKPOINT; SELECT 1") and behind_bytes(pipelines, "cdcproof"),
        lambda kept: kept < 16 * MEBIBYTE,
        what="the connector's own slot to let go of the log",
    )


def printed(pipelines: Pipelines, alert: str) -> str:
    """The command that docs/MONITORING.md has for an alert, for the server of this pipeline."""
    section = (ROOT / "docs/MONITORING.md").read_text().partition(f"\n### {alert}\n")[2].partition("\n### ")[0]
    command = re.search(r"```\n(.+?)\n```", section, re.DOTALL)
    assert command, section
    source = pipelines.located().source
    return command[1].replace("SOURCE_HOST", source.host).replace("SOURCE_PORT", str(source.port))


def behind(pipelines: Pipelines, topic: str) -> int:
    return sum(one.lag_records for one in Kafka(pipelines.located().kafka).lag(f"connect-{SINK}", [topic]))


def write_again(pipelines: Pipelines, topic: str, seconds_ago: float) -> None:
    """Write the newest record of a topic once more, as it was, with an older time."""
    servers = {"bootstrap.servers": pipelines.located().kafka.bootstrap_servers}
    consumer = Consumer({**servers, "group.id": "alerts-read-one"})
    try:
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)
        consumer.assign([TopicPartition(topic, 0, end - 1)])
        newest = consumer.poll(20)
    finally:
        consumer.close()
    assert newest is not None
    producer = Producer(servers)
    at = int((time.time() - seconds_ago) * 1000)
    producer.produce(topic, key=newest.key(), value=newest.value(), headers=newest.headers(), timestamp=at)
    assert producer.flush(20) == 0
