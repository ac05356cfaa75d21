"""Faults of the running pipeline, each followed to what PagerDuty and Slack get, and back: by our rules, a real Prometheus and Alertmanager.

Times are shorter (`hurried`), nothing else. What a pipeline cannot have within a test is in tests/monitoring/test_alerts_reach.py.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from cdcproof.clients.prometheus import scrape
from cdcproof.environments.embedded import connectors, lifecycle
from cdcproof.environments.embedded.data import databases
from cdcproof.findings import Verdict
from cdcproof.monitoring.catalogue import CHECKS
from tests.integration.alerting import OURS, alerting
from tests.integration.conftest import INSTANCE, ROOT, Pipelines, eventually
from tests.integration.test_dashboards import DEAD_LETTERS, TOPIC, put_aside
from tests.integration.test_morning_faults import locked
from tests.monitoring.alert_proofs import BROKEN, LOADED
from tests.monitoring.alerted import Alerted, Message, messages, receivers
from tests.monitoring.test_alerts_reach import (
    CONNECTORS,
    CRITICAL,
    INFRASTRUCTURE,
    OPS,
    PUSHED_BY,
    WARNING,
)
from tests.monitoring.test_rules import ALERT_RULES

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not os.environ.get("CDCPROOF_ALERTS"),
        reason="takes minutes: run by `make alerts`, which sets $CDCPROOF_ALERTS",
    ),
]

SINK, SOURCE = connectors.SINK, connectors.SOURCE
SERVICES = {
    "KafkaConnectDown": ("kafka-connect", "connect", INFRASTRUCTURE),
    "KafkaDown": ("kafka", "kafka", INFRASTRUCTURE),
    "SchemaRegistryDown": ("schema-registry", "registry", INFRASTRUCTURE),
    "SourceDatabaseDown": ("postgres-source", "source", OPS),
    "TargetDatabaseDown": ("postgres", "target", OPS),
}


@dataclass
class Seen:
    """What came of the faults."""

    messages: list[Message]
    muted: dict[str, set[str]]
    """Fault to the alerts of our pipeline that Alertmanager kept from everybody meanwhile."""
    states: dict[str, Any]
    red: set[str]
    """Alerts on the checks that the real red mornings found."""


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """Services that hang."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def keep_for(pipelines: Pipelines, topic: str, hours: int | None) -> None:
    """Set how long a topic keeps its records; None: as the broker does."""
    admin = AdminClient({"bootstrap.servers": pipelines.located().kafka.bootstrap_servers})
    operation = AlterConfigOpType.DELETE if hours is None else AlterConfigOpType.SET
    entry = ConfigEntry("retention.ms", str((hours or 0) * 3_600_000), incremental_operation=operation)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(20)


class Faults:
    """One after the other; each is seen at the receiver, and healed, before the next."""

    def __init__(self, pipelines: Pipelines, alerted: Alerted, folder: Path) -> None:
        self.pipelines = pipelines
        self.alerted = alerted
        self.folder = folder
        self.muted: dict[str, set[str]] = {}
        self.states: dict[str, Any] = {}
        self.red: set[str] = set()

    def states_of_sink(self) -> dict[str, str]:
        return self.pipelines.connect.states().states

    def sink_runs(self) -> None:
        self.pipelines.connect.put_config(SINK, connectors.config(self.pipelines.instance, SINK))
        eventually(lambda: self.states_of_sink().get(f"{SINK}/0") == "RUNNING", what="the sink to run", seconds=60)

    def dead_letters(self) -> None:
        self.pipelines.connect.put_config(SINK, connectors.config(self.pipelines.instance, SINK) | DEAD_LETTERS)
        eventually(lambda: self.states_of_sink().get(f"{SINK}/0") == "RUNNING", what="the sink to run again")
        put_aside(self.pipelines)
        labels = {"connector": SINK, "topic": TOPIC, **CONNECTORS, **OPS}
        self.alerted.fires("DeadLettersGrowing", OURS, **labels, **CRITICAL)
        self.alerted.ends("DeadLettersGrowing", OURS)  # no more follow, and what is there waits for somebody
        self.alerted.fires("DeadLettersKept", OURS, **labels, **WARNING)
        self.sink_runs()
        admin = AdminClient({"bootstrap.servers": self.pipelines.located().kafka.bootstrap_servers})
        admin.delete_topics([TOPIC])[TOPIC].result(20)
        self.alerted.ends("DeadLettersKept", OURS)

    def mornings(self, number: int) -> None:
        """Real ones, which push."""
        text = (ROOT / "fixtures/pipelines/embedded.toml").read_text()
        file = self.folder / "embedded.toml"
        file.write_text(f'{text}\n[pushgateway]\nurl = "{self.alerted.gateway.url}"\n')
        for _ in range(number):
            outcome = self.pipelines.morning(f"--pipeline={file}")
            wrong = {s.step for s in outcome.run.steps if s.verdict in (Verdict.FAILED, Verdict.NOT_CHECKED)}
            self.red |= {check.alert for check in CHECKS if check.step in wrong}

    def task_failed(self) -> None:
        own = connectors.config(self.pipelines.instance, SINK)
        self.pipelines.connect.put_config(SINK, own | {"connection.password": "wrong-pa55word"})
        eventually(lambda: self.states_of_sink().get(f"{SINK}/0") == "FAILED", what="the task to fail")
        self.states["task failed"] = self.states_of_sink()
        self.alerted.fires("ConnectorDown", OURS, connector=SINK, **CONNECTORS, **CRITICAL)
        page = scrape(self.pipelines.located().exporters.connect_url)
        self.states["connector_state"] = page.labelled("connector_state", "connector")
        self.states["task_state"] = page.labelled("cdcproof_task_state", "connector")
        self.mornings(2)
        self.alerted.fires("SuiteFailedTwice", OURS, suite="morning", **PUSHED_BY, **WARNING, **OPS)
        self.muted["task failed"] = self.alerted.names(OURS, "suppressed")
        self.sink_runs()
        self.alerted.ends("ConnectorDown", OURS)

    def deleted(self) -> None:
        self.pipelines.connect.delete(SINK)
        self.alerted.fires("ConnectorVanished", OURS, connector=SINK, **CONNECTORS, **CRITICAL, **OPS)
        eventually(lambda: "ConnectorDown" in self.alerted.names(OURS, "suppressed"), what="the state to be muted")
        self.muted["deleted"] = self.alerted.names(OURS, "suppressed")
        self.sink_runs()
        self.alerted.ends("ConnectorVanished", OURS)

    def differ(self) -> None:
        databases.target(self.pipelines.instance, "DELETE FROM customers WHERE customer_id = 3")
        databases.target(self.pipelines.instance, "UPDATE products SET name = 'wrong' WHERE product_id = 3")
        self.reconcile(1)
        self.alerted.fires("DataMismatch", OURS, table="customers", job="reconciliation", **WARNING)
        self.alerted.fires("ChecksumMismatch", OURS, table="products", job="reconciliation", **WARNING, **OPS)

    def differ_no_more(self) -> None:
        for table in ("customers", "products"):
            self.alerted.fires("MismatchStands", OURS, table=table, job="reconciliation", **CRITICAL, **OPS)
        for name, level in (("EscalateToTeamLead", "2"), ("EscalateToInfrastructureManager", "3")):
            of = {"escalated": "MismatchStands", "level": level, "table": "customers", "job": "reconciliation"}
            self.alerted.fires(name, OURS, **of, **CRITICAL, **OPS)
        databases.source(self.pipelines.instance, "UPDATE customers SET name = name WHERE customer_id = 3")
        databases.source(self.pipelines.instance, "UPDATE products SET name = name WHERE product_id = 3")
        count = "SELECT count(*) FROM customers WHERE customer_id = 3"
        eventually(lambda: databases.target(self.pipelines.instance, count).strip() == "1", what="the row to come back")
        self.reconcile(0)
        for name in ("MismatchStands", "DataMismatch", "ChecksumMismatch"):
            self.alerted.ends(name, OURS)

    def reconcile(self, status: int) -> None:
        done = self.pipelines.call("cdcproof", "reconcile", "--pipeline=embedded", "--validate-checksums")
        assert done.returncode == status, done.stdout + done.stderr

    def stuck(self) -> None:
        """A lock at the target: nothing is down, the target grows old, and what waits will be deleted unread."""
        topic = next(table.topic for table in self.pipelines.located().tables if table.name == "inventory")
        back = "UPDATE public.cdcproof_heartbeat SET beat_at = beat_at - 120000"
        try:
            with locked(self.pipelines, "public.inventory"):
                databases.source(self.pipelines.instance, "UPDATE inventory SET quantity = quantity")
                keep_for(self.pipelines, topic, 8)
                time_to_stick = (
                    "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'sink'"
                )
                eventually(
                    lambda: databases.target(self.pipelines.instance, time_to_stick).strip() == "t", what="the lock"
                )
                databases.target(self.pipelines.instance, back)
                of = {"connector": SINK, **CONNECTORS, **OPS}
                self.alerted.fires("RetentionHeadroomLow", OURS, **of, **WARNING)
                keep_for(self.pipelines, topic, 2)
                self.alerted.fires("RetentionHeadroomCritical", OURS, **of, **CRITICAL)
                self.alerted.fires("FreshnessBurnsFast", OURS, **CONNECTORS, **CRITICAL, **OPS)
        finally:
            keep_for(self.pipelines, topic, None)
        for name in ("RetentionHeadroomLow", "RetentionHeadroomCritical", "FreshnessBurnsFast"):
            self.alerted.ends(name, OURS)

    def services_down(self) -> None:
        """All hang at once: each is named, and nothing that follows from it."""
        with stopped([self.pipelines.instance.processes[name].pid for name, _, _ in SERVICES.values()]):
            for alert, (_, service, team) in SERVICES.items():
                self.alerted.fires(alert, OURS, service=service, **CONNECTORS, **CRITICAL, **team)
            self.muted["services down"] = self.alerted.names(OURS, "suppressed")
        for alert in SERVICES:
            self.alerted.ends(alert, OURS)

    def exporter_down(self) -> None:
        lifecycle.kill(INSTANCE, "exporter")
        for job in ("reconciliation", "connectors"):
            self.alerted.fires("ExporterDown", OURS, job=job, **CRITICAL, **INFRASTRUCTURE)
        self.pipelines.count_afresh()
        self.alerted.ends("ExporterDown", OURS)


BURNS = {"FreshnessBurnsFast", *LOADED}
"""They follow from everything that keeps the beat from the target for long enough."""
LEVELS = {"EscalateToTeamLead", "EscalateToInfrastructureManager"}
MAY_FOLLOW = BURNS | {"DatabaseConnectionFailures"}


@pytest.fixture(scope="module")
def seen(pipelines: Pipelines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """What came of all faults, one after the other, with a green morning before the last."""
    folder = tmp_path_factory.mktemp("alerted")
    with alerting(pipelines, folder) as (alerted, receiver):
        faults = Faults(pipelines, alerted, folder)
        try:
            faults.differ()
            faults.dead_letters()
            faults.task_failed()
            faults.deleted()
            faults.differ_no_more()
            faults.stuck()
            faults.services_down()
            faults.mornings(1)
            faults.exporter_down()
            yield Seen(messages(receiver), faults.muted, faults.states, faults.red)
        finally:
            faults.sink_runs()


def test_every_message_is_of_a_fault_that_was_there(seen: Seen) -> None:
    fired = {m.alert for m in seen.messages if m.fires and m.alert != "Watchdog"}

    expected = set(BROKEN) | seen.red
    assert fired - MAY_FOLLOW == expected - MAY_FOLLOW
    assert "FreshnessBurnsFast" in fired


def test_everybody_gets_what_is_theirs_and_nothing_else(seen: Seen) -> None:
    rules = {
        rule["alert"]: {"severity": "critical", **rule["labels"], "alertname": rule["alert"]} for rule in ALERT_RULES
    }

    wrong = [m for m in seen.messages if m.alert != "Watchdog" and m.to not in receivers(rules[m.alert])]

    assert wrong == []


def test_what_is_over_is_over_for_everybody(seen: Seen) -> None:
    newest = {(m.to, m.alert): m.fires for m in seen.messages if m.alert not in {"Watchdog", *LEVELS, *MAY_FOLLOW}}

    assert {key for key, fires in newest.items() if fires} == set()


def test_a_message_says_what_is_wrong_with_what_and_what_to_do(seen: Seen) -> None:
    said = {m.alert: m.text for m in seen.messages if m.fires}

    assert f"Connector {SINK} has vanished" in said["ConnectorVanished"]
    assert f"cdcproof oncall ConnectorVanished 'connector={SINK}' 'pipeline=embedded'" in said["ConnectorVanished"]
    assert "docs/MONITORING.md#connectorvanished" in said["ConnectorVanished"]


def test_a_task_that_failed_while_its_connector_runs_is_in_the_metrics_and_pages_once(seen: Seen) -> None:
    running = {SOURCE: "RUNNING", f"{SOURCE}/0": "RUNNING", SINK: "RUNNING"}
    assert seen.states["task failed"] == running | {f"{SINK}/0": "FAILED"}
    assert seen.states["connector_state"] == {SOURCE: 1.0, SINK: 0.0}
    assert seen.states["task_state"] == {SOURCE: 1.0, SINK: 0.0}
    assert "TaskFailed" in seen.muted["task failed"]
    assert {m.to for m in seen.messages if m.alert == "ConnectorDown"} == {"pagerduty-routing-key", "#database-ops"}


def test_a_cause_mutes_what_follows_from_it(seen: Seen) -> None:
    assert {"ConnectorDown", "TaskFailed"} <= seen.muted["deleted"]
    assert not {m.alert for m in seen.messages} & {"TaskFailed", "ConnectorLagUnknown", "SinkLagging"}
