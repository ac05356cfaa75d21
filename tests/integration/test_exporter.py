"""The exporter of the embedded pipeline: a pipeline that is idle, one that is stuck and one that is dead look different in its numbers."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager

import pytest

from cdcproof.clients.prometheus import Metrics, scrape
from cdcproof.environments.embedded import connectors, lifecycle
from cdcproof.environments.embedded.data import databases
from tests.integration.conftest import INSTANCE, eventually
from tests.integration.test_morning_faults import locked

pytestmark = pytest.mark.integration

LAG, FRESHNESS = "kafka_connect_source_connector_lag", "cdcproof_replication_freshness_seconds"
IDLE_SECONDS = 8.0
"""Older than any beat of an idle embedded pipeline: one is written every 5 s, and travels for about one."""
RUNNING = {connectors.SOURCE: 1.0, connectors.SINK: 1.0}
UP = dict.fromkeys(("connect", "kafka", "registry", "source", "target", "deployments", "disks", "pipeline_file"), 1.0)


@pytest.fixture
def page(healthy):
    def look() -> Metrics:
        return scrape(healthy.located().exporters.connect_url)

    return look


def services(page: Metrics) -> dict[str, float]:
    return page.labelled("cdcproof_exporter_up", "service")


def source_lag(page: Metrics) -> float | None:
    return page.labelled(LAG, "connector").get(connectors.SOURCE)


def sink_lag(page: Metrics) -> dict[str, float]:
    values = page.series("cdcproof_sink_lag_records")
    return {dict(labels)["table"]: records for labels, records in values.items() if records}


def freshness(page: Metrics) -> float | None:
    return page.series(FRESHNESS).get(())


def is_idle(page: Metrics) -> bool:
    fresh = freshness(page)
    return source_lag(page) == 0 and not sink_lag(page) and fresh is not None and fresh < IDLE_SECONDS


def assert_idle(page: Metrics) -> None:
    assert services(page) == UP
    assert page.labelled("connector_state", "connector") == RUNNING
    assert set(page.series("cdcproof_task_state").values()) == {1.0}
    assert page.labelled("cdcproof_source_lag_seconds", "connector") == {connectors.SOURCE: 0.0}


@contextmanager
def stopped(pid: int):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_idle_stuck_and_dead_look_different(healthy, page):
    rows = databases.counts(healthy.instance, "source")["inventory"]
    change = "UPDATE inventory SET quantity = quantity"
    assert_idle(eventually(page, is_idle, what="an idle pipeline"))

    # stuck at the sink: everything is RUNNING, what it should write waits, and the target grows old
    with locked(healthy, "public.inventory"):
        databases.source(healthy.instance, change)
        stuck = eventually(
            page,
            lambda seen: sink_lag(seen) == {"inventory": rows} and (freshness(seen) or 0) > IDLE_SECONDS,
            what="it",
        )
    assert stuck.labelled("connector_state", "connector") == RUNNING
    assert source_lag(stuck) == 0
    assert stuck.labelled("cdcproof_database_blocked_sessions", "side")["target"] >= 1
    assert services(stuck) == UP
    assert_idle(eventually(page, is_idle, what="the sink to catch up"))

    # stuck at the source: everything is RUNNING, and what was committed is not sent
    reader = "SELECT active_pid FROM pg_replication_slots WHERE slot_name = 'cdcproof'"
    with stopped(int(databases.source(healthy.instance, reader))):
        databases.source(healthy.instance, change)
        stuck = eventually(
            page, lambda seen: source_lag(seen) == rows and (freshness(seen) or 0) > IDLE_SECONDS, what="it"
        )
    assert stuck.labelled("connector_state", "connector") == RUNNING
    assert sink_lag(stuck) == {}
    assert stuck.labelled("cdcproof_source_lag_seconds", "connector")[connectors.SOURCE] > 0
    assert stuck.labelled("cdcproof_source_lag_bytes", "connector")[connectors.SOURCE] > 0
    assert services(stuck) == UP
    assert_idle(eventually(page, is_idle, what="the source to be read"))

    # dead: no state is shown, the connectors are still expected, and what is left is still counted
    lifecycle.kill(INSTANCE, "kafka-connect")
    try:
        databases.source(healthy.instance, change)
        dead = eventually(
            page, lambda seen: source_lag(seen) == rows and (freshness(seen) or 0) > IDLE_SECONDS, what="it"
        )
        assert services(dead) == UP | {"connect": 0.0}
        assert dead.series("connector_state") == dead.series("cdcproof_task_state") == {}
        assert dead.labelled("cdcproof_connector_expected", "connector") == RUNNING
    finally:
        healthy.heal()
    assert_idle(eventually(page, is_idle, what="the pipeline to catch up", seconds=60))


def test_a_database_that_hangs_is_down_and_hides_nothing_else(healthy, page):
    with stopped(healthy.instance.processes["postgres"].pid):
        seen = page()
    assert services(seen) == UP | {"target": 0.0}
    assert seen.series(FRESHNESS) == {}
    assert set(seen.labelled("cdcproof_database_size_bytes", "side")) == {"source"}
    assert source_lag(seen) is not None
