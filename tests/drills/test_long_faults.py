"""Failure classes that only a restart of the source connector shows. `make drills` alone runs them; what they judge has unit tests."""

from __future__ import annotations

import os

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from cdcproof.core.progress import Progress
from cdcproof.environments.embedded import connectors, lifecycle
from cdcproof.environments.embedded.data import databases
from tests.drills.test_faults import found
from tests.integration.conftest import INSTANCE, Pipelines, eventually
from tests.integration.test_morning_faults import follow, kafka_tool, states

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not os.environ.get("CDCPROOF_DRILLS"), reason="run by `make drills`, which sets $CDCPROOF_DRILLS"
    ),
]

SOURCE = connectors.SOURCE
AHEAD_BYTES = 256 * 1024**2


def reads(pipelines: Pipelines) -> bool:
    """Whether the source's task runs, and has its slot."""
    slot = "SELECT active FROM pg_replication_slots WHERE slot_name = 'cdcproof'"
    return states(pipelines).get(f"{SOURCE}/0") == "RUNNING" and databases.source(pipelines.instance, slot) == "t"


def test_a_schema_history_that_would_be_forgotten(healthy: Pipelines, tmp_path) -> None:
    """PostgreSQL's connector keeps none, so that a broken one stops nothing here; the topic and its settings are real."""
    kafka_tool(healthy, tmp_path)
    own = connectors.config(healthy.instance, SOURCE)
    admin = AdminClient({"bootstrap.servers": healthy.located().kafka.bootstrap_servers})
    wrong = {"cleanup.policy": "compact", "retention.ms": "604800000", "retention.bytes": "-1"}
    admin.create_topics([NewTopic("drill-history", 1, 1, config=wrong)])["drill-history"].result(20)
    healthy.connect.put_config(SOURCE, own | {"schema.history.internal.kafka.topic": "drill-history"})
    try:
        eventually(lambda: reads(healthy), what="the source to read again")
        step = healthy.assert_only(healthy.morning(), "morning.9-topics")
        [command] = step.action
        pasted = healthy.paste(command, PATH=f"{tmp_path}:{os.environ['PATH']}")
        healthy.assert_healthy(healthy.morning())
    finally:
        healthy.connect.put_config(SOURCE, own)
        admin.delete_topics(["drill-history"])["drill-history"].result(20)
        healthy.heal()

    assert found(step) == {
        "drill-history": "cleanup.policy is compact, not delete; retention.ms is 604800000, not -1",
    }
    assert pasted.returncode == 0, pasted.stderr


def test_a_source_that_skips_what_it_cannot_process(healthy: Pipelines) -> None:
    own = connectors.config(healthy.instance, SOURCE)
    wrong = {"event.processing.failure.handling.mode": "skip", "skipped.operations": "d"}
    healthy.connect.put_config(SOURCE, own | wrong)
    try:
        eventually(lambda: reads(healthy), what="the source to read again")
        step = healthy.assert_only(healthy.morning(), "morning.9-connector-settings")
        follow(healthy, step)
        eventually(lambda: reads(healthy), what="the source to read again")
        healthy.assert_healthy(healthy.morning())
    finally:
        healthy.connect.put_config(SOURCE, own)
        healthy.heal()

    assert found(step) == {f"{SOURCE} {key}": value for key, value in wrong.items()}


def test_a_position_beyond_the_end_of_the_log(healthy: Pipelines) -> None:
    """As after a restore of the source that Connect does not know of."""
    prefix = healthy.connect.states().get(SOURCE).config["topic.prefix"]
    [own] = [one for one in healthy.connect.offsets(SOURCE) if one["partition"]["server"] == prefix]
    positions = ("lsn", "lsn_proc", "lsn_commit")
    ahead = {k: v + AHEAD_BYTES if k in positions else v for k, v in own["offset"].items()}
    try:
        go_on_from(healthy, [{**own, "offset": ahead}])
        step = healthy.assert_only(healthy.morning(), "morning.7-source-lag")
    finally:
        healthy.connect.stop(SOURCE)  # what the Action advises: a new snapshot
        eventually(lambda: f"{SOURCE}/0" not in states(healthy), what="the stop")
        healthy.connect.reset_offsets(SOURCE)
        lifecycle.reset(INSTANCE, Progress())
        lifecycle.kill(INSTANCE, "exporter")  # it goes on with the topics of before
        healthy.heal()

    assert found(step) == {SOURCE: "beyond the end of the source's log"}
    assert "new snapshot" in str(step.action)


def go_on_from(pipelines: Pipelines, offsets) -> None:
    """Set the position that Connect remembers."""
    pipelines.connect.stop(SOURCE)
    eventually(lambda: f"{SOURCE}/0" not in states(pipelines), what="the stop")
    pipelines.connect.alter_offsets(SOURCE, offsets)
    pipelines.connect.resume(SOURCE)
    eventually(lambda: reads(pipelines), what="the source to read again")
