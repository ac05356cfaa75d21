"""Every expression of every panel is answered by a real Prometheus that scraped a pipeline through faults, and answers truly."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from cdcproof.cli.main import main
from cdcproof.clients.prometheus import scrape
from cdcproof.environments.embedded import connectors
from cdcproof.environments.embedded.data import databases
from cdcproof.monitoring.dashboards import DASHBOARDS
from tests.integration.conftest import ROOT, Pipelines, eventually
from tests.integration.load import Load
from tests.integration.monitored import Monitored
from tests.monitoring import pictures
from tests.monitoring.expressions import metrics_of, recorded_names

pytestmark = pytest.mark.integration

SINK = connectors.SINK
TOPIC = "dlq-dashboards"
DEAD_LETTERS = {
    "errors.tolerance": "all",
    "errors.deadletterqueue.topic.name": TOPIC,
    "errors.deadletterqueue.topic.replication.factor": "1",
}
OLD_SECONDS = 8
"""The embedded source beats every five seconds."""
PICTURES = "CDCPROOF_PICTURES"


@dataclass(frozen=True)
class Fed:
    """What was seen: `fault` is of the moment at which the sink stood still and a table differed."""

    monitored: Monitored
    fault: dict[str, dict[str, float]]


def shown(monitored: Monitored, title: str, number: int = 0) -> dict[str, float]:
    """The values of a panel of now, by the name that it gives them."""
    panel = next(panel for one in DASHBOARDS for panel in one.panels if panel.title == title and panel.now)
    found = monitored.prometheus.query(monitored.scope.fill(panel.queries[number].expression))
    return {dict(labels).get(panel.queries[number].name.strip("{}"), ""): value for labels, value in found.items()}


def state(pipelines: Pipelines) -> str:
    return pipelines.connect.states().states.get(f"{SINK}/0", "")


def put_aside(pipelines: Pipelines) -> None:
    """Three records that no converter reads."""
    topic = next(table.topic for table in pipelines.located().tables if table.name == "customers")
    producer = Producer({"bootstrap.servers": pipelines.located().kafka.bootstrap_servers})
    for number in range(3):
        producer.produce(topic, key=str(number).encode(), value=b"\x00\x00\x00\x00\x63not a record")
    assert producer.flush(10) == 0


def through_faults(pipelines: Pipelines, monitored: Monitored, seconds_each: float) -> dict[str, dict[str, float]]:
    """Records are put aside, a row is lost at the target, the sink stands still, and goes on."""
    pipelines.report(seconds_ago=30)
    pipelines.connect.put_config(SINK, connectors.config(pipelines.instance, SINK) | DEAD_LETTERS)
    eventually(lambda: state(pipelines) == "RUNNING", what="the sink to run again")
    monitored.eventually("cdcproof_dead_letters_total", bool, "the dead letter topic")
    time.sleep(seconds_each)
    put_aside(pipelines)
    monitored.jmx.errors = 3
    monitored.eventually("cdcproof_dead_letters", lambda found: set(found.values()) == {3.0}, "the dead letters")
    time.sleep(seconds_each)

    databases.target(pipelines.instance, "DELETE FROM customers WHERE customer_id = 3")
    reconciled = pipelines.call("cdcproof", "reconcile", "--pipeline=embedded", "--validate-checksums")
    assert reconciled.returncode == 1, reconciled.stdout + reconciled.stderr
    pipelines.connect.pause(SINK)
    monitored.eventually(f'connector_state{{connector="{SINK}"}} == 0', bool, "the pause")
    databases.source(pipelines.instance, "UPDATE products SET name = name WHERE product_id = 3")
    monitored.eventually('cdcproof_sink_lag_records{table="products"} > 0', bool, "the sink to fall behind")
    monitored.eventually("reconciliation_last_mismatch_timestamp_seconds > 0", bool, "the report of a mismatch")
    monitored.eventually(f"cdcproof_replication_freshness_seconds > {OLD_SECONDS}", bool, "the target to grow old")
    time.sleep(seconds_each)
    titles = ("Connectors", "Not yet sent", "Not yet applied", "Dead letters", "Services", "Tables", "Freshness")
    seen = {title: shown(monitored, title) for title in titles}

    pipelines.connect.resume(SINK)
    databases.source(pipelines.instance, "UPDATE customers SET name = name WHERE customer_id = 3")
    monitored.eventually(
        f"cdcproof_replication_freshness_seconds < {OLD_SECONDS}", bool, "the target to be young again"
    )
    time.sleep(seconds_each)
    return seen


@pytest.fixture(scope="module")
def fed(pipelines: Pipelines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fed]:
    """Prometheus after a run through faults: short for the tests, and some minutes for pictures."""
    for_pictures = bool(os.environ.get(PICTURES))
    pipelines.forget_reports()
    try:
        with Monitored(pipelines, tmp_path_factory.mktemp("monitored")) as monitored:
            with Load(pipelines.instance) if for_pictures else nullcontext():
                fault = through_faults(pipelines, monitored, seconds_each=25 if for_pictures else 0)
            yield Fed(monitored, fault)
    finally:
        pipelines.connect.put_config(SINK, connectors.config(pipelines.instance, SINK))
        pipelines.connect.resume(SINK)
        admin = AdminClient({"bootstrap.servers": pipelines.located().kafka.bootstrap_servers})
        if TOPIC in admin.list_topics(timeout=20).topics:
            admin.delete_topics([TOPIC])[TOPIC].result(20)
        pipelines.count_afresh()


def test_every_expression_of_every_panel_is_answered(fed: Fed) -> None:
    """As Grafana asks it, from the files that Grafana reads; what returns nothing is a panel that shows nothing."""
    prometheus, scope = fed.monitored.prometheus, fed.monitored.scope
    silent = []
    asked = 0
    for path in sorted((ROOT / "monitoring/grafana/dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", ()):
                expression = scope.fill(target["expr"])
                asked += 1
                found = (
                    prometheus.query(expression)
                    if target["instant"]
                    else prometheus.query_range(expression, scope.start, scope.end, 2)
                )
                if not found:
                    silent.append(f"{path.stem}: {panel['title']}: {expression}")

    assert silent == []
    assert asked == sum(len(panel.queries) for one in DASHBOARDS for panel in one.panels) > 50


def test_an_expression_of_what_nobody_serves_returns_nothing(fed: Fed) -> None:
    """Or the test above could not fail."""
    assert not fed.monitored.prometheus.query(fed.monitored.scope.fill('connector_stat{instance=~"$instance|"}'))


def test_every_metric_of_a_panel_is_served_or_recorded(fed: Fed) -> None:
    served = {sample.name for address in fed.monitored.exporters for sample in scrape(address).samples}
    used = {
        name
        for one in DASHBOARDS
        for panel in one.panels
        for query in panel.queries
        for name in metrics_of(fed.monitored.scope.fill(query.expression))
    }

    assert used <= served | recorded_names()
    assert len(used) > 30


def test_the_panels_of_now_show_the_fault_and_no_other(fed: Fed) -> None:
    seen = fed.fault

    assert seen["Connectors"] == {SINK: 0, connectors.SOURCE: 1}
    assert seen["Dead letters"] == {SINK: 3}
    assert seen["Tables"] == {"customers": 0, "products": 1, "orders": 1, "inventory": 1, "shipments": 1}
    assert set(seen["Services"].values()) == {1}
    assert seen["Not yet applied"][SINK] >= 1
    assert next(iter(seen["Freshness"].values())) > OLD_SECONDS


def test_afterwards_they_show_it_no_more(fed: Fed) -> None:
    assert shown(fed.monitored, "Connectors") == {SINK: 1, connectors.SOURCE: 1}
    assert next(iter(shown(fed.monitored, "Freshness").values())) < OLD_SECONDS


def test_the_page_shows_every_panel(fed: Fed, tmp_path: Path) -> None:
    page = tmp_path / "page.html"

    assert main(["dashboard", "--prometheus", fed.monitored.url, "--hours", "0.2", "--output", str(page)]) == 0

    text = page.read_text()
    assert "have no data" not in text
    assert text.count("MISMATCH</dd>") == 1


@pytest.mark.parametrize("uid", [one.uid for one in DASHBOARDS])
def test_grafanas_own_panels_draw_each_dashboard(fed: Fed, uid: str) -> None:
    """They are kept, to be looked at."""
    kept = os.environ.get(PICTURES)
    if not kept:
        pytest.skip(f"takes minutes and 450 MB of npm packages: run by `make pictures`, which sets ${PICTURES}")
    if pictures.missing():
        pytest.skip(pictures.missing())
    made = json.loads((ROOT / "monitoring/grafana/dashboards" / f"{uid}.json").read_text())
    folder = pictures.folder()
    pictures.bundle(folder)

    drawn = pictures.draw(
        folder, made, fed.monitored.prometheus, fed.monitored.scope, Path(kept).resolve() / f"{uid}.png"
    )

    assert drawn == [panel["title"] for panel in made["panels"]]
