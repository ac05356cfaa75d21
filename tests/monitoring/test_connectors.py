"""The page of 9104, over a Connect and a Kafka that a test fills."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from cdcproof.clients.connect.client import Connector, ConnectorStates, Task
from cdcproof.clients.prometheus import Metrics
from cdcproof.connectors.journal import Before, Change, Journal
from cdcproof.core.errors import UsageError
from cdcproof.core.waiting import within
from cdcproof.databases.contracts.health import Health, Unread
from cdcproof.environments.live import Live
from cdcproof.monitoring.exporter import connectors, probe
from cdcproof.monitoring.exporter.connect_metrics import connector_states, task_states
from cdcproof.monitoring.exporter.connectors import ConnectorCollector
from cdcproof.observations.reconciliation.exporter_page import UP
from cdcproof.pipeline.model import Connector as Expected
from tests.canned import EXPANDED, connector, serving
from tests.monitoring.brokers import Broker
from tests.monitoring.databases import FakeDatabase
from tests.monitoring.pages import scraped
from tests.pipelines import pipeline_of
from tests.trickle import bytewise, sending

PATHS = {"reconciliation_reports": "/nowhere/reconciliation_reports"}
NOWHERE = "http://127.0.0.1:1"
EXPECTED = {"source": 1.0, "sink": 1.0}


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker({("t.orders", 0): range(10)}, {"connect-sink": {("t.orders", 0): 8}})
    monkeypatch.setattr(connectors, "Kafka", lambda _: made)
    return made


@pytest.fixture(autouse=True)
def databases(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeDatabase]:
    made = {"warehouse_source": FakeDatabase(), "warehouse_target": FakeDatabase()}
    monkeypatch.setattr(connectors, "open_database", lambda database: made[database.database])
    return made


def exporter(url: str = NOWHERE, **changes: object) -> ConnectorCollector:
    return ConnectorCollector(pipeline_of("orders", **{"connect": {"url": url}, "paths": PATHS, **changes}))


def services(page: Metrics) -> dict[str, float]:
    return page.labelled(UP, "service")


def running(name: str, state: str, *tasks: str) -> Connector:
    return Connector(name, "sink", state, "w", tuple(Task(n, s, "w") for n, s in enumerate(tasks)), {})


@pytest.mark.parametrize(
    ("seen", "value"),
    [
        (running("sink", "RUNNING", "RUNNING", "RUNNING"), 1.0),
        (running("sink", "RUNNING", "RUNNING", "FAILED"), 0.0),
        (running("sink", "RUNNING", "RUNNING"), 0.0),
        (running("sink", "RUNNING", "RUNNING", "RUNNING", "RUNNING"), 0.0),
        (running("sink", "RUNNING", "RUNNING", "RUNNING", "FAILED"), 0.0),
        (running("sink", "RUNNING"), 0.0),
        (running("sink", "PAUSED", "RUNNING", "RUNNING"), 0.0),
        (running("other", "RUNNING", "RUNNING"), 0.0),
    ],
)
def test_a_connector_is_1_only_with_all_its_tasks(seen: Connector, value: float) -> None:
    expected = [Expected(name="sink", kind="sink", tasks=2)]
    assert connector_states(ConnectorStates((seen,)), expected)["sink"] == value


def test_a_connector_nobody_expects_is_shown_with_its_own_state() -> None:
    found = ConnectorStates((running("a", "RUNNING", "RUNNING"), running("b", "RUNNING")))
    assert connector_states(found, []) == {"a": 1.0, "b": 0.0}


def test_tasks_are_shown_one_by_one_and_an_expected_one_that_is_absent_is_0() -> None:
    found = ConnectorStates((running("sink", "RUNNING", "FAILED"), running("other", "RUNNING", "RUNNING")))
    assert task_states(found, [Expected(name="sink", kind="sink", tasks=2)]) == {
        ("sink", "0"): 0.0,
        ("sink", "1"): 0.0,
        ("other", "0"): 1.0,
    }


WHOLE = {
    "source": connector("source", {"name": "source"}),
    "sink": connector("sink", {"name": "sink"}, tasks=("RUNNING", "RUNNING")),
}


def test_states_are_fresh_and_absent_when_connect_does_not_answer(broker: Broker) -> None:
    answers = [(200, WHOLE), (200, {"source": WHOLE["source"]}), (500, b"no")]
    with serving({EXPANDED: answers}) as server:
        found = exporter(server.url)
        seen = [scraped(found) for _ in answers]
    gone = scraped(found)
    assert seen[0].labelled("connector_state", "connector") == {"source": 1.0, "sink": 1.0}
    assert seen[1].labelled("connector_state", "connector") == {"source": 1.0, "sink": 0.0}
    assert seen[1].series("cdcproof_task_state")[(("connector", "sink"), ("task", "1"))] == 0
    assert [page.labelled("cdcproof_connector_known", "connector") for page in seen[:2]] == [
        {"source": 1.0, "sink": 1.0},
        {"source": 1.0, "sink": 0.0},
    ]
    for silent in (seen[2], gone):
        assert silent.series("connector_state") == silent.series("cdcproof_task_state") == {}
        assert silent.series("cdcproof_connector_known") == {}
        assert services(silent)["connect"] == 0
        assert silent.labelled("connector_deployments_total", "status") == {"success": 0.0, "failure": 0.0}
    for page in (*seen, gone):
        assert page.labelled("cdcproof_connector_expected", "connector") == EXPECTED


def test_connectors_of_other_pipelines_are_left_out(broker: Broker) -> None:
    told = {**WHOLE, "erp-sink": connector("sink", {"name": "erp-sink"})}
    with serving({EXPANDED: (200, told)}) as server:
        page = scraped(exporter(server.url, connect={"url": server.url, "other_connectors": ["erp-*"]}))
    assert page.labelled("connector_state", "connector") == EXPECTED


def test_kafka_answers_for_itself(broker: Broker) -> None:
    key = (("connector", "sink"), ("table", "orders"))
    page = scraped(exporter())
    assert page.series("cdcproof_sink_lag_records") == {key: 2.0}
    assert services(page) == {"connect": 0.0, "kafka": 1.0, "source": 1.0, "target": 1.0, "deployments": 1.0}
    broker.is_up = False
    page = scraped(exporter())
    assert page.series("cdcproof_sink_lag_records") == page.series("cdcproof_topic_records_total") == {}
    assert services(page)["kafka"] == 0


def test_kafka_answers_after_a_restart_that_no_scrape_has_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client of before the restart is one that gets no answer any more, as librdkafka's may."""
    made: list[Broker] = []

    def client(_: str) -> Broker:
        made.append(Broker({("t.orders", 0): range(10)}, {"connect-sink": {("t.orders", 0): 8}}))
        return made[-1]

    monkeypatch.setattr(connectors, "Kafka", client)
    found = exporter()
    assert services(scraped(found))["kafka"] == 1
    for one in made:
        one.is_up = False
    page = scraped(found)
    assert services(page)["kafka"] == 1
    assert page.series("cdcproof_retention_headroom_seconds")


def test_settings_of_topics_that_do_not_come_leave_the_headroom_out_and_kafka_up(broker: Broker) -> None:
    name = "cdcproof_retention_headroom_seconds"
    assert scraped(exporter()).labelled(name, "connector") == {"sink": 604_800.0}
    broker.shows_settings = False
    page = scraped(exporter())
    assert page.series(name) == {}
    assert services(page)["kafka"] == 1
    assert page.series("cdcproof_sink_lag_records")


def test_a_registry_is_asked_where_the_pipeline_has_one(broker: Broker) -> None:
    with serving({"GET /config": (200, {"compatibilityLevel": "BACKWARD"})}) as server:
        assert services(scraped(exporter(registry={"url": server.url})))["registry"] == 1
    assert services(scraped(exporter(registry={"url": server.url})))["registry"] == 0


def test_dead_letters_are_found_by_the_configuration_of_before_while_connect_is_away(broker: Broker) -> None:
    broker.logs["dlq", 0] = range(3)
    config = {"name": "sink", "errors.deadletterqueue.topic.name": "dlq"}
    with serving({EXPANDED: (200, {**WHOLE, "sink": connector("sink", config)})}) as server:
        found = exporter(server.url)
        scraped(found)
    broker.logs["dlq", 0] = range(5)
    page = scraped(found)
    assert services(page)["connect"] == 0
    assert page.series("cdcproof_dead_letters") == {(("connector", "sink"), ("topic", "dlq")): 5.0}


@contextmanager
def silent() -> Iterator[str]:
    """A service whose port takes connections, and that says nothing: stopped, or half gone."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_a_page_comes_in_time_whatever_hangs_and_holds_one_thread_a_service(
    monkeypatch: pytest.MonkeyPatch, databases: dict[str, FakeDatabase]
) -> None:
    monkeypatch.setattr(connectors, "SCRAPE_SECONDS", 1.0)
    released = threading.Event()
    for database in databases.values():
        database.hangs = partial(released.wait, 20)
    with silent() as place:
        found = exporter(f"http://{place}", kafka={"bootstrap_servers": place}, registry={"url": f"http://{place}"})
        before = threading.active_count()
        for _ in range(3):
            page = within(20, partial(scraped, found), what="the page")
            down = dict.fromkeys(("connect", "kafka", "registry", "source", "target"), 0.0)
            assert services(page) == {**down, "deployments": 1.0}
            assert page.labelled("cdcproof_connector_expected", "connector") == EXPECTED
        probes = [thread for thread in threading.enumerate() if thread.name.startswith("probe of")]
        assert len(probes) <= 6
        assert threading.active_count() - before <= 2 * len(probes) + 1, "an HTTP request has a thread of its own"
    released.set()


def test_a_connect_that_answers_byte_by_byte_is_down_in_time(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connectors, "SCRAPE_SECONDS", 0.3)
    with sending(lambda: bytewise(b"HTTP/1.1 200 OK\r\n" * 1000), every_seconds=0.02) as url:
        page = within(5, partial(scraped, exporter(url)), what="the page")
    assert services(page)["connect"] == 0.0
    assert page.series("connector_state") == {}


def test_a_scrape_ends_within_five_seconds() -> None:
    assert probe.SCRAPE_SECONDS <= 4.5


def test_a_missing_password_is_reported_at_the_start(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONNECT_PW", raising=False)
    with pytest.raises(UsageError, match="CONNECT_PW"):
        exporter(connect={"url": NOWHERE, "user": "u", "password_env": "CONNECT_PW"})


def test_deployments_are_counted_from_their_journal_and_absent_when_it_cannot_be_read(
    broker: Broker, tmp_path: Path
) -> None:
    paths = {"reconciliation_reports": str(tmp_path / "reconciliation_reports")}
    found = exporter(paths=paths)
    journal = Journal.of(found._pipeline)
    kept = journal.begin("apply", (Change("a", Before(), {}, "success"), Change("b", Before(), {}, "failure")))
    counted = scraped(found).labelled("connector_deployments_total", "status")
    assert counted == {"success": 1.0, "failure": 1.0}
    journal.path(kept).write_text("{")
    damaged = scraped(found)
    assert damaged.series("connector_deployments_total") == {}
    assert services(damaged)["deployments"] == 0.0


SOURCE = {
    "name": "source",
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    "database.dbname": "warehouse_source",
    "slot.name": "own_slot",
}
LAG = "kafka_connect_source_connector_lag"


def test_the_sources_lag_is_counted_also_while_connect_is_away(
    broker: Broker, databases: dict[str, FakeDatabase]
) -> None:
    source = databases["warehouse_source"]
    source.lag = {"own_slot": Unread(3, False, 2.0, 100)}
    with serving({EXPANDED: (200, {**WHOLE, "source": connector("source", SOURCE)})}) as server:
        found = exporter(server.url, source=POSTGRES)
        assert scraped(found).labelled(LAG, "connector") == {"source": 3.0}
    source.lag = {"own_slot": Unread(7, False, 9.0, 300)}
    page = scraped(found)
    assert services(page)["connect"] == 0
    assert page.labelled(LAG, "connector") == {"source": 7.0}
    source.is_up = False
    page = scraped(found)
    assert services(page)["source"] == 0
    assert page.series(LAG) == page.series("cdcproof_source_lag_bytes") == {}


POSTGRES = {
    "type": "postgresql",
    "host": "h",
    "port": 1,
    "database": "warehouse_source",
    "user": "u",
    "schema": "dbo",
    "password_env": "P",
}


def test_freshness_is_there_only_while_both_sides_answer(broker: Broker, databases: dict[str, FakeDatabase]) -> None:
    name, wanted = "cdcproof_replication_freshness_seconds", "cdcproof_replication_freshness_target_seconds"
    table = {"source": "dbo.cdcproof_heartbeat", "target": "public.cdcproof_heartbeat"}
    databases["warehouse_source"].ahead_seconds = 3600
    beat = int((time.time() + 3600 - 25) * 1000)
    databases["warehouse_target"].beats = {("public.cdcproof_heartbeat", "beat_at"): beat}
    found = exporter(freshness={**table, "target_seconds": 90})
    assert scraped(found).series(name)[()] == pytest.approx(25, abs=5)
    for each in (name, wanted):
        assert scraped(exporter()).series(each) == {}, "without [freshness]"
    for side in databases.values():
        side.is_up = False
        page = scraped(found)
        assert page.series(name) == {}
        assert page.series(wanted) == {(): 90}, "it is missed by it"
        side.is_up = True
    assert scraped(found).series(name)


def test_each_side_shows_how_its_database_does(broker: Broker, databases: dict[str, FakeDatabase]) -> None:
    databases["warehouse_source"].state = Health({"active": 2}, 100, deadlocks=1, size_bytes=10)
    databases["warehouse_target"].state = Health(cache_hit_ratio=0.5)
    page = scraped(exporter())
    assert page.labelled("cdcproof_database_connections_limit", "side") == {"source": 100.0}
    assert page.series("cdcproof_database_connections") == {(("side", "source"), ("state", "active")): 2.0}
    assert page.labelled("cdcproof_database_deadlocks_total", "side") == {"source": 1.0}
    assert page.labelled("cdcproof_database_cache_hit_ratio", "side") == {"target": 0.5}
    assert page.series("cdcproof_database_blocked_sessions") == {}
    databases["warehouse_target"].is_up = False
    assert services(scraped(exporter()))["target"] == 0


def test_disks_are_measured_where_the_pipeline_names_some(broker: Broker, tmp_path: Path) -> None:
    paths = {**PATHS, "volumes": [str(tmp_path)]}
    pipeline = pipeline_of("orders", connect={"url": NOWHERE}, paths=paths)
    page = scraped(ConnectorCollector(pipeline, Live()))
    [(labels, ratio)] = page.series("cdcproof_disk_used_ratio").items()
    assert labels == (("path", str(tmp_path)),)
    assert 0 < ratio < 1
    assert services(page)["disks"] == 1
    gone = pipeline_of("orders", connect={"url": NOWHERE}, paths={**PATHS, "volumes": [str(tmp_path / "gone")]})
    assert services(scraped(ConnectorCollector(gone, Live())))["disks"] == 0


def test_what_no_longer_answers_is_printed_once_and_that_it_does_again(
    broker: Broker, databases: dict[str, FakeDatabase], capsys: pytest.CaptureFixture[str]
) -> None:
    with serving({EXPANDED: (200, WHOLE)}) as server:
        found = exporter(server.url)
        scraped(found)
        assert capsys.readouterr().err == ""
        broker.is_up = False
        for _ in range(3):
            scraped(found)
        assert capsys.readouterr().err.splitlines() == ["cdcproof exporter: Kafka does not answer."] * 2
        broker.is_up = True
        scraped(found)
    assert "cdcproof exporter: Kafka answers again.\n" in capsys.readouterr().err


def test_people_are_shown_each_service_and_what_could_not_be_counted(
    broker: Broker, databases: dict[str, FakeDatabase]
) -> None:
    databases["warehouse_source"].lag = {
        "own_slot": Unread(bytes=5, why="It may not be copied.", remedy="ALTER ROLE u")
    }
    databases["warehouse_target"].state = Health(grant="GRANT pg_monitor")
    with serving({EXPANDED: (200, {**WHOLE, "source": connector("source", SOURCE)})}) as server:
        table = {"source": "dbo.beat", "target": "public.beat"}
        found = exporter(server.url, source=POSTGRES, freshness=table)
        broker.is_up = False
        lines = {line.what: (line.problem, line.remedy) for line in found.lines()}
    assert lines == {
        "Kafka Connect": ("", ""),
        "Kafka": ("Kafka does not answer.", ""),
        "Kafka, asked for the settings of the topics,": ("Kafka does not answer.", ""),
        "The source": ("", ""),
        "The target": ("", ""),
        "The journal of deployments": ("", ""),
        "The lag of source": ("It may not be copied.", "ALTER ROLE u"),
        "The sessions of the target": ("This account may not see all of them.", "GRANT pg_monitor"),
        "The beat at the target": ("There is no public.beat.beat_at.", ""),
    }
