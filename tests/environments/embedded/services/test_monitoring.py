"""Monitoring beside the pipeline, where its programs are there: it runs, it scrapes, and an alert arrives where it should."""

from __future__ import annotations

import io
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdcproof.clients.connect.client import Connect
from cdcproof.clients.http import Http
from cdcproof.core.progress import Progress
from cdcproof.core.waiting import wait_until
from cdcproof.environments.embedded import connectors, lifecycle, services, state
from cdcproof.environments.embedded.environment import Embedded
from cdcproof.environments.embedded.processes import running
from cdcproof.environments.embedded.services import alertmanager
from cdcproof.environments.embedded.state import Instance
from cdcproof.pipeline.model import load
from tests.canned import Canned, serving
from tests.programs import program

pytestmark = pytest.mark.integration

NAME = "test-monitoring"
ROOT = Path(__file__).parents[4]
PAGER, SLACK, HEARTBEAT = "POST /v2/enqueue", "POST /slack", "POST /heartbeat"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Canned]:
    """What PagerDuty, Slack and a heartbeat service answer."""
    with serving({PAGER: (202, {"status": "success"}), SLACK: (200, b"ok"), HEARTBEAT: (200, b"")}) as server:
        yield server


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory, receiver: Canned) -> Iterator[Instance]:
    """An instance of our own with monitoring, its programs on PATH."""
    binaries = {
        str(Path(program(name)).parent) for name in ("prometheus", "prometheus-alertmanager", "prometheus-pushgateway")
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.pathsep.join([*binaries, os.environ["PATH"]]))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("CDCPROOF_INSTANCE", NAME)
        patch.setenv(alertmanager.ALERTS_URL, receiver.url)
        if alertmanager.hindrance():
            pytest.skip(alertmanager.hindrance())
        yield lifecycle.up(NAME, Progress(io.StringIO()), monitoring=True)
        lifecycle.remove(NAME, Progress(io.StringIO()))


@pytest.fixture
def prometheus(instance: Instance) -> Http:
    """Its API at the address that the checks are given."""
    located = Embedded(NAME).locate(load(ROOT / "fixtures" / "pipelines" / "embedded.toml"))
    assert located.prometheus is not None
    assert located.alertmanager is not None
    assert located.pushgateway is not None
    return Http.to("Prometheus", located.prometheus)


def query(prometheus: Http, expression: str) -> list[dict[str, Any]]:
    """Its series as soon as it has any: the first scrape comes within five seconds."""
    return wait_until(
        lambda: prometheus.get_json("/api/v1/query", {"query": expression})["data"]["result"],
        bool,
        what=f"Prometheus to have {expression}",
        deadline_seconds=20,
    )


def test_status_lists_it(instance: Instance) -> None:
    states = {found.name: found.verdict for found in Embedded(NAME).states(Embedded(NAME).every_service())}

    assert states == dict.fromkeys(services.ROLES, "up")


def test_it_scrapes_both_ports_of_the_exporter(instance: Instance, prometheus: Http) -> None:
    def healths() -> dict[str, str]:
        active = prometheus.get_json("/api/v1/targets")["data"]["activeTargets"]
        return {target["scrapeUrl"]: target["health"] for target in active}

    expected = {instance.url(port, "/metrics") for port in ("exporter-reconciliation", "exporter-connect")}
    wait_until(
        healths,
        lambda found: expected <= found.keys() and set(found.values()) == {"up"},
        what=f"{expected} and Prometheus' other targets to be up",
        deadline_seconds=20,
    )


def test_the_runbooks_queries_answer(prometheus: Http) -> None:
    found = {series["metric"]["connector"]: series["value"][1] for series in query(prometheus, "connector_state")}
    assert found == {connectors.SOURCE: "1", connectors.SINK: "1"}
    runs = query(prometheus, 'reconciliation_runs_total{status="success"}')
    assert [series["value"][1] for series in runs] == ["0"]


@pytest.fixture
def hurried(instance: Instance, tmp_path: Path) -> None:
    """The same rules and routes with seconds for minutes."""
    hurried_rules = tmp_path / "rules"
    hurried_rules.mkdir()
    for path in (ROOT / "monitoring/prometheus/rules").glob("*.yml"):
        (hurried_rules / path.name).write_text(re.sub(r"( for: | interval: )\w+", r"\g<1>1s", path.read_text()))
    scraping = instance.folders.settings / "prometheus.yml"
    config = json.loads(scraping.read_text())
    config["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
    scraping.write_text(json.dumps({**config, "rule_files": [f"{hurried_rules}/*.yml"]}))
    routing = instance.folders.settings / "alertmanager.yml"
    config = json.loads(routing.read_text())
    config["route"] |= {"group_wait": "6s", "group_interval": "1s"}
    routing.write_text(json.dumps(config))
    for service in ("prometheus", "alertmanager"):
        os.kill(state.running(NAME).processes[service].pid, signal.SIGHUP)


def test_a_stopped_connector_pages_once_and_resolves(
    instance: Instance, prometheus: Http, receiver: Canned, hurried: None
) -> None:
    connect = Connect(load_located().connect)
    never_ran = {"SuiteNotRun", "ScheduledTaskNotRun", "ReportStale"}
    wait_until(
        lambda: {found["metric"]["alertname"] for found in query(prometheus, 'ALERTS{alertstate="firing"}')},
        lambda firing: firing == {"Watchdog", *never_ran},
        what="a healthy pipeline to raise no alert but those on what never ran",
        deadline_seconds=60,
    )

    for name in (connectors.SOURCE, connectors.SINK):
        connect.stop(name)
    page = message(receiver, PAGER, lambda body: body["payload"]["class"] == "ConnectorDown")
    reported = message(receiver, SLACK, lambda body: "ConnectorDown" in body["attachments"][0]["title"])

    assert page["event_action"] == "trigger"
    assert page["payload"]["severity"] == "critical"
    assert page["payload"]["summary"].startswith("[FIRING 2] ConnectorDown in embedded: Connector postgres-")
    assert page["payload"]["component"] == "embedded"
    details = page["payload"]["custom_details"]
    for name in (connectors.SOURCE, connectors.SINK):
        assert f"Connector {name} is in failed state" in details["alerts"]
        assert f"cdcproof oncall ConnectorDown 'connector={name}'" in details["alerts"]
    assert page["links"][0]["href"].endswith("docs/MONITORING.md#connectordown")
    assert reported["channel"] == "#database-ops"
    assert reported["attachments"][0]["color"] == "danger"
    muted = wait_until(
        lambda: alerts(instance, "TaskFailed"), lambda found: len(found) == 2, what="tasks", deadline_seconds=30
    )
    assert {alert["status"]["state"] for alert in muted} == {"suppressed"}
    assert not any("TaskFailed" in json.dumps(body) for body in receiver.bodies)

    for name in (connectors.SOURCE, connectors.SINK):
        connect.resume(name)
    key = page["dedup_key"]
    message(receiver, PAGER, lambda body: body["dedup_key"] == key and body["event_action"] == "resolve")
    healed = message(receiver, SLACK, lambda b: "[RESOLVED] ConnectorDown" in b["attachments"][0]["title"])
    assert healed["attachments"][0]["color"] == "good"


def test_the_watchdog_goes_to_the_heartbeat_service_and_to_nobody_else(instance: Instance, receiver: Canned) -> None:
    watchdog = {"alertname": "Watchdog", "severity": "none", "pipeline": "unit"}
    Http("Alertmanager", instance.url("alertmanager")).post("/api/v2/alerts", [{"labels": watchdog}])

    message(receiver, HEARTBEAT, lambda body: body["commonLabels"].get("pipeline") == "unit")

    assert not any(
        "Watchdog" in json.dumps(b) for r, b in zip(receiver.requests, receiver.bodies, strict=False) if r != HEARTBEAT
    )


def test_a_cause_mutes_its_consequences_in_its_own_pipeline(instance: Instance) -> None:
    given = [
        {"alertname": "KafkaConnectDown", "severity": "critical", "pipeline": "one"},
        {"alertname": "ConnectorDown", "severity": "critical", "pipeline": "one", "connector": "a"},
        {"alertname": "EscalateToTeamLead", "severity": "critical", "pipeline": "one", "escalated": "ConnectorDown"},
        {"alertname": "DataMismatch", "severity": "warning", "pipeline": "one", "table": "orders"},
        {"alertname": "ConnectorDown", "severity": "critical", "pipeline": "other", "connector": "a"},
        {"alertname": "HighReplicationLag", "severity": "warning", "pipeline": "other", "connector": "a"},
        {"alertname": "HighReplicationLag", "severity": "warning", "pipeline": "other", "connector": "b"},
        {"alertname": "RetentionHeadroomCritical", "severity": "critical", "pipeline": "one", "connector": "a"},
    ]
    Http("Alertmanager", instance.url("alertmanager")).post("/api/v2/alerts", [{"labels": labels} for labels in given])

    def states() -> list[str]:
        found = {json.dumps(a["labels"], sort_keys=True): a["status"]["state"] for a in alerts(instance)}
        return [found.get(json.dumps(labels, sort_keys=True), "absent") for labels in given]

    expected = ["active", *["suppressed"] * 2, "active", "active", "suppressed", "active", "active"]
    wait_until(states, lambda found: found == expected, what=f"{expected}", deadline_seconds=30)


def test_killed_it_is_brought_back_and_down_stops_it(instance: Instance) -> None:
    lifecycle.kill(NAME, "prometheus")
    assert Embedded(NAME).states(("prometheus",))[0].verdict == "down"
    lifecycle.up(NAME, Progress(io.StringIO()))
    again = state.running(NAME).processes["prometheus"]
    assert Embedded(NAME).states(("prometheus",))[0].verdict == "up"

    lifecycle.down(NAME, Progress(io.StringIO()))

    assert not running.is_alive(again)
    assert running.marked(f"{instance.folders.state}:") == {}


def load_located() -> Any:
    return Embedded(NAME).locate(load(ROOT / "fixtures" / "pipelines" / "embedded.toml"))


def alerts(instance: Instance, name: str = "") -> list[dict[str, Any]]:
    """What Alertmanager has, of one name or all."""
    found = Http("Alertmanager", instance.url("alertmanager")).get_json("/api/v2/alerts")
    return [alert for alert in found if name in ("", alert["labels"]["alertname"])]


def message(receiver: Canned, request: str, wanted: Any) -> Any:
    """The first message of this kind, as soon as it has come."""
    return wait_until(
        lambda: [
            b for r, b in list(zip(receiver.requests, receiver.bodies, strict=False)) if r == request and wanted(b)
        ],
        bool,
        what=f"a message at {request}",
        deadline_seconds=60,
    )[0]
